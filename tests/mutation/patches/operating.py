"""What is taken out of what an operator does: redriving, handing over, discarding, and what is told."""

from __future__ import annotations

from tests.mutation.harness import Edit, Mutation
from tests.mutation.patches.making import IN_ORDER, unit

MUTATIONS: tuple[Mutation, ...] = (
    unit(
        "configuration/demo-of-the-users",
        "ops/test_demo.py::test_the_demo_deploys_its_own_configuration_not_the_users",
        Edit("ops/demo.py", 'CONFIG = ROOT / "sandbox/demo.toml"', 'CONFIG = ROOT / "bridge.toml"'),
    ),
    unit(
        "configuration/flood-of-the-users",
        "bench/test_flood.py::test_a_flood_is_played_with_the_defaults",
        Edit("testing/forward_functions.py", '/ "docs/bridge.toml"', '/ "bridge.toml"'),
    ),
    unit(
        "configuration/samples-to-nobody",
        "ops/test_sandbox.py::test_the_samples_are_replayed_to_a_number_that_is_there[not-there]",
        Edit("ops/sandbox.py", 'return "" if SAMPLES_TEXT in numbers else', 'return "" if numbers else'),
    ),
    Mutation(
        name="configuration/tests-read-the-users",
        edits=(Edit("tests/conftest.py", "sys.addaudithook(_refuse_the_users_file)\n", ""),),
        tests=("tests/mutation/test_users_configuration.py::test_a_test_that_reads_bridge_toml_fails",),
        control=IN_ORDER,
    ),
    unit(
        "redrive/deleted-first",
        "ops/failed/test_redrive.py::test_a_message_is_deleted_from_failed_only_once_its_queue_has_it",
        Edit(
            "Redrive._put_back",
            "            sent, refused = send(",
            "            self._delete(batch)\n            sent, refused = send(",
        ),
    ),
    unit(
        "redrive/over-a-refused-one",
        "ops/failed/test_redrive.py::test_if_one_is_refused_none_behind_it_is_sent_but_other_conversations_are",
        Edit("Redrive._put_back", "if message.message_id in refused or not group:", "if not group:"),
    ),
    unit(
        "redrive/sent-twice",
        "ops/failed/test_redrive.py::test_a_message_sent_but_not_deleted_is_reported_and_not_sent_twice",
        Edit("Redrive._put_back", "            self._sent |= sent.keys()\n", ""),
    ),
    unit(
        "redrive/killed-is-not-waited-for",
        "ops/failed/test_receiving.py::test_a_run_killed_at_any_call_and_repeated_loses_and_repeats_nothing[6-False]",
        Edit("FailedQueueConsumer.run", "(self.visibility_timeout if waits else 0)", "0"),
    ),
    unit(
        "redrive/what-is-left-stays-hidden",
        "ops/failed/test_receiving.py::test_what_is_not_selected_stays_in_failed_and_is_visible_at_once",
        Edit("DeadLetterQueue.rounds", "            self.release()", "            pass"),
    ),
    unit(
        "redrive/not-let-go-on-the-way",
        "ops/failed/test_receiving.py::test_what_is_not_selected_stays_in_failed_and_is_visible_at_once",
        Edit(
            "FailedQueueConsumer._process",
            "        self.queue.release([message.message_id for message in left if message.group_id in unblocked])\n",
            "",
        ),
    ),
    unit(
        "redrive/one-empty-poll",
        (
            "ops/failed/test_receiving.py::test_failed_is_redriven_to_the_end_though_receives_answer_empty",
            "ops/failed/test_undelivered.py::test_undelivered_is_read_to_the_end_though_receives_answer_empty",
            "ops/failed/test_discard.py::test_failed_is_discarded_to_the_end_though_receives_answer_empty",
        ),
        Edit("EMPTY_RECEIVES", "= 3", "= 1"),
    ),
    unit(
        "redrive/round-of-one-poll",
        "ops/failed/test_receiving.py::test_a_round_goes_on_receiving_after_an_empty_receive",
        Edit(
            "DeadLetterQueue._round",
            "            if self._clock.monotonic() >= deadline:",
            "            if messages and not received or self._clock.monotonic() >= deadline:",
        ),
    ),
    unit(
        "redrive/left-and-handed-out-again",
        "ops/failed/test_receiving.py::test_a_run_longer_than_the_visibility_timeout_reaches_the_last_message",
        Edit("DeadLetterQueue.rounds", "self._extend(within=within + work)", "pass"),
    ),
    unit(
        "redrive/takes-what-came-later",
        "ops/failed/test_receiving.py::test_what_arrives_after_a_run_was_planned_is_left_so_that_the_run_ends",
        Edit("Selection.is_later", "return self.planned_at is not None and", "return False and"),
    ),
    unit(
        "redrive/unread-in-order-of-receipt",
        "ops/failed/test_redrive.py::test_malformed_texts_of_a_conversation_return_in_the_order_of_publication",
        Edit("Redrive._put_back", "deque(_in_order(group))", "deque(group)"),
    ),
    unit(
        "redrive/forgotten-on-its-queue",
        "ops/test_ledger.py::test_a_redriven_text_stays_in_the_ledger_longer_than_a_queue_keeps_it",
        Edit("OperatorsLedger.redriven", "redriven_at = :now, expires_at = :expires", "redriven_at = :now"),
    ),
    unit(
        "redrive/replies-to-conversations",
        "ops/failed/test_redrive.py::test_what_sqs_moved_returns_to_its_source_queue_and_is_counted_apart",
        Edit("_is_reply", ' == replies.rpartition("/")[2]', ' == "nothing"'),
    ),
    unit(
        "redrive/recorded-over-what-came-since",
        "ops/test_ledger.py::test_a_late_record_of_a_redrive_sets_its_time_only[failed again]",
        Edit("_LAST_FAILURE", "outcome = :failed AND failed_entry = :message_id", "outcome = :failed"),
    ),
    unit(
        "undelivered/deleted-though-not-taken",
        "ops/failed/test_undelivered.py::test_what_its_function_refuses_stays_visible_and_its_error_is_reported",
        Edit("HandOver._hand_over", 'if answer.get("FunctionError"):', "if False:"),
    ),
    unit(
        "undelivered/in-any-order",
        "ops/failed/test_undelivered.py::test_what_is_handed_over_is_in_the_order_in_which_it_was_published",
        Edit("HandOver._process", "key=lambda message: message.sent_at", "key=lambda _: 0"),
    ),
    unit(
        "undelivered/all-in-hand-first",
        "ops/failed/test_undelivered.py::test_undelivered_messages_stay_hidden_until_all_are_handed_over",
        Edit("HandOver.run", "within=_RECEIVING", "within=10 * _RECEIVING"),
    ),
    unit(
        "discard/without-a-copy",
        "ops/failed/test_discard.py::test_what_is_discarded_is_copied_recorded_in_the_ledger_and_deleted",
        Edit(
            "Discard._discard_failed",
            'self.copy.write(_row("failed", message, message.group_id) for message in batch)',
            "self.copy.write({} for message in batch)",
        ),
    ),
    unit(
        "discard/on-its-way-for-ever",
        "ops/failed/test_discard.py::test_what_sqs_itself_moved_is_discarded_in_the_ledger_too",
        Edit("Discard._record", "None if message.moved_by_sqs else message.failure_id", "message.failure_id"),
    ),
    unit(
        "discard/not-on-the-disk",
        "ops/failed/test_discard.py::test_the_copy_is_on_the_disk_before_anything_is_deleted",
        Edit("Copy.write", "            os.fsync(self._file)\n", ""),
    ),
    unit(
        "discard/overwrites",
        "ops/failed/test_discard.py::test_a_file_created_meanwhile_or_a_full_disk_stops_the_discarding",
        Edit("Copy._create", "os.O_CREAT | os.O_EXCL", "os.O_CREAT | os.O_TRUNC"),
    ),
    unit(
        "discard/for-all-eyes",
        "ops/failed/test_discard.py::test_the_copy_can_be_read_by_its_owner_only_and_overwrites_no_file",
        Edit("Copy._create", "0o600", "0o644"),
    ),
    unit(
        "advice/none",
        "ops/failed/test_selection.py::test_every_error_that_a_text_can_fail_with_has_advice_and_is_a_reason",
        Edit("ADVICE", "    errors.QueueError.__name__: ", '    "Other": '),
    ),
    unit(
        "trace/whole-numbers",
        "ops/test_trace.py::test_only_with_show_content_are_numbers_whole_and_conversations_shown",
        Edit("Output.number", "return number if self.show_content else last_digits(number)", "return number"),
    ),
    unit(
        "doctor/a-deploy-that-fails",
        "ops/doctor/test_stack.py::test_a_stack_that_failed_has_the_command_that_leads_out[ROLLBACK_COMPLETE]",
        Edit("ops/doctor/stack.py", '        "ROLLBACK_COMPLETE": first,\n', ""),
    ),
)
