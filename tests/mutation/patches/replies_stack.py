"""What the stack has for replies: streaming topic, queue, functions, grants."""

from __future__ import annotations

from tests.mutation.harness import Edit, Mutation
from tests.mutation.patches.making import with_replies

_STACK = "infra/stack.py"

_IN_THE_STACK = (
    *(
        with_replies(
            f"streaming-policy/{name}",
            Edit(*edit),
            "test_only_connect_for_the_configured_instance_may_publish",
        )
        for name, edit in {
            "behind-the-instance": (
                "StartChatDelivery.__init__",
                '{"ArnEquals": {"aws:SourceArn": list(config.instances())}}',
                '{"ArnLike": {"aws:SourceArn": [f"{instance}/*" for instance in config.instances()]}}',
            ),
            "any-instance": (
                "StartChatDelivery.__init__",
                '{"ArnEquals": {"aws:SourceArn": list(config.instances())}}',
                "dict[str, list[str]]()",
            ),
            "any-account": (
                "Topic.allow_service",
                '{"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}, **conditions}',
                "conditions",
            ),
            "without-tls": ("Topic.__init__", "master_key=key.key, enforce_ssl=True", "master_key=key.key"),
        }.items()
    ),
    *(
        with_replies(f"key-policy/{name}", Edit(*edit), "test_the_key_policy_allows_connect_for_the_streaming_topic")
        for name, edit in {
            "connect-to-streaming": ("StartChatDelivery.__init__", "        key.grant_connect()\n", ""),
            "connect-to-any-topic": (
                "infra/encryption.py",
                'self._grant("ConnectToStreaming", connect, MESSAGES, conditions)',
                'self._grant("ConnectToStreaming", connect, MESSAGES)',
            ),
            "connect-by-what-kms-may-not-learn": (
                "infra/encryption.py",
                'conditions = {"ArnLike": {"kms:EncryptionContext:aws:sns:topicArn": topic}}',
                'conditions = {"ArnLike": {"aws:SourceArn": topic}}',
            ),
        }.items()
    ),
    with_replies(
        "streaming/fifo-on-a-standard-topic",
        Edit(
            "StartChatDelivery.__init__",
            "        reply = self.replies.worker\n",
            "        reply = self.replies.worker\n"
            "        from aws_cdk import aws_sns as sns\n"
            "        topic_arn, endpoint = self.streaming.topic_arn, self.replies.queue.queue_arn\n"
            '        sns.CfnSubscription(scope, "Fifo", topic_arn=topic_arn, protocol="sqs", endpoint=endpoint)\n',
        ),
        "test_no_fifo_endpoint_is_subscribed_to_a_standard_topic",
    ),
    with_replies(
        "streaming/what-cannot-be-handed-over-is-gone",
        Edit("Pipeline._subscribe_intake", "dead_letter_queue=undelivered", "dead_letter_queue=None"),
        "test_reply_intake_gets_filtered_messages_and_has_a_dead_letter_queue",
    ),
    with_replies(
        "least-privilege/integration-events-always",
        Edit(_STACK, "if not all(map(config.starts_chats, config.numbers)):", "if config.numbers:"),
        "test_integration_events_are_allowed_only_if_a_number_needs_them[start-chat-0]",
    ),
    with_replies(
        "least-privilege/integration-events-never",
        Edit(_STACK, "if not all(map(config.starts_chats, config.numbers)):", "if not config.numbers:"),
        "test_integration_events_are_allowed_only_if_a_number_needs_them[default-1]",
        "test_integration_events_are_allowed_only_if_a_number_needs_them[mixed-1]",
    ),
    with_replies(
        "least-privilege/texts-from-any-number",
        Edit(
            "StartChatDelivery.__init__",
            'reply.allow("sms-voice:SendTextMessage", on=number.arn)',
            'reply.allow("sms-voice:SendTextMessage", on=number.arn.rpartition("/")[0] + "/phone-any")',
        ),
        "test_each_role_has_exactly_the_permissions_of_its_function",
    ),
    with_replies(
        "kept/open-chats-not-retained",
        Edit("infra/storage.py", "        retain(self.table, construct_id, protected=True)\n", ""),
        "test_replies_and_chats_are_retained[Chats]",
    ),
    with_replies(
        "kept/streaming-topic-not-retained",
        Edit("Topic.__init__", "        retain(self.topic, logical_id)\n", ""),
        "test_replies_and_chats_are_retained[StreamingTopic]",
    ),
)

MUTATIONS: tuple[Mutation, ...] = _IN_THE_STACK
