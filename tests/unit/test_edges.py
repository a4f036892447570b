"""Where one kind of outcome ends and the next begins: the functions run whole, at the value on either side."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

import pytest

from bridge.aws.ledger import Ledger
from bridge.errors import RejectedError, UnavailableError
from bridge.processing.rate_limiter import RateLimiter
from bridge.processing.splitting import utf16_length
from bridge.processing.state import MessageMetadata, SplitPlan
from testing.account import OURS_TOO, QUEUES, Account, refusal, settings
from testing.builders import OURS, payload, record, sqs_record, text_message, with_limits
from testing.chat_events import CHAT, OTHER_CHAT, item, streamed
from testing.clock import FakeClock
from testing.harness import ForwardHarness
from testing.models.table import Table
from tests.unit.scenarios import BROKEN, OVER, SCENARIOS, batch, by_chat, now, open_chat, published, said, text


def outcome(account: Account, key: str = "text-1") -> dict[str, Any]:
    return account.tables["Ledger"].values(key)


# --- a keyword that was shown ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "no_chat",
    [{"NewChatCreated": False}, refusal("ResourceNotFoundException", 404), refusal("InvalidRequestException", 400)],
)
def test_a_keyword_that_was_shown_is_forwarded_though_no_chat_was_there_to_end(account: Account, no_chat: Any) -> None:
    account.planned["SendChatIntegrationEvent"] = [{"InitialContactId": "contact-1"}, no_chat]
    account.call("forward", batch(text("STOP")))
    known = outcome(account)
    assert (known["outcome"], known["parts_done"], known["parts"]) == ("forwarded", "2", "2")
    assert "reason" not in known
    assert [line["message"] for line in account.lines()] == ["text forwarded"]


def test_a_keyword_that_was_shown_is_forwarded_though_its_chat_is_over_by_then(account: Account) -> None:
    account.planned["DisconnectParticipant"] = [OVER]
    account.call("forward", batch(by_chat("STOP")))
    assert outcome(account)["outcome"] == "forwarded"


@pytest.mark.parametrize("ours", [OURS, OURS_TOO])
def test_a_keyword_that_is_not_shown_and_finds_no_chat_is_ignored_with_a_reason(account: Account, ours: str) -> None:
    account.config = settings(chat={"show_disconnect_keyword": False})
    account.always["SendChatIntegrationEvent"] = {"NewChatCreated": False}
    account.call("forward", batch(text("STOP", ours=ours)))
    assert outcome(account)["outcome"] == "ignored"
    assert "named no chat" in outcome(account)["reason"]


@pytest.mark.parametrize("ours", [OURS, OURS_TOO])
def test_a_keyword_that_is_not_shown_and_ends_a_chat_is_forwarded(account: Account, ours: str) -> None:
    account.config = settings(chat={"show_disconnect_keyword": False})
    account.call("forward", batch(text("Hello", ours=ours)))
    account.call("forward", batch(text("STOP", ours=ours, key="text-2")))
    assert outcome(account, "text-2")["outcome"] == "forwarded"


# --- characters that are none ---------------------------------------------------------------------------------

HALF = "\ud83d"
"""Half of a surrogate pair: JSON can hold it, UTF-8 cannot."""


@pytest.mark.parametrize("ours", [OURS, OURS_TOO])
def test_half_a_character_is_a_replacement_character_wherever_the_text_goes(account: Account, ours: str) -> None:
    account.config = settings(chat={"body_attribute": "body"}, limits={"part_length": 1024})
    account.call("forward", batch(text(f"half {HALF}", ours=ours)))
    assert outcome(account)["outcome"] == "forwarded"
    (request,) = account.of("SendChatIntegrationEvent") or account.of("StartChatContact")
    attributes = request.get("Attributes") or request["NewSessionDetails"]["Attributes"]
    assert attributes["body"] == "half \ufffd"
    shown = request["Event"]["Content"] if "Event" in request else account.of("SendMessage")[-1]["Content"]
    assert shown == "half \ufffd"


def test_the_copy_of_a_long_text_ends_with_a_whole_character_within_connects_limit(account: Account) -> None:
    account.config = settings(chat={"body_attribute": "body"}, limits={"part_length": 1024, "batch_deadline": 60})
    account.always["SendChatIntegrationEvent"] = OVER
    for shift in range(4):  # whatever the byte at which it is cut
        account.requests.clear()
        account.call("forward", batch(text("x" * shift + "😀" * 9000 + HALF)))
        (request,) = account.of("SendChatIntegrationEvent")
        attributes = request["NewSessionDetails"]["Attributes"]
        size = sum(len((name + value).encode()) for name, value in attributes.items())
        assert 32_768 - 3 <= size <= 32_768
        assert set(attributes["body"][shift:]) == {"😀"}


def test_a_half_character_in_every_field_of_a_text_is_no_defect(account: Account) -> None:
    message = payload(
        HALF, originationNumber=f"+1{HALF}", inboundMessageId=f"key{HALF}", messageKeyword=HALF,
        previousPublishedMessageId=HALF,
    )  # fmt: skip
    account.call("intake", {"Records": [record(message)]})
    (queued,) = account.queues["conversations"].messages()
    account.call("forward", batch(sqs_record(body=queued.body, queued_at=now())))
    assert {known["outcome"]["S"] for known in account.tables["Ledger"].items.values()} == {"forwarded"}
    assert account.problems == []


# --- when failed itself refuses -------------------------------------------------------------------------------


def of_the_queue(refused: str) -> Callable[[Any], Any]:
    """What SQS answers where this queue takes nothing."""

    def answer(request: Any) -> Any:
        if request.parameters.get("QueueUrl") == QUEUES[refused]:
            raise BROKEN
        return {"MessageId": "m"}

    return answer


@pytest.mark.parametrize("body", ["no JSON", "[]", json.dumps(record("no JSON")), json.dumps(record(payload(7)))])
@pytest.mark.parametrize("function", ["forward", "reply"])
def test_a_malformed_message_that_failed_refuses_waits_and_takes_no_other_along(
    account: Account, function: str, body: str
) -> None:
    open_chat(account)
    malformed = sqs_record(body=body, group="malformed", queued_at=now())
    good = text() if function == "forward" else said()
    account.planned["SendMessage"] = []
    account.always["SendMessage"] = of_the_queue("failed")
    answer = account.call(function, batch(malformed, good))
    assert answer == {"batchItemFailures": [{"itemIdentifier": malformed["messageId"]}]}
    by_outcome = sorted(str(known["outcome"]["S"]) for known in account.tables["Ledger"].items.values())
    assert by_outcome == ["forwarded", "pending"]
    waits = [
        entry["VisibilityTimeout"] for one in account.of("ChangeMessageVisibilityBatch") for entry in one["Entries"]
    ]
    assert waits == pytest.approx([5], abs=1)
    (line,) = (line for line in account.lines() if "given back" in line["message"])
    assert (line["error"], "where" in line) == ("QueueError", False)


@pytest.mark.parametrize("function", ["intake", "reply_intake"])
def test_a_malformed_notification_that_failed_refuses_is_handed_in_again_and_takes_no_other_along(
    account: Account, function: str
) -> None:
    account.always["SendMessage"] = of_the_queue("failed")
    good = record(payload()) if function == "intake" else streamed(item())
    with pytest.raises(Exception, match="failed queue did not take"):
        account.call(function, batch(record("no JSON"), good))
    sent_to = [request["QueueUrl"] for request in account.of("SendMessage")]
    assert sorted(sent_to) == sorted([QUEUES["failed"], QUEUES["conversations" if function == "intake" else "replies"]])


# --- what there is nothing to show of -------------------------------------------------------------------------


@pytest.mark.parametrize("blank", ["", " ", "\n\t ", "\u00a0"])
def test_a_blank_reply_is_ignored_in_the_ledger_with_a_reason_and_done_at_once(account: Account, blank: str) -> None:
    open_chat(account)
    answer = account.call("reply", batch(said(item(blank, Id="said-1"))))
    assert answer == {"batchItemFailures": []}
    known = outcome(account, "reply-said-1")
    assert (known["outcome"], known["reason"]) == ("ignored", "there is nothing in it to show")
    assert (known["parts"], known["parts_done"], known["stage"], known["contact"]) == ("1", "1", "reply", CHAT)
    assert account.of("SendTextMessage") == []
    account.call("reply", batch(said(item(blank, Id="said-1"))))
    assert outcome(account, "reply-said-1")["duplicates"] == "1"


# --- the ledger's first and last times ------------------------------------------------------------------------

METADATA = MessageMetadata(conversation="group", business_number=OURS)
SPLIT = SplitPlan(limit=100)
WRITES: dict[str, Callable[[Ledger], object]] = {
    "receipt": lambda ledger: ledger.record_receipt("one", METADATA, at=1),
    "split": lambda ledger: ledger.save_split("one", METADATA, split=SPLIT),
    "part": lambda ledger: ledger.record_part(
        "one", METADATA, split=SPLIT, part=0, parts=2, attempts=1, contact="c", new_chat=True, message_id="e"
    ),
    "retry": lambda ledger: ledger.record_retry("one", METADATA, UnavailableError("x"), attempts=1, message_id="e"),
    "failure": lambda ledger: ledger.record_failure("one", METADATA, RejectedError("x"), attempts=1),
    "duplicate": lambda ledger: ledger.record_duplicate("one"),
    "ignored": lambda ledger: ledger.record_ignored("one", METADATA, "nothing"),
}
DAY = 86_400
HELD_OFF = {
    *(("split", "split"), ("part", "part"), ("part", "split")),
    *(("ignored", "retry"), ("ignored", "failure")),
}
"""What the ledger does not write, since the text has got further."""


@pytest.mark.parametrize("first", WRITES)
@pytest.mark.parametrize("then", WRITES)
def test_when_a_text_was_first_seen_never_changes(first: str, then: str) -> None:
    """And whatever is written of it later, save that it was received, it is known for as long again."""
    clock, table = FakeClock(), Table(by="text_key")
    ledger = Ledger(client=cast(Any, table), table="ledger", stage="forward", now=clock.now)
    WRITES[first](ledger)
    began = clock.time
    clock.time += DAY
    WRITES[then](ledger)
    known = table.values("one")
    assert int(known["first_seen_at"]) == int(began * 1000)
    written = began if then == "receipt" else clock.time
    if (first, then) not in HELD_OFF:
        assert int(known["updated_at"]) == int(written * 1000)
        assert int(known["expires_at"]) == int(written) + 16 * DAY


def test_a_text_that_was_received_before_stays_so(account: Account) -> None:
    account.call("intake", published(payload(inboundMessageId="text-1"), MessageId="sns-1"))
    before = outcome(account)
    account.call("intake", published(payload(inboundMessageId="text-1"), MessageId="sns-2"))
    assert outcome(account) == before


# --- rates and pauses -----------------------------------------------------------------------------------------


def limiter(clock: FakeClock, *, rate: float, environments: int = 1) -> RateLimiter:
    return RateLimiter(rate=rate, environments=environments, clock=clock.as_clock())


@pytest.mark.parametrize(("rate", "environments", "at_first"), [(28, 4, 7), (28, 28, 1), (28, 100, 1), (56, 100, 2)])
def test_a_pace_begins_at_its_share_and_never_below_a_twenty_eighth(
    rate: float, environments: int, at_first: float
) -> None:
    assert limiter(FakeClock(), rate=rate, environments=environments).rate == at_first


@pytest.mark.parametrize(("rate", "burst"), [(0.5, 1), (1, 1), (1.9, 1), (2, 2), (7, 7)])
def test_no_more_calls_go_at_once_than_a_second_holds(rate: float, burst: int) -> None:
    clock = FakeClock()
    clock.time = 1000.0
    rate_limiter = limiter(clock, rate=rate)
    clock.time += 600  # however long it was idle
    taken = 0
    while rate_limiter.acquire(deadline=clock.time + 1e-6):
        taken += 1
    assert taken == burst


@pytest.mark.parametrize("rate", [1.0, 4.0, 28.0])
def test_calls_beyond_the_burst_are_evenly_apart(rate: float) -> None:
    clock = FakeClock()
    clock.time = 1000.0
    rate_limiter = limiter(clock, rate=rate)
    for _ in range(int(rate)):
        rate_limiter.acquire(deadline=1e9)
    at = []
    for _ in range(5):
        rate_limiter.acquire(deadline=1e9)
        at.append(clock.time - 1000.0)
    assert at == pytest.approx([(n + 1) / rate for n in range(5)])


def test_a_turn_at_the_very_deadline_comes_too_late() -> None:
    clock = FakeClock()
    clock.time = 1000.0
    rate_limiter = limiter(clock, rate=1)
    assert not rate_limiter.acquire(deadline=1000.0)
    assert rate_limiter.acquire(deadline=1000.5)
    assert not rate_limiter.acquire(deadline=1001.0)
    assert rate_limiter.acquire(deadline=1001.001)


def test_the_rate_grows_by_a_thirtieth_of_the_whole_for_each_second_of_calls() -> None:
    """Each accepted call adds its part of a second."""
    rate_limiter = limiter(FakeClock(), rate=30, environments=3)
    rates = [rate_limiter.rate]
    for _ in range(3):
        rate_limiter.succeeded()
        rates.append(rate_limiter.rate)
    assert rates == pytest.approx([10, 10.1, 10.1 + 1 / 10.1, 10.1 + 1 / 10.1 + 1 / (10.1 + 1 / 10.1)])


@pytest.mark.parametrize(("apart", "rate"), [(0.0, 8), (0.9, 8), (1.0, 4), (5.0, 4)])
def test_refusals_within_a_second_halve_the_rate_once(apart: float, rate: float) -> None:
    clock = FakeClock()
    clock.time = 1000.0
    rate_limiter = limiter(clock, rate=16)
    rate_limiter.throttled()
    clock.time += apart
    rate_limiter.throttled()
    assert rate_limiter.rate == rate


def test_after_a_refusal_the_next_call_waits_for_a_whole_turn_at_the_halved_rate() -> None:
    clock = FakeClock()
    clock.time = 1000.0
    rate_limiter = limiter(clock, rate=4)
    rate_limiter.throttled()
    assert rate_limiter.acquire(deadline=1e9)
    assert clock.time == pytest.approx(1000.5)


@pytest.mark.parametrize(("planned", "pauses"), [(3, [0.1, 0.2, 0.4]), (7, [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0])])
def test_pauses_between_calls_for_one_part_double_up_to_two_seconds(planned: int, pauses: list[float]) -> None:
    harness = ForwardHarness(answers=[UnavailableError("500")] * planned)
    harness.process([[text_message()]])
    assert harness.clock.slept == pytest.approx(pauses)


def test_a_pause_that_would_end_after_the_deadline_is_not_begun() -> None:
    for deadline, calls in ((0.299, 2), (0.301, 3)):
        harness = ForwardHarness(config=with_limits(batch_deadline=deadline))
        harness.connect.always = UnavailableError("500")
        harness.process([[text_message()]])
        assert len(harness.connect.calls) == calls, deadline


def test_each_phone_has_its_own_pace(account: Account) -> None:
    """Two phones get their texts at once; two texts to one phone are a second apart (tests/unit/test_settings.py)."""
    open_chat(account)
    one = account.tables["Chats"].items[f"contact:{CHAT}"]
    account.tables["Chats"].items[f"contact:{OTHER_CHAT}"] = one | {"customer": {"S": "+14255550199"}}
    records = [said(item(Id=chat, InitialContactId=chat)) for chat in (CHAT, OTHER_CHAT)]
    records[1]["attributes"]["MessageGroupId"] = OTHER_CHAT
    account.call("reply", batch(*records))
    assert {request["DestinationPhoneNumber"] for request in account.of("SendTextMessage")} == {
        "+14255550182",
        "+14255550199",
    }


def test_every_scenario_is_one_that_the_functions_can_meet(account: Account) -> None:
    """No scenario ends in a defect but the one that is there for it."""
    for name, run in SCENARIOS.items():
        account.planned.clear()
        account.always.clear()
        account.log.truncate(0)
        account.log.seek(0)
        for table in account.tables.values():
            table.items.clear()
        run(account)
        assert ("where" in account.log.getvalue()) == (name == "forward: a defect"), name


@pytest.mark.parametrize(("character", "units"), [("\u007f", 1), ("\uffff", 1), ("\U00010000", 2), ("\U0010ffff", 2)])
def test_a_character_beyond_the_first_plane_is_two_code_units(character: str, units: int) -> None:
    assert utf16_length(character) == units == len(character.encode("utf-16-le")) // 2
