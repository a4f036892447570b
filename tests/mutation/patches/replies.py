"""Mutations of replies: streaming, their queue, the texts that are sent."""

from __future__ import annotations

from tests.mutation.harness import Edit, Mutation
from tests.mutation.patches.making import unit

_SENT = "tests/unit/bridge/replies/test_delivery.py::test_a_link_that_cannot_be_requested_is_left_out"
"""A control: it passes as long as no mutation affects the delivery without errors."""
_FROM_OUR_NUMBER = "bridge/replies/test_delivery.py::test_a_reply_is_sent_from_the_number_that_was_texted"
_CANNOT = (
    "bridge/replies/test_delivery.py::test_an_undeliverable_reply_is_dead_lettered_and_the_agent_reads_why"
    "[DESTINATION_PHONE_NUMBER_OPTED_OUT-they have opted out of texts from this number]"
)
_RATE = "bridge/replies/test_phone_rate.py::"
_LOST = "bridge/replies/test_lost_answers.py::"


def _reply(name: str, test: str | tuple[str, ...], *edits: Edit) -> Mutation:
    return unit(name, test, *edits, control=_SENT)


_GROUPS = (
    _reply(
        "reply-group/by-contact",
        (
            "bridge/replies/test_chat_events.py::test_a_reply_after_a_transfer_belongs_to_the_chat_that_was_started",
            "bridge/test_promises.py::test_a_chat_is_one_message_group_also_after_a_transfer",
        ),
        Edit("_chat_event", 'contact = item.get("InitialContactId")', 'contact = item.get("ContactId")'),
    ),
    _reply(
        "reply-group/one-per-message",
        "bridge/test_promises.py::test_a_chat_is_one_message_group_also_after_a_transfer",
        Edit("ChatEvent.group_id", "return self.initial_contact_id", "return self.message_id"),
    ),
    _reply(
        "reply-order/by-the-notification",
        "bridge/replies/test_chat_events.py::test_replies_of_a_batch_are_sorted_by_their_absolute_time",
        Edit(
            "chat_events.parse",
            "sent_at=sent_at or notification.sent_at",
            "sent_at=notification.sent_at",
        ),
    ),
    _reply(
        "reply-order/not-in-intake",
        "bridge/test_reply_intake.py::test_intake_queues_the_records_of_an_event_in_the_order_of_their_time",
        Edit("NotificationIntake.handle", "in sorted(parsed, key=lambda one: one[1].sent_at or _LAST):", "in parsed:"),
    ),
    _reply(
        "reply-order/followers-tried-all-the-same",
        "bridge/replies/test_delivery.py::test_a_failing_reply_returns_to_the_queue_with_its_followers",
        Edit("FifoBatchProcessor.process_group", "if isinstance(result, Retry):\n", "if False:\n"),
    ),
)

_ONCE = (
    _reply(
        "reply-ledger/not-read",
        "bridge/replies/test_delivery.py::test_a_reply_received_again_is_not_sent_twice",
        Edit("FifoBatchProcessor._deliver", "state = self._ledger.read(message.key)", "state = None"),
    ),
    _reply(
        "reply-ledger/by-the-notification",
        (
            "bridge/replies/test_delivery.py::test_a_reply_received_again_is_not_sent_twice",
            "bridge/test_promises.py::test_a_reply_that_connect_streams_twice_is_queued_once",
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
        "bridge/replies/test_delivery.py::test_a_long_reply_resumes_after_its_last_accepted_part",
        Edit("ReplyDelivery.deliver", "part = state.parts_done if state else 0", "part = 0"),
    ),
    _reply(
        "reply-ledger/not-believed",
        "bridge/replies/test_delivery.py::test_a_reply_that_another_environment_finished_is_not_sent_again",
        Edit("ReplyDelivery.deliver", "            part = state.parts_done\n", "            part += 1\n"),
    ),
    _reply(
        "reply-deduplication/by-content",
        "bridge/test_promises.py::test_equal_replies_one_after_the_other_are_both_sent",
        Edit("ChatEvent.deduplication_id", "return self.message_id", "return self.content"),
    ),
    _reply(
        "reply-deduplication/by-notification",
        "bridge/test_promises.py::test_a_reply_that_connect_streams_twice_is_queued_once",
        Edit(
            "NotificationIntake._take",
            "deduplication_id=content.deduplication_id",
            "deduplication_id=notification.message_id",
        ),
    ),
    _reply(
        "reply-redrive/to-conversations",
        "bridge/test_promises.py::test_a_redriven_reply_returns_to_replies_and_is_in_failed_each_time",
        Edit("_is_reply", 'return attributes["stage"] in _OF_REPLIES', "return False"),
    ),
    _reply(
        "one-attempt/the-sdk-texts-again",
        "bridge/aws/test_sms.py::test_sms_is_called_once_with_the_configured_read_timeout",
        Edit("_single_attempt", '"total_max_attempts": 1}', '"total_max_attempts": 4}'),
    ),
)

_TROUBLE = (
    _reply(
        "not-deliverable/not-told-apart",
        "bridge/aws/test_sms.py::test_a_phone_that_cannot_be_texted_is_permanent_with_that_reason",
        Edit("_sms_error", "if reason in NOT_DELIVERABLE:", "if False:"),
    ),
    _reply(
        "not-deliverable/any-reason",
        "bridge/aws/test_sms.py::"
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
        Edit("failure_notice", 'NOT_DELIVERABLE.get(reason) or ("it could', '("it could'),
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
        "bridge/replies/test_delivery.py::test_the_agent_is_told_after_dead_letter_queue_and_ledger_have_it",
        Edit(
            "FifoBatchProcessor._fail",
            "        try:\n",
            "        self._handler.on_failed(attempt, error, gave_up=gave_up)\n        try:\n",
        ),
    ),
    _reply(
        "agent-is-told/in-whatever-chat-is-open",
        "bridge/aws/test_start_chat.py::test_the_agent_is_told_only_in_the_open_chat",
        Edit("AgentLine._token", " or chat.contact != initial_contact_id:", ":"),
    ),
    _reply(
        "unknown-chat/fails-at-once",
        "bridge/replies/test_delivery.py::test_a_reply_waits_for_its_chat_to_be_recorded_and_then_fails",
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
            "claim.participants.business_number_arn",
            'self.__dict__.setdefault("_any", claim.participants.business_number_arn)',
        ),
    ),
    *(
        _reply(f"sms-pace/{name}", f"{_RATE}{test}", Edit(*edit))
        for name, test, edit in (
            (
                "none-to-a-phone",
                "test_texts_to_one_phone_are_a_second_apart_parts_of_a_reply_included",
                ("ReplyDelivery._send", "if not recipient.acquire(deadline=attempt.deadline):", "if False:"),
            ),
            (
                "by-chat",
                "test_two_chats_with_one_phone_share_its_rate",
                ("ReplyDelivery._send", "_recipient_limiter(phone)", "_recipient_limiter(attempt.message.group_id)"),
            ),
            (
                "one-for-all-phones",
                "test_other_phones_do_not_wait",
                ("ReplyDelivery._send", "_recipient_limiter(phone)", '_recipient_limiter("all")'),
            ),
            (
                "of-one-environment-only",
                "test_two_environments_text_one_phone_a_second_apart",
                (
                    "ChatSessions.claim_phone",
                    "attribute_exists(chat_key) AND NOT texts_until > :now",
                    "attribute_exists(chat_key)",
                ),
            ),
            (
                "environment-waits-for-itself",
                "test_one_environment_alone_texts_each_second",
                ("ChatSessions.claim_phone", " OR texts_by = :me", ""),
            ),
            (
                "claim-of-one-text",
                "test_a_claim_needs_no_call_more_for_a_reply_of_one_text",
                ("ReplyDelivery.deliver", "texts=len(texts) - part", "texts=1"),
            ),
            (
                "claim-not-renewed",
                "test_a_reply_that_takes_longer_than_its_claim_renews_it",
                ("ReplyDelivery._send", "if self._clock.monotonic() + 1 / _RECIPIENT_RATE > claim.until:", "if False:"),
            ),
            (
                "claim-longer-than-the-batch",
                "test_the_claim_of_an_environment_that_was_killed_ends_with_its_batch",
                (
                    "ReplyDelivery._claim",
                    "min((texts - 1) / _RECIPIENT_RATE, max(0.0, attempt.deadline - now))",
                    "(texts - 1) / _RECIPIENT_RATE",
                ),
            ),
        )
    ),
    *(
        _reply(f"lost-answers/{name}", f"{_LOST}{test}", Edit(*edit))
        for name, test, edit in (
            (
                "sent-again-for-ever",
                "test_a_text_is_sent_at_most_as_often_as_answers_may_be_lost",
                ("ReplyDelivery._send", "max_lost_answers=self._max_lost_answers", "max_lost_answers=None"),
            ),
            (
                "counted-anew-in-each-batch",
                "test_lost_answers_are_counted_over_batches",
                (
                    "FifoBatchProcessor._deliver",
                    "attempt.last_error, attempt.lost_answers = state.last_error, state.lost_answers",
                    "attempt.last_error = state.last_error",
                ),
            ),
            (
                "of-all-parts-together",
                "test_lost_answers_of_one_part_do_not_count_for_the_next",
                (
                    "Attempt.call",
                    "self._lost_before, self.lost_answers, self.throttled = self.lost_answers, 0, 0",
                    "self._lost_before = 1",
                ),
            ),
            (
                "agent-told-undelivered",
                "test_the_agent_is_told_that_the_text_may_not_have_been_delivered",
                (
                    "failure_notice",
                    "if isinstance(error, MaybeDeliveredError) or (maybe_delivered and not reason):",
                    "if False:",
                ),
            ),
            (
                "given-up-as-undelivered",
                "test_a_reply_given_up_after_a_lost_answer_is_not_called_undelivered",
                ("ReplyDelivery.on_failed", "maybe_delivered=attempt.lost_answers > 0", "maybe_delivered=False"),
            ),
        )
    ),
    *(
        _reply(
            f"sms-split/{name}",
            f"bridge/replies/test_sms_segments.py::test_a_message_holds_exactly_what_aws_says[reply{case}-lengths{case}]",
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
        "bridge/replies/test_sms_segments.py::test_a_family_emoji_is_not_cut",
        Edit(
            "_end_of_part",
            "return after_space or (end if end > start else _hard_end(text, start, limit))",
            "return after_space or _hard_end(text, start, limit)",
        ),
    ),
    _reply(
        "sms-split/other-characters-as-gsm",
        "bridge/replies/test_sms_segments.py::test_the_alphabet_is_the_one_that_aws_lists",
        Edit("gsm_length", "            return None\n", "            length += 1\n"),
    ),
    _reply(
        "options/not-saved",
        "bridge/replies/test_delivery.py::test_an_interactive_message_is_sent_as_text_after_its_options_are_saved",
        Edit("ReplyDelivery.deliver", "            self._chats.save_options(contact, options)\n", "            pass\n"),
    ),
)

_PRIVATE = (
    _reply(
        "redaction/words-of-a-defect-in-a-reply",
        "bridge/test_reply.py::test_no_content_and_no_number_is_logged_or_counted",
        Edit(
            "FifoBatchProcessor._process_message",
            '{type(exc).__name__}"),\n                traceback',
            '{exc}"),\n                traceback',
        ),
    ),
    _reply(
        "redaction/reply-logged",
        "bridge/test_reply.py::test_no_content_and_no_number_is_logged_or_counted",
        Edit(
            "Reporter._result",
            '"attempts": result.attempts,\n                    "contact"',
            '"text": result.message.body,\n                    "contact"',
        ),
    ),
    _reply(
        "redaction/words-of-end-user-messaging",
        "bridge/aws/test_sms.py::test_an_error_message_of_the_service_is_neither_used_nor_passed_on",
        Edit("service_error", "({status}), request {request_id}", "({status}), request {request_id}: {exc}"),
    ),
    _reply(
        "redaction/printed-reply",
        "bridge/replies/test_chat_events.py::test_the_repr_of_a_reply_holds_no_content",
        Edit("ChatEvent", 'content: str = field(default="", repr=False)', 'content: str = ""'),
    ),
    _reply(
        "redaction/printed-phone",
        "bridge/test_reply.py::test_no_content_and_no_number_is_logged_or_counted",
        Edit("Participants", "customer_number: str = field(repr=False)", "customer_number: str"),
    ),
)

MUTATIONS: tuple[Mutation, ...] = (
    *_GROUPS,
    *_ONCE,
    *_TROUBLE,
    *_SENDING,
    *_PRIVATE,
)
