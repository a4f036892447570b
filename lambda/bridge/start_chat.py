"""Delivery through the chat APIs that every account may call: start a chat, connect to it as the customer, send.

Source: StartChatContact in the Amazon Connect API reference, CreateParticipantConnection, SendMessage and
DisconnectParticipant in that of the participant service. Both clients are known here only.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bridge import interactive
from bridge.answering import Party
from bridge.answers import translated
from bridge.chats import Chat, Chats
from bridge.compose import Accepted, NewSession, Part
from bridge.config import Route, StartChatRoute
from bridge.errors import AccessRefusedError, BridgeError, OutOfTimeError, ThrottledError
from bridge.notification import InboundSms
from bridge.pacing import Pacer
from bridge.sdk import TROUBLE, why

if TYPE_CHECKING:
    from mypy_boto3_connect import ConnectClient

_LONGEST_CHOICE = 8
_REFRESH_SECONDS = 3600.0
"""A connection token lasts a day, a chat longer: it is replaced this long before it expires."""


class _ChatEndedError(Exception):
    """The chat is over, or its token is: the participant service answers both with AccessDenied."""


class StartChat:
    """One chat per conversation, kept open among texts.

    Client tokens make each call repeatable: that of StartChatContact is the text's key and the chat's generation, so
    that a retry finds the same chat and a replacement is a new one; that of SendMessage the text's key and its part.
    """

    def __init__(
        self,
        *,
        connect: ConnectClient,
        participant: Any,
        chats: Chats,
        starting: Pacer,
        connecting: Pacer,
        ending: Pacer,
        streaming_topic_arn: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._connect, self._participant, self._chats = connect, participant, chats
        self._starting, self._connecting, self._ending = starting, connecting, ending
        self._topic, self._now = streaming_topic_arn, now

    def send(
        self, part: Part, *, number: int, sms: InboundSms, route: Route, session: NewSession, until: float
    ) -> Accepted:
        """Show part `number` (from 0) of a text, in the open chat or in a new one; `until` is the batch's deadline.

        Raises RejectedError, TransientErrors and BlockedErrors. Repeated, it shows nothing twice.
        """
        text = _Text(part, f"{sms.text_key}-{number}", sms, route, session, until)
        chat = self._chats.latest(sms.conversation)
        if part.type == "DISCONNECT":
            return self._disconnect(text, chat)
        if chat and not chat.ended:
            try:
                if chat.first != text.client_token:
                    return self._say(text, chat)
                self._connected(text, chat)  # its chat began with it; perhaps that was all
                return Accepted(chat.contact, True)
            except _ChatEndedError:
                self._chats.ended(sms.conversation, chat.contact)
        return self._start(text, generation=chat.generation + 1 if chat else 1)

    def _start(self, text: _Text, *, generation: int) -> Accepted:
        """A new chat with the text in it, once: a chat that is over as soon as it began is somebody's flow."""
        how = text.start_chat
        initial = how.first_text == "initial-message"
        request: dict[str, Any] = {
            "InstanceId": how.instance_id,
            "ContactFlowId": how.contact_flow_id,
            "ParticipantDetails": {"DisplayName": text.session.display_name},
            "Attributes": dict(text.session.attributes),
            "ChatDurationInMinutes": how.chat_minutes,
            "SupportedMessagingContentTypes": list(text.session.supported_content_types),
            "ChatStreamingConfiguration": {"StreamingEndpointArn": self._topic},
            "ClientToken": f"{text.sms.text_key}:{generation}",
        }
        if initial:  # a chat that an earlier try began without it must not be taken for one that has it
            request["ClientToken"] += ":initial-message"
            request["InitialMessage"] = {"ContentType": "text/plain", "Content": text.part.content}
        answer = self._call(
            lambda: self._connect.start_chat_contact(**request), text, pace=self._starting, carries_token=False
        )
        sms = text.sms
        chat = Chat(
            generation=generation,
            contact=answer["ContactId"],
            participant_token=answer["ParticipantToken"],
            first=text.client_token if initial else None,
        )
        self._chats.started(
            sms.conversation,
            Party(customer=sms.origination_number, ours=sms.destination_number, ours_arn=text.route.arn),
            chat,
        )
        try:
            if initial:
                self._connected(text, chat)
            else:
                self._say(text, chat)
        except _ChatEndedError as exc:
            self._chats.ended(sms.conversation, chat.contact)
            raise AccessRefusedError("Connect ended a new chat before the customer could be connected to it") from exc
        return Accepted(chat.contact, True)

    def _say(self, text: _Text, chat: Chat) -> Accepted:
        chat = self._connected(text, chat)
        chosen = self._choice(text.part.content, chat)
        self._call(
            lambda: self._participant.send_message(
                ContentType="text/plain",
                Content=chosen or text.part.content,
                ClientToken=text.client_token,
                ConnectionToken=chat.connection_token or "",
            ),
            text,
        )
        if chosen:
            self._chats.remember_options(chat.contact, ())
        return Accepted(chat.contact, False)

    def _choice(self, said: str, chat: Chat) -> str | None:
        """The title of the option whose number was texted, where options were offered."""
        if len(said) > _LONGEST_CHOICE or not any(map(str.isdigit, said)):
            return None
        party = self._chats.contact(chat.contact)
        return interactive.choice(said, party.options) if party else None

    def _disconnect(self, text: _Text, chat: Chat | None) -> Accepted:
        if chat is None or chat.ended:
            return Accepted(None, False)
        try:
            open_chat = self._connected(text, chat)
            self._call(
                lambda: self._participant.disconnect_participant(
                    ClientToken=text.client_token, ConnectionToken=open_chat.connection_token or ""
                ),
                text,
                pace=self._ending,
            )
        except _ChatEndedError:
            self._chats.ended(text.sms.conversation, chat.contact)
            return Accepted(None, False)
        self._chats.ended(text.sms.conversation, chat.contact)
        return Accepted(chat.contact, False)

    def _connected(self, text: _Text, chat: Chat) -> Chat:
        """The chat with a connection token that will do for this call; the first one lets its flow begin."""
        if chat.connection_token and chat.token_expires_at - self._now() > _REFRESH_SECONDS:
            return chat
        answer = self._call(
            lambda: self._participant.create_participant_connection(
                Type=["CONNECTION_CREDENTIALS"], ParticipantToken=chat.participant_token, ConnectParticipant=True
            ),
            text,
            pace=self._connecting,
        )
        credentials = answer["ConnectionCredentials"]
        connected = replace(
            chat,
            connection_token=credentials["ConnectionToken"],
            token_expires_at=datetime.fromisoformat(credentials["Expiry"]).timestamp(),
        )
        self._chats.connected(text.sms.conversation, connected)
        return connected

    def _call(
        self, call: Callable[[], Any], text: _Text, *, pace: Pacer | None = None, carries_token: bool = True
    ) -> Any:
        """`pace` where the call has a quota besides the one that the caller of `send` keeps to."""
        if pace and not pace.take(until=text.until):
            raise OutOfTimeError("Connect's rate left no room for it in this batch")
        try:
            answer = call()
        except TROUBLE as exc:
            if carries_token and why(exc) == "AccessDeniedException":
                raise _ChatEndedError from exc
            error = translated(exc)
            if pace and isinstance(error, ThrottledError):
                pace.throttled()
            raise error from exc
        if pace:
            pace.accepted()
        return answer


class ChatAgents:
    """The way to the agent of a chat that the bridge started."""

    def __init__(self, *, participant: Any, chats: Chats) -> None:
        self._participant, self._chats = participant, chats

    def tell_agent(self, initial_contact_id: str, line: str) -> None:
        """A line in the chat itself. It can only be said as the customer, so it has to say that it is not theirs."""
        if token := self._token(initial_contact_id):
            self._call(
                lambda: self._participant.send_message(ContentType="text/plain", Content=line, ConnectionToken=token)
            )

    def attachment_link(self, initial_contact_id: str, attachment_id: str) -> str | None:
        """Where the phone can fetch a file for interactive.LINK_SECONDS; None once the chat is over."""
        token = self._token(initial_contact_id)
        if token is None:
            return None
        answer = self._call(
            lambda: self._participant.get_attachment(
                AttachmentId=attachment_id, ConnectionToken=token, UrlExpiryInSeconds=interactive.LINK_SECONDS
            )
        )
        return str(answer["Url"])

    def _token(self, initial_contact_id: str) -> str | None:
        """The connection token of this very chat while it is open."""
        conversation = self._chats.conversation(initial_contact_id)
        chat = self._chats.latest(conversation) if conversation else None
        if chat is None or chat.ended or chat.contact != initial_contact_id:
            return None
        return chat.connection_token

    def _call(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except TROUBLE as exc:
            raise translated(exc) from exc


@dataclass(frozen=True, slots=True)
class _Text:
    part: Part
    client_token: str
    sms: InboundSms
    route: Route
    session: NewSession
    until: float

    @property
    def start_chat(self) -> StartChatRoute:
        if self.route.start_chat is None:
            raise BridgeError("a route without start_chat was handed to StartChat")
        return self.route.start_chat
