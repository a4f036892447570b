"""The configuration from bridge.toml, and the settings from a function's environment. Read once, passed down.

A deployment checks bridge.toml and compiles it into `config.json` beside this module.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self

Delivery = Literal["integration-event", "start-chat"]
"""Which of Connect's APIs delivers the texts of a number."""
CONNECT_TIMEOUT = 1.0
"""Seconds to connect to Amazon Connect or EUM; the response may then take `call_timeout`."""
STORE_TIMEOUT = 1.5
"""Seconds for one attempt of a call to DynamoDB or SQS. There are three attempts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StartChatRoute:
    """How the chats of a number with start-chat delivery are started."""

    instance_id: str
    contact_flow_id: str
    chat_minutes: int
    first_text: Literal["message", "initial-message"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The settings of one business number. `start_chat` is None for integration-event delivery."""

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
    max_lost_answers: int
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
    failed_queue_url: str
    ledger_table: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read each field from the variable with its name in capitals. Raises KeyError for a missing one.

        A variable whose field has a default may be missing: the stack sets it only where bridge.toml needs it.
        """
        return cls(
            **{
                field.name: environment[field.name.upper()]
                for field in fields(cls)
                if field.default is MISSING or field.name.upper() in environment
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeSettings(_Settings):
    conversations_queue_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyIntakeSettings(_Settings):
    replies_queue_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplySettings(ReplyIntakeSettings):
    chats_table: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardSettings(IntakeSettings):
    """The fields with a default are set where a number has start-chat delivery."""

    chats_table: str | None = None
    streaming_topic_arn: str | None = None
