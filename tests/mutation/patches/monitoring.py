"""Alarms, dashboard and saved queries."""

from __future__ import annotations

from tests.mutation.harness import Edit, Mutation
from tests.mutation.patches.making import alarm, page, unit

_TOLD = (
    unit(
        "metrics/another-name",
        "test_measures.py::test_each_function_writes_exactly_the_metrics_that_are_listed_for_it[forward]",
        Edit("counts_of", '"Blocked": sum(', '"TextsBlocked": sum('),
    ),
    unit(
        "metrics/no-age-of-what-waits",
        "test_measures.py::"
        "test_how_long_a_text_has_waited_is_measured_each_time_it_is_given_back_and_not_of_its_followers",
        Edit(
            "Reporter.batch",
            "metrics.add_metric(SECONDS_WAITING, MetricUnit.Seconds, result.waited)",
            "continue",
        ),
    ),
    unit(
        "logs/without-the-text-key",
        "test_measures.py::test_every_log_line_says_which_text_it_is_about[intake]",
        Edit("logging._message", 'return {"correlation_id": key}', "return {}"),
    ),
    page(
        "dashboard/nothing-of-how-fast",
        Edit("Dashboard.__init__", "            *(_fast(way) for way in ways),\n", ""),
        "test_nothing_is_on_it_that_nobody_writes_and_everything_that_the_functions_write_is",
    ),
    page(
        "queries/a-field-that-is-not-there",
        Edit("QUERIES", "filter correlation_id =", "filter text_key ="),
        "test_they_read_fields_that_log_lines_have",
    ),
    alarm(
        "only-sqs-own-age",
        Edit("Alarms.__init__", "            self._waiting(way)\n", ""),
        "test_the_alarms_of_a_bridge_without_replies_are_these",
    ),
    alarm(
        "not-of-what-undelivered-did-not-get",
        Edit("infra/alarms.py", "            self._not_kept(way)\n", ""),
        "test_the_alarms_of_a_bridge_without_replies_are_these",
    ),
    alarm(
        "not-of-what-sns-could-not-redrive",
        Edit("infra/alarms.py", "            self._not_redriven(way)\n", ""),
        "test_the_alarms_of_a_bridge_without_replies_are_these",
    ),
    alarm(
        "not-of-what-lambda-drops",
        Edit("infra/alarms.py", "            self._dropped(way)\n", ""),
        "test_the_alarms_of_a_bridge_without_replies_are_these",
    ),
    alarm(
        "asleep-is-well",
        Edit(
            "Alarms._holds_anything",
            "at_least=1,\n            missing=cloudwatch.TreatMissingData.IGNORE",
            "at_least=1,\n            missing=cloudwatch.TreatMissingData.NOT_BREACHING",
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
        "test_every_alarm_tells_the_topic_when_it_begins_and_when_it_is_over",
    ),
    alarm(
        "cloudwatch-shut-out",
        Edit("AlarmTopic.__init__", 'actions=["sns:Publish"]', 'actions=["sns:Subscribe"]'),
        "test_cloudwatch_for_the_alarms_of_this_stack_and_nobody_else_is_let_into_the_topic",
    ),
    alarm(
        "any-alarm-of-the-account",
        Edit("alarms_of_this_stack", "alarm:{Aws.STACK_NAME}-*", "alarm:*"),
        "test_cloudwatch_for_the_alarms_of_this_stack_and_nobody_else_is_let_into_the_topic",
    ),
)

MUTATIONS: tuple[Mutation, ...] = (*_TOLD,)
