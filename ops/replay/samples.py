"""Files of SNS events: read them, and prepare their notifications to be published again. No AWS here."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from bridge.errors import MalformedNotificationError
from bridge.processing.message import Parsed
from bridge.processing.notification import SnsNotification, json_or_none
from bridge.texts import sms_event
from bridge.texts.sms_event import InboundSms

UNDELIVERED = "undelivered"
"""A folder of this name is skipped: its files are no events but messages of the undelivered queue."""
SAMPLES_TEXT = "+12125550101"
"""The business number of nearly all files in events/."""
_EXPECTED = 'expected an SNS event as Lambda receives it: {"Records": [{"Sns": {"MessageId": ..., "Message": ...}}]}'


class SampleError(Exception):
    """A file that cannot be replayed. The message names it and says what is expected."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One notification of a file. `message_id` is the file's; SNS gives a published one another."""

    file: str
    message_id: str
    message: str = field(repr=False)
    subject: str | None = None
    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def parsed(self, message_id: str) -> Parsed[InboundSms]:
        """As intake parses it with this MessageId."""
        record = {"Sns": {"MessageId": message_id, "Message": self.message}}
        return sms_event.parse(SnsNotification.from_record(record))

    @cached_property
    def conversation(self) -> str | None:
        """Its message group; None if it is no inbound SMS."""
        sms = self.parsed(self.message_id).content
        return sms.conversation_id if sms else None

    @cached_property
    def inbound_message_id(self) -> str | None:
        return _inbound_message_id(self.message)


@dataclass(frozen=True, kw_only=True)
class SampleFile:
    """`event` is the file's; `samples` are its notifications, possibly with other ids or numbers."""

    name: str
    event: Mapping[str, Any] = field(repr=False)
    samples: tuple[Sample, ...]


def read(paths: Iterable[Path]) -> list[SampleFile]:
    """Files and folders in the given order, a folder's files by name. Raises SampleError."""
    return [_file(path) for path in _walk(paths)]


def fresh_ids(files: Iterable[SampleFile], new_id: Callable[[], str] = lambda: str(uuid.uuid4())) -> list[SampleFile]:
    """With new inboundMessageIds. Equal ones of a file stay equal, missing ones stay missing."""
    fresh = []
    for file in files:
        ids: dict[str, str] = {}
        samples = tuple(
            _changed(sample, {"inboundMessageId": ids.setdefault(old, new_id())} if old else {})
            for sample in file.samples
            for old in [sample.inbound_message_id]
        )
        fresh.append(replace(file, samples=samples))
    return fresh


def addressed(files: Iterable[SampleFile], *, to: str | None, sender: str | None) -> list[SampleFile]:
    """To another business number, or from another customer; None leaves them unchanged."""
    numbers = {"destinationNumber": to, "originationNumber": sender}
    changes = {name: number for name, number in numbers.items() if number}
    return [replace(file, samples=tuple(_changed(sample, changes) for sample in file.samples)) for file in files]


def publish_attributes(attributes: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Message attributes as Publish takes them, from those of Lambda's event."""
    return {
        name: {"DataType": value["Type"]}
        | (
            {"BinaryValue": base64.b64decode(value["Value"])}
            if str(value["Type"]).startswith("Binary")
            else {"StringValue": value["Value"]}
        )
        for name, value in attributes.items()
    }


def _walk(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            found = [file for file in path.rglob("*.json") if UNDELIVERED not in file.relative_to(path).parts[:-1]]
            if not found:
                raise SampleError(f"{path}: there are no .json files in this folder")
            # by name without suffix, so that hello comes before hello-follow-up
            yield from sorted(found, key=lambda file: file.relative_to(path).with_suffix("").parts)
        else:
            yield path


def _file(path: Path) -> SampleFile:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SampleError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise SampleError(f"{path}: is not JSON; {_EXPECTED}") from error
    event = event_in(content)
    records = event.get("Records")
    if not isinstance(records, list) or not records:
        raise SampleError(f"{path}: holds no records; {_EXPECTED}")
    samples = tuple(_sample(path, number, record) for number, record in enumerate(records, 1))
    return SampleFile(name=str(path), event=event, samples=samples)


def event_in(content: Any) -> Mapping[str, Any]:
    """The event of a file, or of a message of the undelivered queue in either shape."""
    if not isinstance(content, dict):
        return {}
    if isinstance(payload := content.get("requestPayload"), dict):  # of a failed asynchronous invocation
        return payload
    if content.get("Type") == "Notification" and "Message" in content:  # of a failed delivery by SNS
        sns: dict[str, Any] = {"Subject": None, "MessageAttributes": {}} | content
        for here, there in (("SigningCertURL", "SigningCertUrl"), ("UnsubscribeURL", "UnsubscribeUrl")):
            if here in sns:
                sns[there] = sns.pop(here)
        record = {"EventSource": "aws:sns", "EventVersion": "1.0", "EventSubscriptionArn": sns.get("TopicArn")}
        return {"Records": [record | {"Sns": sns}]}
    return content


def _sample(path: Path, number: int, record: Any) -> Sample:
    try:
        notification = SnsNotification.from_record(record)
        sns = record["Sns"]
        attributes = sns.get("MessageAttributes") or {}
        publish_attributes(attributes)
    except MalformedNotificationError as error:
        raise SampleError(f"{path}: record {number}: {error}; {_EXPECTED}") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SampleError(
            f'{path}: record {number}: MessageAttributes are not {{"name": {{"Type": ..., "Value": ...}}}}'
        ) from error
    return Sample(
        file=str(path),
        message_id=notification.message_id,
        message=notification.message,
        subject=sns.get("Subject") or None,
        attributes=attributes,
    )


def _changed(sample: Sample, changes: Mapping[str, str]) -> Sample:
    """With these fields in its payload; a payload that is no JSON object stays unchanged."""
    payload = json_or_none(sample.message)
    if not isinstance(payload, dict) or not changes:
        return sample
    message = json.dumps(payload | dict(changes), ensure_ascii=False)
    try:
        message.encode()
    except UnicodeEncodeError:  # a lone surrogate can only be escaped
        message = json.dumps(payload | dict(changes))
    return replace(sample, message=message)


def _inbound_message_id(message: str) -> str | None:
    payload = json_or_none(message)
    found = payload.get("inboundMessageId") if isinstance(payload, dict) else None
    return found if isinstance(found, str) and found.strip() else None
