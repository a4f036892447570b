"""Agents' replies on their way to the phone: in order, once, each ending somewhere with its reason."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge import reporting
from bridge.answering import KNOWN_WITHIN, Answers, Party, not_delivered
from bridge.config import Config
from bridge.errors import (
    AccessRefusedError,
    LedgerError,
    MalformedNotificationError,
    NotDeliverableError,
    QueueError,
    RejectedError,
    ThrottledError,
    UnavailableError,
)
from bridge.known import Facts
from bridge.pacing import Pacer
from bridge.reply import reply
from bridge.reply_intake import ReplyIntake, reply_intake
from bridge.settings import ReplyIntakeSettings, ReplySettings
from tests.unit.fakes import (
    ARN,
    CONFIG,
    CUSTOMER,
    NOON,
    OTHER_CUSTOMER,
    OURS,
    FakeClock,
    FakeFailed,
    FakeLedger,
    record,
)
from tests.unit.streams import CHAT, OTHER_CHAT, ended, event, item, queued, streamed
from tests.unit.test_handlers import FakeQueue, counted
from tests.unit.test_streamed import bodies, json_values

LIST = json.dumps({"data": {"content": {"title": "Which?", "elements": [{"title": "Apple"}, {"title": "Orange"}]}}})
INTERACTIVE = "application/vnd.amazonaws.connect.message.interactive"

OURS_TOO, ARN_TOO = "+12125550102", ARN.replace("phone-0", "phone-f")

Answer = Exception | None | Callable[[str], object]


class FakePhones:
    """Takes everything, but for what stands in `answers`, which is used up first."""

    def __init__(self, answers: Iterable[Answer], clock: FakeClock) -> None:
        self.answers = list(answers)
        self.always: Exception | None = None
        self.sent: list[tuple[str, str, str]] = []
        self.calls: list[tuple[float, str]] = []
        self._clock = clock

    def send(self, body: str, *, to: str, origin: str) -> None:
        self.calls.append((self._clock.time, to))
        answer = self.always or (self.answers.pop(0) if self.answers else None)
        if isinstance(answer, Exception):
            raise answer
        if answer:
            answer(body)
        self.sent.append((to, origin, body))

    @property
    def bodies(self) -> list[str]:
        return [body for _, _, body in self.sent]


class FakeChats:
    def __init__(self) -> None:
        self.parties = {
            CHAT: Party(customer=CUSTOMER, ours=OURS, ours_arn=ARN),
            OTHER_CHAT: Party(customer=OTHER_CUSTOMER, ours=OURS_TOO, ours_arn=ARN_TOO),
        }
        self.ended: list[str] = []
        self.offers: list[tuple[str, tuple[str, ...]]] = []
        self.broken = 0

    def contact(self, initial_contact_id: str) -> Party | None:
        self._maybe()
        return self.parties.get(initial_contact_id)

    def end(self, initial_contact_id: str) -> None:
        self._maybe()
        self.ended.append(initial_contact_id)

    def remember_options(self, initial_contact_id: str, options: tuple[str, ...]) -> None:
        self.offers.append((initial_contact_id, options))
        known = self.parties[initial_contact_id]
        self.parties[initial_contact_id] = Party(
            customer=known.customer, ours=known.ours, ours_arn=known.ours_arn, options=options
        )

    def _maybe(self) -> None:
        if self.broken > 0:
            self.broken -= 1
            raise LedgerError("the table of chats is broken")


class FakeAgents:
    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.links: dict[str, str] = {}
        self.answers: list[Exception] = []

    def tell_agent(self, initial_contact_id: str, line: str) -> None:
        self._maybe()
        self.told.append((initial_contact_id, line))

    def attachment_link(self, initial_contact_id: str, attachment_id: str) -> str | None:
        self._maybe()
        return self.links.get(attachment_id)

    def _maybe(self) -> None:
        if self.answers:
            raise self.answers.pop(0)


class Stage:
    """The reply function among fakes, its time standing still but for sleep, its jitter zero."""

    def __init__(self, config: Config = CONFIG, *, answers: Iterable[Answer] = ()) -> None:
        self.clock = FakeClock()
        self.phones, self.chats, self.agents = FakePhones(answers, self.clock), FakeChats(), FakeAgents()
        self.ledger, self.failed, self.queue = FakeLedger(), FakeFailed(), FakeQueue()
        self.answers = Answers(
            config=config,
            chats=self.chats,
            agents=self.agents,
            phones=self.phones,
            ledger=self.ledger,
            failed=self.failed,
            pacer=Pacer(rate=1000, environments=1, monotonic=self.clock.now, sleep=self.clock.sleep),
            clock=self.clock.as_clock(),
            spread=lambda: 0.0,
        )

    def run(self, *records: dict[str, Any]) -> dict[str, Any]:
        return reply({"Records": list(records)}, answers=self.answers, queue=self.queue)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _fresh_metrics() -> None:
    reporting.metrics.clear_metrics()


def back(*records: dict[str, Any]) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": each["messageId"]} for each in records]}


DONE: dict[str, Sequence[str]] = {"batchItemFailures": []}


def test_a_reply_goes_to_the_customer_from_the_very_number_that_was_texted() -> None:
    stage = Stage()
    assert stage.run(queued(item("How can I help?", Id="one"))) == DONE
    assert stage.phones.sent == [(CUSTOMER, ARN, "How can I help?")]
    noted = stage.ledger.texts["reply-one"]
    assert (noted.known.outcome, noted.known.contact, noted.known.parts_done) == ("forwarded", CHAT, 1)
    assert counted() == {"RepliesSent": 1, "PartsSent": 1}
    stage.run(queued(item("Here too", InitialContactId=OTHER_CHAT), group=OTHER_CHAT))
    assert stage.phones.sent[1:] == [(OTHER_CUSTOMER, ARN_TOO, "Here too")]


def test_replies_are_sent_in_the_order_in_which_they_were_said() -> None:
    stage = Stage()
    times = ["2026-11-22T12:00:02.000Z", "2026-11-22T12:00:00.000Z", "2026-11-22T12:00:01.000Z"]
    stage.run(*(queued(item(time[17:19], AbsoluteTime=time)) for time in times))
    assert stage.phones.bodies == ["00", "01", "02"]
    assert counted()["ArrivedOutOfOrder"] == 2


def test_a_reply_that_came_again_is_not_sent_twice() -> None:
    stage, said = Stage(), item("hi")
    stage.run(queued(said))
    stage.run(queued(said))
    assert stage.phones.bodies == ["hi"]
    assert counted() == {"RepliesSent": 1, "PartsSent": 1, "DuplicatesSuppressed": 1}


def test_a_lost_answer_is_the_one_way_in_which_a_phone_is_texted_twice() -> None:
    """Nobody can tell a text that was taken from one that was not, and the API has no client token."""
    stage = Stage()

    def lost(body: str) -> None:
        stage.phones.sent.append((CUSTOMER, ARN, body))
        raise UnavailableError("the answer was lost")

    stage.phones.answers = [lost]
    assert stage.run(queued(item("hi", Id="one"))) == DONE
    assert stage.phones.bodies == ["hi", "hi"]
    assert stage.ledger.texts["reply-one"].attempts == 2


def test_texts_to_one_phone_are_a_second_apart_parts_of_a_reply_included() -> None:
    stage = Stage()
    stage.run(queued(item("word " * 400)), queued(item("and more")))
    assert "".join(stage.phones.bodies) == "word " * 400 + "and more"
    times = [time for time, _ in stage.phones.calls]
    assert [later - earlier for earlier, later in pairwise(times)] == pytest.approx([1, 1])


def test_a_text_that_is_tried_again_keeps_its_distance_too() -> None:
    stage = Stage(answers=[UnavailableError("500"), ThrottledError("429")])
    stage.run(queued(item("hi")))
    times = [time for time, _ in stage.phones.calls]
    assert stage.phones.bodies == ["hi"] and len(times) == 3
    assert all(later - earlier >= 0.999 for earlier, later in pairwise(times))


def test_two_chats_with_one_phone_share_its_pace() -> None:
    stage = Stage()
    stage.chats.parties[OTHER_CHAT] = stage.chats.parties[CHAT]
    for chat in (CHAT, OTHER_CHAT, CHAT):
        stage.run(queued(item("hi", InitialContactId=chat), group=chat))
    times = [time for time, _ in stage.phones.calls]
    assert times[2] - times[0] == pytest.approx(2)


def test_other_phones_do_not_wait() -> None:
    stage = Stage()
    stage.run(queued(item("a")))
    stage.run(queued(item("b", InitialContactId=OTHER_CHAT), group=OTHER_CHAT))
    assert [to for to, _, _ in stage.phones.sent] == [CUSTOMER, OTHER_CUSTOMER]
    assert stage.clock.slept == []


def test_what_does_not_fit_into_the_batch_comes_back_at_once_without_being_tried() -> None:
    stage = Stage()
    records = [queued(item(f"{n}")) for n in range(14)]
    answer = stage.run(*records)
    sent = len(stage.phones.bodies)
    assert stage.phones.bodies == [f"{n}" for n in range(sent)] and 9 <= sent <= 11
    assert answer == back(*records[sent:])
    assert {wait for _, wait in stage.queue.hidden} == {0}


@pytest.mark.parametrize("error", [UnavailableError("500"), ThrottledError("429")])
def test_a_reply_that_keeps_failing_goes_back_with_its_followers_hidden_alike(error: Exception) -> None:
    stage = Stage()
    stage.phones.always = error
    records = [queued(item("first", Id="one")), queued(item("second")), queued(ended())]
    assert stage.run(*records) == back(*records)
    assert [wait for _, wait in stage.queue.hidden] == [5, 5, 5]
    assert stage.chats.ended == []
    assert set(stage.ledger.texts) == {"reply-one"} and stage.ledger.texts["reply-one"].error == type(error).__name__
    assert counted() == {"Retries": 1}


def test_a_blocked_reply_waits_at_the_slow_pace_and_tells_the_agent_nothing() -> None:
    stage = Stage(answers=[AccessRefusedError("403")])
    text = queued(item("hi"))
    assert stage.run(text) == back(text)
    assert [wait for _, wait in stage.queue.hidden] == [120]
    assert stage.agents.told == [] and counted() == {"Blocked": 1}


def test_a_long_reply_resumes_after_the_part_that_was_last_accepted() -> None:
    stage = Stage(answers=[None, AccessRefusedError("403")])
    said = item("word " * 700, Id="long")
    stage.run(queued(said))
    stage.run(queued(said))
    assert "".join(stage.phones.bodies) == "word " * 700
    assert stage.ledger.texts["reply-long"].known.parts_done == len(stage.phones.bodies) == 3


def test_a_reply_that_another_environment_finished_meanwhile_is_left_to_it() -> None:
    stage, other = Stage(), Stage()
    other.answers._ledger = other.ledger = stage.ledger
    said = item("word " * 400)
    stage.phones.answers = [lambda _: other.run(queued(said))]
    assert stage.run(queued(said)) == DONE
    assert len(stage.phones.sent) == 1 and len(other.phones.sent) == 2


def test_no_text_is_sent_when_the_ledger_cannot_be_read() -> None:
    stage = Stage()
    stage.ledger.broken["read"] = 1
    text = queued(item("hi"))
    assert stage.run(text) == back(text)
    assert stage.phones.calls == []


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
    stage = Stage(answers=[error])
    bad, good = queued(item("bad", Id="bad")), queued(item("good"))
    assert stage.run(bad, good) == DONE
    (dead,) = stage.failed.entries
    assert (dead.body, dead.error, dead.text_key, dead.conversation) == (bad["body"], error, "reply-bad", CHAT)
    assert dead.deduplication_id == bad["messageId"]
    assert (stage.ledger.outcome("reply-bad"), stage.ledger.texts["reply-bad"].reason) == ("failed", str(error))
    assert stage.agents.told == [(CHAT, f"[The text to the customer was not delivered: {said}.]")]
    assert stage.phones.bodies == ["good"]
    assert counted() == {"RepliesFailed": 1, "FailedNotDeliverableError": 1, "RepliesSent": 1, "PartsSent": 1}


def test_a_reason_without_words_of_its_own_is_still_told_to_the_agent() -> None:
    stage = Stage(answers=[RejectedError("400")])
    stage.run(queued(item("hi")))
    assert stage.agents.told == [(CHAT, "[The text to the customer was not delivered: it was refused.]")]


def test_every_reason_that_is_permanent_has_words_for_the_agent() -> None:
    from bridge.texting import NOT_DELIVERABLE

    said = [not_delivered(NotDeliverableError("x", reason=reason), gave_up=False) for reason in NOT_DELIVERABLE]
    assert not any("refused" in line for line in said)


def test_a_reply_is_given_up_by_the_age_of_its_queue_entry_and_the_agent_reads_it() -> None:
    stage = Stage()
    stage.phones.always = UnavailableError("End User Messaging answered 500")
    assert stage.run(queued(item("hi", Id="old"), queued_at=NOON - timedelta(hours=6))) == DONE
    assert stage.ledger.outcome("reply-old") == "failed" and "500" in (stage.ledger.texts["reply-old"].reason or "")
    assert stage.agents.told == [(CHAT, "[The text to the customer was not delivered: it could not be sent in time.]")]
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
    stage = Stage(answers=[NotDeliverableError("no", reason="DESTINATION_PHONE_NUMBER_OPTED_OUT")])
    stage.agents.answers = troubles
    assert stage.run(queued(item("hi", Id="one"))) == DONE
    assert (stage.ledger.outcome("reply-one"), len(stage.agents.told)) == ("failed", told)


def test_the_agent_is_told_once_failed_and_ledger_have_it() -> None:
    stage = Stage(answers=[NotDeliverableError("no", reason="DESTINATION_PHONE_NUMBER_OPTED_OUT")] * 2)
    stage.failed.broken = 1
    text = queued(item("hi"))
    assert stage.run(text) == back(text) and stage.agents.told == []
    assert stage.run(text) == DONE and len(stage.agents.told) == 1


def test_a_failed_reply_that_is_redriven_is_sent_when_it_can_be() -> None:
    stage = Stage(answers=[NotDeliverableError("no", reason="MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT")])
    said = item("hi", Id="one")
    stage.run(queued(said))
    stage.run(queued(said))
    assert (stage.phones.bodies, stage.ledger.outcome("reply-one")) == (["hi"], "forwarded")


def test_a_chat_that_is_not_noted_yet_is_waited_for_and_one_that_never_is_fails() -> None:
    stage = Stage()
    party = stage.chats.parties.pop(CHAT)
    text = queued(item("hi", Id="one"))
    assert stage.run(text) == back(text)
    assert [wait for _, wait in stage.queue.hidden] == [5]
    stage.chats.parties[CHAT] = party
    assert stage.run(text) == DONE and stage.phones.bodies == ["hi"]
    del stage.chats.parties[CHAT]
    assert stage.run(queued(item("late", Id="two"), queued_at=NOON - timedelta(seconds=KNOWN_WITHIN))) == DONE
    (dead,) = stage.failed.entries
    assert dead.error.code == "UnknownChatError" and stage.agents.told == []


def test_the_end_of_a_chat_closes_that_very_chat_after_what_was_said_before() -> None:
    stage = Stage()
    farewell = item("Goodbye", AbsoluteTime="2026-11-22T12:00:01.000Z")
    over = ended(AbsoluteTime="2026-11-22T12:00:02.000Z")
    stage.phones.answers = [lambda _: stage.chats.ended.append("too early") if stage.chats.ended else None]
    assert stage.run(queued(over), queued(farewell)) == DONE
    assert (stage.chats.ended, stage.phones.bodies) == ([CHAT], ["Goodbye"])
    assert stage.failed.entries == [] and "RepliesFailed" not in counted()


def test_the_end_of_a_chat_that_could_not_be_noted_comes_again() -> None:
    stage = Stage()
    stage.chats.broken = 1
    over = queued(ended())
    assert stage.run(over) == back(over)
    assert stage.run(over) == DONE and stage.chats.ended == [CHAT]


@pytest.mark.parametrize(
    "of", [event("participant.left"), event("transfer.succeeded"), item("me", ParticipantRole="CUSTOMER")]
)
def test_what_is_not_for_the_phone_and_came_all_the_same_does_nothing(of: dict[str, Any]) -> None:
    stage = Stage()
    assert stage.run(queued(of)) == DONE
    assert stage.phones.calls == [] and stage.chats.ended == [] and counted() == {"RepliesIgnored": 1}


def test_an_interactive_message_is_sent_as_words_and_its_options_are_remembered_before() -> None:
    stage = Stage()
    stage.phones.answers = [lambda _: stage.chats.offers.append(("sent", ()))]
    stage.run(queued(item(LIST, ContentType=INTERACTIVE)))
    assert stage.phones.bodies == ["Which?\n1. Apple\n2. Orange"]
    assert stage.chats.offers == [(CHAT, ("Apple", "Orange")), ("sent", ())]


def test_what_is_said_next_takes_the_offer_back() -> None:
    stage = Stage()
    stage.run(queued(item(LIST, ContentType=INTERACTIVE)), queued(item("How many?")), queued(item("Well?")))
    assert stage.chats.offers == [(CHAT, ("Apple", "Orange")), (CHAT, ())]


def test_json_that_an_agent_types_is_not_taken_for_an_interactive_message() -> None:
    stage = Stage()
    stage.run(queued(item(LIST)))
    assert stage.phones.bodies == [LIST] and stage.chats.offers == []


def files(*names: str) -> dict[str, Any]:
    return item(..., Type="ATTACHMENT", Attachments=[{"AttachmentName": n, "AttachmentId": n} for n in names])


def test_a_file_is_a_line_with_a_link_where_there_is_one_and_each_is_a_text_of_its_own() -> None:
    stage = Stage()
    stage.agents.links["bill.pdf"] = "https://example.com/1"
    stage.run(queued(files("bill.pdf", "photo.png")))
    assert stage.phones.bodies == ["[File: bill.pdf] https://example.com/1 (for 5 minutes)", "[File: photo.png]"]


def test_a_link_that_cannot_be_had_is_left_out() -> None:
    stage = Stage()
    stage.agents.answers = [AccessRefusedError("403")]
    stage.run(queued(files("bill.pdf")))
    assert stage.phones.bodies == ["[File: bill.pdf]"]


@pytest.mark.parametrize("blank", ["", "  \n"])
def test_a_blank_reply_is_no_text_and_is_noted_as_ignored(blank: str) -> None:
    stage = Stage()
    stage.run(queued(item(blank, Id="one")))
    assert stage.phones.calls == [] and stage.ledger.outcome("reply-one") == "ignored"
    assert stage.ledger.texts["reply-one"].reason and counted() == {"RepliesIgnored": 1}


def test_an_entry_that_cannot_be_read_fails_and_the_next_goes_on() -> None:
    stage, nonsense = Stage(), queued()
    nonsense["body"] = "nonsense"
    assert stage.run(nonsense, queued(item("hi"))) == DONE
    (dead,) = stage.failed.entries
    assert (dead.body, dead.error.code) == ("nonsense", "MalformedNotificationError")
    assert stage.phones.bodies == ["hi"] and stage.agents.told == []


class Desk:
    """A ReplyIntake among fakes."""

    def __init__(self) -> None:
        self.queue, self.failed, self.ledger = FakeQueue(), FakeFailed(), FakeLedger()
        self.intake = ReplyIntake(
            replies=self.queue,  # type: ignore[arg-type]
            failed=self.failed,  # type: ignore[arg-type]
            ledger=self.ledger,  # type: ignore[arg-type]
            notes=self.ledger,  # type: ignore[arg-type]
            now=NOON.timestamp,
        )

    def take(self, *records: dict[str, Any]) -> None:
        reply_intake({"Records": list(records)}, taker=self.intake)


def test_intake_puts_replies_and_the_end_of_a_chat_untouched_on_their_chat() -> None:
    desk = Desk()
    hi, over = streamed(item("hi", Id="one", ContactId="after-a-transfer")), streamed(ended(Id="two"), visibility=None)
    desk.take(hi)
    desk.take(over)
    assert [(group, key) for _, group, key in desk.queue.texts] == [(CHAT, "one"), (CHAT, "two")]
    assert [json.loads(body) for body, _, _ in desk.queue.texts] == [hi, over]
    assert counted() == {"RepliesReceived": 2}


def test_intake_notes_a_reply_as_soon_as_it_is_queued_and_takes_it_also_when_it_cannot_be_noted() -> None:
    desk = Desk()
    desk.ledger.broken["received"] = 1
    for key in ("one", "two"):
        desk.take(streamed(item("hi", Id=key, AbsoluteTime="2026-11-22T12:00:00.000Z"), MessageId=f"sns-{key}"))
    desk.take(streamed(ended(Id="three"), visibility=None))
    assert len(desk.queue.texts) == 3 and counted() == {"RepliesReceived": 3, "NotesMissed": 1}
    assert desk.ledger.texts.keys() == {"reply-two"}
    noted = desk.ledger.texts["reply-two"]
    assert (noted.known.outcome, noted.received_at) == ("pending", NOON.timestamp())
    assert noted.facts == Facts(conversation=CHAT, sns_message_id="sns-two", sent_at="2026-11-22T12:00:00.000+00:00")


def test_intake_takes_what_comes_together_in_the_order_in_which_it_was_said() -> None:
    desk = Desk()
    times = ["2026-11-22T12:00:02.000Z", "2026-11-22T12:00:00.000Z", "2026-11-22T12:00:00.000Z"]
    desk.take(*(streamed(item("hi", AbsoluteTime=time, Id=f"{n}")) for n, time in enumerate(times)))
    assert [key for _, _, key in desk.queue.texts] == ["1", "2", "0"]


def test_intake_drops_and_counts_what_is_not_for_the_phone() -> None:
    desk = Desk()
    desk.take(streamed(item("me", ParticipantRole="CUSTOMER")), streamed(event("participant.left")))
    assert desk.queue.texts == [] and desk.failed.entries == []
    assert counted() == {"RepliesReceived": 2, "RepliesIgnored": 2}


def test_intake_puts_what_is_malformed_into_failed_with_the_same_reason_in_the_ledger() -> None:
    desk, came = Desk(), streamed(item(InitialContactId=...), MessageId="sns-1")
    desk.take(came)
    (dead,) = desk.failed.entries
    assert json.loads(dead.body) == came
    assert (desk.ledger.outcome("reply-sns-1"), desk.ledger.texts["reply-sns-1"].reason) == ("failed", str(dead.error))
    assert counted() == {"RepliesReceived": 1, "RepliesFailed": 1, "FailedMalformedNotificationError": 1}


def test_intake_fails_a_message_that_does_not_say_who_may_see_it() -> None:
    """The subscription's filter lets it through, so that somebody learns of it."""
    desk, came = Desk(), streamed(item("hi"), visibility=None, MessageId="sns-1")
    desk.take(came)
    (dead,) = desk.failed.entries
    reason = "MessageVisibility is missing, so it cannot be told whether the customer may see it"
    assert (json.loads(dead.body), str(dead.error), desk.queue.texts) == (came, reason, [])
    assert (desk.ledger.outcome("reply-sns-1"), desk.ledger.texts["reply-sns-1"].reason) == ("failed", reason)


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
    desk = Desk()
    desk.take(streamed(of, visibility=visibility))
    assert (desk.failed.entries, desk.queue.texts, counted()["RepliesIgnored"]) == ([], [], 1)


def test_intake_takes_the_other_records_before_it_says_that_one_could_not_be_taken() -> None:
    desk = Desk()
    desk.queue.broken = 1
    with pytest.raises(QueueError):
        desk.take(streamed(), streamed())
    assert len(desk.queue.texts) == 1
    with pytest.raises(MalformedNotificationError):
        desk.take({"eventSource": "aws:s3"}, streamed())
    assert len(desk.queue.texts) == 2


@pytest.mark.parametrize("made", [{}, {"Records": []}, {"Records": "text"}])
def test_an_event_that_is_not_from_sns_is_refused_so_that_lambda_keeps_it(made: dict[str, Any]) -> None:
    with pytest.raises(MalformedNotificationError):
        reply_intake(made, taker=Desk().intake)


def test_settings_are_read_by_name() -> None:
    environment = {"REPLIES_QUEUE_URL": "a", "FAILED_QUEUE_URL": "b", "LEDGER_TABLE": "c", "CHATS_TABLE": "d"}
    assert ReplySettings.from_environment(environment).chats_table == "d"
    assert ReplyIntakeSettings.from_environment(environment).replies_queue_url == "a"


def test_no_words_and_no_number_are_logged_or_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    monkeypatch.setattr(reporting.logger.registered_handler, "stream", log)
    reporting.logger.setLevel("DEBUG")
    for answer in (UnavailableError("500"), KeyError(f"secret {CUSTOMER}"), RejectedError("400"), None):
        stage = Stage(answers=[answer])
        stage.run(queued(item("secret words")), queued(item(LIST.replace("Apple", "secret"), ContentType=INTERACTIVE)))
    desk = Desk()
    desk.take(record("secret words"), streamed(item("secret", InitialContactId="secret words")))
    printed = log.getvalue() + json.dumps(reporting.metrics.serialize_metric_set())
    assert "reply given back" in printed and "reply failed" in printed and "reply forwarded" in printed
    for secret in ("secret", CUSTOMER[1:], OURS[1:]):
        assert secret not in printed
    assert CUSTOMER[1:] not in repr(FakeChats().parties)


@settings(deadline=None)
@given(message=st.text() | json_values.map(json.dumps) | bodies.map(json.dumps), said=json_values)
def test_whatever_the_notification_says_it_ends_in_one_place(message: str, said: object) -> None:
    reporting.metrics.clear_metrics()
    desk = Desk()
    desk.take(record(message, MessageAttributes=said))
    ignored = counted().get("RepliesIgnored", 0)
    assert len(desk.queue.texts) + len(desk.failed.entries) + ignored == 1


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
    stage = Stage(CONFIG)
    said = item(content, ContentType=content_type, Attachments=listed, Id="one")
    while stage.run(queued(said)) != DONE:
        assert {wait for _, wait in stage.queue.hidden} == {0}, "something else than time is short"
    noted = stage.ledger.texts["reply-one"]
    assert noted.known.outcome == ("forwarded" if stage.phones.sent else "ignored")
    assert all(body.strip() for body in stage.phones.bodies)
