"""Each setting of bridge.toml reaches the functions: from the file into config.json, and from there to what they do.

What a setting does to the template is in tests/infra/test_settings.py.
"""

from __future__ import annotations

import copy
import json
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from pydantic import BaseModel

from infra.config import BridgeConfig, load
from testing.account import OURS_TOO, Account
from testing.account import settings as compiled
from testing.builders import payload, sqs_record
from testing.chat_events import CHAT, OTHER_CHAT, item, streamed
from testing.scenarios import OVER, THROTTLED, batch, now, open_chat, published, text

EVENTS, CHATS = "+12125550101", "+12125550102"
"""Two numbers, one of each delivery."""
INSTANCE = "arn:aws:connect:us-east-1:111122223333:instance/12345678-1234-1234-1234-123456789012"
FLOW = "abcdef01-1234-1234-1234-123456789012"
_ARN = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-1"
BASE: Mapping[str, Any] = {
    "start_chat": {"instance_arn": INSTANCE, "contact_flow_id": FLOW},
    "numbers": [{"number": EVENTS, "arn": _ARN}, {"number": CHATS, "arn": f"{_ARN}2", "delivery": "start-chat"}],
}

OTHER_INSTANCE, OTHER_FLOW = INSTANCE.replace("instance/1", "instance/2"), FLOW.replace("abcdef01", "abcdef02")
TOPIC = "arn:aws:sns:us-east-1:111122223333:agents"
BOTH = (f"routes.{EVENTS}", f"routes.{CHATS}")
CHANGES: Mapping[str, tuple[Any, Mapping[str, Any]]] = {
    "delivery": (
        "start-chat",
        {
            f"routes.{EVENTS}.start_chat": {
                "instance_id": INSTANCE.rpartition("/")[2],
                "contact_flow_id": FLOW,
                "chat_minutes": 1500,
                "first_text": "message",
            }
        },
    ),
    "start_chat.instance_arn": (
        OTHER_INSTANCE,
        {f"routes.{CHATS}.start_chat.instance_id": OTHER_INSTANCE.rpartition("/")[2]},
    ),
    "start_chat.contact_flow_id": (OTHER_FLOW, {f"routes.{CHATS}.start_chat.contact_flow_id": OTHER_FLOW}),
    "start_chat.chat_duration": ("2h", {f"routes.{CHATS}.start_chat.chat_minutes": 120}),
    "start_chat.first_text": ("initial-message", {f"routes.{CHATS}.start_chat.first_text": "initial-message"}),
    "chat.display_name": ("SMS {customer}", {f"{route}.display_name": "SMS {customer}" for route in BOTH}),
    "chat.disconnect_keywords": (["ENDE"], {"chat.disconnect_keywords": ["ENDE"]}),
    "chat.show_disconnect_keyword": (False, {"chat.show_disconnect_keyword": False}),
    "chat.empty_message": ("(nothing)", {"chat.empty_message": "(nothing)"}),
    "chat.late_message": ("(late: {sent})", {"chat.late_message": "(late: {sent})"}),
    "chat.body_attribute": ("body", {"chat.body_attribute": "body"}),
    "chat.supported_content_types": (
        ["text/plain", "text/markdown"],
        {"chat.supported_content_types": ["text/plain", "text/markdown"]},
    ),
    "limits.connect_rate": (13, {"limits.connect_rate": 13.0}),
    "limits.start_chat_rate": (13, {"limits.start_chat_rate": 13.0}),
    "limits.connection_rate": (13, {"limits.connection_rate": 13.0}),
    "limits.message_rate": (13, {"limits.message_rate": 13.0}),
    "limits.disconnect_rate": (13, {"limits.disconnect_rate": 13.0}),
    "limits.sms_rate": (13, {"limits.sms_rate": 13.0}),
    "limits.max_concurrency": (7, {"limits.max_concurrency": 7}),
    "limits.part_length": (512, {"limits.part_length": 512}),
    "limits.mark_late_after": ("20m", {"limits.mark_late_after": 1200.0}),
    "limits.give_up_after": ("5h", {"limits.give_up_after": 18_000.0}),
    "limits.call_timeout": ("4s", {"limits.call_timeout": 4.0}),
    "limits.batch_deadline": ("9s", {"limits.batch_deadline": 9.0}),
    "limits.function_timeout": ("40s", {}),
    "limits.retry_first": ("6s", {"limits.retry_first": 6.0}),
    "limits.retry_longest": ("6m", {"limits.retry_longest": 360.0}),
    "limits.blocked_retry": ("3m", {"limits.blocked_retry": 180.0}),
    "limits.max_receive_count": (777, {}),
    "operation.log_retention_days": (90, {}),
    "operation.log_level": ("DEBUG", {}),
    "operation.alarm_email": ("ops@example.com", {}),
    "operation.expect_texts_every": ("5h", {}),
    "attributes": ({"queue": "sales"}, {f"{route}.attributes": {"queue": "sales"} for route in BOTH}),
    "stack": ("Other", {}),
    "runtime": ("python3.12", {}),
    "numbers.number": (
        "+12125550177",
        {f"routes.{EVENTS}": None, "routes.+12125550177": ...},
    ),
    "numbers.arn": (f"{_ARN}7", {f"routes.{EVENTS}.arn": f"{_ARN}7"}),
    "numbers.display_name": ("Sales", {f"routes.{EVENTS}.display_name": "Sales"}),
    "numbers.attributes": ({"queue": "own"}, {f"routes.{EVENTS}.attributes": {"queue": "own"}}),
    "numbers.streaming_topic_arn": (TOPIC, {f"routes.{EVENTS}.streaming_topic_arn": TOPIC}),
    "numbers.delivery": ("start-chat", {f"routes.{EVENTS}.start_chat": ...}),
    "numbers.instance_arn": (
        OTHER_INSTANCE,
        {f"routes.{CHATS}.start_chat.instance_id": OTHER_INSTANCE.rpartition("/")[2]},
    ),
    "numbers.contact_flow_id": (OTHER_FLOW, {f"routes.{CHATS}.start_chat.contact_flow_id": OTHER_FLOW}),
}
"""By setting: another value than the default, and what that changes in config.json; `...` for some value, None for
what is no longer there."""
OF_THE_SECOND = {"numbers.instance_arn", "numbers.contact_flow_id"}
"""Settings that only a number with start-chat delivery has a use for."""


def runtime(raw: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    path = folder / "bridge.toml"
    path.write_text(tomlkit.dumps(raw))
    return dict(json.loads(load(path).runtime_json()))


def leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Every value by its place; an object that is empty, or compared as a whole, is one too."""
    if isinstance(value, dict) and value and not place.endswith(".attributes"):
        for name, inner in value.items():
            yield from leaves(inner, f"{place}.{name}".lstrip("."))
    else:
        yield place, value


@pytest.mark.parametrize("setting", CHANGES)
def test_a_setting_changes_config_json_where_it_should_and_nowhere_else(setting: str, tmp_path: Path) -> None:
    value, expected = CHANGES[setting]
    raw: Any = copy.deepcopy(dict(BASE))
    *section, name = setting.split(".")
    table = raw["numbers"][1 if setting in OF_THE_SECOND else 0] if section == ["numbers"] else raw
    if section and section != ["numbers"]:
        table = raw.setdefault(section[0], {})
    table[name] = value
    before, after = dict(leaves(runtime(BASE, tmp_path))), dict(leaves(runtime(raw, tmp_path)))
    changed = {place for place in before.keys() | after.keys() if before.get(place) != after.get(place)}
    assert {place for place in changed if not any(_within(place, one) for one in expected)} == set()
    for place, meant in expected.items():
        assert any(_within(one, place) for one in changed), place
        if meant not in (None, ...):
            assert {one: after[one] for one in after if _within(one, place)} == dict(leaves(meant, place))


def _within(place: str, whole: str) -> bool:
    return place == whole or place.startswith(f"{whole}.")


def test_no_setting_is_left_out() -> None:
    def settings(model: type[BaseModel], place: str = "") -> Iterator[str]:
        for name, about in model.model_fields.items():
            inner = [one for one in (about.annotation, *getattr(about.annotation, "__args__", ())) if _is_model(one)]
            if inner:
                yield from settings(inner[0], f"{name}.")
            else:
                yield f"{place}{name}"

    assert {*settings(BridgeConfig)} == CHANGES.keys()


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def test_the_base_is_read_as_any_other_file(tmp_path: Path) -> None:
    assert tomllib.loads(tomlkit.dumps(BASE)) == BASE
    assert set(runtime(BASE, tmp_path)["routes"]) == {EVENTS, CHATS}


# --- from config.json to what the functions do --------------------------------------------------------------


def texts(count: int, ours: str, body: str = "Hello") -> dict[str, Any]:
    """One text of each of so many customers, in one batch."""
    return batch(
        *(
            sqs_record(
                payload(
                    body,
                    originationNumber=f"+1425555{100 + n:04}",
                    destinationNumber=ours,
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
                body=json.dumps(streamed(item(Id=f"said-{n}", InitialContactId=chat))), group=chat, queued_at=now()
            )
            for n, chat in enumerate(chats)
        )
    )


RATES = {
    "connect_rate": ("SendChatIntegrationEvent", EVENTS, "Hello"),
    "start_chat_rate": ("StartChatContact", OURS_TOO, "Hello"),
    "connection_rate": ("CreateParticipantConnection", OURS_TOO, "Hello"),
    "message_rate": ("SendMessage", OURS_TOO, "Hello"),
    "disconnect_rate": ("DisconnectParticipant", OURS_TOO, "STOP"),
}
"""By setting: the operation that it limits, and texts that lead to it."""


@pytest.mark.parametrize(("concurrency", "calls"), [(1, {3, 4, 5}), (100, {1})])
@pytest.mark.parametrize("setting", RATES)
def test_a_rate_divided_by_the_concurrency_limits_its_operation(
    account: Account, setting: str, concurrency: int, calls: set[int]
) -> None:
    """Of three a second three are made at once; of a hundredth of that, or a 28th, one before the deadline."""
    operation, ours, body = RATES[setting]
    if body == "STOP":
        account.call("forward", texts(5, ours))
    account.requests.clear()
    account.config = compiled(
        limits={setting: 3, "max_concurrency": concurrency, "batch_deadline": 0.9},
        chat={"show_disconnect_keyword": False},
    )
    account.call("forward", texts(5, ours, body))
    services = {"connect", "connectparticipant"}
    found = [one for one in account.requests if one.operation == operation and one.service in services]
    assert len(found) in calls


@pytest.mark.parametrize("setting", RATES)
def test_a_rate_limits_no_other_operation(account: Account, setting: str) -> None:
    """Where one is slow, the calls that come before it, or are not needed with it, are not."""
    before = {
        "connect_rate": (OURS_TOO, ["StartChatContact", "CreateParticipantConnection", "SendMessage"]),
        "start_chat_rate": (EVENTS, ["SendChatIntegrationEvent"]),
        "connection_rate": (OURS_TOO, ["StartChatContact"]),
        "message_rate": (EVENTS, ["SendChatIntegrationEvent"]),
        "disconnect_rate": (OURS_TOO, ["StartChatContact", "CreateParticipantConnection", "SendMessage"]),
    }
    ours, operations = before[setting]
    account.config = compiled(limits={setting: 0.1, "batch_deadline": 2})
    account.call("forward", texts(5, ours))
    asked = Counter(one.operation for one in account.requests if one.service not in ("dynamodb", "sqs"))
    assert {operation: asked[operation] for operation in operations} == dict.fromkeys(operations, 5)


@pytest.mark.parametrize(("concurrency", "calls"), [(1, {3, 4, 5}), (100, {1})])
def test_the_rate_of_replies_limits_text_messages(account: Account, concurrency: int, calls: set[int]) -> None:
    chats = [f"{CHAT[:-1]}{n}" for n in range(1, 6)]
    for number, chat in enumerate(chats):
        account.planned["StartChatContact"] = [{"ContactId": chat, "ParticipantId": "p", "ParticipantToken": "t"}]
        account.call("forward", texts(1, OURS_TOO, f"{number}") if number else texts(1, OURS_TOO))
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
    ("function", "ours", "operations"),
    [
        ("forward", EVENTS, {"SendChatIntegrationEvent"}),
        ("forward", OURS_TOO, {"StartChatContact", "CreateParticipantConnection", "SendMessage"}),
        ("reply", OURS_TOO, {"SendTextMessage"}),
    ],
)
def test_the_time_for_one_call_is_the_configured_one(
    account: Account, function: str, ours: str, operations: set[str]
) -> None:
    """And a call is made once: when to make it again is decided by the bridge."""
    if function == "reply":
        open_chat(account)
    account.config = compiled(limits={"call_timeout": 3.25})
    account.call(function, replies(CHAT) if function == "reply" else texts(1, ours))
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
    trouble, limits, expected = WAITS[setting]
    account.config = compiled(limits=limits)
    account.always["SendChatIntegrationEvent"] = trouble
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
