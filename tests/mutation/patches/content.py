"""What is shown, what is kept private and what the ledger tells."""

from __future__ import annotations

from tests.mutation.harness import Edit, Mutation
from tests.mutation.patches.making import unit

_QUEUES = "lambda/bridge/aws/queues.py"

_SHOWN = (
    unit(
        "graphemes/cut-anywhere",
        "test_promises.py::test_no_grapheme_is_cut_wherever_the_limit_falls",
        Edit(
            "_end_of_part",
            "return after_space or (end if end > start else _hard_end(text, start, limit))",
            "return _hard_end(text, start, limit)",
        ),
    ),
    unit(
        "graphemes/not-at-white-space",
        "test_split.py::test_the_cut_is_after_the_last_white_space_that_fits",
        Edit("_end_of_part", "return after_space or (end if", "return (end if"),
    ),
    unit(
        "graphemes/length-in-characters",
        "test_split.py::test_length_is_counted_in_utf16_code_units",
        Edit(
            "utf16_length",
            'return len(text) + sum(character > "\\uffff" for character in text)',
            "return len(text)",
        ),
    ),
    unit(
        "disconnect-keyword/unknown",
        "test_delivery.py::test_a_disconnect_keyword_is_shown_and_then_ends_the_chat",
        Edit("split_plan", "ends_chat = _is_disconnect(sms.body, chat)", "ends_chat = False"),
    ),
    unit(
        "disconnect-keyword/no-chat-fails",
        "test_connect.py::test_an_error_of_a_disconnect_is_a_chat_that_is_not_open",
        Edit(
            "IntegrationEvents.send",
            '            if part.type == "DISCONNECT":\n                return NoOpenChat()\n',
            "",
        ),
    ),
    unit(
        "disconnect-keyword/no-chat-is-forwarded",
        "test_delivery.py::test_ending_a_chat_that_is_not_open_is_nothing_to_do",
        Edit("TextDelivery.deliver", "None if shown or len(parts) > 1 else _NO_CHAT_ENDED", "None"),
    ),
    unit(
        "empty-body/no-line",
        "test_compose.py::test_an_empty_text_is_shown_as_the_configured_line",
        Edit("chat_parts", "sms.body if sms.body.strip() else chat.empty_message", "sms.body"),
    ),
    unit(
        "late-line/none",
        "test_delivery.py::test_a_text_that_waited_longer_than_mark_late_after_says_when_it_was_sent",
        Edit("split_plan", 'prefix=_late_line(sent_at, chat) if late and sent_at else ""', 'prefix=""'),
    ),
)

_PRIVATE = (
    unit(
        "redaction/vendors-words",
        "test_connect.py::test_a_message_of_the_vendor_decides_nothing_and_is_told_to_nobody",
        Edit("connect_error", "({status}), request {request_id}", "({status}), request {request_id}: {exc}"),
    ),
    unit(
        "redaction/unknown-number",
        "test_delivery.py::test_a_number_without_a_route_is_permanent_and_the_reason_does_not_say_the_whole_number",
        Edit(
            "lambda/bridge/errors.py",
            "last = number[-4:] if len(number) > 6 else number[-2:]",
            "last = number",
        ),
    ),
    unit(
        "redaction/words-of-a-defect",
        "test_handlers.py::test_no_body_no_number_and_no_hash_of_one_is_logged_or_counted",
        Edit(
            "FifoBatchProcessor._process_message",
            '{type(exc).__name__}"),\n                traceback',
            '{exc}"),\n                traceback',
        ),
    ),
    unit(
        "redaction/conversation-logged",
        "test_handlers.py::test_no_body_no_number_and_no_hash_of_one_is_logged_or_counted",
        Edit(
            "Reporter._result",
            "_message(result.message.key)\n",
            '_message(result.message.key) | {"conversation": result.message.group_id}\n',
        ),
    ),
    unit(
        "redaction/printed-dataclass",
        "test_notification.py::test_what_a_dataclass_prints_of_a_text_holds_no_body_and_no_number",
        Edit("InboundSms", "body: str = field(repr=False)", "body: str"),
    ),
)

_EXPLAINED = (
    unit(
        "reason/not-in-the-ledger",
        "test_promises.py::test_the_ledger_says_of_a_failed_text_why_where_and_when",
        Edit("Ledger.record_failure", 'self._outcome("failed", reason=str(error), ', 'self._outcome("failed", '),
    ),
    unit(
        "received/not-noted",
        "test_handlers.py::test_intake_notes_a_text_as_soon_as_it_is_queued",
        Edit(
            "NotificationIntake._take",
            "                self._record_receipt(message, conversation=content.group_id, at=at)\n",
            "                pass\n",
        ),
    ),
    unit(
        "received/or-not-taken",
        "test_handlers.py::test_intake_takes_a_text_also_when_it_cannot_be_noted_and_counts_it",
        Edit("NotificationIntake._record_receipt", "except LedgerError as exc:", "except ZeroDivisionError as exc:"),
    ),
    unit(
        "received/over-what-is-known",
        "test_promises.py::test_noting_that_a_text_was_queued_touches_nothing_that_is_known_of_it_already",
        Edit("Ledger.record_receipt", "if_not_exists(#{name}, :{name})", ":{name}"),
    ),
    unit(
        "failed-index/never",
        "test_promises.py::test_the_ledger_says_of_a_failed_text_why_where_and_when",
        Edit("Ledger.record_failure", '"failed_on": {"S"', '"failed_day": {"S"'),
    ),
    unit(
        "failed-index/for-ever",
        "test_promises.py::"
        "test_a_text_is_in_the_index_of_the_failed_only_while_it_is_failed_and_why_it_was_stays_known",
        Edit("_FAILED_INDEX", '_FAILED_INDEX = ("failed_on",)', "_FAILED_INDEX: tuple[str, ...] = ()"),
    ),
    unit(
        "reason/not-on-the-entry",
        "test_promises.py::test_an_entry_of_failed_says_what_went_wrong_where_and_when",
        Edit("DeadLetterQueue.send", '            "reason": str(error),\n', ""),
    ),
    unit(
        "trace/not-passed",
        (
            "test_tracing.py::test_each_message_carries_the_trace_of_the_invocation_that_sent_it[text]",
            "test_tracing.py::test_each_message_carries_the_trace_of_the_invocation_that_sent_it[reply]",
        ),
        Edit(_QUEUES, "                **_trace(),\n", ""),
    ),
    unit(
        "trace/of-any-form",
        "test_tracing.py::test_a_trace_that_sqs_could_refuse_stays_behind_and_the_text_goes_on",
        Edit(_QUEUES, "if not _TRACE_HEADER.fullmatch(header):", "if not header:"),
    ),
)

MUTATIONS: tuple[Mutation, ...] = (
    *_SHOWN,
    *_PRIVATE,
    *_EXPLAINED,
)
