"""The chat events that Connect streams: which ones are replies for the phone, and which one is the end of the chat.

Source: "Use the Amazon SNS payload after enabling message streaming" in the Amazon Connect administrator guide, and
Item in the API reference of its participant service. A contact's id changes when the chat is transferred; the
initial contact id stays, so it is the key of a chat here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bridge.errors import MalformedNotificationError
from bridge.processing.message import Parsed
from bridge.processing.notification import SnsNotification, is_valid_key, json_or_none, parse_time, valid_key

CHAT_ENDED = "application/vnd.amazonaws.connect.event.chat.ended"
INTERACTIVE = "application/vnd.amazonaws.connect.message.interactive"
NOT_FOR_THE_PHONE = "it is not for the phone"
_EVENT = "application/vnd.amazonaws.connect.event."
_CUSTOMER_ROLE = "CUSTOMER"
_FOR_THE_PHONE = ("CUSTOMER", "ALL")

FILTER_POLICY: Mapping[str, Any] = {
    "$or": [
        {
            "ContentType": [{"anything-but": {"prefix": _EVENT}}, {"exists": False}],
            "MessageVisibility": [*_FOR_THE_PHONE, {"exists": False}],
            "ParticipantRole": [{"anything-but": [_CUSTOMER_ROLE]}],
        },
        {"ContentType": [CHAT_ENDED]},
    ]
}
"""The subscription's filter policy, on message attributes. It passes what `_kind` does not ignore.

It asks what a notification is not: an event such as typing, or the customer's own message. AWS documents neither the
Type nor the ContentType nor the MessageVisibility of a file, so a file passes whatever the first says and without the
other two. A message without MessageVisibility passes as well, and `parse` refuses it with its reason. One case does not
pass: a file whose ContentType is that of an event. SNS counts each key in each branch and accepts five ("Filter policy
constraints" in the Amazon SNS developer guide; infra.checks counts them at synth).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that was sent. Connect streams its name and id; a link has to be requested."""

    name: str = field(repr=False)
    content_type: str | None
    attachment_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatEvent:
    """A reply for the phone, or the end of a chat.

    `message_id` is valid as a deduplication id, `initial_contact_id` as a message group id.
    """

    kind: Literal["reply", "ended"]
    message_id: str
    initial_contact_id: str
    content: str = field(default="", repr=False)
    content_type: str = ""
    attachments: tuple[Attachment, ...] = field(default=(), repr=False)

    @property
    def in_ledger(self) -> bool:
        """The end of a chat is not a message and has no item."""
        return self.kind == "reply"

    @property
    def group_id(self) -> str:
        return self.initial_contact_id

    @property
    def deduplication_id(self) -> str:
        return self.message_id

    @property
    def is_interactive(self) -> bool:
        return self.content_type.startswith(INTERACTIVE)


def parse(notification: SnsNotification) -> Parsed[ChatEvent]:
    """Parse the chat event of a notification. `sent_at` is its AbsoluteTime."""
    sns_message_id = valid_key(notification.message_id)
    if notification.is_notice:
        return Parsed(key=reply_key(notification.message_id), ignored=NOT_FOR_THE_PHONE, sns_message_id=sns_message_id)
    event, error, sent_at, message_id = None, None, None, notification.message_id
    try:
        item = _item(notification)
        kind = _kind(item)
        if kind != "nothing":
            event = _chat_event(item, kind, valid_key(_text(item, "Id").strip() or message_id))
        message_id = valid_key(_text(item, "Id").strip() or message_id)
        sent_at = parse_time(item.get("AbsoluteTime"))
    except MalformedNotificationError as exc:
        error = exc
    return Parsed(
        key=reply_key(message_id),
        content=event,
        error=error,
        ignored=None if event or error else NOT_FOR_THE_PHONE,
        sent_at=sent_at or notification.sent_at,
        sns_message_id=sns_message_id,
    )


def reply_key(message_id: str) -> str:
    """The ledger's key of a reply. The prefix separates it from the keys of texts."""
    return valid_key(f"reply-{message_id}")


def _chat_event(item: Mapping[str, Any], kind: Literal["reply", "ended"], message_id: str) -> ChatEvent:
    contact = item.get("InitialContactId")
    if not isinstance(contact, str) or not is_valid_key(contact):
        raise MalformedNotificationError("InitialContactId is missing, or nothing that a message group can be")
    content = item.get("Content")
    attachments = _attachments(item)
    if kind == "reply" and not _has_files(item) and not isinstance(content, str):
        raise MalformedNotificationError("a message's Content is missing, or is no text")
    return ChatEvent(
        kind=kind,
        message_id=message_id,
        initial_contact_id=contact,
        content=content if isinstance(content, str) else "",
        content_type=_text(item, "ContentType"),
        attachments=attachments,
    )


def _item(notification: SnsNotification) -> Mapping[str, Any]:
    """The body, overlaid with the message attributes."""
    body = json_or_none(notification.message)
    if body is None:
        raise MalformedNotificationError("the message is not JSON, so it is not a chat's")
    if not isinstance(body, dict):
        raise MalformedNotificationError("the message is JSON but not an object, so it is not a chat's")
    sent = notification.record["Sns"].get("MessageAttributes")
    attributes = {
        name: attribute["Value"]
        for name, attribute in (sent.items() if isinstance(sent, dict) else ())
        if isinstance(attribute, dict) and isinstance(attribute.get("Value"), str)
    }
    return body | attributes


def _kind(item: Mapping[str, Any]) -> Literal["reply", "ended", "nothing"]:
    if item.get("ContentType") == CHAT_ENDED:
        return "ended"
    type_, visibility, role = item.get("Type"), item.get("MessageVisibility"), item.get("ParticipantRole")
    file = type_ == "ATTACHMENT" or _has_files(item)
    if type_ != "MESSAGE" and not file:
        if not isinstance(type_, str) or not type_:
            raise MalformedNotificationError("Type is missing, so it cannot be told what it is")
        return "nothing"
    if role == _CUSTOMER_ROLE:
        return "nothing"
    if not isinstance(role, str) or not role:
        raise MalformedNotificationError("ParticipantRole is missing, so it cannot be told from the customer's own")
    if visibility is None and not file:
        raise MalformedNotificationError(
            "MessageVisibility is missing, so it cannot be told whether the customer may see it"
        )
    return "reply" if visibility is None or visibility in _FOR_THE_PHONE else "nothing"


def _has_files(item: Mapping[str, Any]) -> bool:
    """Whatever the attributes call it, a notification that lists attachments is a file."""
    listed = item.get("Attachments")
    return isinstance(listed, list) and any(isinstance(attachment, dict) for attachment in listed)


def _attachments(item: Mapping[str, Any]) -> tuple[Attachment, ...]:
    """The attachments that no scan has rejected."""
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
