"""One page that answers, from top to bottom: is it working, how fast, what failed, what is queued."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from bridge.metrics import END_TO_END_MILLISECONDS, METRICS_BY_FUNCTION, RECEIPTS_MISSED, SECONDS_WAITING
from infra.alarms import Alarms
from infra.function import BridgeFunction
from infra.way import Way

PERIOD = Duration.minutes(5)
WIDTH, HEIGHT = 24, 6
"""Of CloudWatch's grid: the whole width, and what a graph needs to be read."""


class Dashboard(Construct):
    """A row of graphs for each question, and one more for replies where there are any."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        alarms: Alarms,
        ways: Sequence[Way],
        failed: sqs.Queue,
        undelivered: sqs.Queue,
    ) -> None:
        super().__init__(scope, construct_id)
        share = WIDTH // (len(ways) + 1)
        rows: list[list[cloudwatch.IWidget]] = [
            [_title("Is it working?", "An alarm's description says what to do; docs/operations.md says more.")],
            [cloudwatch.AlarmStatusWidget(title="Alarms", alarms=alarms.all, width=WIDTH, height=4)],
            *(_working(way) for way in ways),
            [_title("How fast?", "From the notification's Timestamp to the answer; how old is what still waits.")],
            *(_fast(way) for way in ways),
            [_title("What failed?", "By error, tries that were in vain, and the functions themselves.")],
            *(_failed(way) for way in ways),
            [
                _title(
                    "What is queued?", "Visible waits its turn; in flight is being tried, or hidden until its next try."
                )
            ],
            [*(_queued(way, width=share) for way in ways), _left(failed, undelivered, width=share)],
        ]
        cloudwatch.Dashboard(self, "Dashboard", widgets=rows, default_interval=Duration.days(1))


def _title(question: str, says: str) -> cloudwatch.IWidget:
    return cloudwatch.TextWidget(markdown=f"## {question}\n{says}", width=WIDTH, height=2)


def _working(way: Way) -> list[cloudwatch.IWidget]:
    names = way.kind
    return [
        _graph(
            f"{way.prefix}: in and out",
            _counts(way.intake, names.received, names.ignored, names.failed)
            + _counts(way.forward, names.done, names.ignored, names.failed),
        ),
        _graph(
            f"{way.prefix}: parts and chats",
            _counts(way.forward, names.parts, *_written(way.forward, "NewChats", "ChatsEnded")),
        ),
    ]


def _fast(way: Way) -> list[cloudwatch.IWidget]:
    slow = [way.forward.measured(END_TO_END_MILLISECONDS, statistic=of, period=PERIOD) for of in ("p50", "p90", "p99")]
    age = way.queue.metric_approximate_age_of_oldest_message(
        statistic="Maximum", period=PERIOD, label="on the queue, not tried"
    )
    waiting = way.forward.measured(SECONDS_WAITING, statistic="Maximum", period=PERIOD).with_(
        label="tried and given back"
    )
    return [
        _graph(f"{way.prefix}: milliseconds end to end", slow),
        _graph(f"{way.prefix}: seconds that the oldest has waited", [age, waiting]),
    ]


def _failed(way: Way) -> list[cloudwatch.IWidget]:
    def errors(function: BridgeFunction) -> list[str]:
        return [name for name in METRICS_BY_FUNCTION[function.name] if name.startswith("Failed")]

    functions = (way.intake, way.forward)
    return [
        _graph(
            f"{way.prefix}: failed, by error",
            [metric for function in functions for metric in _counts(function, *errors(function))],
            stacked=True,
            width=WIDTH // 3,
        ),
        _graph(
            f"{way.prefix}: in vain, again, out of order",
            _counts(way.forward, "Blocked", "Retries", "GaveUp", "DuplicatesSuppressed", "ArrivedOutOfOrder")
            + _counts(way.intake, RECEIPTS_MISSED),
            width=WIDTH // 3,
        ),
        _graph(
            f"{way.prefix}: errors and throttles of the functions",
            [
                metric
                for function in functions
                for metric in (
                    function.function.metric_errors(period=PERIOD, label=f"{function.name} errors"),
                    function.function.metric_throttles(period=PERIOD, label=f"{function.name} throttles"),
                )
            ],
            width=WIDTH // 3,
        ),
    ]


def _queued(way: Way, *, width: int) -> cloudwatch.IWidget:
    visible = way.queue.metric_approximate_number_of_messages_visible(period=PERIOD, label="visible")
    in_flight = way.queue.metric_approximate_number_of_messages_not_visible(period=PERIOD, label="in flight")
    return _graph(f"{way.prefix} on their queue", [visible, in_flight], stacked=True, width=width)


def _left(failed: sqs.Queue, undelivered: sqs.Queue, *, width: int) -> cloudwatch.IWidget:
    queues = (("failed", failed), ("undelivered", undelivered))
    return _graph(
        "Left for you",
        [queue.metric_approximate_number_of_messages_visible(period=PERIOD, label=name) for name, queue in queues],
        width=width,
    )


def _counts(function: BridgeFunction, *names: str) -> list[cloudwatch.IMetric]:
    return [
        function.measured(name, statistic="Sum", period=PERIOD).with_(label=f"{function.name} {name}") for name in names
    ]


def _written(function: BridgeFunction, *names: str) -> list[str]:
    """Those of the names that this function writes."""
    return [name for name in names if name in METRICS_BY_FUNCTION[function.name]]


def _graph(
    title: str, metrics: Sequence[cloudwatch.IMetric], *, stacked: bool = False, width: int = WIDTH // 2
) -> cloudwatch.IWidget:
    return cloudwatch.GraphWidget(
        title=title,
        left=[*metrics],
        left_y_axis=cloudwatch.YAxisProps(min=0, show_units=False),
        stacked=stacked,
        width=width,
        height=HEIGHT,
    )
