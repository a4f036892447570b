"""A chat of Amazon Connect: its participants, transcript and contacts."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import regex

from sandbox.simulator.protocols import RefusedError

Entry = dict[str, Any]
"""A line of the journal."""
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
ATTRIBUTES_BYTES = 32768


def new_id() -> str:
    return str(uuid.uuid4())


def iso(at: float) -> str:
    """The time `at`, in seconds since the epoch, as Connect writes it: to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    role: Role
    name: str | None = None
    id: str = field(default_factory=new_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An item of a transcript: a message, an attachment or an event. `contact_id`: the current one at that time."""

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

    def describe(self) -> dict[str, Any]:
        """The item as transcripts and notifications have it."""
        body = {
            "AbsoluteTime": iso(self.at),
            "Content": self.content,
            "ContentType": self.content_type,
            "Id": self.id,
            "Type": self.type,
            "ContactId": self.contact_id,
            "ParticipantId": self.by and self.by.id,
            "ParticipantRole": self.by and self.by.role,
            "DisplayName": (self.by and self.by.name) or None,
            "Attachments": list(self.attachments) or None,
        }
        return {name: value for name, value in body.items() if value is not None}


@dataclass(slots=True, kw_only=True)
class Chat:
    """`contact` is the InitialContactId. `contacts` are all ContactIds, the current one last.

    Connect has no phone numbers of a chat that StartChatContact began: its `source` and `destination` come from its
    attributes.
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
    """Whether the customer has connected. The flow begins then."""
    initial_message: Entry | None = None
    """Its entry in the journal. It is added to the chat when the flow begins."""
    messages: list[dict[str, Any]] = field(default_factory=list)
    transcript: list[Item] = field(default_factory=list)
    ended_at: float | None = None
    customer: Participant = field(default_factory=lambda: Participant(role="CUSTOMER"))
    agent: Participant | None = None
    agents: int = 0
    contacts: list[str] = field(default_factory=list)
    answers: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    """Responses by operation and ClientToken."""

    def __post_init__(self) -> None:
        self.contacts = self.contacts or [self.contact]

    @property
    def contact_id(self) -> str:
        return self.contacts[-1]

    def describe(self) -> dict[str, Any]:
        events = [item for item in self.transcript if item.type == "EVENT"]
        return {name: getattr(self, name) for name in _DESCRIBED} | {
            "streaming_topic_arn": self.streaming[0] if self.streaming else None,
            "ended": self.ended_at is not None,
            "delivery": "integration-event" if self.by_integration else "start-chat",
            "agent": self.agent is not None,
            "events": [
                {name: getattr(item, name) for name in ("at", "content_type", "content", "contact_id", "id")}
                | {"role": item.by and item.by.role}
                for item in events
            ],
        }


_DESCRIBED = (
    *("contact", "contacts", "source", "destination", "subtype", "display_name", "attributes", "streaming"),
    *("started_at", "ended_at", "connected", "messages"),
)


def find_chat(chats: list[Chat], reference: str) -> Chat:
    """The chat that `reference` means. Raises ValueError when there is none, or more than one.

    reference: a contact id, a prefix of one, or a customer number. A number means its active chat, else its last one.
    """
    if regex.fullmatch(r"\+[0-9]+", reference):
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


def check_details(details: dict[str, Any]) -> None:
    """Raises RefusedError where Connect refuses content types or attributes of a new chat."""
    supported = details.get("SupportedMessagingContentTypes")
    if supported is not None and (PLAIN not in supported or not CONTENT_TYPES.issuperset(supported)):
        raise invalid(f"SupportedMessagingContentTypes must include {PLAIN} and nothing unknown")
    attributes = details.get("Attributes", {})
    if not all(regex.fullmatch(r"[A-Za-z0-9_-]+", key) for key in attributes):
        raise invalid("keys of Attributes may hold only letters, digits, - and _")
    size = sum(len(part.encode("utf-8", "surrogatepass")) for pair in attributes.items() for part in pair)
    if size > ATTRIBUTES_BYTES:
        raise invalid(f"Attributes are over {ATTRIBUTES_BYTES} bytes")


def invalid(message: str) -> RefusedError:
    return RefusedError("InvalidRequestException", message)


def utf16_units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
