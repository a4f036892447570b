"""The accounting detects broken promises. Each test builds a run by hand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from testing.faults.accounting import (
    CHAT_ENDED,
    CONVERSATIONS,
    KILLED,
    LOST_ANSWER,
    REPLIES,
    UNEXPLAINED,
    UNWRITTEN,
    Accounting,
    Message,
    Verdict,
    check_chats,
)
from testing.faults.lambda_runtime import Invocation, Outcome
from testing.faults.load import Kind, Reply, Text, load, opted_out
from testing.faults.plan import Plan
from testing.faults.record import Batch, Record, Send, Write


class RunBuilder:
    """Builds a run step by step; each step takes a second."""

    def __init__(self, *kinds: Kind) -> None:
        self.record = Record()
        self.journal: list[dict[str, Any]] = []
        self.failed: list[str] = []
        self.ended: dict[str, float] = {}
        self._time = 0.0
        self.texts = [self._publish(number, kind) for number, kind in enumerate(kinds)]

    def queue(self, *texts: Message, on: str = CONVERSATIONS) -> None:
        for text in texts:
            number = len(self.record.sends) + 1
            self.record.sends.append(
                Send(
                    at=self._tick(),
                    queue=on,
                    entry=f"e{number}",
                    sequence=number,
                    identity=text.identity,
                )
            )

    def show(
        self,
        text: Message,
        content: str | None = None,
        *,
        answered: bool = True,
        by: str = "SendChatIntegrationEvent",
        contact: str = "contact",
    ) -> None:
        self.journal.append(
            {
                "n": len(self.journal) + 1,
                "at": self._tick(),
                "operation": by,
                "content": content or text.body,
                "contact": contact,
                "answered": answered,
            }
        )

    def write(self, text: Text, outcome: str, part: int = 1) -> None:
        self.record.writes.append(
            Write(at=self._tick(), text_key=text.key, parts_done=part, outcome=outcome, answered=outcome == "applied")
        )

    def batch(self, *texts: Text, began_at: float, outcome: Outcome = "answered") -> None:
        call = Invocation(function="forward", event={}, began_at=began_at, ended_at=self._tick(), outcome=outcome)
        entries = tuple(f"e{text.number}" for text in texts)
        batch = Batch(entries=entries, texts=tuple(text.identity for text in texts), invocation=call)
        self.record.batches.append(batch)

    def verdict(self) -> Verdict:
        return self.accounting().verdict()

    def accounting(self) -> Accounting:
        return Accounting(self.texts, self.record, self.journal, self.failed, ended=self.ended)

    def end(self, contact: str) -> None:
        self.ended[contact] = self._tick()

    def _publish(self, number: int, kind: Kind) -> Text:
        text = Text(
            number=number,
            customer="+12015550100",
            business_number="+12125550101",
            kind=kind,
            body=f"t{number}w0 t{number}w1",
            message="{}",
            key=f"key-{number}",
            identity=f"sns-{number}",
            deliveries=(0.0,),
        )
        self.record.published[text.identity] = self._tick()
        self.record.deliveries[text.identity] = text.deliveries
        self.record.timestamps[text.identity] = f"2026-11-22T12:00:{number:02}.000Z"
        return text

    def _tick(self) -> float:
        self._time += 1.0
        return self._time


def test_a_run_in_which_all_is_well_breaks_no_promise() -> None:
    run = RunBuilder("plain", "plain", "unknown number")
    run.queue(*run.texts)
    run.show(run.texts[0])
    run.show(run.texts[1])
    run.failed = [run.texts[2].identity]
    verdict = run.verdict()
    assert verdict.broken == {} and (verdict.published, verdict.shown, verdict.failed) == (3, 2, 1)
    assert (verdict.p50, verdict.longest) == (6.0, 6.0)


def test_a_text_that_is_nowhere_is_lost() -> None:
    run = RunBuilder("plain", "plain")
    run.show(run.texts[1])
    assert run.verdict().broken == {"lost": [run.texts[0]]}


def test_a_text_meant_to_fail_that_is_nowhere_is_lost_too() -> None:
    run = RunBuilder("malformed")
    assert run.verdict().broken == {"lost": [run.texts[0]]}


def test_a_text_on_undelivered_is_not_lost() -> None:
    run = RunBuilder("plain")
    event = {"Records": [{"Sns": {"MessageId": run.texts[0].identity, "MessageAttributes": {}}}]}
    run.record.undelivered.append({"requestPayload": event})
    verdict = run.verdict()
    assert verdict.broken == {} and verdict.undelivered == run.texts


def test_half_of_a_text_is_not_the_text() -> None:
    run = RunBuilder("plain")
    run.show(run.texts[0], "t0w0")
    assert list(run.verdict().broken) == ["shown, but not as it was sent"]


def test_a_text_that_failed_though_nothing_was_wrong_is_found() -> None:
    run = RunBuilder("plain")
    run.failed = [run.texts[0].identity]
    assert list(run.verdict().broken) == ["failed, though nothing was wrong with it"]


def test_a_text_that_overtook_another_of_its_conversation_is_out_of_order() -> None:
    run = RunBuilder("plain", "plain")
    run.queue(*run.texts)
    run.show(run.texts[1])
    run.show(run.texts[0])
    assert run.verdict().broken == {"out of order": [run.texts[1]]}


def test_texts_that_one_batch_sorted_by_the_time_of_sending_are_in_order() -> None:
    run = RunBuilder("plain", "plain")
    first, second = run.texts
    run.queue(second, first)
    run.batch(second, first, began_at=4.0)
    run.show(first)
    run.show(second)
    assert run.verdict().broken == {}


def test_a_batch_that_held_both_is_no_excuse_against_the_time_of_sending() -> None:
    run = RunBuilder("plain", "plain")
    first, second = run.texts
    run.queue(first, second)
    run.batch(first, second, began_at=4.0)
    run.show(second)
    run.show(first)
    assert run.verdict().broken == {"out of order": [second]}


def test_another_text_between_the_parts_of_one_is_counted() -> None:
    run = RunBuilder("plain", "plain")
    first, second = run.texts
    run.queue(first, second)
    run.show(first, "t0w0 ")
    run.show(second)
    run.show(first, "t0w1")
    verdict = run.verdict()
    assert verdict.interleaved == [first] and verdict.broken == {}, "it is counted, not promised"


def shown_twice(*, answered: bool = True, outcome: str | None = None, ended: Outcome = "answered") -> Verdict:
    run = RunBuilder("plain")
    (text,) = run.texts
    run.queue(text)
    run.show(text, answered=answered)
    if outcome:
        run.write(text, outcome)
    run.batch(text, began_at=2.0, outcome=ended)
    run.show(text)
    run.write(text, "applied")
    return run.verdict()


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ({"answered": False}, LOST_ANSWER),
        ({"ended": "killed"}, KILLED),
        ({"ended": "timed out", "outcome": "refused"}, KILLED),
        ({"outcome": "refused"}, UNWRITTEN),
    ],
)
def test_a_text_shown_twice_is_matched_to_the_event_that_explains_it(what: dict[str, Any], reason: str) -> None:
    verdict = shown_twice(**what)
    assert verdict.duplicates == {reason: 1} and len(verdict.shown_twice) == 1 and verdict.broken == {}


@pytest.mark.parametrize("what", [{}, {"outcome": "applied"}, {"outcome": "applied", "ended": "killed"}])
def test_a_text_shown_twice_though_nothing_happened_or_the_ledger_knew_is_found(what: dict[str, Any]) -> None:
    verdict = shown_twice(**what)
    assert verdict.duplicates == {UNEXPLAINED: 1} and list(verdict.broken) == ["shown twice without a reason"]


def shown_in_two_chats(*, ended: bool = True, answered: bool = False, contact: str = "another") -> Verdict:
    run = RunBuilder("plain")
    (text,) = run.texts
    run.queue(text)
    run.show(text, answered=answered, by="SendMessage")
    if ended:
        run.end("contact")
    run.show(text, by="SendMessage", contact=contact)
    run.write(text, "applied")
    return run.verdict()


def test_a_lost_answer_explains_a_second_showing_if_the_chat_has_ended() -> None:
    verdict = shown_in_two_chats()
    assert verdict.duplicates == {CHAT_ENDED: 1} and verdict.broken == {}


@pytest.mark.parametrize("what", [{"contact": "contact"}, {"ended": False}, {"answered": True}])
def test_nothing_else_explains_what_a_client_token_would_have_stopped(what: dict[str, Any]) -> None:
    verdict = shown_in_two_chats(**what)
    assert verdict.duplicates == {UNEXPLAINED: 1} and list(verdict.broken) == ["shown twice without a reason"]


def test_replies_are_told_from_texts_and_looked_at_by_chat() -> None:
    run = RunBuilder("plain")
    replies = [
        Reply(number=number, identity=f"id-{number}", contact=f"chat-{number % 2}", body=f"r{number} 👋", kind="reply")
        for number in range(4)
    ]
    for reply in replies:
        run.record.published[reply.identity] = 0.0
        run.record.timestamps[reply.identity] = "2026-11-22T12:00:00.000Z"
    run.queue(*replies, on=REPLIES.queue)
    run.show(run.texts[0])
    for number in (2, 1, 3):
        run.show(replies[number], by="SendTextMessage")
    run.show(replies[0], by="Agent")
    verdict = Accounting(replies, run.record, run.journal, [], direction=REPLIES).verdict()
    assert verdict.broken == {"lost": [replies[0]]}, (
        "chats apart from one another, and what the agent said is not shown"
    )
    run.show(replies[0], by="SendTextMessage")
    verdict = Accounting(replies, run.record, run.journal, [], direction=REPLIES).verdict()
    assert verdict.broken == {"out of order": [replies[2]]}


def test_a_kill_explains_the_call_that_was_in_flight() -> None:
    run = RunBuilder("plain")
    (text,) = run.texts
    run.queue(text)
    run.batch(text, began_at=2.0, outcome="killed")
    run.show(text)
    run.show(text)
    assert run.verdict().duplicates == {KILLED: 1}


def test_a_kill_long_before_the_text_was_shown_explains_nothing() -> None:
    run = RunBuilder("plain", "plain", "plain", "plain")
    text, *others = run.texts
    run.queue(text)
    run.batch(text, began_at=2.0, outcome="killed")
    run.queue(*others)
    for other in others:
        run.show(other)
    run.show(text)
    run.show(text)
    assert run.verdict().duplicates == {UNEXPLAINED: 1}


def test_a_kill_at_an_earlier_try_of_the_text_explains_nothing() -> None:
    run = RunBuilder("plain")
    (text,) = run.texts
    run.queue(text)
    run.batch(text, began_at=2.0, outcome="killed")
    run.batch(text, began_at=3.5)
    run.show(text)
    run.show(text)
    assert run.verdict().duplicates == {UNEXPLAINED: 1}


def test_a_history_tells_all_that_happened_to_a_text_in_order() -> None:
    run = RunBuilder("plain")
    (text,) = run.texts
    run.queue(text)
    run.show(text, answered=False)
    run.write(text, "refused")
    history = run.accounting().history(text)
    assert [line.split("s  ", 1)[1].split()[0] for line in history] == ["published", "put", "shown", "ledger,"]


def test_the_same_seed_draws_the_same_load_and_another_seed_another() -> None:
    loads = [load(Plan(seed=seed, texts=3000, conversations=200, deduplication_window=10)) for seed in (7, 7, 8)]
    assert loads[0] == loads[1] != loads[2]
    texts = loads[0]
    assert len({text.conversation for text in texts if text.kind != "unknown number"}) == 200
    assert {text.kind for text in texts} == {"plain", "long", "unknown number", "malformed"}
    assert len({text.key for text in texts}) == len({text.identity for text in texts}) == 3000
    assert any(len(text.deliveries) > 1 for text in texts) and any(max(text.deliveries) > 10 for text in texts)
    assert all(json.loads(text.message) for text in texts if text.kind == "plain")
    assert {act for text in texts for act in text.then} == {"reply", "long reply", "transfer", "end"}
    opted_out_customers = [opted_out(texts, seed=seed) for seed in (7, 7, 8)]
    assert opted_out_customers[0] == opted_out_customers[1] != opted_out_customers[2] and opted_out_customers[0] < {
        text.customer for text in texts
    }


def chat(contact: str, began: float, ended: float | None = None, *, source: str = "+12015550100") -> dict[str, Any]:
    return {
        "contact": contact,
        "source": source,
        "destination": "+12125550101",
        "started_at": began,
        "ended_at": ended,
        "connected": True,
    }


def test_one_chat_for_each_conversation_and_one_after_an_ended_one_are_right() -> None:
    chats = [chat("a", 1.0, 5.0), chat("b", 5.0), chat("c", 2.0, source="+12015550101")]
    verdict = check_chats(chats, {"b": 2, "c": 1})
    assert verdict.broken == {} and (verdict.started, verdict.replacing, verdict.unconnected) == (3, 1, 0)


def test_a_second_chat_while_one_is_open_is_seen() -> None:
    chats = [chat("a", 1.0), chat("b", 2.0)]
    assert check_chats(chats, {"b": 2}).second == ["b"]
    assert check_chats([chat("a", 1.0, 3.0), chat("b", 2.0)], {"b": 2}).second == ["b"], (
        "also where the first one ended later"
    )


def test_a_conversation_with_other_chats_than_the_bridge_knows_of_is_seen() -> None:
    chats = [chat("a", 1.0, 5.0), chat("b", 6.0)]
    assert check_chats(chats, {"b": 1}).miscounted == ["b"]
    assert check_chats(chats, {}).miscounted == ["b"]


def test_a_chat_that_nobody_was_connected_to_is_counted() -> None:
    assert check_chats([chat("a", 1.0) | {"connected": False}], {"a": 1}).unconnected == 1
