"""The failed and undelivered queues on models, with a ledger, for tests of `bridge failed`."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bridge.aws.queues import DeadLetterQueue
from bridge.errors import BridgeError, RejectedError
from bridge.processing.notification import SnsNotification
from bridge.processing.state import MessageMetadata
from bridge.texts import sms_event
from bridge.texts.sms_event import conversation_id
from ops.console import Output
from ops.failed.commands import Plan
from ops.failed.discard import Copy, Discard, DiscardResult
from ops.failed.redrive import HandOver, HandOverResult, Redrive, RedriveResult
from ops.failed.selection import Selection
from testing.builders import BUSINESS_NUMBER, CUSTOMER, payload, record
from testing.clock import NOON, FakeClock
from testing.ledger import TableLedger, ledger_record
from testing.models.fifo import Fifo, Message
from testing.models.sqs import SqsClient
from testing.models.table import Table

OUTPUTS = {
    "FailedQueueUrl": "failed",
    "ConversationsQueueUrl": "conversations",
    "RepliesQueueUrl": "https://sqs/111122223333/replies",
    "UndeliveredQueueUrl": "undelivered",
    "IntakeFunctionName": "intake",
    "ReplyIntakeFunctionName": "reply-intake",
    "StreamingTopicArn": "arn:aws:sns:us-east-1:111122223333:streaming",
}


NO_METADATA = MessageMetadata()


class KilledError(BaseException):
    pass


class KilledClient:
    """A client whose process is killed at its nth call: before SQS executes it, or after (`done`)."""

    def __init__(self, of: object, *, nth: int, done: bool) -> None:
        self._of, self._nth, self._done, self._calls = of, nth, done, 0

    def __getattr__(self, name: str) -> Any:
        def call(**request: Any) -> Any:
            self._calls += 1
            if self._calls > self._nth or (self._calls == self._nth and not self._done):
                raise KilledError
            answer = getattr(self._of, name)(**request)
            if self._calls == self._nth:
                raise KilledError
            return answer

        return call


class SlowClient:
    """A client whose calls take a second each. After `most` calls the run is regarded as endless."""

    def __init__(self, of: object, clock: FakeClock, *, most: int) -> None:
        self._of, self._clock, self._left = of, clock, most

    def __getattr__(self, name: str) -> Any:
        def call(**request: Any) -> Any:
            self._left -= 1
            assert self._left, "it does not end"
            self._clock.sleep(1)
            return getattr(self._of, name)(**request)

        return call


class EmptyReceives:
    """A client with `times` empty receives before each one that is executed."""

    def __init__(self, of: object, *, times: int) -> None:
        self._of, self._times, self._left = of, times, times

    def __getattr__(self, name: str) -> Any:
        def call(**request: Any) -> Any:
            if name == "receive_message":
                self._left = self._times if self._left == 0 else self._left - 1
                if self._left != self._times:
                    return {}
            return getattr(self._of, name)(**request)

        return call


class Queues:
    """The failed queue, its source queues, and a ledger on the model of a table."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.ledger = TableLedger(clock=self.clock)
        self.failed = Fifo(now=self.clock.now, visibility=30, name="failed")
        self.conversations, self.replies = (
            Fifo(now=self.clock.now, visibility=180, name=name, max_receives=2, dead_letters=self.failed)
            for name in ("conversations", "replies")
        )
        self.undelivered = Fifo(now=self.clock.now, visibility=30, name="undelivered")
        queues = {"failed": self.failed, "conversations": self.conversations, "undelivered": self.undelivered}
        self.sqs: Any = SqsClient(queues | {OUTPUTS["RepliesQueueUrl"]: self.replies})

    def fail(self, customer: str, key: str, *, error: BridgeError | None = None, stage: str = "forward") -> None:
        """Put a text of this customer into failed, as a function does."""
        came = record(
            payload(f"words of {key}", originationNumber=customer, inboundMessageId=key), MessageId=f"sns-{key}"
        )
        self.put(
            json.dumps(came), key, conversation_id(customer, BUSINESS_NUMBER), error or RejectedError("400"), stage
        )

    def crash(self, customer: str, key: str) -> None:
        """Let SQS move a text to failed: forward recorded no failure, so the ledger has it as pending."""
        came = record(payload("hi", originationNumber=customer, inboundMessageId=key))
        self.conversations.send(
            json.dumps(came), group=conversation_id(customer, BUSINESS_NUMBER), deduplication_id=key
        )
        self.ledger.record_receipt(key, NO_METADATA, at=self.clock.time)
        for _ in range(3):
            self.clock.time += 200
            self.conversations.receive()

    def put(self, body: str, key: str, group: str, error: BridgeError, stage: str) -> None:
        queue = DeadLetterQueue(client=self.sqs, url="failed", stage=stage, now=self.clock.now)
        message_id = f"entry-{key}" if stage in ("forward", "reply") else None
        queue.send(body, error, group_id=group, deduplication_id=key, key=key, attempts=1, message_id=message_id)
        ledger = TableLedger(clock=self.clock, stage=stage, table=self.ledger.table)
        ledger.record_failure(key, NO_METADATA, error, message_id=message_id)

    def redrive(
        self, selection: Selection | None = None, *, sqs: Any = None, rate: float | None = None
    ) -> RedriveResult:
        return Redrive(
            sqs=sqs or self.sqs,
            outputs=OUTPUTS,
            ledger=self.ledger.operators,
            selection=selection or Selection(),
            rate=rate,
            clock=self.clock.as_clock(),
        ).run()

    def plan(self, **options: Any) -> Plan:
        """As a command makes it; the ledger that it reads is empty."""
        clients = {"sqs": self.sqs, "dynamodb": Table(by="text_key"), "lambda": Functions()}
        target: Any = SimpleNamespace(
            where="here", options="", client=clients.__getitem__, outputs=OUTPUTS | {"LedgerTableName": "ledger"}
        )
        return Plan.of(target, Output(), **options)

    def discard(self, copy: Path, selection: Selection | None = None) -> DiscardResult:
        with Copy(copy) as kept:
            return Discard(
                sqs=self.sqs,
                outputs=OUTPUTS,
                ledger=self.ledger.operators,
                selection=selection or Selection(reason="RejectedError"),
                copy=kept,
                clock=self.clock.as_clock(),
            ).run()

    def keys(self, queue: Fifo, customer: str | None = None) -> list[str]:
        """Text keys on a queue, in its order."""
        return [
            key_of(message)
            for message in queue.messages()
            if customer is None or message.group == conversation_id(customer, BUSINESS_NUMBER)
        ]

    def visible(self) -> int:
        return len([m for m in self.failed.messages() if m.visible_at <= self.clock.time])


def key_of(message: Message) -> str:
    return sms_event.parse(SnsNotification.from_json(message.body)).key


def customer(number: int) -> str:
    return f"+1{301 + number // 100}55501{number % 100:02}"


def only(*keys: str) -> Selection:
    return Selection(ids=frozenset(keys))


def of_reason(reason: str) -> Selection:
    return Selection(reason=reason)


class StandardQueue:
    """A standard queue: it returns messages in no useful order and hides them; `undeletable` ones stay."""

    def __init__(self, *bodies: str, clock: FakeClock | None = None) -> None:
        self.messages = {f"m{n}": body for n, body in enumerate(bodies)}
        self.undeletable: set[str] = set()
        self._clock, self._hidden_until = clock or FakeClock(), dict[str, float]()

    @property
    def hidden(self) -> set[str]:
        return {one for one in self.messages if self._hidden_until.get(one, 0) > self._clock.time}

    def receive_message(self, *, VisibilityTimeout: int, **_: Any) -> dict[str, Any]:  # noqa: N803
        hidden = self.hidden
        seen = [one for one in reversed(self.messages) if one not in hidden][:10]
        self._hidden_until |= dict.fromkeys(seen, self._clock.time + VisibilityTimeout)
        return {
            "Messages": [
                {
                    "MessageId": one,
                    "ReceiptHandle": one,
                    "Body": self.messages[one],
                    "Attributes": {"SentTimestamp": str(int(NOON.timestamp() * 1000))},
                }
                for one in seen
            ]
        }

    def delete_message_batch(self, *, Entries: list[Mapping[str, Any]], **_: Any) -> dict[str, Any]:  # noqa: N803
        left = [entry for entry in Entries if entry["ReceiptHandle"] in self.undeletable]
        for entry in Entries:
            if entry not in left:
                del self.messages[entry["ReceiptHandle"]]
        return {"Failed": [{"Id": entry["Id"], "Code": "InternalError"} for entry in left]}

    def change_message_visibility_batch(self, *, Entries: list[Mapping[str, Any]], **_: Any) -> dict[str, Any]:  # noqa: N803
        for entry in Entries:
            self._hidden_until[entry["ReceiptHandle"]] = self._clock.time + entry["VisibilityTimeout"]
        return {}


class Functions:
    """Lambda: `given` are functions and events; `answer` returns the error of an event, None if it succeeds."""

    def __init__(self, answer: Callable[[Mapping[str, Any]], object] = lambda _: None) -> None:
        self.given: list[tuple[str, Any]] = []
        self._answer = answer

    def invoke(self, *, FunctionName: str, InvocationType: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        assert InvocationType == "RequestResponse"
        event = json.loads(Payload)
        self.given.append((FunctionName, event))
        error = self._answer(event)
        return {"Payload": io.BytesIO(json.dumps(error).encode())} | ({"FunctionError": "Unhandled"} if error else {})


def sns_notification(
    message: str, *, at: int = 0, topic: str = "arn:aws:sns:us-east-1:111122223333:inbound", **sns: Any
) -> str:
    when = (NOON + timedelta(seconds=at)).isoformat().replace("+00:00", "Z")
    notification = {
        "Type": "Notification",
        "MessageId": f"sns-{at}",
        "TopicArn": topic,
        "Message": message,
        "Timestamp": when,
    }
    return json.dumps(notification | sns)


def invocation_record(event: object, function: str = "intake") -> str:
    arn = f"arn:aws:lambda:us-east-1:111122223333:function:{function}:$LATEST"
    context = {"functionArn": arn, "condition": "RetriesExhausted", "approximateInvokeCount": 3}
    return json.dumps({"version": "1.0", "requestContext": context, "requestPayload": event})


def hand_over(
    queue: StandardQueue | SlowClient | EmptyReceives,
    functions: Functions,
    selection: Selection | None = None,
    clock: FakeClock | None = None,
) -> HandOverResult:
    return HandOver(
        sqs=queue,
        functions=functions,
        outputs=OUTPUTS,
        selection=selection or Selection(),
        clock=(clock or FakeClock()).as_clock(),
    ).run()


def messages_of(functions: Functions) -> list[str]:
    return [event["Records"][0]["Sns"]["Message"] for _, event in functions.given]


class SqsRouter:
    """One client for the FIFO queues and a standard one, whose counts come from the FIFO model."""

    def __init__(self, fifo: object, standard: object) -> None:
        self._fifo, self._standard = fifo, standard

    def __getattr__(self, name: str) -> Any:
        def call(**request: Any) -> Any:
            standard = request["QueueUrl"] == "undelivered" and name != "get_queue_attributes"
            return getattr(self._standard if standard else self._fifo, name)(**request)

        return call


def failed_record(seconds: int, key: str = "one", **attributes: Any) -> Any:
    values = {
        "failed_at": seconds,
        "failed_error": "RejectedError",
        "conversation": conversation_id(CUSTOMER, BUSINESS_NUMBER),
    }
    return ledger_record(text_key=key, outcome="failed", ours=BUSINESS_NUMBER, **values | attributes)
