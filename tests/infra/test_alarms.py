"""The alarms: metric, threshold and description of each, and the alarm topic."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bridge.processing.retry import JITTER
from infra.monitoring.alarms import max_wait, silence, two_attempts
from testing import commands
from tests.infra.conftest import ROOT, Synthesised, refers_to, text
from tests.infra.metrics import written

HOUR, DAY = 3600, 86_400
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
# name: metric, statistic, seconds of a period, periods, breaching ones, threshold, what missing data is
TEXTS: dict[str, tuple[str, str, int, int, int, float, str]] = {
    "AlarmFailed": ("FailedQueue ApproximateNumberOfMessagesVisible", "Maximum", 60, 1, 1, 1, "ignore"),
    "AlarmUndelivered": ("UndeliveredQueue ApproximateNumberOfMessagesVisible", "Maximum", 60, 1, 1, 1, "ignore"),
    "AlarmIntakeDestinationFailures": ("intake DestinationDeliveryFailures", "Sum", 300, 1, 1, 1, "notBreaching"),
    "AlarmTextsRedriveFailures": (
        *("InboundTopic NumberOfNotificationsFailedToRedriveToDlq", "Sum", 300, 1, 1, 1, "notBreaching"),
    ),
    "AlarmIntakeDropped": ("intake AsyncEventsDropped", "Sum", 300, 1, 1, 1, "notBreaching"),
    "AlarmTextsBlocked": ("forward Blocked", "Sum", 300, 1, 1, 1, "notBreaching"),
    "AlarmTextsWaiting": ("forward SecondsWaiting", "Maximum", 600, 1, 1, 900, "notBreaching"),
    "AlarmTextsNotTaken": ("ConversationsQueue ApproximateAgeOfOldestMessage", "Maximum", 60, 1, 1, 900, "ignore"),
    "AlarmSlow": ("forward EndToEndMilliseconds", "p99", 300, 3, 3, 60_000, "notBreaching"),
    "AlarmIntakeErrors": ("intake Errors", "Sum", 300, 3, 2, 1, "notBreaching"),
    "AlarmIntakeThrottles": ("intake Throttles", "Sum", 300, 3, 2, 1, "notBreaching"),
    "AlarmForwardErrors": ("forward Errors", "Sum", 300, 3, 2, 1, "notBreaching"),
    "AlarmForwardThrottles": ("forward Throttles", "Sum", 300, 3, 2, 1, "notBreaching"),
}
REPLIES = TEXTS | {
    "AlarmTextsWaiting": ("forward SecondsWaiting", "Maximum", 1200, 1, 1, 300, "notBreaching"),
    "AlarmTextsNotTaken": ("ConversationsQueue ApproximateAgeOfOldestMessage", "Maximum", 60, 1, 1, 300, "ignore"),
    "AlarmReplyIntakeDestinationFailures": (
        *("reply_intake DestinationDeliveryFailures", "Sum", 300, 1, 1, 1, "notBreaching"),
    ),
    "AlarmRepliesRedriveFailures": (
        *("StreamingTopic NumberOfNotificationsFailedToRedriveToDlq", "Sum", 300, 1, 1, 1, "notBreaching"),
    ),
    "AlarmReplyIntakeDropped": ("reply_intake AsyncEventsDropped", "Sum", 300, 1, 1, 1, "notBreaching"),
    "AlarmRepliesBlocked": ("reply Blocked", "Sum", 300, 1, 1, 1, "notBreaching"),
    "AlarmRepliesWaiting": ("reply SecondsWaiting", "Maximum", 1200, 1, 1, 300, "notBreaching"),
    "AlarmRepliesNotTaken": ("RepliesQueue ApproximateAgeOfOldestMessage", "Maximum", 60, 1, 1, 300, "ignore"),
    "AlarmReplyIntakeErrors": ("reply_intake Errors", "Sum", 300, 3, 2, 1, "notBreaching"),
    "AlarmReplyIntakeThrottles": ("reply_intake Throttles", "Sum", 300, 3, 2, 1, "notBreaching"),
    "AlarmReplyErrors": ("reply Errors", "Sum", 300, 3, 2, 1, "notBreaching"),
    "AlarmReplyThrottles": ("reply Throttles", "Sum", 300, 3, 2, 1, "notBreaching"),
    "AlarmSilence": ("intake TextsReceived", "Sum", 600, 24, 24, 1, "breaching"),
}


def watched(stack: Synthesised, alarm: Any) -> str:
    """Function, queue or topic, and metric; fails if nothing writes it."""
    (dimension,) = alarm["Dimensions"]
    return written(
        stack,
        namespace=alarm["Namespace"],
        name=alarm["MetricName"],
        dimension=dimension["Name"],
        value=refers_to(dimension["Value"]),
    )


def rules(stack: Synthesised) -> dict[str, tuple[str, str, int, int, int, float, str]]:
    return {
        name: (
            watched(stack, alarm),
            alarm.get("Statistic") or alarm["ExtendedStatistic"],
            *(alarm["Period"], alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]),
            alarm["Threshold"],
            alarm["TreatMissingData"],
        )
        for name, alarm in stack.all("CloudWatch::Alarm").items()
    }


def test_the_alarms_of_a_bridge_without_replies_are_these(stack: Synthesised) -> None:
    assert rules(stack) == TEXTS


def test_with_replies_and_an_expectation_of_texts_the_alarms_are_these(everything: Synthesised) -> None:
    assert rules(everything) == REPLIES


def test_only_the_silence_alarm_has_a_lower_threshold(everything: Synthesised) -> None:
    operators = {name: alarm["ComparisonOperator"] for name, alarm in everything.all("CloudWatch::Alarm").items()}
    assert operators.pop("AlarmSilence") == "LessThanThreshold"
    assert set(operators.values()) == {"GreaterThanOrEqualToThreshold"}


def test_a_bridge_with_few_texts_notices_that_they_are_slow(stack: Synthesised) -> None:
    assert stack.get("AlarmSlow")["EvaluateLowSampleCountPercentile"] == "evaluate"


def test_every_alarm_notifies_the_topic_when_it_begins_and_ends(everything: Synthesised) -> None:
    for alarm in everything.all("CloudWatch::Alarm").values():
        assert [refers_to(action) for action in alarm["AlarmActions"]] == ["AlarmTopic"]
        assert [refers_to(action) for action in alarm["OKActions"]] == ["AlarmTopic"]
        assert alarm.get("ActionsEnabled") is not False


def test_each_description_says_briefly_what_to_do_with_a_valid_command(
    everything: Synthesised,
) -> None:
    known = commands.known()
    for name, alarm in everything.all("CloudWatch::Alarm").items():
        says = alarm["AlarmDescription"]
        assert 1 <= len(re.findall(r"\.(?: |$)", says)) <= 2, name
        assert len(says) <= 400 and says.endswith("."), name
        named = re.findall(r"`(.*?)`", says)
        assert named and all(re.fullmatch(r"bridge [a-zA-Z ]+ --stack Other", one) for one in named), name
        for words in (command.removesuffix(" --stack Other").split()[1:] for command in named):
            assert " ".join(word for word in words if word.islower()) in known, name


def test_the_page_for_the_engineer_on_call_has_a_heading_for_each_alarm(everything: Synthesised) -> None:
    headings = re.findall(r"(?m)^### (Alarm\w+(?:, Alarm\w+)*)$", PAGE)
    assert sorted(name for heading in headings for name in heading.split(", ")) == sorted(REPLIES)


# --- the topic --------------------------------------------------------------------------------------------


def test_only_cloudwatch_alarms_of_this_stack_may_publish_to_the_topic(stack: Synthesised) -> None:
    (policy,) = (
        p for p in stack.all("SNS::TopicPolicy").values() if [refers_to(t) for t in p["Topics"]] == ["AlarmTopic"]
    )
    by_effect = {statement["Effect"]: statement for statement in policy["PolicyDocument"]["Statement"]}
    assert len(policy["PolicyDocument"]["Statement"]) == len(by_effect) == 2
    allowed = by_effect["Allow"]
    assert allowed["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert (allowed["Action"], refers_to(allowed["Resource"])) == ("sns:Publish", "AlarmTopic")
    assert {operator: {k: text(v) for k, v in of.items()} for operator, of in allowed["Condition"].items()} == {
        "StringEquals": {"aws:SourceAccount": "${AWS::AccountId}"},
        "ArnLike": {
            "aws:SourceArn": (
                "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:${AWS::StackName}-*"
            )
        },
    }
    denied = by_effect["Deny"]
    assert (denied["Principal"], denied["Action"]) == ("*", "sns:Publish")
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_cloudformation_names_the_alarms_after_the_stack(stack: Synthesised) -> None:
    assert all("AlarmName" not in alarm for alarm in stack.all("CloudWatch::Alarm").values())


def test_an_e_mail_address_is_subscribed_and_not_retained(stack: Synthesised, everything: Synthesised) -> None:
    def e_mails(of: Synthesised) -> list[Any]:
        resources = of.template["Resources"].values()
        return [
            resource
            for resource in resources
            if resource["Type"] == "AWS::SNS::Subscription" and resource["Properties"]["Protocol"] == "email"
        ]

    assert e_mails(stack) == []
    (subscription,) = e_mails(everything)
    assert refers_to(subscription["Properties"]["TopicArn"]) == "AlarmTopic"
    assert subscription["Properties"]["Endpoint"] == "ops@example.com"
    assert "Retain" not in subscription.values()


# --- times ------------------------------------------------------------------------------------------------


@given(st.floats(1, 12 * HOUR))
def test_each_period_has_an_attempt_whatever_the_retry_interval(pace: float) -> None:
    seconds = two_attempts(pace).to_seconds()
    assert seconds >= pace * (1 + JITTER)
    assert seconds % 60 == 0 and 300 <= seconds <= DAY


@given(st.floats(600, 7 * DAY))
def test_any_expectation_fits_into_the_evaluation_range_of_cloudwatch(within: float) -> None:
    period, periods = silence(within)
    seconds = period.to_seconds()
    assert seconds % 60 == 0 and periods <= 24
    assert within <= seconds * periods <= max(within * 1.1, within + 60)
    assert seconds * periods <= (7 * DAY if seconds >= HOUR else DAY)


@given(st.floats(1, DAY))
def test_three_quarters_of_give_up_after_are_left_at_the_waiting_alarm(give_up_after: float) -> None:
    assert max_wait(give_up_after) <= max(math.ceil(give_up_after / 4), 1) and max_wait(give_up_after) <= 15 * 60


def test_the_page_names_no_file_that_is_not_there() -> None:
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", PAGE):
        assert (Path(ROOT / "docs") / link).exists(), link
