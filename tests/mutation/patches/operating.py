"""What is taken out of what an operator does: redriving, handing over, discarding, and what is told."""

from __future__ import annotations

from tests.mutation.harness import Edit, Mutation
from tests.mutation.patches.making import IN_ORDER, unit

MUTATIONS: tuple[Mutation, ...] = (
    unit(
        "configuration/demo-of-the-users",
        "test_demo.py::test_the_demo_deploys_its_own_configuration_not_the_users",
        Edit("ops/demo.py", 'CONFIG = ROOT / "sandbox/demo.toml"', 'CONFIG = ROOT / "bridge.toml"'),
    ),
    unit(
        "configuration/flood-of-the-users",
        "bench/test_flood.py::test_a_flood_is_played_with_the_defaults",
        Edit("bench/flood.py", '/ "docs/bridge.toml"', '/ "bridge.toml"'),
    ),
    unit(
        "configuration/samples-to-nobody",
        "test_sandbox_command.py::test_the_samples_are_replayed_to_a_number_that_is_there[not-there]",
        Edit("ops/sandbox.py", 'return "" if SAMPLES_TEXT in ours else', 'return "" if ours else'),
    ),
    Mutation(
        name="configuration/tests-read-the-users",
        edits=(Edit("tests/conftest.py", "sys.addaudithook(_refuse_the_users_file)\n", ""),),
        tests=("tests/mutation/test_users_configuration.py::test_a_test_that_reads_bridge_toml_fails",),
        control=IN_ORDER,
    ),
    unit(
        "redrive/deleted-first",
        "test_failed.py::test_an_entry_is_deleted_from_failed_only_once_its_queue_has_it",
        Edit(
            "Redrive._put_back",
            "            taken, refused = send(",
            "            self._delete(wave)\n            taken, refused = send(",
        ),
    ),
    unit(
        "redrive/over-a-refused-one",
        "test_failed.py::test_where_one_is_refused_none_behind_it_is_sent_and_the_other_conversations_get_on",
        Edit("Redrive._put_back", "if letter.message_id in refused or not lane:", "if not lane:"),
    ),
    unit(
        "redrive/sent-twice",
        "test_failed.py::test_what_was_put_back_and_could_not_be_deleted_is_said_and_not_put_back_twice",
        Edit("Redrive._put_back", "            self._sent |= taken.keys()\n", ""),
    ),
    unit(
        "redrive/killed-is-not-waited-for",
        "test_failed.py::"
        "test_a_run_that_is_killed_at_any_call_and_run_again_loses_nothing_and_puts_nothing_back_twice[6-False]",
        Edit("Drain.run", "(self.hidden if waits else 0)", "0"),
    ),
    unit(
        "redrive/what-is-left-stays-hidden",
        "test_failed.py::test_what_is_not_meant_stays_where_it_is_and_is_seen_by_others_at_once",
        Edit("ops/failed/draining.py", "            hidden.let_go()", "            pass"),
    ),
    unit(
        "redrive/not-let-go-on-the-way",
        "test_failed.py::test_what_is_not_meant_stays_where_it_is_and_is_seen_by_others_at_once",
        Edit(
            "ops/failed/draining.py",
            "        self._receiver.hidden.let_go([letter.message_id for letter in stay if letter.group in got_on])\n",
            "",
        ),
    ),
    unit(
        "redrive/one-empty-poll",
        (
            "test_failed.py::test_failed_is_redriven_to_the_end_though_receives_answer_empty",
            "test_failed.py::test_undelivered_is_read_to_the_end_though_receives_answer_empty",
            "test_failed.py::test_failed_is_discarded_to_the_end_though_receives_answer_empty",
        ),
        Edit("ops/failed/receiving.py", "EMPTY_POLLS = 3", "EMPTY_POLLS = 1"),
    ),
    unit(
        "redrive/round-of-one-poll",
        "test_failed.py::test_a_round_looks_on_after_an_empty_receive_before_it_puts_anything_back",
        Edit(
            "ops/failed/receiving.py",
            "            if self.clock.monotonic() >= until:",
            "            if messages and not received or self.clock.monotonic() >= until:",
        ),
    ),
    unit(
        "redrive/left-and-handed-out-again",
        "test_failed.py::test_a_run_that_lasts_longer_than_entries_are_hidden_comes_to_what_is_behind_them_and_ends",
        Edit("ops/failed/draining.py", "hidden.renew(within=self.hidden * 2 / 3)", "pass"),
    ),
    unit(
        "redrive/takes-what-came-later",
        "test_failed.py::test_what_comes_to_failed_after_a_run_was_planned_is_left_and_counted_so_that_the_run_ends",
        Edit("Selection.is_later", "return self.planned_at is not None and", "return False and"),
    ),
    unit(
        "redrive/unread-in-order-of-receipt",
        "test_failed.py::"
        "test_what_intake_could_not_read_of_a_conversation_goes_on_it_in_the_order_in_which_it_was_published",
        Edit("Redrive._put_back", "deque(_in_order(lane))", "deque(lane)"),
    ),
    unit(
        "redrive/forgotten-on-its-queue",
        "test_operators_ledger.py::test_a_text_that_was_put_back_is_known_for_longer_than_a_queue_keeps_it",
        Edit("OperatorsLedger.redriven", "redriven_at = :now, expires_at = :expires", "redriven_at = :now"),
    ),
    unit(
        "redrive/replies-to-conversations",
        "test_failed.py::test_what_sqs_itself_moved_goes_back_to_the_queue_that_it_was_on_and_is_counted_apart",
        Edit("_is_reply", ' == replies.rpartition("/")[2]', ' == "nothing"'),
    ),
    unit(
        "redrive/noted-over-what-came-since",
        "test_operators_ledger.py::test_a_note_that_comes_late_changes_nothing_but_that_it_was_put_back[failed again]",
        Edit("_LAST_FAILURE", "outcome = :failed AND failed_entry = :entry", "outcome = :failed"),
    ),
    unit(
        "undelivered/deleted-though-not-taken",
        "test_failed.py::test_what_its_function_cannot_take_stays_with_what_is_wrong_and_is_seen_by_others_at_once",
        Edit("HandOver._hand_over", 'if answer.get("FunctionError"):', "if False:"),
    ),
    unit(
        "undelivered/in-any-order",
        "test_failed.py::test_what_is_handed_over_is_in_the_order_in_which_it_was_published",
        Edit("HandOver._pass", "key=lambda parcel: parcel.sent_at", "key=lambda _: 0"),
    ),
    unit(
        "undelivered/all-in-hand-first",
        "test_failed.py::test_what_is_handed_over_is_hidden_from_others_however_long_it_takes_to_receive_all",
        Edit("ops/failed/handing.py", "within=_LOOKING", "within=10 * _LOOKING"),
    ),
    unit(
        "discard/without-a-copy",
        "test_failed.py::test_what_is_discarded_is_in_the_copy_noted_in_the_ledger_and_gone",
        Edit(
            "Discard._out_of_failed",
            'self._copy.keep(_copied("failed", letter, letter.group) for letter in batch)',
            "self._copy.keep({} for letter in batch)",
        ),
    ),
    unit(
        "discard/on-its-way-for-ever",
        "test_failed.py::test_what_sqs_itself_moved_is_discarded_in_the_ledger_too",
        Edit("Discard._note", "None if letter.moved_by_sqs else letter.failure", "letter.failure"),
    ),
    unit(
        "discard/not-on-the-disk",
        "test_failed.py::test_the_copy_is_on_the_disk_before_anything_is_deleted",
        Edit("Copy.keep", "            os.fsync(self._file)\n", ""),
    ),
    unit(
        "discard/overwrites",
        "test_failed.py::test_a_file_that_comes_up_meanwhile_or_a_full_disk_stops_the_discarding",
        Edit("Copy._make", "os.O_CREAT | os.O_EXCL", "os.O_CREAT | os.O_TRUNC"),
    ),
    unit(
        "discard/for-all-eyes",
        "test_failed.py::test_the_copy_is_for_its_owners_eyes_and_never_overwrites_a_file",
        Edit("Copy._make", "0o600", "0o644"),
    ),
    unit(
        "advice/none",
        "test_failed.py::test_every_error_that_a_text_can_fail_with_has_advice_and_can_be_asked_for",
        Edit("ADVICE", "    errors.QueueError.__name__: ", '    "Other": '),
    ),
    unit(
        "trace/whole-numbers",
        "test_story.py::test_numbers_are_shown_by_their_ending_and_a_conversation_not_at_all_unless_asked_for",
        Edit("Output.number", "return number if self.show_content else last_digits(number)", "return number"),
    ),
    unit(
        "doctor/a-deploy-that-fails",
        "test_doctor.py::test_a_stack_that_failed_has_the_command_that_leads_out[ROLLBACK_COMPLETE]",
        Edit("ops/doctor/stack.py", '        "ROLLBACK_COMPLETE": first,\n', ""),
    ),
)
