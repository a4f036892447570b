"""What a function's environment must hold. The stack sets exactly these; a test compares the two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Self


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
