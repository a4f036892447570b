"""Boundaries between two outcomes: whole functions, at the values on both sides."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from bridge.errors import UnavailableError
from testing.account import OTHER_BUSINESS_NUMBER, QUEUES, Account, refusal, settings
from testing.builders import BUSINESS_NUMBER, payload, record, sqs_record, text_message, with_limits
from testing.chat_events import CHAT, OTHER_CHAT, chat_record, item
from testing.harness import ForwardHarness
from testing.scenarios import BROKEN, OVER, SCENARIOS, batch, by_chat, now, open_chat, published, reply_record, text


def outcome(account: Account, key: str = "text-1") -> dict[str, Any]:
    return account.tables["Ledger"].values(key)


@pytest.mark.parametrize(
    "no_chat",
    [{"NewChatCreated": False}, refusal("ResourceNotFoundException", 404), refusal("InvalidRequestException", 400)],
)
def test_a_shown_keyword_is_forwarded_also_when_no_chat_is_open(account: Account, no_chat: Any) -> None:
    account.planned["SendChatIntegrationEvent"] = [{"InitialContactId": "contact-1"}, no_chat]
    account.call("forward", batch(text("STOP")))
    stored = outcome(account)
    assert (stored["outcome"], stored["parts_done"], stored["parts"]) == ("forwarded", "2", "2")
    assert "reason" not in stored
    assert [line["message"] for line in account.lines()] == ["text forwarded"]


def test_a_shown_keyword_is_forwarded_also_when_its_chat_has_ended(account: Account) -> None:
    account.call("forward", batch(by_chat(key="text-0")))
    account.planned["DisconnectParticipant"] = [OVER]
    account.call("forward", batch(by_chat("STOP")))
    assert (outcome(account)["outcome"], outcome(account)["parts_done"]) == ("forwarded", "2")


@pytest.mark.parametrize("had_a_chat", [False, True])
def test_a_shown_keyword_starts_no_chat_and_is_ignored_with_a_reason(account: Account, had_a_chat: bool) -> None:
    if had_a_chat:
        account.call("forward", batch(by_chat(key="text-0")))
    account.requests.clear()
    account.planned["SendMessage"] = [OVER]
    account.call("forward", batch(by_chat("STOP")))
    assert account.of("StartChatContact") == []
    assert outcome(account)["outcome"] == "ignored"
    assert "no chat was open" in outcome(account)["reason"]
    account.planned.clear()
    account.call("forward", batch(by_chat("Hello", key="text-2")))
    assert outcome(account, "text-2")["outcome"] == "forwarded"
    assert len(account.of("StartChatContact")) == 1


@pytest.mark.parametrize("business_number", [BUSINESS_NUMBER, OTHER_BUSINESS_NUMBER])
def test_a_hidden_keyword_without_an_open_chat_is_ignored_with_a_reason(account: Account, business_number: str) -> None:
    account.config = settings(chat={"show_disconnect_keyword": False})
    account.always["SendChatIntegrationEvent"] = {"NewChatCreated": False}
    account.call("forward", batch(text("STOP", business_number=business_number)))
    assert outcome(account)["outcome"] == "ignored"
    assert "no chat was open" in outcome(account)["reason"]


@pytest.mark.parametrize("business_number", [BUSINESS_NUMBER, OTHER_BUSINESS_NUMBER])
def test_a_hidden_keyword_that_ends_a_chat_is_forwarded(account: Account, business_number: str) -> None:
    account.config = settings(chat={"show_disconnect_keyword": False})
    account.call("forward", batch(text("Hello", business_number=business_number)))
    account.call("forward", batch(text("STOP", business_number=business_number, key="text-2")))
    assert outcome(account, "text-2")["outcome"] == "forwarded"


HALF = "\ud83d"
"""Half of a surrogate pair: JSON can hold it, UTF-8 cannot."""


@pytest.mark.parametrize("business_number", [BUSINESS_NUMBER, OTHER_BUSINESS_NUMBER])
def test_a_lone_surrogate_is_sent_as_the_replacement_character_everywhere(
    account: Account, business_number: str
) -> None:
    account.config = settings(chat={"body_attribute": "body"}, limits={"part_length": 1024})
    account.call("forward", batch(text(f"half {HALF}", business_number=business_number)))
    assert outcome(account)["outcome"] == "forwarded"
    (request,) = account.of("SendChatIntegrationEvent") or account.of("StartChatContact")
    attributes = request.get("Attributes") or request["NewSessionDetails"]["Attributes"]
    assert attributes["body"] == "half \ufffd"
    shown = request["Event"]["Content"] if "Event" in request else account.of("SendMessage")[-1]["Content"]
    assert shown == "half \ufffd"


def test_the_body_attribute_ends_with_a_whole_character_within_the_limit(account: Account) -> None:
    account.config = settings(chat={"body_attribute": "body"}, limits={"part_length": 1024, "batch_deadline": 60})
    account.always["SendChatIntegrationEvent"] = OVER
    for shift in range(4):  # for each position of the last byte within a character
        account.requests.clear()
        account.call("forward", batch(text("x" * shift + "😀" * 9000 + HALF)))
        (request,) = account.of("SendChatIntegrationEvent")
        attributes = request["NewSessionDetails"]["Attributes"]
        size = sum(len((name + value).encode()) for name, value in attributes.items())
        assert 32_768 - 3 <= size <= 32_768
        assert set(attributes["body"][shift:]) == {"😀"}


def test_a_lone_surrogate_in_every_field_of_a_text_is_no_defect(account: Account) -> None:
    message = payload(
        HALF, originationNumber=f"+1{HALF}", inboundMessageId=f"key{HALF}", messageKeyword=HALF,
        previousPublishedMessageId=HALF,
    )  # fmt: skip
    account.call("intake", {"Records": [record(message)]})
    (queued,) = account.queues["conversations"].messages()
    account.call("forward", batch(sqs_record(body=queued.body, queued_at=now())))
    assert {stored["outcome"]["S"] for stored in account.tables["Ledger"].items.values()} == {"forwarded"}
    assert account.problems == []


def of_the_queue(refused: str) -> Callable[[Any], Any]:
    """Responses of SQS while this queue accepts nothing."""

    def answer(request: Any) -> Any:
        if request.parameters.get("QueueUrl") == QUEUES[refused]:
            raise BROKEN
        return {"MessageId": "m"}

    return answer


@pytest.mark.parametrize("body", ["no JSON", "[]", json.dumps(record("no JSON")), json.dumps(record(payload(7)))])
@pytest.mark.parametrize("function", ["forward", "reply"])
def test_a_malformed_message_is_retried_alone_while_failed_is_down(account: Account, function: str, body: str) -> None:
    open_chat(account)
    malformed = sqs_record(body=body, group="malformed", queued_at=now())
    good = text() if function == "forward" else reply_record()
    account.planned["SendMessage"] = []
    account.always["SendMessage"] = of_the_queue("failed")
    answer = account.call(function, batch(malformed, good))
    assert answer == {"batchItemFailures": [{"itemIdentifier": malformed["messageId"]}]}
    by_outcome = sorted(str(stored["outcome"]["S"]) for stored in account.tables["Ledger"].items.values())
    assert by_outcome == ["forwarded", "pending"]
    waits = [
        change["VisibilityTimeout"] for one in account.of("ChangeMessageVisibilityBatch") for change in one["Entries"]
    ]
    assert waits == pytest.approx([5], abs=1)
    (line,) = (line for line in account.lines() if "returned to its queue" in line["message"])
    assert (line["error"], "where" in line) == ("QueueError", False)


@pytest.mark.parametrize("function", ["intake", "reply_intake"])
def test_a_malformed_notification_raises_alone_while_failed_is_down(account: Account, function: str) -> None:
    account.always["SendMessage"] = of_the_queue("failed")
    good = record(payload()) if function == "intake" else chat_record(item())
    with pytest.raises(Exception, match="failed queue did not accept"):
        account.call(function, batch(record("no JSON"), good))
    sent_to = [request["QueueUrl"] for request in account.of("SendMessage")]
    assert sorted(sent_to) == sorted([QUEUES["failed"], QUEUES["conversations" if function == "intake" else "replies"]])


@pytest.mark.parametrize("blank", ["", " ", "\n\t ", "\u00a0"])
def test_a_blank_reply_is_ignored_with_a_reason_at_its_first_attempt(account: Account, blank: str) -> None:
    open_chat(account)
    answer = account.call("reply", batch(reply_record(item(blank, Id="said-1"))))
    assert answer == {"batchItemFailures": []}
    stored = outcome(account, "reply-said-1")
    assert (stored["outcome"], stored["reason"]) == ("ignored", "there is nothing in it to show")
    assert (stored["parts"], stored["parts_done"], stored["stage"], stored["contact"]) == (
        "1",
        "1",
        "reply",
        CHAT,
    )
    assert account.of("SendTextMessage") == []
    account.call("reply", batch(reply_record(item(blank, Id="said-1"))))
    assert outcome(account, "reply-said-1")["duplicates"] == "1"


def test_a_second_receipt_of_a_text_changes_nothing(account: Account) -> None:
    account.call("intake", published(payload(inboundMessageId="text-1"), MessageId="sns-1"))
    before = outcome(account)
    account.call("intake", published(payload(inboundMessageId="text-1"), MessageId="sns-2"))
    assert outcome(account) == before


@pytest.mark.parametrize("planned", [3, 7])
def test_pauses_between_calls_for_one_part_double_three_times(planned: int) -> None:
    harness = ForwardHarness(answers=[UnavailableError("500")] * planned)
    harness.process([[text_message()]])
    assert harness.clock.slept == pytest.approx([0.1, 0.2, 0.4])


def test_no_pause_is_begun_that_would_end_after_the_deadline() -> None:
    for deadline, calls in ((0.299, 2), (0.301, 3)):
        harness = ForwardHarness(config=with_limits(batch_deadline=deadline))
        harness.connect.always = UnavailableError("500")
        harness.process([[text_message()]])
        assert len(harness.connect.calls) == calls, deadline


def test_each_phone_has_its_own_rate(account: Account) -> None:
    """Two phones get their texts at once; test_settings.py has two texts to one phone, a second apart."""
    open_chat(account)
    one = account.tables["Chats"].items[f"contact:{CHAT}"]
    account.tables["Chats"].items[f"contact:{OTHER_CHAT}"] = one | {"customer": {"S": "+14255550199"}}
    records = [reply_record(item(Id=chat, InitialContactId=chat)) for chat in (CHAT, OTHER_CHAT)]
    records[1]["attributes"]["MessageGroupId"] = OTHER_CHAT
    account.call("reply", batch(*records))
    assert {request["DestinationPhoneNumber"] for request in account.of("SendTextMessage")} == {
        "+14255550182",
        "+14255550199",
    }


def test_no_scenario_ends_in_a_defect_but_the_one_for_it(account: Account) -> None:
    for name, run in SCENARIOS.items():
        account.planned.clear()
        account.always.clear()
        account.log.truncate(0)
        account.log.seek(0)
        for table in account.tables.values():
            table.items.clear()
        run(account)
        assert ("where" in account.log.getvalue()) == (name == "forward: a defect"), name
