"""Builders of the chat events that Connect streams, as SNS delivers them."""

from __future__ import annotations

import itertools
import json
from datetime import datetime
from typing import Any

from testing.builders import record, sqs_record
from testing.clock import NOON

CHAT = "11112222-0000-4000-8000-000000000001"
OTHER_CHAT = "11112222-0000-4000-8000-000000000002"
_ids = itertools.count(1)


def item(content: object = "Hello, how can I help?", **changes: object) -> dict[str, Any]:
    """A message of an agent. A field changed to ... is left out."""
    fields = {
        "AbsoluteTime": "2026-11-22T12:00:00.000Z",
        "Content": content,
        "ContentType": "text/plain",
        "Id": f"message-{next(_ids)}",
        "Type": "MESSAGE",
        "ParticipantId": "participant-1",
        "DisplayName": "Agent",
        "ParticipantRole": "AGENT",
        "InitialContactId": CHAT,
        "ContactId": CHAT,
    } | changes
    return {name: value for name, value in fields.items() if value is not ...}


def attributes(of: dict[str, Any], visibility: str | None = "ALL", **changes: object) -> dict[str, Any]:
    values = {
        name: of.get(name) for name in ("InitialContactId", "ContactId", "ParticipantRole", "Type", "ContentType")
    }
    values |= {"MessageVisibility": visibility, "InstanceId": "instance-1", "AccountId": "111122223333"} | changes
    return {
        name: {"Type": "String", "Value": value} for name, value in values.items() if value is not None and value != ...
    }


def chat_record(of: dict[str, Any] | None = None, *, visibility: str | None = "ALL", **sns: Any) -> dict[str, Any]:
    of = item() if of is None else of
    return record(json.dumps(of), **{"MessageAttributes": attributes(of, visibility)} | sns)


def event(content_type: str, **changes: object) -> dict[str, Any]:
    return item(
        ..., ContentType=f"application/vnd.amazonaws.connect.event.{content_type}", **{"Type": "EVENT"} | changes
    )


def ended(**changes: object) -> dict[str, Any]:
    return event("chat.ended", **{"ParticipantRole": ..., "DisplayName": ...} | changes)


def queued(
    of: dict[str, Any] | None = None, *, group: str = CHAT, queued_at: datetime = NOON, **more: Any
) -> dict[str, Any]:
    """A message of the replies queue."""
    return sqs_record(body=json.dumps(chat_record(of)), group=group, queued_at=queued_at, **more)
