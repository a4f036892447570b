"""The chat messages of a text: its parts in order, and the details of a chat that it starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from bridge.config import Chat, Limits, Route
from bridge.processing.splitting import replace_lone_surrogates, split
from bridge.processing.state import SplitPlan
from bridge.texts.sms_event import InboundSms

ATTRIBUTES_LIMIT = 32_768
"""UTF-8 bytes of all contact attributes together, keys and values (StartChatContact in the Connect API reference)."""
_LONGEST_DETAIL = 256
_LONGEST_NAME = 256


@dataclass(frozen=True, slots=True)
class ChatPart:
    """A MESSAGE with its content, or a DISCONNECT."""

    type: Literal["MESSAGE", "DISCONNECT"]
    content: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """Details of a chat that a part may start. Connect ignores them where the chat is open."""

    display_name: str = field(repr=False)
    attributes: Mapping[str, str] = field(repr=False)
    supported_content_types: tuple[str, ...]
    streaming_topic_arn: str | None


def split_plan(sms: InboundSms, *, sent_at: datetime | None, now: float, chat: Chat, limits: Limits) -> SplitPlan:
    """The split plan of a text; `now` in seconds since the epoch."""
    ends_chat = _is_disconnect(sms.body, chat)
    late = sent_at is not None and now - sent_at.timestamp() > limits.mark_late_after
    return SplitPlan(
        limit=limits.part_length,
        prefix=_late_line(sent_at, chat) if late and sent_at else "",
        shown=chat.show_disconnect_keyword or not ends_chat,
        ends_chat=ends_chat,
    )


def chat_parts(sms: InboundSms, plan: SplitPlan, chat: Chat) -> tuple[ChatPart, ...]:
    """The parts of a text, in order; at least one."""
    body = sms.body if sms.body.strip() else chat.empty_message
    messages = split(plan.prefix + replace_lone_surrogates(body), plan.limit) if plan.shown else ()
    events = [ChatPart("MESSAGE", message) for message in messages]
    return (*events, ChatPart("DISCONNECT")) if plan.ends_chat else tuple(events)


def new_session(sms: InboundSms, route: Route, chat: Chat) -> NewSession:
    """Details of a new chat. Its contact attributes are those of the route, overridden by the fields of the SMS."""
    details = {
        "originationNumber": sms.origination_number,
        "destinationNumber": sms.destination_number,
        "inboundMessageId": sms.inbound_message_id,
        "messageKeyword": sms.keyword,
        "previousPublishedMessageId": sms.previous_message_id,
    }
    attributes = dict(route.attributes)
    for name, value in details.items():
        if value:
            attributes[name] = replace_lone_surrogates(value)[:_LONGEST_DETAIL]
    if chat.body_attribute and sms.body:
        used = sum(len(key.encode()) + len(value.encode()) for key, value in attributes.items())
        room = ATTRIBUTES_LIMIT - used - len(chat.body_attribute.encode())
        attributes[chat.body_attribute] = (
            replace_lone_surrogates(sms.body).encode()[: max(0, room)].decode(errors="ignore")
        )
    name = route.display_name.replace("{customer}", replace_lone_surrogates(sms.origination_number))
    return NewSession(
        display_name=name[:_LONGEST_NAME],
        attributes=attributes,
        supported_content_types=chat.supported_content_types,
        streaming_topic_arn=route.streaming_topic_arn,
    )


def _is_disconnect(body: str, chat: Chat) -> bool:
    text = body.strip().casefold()
    return any(text == keyword.strip().casefold() for keyword in chat.disconnect_keywords)


def _late_line(sent_at: datetime, chat: Chat) -> str:
    return chat.late_message.replace("{sent}", f"{sent_at:%Y-%m-%d %H:%M} UTC") + "\n"
