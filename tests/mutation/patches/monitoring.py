"""Alarms, dashboard and saved queries."""

from __future__ import annotations

from tests.mutation.harness import Edit, Mutation
from tests.mutation.patches.making import alarm, page, unit

_TOLD = (
    unit(
        "metrics/another-name",
        "bridge/test_metrics.py::test_each_function_writes_exactly_the_metrics_listed_for_it[forward]",
        Edit("counts_of", '"Blocked": sum(', '"TextsBlocked": sum('),
    ),
    unit(
        "metrics/no-age-of-what-waits",
        "bridge/test_metrics.py::test_seconds_waiting_is_measured_at_each_retry_and_not_for_followers",
        Edit(
            "Reporter.batch",
            "metrics.add_metric(SECONDS_WAITING, MetricUnit.Seconds, result.waited)",
            "continue",
        ),
    ),
    unit(
        "logs/without-the-text-key",
        "bridge/test_metrics.py::test_every_log_line_has_the_key_of_its_text[intake]",
        Edit("logging._message", 'return {"correlation_id": key}', "return {}"),
    ),
    page(
        "dashboard/nothing-of-how-fast",
        Edit("Dashboard.__init__", "            *map(_latency, pipelines),\n", ""),
        "test_it_shows_all_metrics_of_the_functions_and_only_metrics_that_exist",
    ),
    page(
        "queries/a-field-that-is-not-there",
        Edit("QUERIES", "filter correlation_id =", "filter text_key ="),
        "test_they_read_fields_that_log_lines_have",
    ),
    alarm(
        "only-sqs-own-age",
        Edit("Alarms.__init__", "            self._waiting(pipeline)\n", ""),
        "test_the_alarms_of_a_bridge_without_replies_are_these",
    ),
    alarm(
        "not-of-what-undelivered-did-not-get",
        Edit("Alarms.__init__", "            self._destination_failures(pipeline)\n", ""),
        "test_the_alarms_of_a_bridge_without_replies_are_these",
    ),
    alarm(
        "not-of-what-sns-could-not-redrive",
        Edit("Alarms.__init__", "            self._redrive_failures(pipeline)\n", ""),
        "test_the_alarms_of_a_bridge_without_replies_are_these",
    ),
    alarm(
        "not-of-what-lambda-drops",
        Edit("Alarms.__init__", "            self._dropped(pipeline)\n", ""),
        "test_the_alarms_of_a_bridge_without_replies_are_these",
    ),
    alarm(
        "asleep-is-well",
        Edit(
            "Alarms._not_empty",
            "missing=cloudwatch.TreatMissingData.IGNORE",
            "missing=cloudwatch.TreatMissingData.NOT_BREACHING",
        ),
        "test_the_alarms_of_a_bridge_without_replies_are_these",
    ),
    alarm(
        "no-data-is-well",
        Edit("Alarms._silence", "TreatMissingData.BREACHING", "TreatMissingData.NOT_BREACHING"),
        "test_with_replies_and_an_expectation_of_texts_the_alarms_are_these",
    ),
    alarm(
        "another-namespace",
        Edit(
            "BridgeFunction.__init__",
            '"POWERTOOLS_METRICS_NAMESPACE": self._namespace',
            '"POWERTOOLS_METRICS_NAMESPACE": "A"',
        ),
        "test_the_alarms_of_a_bridge_without_replies_are_these",
    ),
    alarm(
        "nobody-is-told",
        Edit("Alarms._alarm", "        alarm.add_alarm_action(self._action)\n", ""),
        "test_every_alarm_notifies_the_topic_when_it_begins_and_ends",
    ),
    alarm(
        "cloudwatch-shut-out",
        Edit("Topic.allow_service", 'actions=["sns:Publish"]', 'actions=["sns:Subscribe"]'),
        "test_only_cloudwatch_alarms_of_this_stack_may_publish_to_the_topic",
    ),
    alarm(
        "any-alarm-of-the-account",
        Edit("alarms_of_this_stack", "alarm:{Aws.STACK_NAME}-*", "alarm:*"),
        "test_only_cloudwatch_alarms_of_this_stack_may_publish_to_the_topic",
    ),
)

MUTATIONS: tuple[Mutation, ...] = (*_TOLD,)
