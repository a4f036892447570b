"""What keeps texts in order and shows each once."""

from __future__ import annotations

from tests.mutation.harness import Edit, Mutation
from tests.mutation.patches.making import BY_EVENTS, unit

_QUEUES = "lambda/bridge/aws/queues.py"

_GROUPS = (
    unit(
        "group-lock/one-for-all",
        "test_notification.py::test_a_conversation_is_one_customer_and_one_of_our_numbers",
        Edit("conversation_id", "json.dumps([customer_number, business_number])", '"one"'),
    ),
    unit(
        "group-lock/one-per-text",
        "test_promises.py::test_while_one_environment_has_a_conversations_text_no_other_gets_its_next_one",
        Edit(
            "InboundSms.conversation_id",
            "conversation_id(self.origination_number, self.destination_number)",
            "conversation_id(self.origination_number, self.destination_number + self.text_key)",
        ),
        control=BY_EVENTS,  # the open chats go by the conversation too
    ),
    unit(
        "group-lock/not-the-queues",
        "test_promises.py::test_a_conversation_is_one_message_group_and_another_one_another",
        Edit("FifoQueue.send", "MessageGroupId=group_id", "MessageGroupId=deduplication_id"),
    ),
    unit(
        "group-lock/not-in-forward",
        "test_entry.py::test_a_batch_is_read_into_conversations_in_the_order_of_the_queue",
        Edit("QueueMessage.from_record", 'group_id=attributes["MessageGroupId"]', 'group_id=record["messageId"]'),
    ),
    unit(
        "order/no-sort-by-timestamp",
        "test_entry.py::test_texts_of_a_batch_are_sorted_by_the_time_at_which_they_were_sent_and_the_overtaken_are_counted",
        Edit(
            "message_groups",
            "sorted(messages, key=lambda message: (-message.receive_count, message.order)) for",
            "list(messages) for",
        ),
    ),
    unit(
        "order/before-what-was-tried",
        "test_entry.py::test_nothing_is_sorted_ahead_of_a_text_that_was_received_before",
        Edit("message_groups", "(-message.receive_count, message.order)", "message.order"),
    ),
)

_LEDGER_AND_ONCE = (
    unit(
        "ledger-read/none",
        "test_delivery.py::test_a_text_that_came_again_after_success_is_not_shown_twice",
        Edit("FifoBatchProcessor._deliver", "state = self._ledger.read(message.key)", "state = None"),
    ),
    unit(
        "ledger-read/not-consistent",
        "test_promises.py::test_the_ledger_is_read_as_it_is_now_and_not_as_it_was_a_moment_ago",
        Edit("Ledger.read", ", ConsistentRead=True", ""),
    ),
    unit(
        "ledger-read/parts-forgotten",
        "test_delivery.py::test_a_failed_text_that_is_redriven_goes_on_where_it_stopped",
        Edit("TextDelivery.deliver", "part = state.parts_done if state else 0", "part = 0"),
    ),
    unit(
        "ledger-write/before-the-answer",
        "test_delivery.py::test_a_long_text_resumes_after_the_part_that_connect_last_accepted",
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
        "test_promises.py::"
        "test_a_worker_that_comes_too_late_does_not_set_the_ledger_back_and_learns_how_far_the_other_one_got",
        Edit("Ledger.record_part", '"parts_done = :before")', '"attribute_exists(parts_done)")'),
    ),
    unit(
        "ledger-write/not-believed",
        "test_delivery.py::test_a_text_that_another_environment_finished_meanwhile_is_left_to_it",
        Edit("TextDelivery.deliver", "part = state.parts_done\n", "part += 1\n"),
    ),
    unit(
        "ledger-write/shown-can-fail",
        "test_promises.py::test_a_text_that_was_shown_never_becomes_a_failed_one",
        Edit(
            "Ledger.record_failure",
            'add={":one": ("failures", 1)},\n            condition="NOT outcome IN (:forwarded, :ignored)",\n',
            'add={":one": ("failures", 1)},\n',
        ),
    ),
    unit(
        "ledger-write/failed-can-wait",
        "test_promises.py::test_a_function_that_lost_its_batch_does_not_make_a_text_wait_that_has_failed_meanwhile",
        Edit("Ledger.record_retry", '(:forwarded, :ignored) AND NOT failed_entry = :entry"', '(:forwarded, :ignored)"'),
    ),
    unit(
        "ledger-keeps/ten-days",
        "test_promises.py::test_a_text_is_remembered_longer_than_any_queue_keeps_it",
        Edit("KEEP_SECONDS", "KEEP_SECONDS = 16 *", "KEEP_SECONDS = 10 *"),
    ),
    unit(
        "ledger-write/failed-half-shown-can-wait",
        "test_promises.py::"
        "test_a_function_that_lost_its_batch_does_not_hide_that_its_text_failed_until_it_has_shown_all_of_it",
        Edit("Ledger.record_part", 'else " AND NOT failed_entry = :entry"', 'else ""'),
    ),
    unit(
        "plan/own-cut",
        "test_delivery.py::test_a_text_that_another_environment_began_with_another_cut_is_shown_whole_in_that_one",
        Edit("TextDelivery.deliver", "            if state.split and state.split != split:", "            if False:"),
    ),
    unit(
        "plan/not-kept",
        "test_promises.py::test_how_a_text_was_begun_comes_back_from_the_ledger",
        Edit("Ledger.record_part", '            "plan": {"M": _serialised(split)},\n', ""),
    ),
    unit(
        "plan/not-used",
        "test_delivery.py::test_a_text_is_cut_as_it_was_begun_also_when_a_deploy_changed_the_limit_between_two_tries",
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
        "test_delivery.py::test_how_a_text_is_cut_is_kept_before_its_first_part_is_sent",
        Edit(
            "TextDelivery._split",
            "            return self._ledger.save_split(sms.text_key, message.metadata, split=plan)",
            "            pass",
        ),
    ),
    unit(
        "deduplication/into-conversations",
        "test_promises.py::test_a_text_that_sns_hands_over_twice_is_queued_once",
        Edit("FifoQueue.send", "MessageDeduplicationId=deduplication_id", "MessageDeduplicationId=str(time.time_ns())"),
    ),
    unit(
        "deduplication/by-content",
        "test_promises.py::test_equal_texts_sent_one_after_the_other_are_both_queued",
        Edit(
            "FifoQueue.send",
            "MessageDeduplicationId=deduplication_id",
            'MessageDeduplicationId=json.loads(json.loads(body)["Sns"]["Message"])["messageBody"]',
        ),
        Edit(_QUEUES, "import time\n", "import json\nimport time\n"),
    ),
    unit(
        "deduplication/into-failed",
        "test_delivery.py::test_a_text_that_fails_again_after_a_redrive_has_another_deduplication_id",
        Edit("FifoBatchProcessor._fail", "deduplication_id=message.message_id", "deduplication_id=message.key"),
    ),
    unit(
        "deduplication/failed-queue",
        "test_promises.py::test_a_text_that_is_redriven_and_fails_again_within_five_minutes_is_in_failed_each_time",
        Edit("DeadLetterQueue.send", "MessageDeduplicationId=deduplication_id", "MessageDeduplicationId=key"),
    ),
    unit(
        "deduplication/redrive",
        "test_promises.py::test_a_text_that_is_redriven_and_fails_again_within_five_minutes_is_in_failed_each_time",
        Edit("send", ": letter.message_id,\n            }", ": letter.text_key,\n            }"),
    ),
    unit(
        "one-attempt/the-sdk-repeats",
        "test_promises.py::test_the_sdk_repeats_no_call_to_connect_and_waits_for_its_answer_as_long_as_configured",
        Edit("_single_attempt", '"total_max_attempts": 1}', '"total_max_attempts": 4}'),
    ),
)

MUTATIONS: tuple[Mutation, ...] = (
    *_GROUPS,
    *_LEDGER_AND_ONCE,
)
