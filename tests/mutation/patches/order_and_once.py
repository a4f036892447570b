"""Mutations of order and of delivery once: message groups, ledger, deduplication ids."""

from __future__ import annotations

from tests.mutation.harness import Edit, Mutation
from tests.mutation.patches.making import BY_EVENTS, unit

_QUEUES = "lambda/bridge/aws/queues.py"

_GROUPS = (
    unit(
        "group-lock/one-for-all",
        "bridge/texts/test_sms_event.py::test_a_conversation_is_one_customer_and_one_business_number",
        Edit("conversation_id", "json.dumps([customer_number, business_number])", '"one"'),
    ),
    unit(
        "group-lock/one-per-text",
        "bridge/test_promises.py::test_no_second_environment_gets_the_next_text_of_a_conversation",
        Edit(
            "InboundSms.conversation_id",
            "conversation_id(self.origination_number, self.destination_number)",
            "conversation_id(self.origination_number, self.destination_number + self.text_key)",
        ),
        control=BY_EVENTS,  # chat sessions depend on the conversation too
    ),
    unit(
        "group-lock/not-the-queues",
        "bridge/test_promises.py::test_each_conversation_is_one_message_group",
        Edit("FifoQueue.send", "MessageGroupId=group_id", "MessageGroupId=deduplication_id"),
    ),
    unit(
        "group-lock/not-in-forward",
        "bridge/processing/test_message.py::test_a_batch_is_grouped_by_conversation_in_the_order_of_the_queue",
        Edit("QueueMessage.from_record", 'group_id=attributes["MessageGroupId"]', 'group_id=record["messageId"]'),
    ),
    unit(
        "order/no-sort-by-timestamp",
        "bridge/processing/test_message.py::test_texts_of_a_batch_are_sorted_by_send_time_and_the_disorder_is_counted",
        Edit(
            "message_groups",
            "sorted(messages, key=lambda message: (-message.receive_count, message.order)) for",
            "list(messages) for",
        ),
    ),
    unit(
        "order/before-what-was-tried",
        "bridge/processing/test_message.py::test_no_text_is_sorted_before_one_that_was_received_earlier",
        Edit("message_groups", "(-message.receive_count, message.order)", "message.order"),
    ),
)

_TEXTS = "bridge/texts/test_delivery.py::"
_MARKED = f"{_TEXTS}test_a_text_whose_answers_were_lost_is_marked_as_perhaps_shown_again"
_KEPT = f"{_TEXTS}test_lost_answers_are_remembered_between_batches_and_marked_once"

_POSSIBLE_DUPLICATES = tuple(
    unit(f"possible-duplicates/{name}", test, Edit(*edit), control=BY_EVENTS)
    for name, test, edit in (
        (
            "not-counted",
            _MARKED,
            (
                "Attempt.call",
                "self.part_duplicates = 0 if idempotent else self._lost_before",
                "self.part_duplicates = 0",
            ),
        ),
        (
            "not-in-the-ledger",
            _MARKED,
            (
                "Ledger.record_part",
                'counts = {"possible_duplicates": possible_duplicates} if possible_duplicates else {}',
                "counts = dict[str, int]()",
            ),
        ),
        ("forgotten-between-batches", _KEPT, ("FifoBatchProcessor._record_retry", "attempt.lost_answers", "0")),
        (
            "counted-for-the-next-part-too",
            _KEPT,
            ("Ledger.record_part", '"throttled", "lost_answers", *', '"throttled", *'),
        ),
        (
            "of-a-refused-call",
            f"{_TEXTS}test_a_call_that_was_refused_marks_nothing",
            ("Attempt.call", "if isinstance(exc, AnswerLostError):", "if True:"),
        ),
        (
            "of-a-call-that-was-not-sent",
            "bridge/aws/test_errors.py::test_only_a_request_that_may_have_been_sent_has_a_lost_answer",
            ("no_answer", "AnswerLostError if isinstance(exc, _SENT) else UnavailableError", "AnswerLostError"),
        ),
        (
            "of-the-end-of-a-chat",
            f"{_TEXTS}test_a_repeated_end_of_a_chat_is_not_marked_as_shown_again",
            ("TextDelivery._send", ' or request.part.type == "DISCONNECT"', ""),
        ),
        (
            "unrecorded-part-not-counted",
            f"{_TEXTS}test_an_accepted_part_that_is_not_recorded_is_a_possible_duplicate",
            ("FifoBatchProcessor._retry_or_give_up", "            attempt.part_unrecorded()\n", "            pass\n"),
        ),
        (
            "forgotten-by-a-failure",
            f"{_TEXTS}test_a_text_that_failed_after_a_lost_answer_is_marked_when_it_is_redriven",
            ("FifoBatchProcessor._fail", "lost_answers=attempt.lost_answers", "lost_answers=0"),
        ),
        (
            "another-chat-not-marked",
            f"{_TEXTS}test_with_client_tokens_only_another_chat_can_show_a_text_again",
            ("TextDelivery._send", "                    attempt.not_recognised()\n", "                    pass\n"),
        ),
        (
            "of-a-started-chat",
            f"{_TEXTS}test_a_lost_answer_of_a_started_chat_marks_nothing[start]",
            (
                "StartChat._call",
                "isinstance(error, AnswerLostError) and limiter is not self._message_limiter",
                "isinstance(error, AnswerLostError) and False",
            ),
        ),
        (
            "not-told-by-trace",
            "ops/test_trace.py::test_a_text_that_was_perhaps_shown_twice_says_so",
            ("trace._again", "count = record.possible_duplicates", "count = 0"),
        ),
    )
)

_LEDGER_AND_ONCE = (
    unit(
        "ledger-read/none",
        "bridge/processing/test_batch.py::test_a_text_received_again_after_success_is_not_shown_twice",
        Edit("FifoBatchProcessor._deliver", "state = self._ledger.read(message.key)", "state = None"),
    ),
    unit(
        "ledger-read/not-consistent",
        "bridge/aws/test_ledger.py::test_the_ledger_is_read_consistently",
        Edit("Ledger.read", ", ConsistentRead=True", ""),
    ),
    unit(
        "ledger-read/parts-forgotten",
        "bridge/texts/test_delivery.py::test_a_redriven_text_resumes_after_its_last_accepted_part",
        Edit("TextDelivery.deliver", "part = state.parts_done if state else 0", "part = 0"),
    ),
    unit(
        "ledger-write/before-the-answer",
        "bridge/texts/test_delivery.py::test_a_long_text_resumes_after_its_last_accepted_part",
        Edit(
            "TextDelivery.deliver",
            "            answer = self._send(request, attempt)\n",
            "            self._ledger.record_part(\n"
            "                sms.text_key, message.metadata, split=split, part=part, parts=len(parts), attempts=0,\n"
            "                message_id=message.message_id,\n"
            "            )\n"
            "            answer = self._send(request, attempt)\n",
        ),
    ),
    unit(
        "ledger-write/unconditional",
        "bridge/aws/test_ledger.py::test_a_late_worker_does_not_set_the_ledger_back_and_gets_the_newer_state",
        Edit("Ledger.record_part", '"parts_done = :before")', '"attribute_exists(parts_done)")'),
    ),
    unit(
        "ledger-write/not-believed",
        "bridge/texts/test_delivery.py::test_a_text_that_another_environment_finished_is_not_sent_again",
        Edit("TextDelivery.deliver", "part = state.parts_done\n", "part += 1\n"),
    ),
    unit(
        "ledger-write/shown-can-fail",
        "bridge/aws/test_ledger.py::test_a_text_that_was_shown_never_becomes_failed",
        Edit(
            "Ledger.record_failure",
            'counts={"failures": 1},\n            condition="NOT outcome IN (:forwarded, :ignored)",\n',
            'counts={"failures": 1},\n',
        ),
    ),
    unit(
        "ledger-write/failed-can-wait",
        "bridge/aws/test_ledger.py::test_a_late_retry_does_not_change_a_text_that_has_failed",
        Edit("Ledger.record_retry", '(:forwarded, :ignored) AND NOT failed_entry = :entry"', '(:forwarded, :ignored)"'),
    ),
    unit(
        "ledger-keeps/ten-days",
        "bridge/aws/test_ledger.py::test_the_ledger_keeps_a_text_longer_than_any_queue",
        Edit("KEEP_SECONDS", "KEEP_SECONDS = 16 *", "KEEP_SECONDS = 10 *"),
    ),
    unit(
        "ledger-write/failed-half-shown-can-wait",
        "bridge/aws/test_ledger.py::test_a_late_part_leaves_a_failed_text_failed_until_all_parts_are_shown",
        Edit("Ledger.record_part", 'else " AND NOT failed_entry = :entry"', 'else ""'),
    ),
    unit(
        "plan/own-cut",
        "bridge/texts/test_delivery.py::test_a_text_another_environment_began_is_shown_whole_in_its_split",
        Edit("TextDelivery.deliver", "            if state.split and state.split != split:", "            if False:"),
    ),
    unit(
        "plan/not-kept",
        "bridge/aws/test_ledger.py::test_the_split_of_a_text_is_read_back_from_the_ledger",
        Edit("Ledger.record_part", '            "plan": {"M": _serialised(split)},\n', ""),
    ),
    unit(
        "plan/not-used",
        "bridge/texts/test_delivery.py::test_a_begun_text_keeps_its_split_when_a_deploy_changes_the_limit",
        Edit(
            "TextDelivery.deliver",
            "split = state.split if state and state.split else self._split(sms, attempt)",
            "split = self._split(sms, attempt)",
        ),
        Edit(
            "TextDelivery._split", "            return self._ledger.save_split(", "            self._ledger.save_split("
        ),
    ),
    unit(
        "plan/kept-with-the-first-part",
        "bridge/texts/test_delivery.py::test_the_split_is_saved_before_the_first_part_is_sent",
        Edit(
            "TextDelivery._split",
            "            return self._ledger.save_split(sms.text_key, message.metadata, split=plan)",
            "            pass",
        ),
    ),
    unit(
        "deduplication/into-conversations",
        "bridge/test_promises.py::test_a_text_that_sns_delivers_twice_is_queued_once",
        Edit("FifoQueue.send", "MessageDeduplicationId=deduplication_id", "MessageDeduplicationId=str(time.time_ns())"),
    ),
    unit(
        "deduplication/by-content",
        "bridge/test_promises.py::test_equal_texts_sent_one_after_the_other_are_both_queued",
        Edit(
            "FifoQueue.send",
            "MessageDeduplicationId=deduplication_id",
            'MessageDeduplicationId=json.loads(json.loads(body)["Sns"]["Message"])["messageBody"]',
        ),
        Edit(_QUEUES, "import time\n", "import json\nimport time\n"),
    ),
    unit(
        "deduplication/into-failed",
        "bridge/processing/test_batch.py::test_a_text_failing_again_after_a_redrive_has_a_new_deduplication_id",
        Edit("FifoBatchProcessor._fail", "deduplication_id=message.message_id", "deduplication_id=message.key"),
    ),
    unit(
        "deduplication/failed-queue",
        "bridge/test_promises.py::test_a_text_failing_again_within_five_minutes_of_a_redrive_is_in_failed",
        Edit("DeadLetterQueue.send", "MessageDeduplicationId=deduplication_id", "MessageDeduplicationId=key"),
    ),
    unit(
        "deduplication/redrive",
        "bridge/test_promises.py::test_a_text_failing_again_within_five_minutes_of_a_redrive_is_in_failed",
        Edit("send", ": message.message_id,\n        }", ": message.text_key,\n        }"),
    ),
    unit(
        "one-attempt/the-sdk-repeats",
        "bridge/aws/test_clients.py::test_connect_is_called_once_with_the_configured_read_timeout",
        Edit("_single_attempt", '"total_max_attempts": 1}', '"total_max_attempts": 4}'),
    ),
)

MUTATIONS: tuple[Mutation, ...] = (
    *_GROUPS,
    *_LEDGER_AND_ONCE,
    *_POSSIBLE_DUPLICATES,
)
