"""Which texts and messages the options select, and how messages are read."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from bridge import errors
from bridge.errors import BridgeError, RejectedError
from bridge.replies.participants import Participants
from bridge.texts.sms_event import conversation_id
from ops.failed.listing import ADVICE
from ops.failed.messages import FailedMessage, UndeliveredMessage
from ops.failed.queue import first_batch
from ops.failed.selection import Filters, Selection, reasons
from testing.builders import BUSINESS_NUMBER, CUSTOMER, OTHER_CUSTOMER
from testing.chat_events import CHAT, chat_record, item
from testing.clock import NOON
from testing.dead_letters import (
    OUTPUTS,
    Queues,
    failed_record,
    only,
)
from testing.models.fifo import Message
from testing.models.sqs import received


@pytest.mark.parametrize(
    ("filters", "meant"),
    [
        (Filters(), True),
        (Filters(reason="RejectedError"), True),
        (Filters(reason="UnknownNumberError"), False),
        (Filters(number=CUSTOMER), True),
        (Filters(number=f" {CUSTOMER} "), True),
        (Filters(number=BUSINESS_NUMBER), True),
        (Filters(number=OTHER_CUSTOMER), False),
        (Filters(older="1h"), True),
        (Filters(older="3h"), False),
        (Filters(newer="3h"), True),
        (Filters(newer="90m"), False),
        (Filters(reason="RejectedError", newer="90m"), False),
    ],
)
def test_the_ledger_and_the_queue_agree_on_what_is_selected(filters: Filters, meant: bool) -> None:
    """Both failed two hours ago."""
    selection = Selection.of(filters, now=NOON + timedelta(hours=2))
    queues = Queues()
    queues.fail(CUSTOMER, "one")
    (message,) = queues.failed.receive()
    assert selection.has_record(failed_record(0)) == meant
    assert selection.has(FailedMessage.from_message(received(message))) == meant


def test_a_text_is_selected_by_its_key_or_by_the_id_of_sns() -> None:
    queues = Queues()
    queues.fail(CUSTOMER, "one")
    message = FailedMessage.from_message(received(queues.failed.receive()[0]))
    for an_id, meant in (("one", True), ("sns-one", True), (message.message_id, True), ("on", False)):
        assert only(an_id).has(message) == meant


def test_a_reply_is_of_the_phone_that_its_chat_is_with() -> None:
    chat = Participants(customer_number=CUSTOMER, business_number=BUSINESS_NUMBER, business_number_arn="arn")
    selection = Selection(number=CUSTOMER, participants_of={CHAT: chat}.get)
    queues = Queues()
    queues.put(json.dumps(chat_record(item("hi", Id="one"))), "reply-one", CHAT, RejectedError("400"), "reply")
    message = FailedMessage.from_message(received(queues.failed.receive()[0]), replies=OUTPUTS["RepliesQueueUrl"])
    assert message.contacts == {CHAT} and selection.has(message)
    assert selection.has_record(failed_record(0, stage="reply", conversation=CHAT))
    assert not Selection(number=OTHER_CUSTOMER, participants_of={CHAT: chat}.get).has(message)


def test_every_error_that_a_text_can_fail_with_has_advice_and_is_a_reason() -> None:
    def leaves(kind: type[BridgeError]) -> set[str]:
        below = {name for one in kind.__subclasses__() for name in leaves(one)}
        return below or {kind("").code}

    assert ADVICE.keys() == leaves(errors.BridgeError) | {"MovedBySqs", "NotHandedOver", "NotTaken"} == {*reasons()}


def test_a_batch_holds_ten_at_most_and_no_more_than_sqs_takes() -> None:
    def failed(size: int) -> FailedMessage:
        message = Message(
            message_id="m", sequence=1, body="x" * size, group="g", deduplication_id="d", attributes={}, sent_at=0,
            receipt="r",
        )  # fmt: skip
        return FailedMessage.from_message(received(message))

    assert len(first_batch([failed(10)] * 25, most=10)) == 10
    assert len(first_batch([failed(10)] * 25, most=3)) == 3
    assert len(first_batch([failed(100_000)] * 3, most=10)) == 2
    assert len(first_batch([failed(250_000)] * 3, most=10)) == 1


def test_the_repr_of_a_failed_message_has_no_body_and_no_number() -> None:
    queues = Queues()
    queues.fail(CUSTOMER, "one")
    (message,) = queues.failed.receive()
    said = repr(FailedMessage.from_message(received(message)))
    for secret in ("words of", CUSTOMER[1:], BUSINESS_NUMBER[1:], conversation_id(CUSTOMER, BUSINESS_NUMBER)):
        assert secret not in said


def test_times_of_messages_are_in_utc() -> None:
    queues = Queues()
    queues.fail(CUSTOMER, "one")
    assert FailedMessage.from_message(received(queues.failed.receive()[0])).failed_at == NOON
    message = UndeliveredMessage.from_message(
        {"MessageId": "m", "ReceiptHandle": "r", "Body": "x", "Attributes": {"SentTimestamp": "0"}}, outputs=OUTPUTS
    )
    assert message.sent_at == datetime(1970, 1, 1, tzinfo=UTC)
