"""What a text becomes in the chat: the chat integration events, one after the other, and the facts of a new chat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from bridge.config import Chat, Limits, Route
from bridge.notification import InboundSms
from bridge.split import split, valid

ATTRIBUTES_LIMIT = 32_768
"""UTF-8 bytes of all contact attributes together, keys and values (StartChatContact in the Connect API reference)."""
_LONGEST_FACT = 256
_LONGEST_NAME = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a text is cut. Kept in the ledger before the first of its parts is sent: a deploy between changes nothing.

    `limit` in UTF-16 code units; `prefix` stands before the body; `shown` is false for a keyword that is not to be
    seen; `ends_chat` adds a DISCONNECT.
    """

    limit: int
    prefix: str = ""
    shown: bool = True
    ends_chat: bool = False


@dataclass(frozen=True, slots=True)
class Part:
    """One chat integration event: a MESSAGE with its content, or a DISCONNECT."""

    type: Literal["MESSAGE", "DISCONNECT"]
    content: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Accepted:
    """Connect's answer. `contact` (InitialContactId) may be absent."""

    contact: str | None
    new_chat: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """What Connect is told in case that a part starts a chat; it ignores it otherwise."""

    display_name: str = field(repr=False)
    attributes: Mapping[str, str] = field(repr=False)
    supported_content_types: tuple[str, ...]
    streaming_topic_arn: str | None


def plan(sms: InboundSms, *, sent_at: datetime | None, now: float, chat: Chat, limits: Limits) -> Plan:
    """`now` in seconds since the epoch."""
    ends_chat = _is_disconnect(sms.body, chat)
    late = sent_at is not None and now - sent_at.timestamp() > limits.mark_late_after
    return Plan(
        limit=limits.part_length,
        prefix=_late_line(sent_at, chat) if late and sent_at else "",
        shown=chat.show_disconnect_keyword or not ends_chat,
        ends_chat=ends_chat,
    )


def parts(sms: InboundSms, plan: Plan, chat: Chat) -> tuple[Part, ...]:
    """The events of a text, in order; at least one."""
    body = sms.body if sms.body.strip() else chat.empty_message
    messages = split(plan.prefix + valid(body), plan.limit) if plan.shown else ()
    events = [Part("MESSAGE", message) for message in messages]
    return (*events, Part("DISCONNECT")) if plan.ends_chat else tuple(events)


def new_session(sms: InboundSms, route: Route, chat: Chat) -> NewSession:
    """Facts for the contact flow: those of the SMS under EUM's own names, over those of the route."""
    facts = {
        "originationNumber": sms.origination_number,
        "destinationNumber": sms.destination_number,
        "inboundMessageId": sms.inbound_message_id,
        "messageKeyword": sms.keyword,
        "previousPublishedMessageId": sms.previous_message_id,
    }
    attributes = dict(route.attributes) | {name: valid(value)[:_LONGEST_FACT] for name, value in facts.items() if value}
    if chat.body_attribute and sms.body:
        used = sum(len(key.encode()) + len(value.encode()) for key, value in attributes.items())
        room = ATTRIBUTES_LIMIT - used - len(chat.body_attribute.encode())
        attributes[chat.body_attribute] = valid(sms.body).encode()[: max(0, room)].decode(errors="ignore")
    name = route.display_name.replace("{customer}", valid(sms.origination_number))
    return NewSession(
        display_name=name[:_LONGEST_NAME],
        attributes=attributes,
        supported_content_types=chat.supported_content_types,
        streaming_topic_arn=route.streaming_topic_arn,
    )


def _is_disconnect(body: str, chat: Chat) -> bool:
    said = body.strip().casefold()
    return any(said == keyword.strip().casefold() for keyword in chat.disconnect_keywords)


def _late_line(sent_at: datetime, chat: Chat) -> str:
    return chat.late_message.replace("{sent}", f"{sent_at:%Y-%m-%d %H:%M} UTC") + "\n"
