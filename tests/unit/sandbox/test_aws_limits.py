"""Each limit of SQS and SNS, and that the bridge stays within them, whatever a notification contains."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bridge.aws.queues import DeadLetterQueue
from bridge.errors import AccessRefusedError, QueueError
from bridge.processing.notification import SnsNotification
from bridge.replies import chat_events
from bridge.texts import sms_event
from sandbox import aws_limits
from sandbox.aws_limits import LARGEST_MESSAGE, LARGEST_NOTIFICATION, RefusedError
from testing.builders import payload, record
from testing.chat_events import chat_record, item
from testing.pipeline import ReplyPipeline, TextPipeline

GOOD: Mapping[str, Any] = {"MessageBody": "hi", "MessageGroupId": "group", "MessageDeduplicationId": "id"}


def attributes(**values: Any) -> dict[str, Any]:
    return {"MessageAttributes": {name: {"DataType": "String", "StringValue": value} for name, value in values.items()}}


def named(name: str) -> dict[str, Any]:
    return {"MessageAttributes": {name: {"DataType": "String", "StringValue": "value"}}}


def typed(kind: str, value: str = "value") -> dict[str, Any]:
    return {"MessageAttributes": {"one": {"DataType": kind, "StringValue": value}}}


REFUSED_MESSAGES: Mapping[str, tuple[dict[str, Any], str]] = {
    "no body": ({"MessageBody": ""}, "MissingParameter"),
    "a control character": ({"MessageBody": "a\x00b"}, "InvalidMessageContents"),
    "a lone surrogate": ({"MessageBody": "\ud800"}, "InvalidMessageContents"),
    "no character": ({"MessageBody": "\uffff"}, "InvalidMessageContents"),
    "too large": ({"MessageBody": "x" * (LARGEST_MESSAGE + 1)}, "InvalidParameterValue"),
    "too large in UTF-8": ({"MessageBody": "é" * (LARGEST_MESSAGE // 2 + 1)}, "InvalidParameterValue"),
    "too large with attributes": (
        {"MessageBody": "x" * (LARGEST_MESSAGE - 5)} | attributes(a="b"),
        "InvalidParameterValue",
    ),
    "eleven attributes": (attributes(**{f"a{n}": "v" for n in range(11)}), "InvalidParameterValue"),
    "an empty attribute": (attributes(reason=""), "InvalidParameterValue"),
    "a control character in an attribute": (attributes(reason="\x01"), "InvalidParameterValue"),
    "an attribute of no type": (typed("Text"), "InvalidParameterValue"),
    "a number that is none": (typed("Number", "many"), "InvalidParameterValue"),
    "an attribute's name with a space": (named("a b"), "InvalidParameterValue"),
    "an attribute's name of AWS": (named("AWS.name"), "InvalidParameterValue"),
    "an attribute's name with a dot at its end": (named("name."), "InvalidParameterValue"),
    "a long attribute's name": (named("n" * 257), "InvalidParameterValue"),
    "a long group": ({"MessageGroupId": "g" * 129}, "InvalidParameterValue"),
    "a group with a space": ({"MessageGroupId": "a group"}, "InvalidParameterValue"),
    "an empty deduplication id": ({"MessageDeduplicationId": ""}, "InvalidParameterValue"),
    "a deduplication id that is not ASCII": ({"MessageDeduplicationId": "é"}, "InvalidParameterValue"),
}


@pytest.mark.parametrize(("change", "code"), REFUSED_MESSAGES.values(), ids=REFUSED_MESSAGES)
def test_sqs_refuses_a_message_with(change: dict[str, Any], code: str) -> None:
    with pytest.raises(RefusedError) as refused:
        aws_limits.check_message({**GOOD, **change}, fifo=True)
    assert refused.value.code == code


def test_sqs_takes_a_message_at_every_limit() -> None:
    every = {f"a.{n}_-": "v" for n in range(10)}
    size = sum(len(name) + len("String") + 1 for name in every)
    fits = {"MessageBody": "x" * (LARGEST_MESSAGE - size)} | attributes(**every)
    ids = {"MessageGroupId": "~" * 128, "MessageDeduplicationId": "!" * 128}
    aws_limits.check_message({**fits, **ids}, fifo=True)
    aws_limits.check_message({"MessageBody": "\t\n\r \ud7ff\ue000\ufffd\U0010ffff", "MessageGroupId": "g"}, fifo=False)
    aws_limits.check_message({**GOOD, **typed("Number.int", "-1.5e3")}, fifo=True)


def test_sqs_refuses_a_deduplication_id_on_a_standard_queue() -> None:
    with pytest.raises(RefusedError, match="not valid for this queue type"):
        aws_limits.check_message(GOOD, fifo=False)


def half(number: int) -> dict[str, Any]:
    return {"Id": str(number), "MessageBody": "x" * (LARGEST_MESSAGE // 2)}


REFUSED_REQUESTS: Mapping[str, tuple[str, dict[str, Any], str]] = {
    "a batch too large in all": (
        "SendMessageBatch",
        {"Entries": [half(1), half(2) | attributes(a="b")]},
        "BatchRequestTooLong",
    ),
    "hidden for too long": ("ReceiveMessage", {"VisibilityTimeout": 43_201}, "InvalidParameterValue"),
    "a long poll too long": ("ReceiveMessage", {"WaitTimeSeconds": 21}, "InvalidParameterValue"),
    "eleven messages": ("ReceiveMessage", {"MaxNumberOfMessages": 11}, "InvalidParameterValue"),
    "no message": ("ReceiveMessage", {"MaxNumberOfMessages": 0}, "InvalidParameterValue"),
    "hidden anew for too long": ("ChangeMessageVisibility", {"VisibilityTimeout": 43_201}, "InvalidParameterValue"),
    "one of a batch hidden anew for too long": (
        "ChangeMessageVisibilityBatch",
        {"Entries": [{"VisibilityTimeout": 0}, {"VisibilityTimeout": 43_201}]},
        "InvalidParameterValue",
    ),
}


@pytest.mark.parametrize(("action", "request_", "code"), REFUSED_REQUESTS.values(), ids=REFUSED_REQUESTS)
def test_sqs_refuses_a_request_for(action: str, request_: dict[str, Any], code: str) -> None:
    with pytest.raises(RefusedError) as refused:
        aws_limits.check_sqs(action, request_)
    assert refused.value.code == code


def test_sqs_takes_requests_at_every_limit() -> None:
    aws_limits.check_sqs("SendMessageBatch", {"Entries": [half(1), half(2)]})
    aws_limits.check_sqs(
        "ReceiveMessage", {"VisibilityTimeout": 43_200, "WaitTimeSeconds": 20, "MaxNumberOfMessages": 10}
    )
    aws_limits.check_sqs("ChangeMessageVisibilityBatch", {"Entries": [{"VisibilityTimeout": 43_200}]})


ALTOGETHER = {"Type": ["MESSAGE", "ATTACHMENT"], "Role": [{"anything-but": ["CUSTOMER"]}]}
REFUSED_POLICIES: Mapping[str, tuple[object, str]] = {
    "six keys": ({name: ["x"] for name in "abcdef"}, "more than 5 keys"),
    "two keys in each of three branches": ({"$or": [{"a": ["x"], "b": ["y"]}] * 3}, "more than 5 keys"),
    "151 combinations": ({"a": [str(n) for n in range(151)]}, "too complex"),
    "152 combinations of two keys": ({"a": ["1", "2"], "b": [str(n) for n in range(76)]}, "too complex"),
    "a key in a key": ({"a": {"b": ["x"]}}, "does not support nested"),
    "a value that is no list": ({"a": "x"}, "must be an object or an array"),
    "an empty list": ({"a": []}, "must be an object or an array"),
    "an operator that there is not": ({"a": [{"like": "x"}]}, "Unrecognized match type like"),
    "a list in a list": ({"a": [["x"]]}, "Match value"),
    "no object": (["a"], "failed to parse"),
}


@pytest.mark.parametrize(("policy", "says"), REFUSED_POLICIES.values(), ids=REFUSED_POLICIES)
def test_sns_refuses_a_filter_policy_with(policy: object, says: str) -> None:
    with pytest.raises(RefusedError, match=says) as refused:
        aws_limits.check_filter_policy(json.dumps(policy))
    assert refused.value.code == "InvalidParameter"


def test_sns_takes_a_filter_policy_at_every_limit() -> None:
    aws_limits.check_filter_policy("")
    aws_limits.check_filter_policy(json.dumps({name: ["x"] for name in "abcde"}))
    aws_limits.check_filter_policy(json.dumps({"a": [str(n) for n in range(150)]}))
    aws_limits.check_filter_policy(json.dumps({"$or": [ALTOGETHER, {"ContentType": [None, True, 1.5]}]}))
    aws_limits.check_filter_policy(json.dumps({"a": {"b": ["x"]}}), scope="MessageBody")


def test_sns_refuses_a_notification_that_is_empty_or_too_large() -> None:
    aws_limits.check_publish({"Message": "x" * LARGEST_NOTIFICATION})
    for request in (
        {"Message": ""},
        {"Message": "x" * (LARGEST_NOTIFICATION + 1)},
        {"Message": "x" * LARGEST_NOTIFICATION} | attributes(a="b"),
        {"Message": "x"} | attributes(a=""),
    ):
        with pytest.raises(RefusedError):
            aws_limits.check_publish(request)


# --- the bridge -----------------------------------------------------------------------------------------------


anything = st.text(st.characters(exclude_categories=()), max_size=300)
"""Also control characters, lone surrogates (which JSON can express) and noncharacters."""
SMS_FIELDS = ("originationNumber", "destinationNumber", "messageBody", "messageKeyword", "inboundMessageId")
ITEM_FIELDS = ("Id", "InitialContactId", "Content", "Type", "MessageVisibility", "ParticipantRole")
kept = settings(deadline=None, suppress_health_check=list(HealthCheck))


@kept
@given(fields=st.fixed_dictionaries({}, optional=dict.fromkeys(SMS_FIELDS, anything)), message_id=anything.filter(bool))
@example(fields={"destinationNumber": "\x00\x01\x02\x03\x04\x05\x06\x07"}, message_id="\x00")
@example(fields={"destinationNumber": "\ud800" * 8}, message_id="\uffff")
def test_sqs_takes_every_text_whatever_is_in_it(fields: dict[str, str], message_id: str) -> None:
    pipeline = TextPipeline()
    pipeline.publish(record(payload("hi") | fields, MessageId=message_id))
    pipeline.process()
    assert len(pipeline.queue) == 0, "the text would be retried for ever"
    failed = len(pipeline.failed)
    assert failed + len(pipeline.connect.contents) >= 1
    assert pipeline.redrive() == failed


@kept
@given(
    fields=st.fixed_dictionaries({}, optional=dict.fromkeys(ITEM_FIELDS, anything)), message_id=anything.filter(bool)
)
def test_sqs_takes_every_reply_whatever_is_in_it(fields: dict[str, str], message_id: str) -> None:
    pipeline = ReplyPipeline()
    came = chat_record(item("hi") | fields, MessageId=message_id)
    pipeline.publish(came)
    ignored = chat_events.parse(SnsNotification.from_record(came)).ignored
    assert len(pipeline.failed) + len(pipeline.queue) == (0 if ignored else 1)


def largest(of: Callable[[str], str], character: str) -> str:
    """The longest message of this character that SNS accepts."""
    room = LARGEST_NOTIFICATION - len(of("").encode())
    message = of(character * (room // (len(of(character).encode()) - len(of("").encode()))))
    assert LARGEST_NOTIFICATION - 20 <= len(message.encode()) <= LARGEST_NOTIFICATION
    return message


def as_sms(body: str) -> str:
    return json.dumps(payload("") | {"messageBody": body}, ensure_ascii=False)


@pytest.mark.parametrize("character", ["x", "é", "€", "🙏", "\x00", '"', "\\", "\x7f", "\u2028", "\uffff"])
def test_the_largest_text_of_sns_fits_into_its_queue_and_into_failed(character: str) -> None:
    pipeline, message = TextPipeline(), largest(as_sms, character)
    came = record(message, UnsubscribeUrl="https://sns." + "u" * 1000, Signature="s" * 1000)
    pipeline.publish(came)
    (queued,) = pipeline.queue.messages()
    assert json.loads(queued.body) == came
    sms = sms_event.parse(SnsNotification.from_json(queued.body)).required()
    assert sms.body == json.loads(message)["messageBody"]
    error = AccessRefusedError("gave up after 6.0 h; last: " + "x" * 1000)
    dead_letters = DeadLetterQueue(client=pipeline.sqs, url="failed", stage="forward", now=pipeline.clock.now)
    dead_letters.send(
        queued.body, error, group_id=queued.group, deduplication_id="id", key="k" * 128, message_id="e" * 128
    )
    assert pipeline.redrive() == 1


@pytest.mark.parametrize(
    "character", ["x", "é", "\x7f", "\uffff", "\n", pytest.param("\x7f" * 7 + "\uffff", id="both ways of escaping")]
)
def test_the_largest_notification_that_is_no_text_fits_into_failed(character: str) -> None:
    pipeline, message = TextPipeline(), largest(str, character)
    pipeline.publish(record(message))
    (failed,) = pipeline.failed.messages()
    assert json.loads(failed.body)["Sns"]["Message"] == message


def test_a_notification_that_no_queue_accepts_makes_intake_fail() -> None:
    """256 KiB of control characters. It is no text, because JSON has escapes for them."""
    with pytest.raises(QueueError, match="InvalidParameterValue"):
        TextPipeline().publish(record("\x00" * LARGEST_NOTIFICATION))
