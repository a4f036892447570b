"""Reading what Connect streams of a chat: which notifications are for the phone, and which one says that it ended.

Source: "Use the Amazon SNS payload after enabling message streaming" in the Amazon Connect administrator guide, and
Item in the API reference of its participant service. A contact's id changes when the chat is transferred; the
initial one stays, so everything goes by that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from bridge.entry import Entry
from bridge.errors import MalformedNotificationError
from bridge.notification import Notification, fit_key, read_time

CHAT_ENDED = "application/vnd.amazonaws.connect.event.chat.ended"
INTERACTIVE = "application/vnd.amazonaws.connect.message.interactive"
_ECHO = "CUSTOMER"
_FOR_THE_PHONE = ("CUSTOMER", "ALL")
_FITS_AS_GROUP = re.compile(r"[\x21-\x7e]{1,128}")

FILTER_POLICY: Mapping[str, Any] = {
    "$or": [
        {
            "Type": ["MESSAGE", "ATTACHMENT"],
            "MessageVisibility": [*_FOR_THE_PHONE, {"exists": False}],
            "ParticipantRole": [{"anything-but": [_ECHO]}],
        },
        {"ContentType": [CHAT_ENDED]},
    ]
}
"""The subscription's filter policy, on message attributes: Streamed.kind's test, made before a function is paid for.

Two cases without MessageVisibility pass. An attachment: AWS's description of the attributes leaves its type out, so
nobody can tell whether an attachment says who may see it. And a message, which Streamed.from_notification then refuses
with its reason. SNS counts each key in each branch and takes five ("Filter policy constraints" in the Amazon SNS
developer guide; infra.checks counts them at synth), so the two types share a branch.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that was sent. Connect streams its name and its id; a link has to be asked for."""

    name: str = field(repr=False)
    content_type: str | None
    attachment_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Streamed:
    """One notification. `kind`: a reply is for the phone; "nothing" is an echo, a receipt, or for other eyes.

    `message_id` and `initial_contact_id` fit as ids of a FIFO queue; `sent_at` is None where it cannot be read.
    """

    kind: Literal["reply", "ended", "nothing"]
    message_id: str = ""
    initial_contact_id: str = ""
    sent_at: datetime | None = None
    content: str = field(default="", repr=False)
    content_type: str = ""
    attachments: tuple[Attachment, ...] = field(default=(), repr=False)

    @classmethod
    def from_notification(cls, notification: Notification) -> Streamed:
        """Raises MalformedNotificationError, which says what is missing or wrong."""
        if notification.is_notice:
            return cls(kind="nothing", message_id=notification.message_id)
        item = _item(notification)
        kind = _kind(item)
        if kind == "nothing":
            return cls(kind=kind, message_id=_message_id(item, notification))
        contact = item.get("InitialContactId")
        if not isinstance(contact, str) or not _FITS_AS_GROUP.fullmatch(contact):
            raise MalformedNotificationError("InitialContactId is missing, or nothing that a message group can be")
        content = item.get("Content")
        if kind == "reply" and item["Type"] == "MESSAGE" and not isinstance(content, str):
            raise MalformedNotificationError("a message's Content is missing, or is no text")
        return cls(
            kind=kind,
            message_id=_message_id(item, notification),
            initial_contact_id=contact,
            sent_at=read_time(item.get("AbsoluteTime")) or notification.sent_at,
            content=content if isinstance(content, str) else "",
            content_type=_text(item, "ContentType"),
            attachments=_attachments(item),
        )

    @property
    def text_key(self) -> str:
        """What the ledger knows it by: apart from customers' texts, which are in the same table."""
        return fit_key(f"reply-{self.message_id}")


class StreamedEntry(Entry):
    """An entry of the replies queue: its key and its time are those of the message in the chat."""

    __slots__ = ()

    def streamed(self) -> Streamed:
        """Raises MalformedNotificationError."""
        return Streamed.from_notification(self.notification or Notification.from_entry(self.body))

    @property
    def ours(self) -> None:
        """A chat's message says nothing of phones."""

    @property
    def text_key(self) -> str:
        try:
            return self.streamed().text_key
        except MalformedNotificationError:
            return unread_key(self.notification.message_id if self.notification else self.entry_id)

    @property
    def sent_at(self) -> datetime | None:
        try:
            return self.streamed().sent_at
        except MalformedNotificationError:
            return self.notification.sent_at if self.notification else None


def unread_key(message_id: str) -> str:
    """What the ledger knows a notification by that could not be read, from the id that SNS gave it."""
    return fit_key(f"reply-{message_id}")


def _item(notification: Notification) -> Mapping[str, Any]:
    """The body, with what the message attributes say laid over it."""
    try:
        body = json.loads(notification.message)
    except (ValueError, RecursionError) as exc:
        raise MalformedNotificationError("the message is not JSON, so it is not a chat's") from exc
    if not isinstance(body, dict):
        raise MalformedNotificationError("the message is JSON but not an object, so it is not a chat's")
    said = notification.record["Sns"].get("MessageAttributes")
    attributes = {
        name: attribute["Value"]
        for name, attribute in (said.items() if isinstance(said, dict) else ())
        if isinstance(attribute, dict) and isinstance(attribute.get("Value"), str)
    }
    return body | attributes


def _kind(item: Mapping[str, Any]) -> Literal["reply", "ended", "nothing"]:
    if item.get("ContentType") == CHAT_ENDED:
        return "ended"
    type_, seen_by, role = item.get("Type"), item.get("MessageVisibility"), item.get("ParticipantRole")
    if type_ not in ("MESSAGE", "ATTACHMENT"):
        if not isinstance(type_, str) or not type_:
            raise MalformedNotificationError("Type is missing, so it cannot be told what it is")
        return "nothing"
    if role == _ECHO:
        return "nothing"
    if not isinstance(role, str) or not role:
        raise MalformedNotificationError("ParticipantRole is missing, so it cannot be told from the customer's own")
    if seen_by is None and type_ == "MESSAGE":
        raise MalformedNotificationError(
            "MessageVisibility is missing, so it cannot be told whether the customer may see it"
        )
    return "reply" if seen_by is None or seen_by in _FOR_THE_PHONE else "nothing"


def _message_id(item: Mapping[str, Any], notification: Notification) -> str:
    return fit_key(_text(item, "Id").strip() or notification.message_id)


def _attachments(item: Mapping[str, Any]) -> tuple[Attachment, ...]:
    """Those that were not refused by a scan."""
    listed = item.get("Attachments")
    return tuple(
        Attachment(
            name=_text(attachment, "AttachmentName").strip(),
            content_type=_text(attachment, "ContentType").strip() or None,
            attachment_id=_text(attachment, "AttachmentId").strip() or None,
        )
        for attachment in (listed if isinstance(listed, list) else ())
        if isinstance(attachment, dict) and attachment.get("Status") != "REJECTED"
    )


def _text(item: Mapping[str, Any], name: str) -> str:
    value = item.get(name)
    return value if isinstance(value, str) else ""
