"""Amazon Connect's side of SendChatIntegrationEvent: chats, quotas and a journal.

Where AWS publishes no word on a behaviour, the line is marked (?): the bridge must be right either way.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import regex
from pydantic import BaseModel, ConfigDict, Field

from sandbox.double.faults import Faults, Kind
from sandbox.double.model import RefusedError

PLAIN = "text/plain"
SMS = "connect:sms"
MESSAGE_LENGTH = 1024
"""Connect's own limit of one SMS message, in UTF-16 code units (the careful reading of "characters")."""
ATTRIBUTES_LENGTH = 32768
CONTENT_TYPES = {
    PLAIN,
    "text/markdown",
    "application/json",
    "application/vnd.amazonaws.connect.message.interactive",
    "application/vnd.amazonaws.connect.message.interactive.response",
}
EVENT_TYPES = {
    "application/vnd.amazonaws.connect.event.typing",
    "application/vnd.amazonaws.connect.event.message.delivered",
    "application/vnd.amazonaws.connect.event.message.read",
}
PHONE_NUMBER_ARN = regex.compile(r"arn:aws[\w-]*:sms-voice:[a-z0-9-]+:\d{12}:phone-number/[\w-]+")

Request = dict[str, Any]
Clock = Callable[[], float]


class Settings(BaseModel):
    """What POST /_double/settings changes; times in seconds, `rate` in calls per second."""

    model_config = ConfigDict(extra="forbid")

    rate: float = Field(default=17, gt=0)
    burst: float = Field(default=26, ge=1)
    chat_limit: int = Field(default=500, ge=0)
    latency: float = Field(default=0, ge=0)
    chat_seconds: float = Field(default=90000, gt=0)
    chat_limit_error: str = "ThrottlingException"
    """(?) The operation models no quota error; of those that it does model this is the likeliest."""
    without_chat: Literal["not-found", "ignored"] = "not-found"
    """(?) A DISCONNECT or EVENT of no active chat: refused, or answered with no InitialContactId. The API's
    reference hints at the second: "This may be null if the integration event is not valid without an already
    existing chat contact"."""


@dataclass(slots=True, kw_only=True)
class Chat:
    contact: str
    source: str
    destination: str
    subtype: str
    started_at: float
    details: Request
    messages: list[Request] = field(default_factory=list)
    ended_at: float | None = None

    def describe(self) -> dict[str, Any]:
        return {
            "contact": self.contact,
            "source": self.source,
            "destination": self.destination,
            "subtype": self.subtype,
            **_session(self.details),
            "started_at": self.started_at,
            "ended_at": self.ended_at,
            "ended": self.ended_at is not None,
            "messages": self.messages,
        }


class TokenBucket:
    """`rate` tokens a second, up to `burst` in hand."""

    def __init__(self, *, rate: float, burst: float, clock: Clock) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._tokens, self._at = burst, clock()

    def take(self) -> bool:
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class ContactCentre:
    """All that the double remembers. Single-threaded: a call is taken whole or not at all."""

    def __init__(
        self, settings: Settings | None = None, *, clock: Clock = time.time, monotonic: Clock = time.monotonic
    ) -> None:
        self._at_start = settings or Settings()
        self._clock, self._monotonic = clock, monotonic
        self.faults = Faults()
        self.reset()

    def reset(self) -> None:
        """As new: no journal, no chats, no faults, the settings of the start."""
        self.faults.clear()
        self.chats: list[Chat] = []
        self._active: dict[tuple[str, str, str], Chat] = {}
        self.journal: list[dict[str, Any]] = []
        self.refused: Counter[str] = Counter()
        self.set(self._at_start)

    def set(self, settings: Settings) -> None:
        """Takes new settings; quotas start anew with a full burst."""
        self.settings = settings
        self._buckets: dict[str, TokenBucket] = {}

    def admit(self, operation: str) -> None:
        """Counts the call against its operation's rate. Raises ThrottlingException."""
        bucket = self._buckets.get(operation)
        if bucket is None:
            rate, burst = self.settings.rate, self.settings.burst
            bucket = self._buckets[operation] = TokenBucket(rate=rate, burst=burst, clock=self._monotonic)
        if not bucket.take():
            raise RefusedError("ThrottlingException", "Rate exceeded")

    def active_chats(self) -> int:
        now = self._clock()
        for chat in [c for c in self._active.values() if now >= c.started_at + self.settings.chat_seconds]:
            self._end(chat, chat.started_at + self.settings.chat_seconds)
        return len(self._active)

    def status(self) -> dict[str, Any]:
        return {
            "accepted": len(self.journal),
            "refused": dict(self.refused),
            "chats": self.active_chats(),
            **self.settings.model_dump(),
            "faults": self.faults.describe(),
        }

    def send_chat_integration_event(self, request: Request) -> dict[str, Any]:
        """DOMAIN.md section 2. `request` fits the API's model; here is what the model does not say."""
        source, destination = request["SourceId"], request["DestinationId"]
        subtype, event = request.get("Subtype", SMS), request["Event"]
        details = request.get("NewSessionDetails", {})
        _check_destination(destination, subtype)
        _check_event(event, subtype)

        active = self.active_chats()
        chat = self._active.get((source, destination, subtype))
        new = chat is None
        if chat is None:
            if event["Type"] != "MESSAGE":
                if self.settings.without_chat == "not-found":
                    raise RefusedError("ResourceNotFoundException", "No active chat for these identifiers")
                self._note(request, None, new=False)
                return {"NewChatCreated": False}
            _check_details(details)
            if active >= self.settings.chat_limit:
                raise self.chat_limit_reached()
            chat = Chat(
                contact=str(uuid.uuid4()),
                source=source,
                destination=destination,
                subtype=subtype,
                started_at=self._clock(),
                details=details,
            )
            self.chats.append(chat)
            self._active[(source, destination, subtype)] = chat
        entry = self._note(request, chat, new=new)
        if event["Type"] == "MESSAGE":
            chat.messages.append({key: entry[key] for key in ("n", "at", "content_type", "content")})
        elif event["Type"] == "DISCONNECT":
            self._end(chat, entry["at"])
        return {"InitialContactId": chat.contact, "NewChatCreated": new}

    def chat_limit_reached(self) -> RefusedError:
        return RefusedError(self.settings.chat_limit_error, "The quota of active chats has been reached")

    def _note(self, request: Request, chat: Chat | None, *, new: bool) -> dict[str, Any]:
        event = request["Event"]
        entry = {
            "n": len(self.journal) + 1,
            "at": self._clock(),
            "operation": "SendChatIntegrationEvent",
            "source": request["SourceId"],
            "destination": request["DestinationId"],
            "subtype": request.get("Subtype", SMS),
            "type": event["Type"],
            "content_type": event.get("ContentType"),
            "content": event.get("Content"),
            "contact": chat and chat.contact,
            "new_chat": new,
            "answered": True,
            **_session(request.get("NewSessionDetails", {})),
        }
        self.journal.append(entry)
        return entry

    def _end(self, chat: Chat, at: float) -> None:
        chat.ended_at = at
        del self._active[(chat.source, chat.destination, chat.subtype)]


FAULT_ERRORS: dict[Kind, Callable[[ContactCentre], RefusedError]] = {
    Kind.THROTTLE: lambda _: RefusedError("ThrottlingException", "Rate exceeded (fault)"),
    Kind.ERROR: lambda _: RefusedError("InternalServiceException", "Internal error (fault)"),
    Kind.REFUSE: lambda _: RefusedError("AccessDeniedException", "Access to this API is restricted (fault)"),
    Kind.NOT_FOUND: lambda _: RefusedError("ResourceNotFoundException", "Phone number not found (fault)"),
    Kind.CHAT_LIMIT: ContactCentre.chat_limit_reached,
}

HANDLERS: dict[str, Callable[[ContactCentre, Request], dict[str, Any]]] = {
    "SendChatIntegrationEvent": ContactCentre.send_chat_integration_event,
}
"""The operations of `connect` that the double plays."""


def _session(details: Request) -> dict[str, Any]:
    return {
        "display_name": details.get("ParticipantDetails", {}).get("DisplayName"),
        "attributes": details.get("Attributes", {}),
        "streaming_topic_arn": details.get("StreamingConfiguration", {}).get("StreamingEndpointArn"),
    }


def _invalid(message: str) -> RefusedError:
    return RefusedError("InvalidRequestException", message)


def _check_destination(destination: str, subtype: str) -> None:
    if subtype != SMS:
        raise _invalid(f"Subtype must be {SMS}")
    if not PHONE_NUMBER_ARN.fullmatch(destination):
        raise _invalid("DestinationId must be the ARN of an End User Messaging phone number")


def _check_event(event: Request, subtype: str) -> None:
    kind, content_type, content = event["Type"], event.get("ContentType"), event.get("Content")
    if kind == "MESSAGE":
        if content_type != PLAIN:
            raise _invalid(f"Event.ContentType must be {PLAIN} for a MESSAGE of {subtype}")
        if content is None:
            raise _invalid("Event.Content is required for a MESSAGE")
        if len(content.encode("utf-16-le", "surrogatepass")) // 2 > MESSAGE_LENGTH:
            raise _invalid(f"Event.Content is over {MESSAGE_LENGTH} characters")
    elif kind == "EVENT" and content_type not in EVENT_TYPES:
        raise _invalid(f"Event.ContentType must be one of {', '.join(sorted(EVENT_TYPES))} for an EVENT")


def _check_details(details: Request) -> None:
    supported = details.get("SupportedMessagingContentTypes")
    if supported is not None and (PLAIN not in supported or not CONTENT_TYPES.issuperset(supported)):
        raise _invalid(f"SupportedMessagingContentTypes must include {PLAIN} and nothing unknown")
    attributes = details.get("Attributes", {})
    bad = next((key for key in attributes if not regex.fullmatch(r"[A-Za-z0-9_-]+", key)), None)
    if bad is not None:
        raise _invalid("keys of Attributes may hold only letters, digits, - and _")
    size = sum(len(part.encode("utf-8", "surrogatepass")) for pair in attributes.items() for part in pair)
    if size > ATTRIBUTES_LENGTH:
        raise _invalid(f"Attributes are over {ATTRIBUTES_LENGTH} bytes")
