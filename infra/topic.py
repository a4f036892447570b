"""Where End User Messaging publishes inbound texts."""

from __future__ import annotations

from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.key import BridgeKey
from infra.pinned import pin


class InboundTopic(Construct):
    """Standard, since End User Messaging takes no FIFO topic.

    Its policy only denies: who may publish is decided by IAM, that is by the two-way channel role's policy and by
    those that the account gives its own people. No service is let in.
    """

    def __init__(self, scope: Construct, construct_id: str, *, key: BridgeKey) -> None:
        super().__init__(scope, construct_id)
        self.topic = sns.Topic(self, "Topic", master_key=key.key, enforce_ssl=True)
        pin(self.topic, "InboundTopic")
