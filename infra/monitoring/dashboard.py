"""The dashboard: does it work, how fast, what failed, what is queued."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from bridge.metrics import END_TO_END_MILLISECONDS, METRICS_BY_FUNCTION, RECEIPTS_MISSED, SECONDS_WAITING
from infra.function import BridgeFunction
from infra.monitoring.alarms import Alarms
from infra.pipeline import Pipeline
from infra.storage import Storage

WIDTH, HEIGHT = 24, 6
"""In units of CloudWatch's grid: the width of the page, and the height of a graph."""


class Dashboard(Construct):
    """For each question a title, and a row of graphs for each pipeline."""

    def __init__(
        self, scope: Construct, construct_id: str, *, alarms: Alarms, pipelines: Sequence[Pipeline], storage: Storage
    ) -> None:
        super().__init__(scope, construct_id)
        column = WIDTH // (len(pipelines) + 1)
        rows: list[list[cloudwatch.IWidget]] = [
            [_title("Is it working?", "An alarm's description says what to do; docs/operations.md says more.")],
            [cloudwatch.AlarmStatusWidget(title="Alarms", alarms=alarms.all, width=WIDTH, height=4)],
            *map(_throughput, pipelines),
            [_title("How fast?", "From the notification's Timestamp to the answer; how old is what still waits.")],
            *map(_latency, pipelines),
            [_title("What failed?", "By error, tries that were in vain, and the functions themselves.")],
            *map(_failures, pipelines),
            [
                _title(
                    "What is queued?",
                    "Visible waits to be received; in flight is being tried, or hidden until its next try.",
                )
            ],
            [*(_queue(pipeline, width=column) for pipeline in pipelines), _dead_letters(storage, width=column)],
        ]
        cloudwatch.Dashboard(self, "Dashboard", widgets=rows, default_interval=Duration.days(1))


def _title(question: str, explanation: str) -> cloudwatch.IWidget:
    return cloudwatch.TextWidget(markdown=f"## {question}\n{explanation}", width=WIDTH, height=2)


def _throughput(pipeline: Pipeline) -> list[cloudwatch.IWidget]:
    intake, worker, names = pipeline.intake, pipeline.worker, pipeline.direction
    chats = [name for name in ("NewChats", "ChatsEnded") if name in METRICS_BY_FUNCTION[worker.name]]
    title = pipeline.messages.title()
    return [
        _graph(
            f"{title}: in and out",
            _counts(intake, names.received, names.ignored, names.failed)
            + _counts(worker, names.done, names.ignored, names.failed),
        ),
        _graph(f"{title}: parts and chats", _counts(worker, names.parts, *chats)),
    ]


def _latency(pipeline: Pipeline) -> list[cloudwatch.IWidget]:
    worker, title = pipeline.worker, pipeline.messages.title()
    percentiles = [worker.metric(END_TO_END_MILLISECONDS, statistic=statistic) for statistic in ("p50", "p90", "p99")]
    age = pipeline.queue.metric_approximate_age_of_oldest_message(statistic="Maximum", label="on the queue, not tried")
    waiting = worker.metric(SECONDS_WAITING, statistic="Maximum").with_(label="tried and returned")
    return [
        _graph(f"{title}: milliseconds end to end", percentiles),
        _graph(f"{title}: seconds that the oldest has waited", [age, waiting]),
    ]


def _failures(pipeline: Pipeline) -> list[cloudwatch.IWidget]:
    title = pipeline.messages.title()
    by_error: list[cloudwatch.IMetric] = []
    of_lambda: list[cloudwatch.IMetric] = []
    for each in pipeline.functions:
        by_error += _counts(each, *(name for name in METRICS_BY_FUNCTION[each.name] if name.startswith("Failed")))
        of_lambda += [
            each.function.metric_errors(label=f"{each.name} errors"),
            each.function.metric_throttles(label=f"{each.name} throttles"),
        ]
    retries = _counts(
        pipeline.worker,
        "Blocked",
        "Retries",
        "GaveUp",
        "DuplicatesSuppressed",
        "PossibleDuplicates",
        "ArrivedOutOfOrder",
    ) + _counts(pipeline.intake, RECEIPTS_MISSED)
    third = WIDTH // 3
    return [
        _graph(f"{title}: failed, by error", by_error, stacked=True, width=third),
        _graph(f"{title}: in vain, again, out of order", retries, width=third),
        _graph(f"{title}: errors and throttles of the functions", of_lambda, width=third),
    ]


def _queue(pipeline: Pipeline, *, width: int) -> cloudwatch.IWidget:
    visible = pipeline.queue.metric_approximate_number_of_messages_visible(label="visible")
    in_flight = pipeline.queue.metric_approximate_number_of_messages_not_visible(label="in flight")
    return _graph(f"{pipeline.messages.title()} on their queue", [visible, in_flight], stacked=True, width=width)


def _dead_letters(storage: Storage, *, width: int) -> cloudwatch.IWidget:
    queues = {"failed": storage.failed, "undelivered": storage.undelivered}
    return _graph(
        "Left for you",
        [queue.metric_approximate_number_of_messages_visible(label=name) for name, queue in queues.items()],
        width=width,
    )


def _counts(function: BridgeFunction, *names: str) -> list[cloudwatch.IMetric]:
    return [function.metric(name, statistic="Sum").with_(label=f"{function.name} {name}") for name in names]


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
