"""The two ways through the bridge, as those who watch them see them."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs

from bridge.metrics import TEXT, Direction
from infra.forward import Forward
from infra.intake import Intake


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """From the topic and the function that takes in, over the queue that keeps the order, to the one that delivers."""

    kind: Direction
    topic: sns.Topic
    intake: Intake
    queue: sqs.Queue
    forward: Forward

    @property
    def what(self) -> str:
        return "texts" if self.kind is TEXT else "replies"

    @property
    def prefix(self) -> str:
        """What the names of its alarms begin with."""
        return self.what.title()
