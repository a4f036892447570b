"""A state machine that advances the clock and injects faults: rules are events, invariants the promises."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule, run_state_machine_as_test

from ops.failed.queue import FAILED_VISIBILITY
from testing.builders import BUSINESS_NUMBER, CONFIG
from testing.stateful.contact_centre import FAULTS
from testing.stateful.processes import Moment, moments, sequential_and_silent
from testing.stateful.simulation import ARNS, CUSTOMERS, ENVIRONMENTS, LIMITS, VISIBILITY, Run, Simulation

LASTING = ("throttle", "error", "hang", "refuse", "not found", "chat limit")
intake_kills = moments("send_message", "record_failure")
operator_kills = moments("receive_message", "send_message_batch", "delete_message_batch", "redriven")
runs = st.builds(
    Run,
    faults=st.lists(st.sampled_from(["none", "refuse", *sorted(FAULTS), "invalid", "lost", "none"]), max_size=5),
    moment=moments(
        *("send", "record_part", "send_message", "record_failure"),
        *("send", "record_part", "read", "record_retry", "change_message_visibility_batch", "answer"),
    ),
    overlapped=st.booleans(),
)
sizes = st.sampled_from([1, 2, 10, 10, 10])
waits = st.none() | st.sampled_from([0.0, 1.0, 6.0, 130.0, VISIBILITY, 301.0, 1000.0, 7 * 3600.0, 7 * 3600.0])
picks = st.integers(0, 1000)


class BridgeMachine(Simulation):
    """Rules are the events that may happen; invariants are the promises."""

    drains_within = max(VISIBILITY, LIMITS.retry_longest) + 60

    # ---- events

    @initialize(customer=st.sampled_from(CUSTOMERS))
    def somebody_has_texted(self, customer: str) -> None:
        self.people_text(customer=customer, lengths=[1, 9, 2], ages=[0, 3, 1], kind="text", killed_at=None)
        self.people_text(customer=customer, lengths=[1], ages=[0], kind="unknown", killed_at=None)

    @rule(
        customer=st.sampled_from(CUSTOMERS),
        lengths=st.lists(st.integers(1, 9), min_size=1, max_size=4),
        ages=st.lists(st.integers(0, 20), min_size=4, max_size=4),
        kind=st.sampled_from([*["text"] * 7, "stop", "unknown", "malformed"]),
        killed_at=intake_kills,
    )
    def people_text(
        self, customer: str, lengths: list[int], ages: list[int], kind: str, killed_at: Moment | None
    ) -> None:
        """`lengths` in words; `ages`: how many seconds ago EUM published each. SNS does not keep their order."""
        now = self.clock.time
        self._take_in(
            [self._text(customer, length, now - age, kind) for length, age in zip(lengths, ages, strict=False)],
            killed_at,
        )

    @rule(pick=picks)
    def sns_delivers_again(self, pick: int) -> None:
        self._take_in([self._pick(list(self.texts.values()), pick)], None)

    @precondition(lambda self: self.with_lambda)
    @rule(killed_at=intake_kills)
    def lambda_retries_intake(self, killed_at: Moment | None) -> None:
        again, self.with_lambda = self.with_lambda, []
        self._take_in(again, killed_at)

    @rule(rounds=st.lists(st.tuples(sizes, runs, waits), min_size=2, max_size=6))
    def an_environment_receives_and_works(self, rounds: list[tuple[int, Run, float | None]]) -> None:
        """After each batch an operator redrives what failed, or time passes."""
        for most, run, wait in rounds:
            if held := self._receive(most):
                self._work(held, run)
            self._promises()
            if wait is None:
                self._redrive(None)
            else:
                self.clock.time += wait

    @precondition(lambda self: len(self.held) < ENVIRONMENTS)
    @rule(most=sizes)
    def an_environment_receives(self, most: int) -> None:
        if held := self._receive(most):
            self.held.append(held)

    @precondition(lambda self: self.held)
    @rule(pick=picks, run=runs)
    def an_environment_works(self, pick: int, run: Run) -> None:
        self._work(self.held.pop(pick % len(self.held)), run)

    @rule(wait=waits)
    def time_passes(self, wait: float | None) -> None:
        self.clock.time += wait or 60

    @rule(kind=st.none() | st.sampled_from(LASTING))
    def an_outage_begins_or_ends(self, kind: str | None) -> None:
        self.centre.outage = kind

    @rule(
        methods=st.sets(
            st.sampled_from(
                ["record_receipt", "read", "record_part", "record_retry", "record_failure", "record_duplicate"]
            )
        ),
        times=st.integers(1, 6),
        answers_lost=st.integers(0, 1),
    )
    def the_ledger_breaks_or_is_repaired(self, methods: set[str], times: int, answers_lost: int) -> None:
        self.ledger.broken = dict.fromkeys(methods, times)
        self.ledger.answers_lost = answers_lost

    @rule(
        what=st.sampled_from(
            [
                ("send_message", "conversations"),
                ("send_message", "failed"),
                ("change_message_visibility_batch", "conversations"),
            ]
        ),
        times=st.integers(0, 4),
        done=st.booleans(),
    )
    def a_queue_breaks_or_is_repaired(self, what: tuple[str, str], times: int, done: bool) -> None:
        self.sqs.fail_next(*what, times=times, done=done)

    @rule(part_length=st.sampled_from([16, 32, 64]), more_numbers=st.booleans())
    def somebody_deploys(self, part_length: int, more_numbers: bool) -> None:
        routes = {number: replace(CONFIG.routes[BUSINESS_NUMBER], arn=ARNS[number]) for number in ARNS}
        self.config = replace(
            self._configured(replace(self.config, routes=routes) if more_numbers else self.config),
            limits=replace(LIMITS, part_length=part_length),
        )

    @rule(killed_at=operator_kills)
    def an_operator_redrives(self, killed_at: Moment | None) -> None:
        self._redrive(killed_at)

    # ---- promises

    @invariant()
    def nothing_is_broken(self) -> None:
        self._save_messages()
        assert not self.broken, self.broken

    @invariant()
    def nothing_is_lost(self) -> None:
        kept = {self._key(message) for queue in (self.conversations, self.failed) for message in queue.messages()}
        for text in self.texts.values():
            assert not text.taken or text.key in kept or self._finished(text.key), f"{text.key} is lost"

    @invariant()
    def nothing_is_shown_twice_or_partly_without_an_excuse(self) -> None:
        for text in self.texts.values():
            parts = self.centre.of(text.key)
            assert self._is_whole(text, parts), (text, parts)
            unexplained = [shown for shown in parts if shown.unexplained]
            assert not unexplained, f"nothing explains why {unexplained} was not recorded"

    @invariant()
    def what_is_in_failed_was_meant_to_fail_and_says_why(self) -> None:
        waiting = {self._key(message) for message in self.conversations.messages()}
        for message in self.failed.messages():
            text = self.texts[self._key(message)]
            attributes = {name: value["StringValue"] for name, value in message.attributes.items()}
            assert self._was_meant_to_fail(text, message, attributes), (text, attributes)
            recorded = self.ledger.record(text.key) if text.key in self.ledger.table.items else None
            explained = recorded and (recorded.state.finished or recorded.reason)
            assert explained or text.key in waiting or text in self.with_lambda, f"{text.key} failed without a reason"

    @invariant()
    def no_deduplication_id_is_sent_twice_within_five_minutes(self) -> None:
        came: dict[tuple[str, str], float] = {}
        for message in self.queued.values():
            redriven = message.deduplication_id if message.deduplication_id in self.failures else "published"
            self._check_five_minutes_apart(came, (self._key(message), redriven), message)
        for failure in self.failures.values():
            cause = failure.attributes.get("entry_id", {"StringValue": "intake"})["StringValue"]
            self._check_five_minutes_apart(came, (self._key(failure), f"failed {cause}"), failure)

    def teardown(self) -> None:
        """All faults end: each text is delivered or has failed with a reason. Redriven, it is delivered."""
        self.centre.outage = None
        self.ledger.heal()
        self.sqs.heal()
        self.held.clear()
        self.somebody_deploys(part_length=32, more_numbers=True)
        self._take_in(self.with_lambda, None)
        self.with_lambda = []
        self._drain()
        in_failed = {self._key(message) for message in self.failed.messages()}
        for text in self.texts.values():
            if not self._finished(text.key):
                assert text.key in in_failed, f"{text.key} is nowhere"
                assert self.ledger.outcome(text.key) == "failed" and self.ledger.record(text.key).reason
        self.clock.time += FAILED_VISIBILITY
        self._redrive(None)
        self._drain()
        assert {text.key for text in self.texts.values() if not self._finished(text.key)} == {
            text.key for text in self.texts.values() if text.kind == "malformed"
        }
        assert {self.texts[self._key(message)].kind for message in self.failed.messages()} <= {"malformed"}

    def _drain(self) -> None:
        started = self.clock.time
        while len(self.conversations):
            self._ends_are_streamed()
            if held := self._receive(10):
                self._work(held)
            else:
                self.clock.time = min(
                    m.visible_at for m in self.conversations.messages() if m.visible_at > self.clock.time
                )
            self._promises()
            took = self.clock.time - started
            assert took <= self.drains_within, "does not drain by itself"
        self._promises()

    def _ends_are_streamed(self) -> None:
        """Where chats are started: reply has recorded by now which of them ended."""

    def _promises(self) -> None:
        self.nothing_is_broken()
        self.nothing_is_lost()
        self.nothing_is_shown_twice_or_partly_without_an_excuse()
        self.what_is_in_failed_was_meant_to_fail_and_says_why()
        self.no_deduplication_id_is_sent_twice_within_five_minutes()


def play(machine: type[BridgeMachine], monkeypatch: pytest.MonkeyPatch, *, examples: int) -> None:
    """Run so many examples of the machine."""
    sequential_and_silent(monkeypatch)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
