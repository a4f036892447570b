"""The stack's outputs, which the command, the sandbox and people read."""

from __future__ import annotations

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_sns as sns

from infra.function import Shared
from infra.inbound import TwoWayChannel
from infra.pipeline import Pipeline
from infra.start_chat import StartChatDelivery


def add_outputs(
    stack: Stack,
    shared: Shared,
    *,
    channel: TwoWayChannel,
    texts: Pipeline,
    start_chat: StartChatDelivery | None,
    alarm_topic: sns.Topic,
) -> None:
    """The name of an output is its logical id."""
    storage = shared.storage
    outputs = [
        ("InboundTopicArn", "Two-way channel of your numbers in End User Messaging", channel.topic.topic_arn),
        ("TwoWayChannelRoleArn", "Role that End User Messaging publishes in", channel.role.role_arn),
        ("ConversationsQueueUrl", "Texts on their way, in order", texts.queue.queue_url),
        ("FailedQueueUrl", "Texts that could not be delivered, each with why", storage.failed.queue_url),
        ("UndeliveredQueueUrl", "What could not be handed to intake", storage.undelivered.queue_url),
        ("LedgerTableName", "What became of each text", storage.ledger.table_name),
        ("IntakeFunctionName", "Puts texts on conversations", texts.intake.function.function_name),
        ("ForwardFunctionName", "Delivers texts to Amazon Connect", texts.worker.function.function_name),
        ("ConfigFingerprint", "Of the bridge.toml that was deployed", shared.config.fingerprint()),
        ("AlarmTopicArn", "Where alarms go: subscribe to it", alarm_topic.topic_arn),
    ]
    if start_chat:
        replies = start_chat.replies
        outputs += [
            ("StreamingTopicArn", "Where Connect streams chats", start_chat.streaming.topic_arn),
            ("RepliesQueueUrl", "Agents' replies on their way, in order", replies.queue.queue_url),
            ("ChatsTableName", "The open chats", start_chat.chats.table_name),
            ("ReplyIntakeFunctionName", "Puts replies on their chat", replies.intake.function.function_name),
            ("ReplyFunctionName", "Texts replies to phones", replies.worker.function.function_name),
        ]
    for name, description, value in outputs:
        CfnOutput(stack, name, description=description, value=value)
