"""Alarms, a dashboard and saved log queries."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.function import Shared
from infra.monitoring.alarm_topic import AlarmTopic
from infra.monitoring.alarms import Alarms
from infra.monitoring.dashboard import Dashboard
from infra.monitoring.queries import Queries
from infra.pipeline import Pipeline


def add_monitoring(scope: Construct, *, pipelines: Sequence[Pipeline], shared: Shared) -> sns.Topic:
    """Returns the topic that the alarms publish to."""
    config, storage = shared.config, shared.storage
    topic = AlarmTopic(scope, "AlarmTopic", key=shared.key, email=config.operation.alarm_email).topic
    alarms = Alarms(scope, "Alarms", topic=topic, config=config, pipelines=pipelines, storage=storage)
    Dashboard(scope, "Dashboard", alarms=alarms, pipelines=pipelines, storage=storage)
    log_groups = [function.log_group for pipeline in pipelines for function in pipeline.functions]
    Queries(scope, "Queries", log_groups=log_groups)
    return topic
