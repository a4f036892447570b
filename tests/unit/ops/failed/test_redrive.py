"""`bridge failed redrive`: which messages return to their queues, in which order, and how fast."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from bridge.errors import MalformedNotificationError, RejectedError, UnknownChatError
from bridge.texts.sms_event import conversation_id
from ops.failed.commands import RedriveRun, print_redriven
from ops.failed.redrive import Redrive
from ops.failed.selection import Selection
from testing.builders import BUSINESS_NUMBER, CUSTOMER, OTHER_CUSTOMER, payload, record
from testing.chat_events import CHAT, chat_record, item
from testing.clock import NOON
from testing.dead_letters import (
    OUTPUTS,
    Queues,
    customer,
    of_reason,
    only,
)


def test_everything_is_put_back_each_conversation_in_its_order() -> None:
    queues = Queues()
    for n in range(25):
        for who in (CUSTOMER, OTHER_CUSTOMER):
            queues.fail(who, f"{who[-4:]}-{n}")
    assert queues.redrive().put_back == 50
    assert len(queues.failed) == 0
    for who in (CUSTOMER, OTHER_CUSTOMER):
        assert queues.keys(queues.conversations, who) == [f"{who[-4:]}-{n}" for n in range(25)]
    assert {record.outcome for record in queues.ledger.records().values()} == {"pending"}
    assert all(record.redriven_at for record in queues.ledger.records().values())


def test_a_message_is_sent_unchanged_with_its_failed_message_id_as_dedup_id() -> None:
    queues = Queues()
    queues.fail(CUSTOMER, "one")
    (before,) = queues.failed.messages()
    queues.redrive()
    (after,) = queues.conversations.messages()
    assert (after.body, after.group, after.deduplication_id) == (before.body, before.group, before.message_id)


def test_if_one_is_refused_none_behind_it_is_sent_but_other_conversations_are() -> None:
    queues = Queues()
    for n in range(12):
        for who in (CUSTOMER, OTHER_CUSTOMER):
            queues.fail(who, f"{who[-4:]}-{n}")
    queues.sqs.refusing = {conversation_id(CUSTOMER, BUSINESS_NUMBER)}
    done = queues.redrive()
    assert (done.put_back, dict(done.refused)) == (12, {"InternalError": 1})
    assert queues.keys(queues.conversations, CUSTOMER) == [] and queues.visible() == 12
    queues.sqs.refusing = set()
    assert queues.redrive().put_back == 12
    assert queues.keys(queues.conversations, CUSTOMER) == [f"{CUSTOMER[-4:]}-{n}" for n in range(12)]


def test_a_batch_that_is_refused_in_part_keeps_the_order_of_each_conversation() -> None:
    queues = Queues()
    for n in range(3):
        queues.fail(CUSTOMER, f"a{n}")
    refused_once = iter([True])

    class Flaky:
        def __getattr__(self, name: str) -> Any:
            def call(**request: Any) -> Any:
                first = request.get("Entries", [{}])[0]
                if name == "send_message_batch" and "a1" in first["MessageBody"] and next(refused_once, False):
                    return {"Failed": [{"Id": entry["Id"], "Code": "InternalError"} for entry in request["Entries"]]}
                return getattr(queues.sqs, name)(**request)

            return call

    done = queues.redrive(sqs=Flaky())
    assert queues.keys(queues.conversations) == ["a0", "a1", "a2"]
    assert (done.put_back, dict(done.refused)) == (3, {"InternalError": 1})


def test_a_reply_of_a_stack_without_a_reply_path_stays_in_failed_and_is_told() -> None:
    """On the conversations queue, it would be a malformed text."""
    queues = Queues()
    queues.fail(CUSTOMER, "one")
    queues.put("{}", "a-reply", "contact-1", UnknownChatError("no phone"), "reply")
    without = {name: value for name, value in OUTPUTS.items() if name != "RepliesQueueUrl"}
    clock = queues.clock.as_clock()
    done = Redrive(
        sqs=queues.sqs, outputs=without, ledger=queues.ledger.operators, selection=Selection(), clock=clock
    ).run()
    assert (queues.keys(queues.conversations), len(queues.failed), done.put_back) == (["one"], 1, 1)
    assert queues.visible() == 1
    run = RedriveRun(queues.plan())
    run.redriven.without_queue |= done.without_queue
    assert "1 of replies left: the stack has no replies queue any more" in run.problems()[0]


def test_a_message_is_deleted_from_failed_only_once_its_queue_has_it() -> None:
    queues = Queues()
    queues.fail(CUSTOMER, "one")
    queues.sqs.fail_next("send_message_batch", "conversations", times=1)
    with pytest.raises(ClientError):
        queues.redrive()
    assert (queues.keys(queues.failed), queues.keys(queues.conversations)) == (["one"], [])
    assert queues.visible() == 1, "it is released at once"


def test_a_message_sent_but_not_deleted_is_reported_and_not_sent_twice() -> None:
    queues = Queues()
    queues.fail(CUSTOMER, "one")
    queues.fail(CUSTOMER, "two")
    queues.sqs.undeletable = {queues.failed.messages()[0].body}
    done = queues.redrive()
    assert (done.put_back, len(done.undeleted)) == (2, 1)
    queues.sqs.undeletable = set()
    queues.redrive()
    assert (queues.keys(queues.failed), queues.keys(queues.conversations)) == ([], ["one", "two"])


def test_texts_that_are_put_back_ahead_of_an_earlier_one_are_counted() -> None:
    queues = Queues()
    for key in ("a0", "a1", "a2"):
        queues.fail(CUSTOMER, key)
    queues.fail(OTHER_CUSTOMER, "b0")
    done = queues.redrive(only("a1", "a2", "b0"))
    assert (done.put_back, len(done.overtaking)) == (3, 2)
    assert queues.keys(queues.failed) == ["a0"]


def test_what_sqs_moved_returns_to_its_source_queue_and_is_counted_apart() -> None:
    queues = Queues()
    text, reply = record(payload("hi", inboundMessageId="text")), chat_record(item("hi", Id="reply"))
    queues.conversations.send(
        json.dumps(text), group=conversation_id(CUSTOMER, BUSINESS_NUMBER), deduplication_id="text"
    )
    queues.replies.send(json.dumps(reply), group=CHAT, deduplication_id="reply")
    for _ in range(3):
        queues.clock.time += 200
        queues.conversations.receive(), queues.replies.receive()
    assert len(queues.failed) == 2
    done = queues.redrive(of_reason("MovedBySqs"))
    assert (done.put_back, done.from_sqs) == (2, 2)
    (back,), (reply_back,) = queues.conversations.messages(), queues.replies.messages()
    assert (json.loads(back.body), back.group) == (text, conversation_id(CUSTOMER, BUSINESS_NUMBER))
    assert (json.loads(reply_back.body), reply_back.group) == (reply, CHAT)


def test_a_reply_goes_back_to_its_chat_by_the_stage_that_gave_it_up() -> None:
    queues = Queues()
    body = json.dumps(chat_record(item("hi", Id="one")))
    queues.put(body, "reply-one", CHAT, RejectedError("400"), "reply")
    queues.redrive()
    assert [message.group for message in queues.replies.messages()] == [CHAT]
    assert queues.ledger.outcome("reply-one") == "pending"


def test_a_malformed_text_goes_to_its_conversation_once_it_can_be_read() -> None:
    queues = Queues()
    readable = json.dumps(record(payload("hi", inboundMessageId="one")))
    queues.put(readable, "one", "one", MalformedNotificationError("odd"), "intake")
    queues.put(json.dumps(record("no JSON")), "two", "two", MalformedNotificationError("odd"), "intake")
    queues.redrive()
    assert {message.group for message in queues.conversations.messages()} == {
        conversation_id(CUSTOMER, BUSINESS_NUMBER),
        "two",
    }


def test_malformed_texts_of_a_conversation_return_in_the_order_of_publication() -> None:
    queues = Queues()
    for minute in (3, 1, 4):
        text = payload("hi", inboundMessageId=f"t{minute}")
        body = json.dumps(record(text, sent_at=NOON + timedelta(minutes=minute)))
        queues.put(body, f"t{minute}", f"t{minute}", MalformedNotificationError("odd"), "intake")
    queues.put(
        json.dumps(record(payload("hi", inboundMessageId="t2"), sent_at=NOON + timedelta(minutes=2))),
        "t2", conversation_id(CUSTOMER, BUSINESS_NUMBER), RejectedError("400"), "forward",
    )  # fmt: skip
    queues.redrive()
    assert queues.keys(queues.conversations, CUSTOMER) == ["t1", "t2", "t3", "t4"]


def test_a_group_keeps_the_order_that_it_has_in_failed() -> None:
    """A text of which some parts were shown stays first, even if it was published later."""
    queues = Queues()
    for minute in (2, 1):
        body = json.dumps(
            record(payload("hi", inboundMessageId=f"t{minute}"), sent_at=NOON + timedelta(minutes=minute))
        )
        queues.put(body, f"t{minute}", conversation_id(CUSTOMER, BUSINESS_NUMBER), RejectedError("400"), "forward")
    queues.redrive()
    assert queues.keys(queues.conversations) == ["t2", "t1"]


def test_a_text_is_put_back_even_if_the_ledger_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    queues = Queues()
    queues.fail(CUSTOMER, "one")

    def broken(*_: Any, **__: Any) -> None:
        raise ClientError({"Error": {"Code": "InternalServerError"}}, "UpdateItem")

    queues.ledger.operators.redriven = broken  # type: ignore[method-assign]
    done = queues.redrive()
    assert (done.put_back, done.unrecorded) == (1, 1)
    run = RedriveRun(queues.plan())
    run.redriven.unrecorded = 1
    print_redriven(queues.plan(), run, [])
    assert "of 1 of them the ledger could not be told" in capsys.readouterr().out


@pytest.mark.parametrize(("rate", "seconds"), [(2.0, 10), (0.5, 40), (50.0, 0.4)])
def test_a_rate_is_kept(rate: float, seconds: float) -> None:
    queues = Queues()
    for n in range(21):
        queues.fail(customer(n), f"t{n}")
    before = queues.clock.time
    assert queues.redrive(rate=rate).put_back == 21
    assert seconds * 0.75 <= queues.clock.time - before <= seconds + 1
    assert queues.keys(queues.conversations) == [f"t{n}" for n in range(21)], (
        "nothing became visible while it was processed"
    )
