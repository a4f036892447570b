"""The promises end to end: real queues, real functions, injected faults."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest

from ops.failed.commands import redrive
from ops.target import Target
from tests.sandbox.alarms import Watch
from tests.sandbox.texts import (
    BUSINESS_NUMBER,
    OTHER_BUSINESS_NUMBER,
    Phones,
    Text,
    assert_each_shown_once_in_the_order_of_the_queue,
    customer,
    forwarded,
    until,
)

VISIBILITY = 30  # seconds: six times function_timeout in tests/sandbox/bridge.toml


def test_a_thousand_texts_through_errors_are_each_shown_once_in_order(phones: Phones) -> None:
    phones.simulator.settings(rate=1000, burst=1000)
    rounds = [[Text(customer=customer(1000 + c), body=f"{c}: {n}") for c in range(200)] for n in range(5)]
    texts = [text for round_ in rounds for text in round_]
    phones.simulator.fault("throttle", share=0.3, seed=1)
    phones.simulator.fault("error", share=0.1, seed=2)
    phones.send(texts, per_second=25)
    until(lambda: phones.waiting() == 0, seconds=180, what="drained")
    until(lambda: forwarded(phones, texts), seconds=30, what="all forwarded")
    assert_each_shown_once_in_the_order_of_the_queue(phones, texts)
    assert phones.count("FailedQueueUrl") == phones.count("UndeliveredQueueUrl") == 0
    refused = phones.simulator.status()["refused"]
    assert refused["ThrottlingException"] > 200 and refused["InternalServiceException"] > 60, "no fault was felt"
    chats = {entry["contact"] for entry in phones.shown()}
    assert len(chats) == 200


def test_nothing_is_lost_while_connect_refuses_for_visibility_timeouts(phones: Phones) -> None:
    texts = [Text(customer=customer(2000 + c), body=f"{c}: {n}") for n in range(3) for c in range(4)]
    watch = Watch.begin(phones.sandbox)
    with phones.fault("refuse"):
        phones.queue(texts[:4])
        phones.send(texts[4:])
        until(lambda: phones.item(texts[0].key).get("error") == "AccessRefusedError", seconds=20, what="noted")
        assert watch.on() == {"AlarmTextsBlocked"}
        time.sleep(3.3 * VISIBILITY)
        assert watch.on() - {"AlarmTextsNotTaken"} == {"AlarmTextsBlocked", "AlarmTextsWaiting"}
        assert phones.shown() == []
        assert phones.waiting() == len(texts)
        head = phones.item(texts[0].key)
        assert head["outcome"] == "pending" and head["retries"] > 5
        assert "AccessDenied" in head["reason"]
    until(lambda: forwarded(phones, texts), seconds=VISIBILITY + 20, what="drained by itself")
    assert_each_shown_once_in_the_order_of_the_queue(phones, texts)
    assert phones.count("FailedQueueUrl") == 0


def test_a_function_killed_in_a_batch_loses_nothing_and_keeps_the_order(phones: Phones) -> None:
    warm = Text(customer=customer(3000), body="warm")
    phones.send([warm])
    until(lambda: forwarded(phones, [warm]), seconds=20, what="warm")
    texts = [Text(customer=customer(3001), body=f"text {n}") for n in range(3)]
    phones.simulator.fault("hang", seconds=5, times=1)
    phones.send(texts)
    until(lambda: phones.simulator.status()["faults"] == [], seconds=20, what="the call is under way")
    killed = kill_forward(phones)
    assert killed, "no forward process was found"
    until(lambda: forwarded(phones, texts), seconds=2 * VISIBILITY, what=f"delivered after {killed} was killed")
    assert_each_shown_once_in_the_order_of_the_queue(phones, texts)
    assert phones.count("FailedQueueUrl") == 0


def kill_forward(phones: Phones) -> list[int]:
    name = phones.outputs["ForwardFunctionName"]
    killed = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if f"ministack-lambda-{name}-".encode() in command:
            os.kill(int(process.name), signal.SIGKILL)
            killed.append(int(process.name))
    return killed


@pytest.mark.parametrize("fault", ["hang", "reset-before", "error"])
def test_a_call_that_connect_did_not_take_is_repeated_and_shown_once(phones: Phones, fault: str) -> None:
    text = Text(customer=customer(4000), body=f"through {fault}")
    with phones.fault(fault, times=2):
        phones.send([text])
        until(lambda: forwarded(phones, [text]), seconds=30, what="forwarded")
    assert phones.contents(text.customer) == [text.body]
    assert phones.item(text.key)["attempts"] == 3


def test_a_lost_answer_is_the_one_way_in_which_connect_shows_a_text_twice(phones: Phones) -> None:
    """A caller cannot know whether such a call had its effect, and SendChatIntegrationEvent has no client token."""
    text = Text(customer=customer(4100), body="answer lost")
    with phones.fault("reset-after", times=1):
        phones.send([text])
        until(lambda: forwarded(phones, [text]), seconds=30, what="forwarded")
    assert phones.contents(text.customer) == [text.body, text.body]


def test_a_text_that_sns_delivers_twice_is_shown_once(phones: Phones) -> None:
    text = Text(customer=customer(4200), body="twice")
    phones.send([text, text])
    until(lambda: forwarded(phones, [text]), seconds=20, what="forwarded")
    phones.send([text])
    time.sleep(2)
    assert phones.waiting() == 0
    assert phones.contents(text.customer) == [text.body]


def test_a_duplicate_that_sqs_lets_through_is_stopped_by_the_ledger(phones: Phones) -> None:
    """SQS deduplicates for five minutes. The test uses another deduplication id instead of waiting."""
    text = Text(customer=customer(4300), body="once")
    phones.send([text])
    until(lambda: forwarded(phones, [text]), seconds=20, what="forwarded")
    record = {"EventSource": "aws:sns", "Sns": {"MessageId": "again", "Message": text.message()}}
    phones.sandbox.client("sqs").send_message(
        QueueUrl=phones.outputs["ConversationsQueueUrl"],
        MessageBody=json.dumps(record),
        MessageGroupId="group",
        MessageDeduplicationId="another",
    )
    until(lambda: phones.item(text.key).get("duplicates") == 1, seconds=20, what="suppressed")
    assert phones.contents(text.customer) == [text.body]


def test_a_text_that_fails_again_within_five_minutes_is_still_there(phones: Phones) -> None:
    text = Text(customer=customer(5000), body="nobody knows this number", business_number="+12125550199")
    target = Target.in_sandbox(phones.sandbox.name)
    phones.send([text])
    entry_ids = []
    for _ in range(3):
        (entry,) = until(phones.failed, seconds=20, what="in failed")
        entry_ids.append(entry["MessageId"])
        assert json.loads(json.loads(entry["Body"])["Sns"]["Message"])["messageBody"] == text.body
        assert redrive(target).put_back == 1
    (entry,) = until(phones.failed, seconds=20, what="in failed again")
    assert len({*entry_ids, entry["MessageId"]}) == 4
    assert phones.outcome(text) == "failed"
    assert entry["MessageAttributes"]["reason"]["StringValue"] == phones.item(text.key)["reason"]
    phones.empty("FailedQueueUrl")


def test_what_intake_cannot_take_is_kept_on_undelivered(phones: Phones) -> None:
    phones.sandbox.client("lambda").invoke(
        FunctionName=phones.outputs["IntakeFunctionName"], InvocationType="Event", Payload=json.dumps({"no": "SNS"})
    )
    (entry,) = until(phones.undelivered, seconds=30, what="on undelivered")
    assert json.loads(entry["Body"])["requestPayload"] == {"no": "SNS"}
    phones.empty("UndeliveredQueueUrl")


def test_a_long_text_that_is_interrupted_between_two_parts_is_whole_in_the_end(phones: Phones) -> None:
    text = Text(customer=customer(6000), body=" ".join(f"word{n}" for n in range(500)))
    phones.simulator.settings(latency=0.4)
    phones.send([text])
    until(phones.shown, seconds=20, what="the first part")
    with phones.fault("refuse"):
        held = until(lambda: phones.item(text.key).get("error") and phones.item(text.key), seconds=20, what="held")
        assert 1 <= held["parts_done"] < held["parts"]
    until(lambda: forwarded(phones, [text]), seconds=30, what="forwarded")
    parts = phones.contents(text.customer)
    assert len(parts) == held["parts"] and "".join(parts) == text.body


def test_texts_to_both_of_our_numbers_are_two_chats(phones: Phones) -> None:
    texts = [
        Text(customer=customer(6100), body=business_number, business_number=business_number)
        for business_number in (BUSINESS_NUMBER, OTHER_BUSINESS_NUMBER)
    ]
    phones.send(texts)
    until(lambda: forwarded(phones, texts), seconds=20, what="forwarded")
    entries = [entry for entry in phones.shown() if entry["source"] == customer(6100)]
    assert len({entry["contact"] for entry in entries}) == 2
    assert {entry["display_name"] for entry in entries} == {customer(6100), f"Support: {customer(6100)}"}


@pytest.mark.parametrize("answer", ["not-found", "ignored"])
def test_ending_a_chat_twice_does_nothing_with_either_answer_of_connect(phones: Phones, answer: str) -> None:
    phones.simulator.settings(without_chat=answer)
    who = customer(6200)
    texts = [Text(customer=who, body="hello"), Text(customer=who, body="stop"), Text(customer=who, body="Stop")]
    outcomes = []
    for text in texts:
        phones.send([text])
        until(lambda text=text: phones.outcome(text) not in (None, "pending"), seconds=20, what="done")  # type: ignore[misc]
        outcomes.append(phones.outcome(text))
    assert outcomes == ["forwarded", "forwarded", "ignored"]
    assert phones.contents(who) == ["hello"]
    assert [chat["ended"] for chat in phones.simulator.chats()] == [True]
