"""The state of the simulated contact centre: chats, journal, quotas, and what phones received.

(?) marks a behaviour that AWS does not document. The bridge must work whichever way AWS behaves.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from sandbox.simulator.chats import ENDED, JOINED, PLAIN, Chat, Entry, Item, Participant
from sandbox.simulator.faults import Faults
from sandbox.simulator.protocols import RefusedError
from sandbox.simulator.resources import E164, Instance, Number, Pool
from sandbox.simulator.settings import Settings
from sandbox.simulator.streaming import Notifications, Publish, unpublished

Request = dict[str, Any]
Response = dict[str, Any]
Clock = Callable[[], float]


class TokenBucket:
    """Allows `rate` calls per second on average, and up to `burst` calls at once."""

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
    """The simulator's whole state. Single-threaded: no two calls change it at the same time."""

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        clock: Clock = time.time,
        monotonic: Clock = time.monotonic,
        publish: Publish = unpublished,
    ) -> None:
        self._initial_settings = settings or Settings()
        self.now, self._monotonic = clock, monotonic
        self.faults = Faults()
        self.numbers: dict[str, Number] = {}
        self.pools: dict[str, Pool] = {}
        self.instances: dict[str, Instance] = {}
        self.notifications = Notifications(publish)
        self.reset()

    def reset(self) -> None:
        """Removes journal, chats and faults and restores the settings. Numbers, pools and instances stay."""
        self.faults.clear()
        self.chats: list[Chat] = []
        self._active: dict[str, Chat] = {}
        self.integration_chats: dict[tuple[str, str, str], Chat] = {}
        """Active chats of SendChatIntegrationEvent, by source, destination and subtype."""
        self.participants: dict[str, Chat] = {}
        """Chats by ParticipantToken."""
        self.connections: dict[str, tuple[Chat, float]] = {}
        """Chats by ConnectionToken, and when the token expires."""
        self.started: dict[tuple[str, str], Response] = {}
        """Responses of StartChatContact and StartContactStreaming by operation and ClientToken."""
        self.journal: list[Entry] = []
        self.accepted = 0
        self.repeated = 0
        self.refused: Counter[str] = Counter()
        self.texts: list[dict[str, Any]] = []
        """What phones received."""
        self.parts_sent = 0
        self.notifications.sent.clear()
        self.apply(self._initial_settings)

    def apply(self, settings: Settings) -> None:
        """Changes the settings. Each quota begins again with a full burst."""
        self.settings = settings
        self._buckets: dict[str, TokenBucket] = {}
        self.notifications.apply(settings)

    def set_numbers(self, numbers: list[Number]) -> None:
        """Replaces the business numbers. A number that was there keeps the values that its new one does not set."""
        for number in numbers:
            known = self.numbers.get(number.arn)
            if known is None:
                number.created_at = self.now()
                continue
            for name in number.model_fields_set:
                setattr(known, name, getattr(number, name))
        self.numbers = {number.arn: self.numbers.get(number.arn, number) for number in numbers}

    def check_rate(self, operation: str) -> None:
        """Raises the operation's throttling error when the call is over its rate."""
        rate, burst = self.settings.rates.get(operation, (self.settings.rate, self.settings.burst))
        if not self._bucket(operation, rate, burst).take():
            raise self.throttled(operation)

    def check_recipient_rate(self, number: str) -> None:
        """Raises RefusedError when this phone has been sent too many texts in this second."""
        rate = self.settings.recipient_rate
        if not self._bucket(number, rate, max(1, rate)).take():
            raise RefusedError("ThrottlingException", "Rate exceeded for the destination phone number")

    def _bucket(self, key: str, rate: float, burst: float) -> TokenBucket:
        if key not in self._buckets:
            self._buckets[key] = TokenBucket(rate=rate, burst=burst, clock=self._monotonic)
        return self._buckets[key]

    def throttled(self, operation: str, message: str = "Rate exceeded") -> RefusedError:
        starts = operation == "StartChatContact"
        return RefusedError(self.settings.start_chat_throttle_error if starts else "ThrottlingException", message)

    def chat_limit_reached(self, operation: str) -> RefusedError:
        starts = operation == "StartChatContact"
        code = "LimitExceededException" if starts else self.settings.chat_limit_error
        return RefusedError(code, "The quota of active chats has been reached")

    def active_chats(self) -> int:
        """How many chats are active, once those whose time is over have been ended."""
        now = self.now()
        for chat in list(self._active.values()):
            end = chat.started_at + (chat.seconds or self.settings.chat_seconds)
            if not chat.connected:  # (?) whether the contact ends then; its participant token has expired
                end = min(end, chat.started_at + self.settings.participant_token_seconds)
            if now >= end:
                self.end_chat(chat, end)
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
        """The customer number that a request is about, None when the request does not show it."""
        for name in ("SourceId", "DestinationPhoneNumber"):
            if name in request:
                return str(request[name])
        if "ContactFlowId" in request:
            return participant_numbers(request)[0]
        chat, _ = self.connections.get(request.get("ConnectionToken", ""), (None, 0))
        chat = chat or self.participants.get(request.get("ParticipantToken", ""))
        return chat.source if chat else None

    def record(self, operation: str, chat: Chat | None = None, **more: Any) -> Entry:
        """Adds an entry to the journal. operation: of an accepted call, or "Agent". All entries have the same keys."""
        if operation != "Agent":
            self.accepted += 1
        unset = ("type", "content_type", "content", "display_name", "streaming_topic_arn", "role", "id")
        entry = {
            "n": len(self.journal) + 1,
            "at": self.now(),
            "operation": operation,
            **{name: chat and getattr(chat, name) for name in ("source", "destination", "subtype", "contact")},
            **dict.fromkeys(unset),
            "new_chat": False,
            "answered": True,
            "attributes": {},
            **more,
        }
        self.journal.append(entry)
        return entry

    def open_chat(self, chat: Chat) -> None:
        self.chats.append(chat)
        self._active[chat.contact] = chat

    def is_active(self, chat: Chat) -> bool:
        self.active_chats()
        return chat.contact in self._active

    def connect_customer(self, chat: Chat) -> None:
        """The customer is connected, and the flow begins."""
        chat.connected = True
        self.add_event(chat, content_type=JOINED, by=chat.customer)

    def add_customer_message(self, chat: Chat, entry: Entry, *, at: float) -> Item:
        """Adds the message of this journal entry as the customer's."""
        item = Item(
            type="MESSAGE",
            content_type=entry["content_type"],
            content=entry["content"],
            contact_id=chat.contact_id,
            at=at,
            by=chat.customer,
        )
        return self.add_message(chat, entry, item)

    def add_message(self, chat: Chat, entry: Entry, item: Item, **notify: Any) -> Item:
        """Adds a message or an attachment to the chat and delivers it. entry: its entry in the journal."""
        entry |= {"role": item.by and item.by.role, "id": item.id}
        message = {key: entry[key] for key in ("n", "at", "content_type", "content", "role", "id")} | {
            "display_name": item.by and item.by.name,
            "contact_id": item.contact_id,
            "visibility": item.visibility,
        }
        if item.attachments:
            message["attachments"] = list(item.attachments)
        chat.messages.append(message)
        self._add(chat, item, **notify)
        if chat.by_integration and not chat.streaming and item.by and item.by.role != "CUSTOMER" and item.for_customer:
            self._send_sms(chat, item)
        return item

    def add_event(
        self,
        chat: Chat,
        *,
        content_type: str,
        by: Participant | None = None,
        at: float | None = None,
        content: str | None = None,
        **notify: Any,
    ) -> Item:
        item = Item(
            type="EVENT",
            content_type=content_type,
            content=content,
            contact_id=chat.contact_id,
            at=self.now() if at is None else at,
            by=by,
        )
        self._add(chat, item, **notify)
        return item

    def end_chat(self, chat: Chat, at: float | None = None, **notify: Any) -> None:
        chat.ended_at = self.now() if at is None else at
        del self._active[chat.contact]
        if chat.by_integration:
            del self.integration_chats[chat.source or "", chat.destination or "", chat.subtype or ""]
        self.add_event(chat, content_type=ENDED, at=chat.ended_at, **notify)

    def deliver_sms(self, text: Entry) -> None:
        """A phone receives a text: by (the operation), origination (as the caller wrote it), from, to, body, ..."""
        self.texts.append({"n": len(self.texts) + 1, "at": self.now(), "context": {}} | text)

    def _add(self, chat: Chat, item: Item, **notify: Any) -> None:
        """Adds the item to the transcript and publishes it to the chat's streaming topics."""
        chat.transcript.append(item)
        for topic in chat.streaming if chat.connected else ():
            self.notifications.publish(chat, item, topic, **notify)

    def _send_sms(self, chat: Chat, item: Item) -> None:
        """Connect itself sends replies of an imported number. It sends plain text only."""
        to = chat.source or ""
        refused = to in [*self.settings.opted_out, *self.settings.unverified]
        if item.content_type != PLAIN or item.content is None or refused:
            return
        number = self.numbers.get(chat.destination or "")
        sender = number.number if number else None
        text = {"from": sender, "to": to, "body": item.content, "message_id": item.id}
        self.deliver_sms({"by": "Connect", "origination": chat.destination, **text})


def participant_numbers(request: Request) -> tuple[str | None, str | None]:
    """Customer number and business number of a StartChatContact, from the attributes that the bridge sets."""
    attributes = request.get("Attributes", {})
    name = request.get("ParticipantDetails", {}).get("DisplayName", "")
    customer = attributes.get("originationNumber") or (name if E164.fullmatch(name) else None)
    return customer, attributes.get("destinationNumber")
