"""Agents' replies on their way to the phone: in order, once, each ending somewhere with its reason."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge import logging
from bridge.config import ReplyIntakeSettings, ReplySettings
from bridge.errors import (
    AccessRefusedError,
    MalformedNotificationError,
    NotDeliverableError,
    QueueError,
    RejectedError,
    ThrottledError,
    UnavailableError,
)
from bridge.processing.state import MessageMetadata
from bridge.replies.delivery import UNKNOWN_CHAT_GRACE_SECONDS, failure_notice
from testing.builders import ARN, CONFIG, CUSTOMER, OTHER_CUSTOMER, OURS, record
from testing.chat_events import CHAT, OTHER_CHAT, ended, event, item, queued, streamed
from testing.clock import NOON
from testing.harness import ARN_TOO, IntakeHarness, ReplyHarness
from testing.metrics import counted
from testing.strategies import items, json_values

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


def test_a_reply_goes_to_the_customer_from_the_very_number_that_was_texted() -> None:
    harness = ReplyHarness()
    assert harness.handle(queued(item("How can I help?", Id="one"))) == DONE
    assert harness.phones.sent == [(CUSTOMER, ARN, "How can I help?")]
    noted = harness.ledger.record("reply-one")
    assert (noted.state.outcome, noted.state.contact, noted.state.parts_done) == ("forwarded", CHAT, 1)
    assert counted() == {"RepliesSent": 1, "PartsSent": 1}
    harness.handle(queued(item("Here too", InitialContactId=OTHER_CHAT), group=OTHER_CHAT))
    assert harness.phones.sent[1:] == [(OTHER_CUSTOMER, ARN_TOO, "Here too")]


def test_replies_are_sent_in_the_order_in_which_they_were_said() -> None:
    harness = ReplyHarness()
    times = ["2026-11-22T12:00:02.000Z", "2026-11-22T12:00:00.000Z", "2026-11-22T12:00:01.000Z"]
    harness.handle(*(queued(item(time[17:19], AbsoluteTime=time)) for time in times))
    assert harness.phones.bodies == ["00", "01", "02"]
    assert counted()["ArrivedOutOfOrder"] == 2


def test_a_reply_that_came_again_is_not_sent_twice() -> None:
    harness, said = ReplyHarness(), item("hi")
    harness.handle(queued(said))
    harness.handle(queued(said))
    assert harness.phones.bodies == ["hi"]
    assert counted() == {"RepliesSent": 1, "PartsSent": 1, "DuplicatesSuppressed": 1}


def test_a_lost_answer_is_the_one_way_in_which_a_phone_is_texted_twice() -> None:
    """Nobody can tell a text that was taken from one that was not, and the API has no client token."""
    harness = ReplyHarness()

    def lost(body: str) -> None:
        harness.phones.sent.append((CUSTOMER, ARN, body))
        raise UnavailableError("the answer was lost")

    harness.phones.answers = [lost]
    assert harness.handle(queued(item("hi", Id="one"))) == DONE
    assert harness.phones.bodies == ["hi", "hi"]
    assert harness.ledger.record("reply-one").attempts == 2


def test_texts_to_one_phone_are_a_second_apart_parts_of_a_reply_included() -> None:
    harness = ReplyHarness()
    harness.handle(queued(item("word " * 400)), queued(item("and more")))
    assert "".join(harness.phones.bodies) == "word " * 400 + "and more"
    times = [time for time, _ in harness.phones.calls]
    assert [later - earlier for earlier, later in pairwise(times)] == pytest.approx([1, 1])


def test_a_text_that_is_tried_again_keeps_its_distance_too() -> None:
    harness = ReplyHarness(answers=[UnavailableError("500"), ThrottledError("429")])
    harness.handle(queued(item("hi")))
    times = [time for time, _ in harness.phones.calls]
    assert harness.phones.bodies == ["hi"] and len(times) == 3
    assert all(later - earlier >= 0.999 for earlier, later in pairwise(times))


def test_two_chats_with_one_phone_share_its_pace() -> None:
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


def test_what_does_not_fit_into_the_batch_comes_back_at_once_without_being_tried() -> None:
    harness = ReplyHarness()
    records = [queued(item(f"{n}")) for n in range(14)]
    answer = harness.handle(*records)
    sent = len(harness.phones.bodies)
    assert harness.phones.bodies == [f"{n}" for n in range(sent)] and 9 <= sent <= 11
    assert answer == back(*records[sent:])
    assert {wait for _, wait in harness.queue.delays} == {0}


@pytest.mark.parametrize("error", [UnavailableError("500"), ThrottledError("429")])
def test_a_reply_that_keeps_failing_goes_back_with_its_followers_hidden_alike(error: Exception) -> None:
    harness = ReplyHarness()
    harness.phones.always = error
    records = [queued(item("first", Id="one")), queued(item("second")), queued(ended())]
    assert harness.handle(*records) == back(*records)
    assert [wait for _, wait in harness.queue.delays] == [5, 5, 5]
    assert harness.chats.ended == []
    assert set(harness.ledger.records()) == {"reply-one"}
    assert harness.ledger.record("reply-one").error == type(error).__name__
    assert counted() == {"Retries": 1}


def test_a_blocked_reply_waits_at_the_slow_pace_and_tells_the_agent_nothing() -> None:
    harness = ReplyHarness(answers=[AccessRefusedError("403")])
    text = queued(item("hi"))
    assert harness.handle(text) == back(text)
    assert [wait for _, wait in harness.queue.delays] == [120]
    assert harness.agents.told == [] and counted() == {"Blocked": 1}


def test_a_long_reply_resumes_after_the_part_that_was_last_accepted() -> None:
    harness = ReplyHarness(answers=[accept, AccessRefusedError("403")])
    said = item("word " * 700, Id="long")
    harness.handle(queued(said))
    harness.handle(queued(said))
    assert "".join(harness.phones.bodies) == "word " * 700
    assert harness.ledger.record("reply-long").state.parts_done == len(harness.phones.bodies) == 3


def test_a_reply_that_another_environment_finished_meanwhile_is_left_to_it() -> None:
    harness = ReplyHarness()
    other = ReplyHarness(ledger=harness.ledger)
    said = item("word " * 400)

    def meanwhile(_: str) -> None:
        other.handle(queued(said))

    harness.phones.answers = [meanwhile]
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
def test_what_cannot_be_delivered_goes_to_failed_with_its_reason_and_the_agent_reads_why(
    reason: str, said: str
) -> None:
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


def test_a_reason_without_words_of_its_own_is_still_told_to_the_agent() -> None:
    harness = ReplyHarness(answers=[RejectedError("400")])
    harness.handle(queued(item("hi")))
    assert harness.agents.told == [(CHAT, "[The text to the customer was not delivered: it was refused.]")]


def test_every_reason_that_is_permanent_has_words_for_the_agent() -> None:
    from bridge.aws.sms import NOT_DELIVERABLE

    said = [failure_notice(NotDeliverableError("x", reason=reason), gave_up=False) for reason in NOT_DELIVERABLE]
    assert not any("refused" in line for line in said)


def test_a_reply_is_given_up_by_the_age_of_its_queue_entry_and_the_agent_reads_it() -> None:
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
def test_an_agent_who_cannot_be_told_changes_nothing_for_the_reply(troubles: list[Exception], told: int) -> None:
    harness = ReplyHarness(answers=[NotDeliverableError("no", reason="DESTINATION_PHONE_NUMBER_OPTED_OUT")])
    harness.agents.answers = troubles
    assert harness.handle(queued(item("hi", Id="one"))) == DONE
    assert (harness.ledger.outcome("reply-one"), len(harness.agents.told)) == ("failed", told)


def test_the_agent_is_told_once_failed_and_ledger_have_it() -> None:
    harness = ReplyHarness(answers=[NotDeliverableError("no", reason="DESTINATION_PHONE_NUMBER_OPTED_OUT")] * 2)
    harness.dead_letters.broken = 1
    text = queued(item("hi"))
    assert harness.handle(text) == back(text) and harness.agents.told == []
    assert harness.handle(text) == DONE and len(harness.agents.told) == 1


def test_a_failed_reply_that_is_redriven_is_sent_when_it_can_be() -> None:
    harness = ReplyHarness(answers=[NotDeliverableError("no", reason="MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT")])
    said = item("hi", Id="one")
    harness.handle(queued(said))
    harness.handle(queued(said))
    assert (harness.phones.bodies, harness.ledger.outcome("reply-one")) == (["hi"], "forwarded")


def test_a_chat_that_is_not_noted_yet_is_waited_for_and_one_that_never_is_fails() -> None:
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


def test_the_end_of_a_chat_closes_that_very_chat_after_what_was_said_before() -> None:
    harness = ReplyHarness()
    farewell = item("Goodbye", AbsoluteTime="2026-11-22T12:00:01.000Z")
    over = ended(AbsoluteTime="2026-11-22T12:00:02.000Z")
    harness.phones.answers = [lambda _: harness.chats.ended.append("too early") if harness.chats.ended else None]
    assert harness.handle(queued(over), queued(farewell)) == DONE
    assert (harness.chats.ended, harness.phones.bodies) == ([CHAT], ["Goodbye"])
    assert harness.dead_letters.messages == [] and "RepliesFailed" not in counted()


def test_the_end_of_a_chat_that_could_not_be_noted_comes_again() -> None:
    harness = ReplyHarness()
    harness.chats.broken = 1
    over = queued(ended())
    assert harness.handle(over) == back(over)
    assert harness.handle(over) == DONE and harness.chats.ended == [CHAT]


@pytest.mark.parametrize(
    "of", [event("participant.left"), event("transfer.succeeded"), item("me", ParticipantRole="CUSTOMER")]
)
def test_what_is_not_for_the_phone_and_came_all_the_same_does_nothing(of: dict[str, Any]) -> None:
    harness = ReplyHarness()
    assert harness.handle(queued(of)) == DONE
    assert harness.phones.calls == [] and harness.chats.ended == [] and counted() == {"RepliesIgnored": 1}


def test_an_interactive_message_is_sent_as_words_and_its_options_are_remembered_before() -> None:
    harness = ReplyHarness()
    harness.phones.answers = [lambda _: harness.chats.offers.append(("sent", ()))]
    harness.handle(queued(item(LIST, ContentType=INTERACTIVE)))
    assert harness.phones.bodies == ["Which?\n1. Apple\n2. Orange"]
    assert harness.chats.offers == [(CHAT, ("Apple", "Orange")), ("sent", ())]


def test_what_is_said_next_takes_the_offer_back() -> None:
    harness = ReplyHarness()
    harness.handle(queued(item(LIST, ContentType=INTERACTIVE)), queued(item("How many?")), queued(item("Well?")))
    assert harness.chats.offers == [(CHAT, ("Apple", "Orange")), (CHAT, ())]


def test_json_that_an_agent_types_is_not_taken_for_an_interactive_message() -> None:
    harness = ReplyHarness()
    harness.handle(queued(item(LIST)))
    assert harness.phones.bodies == [LIST] and harness.chats.offers == []


def files(*names: str) -> dict[str, Any]:
    return item(..., Type="ATTACHMENT", Attachments=[{"AttachmentName": n, "AttachmentId": n} for n in names])


def test_a_file_is_a_line_with_a_link_where_there_is_one_and_each_is_a_text_of_its_own() -> None:
    harness = ReplyHarness()
    harness.agents.links["bill.pdf"] = "https://example.com/1"
    harness.handle(queued(files("bill.pdf", "photo.png")))
    assert harness.phones.bodies == ["[File: bill.pdf] https://example.com/1 (for 5 minutes)", "[File: photo.png]"]


def test_a_link_that_cannot_be_had_is_left_out() -> None:
    harness = ReplyHarness()
    harness.agents.answers = [AccessRefusedError("403")]
    harness.handle(queued(files("bill.pdf")))
    assert harness.phones.bodies == ["[File: bill.pdf]"]


@pytest.mark.parametrize("blank", ["", "  \n"])
def test_a_blank_reply_is_no_text_and_is_noted_as_ignored(blank: str) -> None:
    harness = ReplyHarness()
    harness.handle(queued(item(blank, Id="one")))
    assert harness.phones.calls == [] and harness.ledger.outcome("reply-one") == "ignored"
    assert harness.ledger.record("reply-one").reason and counted() == {"RepliesIgnored": 1}


def test_an_entry_that_cannot_be_read_fails_and_the_next_goes_on() -> None:
    harness, nonsense = ReplyHarness(), queued()
    nonsense["body"] = "nonsense"
    assert harness.handle(nonsense, queued(item("hi"))) == DONE
    (dead,) = harness.dead_letters.messages
    assert (dead.body, dead.error.code) == ("nonsense", "MalformedNotificationError")
    assert harness.phones.bodies == ["hi"] and harness.agents.told == []


def test_intake_puts_replies_and_the_end_of_a_chat_untouched_on_their_chat() -> None:
    harness = IntakeHarness("reply")
    hi, over = streamed(item("hi", Id="one", ContactId="after-a-transfer")), streamed(ended(Id="two"), visibility=None)
    harness.handle(hi)
    harness.handle(over)
    assert [(group, key) for _, group, key in harness.queue.sent] == [(CHAT, "one"), (CHAT, "two")]
    assert [json.loads(body) for body, _, _ in harness.queue.sent] == [hi, over]
    assert counted() == {"RepliesReceived": 2}


def test_intake_notes_a_reply_as_soon_as_it_is_queued_and_takes_it_also_when_it_cannot_be_noted() -> None:
    harness = IntakeHarness("reply")
    harness.ledger.broken["record_receipt"] = 1
    for key in ("one", "two"):
        harness.handle(streamed(item("hi", Id=key, AbsoluteTime="2026-11-22T12:00:00.000Z"), MessageId=f"sns-{key}"))
    harness.handle(streamed(ended(Id="three"), visibility=None))
    assert len(harness.queue.sent) == 3 and counted() == {"RepliesReceived": 3, "NotesMissed": 1}
    assert harness.ledger.records().keys() == {"reply-two"}
    noted = harness.ledger.record("reply-two")
    assert (noted.state.outcome, noted.received_at) == ("pending", NOON.timestamp())
    assert noted.metadata == MessageMetadata(
        conversation=CHAT, sns_message_id="sns-two", sent_at="2026-11-22T12:00:00.000+00:00"
    )


def test_intake_takes_what_comes_together_in_the_order_in_which_it_was_said() -> None:
    harness = IntakeHarness("reply")
    times = ["2026-11-22T12:00:02.000Z", "2026-11-22T12:00:00.000Z", "2026-11-22T12:00:00.000Z"]
    harness.handle(*(streamed(item("hi", AbsoluteTime=time, Id=f"{n}")) for n, time in enumerate(times)))
    assert [key for _, _, key in harness.queue.sent] == ["1", "2", "0"]


def test_intake_drops_and_counts_what_is_not_for_the_phone() -> None:
    harness = IntakeHarness("reply")
    harness.handle(streamed(item("me", ParticipantRole="CUSTOMER")), streamed(event("participant.left")))
    assert harness.queue.sent == [] and harness.dead_letters.messages == []
    assert counted() == {"RepliesReceived": 2, "RepliesIgnored": 2}


def test_intake_puts_what_is_malformed_into_failed_with_the_same_reason_in_the_ledger() -> None:
    harness, came = IntakeHarness("reply"), streamed(item(InitialContactId=...), MessageId="sns-1")
    harness.handle(came)
    (dead,) = harness.dead_letters.messages
    assert json.loads(dead.body) == came
    assert (harness.ledger.outcome("reply-sns-1"), harness.ledger.record("reply-sns-1").reason) == (
        "failed",
        str(dead.error),
    )
    assert counted() == {"RepliesReceived": 1, "RepliesFailed": 1, "FailedMalformedNotificationError": 1}


def test_intake_fails_a_message_that_does_not_say_who_may_see_it() -> None:
    """The subscription's filter lets it through, so that somebody learns of it."""
    harness, came = IntakeHarness("reply"), streamed(item("hi"), visibility=None, MessageId="sns-1")
    harness.handle(came)
    (dead,) = harness.dead_letters.messages
    reason = "MessageVisibility is missing, so it cannot be told whether the customer may see it"
    assert (json.loads(dead.body), str(dead.error), harness.queue.sent) == (came, reason, [])
    assert (harness.ledger.outcome("reply-sns-1"), harness.ledger.record("reply-sns-1").reason) == ("failed", reason)


@pytest.mark.parametrize(
    ("of", "visibility"),
    [
        (item("me", ParticipantRole="CUSTOMER"), None),
        (item("for the supervisor", ParticipantRole="AGENT"), "AGENT"),
        (event("typing"), None),
        (event("message.read", ParticipantRole="CUSTOMER"), None),
    ],
)
def test_intake_fails_nothing_that_is_not_for_the_phone(of: dict[str, Any], visibility: str | None) -> None:
    harness = IntakeHarness("reply")
    harness.handle(streamed(of, visibility=visibility))
    assert (harness.dead_letters.messages, harness.queue.sent, counted()["RepliesIgnored"]) == ([], [], 1)


def test_intake_takes_the_other_records_before_it_says_that_one_could_not_be_taken() -> None:
    harness = IntakeHarness("reply")
    harness.queue.broken = 1
    with pytest.raises(QueueError):
        harness.handle(streamed(), streamed())
    assert len(harness.queue.sent) == 1
    with pytest.raises(MalformedNotificationError):
        harness.handle({"eventSource": "aws:s3"}, streamed())
    assert len(harness.queue.sent) == 2


@pytest.mark.parametrize("made", [{}, {"Records": []}, {"Records": "text"}])
def test_an_event_that_is_not_from_sns_is_refused_so_that_lambda_keeps_it(made: dict[str, Any]) -> None:
    with pytest.raises(MalformedNotificationError):
        IntakeHarness("reply").intake.handle(made)


def test_settings_are_read_by_name() -> None:
    environment = {"REPLIES_QUEUE_URL": "a", "FAILED_QUEUE_URL": "b", "LEDGER_TABLE": "c", "CHATS_TABLE": "d"}
    assert ReplySettings.from_environment(environment).chats_table == "d"
    assert ReplyIntakeSettings.from_environment(environment).replies_queue_url == "a"


def test_no_words_and_no_number_are_logged_or_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr(logging.logger.registered_handler, "stream", log)
    logging.logger.setLevel("DEBUG")
    for answer in (UnavailableError("500"), KeyError(f"secret {CUSTOMER}"), RejectedError("400"), None):
        harness = ReplyHarness(answers=[answer] if answer else [])
        harness.handle(
            queued(item("secret words")), queued(item(LIST.replace("Apple", "secret"), ContentType=INTERACTIVE))
        )
    intake = IntakeHarness("reply")
    intake.handle(record("secret words"), streamed(item("secret", InitialContactId="secret words")))
    printed = log.getvalue() + json.dumps(logging.metrics.serialize_metric_set())
    assert "reply given back" in printed and "reply failed" in printed and "reply forwarded" in printed
    for secret in ("secret", CUSTOMER[1:], OURS[1:]):
        assert secret not in printed
    assert CUSTOMER[1:] not in repr(ReplyHarness().chats.participants_of)


@settings(deadline=None)
@given(message=st.text() | json_values.map(json.dumps) | items.map(json.dumps), said=json_values)
def test_whatever_the_notification_says_it_ends_in_one_place(message: str, said: object) -> None:
    logging.metrics.clear_metrics()
    harness = IntakeHarness("reply")
    harness.handle(record(message, MessageAttributes=said))
    ignored = counted().get("RepliesIgnored", 0)
    assert len(harness.queue.sent) + len(harness.dead_letters.messages) + ignored == 1


@settings(deadline=None)
@given(
    content=st.text() | json_values.map(json.dumps),
    content_type=st.sampled_from(["text/plain", "text/markdown", INTERACTIVE]),
    listed=json_values | st.lists(st.dictionaries(st.sampled_from(["AttachmentName", "Status"]), st.text())),
)
@example("", "text/plain", [{"AttachmentName": "plan.pdf"}] * 10)  # ten files: as many seconds as a batch has
@example("Here they are", "text/plain", [{"AttachmentName": "plan.pdf"}] * 10)  # one message more than fits
def test_whatever_a_reply_holds_it_is_sent_or_there_is_nothing_to_show(
    content: str, content_type: str, listed: object
) -> None:
    harness = ReplyHarness(CONFIG)
    said = item(content, ContentType=content_type, Attachments=listed, Id="one")
    while harness.handle(queued(said)) != DONE:
        assert {wait for _, wait in harness.queue.delays} == {0}, "something else than time is short"
    noted = harness.ledger.record("reply-one")
    assert noted.state.outcome == ("forwarded" if harness.phones.sent else "ignored")
    assert all(body.strip() for body in harness.phones.bodies)
