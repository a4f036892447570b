"""Message streaming to SNS topics."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.simulator.streaming import SnsPublisher
from testing.simulator import CUSTOMER, EVENT, INSTANCE, TOPIC, SimulatorHarness, refusal


class Sns:
    """In place of a client of SNS; what is told to fail does."""

    def __init__(self) -> None:
        self.published: list[dict[str, Any]] = []

    def publish(self, **request: Any) -> None:
        if "fail" in request["Message"]:
            raise ClientError({"Error": {"Code": "NotFound", "Message": "no such topic"}}, "Publish")
        self.published.append(request)


def entry_id(simulator: SimulatorHarness) -> str:
    """Of the agent who joined."""
    joined = [e["body"] for e, _ in simulator.published if e["body"].get("ParticipantRole") == "AGENT"]
    return str(joined[0]["ParticipantId"])


def test_a_notification_is_as_documented(simulator: SimulatorHarness) -> None:
    contact, _ = simulator.chat()
    simulator.act("reply", CUSTOMER, text="How can I help?")
    entry, _ = simulator.published[-1]
    assert entry["topic"] == TOPIC
    body = dict(entry["body"])
    assert (body.pop("Id"), body.pop("ParticipantId")) == (
        simulator.chats()[0]["messages"][0]["id"],
        entry_id(simulator),
    )
    assert body == {
        "AbsoluteTime": "1970-01-12T13:46:40.000Z",
        "Content": "How can I help?",
        "ContentType": "text/plain",
        "Type": "MESSAGE",
        "DisplayName": "Agent 1",
        "ParticipantRole": "AGENT",
        "InitialContactId": contact,
        "ContactId": contact,
    }
    assert entry["attributes"] == {
        "InitialContactId": contact,
        "ContactId": contact,
        "ParticipantRole": "AGENT",
        "Type": "MESSAGE",
        "ContentType": "text/plain",
        "MessageVisibility": "ALL",
        "InstanceId": INSTANCE,
        "AccountId": "111122223333",
    }


def test_messages_of_the_customer_are_published_too(simulator: SimulatorHarness) -> None:
    _, token = simulator.chat(InitialMessage={"ContentType": "text/plain", "Content": "first"})
    simulator.send_message(token, "second")
    bodies = [entry["body"] for entry, _ in simulator.published]
    echoes = [b["Content"] for b in bodies if (b["Type"], b.get("ParticipantRole")) == ("MESSAGE", "CUSTOMER")]
    assert echoes == ["first", "second"]


def test_streaming_can_be_added_to_a_contact_and_to_two_topics_at_most(simulator: SimulatorHarness) -> None:
    started = simulator.start(ChatStreamingConfiguration=None)
    contact = started["ContactId"]

    def stream(topic: str, **more: Any) -> Any:
        return simulator.connect.start_contact_streaming(
            InstanceId=INSTANCE, ContactId=contact, ChatStreamingConfiguration={"StreamingEndpointArn": topic}, **more
        )["StreamingId"]

    assert stream(TOPIC, ClientToken="a") == stream(TOPIC, ClientToken="a")
    stream(f"{TOPIC}-too")
    assert refusal(stream, f"{TOPIC}-three") == "LimitExceededException"
    assert refusal(stream, f"{TOPIC}.fifo") == "InvalidRequestException"
    simulator.send_message(simulator.join(started), "hello")
    assert [entry["topic"] for entry, _ in simulator.published if entry["body"].get("Content") == "hello"] == [
        TOPIC,
        f"{TOPIC}-too",
    ]
    simulator.act("end", contact)
    assert refusal(stream, TOPIC) == "ResourceNotFoundException"


def test_the_event_of_an_ended_chat_has_no_participant(simulator: SimulatorHarness) -> None:
    contact, _ = simulator.chat()
    simulator.act("end", contact)
    entry, _ = simulator.published[-1]
    assert entry["body"]["ContentType"] == f"{EVENT}chat.ended"
    assert "ParticipantRole" not in entry["body"] | entry["attributes"]
    assert "has ended" in simulator.act_error("reply", contact, text="too late")


def test_a_chat_whose_time_is_over_publishes_its_end(simulator: SimulatorHarness) -> None:
    simulator.chat()
    simulator.clock.now += 90000
    simulator.control("GET", "chats")
    assert simulator.notified()[-1] == ("chat.ended", None)


def test_a_notification_can_come_twice_and_late(simulator: SimulatorHarness) -> None:
    contact, _ = simulator.chat()
    simulator.act("reply", contact, text="again", copies=2, delay=3)
    assert simulator.published[-1] == simulator.published[-2]
    assert simulator.published[-1][1] == 3
    simulator.act("reply", contact, text="never", copies=0)
    assert simulator.published[-1][0]["body"]["Content"] == "again"


def test_an_earlier_notification_can_be_published_again(simulator: SimulatorHarness) -> None:
    contact, _ = simulator.chat()
    simulator.act("end", contact)
    ended = simulator.control("GET", "notifications")["notifications"][-1]
    simulator.control("POST", "notifications", json={"n": ended["n"], "delay": 1})
    assert [delay for entry, delay in simulator.published if entry["n"] == ended["n"]] == [0, 1]
    assert simulator.published[-1][0]["body"] == ended["body"]
    assert simulator.control("GET", "notifications")["notifications"][-1]["published"] == 2
    response = simulator.http("POST", "/_simulator/notifications", json={"n": ended["n"] + 1})
    assert response.json()["error"] == f"there is no notification {ended['n'] + 1}; the last one is {ended['n']}"


def test_the_same_seed_repeats_and_delays_the_same_notifications(simulator: SimulatorHarness) -> None:
    def disturbed() -> list[tuple[str, float]]:
        faults = {"notify_twice": 0.5, "notify_late": 0.5, "notify_late_seconds": 2, "notify_seed": 7}
        simulator.control("POST", "settings", json=faults)
        _, token = simulator.chat()
        simulator.published.clear()
        for n in range(40):
            simulator.send_message(token, str(n))
        return [(entry["body"]["Content"], delay) for entry, delay in simulator.published]

    first = disturbed()
    assert first == disturbed()
    assert 45 < len(first) < 75
    assert {delay for _, delay in first} == {0, 2}


def test_a_publisher_keeps_the_order_of_a_chat_except_for_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    sns, done, over = Sns(), list[str | None](), threading.Event()
    monkeypatch.setattr("sandbox.simulator.streaming.boto3.client", lambda *_, **__: sns)
    publish = SnsPublisher("http://127.0.0.1:9")

    def count(error: str | None) -> None:
        done.append(error)
        if len(done) == 23:
            over.set()

    def entry(content: str) -> dict[str, Any]:
        return {
            "topic": TOPIC,
            "body": {"InitialContactId": "c", "Content": content},
            "attributes": {"Type": "MESSAGE"},
        }

    publish(entry("late"), 0.3, count)
    for n in range(20):
        publish(entry(str(n)), 0, count)
    publish(entry("fail"), 0, count)
    publish(entry("after"), 0, count)
    assert over.wait(10)
    said = [json.loads(request["Message"])["Content"] for request in sns.published]
    assert said == [*map(str, range(20)), "after", "late"]
    assert sns.published[0]["TopicArn"] == TOPIC
    assert sns.published[0]["MessageAttributes"] == {"Type": {"DataType": "String", "StringValue": "MESSAGE"}}
    assert [error for error in done if error] == [
        "An error occurred (NotFound) when calling the Publish operation: no such topic"
    ]
