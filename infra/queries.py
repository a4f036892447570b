"""The questions that are asked of the logs at night, saved in CloudWatch Logs Insights."""

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
"""By name. One text, since that is what a customer or an agent asks about, and the ledger forgets after 16 days what
logs may still have. What fails or waits, since every alarm but silence leads there: the error says whose turn it is,
and an example leads to the first question. How slow, since a percentile of metrics cannot be cut finer afterwards."""


class Queries(Construct):
    """In a folder of the stack's name, over the logs of all functions."""

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
