"""Queries of CloudWatch Logs Insights, for whoever is on call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Aws
from aws_cdk import aws_logs as logs
from constructs import Construct

QUERIES: Mapping[str, str] = {
    "What became of one text": """
        fields @timestamp, service, message, error, reason, attempts, parts, again_in_seconds, waited_seconds, contact
        | filter correlation_id = "paste its key here"
        | sort @timestamp asc
        | limit 1000
    """,
    "What fails or waits, and why": """
        filter ispresent(error)
        | stats count(*) as times, count_distinct(correlation_id) as texts, latest(reason) as latest_reason,
            latest(correlation_id) as for_example, latest(timestamp) as last by service, message, error
        | sort texts desc
    """,
    "How slow": """
        filter ispresent(milliseconds)
        | stats count(*) as texts, pct(milliseconds, 50) as p50, pct(milliseconds, 90) as p90,
            pct(milliseconds, 99) as p99, max(milliseconds) as slowest, sum(attempts) as calls
            by bin(5m) as time, service
        | sort time desc
    """,
}
"""By name.

- One text: customers and agents ask about one, and the logs may be kept longer than the ledger (16 days).
- What fails or waits: every alarm but silence leads here. The error says who must act, the example is a key for the
  first query.
- How slow: logs can be grouped by time and function; percentiles of a metric cannot.
"""


class Queries(Construct):
    """In a folder named after the stack; they search the logs of all functions."""

    def __init__(self, scope: Construct, construct_id: str, *, log_groups: Sequence[logs.LogGroup]) -> None:
        super().__init__(scope, construct_id)
        for number, (name, query) in enumerate(QUERIES.items(), 1):
            lines = [line.strip() for line in query.strip().splitlines()]
            logs.CfnQueryDefinition(
                self,
                f"Query{number}",
                name=f"{Aws.STACK_NAME}/{name}",
                query_string="\n".join(lines),
                log_group_names=[group.log_group_name for group in log_groups],
            )
