"""The stack, in the order in which a text passes through it.

phone -> EUM -> topic -> intake -> conversations -> forward -> Amazon Connect
                  |        |            |              |
                  +--------+-> undelivered             +-> ledger
                           +------------+--------------+-> failed
and beside it what watches: alarms, dashboard, queries.
"""

from __future__ import annotations

from aws_cdk import CfnOutput, Duration, Environment, Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from bridge.metrics import REPLY, TEXT
from bridge.replies.chat_events import FILTER_POLICY
from infra.alarms import Alarms, AlarmTopic
from infra.channel_role import TwoWayChannelRole
from infra.config import BridgeConfig
from infra.dashboard import Dashboard
from infra.forward import Forward
from infra.function import BridgeFunction
from infra.intake import Intake
from infra.key import BridgeKey
from infra.queries import Queries
from infra.queues import FailedQueue, OrderedQueue, UndeliveredQueue
from infra.streaming import StreamingTopic
from infra.table import Remembered
from infra.topic import InboundTopic
from infra.way import Way

VISIBILITY = 6
"""Times the function's time-out: what Lambda asks of a queue, so that no batch is handed out twice."""


class BridgeStack(Stack):
    """Protected against deletion: a topic without subscribers drops what End User Messaging publishes."""

    def __init__(
        self, scope: Construct, construct_id: str, *, config: BridgeConfig, code: lambda_.Code, env: Environment
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            env=env,
            stack_name=config.stack,
            description="Inbound SMS become messages in Amazon Connect chats",
            termination_protection=True,
            analytics_reporting=False,
        )
        limits = config.limits

        key = BridgeKey(self, "Key")
        topic = InboundTopic(self, "Inbound", key=key)
        channel = TwoWayChannelRole(self, "Channel", topic_arn=topic.topic.topic_arn)
        undelivered = UndeliveredQueue(self, "Undelivered", key=key)
        failed = FailedQueue(self, "Failed", key=key)
        conversations = OrderedQueue(
            self,
            "Conversations",
            key=key,
            failed=failed,
            visibility=Duration.seconds(VISIBILITY * limits.function_timeout),
            max_receive_count=limits.max_receive_count,
        )
        ledger = Remembered(self, "Ledger", key=key, by="text_key")
        ledger.index("ByConversation", by="conversation", then="first_seen_at")
        ledger.index("BySnsMessage", by="sns_message_id")
        ledger.index("Failed", by="failed_on", then="failed_at")

        environment = {
            "CONVERSATIONS_QUEUE_URL": conversations.queue.queue_url,
            "FAILED_QUEUE_URL": failed.queue.queue_url,
            "LEDGER_TABLE": ledger.table.table_name,
        }
        intake = Intake(
            self,
            "Intake",
            name="intake",
            description="Puts each inbound text on its conversation",
            code=code,
            config=config,
            key=key,
            environment=environment,
        )
        intake.take_from(topic.topic, undelivered=undelivered)
        intake.may("sqs:SendMessage", on=conversations.queue.queue_arn)
        intake.may("sqs:SendMessage", on=failed.queue.queue_arn)
        intake.may("dynamodb:UpdateItem", on=ledger.table.table_arn)

        forward = Forward(
            self,
            "Forward",
            name="forward",
            description="Delivers each conversation's texts in order as chat messages",
            code=code,
            config=config,
            key=key,
            environment=environment,
        )
        forward.take_from(conversations.queue, max_concurrency=limits.max_concurrency)
        forward.may("sqs:SendMessage", on=failed.queue.queue_arn)
        forward.may("dynamodb:GetItem", "dynamodb:UpdateItem", on=ledger.table.table_arn)
        if not all(map(config.starts_chats, config.numbers)):
            reason = "The action has no resource types and no condition keys in IAM."
            forward.may_anywhere("connect:SendChatIntegrationEvent", reason=reason)

        ways = [Way(kind=TEXT, topic=topic.topic, intake=intake, queue=conversations.queue, forward=forward)]
        outputs = []
        if instances := config.instances():  # in which the bridge starts chats, or did: it texts their replies
            chats = Remembered(self, "Chats", key=key, by="chat_key")
            streaming = StreamingTopic(self, "Streaming", key=key, instances=instances)
            if flows := config.contact_flows():
                forward.function.add_environment("CHATS_TABLE", chats.table.table_name)
                forward.function.add_environment("STREAMING_TOPIC_ARN", streaming.topic.topic_arn)
                forward.may("dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", on=chats.table.table_arn)
            for instance, arns in flows.items():
                for arn in (instance, *arns):
                    forward.may("connect:StartChatContact", on=arn)

            replies = OrderedQueue(
                self,
                "Replies",
                key=key,
                failed=failed,
                visibility=Duration.seconds(VISIBILITY * limits.function_timeout),
                max_receive_count=limits.max_receive_count,
            )
            environment = {
                "REPLIES_QUEUE_URL": replies.queue.queue_url,
                "FAILED_QUEUE_URL": failed.queue.queue_url,
                "LEDGER_TABLE": ledger.table.table_name,
            }
            reply_intake = Intake(
                self,
                "ReplyIntake",
                name="reply_intake",
                description="Puts each reply of an agent on its chat",
                code=code,
                config=config,
                key=key,
                environment=environment,
            )
            reply_intake.take_from(streaming.topic, undelivered=undelivered, only=FILTER_POLICY)
            reply_intake.may("sqs:SendMessage", on=replies.queue.queue_arn)
            reply_intake.may("sqs:SendMessage", on=failed.queue.queue_arn)
            reply_intake.may("dynamodb:UpdateItem", on=ledger.table.table_arn)

            environment["CHATS_TABLE"] = chats.table.table_name
            reply = Forward(
                self,
                "Reply",
                name="reply",
                description="Texts agents' replies to phones, each chat's in order",
                code=code,
                config=config,
                key=key,
                environment=environment,
            )
            reply.take_from(replies.queue, max_concurrency=limits.max_concurrency)
            reply.may("sqs:SendMessage", on=failed.queue.queue_arn)
            reply.may("dynamodb:GetItem", "dynamodb:UpdateItem", on=ledger.table.table_arn)
            reply.may("dynamodb:GetItem", "dynamodb:UpdateItem", on=chats.table.table_arn)
            for number in config.numbers:  # also one whose delivery was switched: its chats may still be open
                reply.may("sms-voice:SendTextMessage", on=number.arn)
            key.admit_connect()
            ways.append(Way(kind=REPLY, topic=streaming.topic, intake=reply_intake, queue=replies.queue, forward=reply))
            outputs = [
                ("StreamingTopicArn", "Where Connect streams chats", streaming.topic.topic_arn),
                ("RepliesQueueUrl", "Agents' replies on their way, in order", replies.queue.queue_url),
                ("ChatsTableName", "The open chats", chats.table.table_name),
                ("ReplyIntakeFunctionName", "Puts replies on their chat", reply_intake.function.function_name),
                ("ReplyFunctionName", "Texts replies to phones", reply.function.function_name),
            ]

        alarm_topic = AlarmTopic(self, "AlarmTopic", key=key, email=config.operation.alarm_email)
        left = {"failed": failed.queue, "undelivered": undelivered.queue}
        alarms = Alarms(self, "Alarms", topic=alarm_topic, config=config, ways=ways, **left)
        Dashboard(self, "Dashboard", alarms=alarms, ways=ways, **left)
        functions: list[BridgeFunction] = [function for way in ways for function in (way.intake, way.forward)]
        Queries(self, "Queries", log_groups=[function.log_group for function in functions])

        key.admit_to_topic(channel.role, name="EndUserMessaging")
        key.admit_sns(to="Undelivered")
        key.admit_cloudwatch()
        for function in functions:
            key.admit_to_queues(function.role, name=function.sid)
            key.admit_to_ledger(function.role, name=function.sid)
        key.admit_logs()

        for name, description, value in (
            ("InboundTopicArn", "Two-way channel of your numbers in End User Messaging", topic.topic.topic_arn),
            ("TwoWayChannelRoleArn", "Role that End User Messaging publishes in", channel.role.role_arn),
            ("ConversationsQueueUrl", "Texts on their way, in order", conversations.queue.queue_url),
            ("FailedQueueUrl", "Texts that could not be delivered, each with why", failed.queue.queue_url),
            ("UndeliveredQueueUrl", "What could not be handed to intake", undelivered.queue.queue_url),
            ("LedgerTableName", "What became of each text", ledger.table.table_name),
            ("IntakeFunctionName", "Puts texts on conversations", intake.function.function_name),
            ("ForwardFunctionName", "Delivers texts to Amazon Connect", forward.function.function_name),
            ("ConfigFingerprint", "Of the bridge.toml that was deployed", config.fingerprint()),
            ("AlarmTopicArn", "Where alarms go: subscribe to it", alarm_topic.topic.topic_arn),
            *outputs,
        ):
            CfnOutput(self, name, description=description, value=value)
