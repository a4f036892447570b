"""Each setting of config.json reaches what the functions do."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from testing.account import OTHER_BUSINESS_NUMBER, Account
from testing.account import settings as compiled
from testing.bridge_toml import EVENTS
from testing.builders import payload, sqs_record
from testing.chat_events import CHAT, OTHER_CHAT, chat_record, item
from testing.scenarios import OVER, THROTTLED, batch, now, open_chat, published, text


def texts(count: int, business_number: str, body: str = "Hello") -> dict[str, Any]:
    """One text of each of so many customers, in one batch."""
    return batch(
        *(
            sqs_record(
                payload(
                    body,
                    originationNumber=f"+1425555{100 + n:04}",
                    destinationNumber=business_number,
                    inboundMessageId=f"text-{n}-{body}",
                ),
                group=f"group-{n}",
                sent_at=now(),
                queued_at=now(),
            )
            for n in range(count)
        )
    )


def replies(*chats: str) -> dict[str, Any]:
    return batch(
        *(
            sqs_record(
                body=json.dumps(chat_record(item(Id=f"said-{n}", InitialContactId=chat))), group=chat, queued_at=now()
            )
            for n, chat in enumerate(chats)
        )
    )


RATES = {
    "connect_rate": ("SendChatIntegrationEvent", EVENTS, "Hello"),
    "start_chat_rate": ("StartChatContact", OTHER_BUSINESS_NUMBER, "Hello"),
    "connection_rate": ("CreateParticipantConnection", OTHER_BUSINESS_NUMBER, "Hello"),
    "message_rate": ("SendMessage", OTHER_BUSINESS_NUMBER, "Hello"),
    "disconnect_rate": ("DisconnectParticipant", OTHER_BUSINESS_NUMBER, "STOP"),
}
"""By setting: the operation that it limits, and texts that lead to it."""


@pytest.mark.parametrize(("concurrency", "calls"), [(1, {3, 4, 5}), (100, {1})])
@pytest.mark.parametrize("setting", RATES)
def test_a_rate_divided_by_the_concurrency_limits_its_operation(
    account: Account, setting: str, concurrency: int, calls: set[int]
) -> None:
    """Of three a second three are made at once; of a hundredth of that, or a 28th, one before the deadline."""
    operation, business_number, body = RATES[setting]
    if body == "STOP":
        account.call("forward", texts(5, business_number))
    account.requests.clear()
    account.config = compiled(
        limits={setting: 3, "max_concurrency": concurrency, "batch_deadline": 0.9},
        chat={"show_disconnect_keyword": False},
    )
    account.call("forward", texts(5, business_number, body))
    services = {"connect", "connectparticipant"}
    found = [one for one in account.requests if one.operation == operation and one.service in services]
    assert len(found) in calls


@pytest.mark.parametrize("setting", RATES)
def test_a_rate_limits_no_other_operation(account: Account, setting: str) -> None:
    """Where one is slow, the calls that come before it, or are not needed with it, are not."""
    before = {
        "connect_rate": (OTHER_BUSINESS_NUMBER, ["StartChatContact", "CreateParticipantConnection", "SendMessage"]),
        "start_chat_rate": (EVENTS, ["SendChatIntegrationEvent"]),
        "connection_rate": (OTHER_BUSINESS_NUMBER, ["StartChatContact"]),
        "message_rate": (EVENTS, ["SendChatIntegrationEvent"]),
        "disconnect_rate": (OTHER_BUSINESS_NUMBER, ["StartChatContact", "CreateParticipantConnection", "SendMessage"]),
    }
    business_number, operations = before[setting]
    account.config = compiled(limits={setting: 0.1, "batch_deadline": 2})
    account.call("forward", texts(5, business_number))
    asked = Counter(one.operation for one in account.requests if one.service not in ("dynamodb", "sqs"))
    assert {operation: asked[operation] for operation in operations} == dict.fromkeys(operations, 5)


@pytest.mark.parametrize(("concurrency", "calls"), [(1, {3, 4, 5}), (100, {1})])
def test_the_rate_of_replies_limits_text_messages(account: Account, concurrency: int, calls: set[int]) -> None:
    chats = [f"{CHAT[:-1]}{n}" for n in range(1, 6)]
    for number, chat in enumerate(chats):
        account.planned["StartChatContact"] = [{"ContactId": chat, "ParticipantId": "p", "ParticipantToken": "t"}]
        account.call(
            "forward", texts(1, OTHER_BUSINESS_NUMBER, f"{number}") if number else texts(1, OTHER_BUSINESS_NUMBER)
        )
        for name, one in list(account.tables["Chats"].items.items()):
            if name.startswith("conversation:"):
                del account.tables["Chats"].items[name]
            elif name == f"contact:{chat}":
                one["customer"] = {"S": f"+1425555{200 + number:04}"}  # each has a pace of its own
    account.config = compiled(limits={"sms_rate": 3, "max_concurrency": concurrency, "batch_deadline": 0.9})
    account.call("reply", replies(*chats))
    assert len(account.of("SendTextMessage")) in calls


def test_two_texts_to_one_phone_are_a_second_apart(account: Account) -> None:
    open_chat(account)
    account.config = compiled(limits={"batch_deadline": 0.9})
    account.tables["Chats"].items[f"contact:{OTHER_CHAT}"] = account.tables["Chats"].items[f"contact:{CHAT}"]
    account.call("reply", replies(CHAT, OTHER_CHAT))
    assert len(account.of("SendTextMessage")) == 1


@pytest.mark.parametrize(
    ("function", "business_number", "operations"),
    [
        ("forward", EVENTS, {"SendChatIntegrationEvent"}),
        ("forward", OTHER_BUSINESS_NUMBER, {"StartChatContact", "CreateParticipantConnection", "SendMessage"}),
        ("reply", OTHER_BUSINESS_NUMBER, {"SendTextMessage"}),
    ],
)
def test_the_time_for_one_call_is_the_configured_one(
    account: Account, function: str, business_number: str, operations: set[str]
) -> None:
    """And a call is made once: when to make it again is decided by the bridge."""
    if function == "reply":
        open_chat(account)
    account.config = compiled(limits={"call_timeout": 3.25})
    account.call(function, replies(CHAT) if function == "reply" else texts(1, business_number))
    found = [one for one in account.requests if one.service not in ("dynamodb", "sqs")]
    assert {one.operation for one in found} == operations
    assert {(one.read_timeout, one.connect_timeout, one.tries) for one in found} == {(3.25, 1.0, 1)}


def test_stores_have_three_short_tries_and_a_note_that_may_be_missed_has_one(account: Account) -> None:
    account.call("intake", published(payload(inboundMessageId="text-1")))
    account.call("forward", batch(text(key="text-2")))
    times = {(one.operation, one.read_timeout, one.connect_timeout, one.tries) for one in account.requests}
    assert times == {
        ("SendMessage", 1.0, 0.5, 3),
        ("UpdateItem", 0.5, 0.5, 1),
        ("GetItem", 1.0, 0.5, 3),
        ("SendChatIntegrationEvent", 5.0, 1.0, 1),
        ("UpdateItem", 1.0, 0.5, 3),
    }


WAITS = {
    "retry_first": (THROTTLED, {"batch_deadline": 1, "retry_first": 33, "retry_longest": 300}, range(26, 41)),
    "retry_longest": (THROTTLED, {"batch_deadline": 1, "retry_first": 5000, "retry_longest": 100}, range(80, 121)),
    "blocked_retry": (OVER, {"blocked_retry": 77}, range(61, 94)),
}


@pytest.mark.parametrize("setting", WAITS)
def test_a_text_is_hidden_for_the_configured_time(account: Account, setting: str) -> None:
    error, limits, expected = WAITS[setting]
    account.config = compiled(limits=limits)
    account.always["SendChatIntegrationEvent"] = error
    account.call("forward", texts(1, EVENTS))
    ((entry,),) = (one["Entries"] for one in account.of("ChangeMessageVisibilityBatch"))
    assert entry["VisibilityTimeout"] in expected


@pytest.mark.parametrize(("age", "outcome"), [(95, "pending"), (105, "failed")])
def test_a_text_is_given_up_after_the_configured_time(account: Account, age: float, outcome: str) -> None:
    account.config = compiled(limits={"give_up_after": 100, "batch_deadline": 1})
    account.always["SendChatIntegrationEvent"] = THROTTLED
    account.call("forward", batch(text(queued_at=now(ago=age))))
    assert account.tables["Ledger"].values("text-1")["outcome"] == outcome


@pytest.mark.parametrize(("age", "late"), [(95, False), (105, True)])
def test_a_text_is_marked_as_late_after_the_configured_time(account: Account, age: float, late: bool) -> None:
    account.config = compiled(limits={"mark_late_after": 100}, chat={"late_message": "late:"})
    account.call("forward", batch(text(sent_at=now(ago=age))))
    assert account.of("SendChatIntegrationEvent")[0]["Event"]["Content"].startswith("late:") is late


@pytest.mark.parametrize(("deadline", "least", "most"), [(0.0, 0, 0), (1.0, 1, 6)])
def test_a_batch_tries_again_until_the_configured_deadline(
    account: Account, deadline: float, least: int, most: int
) -> None:
    account.config = compiled(limits={"batch_deadline": deadline})
    account.always["SendChatIntegrationEvent"] = THROTTLED
    account.call("forward", texts(1, EVENTS))
    assert least <= len(account.of("SendChatIntegrationEvent")) <= most
