"""What is taken out of the way from the agent to the phone: streaming, its queue, the texts that are sent."""

from __future__ import annotations

from tests.mutation.harness import Edit, Mutation
from tests.mutation.patches.making import refused_with_replies, unit, with_replies

_STACK = "infra/stack.py"
_STREAMED = "lambda/bridge/replies/chat_events.py"
_SENT = "tests/unit/test_reply.py::test_a_link_that_cannot_be_had_is_left_out"
"""Passes whatever is taken out that is not needed while all goes well."""
_FROM_OUR_NUMBER = "test_reply.py::test_a_reply_goes_to_the_customer_from_the_very_number_that_was_texted"
_CANNOT = (
    "test_reply.py::test_what_cannot_be_delivered_goes_to_failed_with_its_reason_and_the_agent_reads_why"
    "[DESTINATION_PHONE_NUMBER_OPTED_OUT-they have opted out of texts from this number]"
)
_SEEN_BY = '            "MessageVisibility": [*_FOR_THE_PHONE, {"exists": False}],\n'
_BY_OTHERS = '            "ParticipantRole": [{"anything-but": [_CUSTOMER_ROLE]}],\n'


def _reply(name: str, test: str | tuple[str, ...], *edits: Edit) -> Mutation:
    return unit(name, test, *edits, control=_SENT)


_FOR_THE_PHONE = (
    _reply(
        "reply-filter/customers-echoes",
        "test_streamed.py::test_the_filter_keeps_away_the_customers_own_echoes_and_lets_the_end_of_a_chat_through",
        Edit(_STREAMED, _BY_OTHERS, ""),
    ),
    _reply(
        "reply-filter/for-other-eyes",
        "test_streamed.py::test_the_filter_keeps_away_what_is_for_other_eyes",
        Edit(_STREAMED, _SEEN_BY, ""),
    ),
    _reply(
        "reply-filter/who-may-see-it-is-not-said",
        "test_streamed.py::test_a_message_that_does_not_say_who_may_see_it_passes_the_filter",
        Edit(_STREAMED, _SEEN_BY, '            "MessageVisibility": list(_FOR_THE_PHONE),\n'),
    ),
    _reply(
        "replies/sent-whoever-may-see-it",
        "test_reply.py::test_intake_fails_a_message_that_does_not_say_who_may_see_it",
        Edit(_STREAMED, 'if visibility is None and type_ == "MESSAGE":', "if False:"),
    ),
    _reply(
        "reply-filter/events",
        "test_streamed.py::test_the_filter_keeps_away_the_customers_own_echoes_and_lets_the_end_of_a_chat_through",
        Edit(_STREAMED, '"Type": ["MESSAGE", "ATTACHMENT"],', '"Type": ["MESSAGE", "ATTACHMENT", "EVENT"],'),
    ),
    _reply(
        "reply-filter/not-the-end-of-a-chat",
        "test_streamed.py::test_the_filter_keeps_away_the_customers_own_echoes_and_lets_the_end_of_a_chat_through",
        Edit("FILTER_POLICY", '        {"ContentType": [CHAT_ENDED]},\n', ""),
    ),
    refused_with_replies(
        "reply-filter/two-keys-more",
        "has 6 keys, counted in each branch",
        Edit(
            _STREAMED,
            '{"ContentType": [CHAT_ENDED]},',
            '{"ContentType": [CHAT_ENDED], "Type": ["EVENT"], "MessageVisibility": [{"exists": False}]},',
        ),
    ),
    with_replies(
        "reply-filter/none",
        Edit("BridgeStack.__init__", "undelivered=undelivered, only=FILTER_POLICY)", "undelivered=undelivered)"),
        "test_only_what_is_for_the_phone_and_the_end_of_a_chat_reach_reply_intake_and_what_cannot_be_handed_over_is_kept",
    ),
    _reply(
        "replies/customers-echo-is-sent",
        "test_streamed.py::test_echoes_receipts_and_what_is_for_other_eyes_are_nothing[of0-ALL]",
        Edit("_kind", '    if role == _CUSTOMER_ROLE:\n        return "nothing"\n', ""),
    ),
    _reply(
        "replies/for-other-eyes-is-sent",
        "test_streamed.py::test_echoes_receipts_and_what_is_for_other_eyes_are_nothing[of1-AGENT]",
        Edit(
            "_kind",
            'return "reply" if visibility is None or visibility in _FOR_THE_PHONE else "nothing"',
            'return "reply"',
        ),
    ),
    _reply(
        "replies/chat-ends-when-somebody-leaves",
        (
            "test_streamed.py::test_echoes_receipts_and_what_is_for_other_eyes_are_nothing[of4-ALL]",
            "test_reply.py::test_what_is_not_for_the_phone_and_came_all_the_same_does_nothing[of0]",
        ),
        Edit(
            "_kind",
            'if item.get("ContentType") == CHAT_ENDED:',
            'if str(item.get("ContentType")).endswith((".chat.ended", ".participant.left")):',
        ),
    ),
    _reply(
        "replies/end-of-a-chat-not-noted",
        "test_reply.py::test_the_end_of_a_chat_closes_that_very_chat_after_what_was_said_before",
        Edit("ReplyDelivery.deliver", "            self._chats.end(contact)\n", ""),
    ),
)

_GROUPS = (
    _reply(
        "reply-group/by-contact",
        (
            "test_streamed.py::test_a_reply_after_a_transfer_belongs_to_the_chat_that_was_started",
            "test_promises.py::test_a_chat_is_one_message_group_also_after_a_transfer",
        ),
        Edit("_chat_event", 'contact = item.get("InitialContactId")', 'contact = item.get("ContactId")'),
    ),
    _reply(
        "reply-group/one-per-message",
        "test_promises.py::test_a_chat_is_one_message_group_also_after_a_transfer",
        Edit("ChatEvent.group_id", "return self.initial_contact_id", "return self.message_id"),
    ),
    _reply(
        "reply-order/by-the-notification",
        "test_streamed.py::"
        "test_replies_of_a_batch_are_sorted_by_the_time_at_which_they_were_said_whenever_they_were_published",
        Edit(
            "chat_events.parse",
            "sent_at=sent_at or notification.sent_at",
            "sent_at=notification.sent_at",
        ),
    ),
    _reply(
        "reply-order/not-in-intake",
        "test_reply.py::test_intake_takes_what_comes_together_in_the_order_in_which_it_was_said",
        Edit("NotificationIntake.handle", "in sorted(parsed, key=lambda one: one[1].sent_at or _LAST):", "in parsed:"),
    ),
    _reply(
        "reply-order/followers-tried-all-the-same",
        "test_reply.py::test_a_reply_that_keeps_failing_goes_back_with_its_followers_hidden_alike",
        Edit("FifoBatchProcessor.process_group", "if isinstance(result, Retry):\n", "if False:\n"),
    ),
)

_ONCE = (
    _reply(
        "reply-ledger/not-read",
        "test_reply.py::test_a_reply_that_came_again_is_not_sent_twice",
        Edit("FifoBatchProcessor._deliver", "state = self._ledger.read(message.key)", "state = None"),
    ),
    _reply(
        "reply-ledger/by-the-notification",
        (
            "test_reply.py::test_a_reply_that_came_again_is_not_sent_twice",
            "test_promises.py::test_a_reply_that_connect_streams_twice_is_queued_once",
        ),
        Edit(
            "chat_events.parse",
            '_chat_event(item, kind, valid_key(_text(item, "Id").strip() or message_id))',
            "_chat_event(item, kind, valid_key(message_id))",
        ),
        Edit(
            "chat_events.parse",
            'message_id = valid_key(_text(item, "Id").strip() or message_id)',
            "message_id = valid_key(message_id)",
        ),
    ),
    _reply(
        "reply-ledger/parts-forgotten",
        "test_reply.py::test_a_long_reply_resumes_after_the_part_that_was_last_accepted",
        Edit("ReplyDelivery.deliver", "part = state.parts_done if state else 0", "part = 0"),
    ),
    _reply(
        "reply-ledger/not-believed",
        "test_reply.py::test_a_reply_that_another_environment_finished_meanwhile_is_left_to_it",
        Edit("ReplyDelivery.deliver", "            part = state.parts_done\n", "            part += 1\n"),
    ),
    _reply(
        "reply-deduplication/by-content",
        "test_promises.py::test_equal_replies_one_after_the_other_are_both_sent",
        Edit("ChatEvent.deduplication_id", "return self.message_id", "return self.content"),
    ),
    _reply(
        "reply-deduplication/by-notification",
        "test_promises.py::test_a_reply_that_connect_streams_twice_is_queued_once",
        Edit(
            "NotificationIntake._take",
            "deduplication_id=content.deduplication_id",
            "deduplication_id=notification.message_id",
        ),
    ),
    _reply(
        "reply-redrive/to-conversations",
        "test_promises.py::test_a_reply_that_is_redriven_goes_back_to_the_replies_and_is_in_failed_each_time_it_fails",
        Edit("_is_reply", 'return said["stage"] in _OF_REPLIES', "return False"),
    ),
    _reply(
        "one-attempt/the-sdk-texts-again",
        "test_texting.py::test_the_sdk_repeats_no_text_and_waits_for_its_answer_as_long_as_configured",
        Edit("_single_attempt", '"total_max_attempts": 1}', '"total_max_attempts": 4}'),
    ),
)

_TROUBLE = (
    _reply(
        "not-deliverable/not-told-apart",
        "test_texting.py::test_a_phone_that_gets_no_text_is_permanent_with_that_reason",
        Edit("_sms_error", "if reason in NOT_DELIVERABLE:", "if False:"),
    ),
    _reply(
        "not-deliverable/any-reason",
        "test_texting.py::"
        "test_an_answer_is_translated_by_code_reason_and_status"
        "[ConflictException-RESOURCE_NOT_ACTIVE-400-AccessRefusedError]",
        Edit("_sms_error", "if reason in NOT_DELIVERABLE:", "if reason:"),
    ),
    _reply(
        "not-deliverable/held",
        _CANNOT,
        Edit(
            "NotDeliverableError",
            "class NotDeliverableError(PermanentError)",
            "class NotDeliverableError(BridgeError)",
        ),
        Edit(
            "FifoBatchProcessor._process_message",
            "except (TransientError, BlockedError) as exc:",
            "except BridgeError as exc:",
        ),
    ),
    _reply(
        "agent-is-told/not",
        _CANNOT,
        Edit(
            "FifoBatchProcessor._fail",
            "        self._handler.on_failed(attempt, error, gave_up=gave_up)\n",
            "",
        ),
    ),
    _reply(
        "agent-is-told/without-the-reason",
        _CANNOT,
        Edit("failure_notice", '_REASONS.get(reason) or ("it could', '("it could'),
    ),
    _reply(
        "agent-is-told/as-if-by-the-customer",
        _CANNOT,
        Edit(
            "failure_notice",
            '"[The text to the customer was not delivered: {because}.]"',
            '"Not delivered: {because}."',
        ),
    ),
    _reply(
        "agent-is-told/before-it-is-kept",
        "test_reply.py::test_the_agent_is_told_once_failed_and_ledger_have_it",
        Edit(
            "FifoBatchProcessor._fail",
            "        try:\n",
            "        self._handler.on_failed(attempt, error, gave_up=gave_up)\n        try:\n",
        ),
    ),
    _reply(
        "agent-is-told/in-whatever-chat-is-open",
        "test_start_chat.py::test_the_agent_is_told_in_the_open_chat_and_nowhere_else",
        Edit("AgentLine._token", " or chat.contact != initial_contact_id:", ":"),
    ),
    _reply(
        "unknown-chat/fails-at-once",
        "test_reply.py::test_a_chat_that_is_not_noted_yet_is_waited_for_and_one_that_never_is_fails",
        Edit(
            "UNKNOWN_CHAT_GRACE_SECONDS",
            "UNKNOWN_CHAT_GRACE_SECONDS = 120.0",
            "UNKNOWN_CHAT_GRACE_SECONDS = 0.0",
        ),
    ),
)

_SENDING = (
    _reply(
        "sms-origin/any-of-our-numbers",
        _FROM_OUR_NUMBER,
        Edit(
            "ReplyDelivery._send",
            "origin=participants.business_number_arn",
            'origin=self.__dict__.setdefault("_any", participants.business_number_arn)',
        ),
    ),
    _reply(
        "sms-pace/none-to-a-phone",
        "test_reply.py::test_texts_to_one_phone_are_a_second_apart_parts_of_a_reply_included",
        Edit(
            "ReplyDelivery._send",
            "            recipient_limiter=self._recipient_limiters.of(participants.customer_number),\n",
            "",
        ),
    ),
    _reply(
        "sms-pace/by-chat",
        "test_reply.py::test_two_chats_with_one_phone_share_its_pace",
        Edit(
            "ReplyDelivery._send",
            "_recipient_limiters.of(participants.customer_number)",
            "_recipient_limiters.of(attempt.message.group_id)",
        ),
    ),
    _reply(
        "sms-pace/one-for-all-phones",
        "test_reply.py::test_other_phones_do_not_wait",
        Edit(
            "ReplyDelivery._send",
            "_recipient_limiters.of(participants.customer_number)",
            '_recipient_limiters.of("all")',
        ),
    ),
    *(
        _reply(
            f"sms-split/{name}",
            f"test_sms.py::test_a_message_holds_exactly_what_aws_says[reply{case}-lengths{case}]",
            Edit(*edit),
        )
        for name, case, edit in (
            ("gsm-limit", 1, ("GSM_LIMIT", "GSM_LIMIT = 1530", "GSM_LIMIT = 1600")),
            ("extension-counts-once", 3, ("gsm_length", "            length += 2\n", "            length += 1\n")),
            ("other-limit", 5, ("OTHER_LIMIT", "OTHER_LIMIT = 630", "OTHER_LIMIT = 670")),
        )
    ),
    _reply(
        "sms-split/inside-a-grapheme",
        "test_sms.py::test_no_family_is_torn_apart",
        Edit(
            "_end_of_part",
            "return after_space or (end if end > start else _hard_end(text, start, limit))",
            "return after_space or _hard_end(text, start, limit)",
        ),
    ),
    _reply(
        "sms-split/other-characters-as-gsm",
        "test_sms.py::test_the_alphabet_is_the_one_that_aws_lists",
        Edit("gsm_length", "            return None\n", "            length += 1\n"),
    ),
    _reply(
        "options/not-remembered",
        "test_reply.py::test_an_interactive_message_is_sent_as_words_and_its_options_are_remembered_before",
        Edit("ReplyDelivery.deliver", "            self._chats.save_options(contact, options)\n", "            pass\n"),
    ),
)

_PRIVATE = (
    _reply(
        "redaction/words-of-a-defect-in-a-reply",
        "test_reply.py::test_no_words_and_no_number_are_logged_or_counted",
        Edit(
            "FifoBatchProcessor._process_message",
            '{type(exc).__name__}"),\n                traceback',
            '{exc}"),\n                traceback',
        ),
    ),
    _reply(
        "redaction/reply-logged",
        "test_reply.py::test_no_words_and_no_number_are_logged_or_counted",
        Edit(
            "Reporter._result",
            '"attempts": result.attempts,\n                    "contact"',
            '"text": result.message.body,\n                    "contact"',
        ),
    ),
    _reply(
        "redaction/words-of-end-user-messaging",
        "test_texting.py::test_a_message_of_the_vendor_decides_nothing_and_is_told_to_nobody",
        Edit("_sms_error", "({status}), request {request_id}", "({status}), request {request_id}: {exc}"),
    ),
    _reply(
        "redaction/printed-reply",
        "test_streamed.py::test_what_a_dataclass_prints_of_a_reply_holds_no_words",
        Edit("ChatEvent", 'content: str = field(default="", repr=False)', 'content: str = ""'),
    ),
    _reply(
        "redaction/printed-phone",
        "test_reply.py::test_no_words_and_no_number_are_logged_or_counted",
        Edit("Participants", "customer_number: str = field(repr=False)", "customer_number: str"),
    ),
)

MUTATIONS: tuple[Mutation, ...] = (
    *_FOR_THE_PHONE,
    *_GROUPS,
    *_ONCE,
    *_TROUBLE,
    *_SENDING,
    *_PRIVATE,
)
