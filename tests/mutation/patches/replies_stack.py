"""What the stack has for replies: streaming topic, queue, functions, grants."""

from __future__ import annotations

from tests.mutation.harness import Edit, Mutation
from tests.mutation.patches.making import with_replies

_STACK = "infra/stack.py"

_IN_THE_STACK = (
    *(
        with_replies(
            f"streaming-policy/{name}",
            Edit("StreamingTopic.__init__", *edit),
            "test_connect_may_publish_for_this_very_instance_and_nobody_else_by_policy",
        )
        for name, edit in {
            "behind-the-instance": (
                '"ArnEquals": {"aws:SourceArn": list(instances)}',
                '"ArnLike": {"aws:SourceArn": [f"{instance}/*" for instance in instances]}',
            ),
            "any-instance": ('                    "ArnEquals": {"aws:SourceArn": list(instances)},\n', ""),
            "any-account": ('                    "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},\n', ""),
            "without-tls": ("master_key=key.key, enforce_ssl=True", "master_key=key.key"),
        }.items()
    ),
    *(
        with_replies(f"key-policy/{name}", Edit(*edit), "test_the_key_admits_connect_for_the_streaming_topic")
        for name, edit in {
            "connect-to-streaming": (_STACK, "            key.admit_connect()\n", ""),
            "connect-to-any-topic": (
                "infra/key.py",
                'self._admit("ConnectToStreaming", connect, MESSAGES, conditions)',
                'self._admit("ConnectToStreaming", connect, MESSAGES)',
            ),
            "connect-by-what-kms-may-not-learn": (
                "infra/key.py",
                'conditions = {"ArnLike": {"kms:EncryptionContext:aws:sns:topicArn": topic}}',
                'conditions = {"ArnLike": {"aws:SourceArn": topic}}',
            ),
        }.items()
    ),
    with_replies(
        "streaming/fifo-on-a-standard-topic",
        Edit(
            "BridgeStack.__init__",
            "            reply_intake.take_from(streaming.topic, undelivered=undelivered, only=FILTER_POLICY)\n",
            "            reply_intake.take_from(streaming.topic, undelivered=undelivered, only=FILTER_POLICY)\n"
            "            from aws_cdk import aws_sns as sns\n"
            "            topic_arn, endpoint = streaming.topic.topic_arn, replies.queue.queue_arn\n"
            '            sns.CfnSubscription(self, "Fifo", topic_arn=topic_arn, protocol="sqs", endpoint=endpoint)\n',
        ),
        "test_no_fifo_endpoint_stands_on_a_standard_topic",
    ),
    with_replies(
        "streaming/what-cannot-be-handed-over-is-gone",
        Edit("Intake.take_from", "dead_letter_queue=undelivered.queue", "dead_letter_queue=None"),
        "test_only_what_is_for_the_phone_and_the_end_of_a_chat_reach_reply_intake_and_what_cannot_be_handed_over_is_kept",
    ),
    with_replies(
        "least-privilege/integration-events-always",
        Edit(_STACK, "if not all(map(config.starts_chats, config.numbers)):", "if config.numbers:"),
        "test_chat_integration_events_are_allowed_only_where_a_number_is_delivered_by_them[start-chat-0]",
    ),
    with_replies(
        "least-privilege/integration-events-never",
        Edit(_STACK, "if not all(map(config.starts_chats, config.numbers)):", "if not config.numbers:"),
        "test_chat_integration_events_are_allowed_only_where_a_number_is_delivered_by_them[default-1]",
        "test_chat_integration_events_are_allowed_only_where_a_number_is_delivered_by_them[mixed-1]",
    ),
    with_replies(
        "least-privilege/texts-from-any-number",
        Edit(
            "BridgeStack.__init__",
            'reply.may("sms-voice:SendTextMessage", on=number.arn)',
            'reply.may("sms-voice:SendTextMessage", on=number.arn.rpartition("/")[0] + "/phone-any")',
        ),
        "test_each_role_may_do_exactly_what_its_function_does",
    ),
    with_replies(
        "kept/open-chats-not-pinned",
        Edit("infra/table.py", "        pin(self.table, construct_id, protected=True)\n", ""),
        "test_what_holds_replies_and_chats_is_kept[Chats]",
    ),
    with_replies(
        "kept/streaming-topic-not-pinned",
        Edit("StreamingTopic.__init__", "        pin(self.topic, STREAMING_TOPIC)\n", ""),
        "test_what_holds_replies_and_chats_is_kept[StreamingTopic]",
    ),
)

MUTATIONS: tuple[Mutation, ...] = _IN_THE_STACK
