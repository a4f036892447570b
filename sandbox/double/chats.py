"""Chats as Amazon Connect keeps them, however they were started: participants, transcript, contacts, tokens."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

Role = Literal["AGENT", "CUSTOMER", "SYSTEM", "CUSTOM_BOT", "SUPERVISOR"]
Visibility = Literal["AGENT", "CUSTOMER", "ALL"]

PLAIN = "text/plain"
INTERACTIVE = "application/vnd.amazonaws.connect.message.interactive"
CONTENT_TYPES = {PLAIN, "text/markdown", "application/json", INTERACTIVE, f"{INTERACTIVE}.response"}
_EVENT = "application/vnd.amazonaws.connect.event."
TYPING, DELIVERED, READ = (f"{_EVENT}{kind}" for kind in ("typing", "message.delivered", "message.read"))
ACKNOWLEDGED = f"{_EVENT}connection.acknowledged"
JOINED, LEFT = f"{_EVENT}participant.joined", f"{_EVENT}participant.left"
TRANSFERRED, ENDED = f"{_EVENT}transfer.succeeded", f"{_EVENT}chat.ended"


def new_id() -> str:
    return str(uuid.uuid4())


def iso(at: float) -> str:
    """A time as Connect writes it, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    role: Role
    name: str | None = None
    id: str = field(default_factory=new_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What happened in a chat, once: a message, an attachment or an event. `contact_id` is that of the moment."""

    type: Literal["MESSAGE", "EVENT", "ATTACHMENT"]
    content_type: str
    contact_id: str
    at: float
    content: str | None = None
    by: Participant | None = None
    visibility: Visibility = "ALL"
    attachments: tuple[dict[str, str], ...] = ()
    id: str = field(default_factory=new_id)

    @property
    def for_customer(self) -> bool:
        return self.visibility != "AGENT"


@dataclass(slots=True, kw_only=True)
class Chat:
    """`contact` is the InitialContactId; `contacts` are all its ContactIds, the current one last.

    `source` and `destination` of a chat of StartChatContact are what its attributes tell: Connect knows no numbers.
    """

    contact: str
    source: str | None
    destination: str | None
    subtype: str | None
    started_at: float
    seconds: float | None = None
    display_name: str | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    streaming: list[str] = field(default_factory=list)
    content_types: frozenset[str] = frozenset({PLAIN})
    by_integration: bool = True
    connected: bool = True
    """Whether the customer's first connection was made. Until then the flow has not begun."""
    initial_message: dict[str, Any] | None = None
    """The journal's line of it; it is said once the flow begins."""
    messages: list[dict[str, Any]] = field(default_factory=list)
    transcript: list[Item] = field(default_factory=list)
    ended_at: float | None = None
    customer: Participant = field(default_factory=lambda: Participant(role="CUSTOMER"))
    agent: Participant | None = None
    agents: int = 0
    contacts: list[str] = field(default_factory=list)
    answers: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    """Answers by operation and ClientToken."""

    def __post_init__(self) -> None:
        self.contacts = self.contacts or [self.contact]

    @property
    def contact_id(self) -> str:
        return self.contacts[-1]

    def describe(self) -> dict[str, Any]:
        return {
            "contact": self.contact,
            "source": self.source,
            "destination": self.destination,
            "subtype": self.subtype,
            "display_name": self.display_name,
            "attributes": self.attributes,
            "streaming_topic_arn": self.streaming[0] if self.streaming else None,
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "ended": self.ended_at is not None,
            "messages": self.messages,
            "delivery": "integration-event" if self.by_integration else "start-chat",
            "streaming": self.streaming,
            "connected": self.connected,
            "agent": self.agent is not None,
            "contacts": self.contacts,
            "events": [
                {
                    "at": item.at,
                    "content_type": item.content_type,
                    "content": item.content,
                    "role": item.by and item.by.role,
                    "contact_id": item.contact_id,
                    "id": item.id,
                }
                for item in self.transcript
                if item.type == "EVENT"
            ],
        }


def find(chats: list[Chat], reference: str) -> Chat:
    """By contact id, an unambiguous beginning of one, or the customer's number. Raises ValueError.

    A number means its active chat; where none is active, the last one.
    """
    if re.fullmatch(r"\+[0-9]+", reference):
        fits = [chat for chat in chats if chat.source == reference]
        fits = [chat for chat in fits if chat.ended_at is None] or fits[-1:]
    else:
        fits = [chat for chat in chats if reference and any(one.startswith(reference) for one in chat.contacts)]
    if len(fits) > 1:
        ids = ", ".join(chat.contact[:8] for chat in fits[:4])
        raise ValueError(f"{reference} means several chats: {ids}{', ...' if len(fits) > 4 else ''}")
    if not fits:
        raise ValueError(f"there is no chat {reference}")
    return fits[0]
