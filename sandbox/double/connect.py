"""Amazon Connect's side: the chats that are open, quotas, a journal; and SendChatIntegrationEvent.

Where AWS publishes no word on a behaviour, the line is marked (?): the bridge must be right either way.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import regex
from pydantic import BaseModel, ConfigDict, Field, field_validator

from sandbox.double.chats import (
    CONTENT_TYPES,
    DELIVERED,
    ENDED,
    JOINED,
    LEFT,
    PLAIN,
    READ,
    TYPING,
    Chat,
    Item,
    Participant,
    new_id,
)
from sandbox.double.faults import Faults
from sandbox.double.instances import Instance
from sandbox.double.model import RefusedError
from sandbox.double.numbers import E164, PHONE_NUMBER_ARN, Number, Pool
from sandbox.double.streaming import Notifications, Publish, unpublished

SMS = "connect:sms"
MESSAGE_LENGTH = 1024
"""Connect's own limit of one SMS message, in UTF-16 code units (the careful reading of "characters")."""
ATTRIBUTES_LENGTH = 32768
EVENT_TYPES = {TYPING, DELIVERED, READ}
ACCOUNT = "111122223333"
INSTANCE = "12345678-1234-1234-1234-123456789012"
RATES: dict[str, tuple[float, float]] = {
    "StartChatContact": (5, 8),
    "StartContactStreaming": (5, 8),
    "CreateParticipantConnection": (6, 9),
    "SendMessage": (10, 15),
    "SendEvent": (10, 15),
    "DisconnectParticipant": (3, 5),
    "GetTranscript": (8, 12),  # (?) and the next
    "GetAttachment": (8, 12),
    "SendTextMessage": (1, 1),
    "DescribePhoneNumbers": (1, 1),
    "UpdatePhoneNumber": (1, 1),
    "DescribePools": (1, 1),
    "ListTagsForResource": (1, 1),
    "TagResource": (1, 1),
    "UntagResource": (1, 1),
    "DescribeSpendLimits": (1, 1),
    "DescribeAccountAttributes": (1, 1),
    "DescribeInstance": (2, 5),
    "DescribeContactFlow": (2, 5),
    "ListPhoneNumbersV2": (2, 5),
    "DescribePhoneNumber": (2, 5),
    "GetFlowAssociation": (2, 5),
    "ListServiceQuotas": (10, 10),
}
"""Calls per second and burst by operation; that of SendChatIntegrationEvent is `rate` and `burst` of the settings."""

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

    rates: dict[str, tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(ge=1)]]] = RATES
    """Rate and burst of the other operations. A change names those that change, or "*" for all of them."""
    start_chat_throttle_error: str = "TooManyRequestsException"
    """(?) The API's reference: "API TPS throttling returns a TooManyRequests exception"; it is not modelled."""
    participant_token_seconds: float = Field(default=300, gt=0)
    """How long the first connection of a chat can be created."""
    connection_token_seconds: float = Field(default=86400, gt=0)

    recipient_rate: float = Field(default=1, gt=0)
    """Texts per second to one phone; not raisable in AWS."""
    opted_out: list[str] = []
    unverified: list[str] = []
    """Numbers that may not be texted by an account in the SMS sandbox."""
    blocked: list[str] = []
    """Beginnings of numbers, such as +44, that a protect configuration blocks."""
    spending_limit: int | None = Field(default=None, ge=0)
    """SMS (parts of texts) that may still be sent since the last reset."""
    spend_limit: int = Field(default=100, ge=0)
    """Dollars a month for texts, as DescribeSpendLimits says."""
    account_tier: Literal["SANDBOX", "PRODUCTION"] = "PRODUCTION"

    notify_twice: float = Field(default=0, ge=0, le=1)
    notify_late: float = Field(default=0, ge=0, le=1)
    """Share of notifications that come `notify_late_seconds` late, so out of order."""
    notify_late_seconds: float = Field(default=1, ge=0)
    notify_seed: int = 0

    @field_validator("rates")
    @classmethod
    def _known(cls, rates: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        if unknown := sorted(rates.keys() - RATES.keys() - {"*"}):
            raise ValueError(f"no operation {', '.join(unknown)}; there are {', '.join(RATES)}, and *")
        everything = dict.fromkeys(RATES, rates["*"]) if "*" in rates else RATES
        return {**everything, **{name: rate for name, rate in rates.items() if name != "*"}}

    def changed(self, changes: object) -> Settings:
        """Raises ValueError or TypeError."""
        if not isinstance(changes, dict):
            raise TypeError("settings are a JSON object")
        rates = changes.get("rates")
        if isinstance(rates, dict):
            changes = {**changes, "rates": rates if "*" in rates else {**self.rates, **rates}}
        return Settings.model_validate(self.model_dump() | changes)


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
        self,
        settings: Settings | None = None,
        *,
        clock: Clock = time.time,
        monotonic: Clock = time.monotonic,
        publish: Publish = unpublished,
    ) -> None:
        self._at_start = settings or Settings()
        self._clock, self._monotonic = clock, monotonic
        self.faults = Faults()
        self.numbers: dict[str, Number] = {}
        self.pools: dict[str, Pool] = {}
        self.instances: dict[str, Instance] = {}
        self.notifications = Notifications(publish, account=ACCOUNT, instance=INSTANCE)
        self.reset()

    def reset(self) -> None:
        """As new: no journal, no chats, no faults, the settings of the start. Our numbers, pools and instances stay."""
        self.faults.clear()
        self.chats: list[Chat] = []
        self._active: dict[str, Chat] = {}
        self._sessions: dict[tuple[str, str, str], Chat] = {}
        self.participants: dict[str, Chat] = {}
        """Chats by ParticipantToken."""
        self.connections: dict[str, tuple[Chat, float]] = {}
        """Chats by ConnectionToken, and when it expires."""
        self.started: dict[tuple[str, str], dict[str, Any]] = {}
        """Answers of StartChatContact and StartContactStreaming by ClientToken."""
        self.journal: list[dict[str, Any]] = []
        self.accepted = 0
        self.repeated = 0
        self.refused: Counter[str] = Counter()
        self.texts: list[dict[str, Any]] = []
        """What phones got."""
        self.parts_sent = 0
        self.notifications.clear()
        self.set(self._at_start)

    def now(self) -> float:
        return self._clock()

    def set(self, settings: Settings) -> None:
        """Takes new settings; quotas start anew with a full burst."""
        self.settings = settings
        self._buckets: dict[str, TokenBucket] = {}
        self._recipients: dict[str, TokenBucket] = {}
        self.notifications.trouble(
            twice=settings.notify_twice,
            late=settings.notify_late,
            late_seconds=settings.notify_late_seconds,
            seed=settings.notify_seed,
        )

    def know(self, numbers: list[Number]) -> None:
        """Our numbers from now on; one that was known keeps what is not said of it now."""
        for number in numbers:
            known = self.numbers.get(number.arn)
            if known is None:
                number.created_at = self.now()
                continue
            for name in number.model_fields_set:
                setattr(known, name, getattr(number, name))
        self.numbers = {number.arn: self.numbers.get(number.arn, number) for number in numbers}

    def admit(self, operation: str) -> None:
        """Counts the call against its operation's rate. Raises ThrottlingException, or what throttling is there."""
        bucket = self._buckets.get(operation)
        if bucket is None:
            rate, burst = self.settings.rates.get(operation, (self.settings.rate, self.settings.burst))
            bucket = self._buckets[operation] = TokenBucket(rate=rate, burst=burst, clock=self._monotonic)
        if not bucket.take():
            raise self.throttled(operation)

    def admit_recipient(self, number: str) -> bool:
        bucket = self._recipients.get(number)
        if bucket is None:
            rate = self.settings.recipient_rate
            bucket = self._recipients[number] = TokenBucket(rate=rate, burst=max(1, rate), clock=self._monotonic)
        return bucket.take()

    def throttled(self, operation: str, why: str = "Rate exceeded") -> RefusedError:
        starts = operation == "StartChatContact"
        return RefusedError(self.settings.start_chat_throttle_error if starts else "ThrottlingException", why)

    def chat_limit_reached(self, operation: str) -> RefusedError:
        starts = operation == "StartChatContact"
        code = "LimitExceededException" if starts else self.settings.chat_limit_error
        return RefusedError(code, "The quota of active chats has been reached")

    def active_chats(self) -> int:
        now = self._clock()
        for chat in list(self._active.values()):
            over = chat.started_at + (chat.seconds or self.settings.chat_seconds)
            if not chat.connected:  # (?) nobody says that the contact ends; its token is useless from then on
                over = min(over, chat.started_at + self.settings.participant_token_seconds)
            if now >= over:
                self.end(chat, over)
        return len(self._active)

    def status(self) -> dict[str, Any]:
        return {
            "accepted": self.accepted,
            "repeated": self.repeated,
            "refused": dict(self.refused),
            "chats": self.active_chats(),
            "texts": len(self.texts),
            "notifications": len(self.notifications.sent),
            "unpublished": sum(not sent["published"] for sent in self.notifications.sent),
            **self.settings.model_dump(),
            "faults": self.faults.describe(),
        }

    def customer_of(self, request: Request) -> str | None:
        """The phone that a call is about, as far as the double can tell."""
        for name in ("SourceId", "DestinationPhoneNumber"):
            if name in request:
                return str(request[name])
        if "ConnectionToken" in request:
            connection = self.connections.get(request["ConnectionToken"])
            return connection[0].source if connection else None
        if "ParticipantToken" in request:
            chat = self.participants.get(request["ParticipantToken"])
            return chat.source if chat else None
        if "ContactFlowId" in request:
            return customer_and_ours(request)[0]
        return None

    def note(self, operation: str, chat: Chat | None = None, **more: Any) -> dict[str, Any]:
        """A line in the journal: `operation` is an accepted call's, or Agent. Every line has the same keys."""
        if operation != "Agent":
            self.accepted += 1
        entry = {
            "n": len(self.journal) + 1,
            "at": self._clock(),
            "operation": operation,
            "source": chat and chat.source,
            "destination": chat and chat.destination,
            "subtype": chat and chat.subtype,
            "type": None,
            "content_type": None,
            "content": None,
            "contact": chat and chat.contact,
            "new_chat": False,
            "answered": True,
            "display_name": None,
            "attributes": {},
            "streaming_topic_arn": None,
            "role": None,
            "id": None,
            **more,
        }
        self.journal.append(entry)
        return entry

    def open(self, chat: Chat) -> None:
        self.chats.append(chat)
        self._active[chat.contact] = chat

    def is_active(self, chat: Chat) -> bool:
        self.active_chats()
        return chat.contact in self._active

    def begin(self, chat: Chat) -> None:
        """The customer is connected: the flow begins."""
        chat.connected = True
        self.happen(chat, content_type=JOINED, by=chat.customer)

    def say(self, chat: Chat, entry: dict[str, Any], item: Item, **notify: Any) -> Item:
        """A message or attachment, with its line of the journal, shown in the chat and to whom it is for."""
        entry |= {"role": item.by and item.by.role, "id": item.id}
        message = {key: entry[key] for key in ("n", "at", "content_type", "content")} | {
            "role": item.by and item.by.role,
            "display_name": item.by and item.by.name,
            "id": item.id,
            "contact_id": item.contact_id,
            "visibility": item.visibility,
        }
        if item.attachments:
            message["attachments"] = list(item.attachments)
        chat.messages.append(message)
        self._tell(chat, item, **notify)
        if chat.by_integration and not chat.streaming and item.by and item.by.role != "CUSTOMER" and item.for_customer:
            self._text(chat, item)
        return item

    def happen(
        self, chat: Chat, *, content_type: str, by: Participant | None = None, at: float | None = None, **more: Any
    ) -> Item:
        """An event of the chat."""
        content, notify = more.pop("content", None), more
        item = Item(
            type="EVENT",
            content_type=content_type,
            content=content,
            contact_id=chat.contact_id,
            at=self._clock() if at is None else at,
            by=by,
        )
        self._tell(chat, item, **notify)
        return item

    def end(self, chat: Chat, at: float | None = None, **notify: Any) -> None:
        chat.ended_at = self._clock() if at is None else at
        del self._active[chat.contact]
        if chat.by_integration:
            del self._sessions[chat.source or "", chat.destination or "", chat.subtype or ""]
        self.happen(chat, content_type=ENDED, at=chat.ended_at, **notify)

    def deliver(
        self,
        *,
        by: str,
        origin: str | None,
        sender: str | None,
        to: str,
        body: str,
        message: str,
        context: Mapping[str, str] | None = None,
    ) -> None:
        """A text reaches a phone. `origin` is what it was sent from as the caller put it, `sender` the number."""
        self.texts.append(
            {
                "n": len(self.texts) + 1,
                "at": self._clock(),
                "by": by,
                "origination": origin,
                "from": sender,
                "to": to,
                "body": body,
                "message_id": message,
                "context": dict(context or {}),
            }
        )

    def send_chat_integration_event(self, request: Request) -> dict[str, Any]:
        """DOMAIN.md section 2. `request` fits the API's model; here is what the model does not say."""
        source, destination = request["SourceId"], request["DestinationId"]
        subtype, event = request.get("Subtype", SMS), request["Event"]
        details = request.get("NewSessionDetails", {})
        _check_destination(destination, subtype)
        _check_event(event, subtype)
        self._check_imported(destination)

        active = self.active_chats()
        chat = self._sessions.get((source, destination, subtype))
        new = chat is None
        if chat is None:
            if event["Type"] != "MESSAGE":
                if self.settings.without_chat == "not-found":
                    raise RefusedError("ResourceNotFoundException", "No active chat for these identifiers")
                self._note_event(request, None, new=False)
                return {"NewChatCreated": False}
            check_details(details)
            if active >= self.settings.chat_limit:
                raise self.chat_limit_reached("SendChatIntegrationEvent")
            session = _session(details)
            topic, name = session["streaming_topic_arn"], session["display_name"]
            chat = Chat(
                contact=new_id(),
                source=source,
                destination=destination,
                subtype=subtype,
                started_at=self._clock(),
                display_name=name,
                attributes=session["attributes"],
                streaming=[topic] if topic else [],
                customer=Participant(role="CUSTOMER", name=name),
            )
            self.open(chat)
            self._sessions[source, destination, subtype] = chat
            self.begin(chat)
        entry = self._note_event(request, chat, new=new)
        if event["Type"] == "MESSAGE":
            self.say(chat, entry, self.said(chat, event["ContentType"], event["Content"], at=entry["at"]))
        elif event["Type"] == "DISCONNECT":
            self.happen(chat, content_type=LEFT, by=chat.customer, at=entry["at"])
            self.end(chat, entry["at"])
        else:
            self.happen(chat, content_type=event["ContentType"], by=chat.customer, content=event.get("Content"))
        return {"InitialContactId": chat.contact, "NewChatCreated": new}

    def _check_imported(self, destination: str) -> None:
        """(?) A double that was told of no instances takes any number."""
        imported = {number.arn for instance in self.instances.values() for number in instance.numbers}
        if self.instances and destination not in imported:
            raise RefusedError("ResourceNotFoundException", "The number is not imported into any instance")

    def said(self, chat: Chat, content_type: str, content: str, *, at: float) -> Item:
        """A message of the customer."""
        return Item(
            type="MESSAGE",
            content_type=content_type,
            content=content,
            contact_id=chat.contact_id,
            at=at,
            by=chat.customer,
        )

    def _note_event(self, request: Request, chat: Chat | None, *, new: bool) -> dict[str, Any]:
        event = request["Event"]
        return self.note(
            "SendChatIntegrationEvent",
            chat,
            source=request["SourceId"],
            destination=request["DestinationId"],
            subtype=request.get("Subtype", SMS),
            type=event["Type"],
            content_type=event.get("ContentType"),
            content=event.get("Content"),
            new_chat=new,
            role="CUSTOMER",
            **_session(request.get("NewSessionDetails", {})),
        )

    def _tell(self, chat: Chat, item: Item, **notify: Any) -> None:
        chat.transcript.append(item)
        for topic in chat.streaming if chat.connected else ():
            self.notifications.tell(chat, item, topic, **notify)

    def _text(self, chat: Chat, item: Item) -> None:
        """What Connect does by itself for a number that was imported into it. SMS carries plain text only."""
        to = chat.source or ""
        refused = to in [*self.settings.opted_out, *self.settings.unverified]
        if item.content_type != PLAIN or item.content is None or refused:
            return
        number = self.numbers.get(chat.destination or "")
        sender = number.number if number else None
        self.deliver(by="Connect", origin=chat.destination, sender=sender, to=to, body=item.content, message=item.id)


HANDLERS: dict[str, Callable[[ContactCentre, Request], dict[str, Any]]] = {
    "SendChatIntegrationEvent": ContactCentre.send_chat_integration_event,
}
"""The operations of `connect` that the double plays, but for those that start-chat needs."""


def customer_and_ours(request: Request) -> tuple[str | None, str | None]:
    """The two numbers of a StartChatContact, which Connect does not know: told by the bridge's attributes."""
    attributes = request.get("Attributes", {})
    name = request.get("ParticipantDetails", {}).get("DisplayName", "")
    customer = attributes.get("originationNumber") or (name if E164.fullmatch(name) else None)
    return customer, attributes.get("destinationNumber")


def _session(details: Request) -> dict[str, Any]:
    return {
        "display_name": details.get("ParticipantDetails", {}).get("DisplayName"),
        "attributes": details.get("Attributes", {}),
        "streaming_topic_arn": details.get("StreamingConfiguration", {}).get("StreamingEndpointArn"),
    }


def invalid(message: str) -> RefusedError:
    return RefusedError("InvalidRequestException", message)


def _check_destination(destination: str, subtype: str) -> None:
    if subtype != SMS:
        raise invalid(f"Subtype must be {SMS}")
    if not PHONE_NUMBER_ARN.fullmatch(destination):
        raise invalid("DestinationId must be the ARN of an End User Messaging phone number")


def _check_event(event: Request, subtype: str) -> None:
    kind, content_type, content = event["Type"], event.get("ContentType"), event.get("Content")
    if kind == "MESSAGE":
        if content_type != PLAIN:
            raise invalid(f"Event.ContentType must be {PLAIN} for a MESSAGE of {subtype}")
        if content is None:
            raise invalid("Event.Content is required for a MESSAGE")
        if len(content.encode("utf-16-le", "surrogatepass")) // 2 > MESSAGE_LENGTH:
            raise invalid(f"Event.Content is over {MESSAGE_LENGTH} characters")
    elif kind == "EVENT" and content_type not in EVENT_TYPES:
        raise invalid(f"Event.ContentType must be one of {', '.join(sorted(EVENT_TYPES))} for an EVENT")


def check_details(details: Request) -> None:
    supported = details.get("SupportedMessagingContentTypes")
    if supported is not None and (PLAIN not in supported or not CONTENT_TYPES.issuperset(supported)):
        raise invalid(f"SupportedMessagingContentTypes must include {PLAIN} and nothing unknown")
    attributes = details.get("Attributes", {})
    bad = next((key for key in attributes if not regex.fullmatch(r"[A-Za-z0-9_-]+", key)), None)
    if bad is not None:
        raise invalid("keys of Attributes may hold only letters, digits, - and _")
    size = sum(len(part.encode("utf-8", "surrogatepass")) for pair in attributes.items() for part in pair)
    if size > ATTRIBUTES_LENGTH:
        raise invalid(f"Attributes are over {ATTRIBUTES_LENGTH} bytes")
