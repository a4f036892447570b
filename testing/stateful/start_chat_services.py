"""The chat APIs with faults, as clients of the SDK see them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from bridge.texts.chat_messages import ChatPart
from testing.chat_services import ENDED, REFUSED, refusal
from testing.clock import FakeClock
from testing.stateful.contact_centre import ContactCentre, ShownPart
from testing.stateful.simulation import ARNS

NO_ANSWER = ReadTimeoutError(endpoint_url="x")
ERRORS: dict[str, Exception] = {
    "throttle": refusal("ThrottlingException", 429),
    "error": refusal("InternalServerException", 500),
    "hang": NO_ANSWER,
    "refuse": REFUSED,
    "not found": refusal("ResourceNotFoundException", 404),
    "chat limit": refusal("LimitExceededException", 429),
    "invalid": refusal("ValidationException", 400),
}
TO_CONNECT = 300.0
"""Seconds in which the customer must be connected to a new chat, before Connect ends it."""
LIFE_OF_A_CHAT = 25 * 3600.0
LIFE_OF_A_CONNECTION = 24 * 3600.0


@dataclass(slots=True, kw_only=True)
class Contact:
    """One chat. `first` is what began it as its initial message; it is shown when the customer is connected."""

    name: str
    customer: str
    destination: str
    started_at: float
    first: ShownPart | None = None
    connected: bool = False
    ended: bool = False
    by_token: dict[str, ShownPart] = field(default_factory=dict)
    """By client token."""

    def over(self, now: float) -> bool:
        return self.ended or now >= self.started_at + (LIFE_OF_A_CHAT if self.connected else TO_CONNECT)


class ChatServices(ContactCentre):
    """The chat APIs as clients of the SDK see them."""

    def __init__(
        self, clock: FakeClock, on_part: Callable[[ShownPart, str, str], None], had_failed: Callable[[str], bool]
    ) -> None:
        super().__init__(clock, on_part)
        self._had_failed = had_failed
        self.contacts: dict[str, Contact] = {}
        self.unconfirmed: set[str] = set()
        """Keys of texts of which a part was accepted and its response lost."""
        self.sending = ""
        """Key of the text that is being sent."""
        self._by_token: dict[str, Contact] = {}
        self._connections: dict[str, tuple[Contact, float]] = {}
        self._numbers = itertools.count(1)

    def start_chat_contact(self, **request: Any) -> dict[str, Any]:
        attributes = request["Attributes"]
        lost = self._call(attributes["inboundMessageId"], denied=ENDED)
        first = request.get("InitialMessage")
        contact = self._by_token.get(request["ClientToken"])
        if contact is None:
            contact = Contact(
                name=f"contact-{len(self.contacts) + 1}",
                customer=attributes["originationNumber"],
                destination=attributes["destinationNumber"],
                started_at=self._clock.time,
            )
            if first:
                contact.first = ShownPart(
                    key=attributes["inboundMessageId"], part=ChatPart("MESSAGE", first["Content"])
                )
                self._on_part(contact.first, contact.customer, ARNS[contact.destination])
            self.contacts[contact.name] = self._by_token[request["ClientToken"]] = contact
        if lost:
            raise NO_ANSWER
        return {"ContactId": contact.name, "ParticipantId": "p", "ParticipantToken": contact.name}

    def create_participant_connection(self, **request: Any) -> dict[str, Any]:
        contact = self.contacts[request["ParticipantToken"]]
        lost = self._call(None, contact)
        if contact.over(self._clock.time):
            raise ENDED
        contact.connected = True
        if contact.first:
            if not contact.by_token:
                self.parts.append(contact.first)
                contact.by_token[f"{contact.first.key}-initial"] = contact.first
            self._mark_unconfirmed(contact.first)
            contact.first.excuse = self._excuse_of_initial(contact.first, lost=lost)
        if lost:
            raise NO_ANSWER
        token, expires = f"connection-{next(self._numbers)}", self._clock.time + LIFE_OF_A_CONNECTION
        self._connections[token] = contact, expires
        stamp = datetime.fromtimestamp(expires, UTC).isoformat().replace("+00:00", "Z")
        return {"ConnectionCredentials": {"ConnectionToken": token, "Expiry": stamp}}

    def send_message(self, **request: Any) -> dict[str, Any]:
        self._take_in_chat(request, ChatPart("MESSAGE", request["Content"]))
        return {"Id": "m"}

    def disconnect_participant(self, **request: Any) -> dict[str, Any]:
        self._take_in_chat(request, ChatPart("DISCONNECT"))
        return {}

    def _take_in_chat(self, request: dict[str, Any], part: ChatPart) -> None:
        contact, expires = self._connections[request["ConnectionToken"]]
        lost = self._call(_key(request["ClientToken"]), contact)
        if contact.over(self._clock.time) or self._clock.time >= expires:
            raise ENDED
        self._show(contact, request["ClientToken"], part, lost=lost)
        contact.ended = part.type == "DISCONNECT"
        if lost:
            raise NO_ANSWER

    def to_record(self, key: str) -> list[ShownPart]:
        """Also a part that was shown by an earlier call and needs no further one."""
        return super().to_record(key) or [shown for shown in self.of(key) if not shown.recorded][-1:]

    def _excuse_of_initial(self, first: ShownPart, *, lost: bool) -> str | None:
        if lost:
            return "its answer was lost"
        if self._had_failed(first.key):
            return "its text had failed"
        if self.sending != first.key:
            return "another text's call connected the customer, and its own call is still to come"
        return None

    def _mark_unconfirmed(self, shown: ShownPart) -> None:
        if shown.excuse:
            self.unconfirmed.add(shown.key)

    def _show(self, contact: Contact, token: str, part: ChatPart, *, lost: bool) -> None:
        """A repeated token shows nothing. The part that the first call showed may be recorded now."""
        shown, initial = contact.by_token.get(token), contact.by_token.get(f"{_key(token)}-initial")
        if initial and initial.unexplained and initial.part != part:
            initial.excuse = "the text was split differently after it started the chat"
        if shown is None:
            shown = ShownPart(key=_key(token), part=part)
            self._on_part(shown, contact.customer, ARNS[contact.destination])
            self.parts.append(shown)
            contact.by_token[token] = shown
        self._mark_unconfirmed(shown)
        shown.excuse = "its answer was lost" if lost else None

    def _call(self, key: str | None, contact: Contact | None = None, *, denied: ClientError = REFUSED) -> bool:
        """Raise the next fault, if any. Returns whether the response is to be lost."""
        assert self._clock.time <= self.until + 1, "Connect is called after the batch deadline"
        fault = self.script.pop() if self.script else self.outage
        self._clock.time += 5 if fault == "hang" else 0.1
        if fault == "ends" and contact:
            contact.ended = True
        if fault == "invalid" and key:
            self.rejected.add(key)
        if fault == "refuse":
            raise denied
        if fault == "invalid" and not key:
            raise ERRORS["error"]
        if fault in ERRORS:
            raise ERRORS[fault]
        return fault == "lost"


def _key(token: str) -> str:
    """The text key of a client token: the keys here have no dash."""
    return token.partition("-")[0]
