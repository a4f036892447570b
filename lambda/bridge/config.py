"""What bridge.toml says, as the functions need it.

Deploying compiles bridge.toml into `config.json` beside this module: checked there, read once here, passed down.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

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
    """What the configuration says of one of our numbers. Without `start_chat`, texts are chat integration events."""

    arn: str
    display_name: str
    attributes: Mapping[str, str]
    streaming_topic_arn: str | None
    start_chat: StartChatRoute | None = None


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
    """The whole of it; `routes` is keyed by our number as a notification spells it (E.164)."""

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
