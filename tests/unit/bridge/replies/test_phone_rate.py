"""One text a second to one phone, in one environment and over several."""

from __future__ import annotations

from itertools import pairwise

import pytest

from bridge.aws.chat_sessions import ChatSession
from bridge.errors import ThrottledError, UnavailableError
from bridge.processing.rate_limiter import RateLimiter
from bridge.replies.participants import Participants
from testing.builders import ARN, BUSINESS_NUMBER, CUSTOMER, OTHER_CUSTOMER, with_limits
from testing.chat_events import CHAT, OTHER_CHAT, item, queued
from testing.clock import FakeClock
from testing.harness import ReplyHarness, chat_sessions
from testing.ledger import TableLedger
from testing.models.table import Table

DONE: dict[str, list[str]] = {"batchItemFailures": []}


class Environments:
    """Several environments of the reply function, with one clock, ledger and table of chats."""

    def __init__(self, count: int = 2) -> None:
        self.clock, self.table = FakeClock(), Table(by="chat_key")
        ledger = TableLedger(clock=self.clock, stage="reply")
        to = Participants(customer_number=CUSTOMER, business_number=BUSINESS_NUMBER, business_number_arn=ARN)
        chat = ChatSession(generation=1, contact=CHAT, participant_token="token")
        chat_sessions(self.table, self.clock).record_start("conversation", to, chat)
        self.all = [
            ReplyHarness(clock=self.clock, ledger=ledger, chats=chat_sessions(self.table, self.clock))
            for _ in range(count)
        ]

    @property
    def times(self) -> list[float]:
        """When the phone was texted."""
        return sorted(time for harness in self.all for time, _ in harness.phones.calls)

    def apart(self) -> bool:
        return all(later - earlier >= 0.999 for earlier, later in pairwise(self.times))


def test_texts_to_one_phone_are_a_second_apart_parts_of_a_reply_included() -> None:
    harness = ReplyHarness()
    harness.handle(queued(item("word " * 400)), queued(item("and more")))
    assert "".join(harness.phones.bodies) == "word " * 400 + "and more"
    times = [time for time, _ in harness.phones.calls]
    assert [later - earlier for earlier, later in pairwise(times)] == pytest.approx([1, 1])


def test_a_repeated_call_to_a_phone_is_a_second_apart_too() -> None:
    harness = ReplyHarness(answers=[UnavailableError("500"), ThrottledError("429")])
    harness.handle(queued(item("hi")))
    times = [time for time, _ in harness.phones.calls]
    assert harness.phones.bodies == ["hi"] and len(times) == 3
    assert all(later - earlier >= 0.999 for earlier, later in pairwise(times))


def test_two_chats_with_one_phone_share_its_rate() -> None:
    harness = ReplyHarness()
    harness.chats.participants_of[OTHER_CHAT] = harness.chats.participants_of[CHAT]
    for chat in (CHAT, OTHER_CHAT, CHAT):
        harness.handle(queued(item("hi", InitialContactId=chat), group=chat))
    times = [time for time, _ in harness.phones.calls]
    assert times[2] - times[0] == pytest.approx(2)


def test_other_phones_do_not_wait() -> None:
    harness = ReplyHarness()
    harness.handle(queued(item("a")))
    harness.handle(queued(item("b", InitialContactId=OTHER_CHAT), group=OTHER_CHAT))
    assert [to for to, _, _ in harness.phones.sent] == [CUSTOMER, OTHER_CUSTOMER]
    assert harness.clock.slept == []


def test_two_environments_text_one_phone_a_second_apart() -> None:
    environments = Environments(3)
    for n in range(9):
        assert environments.all[n % 3].handle(queued(item(f"{n}"))) == DONE
    assert len(environments.times) == 9 and environments.apart()
    assert environments.times[-1] - environments.times[0] < 8 * 1.5


def test_one_environment_alone_texts_each_second() -> None:
    environments = Environments(1)
    for n in range(5):
        environments.all[0].handle(queued(item(f"{n}")))
    assert environments.times[-1] - environments.times[0] == pytest.approx(4)


def test_a_claim_needs_no_call_more_for_a_reply_of_one_text() -> None:
    harness = ReplyHarness()
    harness.handle(queued(item("hi")))
    assert harness.chats.claims == [(CHAT, 1.25)]
    harness.handle(queued(item("word " * 400, InitialContactId=OTHER_CHAT), group=OTHER_CHAT))
    assert harness.chats.claims[1:] == [(OTHER_CHAT, 2.25)], "it holds for all texts of a reply"


def test_a_reply_that_takes_longer_than_its_claim_renews_it() -> None:
    environments = Environments()
    slow, other = environments.all
    slow.phones.answers = [UnavailableError("500"), ThrottledError("429")]
    records = [queued(item("word " * 400)), queued(item("next"))]
    assert slow.handle(records[0]) == DONE
    assert other.handle(records[1]) == DONE
    assert len(environments.times) == 5 and environments.apart()


def test_a_text_that_waited_for_the_rate_of_all_texts_renews_its_claim() -> None:
    environments = Environments()
    slow, other = environments.all
    handler = slow.processor._handler
    limiter = RateLimiter(rate=0.2, environments=1, clock=environments.clock.as_clock())
    limiter.acquire(deadline=environments.clock.time + 1)
    handler._rate_limiter = limiter  # type: ignore[attr-defined]
    assert slow.handle(queued(item("after five seconds"))) == DONE
    assert other.handle(queued(item("next"))) == DONE
    assert len(environments.times) == 2 and environments.apart()


def test_a_reply_returns_to_its_queue_while_a_long_one_is_sent_elsewhere() -> None:
    environments = Environments()
    chats = chat_sessions(environments.table, environments.clock)
    chats.claim_phone(CHAT, seconds=3.25)
    text = queued(item("hi"))
    assert environments.all[0].handle(text) == {"batchItemFailures": [{"itemIdentifier": text["messageId"]}]}
    assert environments.all[0].queue.delays == [(text["receiptHandle"], 4)], "it returns when the claim is over"
    assert environments.times == []


def test_the_claim_of_an_environment_that_was_killed_ends_with_its_batch() -> None:
    environments = Environments()
    killed, other = environments.all

    def kill(_: str) -> None:
        raise KeyboardInterrupt

    killed.phones.answers = [kill]
    began = environments.clock.time
    with pytest.raises(KeyboardInterrupt):
        killed.handle(queued(item("word " * 9000)))
    until = float(environments.table.values(f"contact:{CHAT}")["texts_until"])
    assert until - began <= with_limits().limits.batch_deadline + 1.25
    environments.clock.time = until
    assert other.handle(queued(item("hi"))) == DONE


def test_a_reply_with_nothing_to_show_claims_no_time() -> None:
    harness = ReplyHarness()
    harness.handle(queued(item("  ")))
    assert harness.chats.claims == [(CHAT, 0.0)]


def test_a_claim_that_cannot_be_written_returns_the_reply() -> None:
    harness = ReplyHarness()
    harness.chats.broken = 1
    text = queued(item("hi", Id="one"))
    assert harness.handle(text)["batchItemFailures"]
    assert harness.phones.calls == []
    assert harness.handle(text) == DONE
