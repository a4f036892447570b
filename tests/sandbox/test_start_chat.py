"""start-chat delivery in both directions: texts to the agent, replies to the phone."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

import pytest

from ops.failed.commands import redrive
from ops.target import Target
from tests.sandbox.texts import (
    START_CHAT,
    Phones,
    Text,
    assert_each_shown_once_in_the_order_of_the_queue,
    customer,
    until,
)

INTERACTIVE = "application/vnd.amazonaws.connect.message.interactive"


def text(phones: Phones, who: str, body: str) -> Text:
    """Sends texts and waits until the agent sees them."""
    sent = Text(customer=who, body=body, business_number=START_CHAT)
    phones.send([sent])
    until(lambda: phones.outcome(sent) == "forwarded", seconds=40, what=f"{body!r} forwarded")
    return sent


def on_phone(phones: Phones, who: str) -> list[str]:
    return [received["body"] for received in phones.simulator.phone(who)]


def chats_of(phones: Phones, who: str) -> list[dict[str, Any]]:
    return [chat for chat in phones.simulator.chats() if chat["source"] == who]


def said(chat: dict[str, Any], role: str = "CUSTOMER") -> list[str]:
    return [message["content"] for message in chat["messages"] if message["role"] == role]


def test_texts_reach_one_chat_and_the_reply_reaches_the_phone(phones: Phones) -> None:
    who = customer(9001)
    first = text(phones, who, "hello")
    phones.simulator.reply(who, "Good morning, how can I help?")
    (received,) = until(lambda: phones.simulator.phone(who), seconds=40, what="the reply on the phone")
    assert received["body"] == "Good morning, how can I help?"
    assert received["by"] == "SendTextMessage" and received["from"] == START_CHAT
    text(phones, who, "My bell is broken")
    (chat,) = chats_of(phones, who)
    assert said(chat) == ["hello", "My bell is broken"]
    item = phones.item(first.key)
    assert item["new_chat"] is True and item["contact"] == chat["contact"]


def test_a_late_event_of_an_ended_chat_does_not_end_the_next_chat(phones: Phones) -> None:
    who = customer(9002)
    text(phones, who, "hello")
    phones.simulator.end(who, copies=0)  # its notification comes late
    text(phones, who, "are you there?")
    old, new = chats_of(phones, who)
    assert (said(old), said(new)) == (["hello"], ["are you there?"])
    (notice,) = [
        n["n"] for n in phones.simulator.notifications() if n["body"].get("ContentType", "").endswith("chat.ended")
    ]
    phones.simulator.publish_again(notice)
    until(lambda: phones.count("RepliesQueueUrl") == 0, seconds=20, what="the notice is taken")
    text(phones, who, "still here")
    assert len(chats_of(phones, who)) == 2


def test_replies_reach_the_phone_after_a_transfer_and_after_a_leave(phones: Phones) -> None:
    who = customer(9003)
    text(phones, who, "hello")
    phones.simulator.transfer(who)
    phones.simulator.reply(who, "I am the other agent")
    until(lambda: on_phone(phones, who) == ["I am the other agent"], seconds=40, what="after the transfer")
    phones.simulator.leave(who)
    phones.simulator.say(who, "Thank you for texting us")
    until(lambda: len(on_phone(phones, who)) == 2, seconds=40, what="the goodbye")
    phones.simulator.reply(who, "for the supervisor only", visibility="AGENT")
    phones.simulator.say(who, "One last word")
    until(lambda: len(on_phone(phones, who)) == 3, seconds=40, what="the last word")
    assert on_phone(phones, who)[1:] == ["Thank you for texting us", "One last word"]


def test_replies_that_are_streamed_twice_reach_the_phone_once(phones: Phones) -> None:
    who = customer(9004)
    text(phones, who, "hello")
    replies = [f"line {n}" for n in range(3)]
    for number, line in enumerate(replies, 1):
        phones.simulator.reply(who, line, copies=2)
        until(lambda number=number: len(on_phone(phones, who)) >= number, seconds=40, what=line)  # type: ignore[misc]
    until(lambda: phones.count("RepliesQueueUrl") == 0, seconds=20, what="nothing is left")
    assert on_phone(phones, who) == replies


def test_a_long_reply_arrives_whole_in_parts_that_sms_carries(phones: Phones) -> None:
    who = customer(9005)
    text(phones, who, "hello")
    reply = " ".join(f"word{n}" for n in range(400))
    phones.simulator.reply(who, reply)
    until(lambda: "".join(on_phone(phones, who)) == reply, seconds=60, what="the whole reply")
    assert all(len(part) <= 1530 for part in on_phone(phones, who)) and len(on_phone(phones, who)) == 3


def test_a_file_of_the_agents_is_one_line_with_a_link(phones: Phones) -> None:
    who = customer(9010)
    text(phones, who, "hello")
    phones.simulator.attach(who, "bill.pdf")
    (line,) = until(lambda: on_phone(phones, who), seconds=40, what="the file's line")
    assert line.startswith("[File: bill.pdf] https://") and "X-Amz-Expires=300" in line
    assert line.endswith(" (for 5 minutes)")


def test_a_number_that_is_texted_back_is_the_option_that_was_offered(phones: Phones) -> None:
    who = customer(9006)
    text(phones, who, "hello")
    picker = {
        "templateType": "ListPicker",
        "version": "1.0",
        "data": {"content": {"title": "What is it about?", "elements": [{"title": "A sale"}, {"title": "A repair"}]}},
    }
    phones.simulator.reply(who, json.dumps(picker), content_type=INTERACTIVE)
    (shown,) = until(lambda: on_phone(phones, who), seconds=40, what="the options")
    assert "What is it about?" in shown and "2. A repair" in shown
    text(phones, who, "2")
    assert said(chats_of(phones, who)[0]) == ["hello", "A repair"]


def test_a_reply_to_an_opted_out_phone_fails_and_the_agent_is_told(phones: Phones) -> None:
    who = customer(9007)
    text(phones, who, "hello")
    phones.simulator.settings(opted_out=[who])
    phones.simulator.reply(who, "You will not read this")
    (entry,) = until(phones.failed, seconds=40, what="in failed")
    assert "OPTED_OUT" in entry["MessageAttributes"]["reason"]["StringValue"]
    assert on_phone(phones, who) == []
    until(lambda: len(said(chats_of(phones, who)[0])) == 2, seconds=20, what="the agent is told")
    assert said(chats_of(phones, who)[0])[1:] == [
        "[The text to the customer was not delivered: they have opted out of texts from this number.]"
    ]
    phones.simulator.settings(opted_out=[])
    assert redrive(Target.in_sandbox(phones.sandbox.name)).put_back == 1
    until(lambda: on_phone(phones, who) == ["You will not read this"], seconds=40, what="redriven")


@pytest.mark.parametrize("operation", ["StartChatContact", "CreateParticipantConnection", "SendMessage"])
def test_a_lost_answer_shows_nothing_twice_and_opens_no_second_chat(phones: Phones, operation: str) -> None:
    who = customer(9008)
    phones.simulator.fault("reset-after", times=1, operation=operation)
    text(phones, who, "once")
    (chat,) = chats_of(phones, who)
    assert said(chat) == ["once"]


def test_a_disconnect_keyword_ends_the_chat(phones: Phones) -> None:
    who = customer(9009)
    text(phones, who, "hello")
    text(phones, who, "stop")
    (chat,) = chats_of(phones, who)
    assert chat["ended"]


def test_texts_through_errors_are_each_shown_once_in_order(phones: Phones) -> None:
    phones.simulator.settings(rates={"*": [1000, 1000]})
    texts = [
        Text(customer=customer(9100 + c), body=f"{c}: {n}", business_number=START_CHAT)
        for n in range(3)
        for c in range(6)
    ]
    phones.simulator.fault("throttle", share=0.3, seed=1)
    phones.simulator.fault("error", share=0.1, seed=2)
    phones.send(texts, per_second=15)
    until(lambda: all(phones.outcome(t) == "forwarded" for t in texts), seconds=120, what="all forwarded")
    phones.simulator.clear_faults()
    assert_each_shown_once_in_the_order_of_the_queue(phones, texts)
    assert all(len(chats_of(phones, customer(9100 + c))) == 1 for c in range(6))


def test_a_message_that_does_not_say_who_may_see_it_ends_in_failed(phones: Phones) -> None:
    """The filter policy accepts it, and not a message for agents only."""
    said, contact = customer(9011), "11112222-0000-4000-8000-000000009011"
    body = {"Id": said, "Type": "MESSAGE", "ParticipantRole": "AGENT", "InitialContactId": contact, "Content": "hello"}
    seen_by = {"AGENT": {"MessageVisibility": "AGENT"}, "nobody knows": {}}
    with closing(phones.sandbox.client("sns")) as sns:
        for who, visibility in seen_by.items():
            attributes = {"Type": "MESSAGE", "ParticipantRole": "AGENT", "InitialContactId": contact} | visibility
            sns.publish(
                TopicArn=phones.outputs["StreamingTopicArn"],
                Message=json.dumps(body | {"Id": who}),
                MessageAttributes={
                    name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
                },
            )
    (entry,) = until(phones.failed, seconds=40, what="the message in failed")
    phones.empty("FailedQueueUrl")
    assert json.loads(json.loads(entry["Body"])["Sns"]["Message"])["Id"] == "nobody knows"
    assert "MessageVisibility is missing" in entry["MessageAttributes"]["reason"]["StringValue"]
