"""The promises under whatever may happen, for start-chat delivery: chats end, calls to three services fail half-way.

The machine is that of test_stateful; the way into the chat and the open chats are the real ones, the latter on the
tests' model of a table.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from bridge.aws.chat_sessions import ChatSessions
from bridge.aws.start_chat import StartChat
from bridge.config import Config, Delivery
from bridge.texts.chat_messages import ChatPart
from bridge.texts.delivery import Accepted, ChatTransport, NoOpenChat, PartRequest
from bridge.texts.sms_event import conversation_id
from testing.builders import starting_chats
from testing.chat_services import ENDED, REFUSED, refusal
from testing.clock import FakeClock
from testing.harness import STREAMING_TOPIC
from testing.models.table import Table
from tests.unit.test_stateful import (
    ARNS,
    LIMITS,
    Bridge,
    ContactCentre,
    Life,
    Mortal,
    Run,
    Showing,
    Text,
    in_turn_and_silent,
    moments,
    picks,
    play,
    sizes,
    waits,
)

NO_ANSWER = ReadTimeoutError(endpoint_url="x")
SAID: dict[str, Exception] = {
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
    first: Showing | None = None
    connected: bool = False
    ended: bool = False
    said: dict[str, Showing] = field(default_factory=dict)
    """By client token."""

    def over(self, now: float) -> bool:
        return self.ended or now >= self.started_at + (LIFE_OF_A_CHAT if self.connected else TO_CONNECT)


class ChatServices(ContactCentre):
    """The chat APIs as clients of the SDK see them."""

    def __init__(
        self, clock: FakeClock, on_part: Callable[[Showing, str, str], None], had_failed: Callable[[str], bool]
    ) -> None:
        super().__init__(clock, on_part)
        self._had_failed = had_failed
        self.contacts: dict[str, Contact] = {}
        self.doubted: set[str] = set()
        """Keys of texts of which a part was taken, and the bridge could not know."""
        self.sending = ""
        """Key of the text whose part is on its way."""
        self._by_token: dict[str, Contact] = {}
        self._connections: dict[str, tuple[Contact, float]] = {}
        self._numbers = itertools.count(1)

    def start_chat_contact(self, **request: Any) -> dict[str, Any]:
        facts = request["Attributes"]
        lost = self._call(facts["inboundMessageId"], denied=ENDED)
        first = request.get("InitialMessage")
        contact = self._by_token.get(request["ClientToken"])
        if contact is None:
            contact = Contact(
                name=f"contact-{len(self.contacts) + 1}",
                customer=facts["originationNumber"],
                destination=facts["destinationNumber"],
                started_at=self._clock.time,
            )
            if first:
                contact.first = Showing(key=facts["inboundMessageId"], part=ChatPart("MESSAGE", first["Content"]))
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
            if not contact.said:
                self.showings.append(contact.first)
                contact.said[f"{contact.first.key}-initial"] = contact.first
            self._doubt(contact.first)
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

    def to_note(self, key: str) -> list[Showing]:
        """What was shown before and needs no call any more is noted all the same."""
        return super().to_note(key) or [showing for showing in self.of(key) if not showing.noted][-1:]

    def _excuse_of_initial(self, first: Showing, *, lost: bool) -> str | None:
        if lost:
            return "its answer was lost"
        if self._had_failed(first.key):
            return "its text had failed"
        if self.sending != first.key:
            return "another text's call connected the customer, and its own turn is still to come"
        return None

    def _doubt(self, showing: Showing) -> None:
        if showing.excuse:
            self.doubted.add(showing.key)

    def _show(self, contact: Contact, token: str, part: ChatPart, *, lost: bool) -> None:
        """A repeated token shows nothing. What was shown by the first may be noted now."""
        showing, initial = contact.said.get(token), contact.said.get(f"{_key(token)}-initial")
        if initial and initial.loose and initial.part != part:
            initial.excuse = "the text is cut in another way since it began the chat"
        if showing is None:
            showing = Showing(key=_key(token), part=part)
            self._on_part(showing, contact.customer, ARNS[contact.destination])
            self.showings.append(showing)
            contact.said[token] = showing
        self._doubt(showing)
        showing.excuse = "its answer was lost" if lost else None

    def _call(self, key: str | None, contact: Contact | None = None, *, denied: ClientError = REFUSED) -> bool:
        """Whether its answer will be lost."""
        assert self._clock.time <= self.until + 1, "Connect is called after the batch deadline"
        trouble = self.script.pop() if self.script else self.outage
        self._clock.time += 5 if trouble == "hang" else 0.1
        if trouble == "ends" and contact:
            contact.ended = True
        if trouble == "invalid" and key:
            self.rejected.add(key)
        if trouble == "refuse":
            raise denied
        if trouble == "invalid" and not key:
            raise SAID["error"]
        if trouble in SAID:
            raise SAID[trouble]
        return trouble == "lost"


def _key(token: str) -> str:
    """Of the text: the keys here have no dash."""
    return token.partition("-")[0]


def _in_order(words: Sequence[str], among: Iterable[str]) -> bool:
    """Whether all of them are there, others between them or not."""
    rest = iter(among)
    return all(word in rest for word in words)


class Sending(StartChat):
    """Says of which text a call is."""

    def __init__(self, *, services: ChatServices, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._services = services

    def send(self, request: PartRequest) -> Accepted | NoOpenChat:
        before, self._services.sending = self._services.sending, request.sms.text_key
        try:
            return super().send(request)
        finally:
            self._services.sending = before


class ShakyTable(Table):
    """Fails the next `broken` calls, each before or after it did what was asked."""

    def __init__(self, on_failure: Callable[[], None]) -> None:
        super().__init__(by="chat_key")
        self.broken: list[bool] = []
        self._on_failure = on_failure

    def get_item(self, **request: Any) -> dict[str, Any]:
        self._maybe(done=False)
        return super().get_item(**request)

    def put_item(self, **request: Any) -> None:
        self._maybe(done=False)
        super().put_item(**request)
        self._maybe(done=True)

    def update_item(self, **request: Any) -> dict[str, Any]:
        self._maybe(done=False)
        answer = super().update_item(**request)
        self._maybe(done=True)
        return answer

    def _maybe(self, *, done: bool) -> None:
        if self.broken and self.broken[-1] is done:
            self.broken.pop()
            self._on_failure()
            raise refusal("InternalServerError", 500)


chat_runs = st.builds(
    Run,
    trouble=st.lists(
        st.sampled_from(["none", "none", "none", "none", "refuse", *SAID, "lost", "lost", "ends"]), max_size=8
    ),
    moment=moments(
        *("chat.start_chat_contact", "chat.create_participant_connection", "chat.send_message", "table.put_item"),
        *(
            "table.update_item",
            "chat.disconnect_participant",
            "record_part",
            "send_message",
            "record_failure",
            "answer",
        ),
    ),
    overlapped=st.booleans(),
)


class StartChatBridge(Bridge):
    """Both ways of sending a chat's first text, as somebody deploys them.

    A chat that was begun in vain is over when it is found again, and its text waits as blocked once.
    """

    drains_within = Bridge.drains_within + LIMITS.blocked_retry

    def __init__(self) -> None:
        self.first_text = "message"
        self.table = ShakyTable(self._excuse)
        super().__init__()
        self.services: Any = self.centre
        self.open_chats = ChatSessions(client=self.table, table="chats", now=self.clock.now)  # type: ignore[arg-type]

    # ---- what may happen besides

    @rule(rounds=st.lists(st.tuples(sizes, chat_runs, waits), min_size=2, max_size=6))
    def an_environment_receives_and_works(self, rounds: list[tuple[int, Run, float | None]]) -> None:
        super().an_environment_receives_and_works(rounds)

    @precondition(lambda self: self.held)
    @rule(pick=picks, run=chat_runs)
    def an_environment_works(self, pick: int, run: Run) -> None:
        """Not with texts that others may have by now: a chat that was begun with one is there for all to see."""
        self.held = [held for held in self.held if self.clock.time < held.until]
        if self.held:
            super().an_environment_works(pick, run)

    @precondition(lambda self: self.services.contacts)
    @rule(pick=picks)
    def an_agent_ends_a_chat(self, pick: int) -> None:
        self._pick(list(self.services.contacts.values()), pick).ended = True

    @precondition(lambda self: self.services.contacts)
    @rule(pick=picks)
    def reply_hears_that_a_chat_ended(self, pick: int) -> None:
        """At some time after it did, or once more."""
        over = [one for one in self.services.contacts.values() if one.over(self.clock.time)]
        if over and not self.table.broken:
            self.open_chats.end(self._pick(over, pick).name)

    @rule(broken=st.lists(st.booleans(), max_size=4))
    def the_open_chats_break_or_are_mended(self, broken: list[bool]) -> None:
        self.table.broken = broken

    @rule(first_text=st.sampled_from(["message", "initial-message"]))
    def somebody_deploys_another_way_to_begin(self, first_text: str) -> None:
        self.first_text = first_text
        self.config = self._configured(self.config)

    # ---- what is promised besides

    @invariant()
    def a_conversation_has_one_open_chat_at_most_and_the_table_knows_it(self) -> None:
        seen: dict[tuple[str, str], str] = {}
        for contact in self.services.contacts.values():
            if not contact.connected or contact.over(self.clock.time):
                continue
            whose = contact.customer, contact.destination
            assert whose not in seen, f"{seen[whose]} and {contact.name} are open at once"
            seen[whose] = contact.name
            item = self.table.items[f"conversation:{conversation_id(*whose)}"]
            assert item["contact"]["S"] == contact.name and not item["ended"]["BOOL"], "the table does not know it"

    @invariant()
    def words_are_in_a_second_chat_only_where_the_first_is_over(self) -> None:
        where: dict[tuple[str, ChatPart], Contact] = {}
        for contact in self.services.contacts.values():
            for showing in contact.said.values():
                before = where.setdefault((showing.key, showing.part), contact)
                assert before is contact or before.over(self.clock.time), f"{showing} is in two open chats"

    def teardown(self) -> None:
        self.table.broken = []
        super().teardown()

    # ---- which way texts go into a chat

    def _is_whole(self, text: Text, showings: Sequence[Showing]) -> bool:
        """A part that was taken before, when the text was cut in another way, is not shown again: of one message, the
        rest may be, where it has become two since."""
        if super()._is_whole(text, showings):
            return True
        noted = " ".join(showing.part.content for showing in showings if showing.noted).split()
        in_doubt = text.key in self.services.doubted or any(showing.excuse for showing in showings)
        return in_doubt and (not self._finished(text.key) or _in_order(text.body.split(), noted))

    def _contact_centre(self) -> ContactCentre:
        return ChatServices(self.clock, self._on_part, self._had_failed)

    def _configured(self, config: Config) -> Config:
        return starting_chats(config, first_text=self.first_text)

    def _transports(self, life: Life) -> dict[Delivery, ChatTransport]:
        services = Mortal(self.services, life, called="chat.")
        table: Any = Mortal(self.table, life, called="table.")
        return {
            "start-chat": Sending(
                services=self.services,
                connect=services,
                participant=services,
                chats=ChatSessions(client=table, table="chats", now=self.clock.now),
                message_limiter=self._rate_limiter(),
                start_limiter=self._rate_limiter(),
                connection_limiter=self._rate_limiter(),
                disconnect_limiter=self._rate_limiter(),
                streaming_topic_arn=STREAMING_TOPIC,
                now=self.clock.now,
            )
        }

    def _had_failed(self, key: str) -> bool:
        self._remember()
        return any(self._key(failure) == key for failure in self.failures.values())

    def _excuse(self) -> None:
        for showing in self.centre.showings:
            if showing.loose:
                showing.excuse = "the open chats could not be written"


def test_a_text_that_began_a_chat_may_be_shown_by_the_call_of_one_that_was_received_without_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SNS disordered them: in a batch of ten the earliest comes first, in a batch of one what was queued first."""
    in_turn_and_silent(monkeypatch)
    bridge = StartChatBridge()
    bridge.somebody_deploys_another_way_to_begin(first_text="initial-message")
    bridge.somebody_has_texted(customer="+14255550182")
    bridge.an_environment_receives_and_works([(10, Run(trouble=["refuse", "none"]), 130.0), (1, Run(), 0.0)])
    assert [showing.key for showing in bridge.services.showings] == ["t2", "t1"]
    bridge.teardown()
    shown = [showing.part.content.split()[0] for showing in bridge.services.showings]
    assert shown == ["t2.0", "t1.0", "t2.6", "t3.0", "t4.0"]


def test_the_promises_hold_of_start_chat_delivery_whatever_happens_in_whatever_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    play(StartChatBridge, monkeypatch, examples=100)
