"""Who is told when something is wrong: the alarms, each with what to do, and the topic that they go to.

docs/operations.md has a heading for each alarm.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

from aws_cdk import Aws, Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from bridge.metrics import END_TO_END_MILLISECONDS, SECONDS_WAITING, TEXT
from infra.config import BridgeConfig
from infra.function import BridgeFunction
from infra.key import BridgeKey, alarms_of_this_stack
from infra.pinned import ALARM_EMAIL, fix, pin
from infra.way import Way

SLOW = Duration.minutes(1)
"""The slowest text in a hundred may take this long to the agent."""
OLD = 15 * 60.0
"""Seconds after which a text that still waits is worth waking somebody: tried eight times by then, and most of
`give_up_after` is left. Where a deployer gives up sooner, a quarter of that."""
_MINUTE, _FIVE_MINUTES = Duration.minutes(1), Duration.minutes(5)
_SILENCE_PERIODS = 24
"""Into as many periods a time without texts is cut: CloudWatch looks back a few periods further before it takes missing
data for silence, and so is late by a few of these rather than by a few days."""


class AlarmTopic(Construct):
    """Standard and encrypted; CloudWatch publishes as itself, for the alarms of this stack only.

    It is kept when the stack goes: people and tools subscribe to it by hand, and confirm it by e-mail.
    """

    def __init__(self, scope: Construct, construct_id: str, *, key: BridgeKey, email: str | None) -> None:
        super().__init__(scope, construct_id)
        self.topic = sns.Topic(self, "Topic", master_key=key.key, enforce_ssl=True)
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="CloudWatchAlarms",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
                conditions={
                    "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
                    "ArnLike": {"aws:SourceArn": alarms_of_this_stack()},
                },
            )
        )
        pin(self.topic, "AlarmTopic")
        if email:  # beside the topic, not on it: who is taken out of bridge.toml is told no more
            by_email = sns.SubscriptionProtocol.EMAIL
            fix(sns.Subscription(self, "Email", topic=self.topic, protocol=by_email, endpoint=email), ALARM_EMAIL)


class Alarms(Construct):
    """`all` is every alarm, in the order in which somebody should look at them."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        topic: AlarmTopic,
        config: BridgeConfig,
        ways: Sequence[Way],
        failed: sqs.Queue,
        undelivered: sqs.Queue,
    ) -> None:
        super().__init__(scope, construct_id)
        self._action = actions.SnsAction(topic.topic)
        self._config, self._limits = config, config.limits
        self.all: list[cloudwatch.Alarm] = []

        self._holds_anything(
            "Failed",
            failed,
            "Texts or replies could not be delivered and are in failed, untouched, each with its reason. "
            f"Read the reasons with {self._command('failed list')}, mend what they name, then put all back with "
            f"{self._command('failed redrive')}.",
        )
        self._holds_anything(
            "Undelivered",
            undelivered,
            "Something reached nobody: SNS could not hand it to intake, or intake failed over it three times. "
            f"{self._command('doctor')} says what is broken; when that is mended, {self._command('failed redrive')} "
            "hands over what lies there.",
        )
        for way in ways:
            self._not_kept(way)
            self._not_redriven(way)
            self._dropped(way)
        for way in ways:
            self._blocked(way)
            self._waiting(way)
            self._not_taken(way)
            if way.kind is TEXT:
                self._slow(way)
        for function in (function for way in ways for function in (way.intake, way.forward)):
            self._errors(function)
            self._throttles(function)
        if config.operation.expect_texts_every:
            self._silence(ways[0], within=config.operation.expect_texts_every)

    def _holds_anything(self, name: str, queue: sqs.Queue, says: str) -> None:
        """SQS stops telling of a queue that nobody has touched for six hours: what lies there still lies there, so
        missing data leaves the alarm as it is."""
        self._alarm(
            name,
            queue.metric_approximate_number_of_messages_visible(statistic="Maximum", period=_MINUTE),
            at_least=1,
            missing=cloudwatch.TreatMissingData.IGNORE,
            says=says,
        )

    def _blocked(self, way: Way) -> None:
        """At the first one. The period spans two tries, so that one conversation that waits keeps it on."""
        self._alarm(
            f"{way.prefix}Blocked",
            way.forward.measured("Blocked", statistic="Sum", period=two_tries(self._limits.blocked_retry)),
            at_least=1,
            missing=cloudwatch.TreatMissingData.NOT_BREACHING,
            says=f"Somebody's configuration or quota keeps {way.what} out; none is lost, and they go on by themselves, "
            f"in order, once it is mended within {_words(self._limits.give_up_after)}. "
            f"{self._command('doctor')} says what to change.",
        )

    def _waiting(self, way: Way) -> None:
        """What is tried and given back. SQS's own age does not count it (measures.WAITING)."""
        pace, old = max(self._limits.retry_longest, self._limits.blocked_retry), self._old
        self._alarm(
            f"{way.prefix}Waiting",
            way.forward.measured(SECONDS_WAITING, statistic="Maximum", period=two_tries(pace)),
            at_least=old,
            missing=cloudwatch.TreatMissingData.NOT_BREACHING,
            says=f"One of the {way.what} has been tried for {_words(old)} in vain, and goes to failed after "
            f"{_words(self._limits.give_up_after)}. {self._command('doctor')} checks what it waits for, "
            f"{self._command('trace ID')} says why one waits (its log lines have the ID).",
        )

    def _not_taken(self, way: Way) -> None:
        """What is not even tried. Lambda asks the queue all the time, so that data is missing only with CloudWatch."""
        self._alarm(
            f"{way.prefix}NotTaken",
            way.queue.metric_approximate_age_of_oldest_message(statistic="Maximum", period=_MINUTE),
            at_least=self._old,
            missing=cloudwatch.TreatMissingData.IGNORE,
            says=f"One of the {way.what} has lain on its queue for {_words(self._old)} and {way.forward.name} has not "
            f"got to it: it does not run, or cannot keep up. {self._command('doctor')} checks the function and the "
            "quotas.",
        )

    def _not_kept(self, way: Way) -> None:
        """At the first one that Lambda could not send to its destination ("Types of metrics for Lambda functions")."""
        self._at_first(
            f"{way.intake.sid}DestinationFailures",
            way.intake.function.metric("DestinationDeliveryFailures", statistic="Sum", period=_FIVE_MINUTES),
            says=f"Lambda gave up an event for {way.intake.name} and could not put it on undelivered: these {way.what} "
            f"are lost here. {self._command('doctor')} says what keeps Lambda from the queue (role, key, queue); mend "
            "that first.",
        )

    def _dropped(self, way: Way) -> None:
        """At the first one. Lambda counts what it sends to the on-failure destination before it drops it, too."""
        self._at_first(
            f"{way.intake.sid}Dropped",
            way.intake.function.metric("AsyncEventsDropped", statistic="Sum", period=_FIVE_MINUTES),
            says=f"Lambda gave up an event for {way.intake.name}: it is on undelivered, unless "
            f"Alarm{way.intake.sid}DestinationFailures is on too or the destination is gone. {self._command('doctor')} "
            f"checks the function, then {self._command('failed redrive')} hands over what lies there.",
        )

    def _not_redriven(self, way: Way) -> None:
        """At the first one that SNS could not move to the dead-letter queue ("Amazon SNS metrics")."""
        self._at_first(
            f"{way.prefix}RedriveFailures",
            way.topic.metric("NumberOfNotificationsFailedToRedriveToDlq", statistic="Sum", period=_FIVE_MINUTES),
            says=f"SNS could neither hand a notification to {way.intake.name} nor put it on undelivered: these "
            f"{way.what} are lost here. {self._command('doctor')} says what keeps SNS from the queue (its policy, the "
            "key, the queue); mend that first.",
        )

    def _at_first(self, name: str, metric: cloudwatch.Metric, *, says: str) -> None:
        """At the first event; no data is none of them."""
        missing = cloudwatch.TreatMissingData.NOT_BREACHING
        self._alarm(name, metric, at_least=1, missing=missing, says=says)

    def _slow(self, way: Way) -> None:
        """For a quarter of an hour, so that a few texts that are redriven do not count. With few texts in a period
        it is the slowest of them: a bridge with twenty texts an hour must notice too."""
        self._alarm(
            "Slow",
            way.forward.measured(END_TO_END_MILLISECONDS, statistic="p99", period=_FIVE_MINUTES),
            at_least=SLOW.to_milliseconds(),
            periods=3,
            missing=cloudwatch.TreatMissingData.NOT_BREACHING,
            low_samples="evaluate",
            says=f"For a quarter of an hour, one text in a hundred or more has taken over {_words(SLOW.to_seconds())} "
            "to the agent. A flood, or an outage that is over, drains by itself; otherwise "
            f"{self._command('doctor')} shows quotas and rates.",
        )

    def _errors(self, function: BridgeFunction) -> None:
        """Once is a function that was killed, and Lambda tries again; twice in a quarter of an hour it is broken."""
        self._alarm(
            f"{function.sid}Errors",
            function.function.metric_errors(statistic="Sum", period=_FIVE_MINUTES),
            at_least=1,
            periods=3,
            of_them=2,
            missing=cloudwatch.TreatMissingData.NOT_BREACHING,
            says=f"The function {function.name} keeps failing, which no text should make it do: if it was deployed "
            f"lately, roll back. {self._command('doctor')} checks what it needs; its log says where it fails.",
        )

    def _throttles(self, function: BridgeFunction) -> None:
        self._alarm(
            f"{function.sid}Throttles",
            function.function.metric_throttles(statistic="Sum", period=_FIVE_MINUTES),
            at_least=1,
            periods=3,
            of_them=2,
            missing=cloudwatch.TreatMissingData.NOT_BREACHING,
            says=f"Lambda has no room to run {function.name}, and what it should take waits. "
            f"{self._command('doctor')} shows the account's concurrency: raise it, or stop what else uses it up.",
        )

    def _silence(self, way: Way, *, within: float) -> None:
        """A number that points nowhere makes no error. No data is what silence looks like, so it counts."""
        period, periods = silence(within)
        self._alarm(
            "Silence",
            way.intake.measured(TEXT.received, statistic="Sum", period=period),
            below=1,
            periods=periods,
            missing=cloudwatch.TreatMissingData.BREACHING,
            says=f"No text has come for {_words(within)}, and bridge.toml expects one in that time. "
            f"{self._command('doctor')} checks that your numbers point here; {self._command('replay PATH')} shows that "
            "the rest works.",
        )

    @property
    def _old(self) -> float:
        return old(self._limits.give_up_after)

    def _command(self, command: str) -> str:
        return f"`bridge {command} --stack {self._config.stack}`"

    def _alarm(
        self,
        name: str,
        metric: cloudwatch.IMetric,
        *,
        says: str,
        missing: cloudwatch.TreatMissingData,
        at_least: float | None = None,
        below: float | None = None,
        periods: int = 1,
        of_them: int | None = None,
        low_samples: str | None = None,
    ) -> None:
        operators = cloudwatch.ComparisonOperator
        threshold = at_least if at_least is not None else below
        alarm = cloudwatch.Alarm(
            self,
            name,
            metric=metric,
            alarm_description=says,
            threshold=cast(float, threshold),
            comparison_operator=operators.LESS_THAN_THRESHOLD
            if at_least is None
            else operators.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            evaluation_periods=periods,
            datapoints_to_alarm=of_them or periods,
            treat_missing_data=missing,
            evaluate_low_sample_count_percentile=low_samples,
        )
        # CloudFormation makes its name of the stack's and of this, and so somebody reads it at night.
        cast(cloudwatch.CfnAlarm, alarm.node.default_child).override_logical_id(f"Alarm{name}")
        alarm.add_alarm_action(self._action)
        alarm.add_ok_action(self._action)  # much of this heals by itself
        self.all.append(alarm)


def old(give_up_after: float) -> float:
    """Seconds after which a text that still waits is worth an alarm."""
    return min(OLD, math.ceil(give_up_after / 4))


def two_tries(pace: float) -> Duration:
    """A period in which a text that waits at this pace, in seconds, is tried at least once, whatever the jitter."""
    return Duration.seconds(min(max(_minutes(2 * pace), 5 * 60), 24 * 3600))


def silence(within: float) -> tuple[Duration, int]:
    """Period and number of periods that cover so many seconds.

    CloudWatch lets an alarm look back one day, or seven where its period is an hour or longer (PutMetricAlarm).
    """
    seconds = _minutes(within / _SILENCE_PERIODS)
    return Duration.seconds(seconds), math.ceil(within / seconds)


def _minutes(seconds: float) -> int:
    """Seconds, but whole minutes: CloudWatch's periods are multiples of 60."""
    return 60 * math.ceil(seconds / 60)


def _words(seconds: float) -> str:
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds >= length and seconds % length == 0:
            count = int(seconds // length)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{seconds:g} seconds"
