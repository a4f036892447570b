"""What bridge.toml and the function's environment say. Read once, passed down.

A deployment compiles bridge.toml, checked, into `config.json` beside this module.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self

Delivery = Literal["integration-event", "start-chat"]
"""Which of Connect's APIs a number's texts go through."""
CONNECT_TIMEOUT = 1.0
"""Seconds to reach Connect; its answer may then take `call_timeout`."""
STORE_TIMEOUT = 1.5
"""Seconds for one try of a call to ledger or queue, of which there are three."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartChatRoute:
    """Where and how this number's chats start, where they are started through the public chat APIs."""

    instance_id: str
    contact_flow_id: str
    chat_minutes: int
    first_text: Literal["message", "initial-message"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The settings of one business number. `start_chat` is None where its texts are chat integration events."""

    arn: str
    display_name: str
    attributes: Mapping[str, str]
    streaming_topic_arn: str | None
    start_chat: StartChatRoute | None = None

    @property
    def delivery(self) -> Delivery:
        return "start-chat" if self.start_chat else "integration-event"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """How texts appear in a chat."""

    disconnect_keywords: tuple[str, ...]
    show_disconnect_keyword: bool
    empty_message: str
    late_message: str
    body_attribute: str
    supported_content_types: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Rates in calls per second, times in seconds, lengths in UTF-16 code units."""

    connect_rate: float
    start_chat_rate: float
    connection_rate: float
    message_rate: float
    disconnect_rate: float
    sms_rate: float
    max_concurrency: int
    part_length: int
    mark_late_after: float
    give_up_after: float
    call_timeout: float
    batch_deadline: float
    retry_first: float
    retry_longest: float
    blocked_retry: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole of bridge.toml; `routes` is keyed by the business number as a notification writes it (E.164)."""

    chat: Chat
    limits: Limits
    routes: Mapping[str, Route]

    @classmethod
    def from_json(cls, text: str) -> Config:
        raw: dict[str, Any] = json.loads(text)
        chat = raw["chat"]
        return cls(
            chat=Chat(
                **chat
                | {
                    "disconnect_keywords": tuple(chat["disconnect_keywords"]),
                    "supported_content_types": tuple(chat["supported_content_types"]),
                }
            ),
            limits=Limits(**raw["limits"]),
            routes={number: _route(route) for number, route in raw["routes"].items()},
        )

    @classmethod
    def load(cls) -> Config:
        return cls.from_json(Path(__file__).with_name("config.json").read_text(encoding="utf-8"))


def _route(raw: dict[str, Any]) -> Route:
    start_chat = raw["start_chat"]
    return Route(**raw | {"start_chat": StartChatRoute(**start_chat) if start_chat else None})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settings:
    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Each field is read from the variable of its name in capitals; KeyError names the one that is missing.

        One with a default may be missing: the stack sets it only where bridge.toml needs it.
        """
        names = {field.name: field.name.upper() for field in fields(cls)}
        optional = {field.name for field in fields(cls) if field.default is not MISSING}
        return cls(
            **{
                field: environment[name]
                for field, name in names.items()
                if name in environment or field not in optional
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeSettings(_Settings):
    """Intake puts texts on the conversations queue, and what is no text into failed and ledger."""

    conversations_queue_url: str
    failed_queue_url: str
    ledger_table: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyIntakeSettings(_Settings):
    """Reply-intake puts replies on the replies queue, and what it cannot read into failed and ledger."""

    replies_queue_url: str
    failed_queue_url: str
    ledger_table: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplySettings(_Settings):
    """Reply hides replies on their queue, gives them up to failed, notes all in the ledger, and knows chats' phones."""

    replies_queue_url: str
    failed_queue_url: str
    ledger_table: str
    chats_table: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardSettings(_Settings):
    """Forward hides texts on the conversations queue, gives them up to failed, and notes all in the ledger.

    The last two where a number has start-chat delivery.
    """

    conversations_queue_url: str
    failed_queue_url: str
    ledger_table: str
    chats_table: str | None = None
    streaming_topic_arn: str | None = None
