"""Mutations of content, redaction and ledger attributes."""

from __future__ import annotations

from tests.mutation.harness import Edit, Mutation
from tests.mutation.patches.making import unit

_QUEUES = "lambda/bridge/aws/queues.py"

_SHOWN = (
    unit(
        "graphemes/cut-anywhere",
        "bridge/processing/test_splitting.py::test_no_grapheme_is_cut_at_any_limit",
        Edit(
            "_end_of_part",
            "return after_space or (end if end > start else _hard_end(text, start, limit))",
            "return _hard_end(text, start, limit)",
        ),
    ),
    unit(
        "graphemes/not-at-white-space",
        "bridge/processing/test_splitting.py::test_the_cut_is_after_the_last_white_space_that_fits",
        Edit("_end_of_part", "return after_space or (end if", "return (end if"),
    ),
    unit(
        "graphemes/length-in-characters",
        "bridge/processing/test_splitting.py::test_length_is_counted_in_utf16_code_units",
        Edit(
            "utf16_length",
            'return len(text) + sum(character > "\\uffff" for character in text)',
            "return len(text)",
        ),
    ),
    unit(
        "disconnect-keyword/unknown",
        "bridge/texts/test_delivery.py::test_a_disconnect_keyword_is_shown_and_then_ends_the_chat",
        Edit("split_plan", "ends_chat = _is_disconnect(sms.body, chat)", "ends_chat = False"),
    ),
    unit(
        "disconnect-keyword/no-chat-fails",
        "bridge/aws/test_integration_events.py::test_a_rejected_disconnect_event_means_that_no_chat_is_open",
        Edit(
            "IntegrationEvents.send",
            'if part.type == "DISCONNECT":\n                return NoOpenChat()\n            raise\n',
            "raise\n",
        ),
    ),
    unit(
        "disconnect-keyword/no-chat-is-forwarded",
        "bridge/texts/test_delivery.py::test_ending_a_chat_that_is_not_open_is_not_an_error",
        Edit("TextDelivery.deliver", "_NO_CHAT_ENDED if nothing_to_end else None", "None"),
    ),
    unit(
        "empty-body/no-line",
        "bridge/texts/test_chat_messages.py::test_an_empty_text_is_shown_as_the_configured_line",
        Edit("chat_parts", "sms.body if sms.body.strip() else chat.empty_message", "sms.body"),
    ),
    unit(
        "late-line/none",
        "bridge/texts/test_delivery.py::test_a_text_that_waited_longer_than_mark_late_after_says_when_it_was_sent",
        Edit("split_plan", 'prefix=_late_line(sent_at, chat) if late and sent_at else ""', 'prefix=""'),
    ),
)

_PRIVATE = (
    unit(
        "redaction/vendors-words",
        "bridge/aws/test_integration_events.py::test_an_error_message_of_the_service_is_neither_used_nor_passed_on",
        Edit("service_error", "({status}), request {request_id}", "({status}), request {request_id}: {exc}"),
    ),
    unit(
        "redaction/unknown-number",
        "bridge/texts/test_delivery.py::test_a_number_without_a_route_fails_without_naming_the_whole_number",
        Edit(
            "lambda/bridge/errors.py",
            "last = number[-4:] if len(number) > 6 else number[-2:]",
            "last = number",
        ),
    ),
    unit(
        "redaction/words-of-a-defect",
        "bridge/test_forward.py::test_no_body_no_number_and_no_hash_of_one_is_logged_or_counted",
        Edit(
            "FifoBatchProcessor._process_message",
            '{type(exc).__name__}"),\n                traceback',
            '{exc}"),\n                traceback',
        ),
    ),
    unit(
        "redaction/conversation-logged",
        "bridge/test_forward.py::test_no_body_no_number_and_no_hash_of_one_is_logged_or_counted",
        Edit(
            "Reporter._result",
            "_message(result.message.key)\n",
            '_message(result.message.key) | {"conversation": result.message.group_id}\n',
        ),
    ),
    unit(
        "redaction/printed-dataclass",
        "bridge/texts/test_sms_event.py::test_the_repr_of_a_text_holds_no_body_and_no_number",
        Edit("InboundSms", "body: str = field(repr=False)", "body: str"),
    ),
)

_EXPLAINED = (
    unit(
        "reason/not-in-the-ledger",
        "bridge/aws/test_ledger.py::test_the_ledger_says_why_where_and_when_a_text_failed",
        Edit("Ledger.record_failure", 'self._outcome("failed", reason=str(error), ', 'self._outcome("failed", '),
    ),
    unit(
        "received/not-recorded",
        "bridge/test_intake.py::test_intake_records_the_receipt_of_a_queued_text",
        Edit(
            "NotificationIntake._take",
            "                self._record_receipt(message, conversation=content.group_id, at=at)\n",
            "                pass\n",
        ),
    ),
    unit(
        "received/or-not-taken",
        "bridge/test_intake.py::test_intake_queues_a_text_also_when_its_receipt_cannot_be_recorded",
        Edit("NotificationIntake._record_receipt", "except LedgerError as exc:", "except ZeroDivisionError as exc:"),
    ),
    unit(
        "received/over-what-is-known",
        "bridge/aws/test_ledger.py::test_recording_a_receipt_changes_no_attribute_that_is_there",
        Edit("Ledger.record_receipt", "if_not_exists(#{name}, :{name})", ":{name}"),
    ),
    unit(
        "failed-index/never",
        "bridge/aws/test_ledger.py::test_the_ledger_says_why_where_and_when_a_text_failed",
        Edit("Ledger.record_failure", '"failed_on": {"S"', '"failed_day": {"S"'),
    ),
    unit(
        "failed-index/for-ever",
        "bridge/aws/test_ledger.py::test_a_text_is_in_the_failed_index_only_while_failed_and_keeps_its_reason",
        Edit("_FAILED_INDEX", '_FAILED_INDEX = ("failed_on",)', "_FAILED_INDEX: tuple[str, ...] = ()"),
    ),
    unit(
        "reason/not-on-the-entry",
        "bridge/test_promises.py::test_a_dead_letter_says_what_failed_where_and_when",
        Edit("DeadLetterQueue.send", '            "reason": str(error),\n', ""),
    ),
    unit(
        "trace/not-passed",
        (
            "bridge/aws/test_queues.py::test_each_message_carries_the_trace_of_the_invocation_that_sent_it[text]",
            "bridge/aws/test_queues.py::test_each_message_carries_the_trace_of_the_invocation_that_sent_it[reply]",
        ),
        Edit(_QUEUES, "                **_trace(),\n", ""),
    ),
    unit(
        "trace/of-any-form",
        "bridge/aws/test_queues.py::test_a_trace_header_that_sqs_could_refuse_is_left_out",
        Edit(_QUEUES, "if not _TRACE_HEADER.fullmatch(header):", "if not header:"),
    ),
)

MUTATIONS: tuple[Mutation, ...] = (
    *_SHOWN,
    *_PRIVATE,
    *_EXPLAINED,
)
