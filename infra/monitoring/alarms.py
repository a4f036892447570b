"""The alarms. Each description says what to do; docs/operations.md has a heading for each alarm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from bridge.metrics import END_TO_END_MILLISECONDS, SECONDS_WAITING, TEXT
from infra.config import BridgeConfig
from infra.function import BridgeFunction
from infra.pipeline import Pipeline
from infra.storage import Storage

SLOW = Duration.minutes(1)
"""The 99th percentile of the time from phone to agent that raises the alarm."""
MAX_WAIT = 15 * 60.0
"""Seconds that a message may wait before an alarm. By then it has been tried eight times, and most of `give_up_after`
is left. With a shorter `give_up_after` a quarter of that counts."""
_MINUTE, _FIVE_MINUTES = Duration.minutes(1), Duration.minutes(5)
_SILENCE_PERIODS = 24
"""Number of periods of the silence alarm. CloudWatch looks back a few periods more before it treats data as missing:
with many short periods the alarm is late by little."""


class Alarms(Construct):
    """`all` has every alarm, the most urgent first."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        topic: sns.Topic,
        config: BridgeConfig,
        pipelines: Sequence[Pipeline],
        storage: Storage,
    ) -> None:
        super().__init__(scope, construct_id)
        self._action = actions.SnsAction(topic)
        self._config, self._limits = config, config.limits
        self._max_wait = max_wait(config.limits.give_up_after)
        self.all: list[cloudwatch.Alarm] = []

        self._not_empty(
            "Failed",
            storage.failed,
            "Texts or replies could not be delivered and are in failed, untouched, each with its reason. "
            f"Read the reasons with {self._command('failed list')}, mend what they name, then put all back with "
            f"{self._command('failed redrive')}.",
        )
        self._not_empty(
            "Undelivered",
            storage.undelivered,
            "Something reached nobody: SNS could not hand it to intake, or intake failed over it three times. "
            f"{self._command('doctor')} says what is broken; when that is mended, {self._command('failed redrive')} "
            "hands over what lies there.",
        )
        for pipeline in pipelines:
            self._destination_failures(pipeline)
            self._redrive_failures(pipeline)
            self._dropped(pipeline)
        for pipeline in pipelines:
            self._blocked(pipeline)
            self._waiting(pipeline)
            self._not_taken(pipeline)
            if pipeline.direction is TEXT:
                self._slow(pipeline)
        for function in (function for pipeline in pipelines for function in pipeline.functions):
            self._errors(function)
            self._throttles(function)
        if config.operation.expect_texts_every:
            self._silence(pipelines[0], within=config.operation.expect_texts_every)

    def _not_empty(self, name: str, queue: sqs.Queue, description: str) -> None:
        """SQS stops sending metrics of a queue that was not used for six hours, although the messages are still there:
        missing data keeps the state of the alarm."""
        self._alarm(
            name,
            queue.metric_approximate_number_of_messages_visible(statistic="Maximum", period=_MINUTE),
            description,
            missing=cloudwatch.TreatMissingData.IGNORE,
        )

    def _destination_failures(self, pipeline: Pipeline) -> None:
        """Lambda could not send an event to its destination ("Types of metrics for Lambda functions")."""
        intake = pipeline.intake
        self._alarm(
            f"{intake.camel_name}DestinationFailures",
            intake.function.metric("DestinationDeliveryFailures", statistic="Sum", period=_FIVE_MINUTES),
            f"Lambda gave up an event for {intake.name} and could not put it on undelivered: these {pipeline.messages} "
            f"are lost here. {self._command('doctor')} says what keeps Lambda from the queue (role, key, queue); mend "
            "that first.",
        )

    def _redrive_failures(self, pipeline: Pipeline) -> None:
        """SNS could not move a notification to the dead-letter queue ("Amazon SNS metrics")."""
        self._alarm(
            f"{pipeline.messages.title()}RedriveFailures",
            pipeline.topic.metric("NumberOfNotificationsFailedToRedriveToDlq", statistic="Sum", period=_FIVE_MINUTES),
            f"SNS could neither hand a notification to {pipeline.intake.name} nor put it on undelivered: these "
            f"{pipeline.messages} are lost here. {self._command('doctor')} says what keeps SNS from the queue (its "
            "policy, the key, the queue); mend that first.",
        )

    def _dropped(self, pipeline: Pipeline) -> None:
        """Lambda also counts the events that it sends to the on-failure destination before it drops them."""
        intake = pipeline.intake
        self._alarm(
            f"{intake.camel_name}Dropped",
            intake.function.metric("AsyncEventsDropped", statistic="Sum", period=_FIVE_MINUTES),
            f"Lambda gave up an event for {intake.name}: it is on undelivered, unless "
            f"Alarm{intake.camel_name}DestinationFailures is on too or the destination is gone. "
            f"{self._command('doctor')} checks the function, then {self._command('failed redrive')} hands over what "
            "lies there.",
        )

    def _blocked(self, pipeline: Pipeline) -> None:
        """The period spans two attempts, so that one waiting conversation keeps the alarm on."""
        self._alarm(
            f"{pipeline.messages.title()}Blocked",
            pipeline.worker.metric("Blocked", statistic="Sum", period=two_attempts(self._limits.blocked_retry)),
            f"Somebody's configuration or quota keeps {pipeline.messages} out; none is lost, and they go on by "
            f"themselves, in order, once it is mended within {_in_words(self._limits.give_up_after)}. "
            f"{self._command('doctor')} says what to change.",
        )

    def _waiting(self, pipeline: Pipeline) -> None:
        """Messages that are retried: SQS's ApproximateAgeOfOldestMessage leaves them out."""
        longest = max(self._limits.retry_longest, self._limits.blocked_retry)
        self._alarm(
            f"{pipeline.messages.title()}Waiting",
            pipeline.worker.metric(SECONDS_WAITING, statistic="Maximum", period=two_attempts(longest)),
            f"One of the {pipeline.messages} has been tried for {_in_words(self._max_wait)} in vain, and goes to "
            f"failed after {_in_words(self._limits.give_up_after)}. {self._command('doctor')} checks what it waits "
            f"for, {self._command('trace ID')} says why one waits (its log lines have the ID).",
            threshold=self._max_wait,
        )

    def _not_taken(self, pipeline: Pipeline) -> None:
        """Messages that are not received. Lambda always polls the queue: data is missing only if CloudWatch fails."""
        self._alarm(
            f"{pipeline.messages.title()}NotTaken",
            pipeline.queue.metric_approximate_age_of_oldest_message(statistic="Maximum", period=_MINUTE),
            f"One of the {pipeline.messages} has lain on its queue for {_in_words(self._max_wait)} and "
            f"{pipeline.worker.name} has not got to it: it does not run, or cannot keep up. "
            f"{self._command('doctor')} checks the function and the quotas.",
            threshold=self._max_wait,
            missing=cloudwatch.TreatMissingData.IGNORE,
        )

    def _slow(self, pipeline: Pipeline) -> None:
        """Three periods, so that a few redriven texts do not count. A bridge with few texts must notice too: the
        percentile of a few samples is the slowest of them."""
        self._alarm(
            "Slow",
            pipeline.worker.metric(END_TO_END_MILLISECONDS, statistic="p99", period=_FIVE_MINUTES),
            f"For a quarter of an hour, one text in a hundred or more has taken over {_in_words(SLOW.to_seconds())} "
            "to the agent. A flood, or an outage that is over, drains by itself; otherwise "
            f"{self._command('doctor')} shows quotas and rates.",
            threshold=SLOW.to_milliseconds(),
            periods=3,
            low_samples="evaluate",
        )

    def _errors(self, function: BridgeFunction) -> None:
        """One error may be an environment that was killed, and Lambda retries; two of three periods are a defect."""
        self._alarm(
            f"{function.camel_name}Errors",
            function.function.metric_errors(statistic="Sum", period=_FIVE_MINUTES),
            f"The function {function.name} keeps failing, which no text should make it do: if it was deployed "
            f"lately, roll back. {self._command('doctor')} checks what it needs; its log says where it fails.",
            periods=3,
            breaching=2,
        )

    def _throttles(self, function: BridgeFunction) -> None:
        self._alarm(
            f"{function.camel_name}Throttles",
            function.function.metric_throttles(statistic="Sum", period=_FIVE_MINUTES),
            f"Lambda has no room to run {function.name}, and what it should take waits. "
            f"{self._command('doctor')} shows the account's concurrency: raise it, or stop what else uses it up.",
            periods=3,
            breaching=2,
        )

    def _silence(self, pipeline: Pipeline, *, within: float) -> None:
        """No text within so many seconds. A number that is connected to nothing causes no error and no data, so
        missing data is breaching."""
        period, periods = silence(within)
        self._alarm(
            "Silence",
            pipeline.intake.metric(TEXT.received, statistic="Sum", period=period),
            f"No text has come for {_in_words(within)}, and bridge.toml expects one in that time. "
            f"{self._command('doctor')} checks that your numbers point here; {self._command('replay PATH')} shows that "
            "the rest works.",
            comparison=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            periods=periods,
            missing=cloudwatch.TreatMissingData.BREACHING,
        )

    def _command(self, command: str) -> str:
        return f"`bridge {command} --stack {self._config.stack}`"

    def _alarm(
        self,
        name: str,
        metric: cloudwatch.IMetric,
        description: str,
        *,
        threshold: float = 1,
        comparison: cloudwatch.ComparisonOperator = cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        periods: int = 1,
        breaching: int | None = None,
        missing: cloudwatch.TreatMissingData = cloudwatch.TreatMissingData.NOT_BREACHING,
        low_samples: str | None = None,
    ) -> None:
        """By default the first event raises the alarm. `breaching` is how many of the periods must breach: all."""
        alarm = cloudwatch.Alarm(
            self,
            name,
            metric=metric,
            alarm_description=description,
            threshold=threshold,
            comparison_operator=comparison,
            evaluation_periods=periods,
            datapoints_to_alarm=breaching or periods,
            treat_missing_data=missing,
            evaluate_low_sample_count_percentile=low_samples,
        )
        # CloudFormation makes the alarm's name from the stack's name and this id: people read it.
        cast(cloudwatch.CfnAlarm, alarm.node.default_child).override_logical_id(f"Alarm{name}")
        alarm.add_alarm_action(self._action)
        alarm.add_ok_action(self._action)  # many causes end without anybody's help
        self.all.append(alarm)


def max_wait(give_up_after: float) -> float:
    """Seconds that a message may wait before an alarm; `give_up_after` in seconds."""
    return min(MAX_WAIT, math.ceil(give_up_after / 4))


def two_attempts(interval: float) -> Duration:
    """A period with at least one attempt for a message that is retried at this interval (seconds), with any jitter."""
    return Duration.seconds(min(max(_whole_minutes(2 * interval), 5 * 60), 24 * 3600))


def silence(within: float) -> tuple[Duration, int]:
    """Period and number of periods that cover `within` seconds.

    An alarm may look back one day, or seven days with periods of an hour or longer (PutMetricAlarm).
    """
    seconds = _whole_minutes(within / _SILENCE_PERIODS)
    return Duration.seconds(seconds), math.ceil(within / seconds)


def _whole_minutes(seconds: float) -> int:
    """Seconds, rounded up to whole minutes: CloudWatch's periods are multiples of 60."""
    return 60 * math.ceil(seconds / 60)


def _in_words(seconds: float) -> str:
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds >= length and seconds % length == 0:
            count = int(seconds // length)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{seconds:g} seconds"
