"""The state machine for start-chat delivery: chats end, and calls to three services fail half-way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from bridge.aws.chat_sessions import ChatSessions
from bridge.aws.start_chat import StartChat
from bridge.config import Config, Delivery
from bridge.texts.chat_messages import ChatPart
from bridge.texts.delivery import Accepted, ChatTransport, NoOpenChat, PartRequest
from bridge.texts.sms_event import conversation_id
from testing.builders import starting_chats
from testing.chat_services import refusal
from testing.harness import STREAMING_TOPIC
from testing.models.table import Table
from testing.stateful.contact_centre import ContactCentre, ShownPart
from testing.stateful.machine import BridgeMachine, picks, sizes, waits
from testing.stateful.processes import KillableProxy, Process, moments
from testing.stateful.simulation import LIMITS, Run, Text
from testing.stateful.start_chat_services import ERRORS, ChatServices, Contact


def _in_order(words: Sequence[str], among: Iterable[str]) -> bool:
    """Whether all `words` are in `among`, in this order."""
    rest = iter(among)
    return all(word in rest for word in words)


class Sending(StartChat):
    """Tells the services which text is being sent."""

    def __init__(self, *, services: ChatServices, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._services = services

    def send(self, request: PartRequest) -> Accepted | NoOpenChat:
        before, self._services.sending = self._services.sending, request.sms.text_key
        try:
            return super().send(request)
        finally:
            self._services.sending = before


class UnreliableTable(Table):
    """Fails the next calls, one for each item of `broken`: before the call has an effect or, where true, after."""

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
    faults=st.lists(
        st.sampled_from(["none", "none", "none", "none", "refuse", *ERRORS, "lost", "lost", "ends"]), max_size=8
    ),
    moment=moments(
        *("chat.start_chat_contact", "chat.create_participant_connection", "chat.send_message", "table.put_item"),
        *("table.update_item", "chat.disconnect_participant"),
        *("record_part", "send_message", "record_failure", "answer"),
    ),
    overlapped=st.booleans(),
)


class StartChatMachine(BridgeMachine):
    """With both settings of first_text.

    A chat whose start was not completed can be over at the next attempt. Its text then waits as blocked once more.
    """

    drains_within = BridgeMachine.drains_within + LIMITS.blocked_retry

    def __init__(self) -> None:
        self.first_text = "message"
        self.table = UnreliableTable(self._excuse)
        super().__init__()
        self.services: Any = self.centre
        self.open_chats = ChatSessions(client=self.table, table="chats", now=self.clock.now)  # type: ignore[arg-type]

    # ---- further events

    @rule(rounds=st.lists(st.tuples(sizes, chat_runs, waits), min_size=2, max_size=6))
    def an_environment_receives_and_works(self, rounds: list[tuple[int, Run, float | None]]) -> None:
        super().an_environment_receives_and_works(rounds)

    @precondition(lambda self: self.held)
    @rule(pick=picks, run=chat_runs)
    def an_environment_works(self, pick: int, run: Run) -> None:
        """Not with a batch whose visibility timeout is over: an initial message shows a text even if another has it."""
        self.held = [held for held in self.held if self.clock.time < held.until]
        if self.held:
            super().an_environment_works(pick, run)

    @precondition(lambda self: self.services.contacts)
    @rule(pick=picks)
    def an_agent_ends_a_chat(self, pick: int) -> None:
        self._pick(list(self.services.contacts.values()), pick).ended = True

    @precondition(lambda self: self.services.contacts)
    @rule(pick=picks)
    def reply_receives_the_end_of_a_chat(self, pick: int) -> None:
        """Some time after the end, or once more."""
        over = [one for one in self.services.contacts.values() if one.over(self.clock.time)]
        if over and not self.table.broken:
            self.open_chats.end(self._pick(over, pick).name)

    @rule(broken=st.lists(st.booleans(), max_size=4))
    def the_open_chats_break_or_are_repaired(self, broken: list[bool]) -> None:
        self.table.broken = broken

    @rule(first_text=st.sampled_from(["message", "initial-message"]))
    def somebody_deploys_another_first_text(self, first_text: str) -> None:
        self.first_text = first_text
        self.config = self._configured(self.config)

    # ---- further promises

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
    def a_part_is_in_a_second_chat_only_after_the_first_ended(self) -> None:
        where: dict[tuple[str, ChatPart], Contact] = {}
        for contact in self.services.contacts.values():
            for shown in contact.by_token.values():
                before = where.setdefault((shown.key, shown.part), contact)
                assert before is contact or before.over(self.clock.time), f"{shown} is in two open chats"

    def teardown(self) -> None:
        self.table.broken = []
        super().teardown()

    # ---- the transport

    def _is_whole(self, text: Text, parts: Sequence[ShownPart]) -> bool:
        """Also where Connect dropped a part as a duplicate of one that was accepted under another split."""
        if super()._is_whole(text, parts):
            return True
        if text.kind == "stop" and not parts and self.ledger.outcome(text.key) == "ignored":
            return True  # there was no chat to end
        recorded = " ".join(shown.part.content for shown in parts if shown.recorded).split()
        unconfirmed = text.key in self.services.unconfirmed or any(shown.excuse for shown in parts)
        return unconfirmed and (not self._finished(text.key) or _in_order(text.body.split(), recorded))

    def _ends_are_streamed(self) -> None:
        for contact in self.services.contacts.values():
            if contact.over(self.clock.time):
                self.open_chats.end(contact.name)

    def _contact_centre(self) -> ContactCentre:
        return ChatServices(self.clock, self._on_part, self._had_failed)

    def _configured(self, config: Config) -> Config:
        return starting_chats(config, first_text=self.first_text)

    def _transports(self, process: Process) -> dict[Delivery, ChatTransport]:
        services = KillableProxy(self.services, process, called="chat.")
        table: Any = KillableProxy(self.table, process, called="table.")
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
                clock=self.clock.as_clock(),
            )
        }

    def _had_failed(self, key: str) -> bool:
        self._save_messages()
        return any(self._key(failure) == key for failure in self.failures.values())

    def _excuse(self) -> None:
        for shown in self.centre.parts:
            if shown.unexplained:
                shown.excuse = "the open chats could not be written"
