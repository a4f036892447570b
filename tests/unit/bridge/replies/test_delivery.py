"""Agents' replies on their way to the phone: in order, once, each ending somewhere with its reason."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge import logging
from bridge.errors import (
    AccessRefusedError,
    NotDeliverableError,
    RejectedError,
    ThrottledError,
    UnavailableError,
)
from bridge.replies.delivery import NOT_DELIVERABLE, UNKNOWN_CHAT_GRACE_SECONDS, failure_notice
from testing.builders import ARN, CONFIG, CUSTOMER, OTHER_CUSTOMER
from testing.chat_events import CHAT, OTHER_CHAT, ended, event, item, queued
from testing.clock import NOON
from testing.harness import ARN_TOO, ReplyHarness
from testing.metrics import counted
from testing.strategies import json_values

LIST = json.dumps({"data": {"content": {"title": "Which?", "elements": [{"title": "Apple"}, {"title": "Orange"}]}}})
INTERACTIVE = "application/vnd.amazonaws.connect.message.interactive"


@pytest.fixture(autouse=True)
def _fresh_metrics() -> None:
    logging.metrics.clear_metrics()


def back(*records: dict[str, Any]) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": each["messageId"]} for each in records]}


def accept(_: str) -> None:
    """An answer of End User Messaging without an error."""


DONE: dict[str, Sequence[str]] = {"batchItemFailures": []}


def test_a_reply_is_sent_from_the_number_that_was_texted() -> None:
    harness = ReplyHarness()
    assert harness.handle(queued(item("How can I help?", Id="one"))) == DONE
    assert harness.phones.sent == [(CUSTOMER, ARN, "How can I help?")]
    recorded = harness.ledger.record("reply-one")
    assert (recorded.state.outcome, recorded.state.contact, recorded.state.parts_done) == ("forwarded", CHAT, 1)
    assert counted() == {"RepliesSent": 1, "PartsSent": 1}
    harness.handle(queued(item("Here too", InitialContactId=OTHER_CHAT), group=OTHER_CHAT))
    assert harness.phones.sent[1:] == [(OTHER_CUSTOMER, ARN_TOO, "Here too")]


def test_replies_are_sent_in_the_order_in_which_they_were_said() -> None:
    harness = ReplyHarness()
    times = ["2026-11-22T12:00:02.000Z", "2026-11-22T12:00:00.000Z", "2026-11-22T12:00:01.000Z"]
    harness.handle(*(queued(item(time[17:19], AbsoluteTime=time)) for time in times))
    assert harness.phones.bodies == ["00", "01", "02"]
    assert counted()["ArrivedOutOfOrder"] == 2


def test_a_reply_received_again_is_not_sent_twice() -> None:
    harness, said = ReplyHarness(), item("hi")
    harness.handle(queued(said))
    harness.handle(queued(said))
    assert harness.phones.bodies == ["hi"]
    assert counted() == {"RepliesSent": 1, "PartsSent": 1, "DuplicatesSuppressed": 1}


def test_replies_beyond_the_batch_deadline_return_at_once_untried() -> None:
    harness = ReplyHarness()
    records = [queued(item(f"{n}")) for n in range(14)]
    answer = harness.handle(*records)
    sent = len(harness.phones.bodies)
    assert harness.phones.bodies == [f"{n}" for n in range(sent)] and 9 <= sent <= 11
    assert answer == back(*records[sent:])
    assert {wait for _, wait in harness.queue.delays} == {0}


@pytest.mark.parametrize("error", [UnavailableError("500"), ThrottledError("429")])
def test_a_failing_reply_returns_to_the_queue_with_its_followers(error: Exception) -> None:
    harness = ReplyHarness()
    harness.phones.always = error
    records = [queued(item("first", Id="one")), queued(item("second")), queued(ended())]
    assert harness.handle(*records) == back(*records)
    assert [wait for _, wait in harness.queue.delays] == [5, 5, 5]
    assert harness.chats.ended == []
    assert set(harness.ledger.records()) == {"reply-one"}
    assert harness.ledger.record("reply-one").error == type(error).__name__
    assert counted() == {"Retries": 1}


def test_a_blocked_reply_has_the_long_delay_and_the_agent_is_not_told() -> None:
    harness = ReplyHarness(answers=[AccessRefusedError("403")])
    text = queued(item("hi"))
    assert harness.handle(text) == back(text)
    assert [wait for _, wait in harness.queue.delays] == [120]
    assert harness.agents.told == [] and counted() == {"Blocked": 1}


def test_a_long_reply_resumes_after_its_last_accepted_part() -> None:
    harness = ReplyHarness(answers=[accept, AccessRefusedError("403")])
    said = item("word " * 700, Id="long")
    harness.handle(queued(said))
    harness.handle(queued(said))
    assert "".join(harness.phones.bodies) == "word " * 700
    assert harness.ledger.record("reply-long").state.parts_done == len(harness.phones.bodies) == 3


def test_a_reply_that_another_environment_finished_is_not_sent_again() -> None:
    harness = ReplyHarness()
    other = ReplyHarness(ledger=harness.ledger)
    said = item("word " * 400)

    def run_other_environment(_: str) -> None:
        other.handle(queued(said))

    harness.phones.answers = [run_other_environment]
    assert harness.handle(queued(said)) == DONE
    assert len(harness.phones.sent) == 1 and len(other.phones.sent) == 2


def test_no_text_is_sent_when_the_ledger_cannot_be_read() -> None:
    harness = ReplyHarness()
    harness.ledger.broken["read"] = 1
    text = queued(item("hi"))
    assert harness.handle(text) == back(text)
    assert harness.phones.calls == []


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("DESTINATION_PHONE_NUMBER_OPTED_OUT", "they have opted out of texts from this number"),
        ("DESTINATION_PHONE_NUMBER_NOT_VERIFIED", "this account may only text numbers that it has verified"),
        ("DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION", "texts to their country are blocked"),
        ("MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT", "this month's spending limit for texts is reached"),
    ],
)
def test_an_undeliverable_reply_is_dead_lettered_and_the_agent_reads_why(reason: str, said: str) -> None:
    error = NotDeliverableError(f"ConflictException {reason}", reason=reason)
    harness = ReplyHarness(answers=[error])
    bad, good = queued(item("bad", Id="bad")), queued(item("good"))
    assert harness.handle(bad, good) == DONE
    (dead,) = harness.dead_letters.messages
    assert (dead.body, dead.error, dead.key, dead.group_id) == (bad["body"], error, "reply-bad", CHAT)
    assert dead.deduplication_id == bad["messageId"]
    assert (harness.ledger.outcome("reply-bad"), harness.ledger.record("reply-bad").reason) == ("failed", str(error))
    assert harness.agents.told == [(CHAT, f"[The text to the customer was not delivered: {said}.]")]
    assert harness.phones.bodies == ["good"]
    assert counted() == {"RepliesFailed": 1, "FailedNotDeliverableError": 1, "RepliesSent": 1, "PartsSent": 1}


def test_the_agent_is_told_a_reason_that_has_no_wording_of_its_own() -> None:
    harness = ReplyHarness(answers=[RejectedError("400")])
    harness.handle(queued(item("hi")))
    assert harness.agents.told == [(CHAT, "[The text to the customer was not delivered: it was refused.]")]


def test_every_permanent_reason_has_wording_for_the_agent() -> None:
    said = [failure_notice(NotDeliverableError("x", reason=reason), gave_up=False) for reason in NOT_DELIVERABLE]
    assert not any("refused" in line for line in said)


def test_a_reply_is_given_up_by_its_age_in_the_queue_and_the_agent_is_told() -> None:
    harness = ReplyHarness()
    harness.phones.always = UnavailableError("End User Messaging answered 500")
    assert harness.handle(queued(item("hi", Id="old"), queued_at=NOON - timedelta(hours=6))) == DONE
    assert harness.ledger.outcome("reply-old") == "failed" and "500" in (
        harness.ledger.record("reply-old").reason or ""
    )
    assert harness.agents.told == [
        (CHAT, "[The text to the customer was not delivered: it could not be sent in time.]")
    ]
    assert counted() == {"RepliesFailed": 1, "FailedUnavailableError": 1, "GaveUp": 1}


@pytest.mark.parametrize(
    ("troubles", "told"),
    [
        ([UnavailableError("500")], 1),
        ([UnavailableError("500")] * 9, 0),
        ([AccessRefusedError("the chat has ended")], 0),
        ([KeyError("a defect")], 0),
    ],
)
def test_a_reply_fails_the_same_when_the_agent_cannot_be_told(troubles: list[Exception], told: int) -> None:
    harness = ReplyHarness(answers=[NotDeliverableError("no", reason="DESTINATION_PHONE_NUMBER_OPTED_OUT")])
    harness.agents.answers = troubles
    assert harness.handle(queued(item("hi", Id="one"))) == DONE
    assert (harness.ledger.outcome("reply-one"), len(harness.agents.told)) == ("failed", told)


def test_the_agent_is_told_after_dead_letter_queue_and_ledger_have_it() -> None:
    harness = ReplyHarness(answers=[NotDeliverableError("no", reason="DESTINATION_PHONE_NUMBER_OPTED_OUT")] * 2)
    harness.dead_letters.broken = 1
    text = queued(item("hi"))
    assert harness.handle(text) == back(text) and harness.agents.told == []
    assert harness.handle(text) == DONE and len(harness.agents.told) == 1


def test_a_redriven_reply_is_sent_once_it_can_be_delivered() -> None:
    harness = ReplyHarness(answers=[NotDeliverableError("no", reason="MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT")])
    said = item("hi", Id="one")
    harness.handle(queued(said))
    harness.handle(queued(said))
    assert (harness.phones.bodies, harness.ledger.outcome("reply-one")) == (["hi"], "forwarded")


def test_a_reply_waits_for_its_chat_to_be_recorded_and_then_fails() -> None:
    harness = ReplyHarness()
    participants = harness.chats.participants_of.pop(CHAT)
    text = queued(item("hi", Id="one"))
    assert harness.handle(text) == back(text)
    assert [wait for _, wait in harness.queue.delays] == [5]
    harness.chats.participants_of[CHAT] = participants
    assert harness.handle(text) == DONE and harness.phones.bodies == ["hi"]
    del harness.chats.participants_of[CHAT]
    late = queued(item("late", Id="two"), queued_at=NOON - timedelta(seconds=UNKNOWN_CHAT_GRACE_SECONDS))
    assert harness.handle(late) == DONE
    (dead,) = harness.dead_letters.messages
    assert dead.error.code == "UnknownChatError" and harness.agents.told == []


def test_the_end_of_a_chat_is_recorded_after_the_replies_before_it() -> None:
    harness = ReplyHarness()
    farewell = item("Goodbye", AbsoluteTime="2026-11-22T12:00:01.000Z")
    over = ended(AbsoluteTime="2026-11-22T12:00:02.000Z")
    harness.phones.answers = [lambda _: harness.chats.ended.append("too early") if harness.chats.ended else None]
    assert harness.handle(queued(over), queued(farewell)) == DONE
    assert (harness.chats.ended, harness.phones.bodies) == ([CHAT], ["Goodbye"])
    assert harness.dead_letters.messages == [] and "RepliesFailed" not in counted()


def test_the_end_of_a_chat_that_could_not_be_recorded_is_retried() -> None:
    harness = ReplyHarness()
    harness.chats.broken = 1
    over = queued(ended())
    assert harness.handle(over) == back(over)
    assert harness.handle(over) == DONE and harness.chats.ended == [CHAT]


@pytest.mark.parametrize(
    "of", [event("participant.left"), event("transfer.succeeded"), item("me", ParticipantRole="CUSTOMER")]
)
def test_an_event_that_is_not_for_the_phone_is_ignored(of: dict[str, Any]) -> None:
    harness = ReplyHarness()
    assert harness.handle(queued(of)) == DONE
    assert harness.phones.calls == [] and harness.chats.ended == [] and counted() == {"RepliesIgnored": 1}


def test_an_interactive_message_is_sent_as_text_after_its_options_are_saved() -> None:
    harness = ReplyHarness()
    harness.phones.answers = [lambda _: harness.chats.offers.append(("sent", ()))]
    harness.handle(queued(item(LIST, ContentType=INTERACTIVE)))
    assert harness.phones.bodies == ["Which?\n1. Apple\n2. Orange"]
    assert harness.chats.offers == [(CHAT, ("Apple", "Orange")), ("sent", ())]


def test_the_next_reply_withdraws_the_options() -> None:
    harness = ReplyHarness()
    harness.handle(queued(item(LIST, ContentType=INTERACTIVE)), queued(item("How many?")), queued(item("Well?")))
    assert harness.chats.offers == [(CHAT, ("Apple", "Orange")), (CHAT, ())]


def test_json_that_an_agent_types_is_not_taken_for_an_interactive_message() -> None:
    harness = ReplyHarness()
    harness.handle(queued(item(LIST)))
    assert harness.phones.bodies == [LIST] and harness.chats.offers == []


def files(*names: str) -> dict[str, Any]:
    return item(..., Type="ATTACHMENT", Attachments=[{"AttachmentName": n, "AttachmentId": n} for n in names])


def test_each_file_is_a_text_of_its_own_with_a_link_where_there_is_one() -> None:
    harness = ReplyHarness()
    harness.agents.links["bill.pdf"] = "https://example.com/1"
    harness.handle(queued(files("bill.pdf", "photo.png")))
    assert harness.phones.bodies == ["[File: bill.pdf] https://example.com/1 (for 5 minutes)", "[File: photo.png]"]


def test_a_link_that_cannot_be_requested_is_left_out() -> None:
    harness = ReplyHarness()
    harness.agents.answers = [AccessRefusedError("403")]
    harness.handle(queued(files("bill.pdf")))
    assert harness.phones.bodies == ["[File: bill.pdf]"]


@pytest.mark.parametrize("blank", ["", "  \n"])
def test_a_blank_reply_is_recorded_as_ignored(blank: str) -> None:
    harness = ReplyHarness()
    harness.handle(queued(item(blank, Id="one")))
    assert harness.phones.calls == [] and harness.ledger.outcome("reply-one") == "ignored"
    assert harness.ledger.record("reply-one").reason and counted() == {"RepliesIgnored": 1}


def test_a_message_that_cannot_be_read_fails_and_the_next_is_sent() -> None:
    harness, nonsense = ReplyHarness(), queued()
    nonsense["body"] = "nonsense"
    assert harness.handle(nonsense, queued(item("hi"))) == DONE
    (dead,) = harness.dead_letters.messages
    assert (dead.body, dead.error.code) == ("nonsense", "MalformedNotificationError")
    assert harness.phones.bodies == ["hi"] and harness.agents.told == []


@settings(deadline=None)
@given(
    content=st.text() | json_values.map(json.dumps),
    content_type=st.sampled_from(["text/plain", "text/markdown", INTERACTIVE]),
    listed=json_values | st.lists(st.dictionaries(st.sampled_from(["AttachmentName", "Status"]), st.text())),
)
@example("", "text/plain", [{"AttachmentName": "plan.pdf"}] * 10)  # ten files: one a second, as long as a batch
@example("Here they are", "text/plain", [{"AttachmentName": "plan.pdf"}] * 10)  # one message more than fits
def test_any_reply_is_sent_or_has_nothing_to_show(content: str, content_type: str, listed: object) -> None:
    harness = ReplyHarness(CONFIG)
    said = item(content, ContentType=content_type, Attachments=listed, Id="one")
    while harness.handle(queued(said)) != DONE:
        assert {wait for _, wait in harness.queue.delays} == {0}, "something else than time is short"
    recorded = harness.ledger.record("reply-one")
    assert recorded.state.outcome == ("forwarded" if harness.phones.sent else "ignored")
    assert all(body.strip() for body in harness.phones.bodies)
