"""A fake of the public chat APIs for start-chat delivery: client tokens, chats that end, errors on request."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from bridge.errors import (
    AccessRefusedError,
    BlockedError,
    BridgeError,
    ChatLimitError,
    NotFoundError,
    RejectedError,
    ThrottledError,
    UnavailableError,
)
from bridge.texts.chat_messages import ChatPart
from testing.clock import FakeClock
from testing.fakes import Scripted

_DAY = 86_400.0
_NO_ANSWER = ReadTimeoutError(endpoint_url="x")


def refusal(code: str, status: int) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "Call",
    )


ENDED = refusal("AccessDeniedException", 403)
"""Of the participant service: the chat has ended. Of StartChatContact: access denied."""
REFUSED = refusal("NewException", 403)
_SDK: dict[type[BridgeError], ClientError] = {
    RejectedError: refusal("ValidationException", 400),
    ThrottledError: refusal("ThrottlingException", 429),
    UnavailableError: refusal("InternalServerException", 500),
    NotFoundError: refusal("ResourceNotFoundException", 404),
    ChatLimitError: refusal("LimitExceededException", 429),
}


class ChatServices(Scripted):
    """The clients of both services in one. `calls` and `requests`: all that were made.

    Scripted answers are used by SendMessage and DisconnectParticipant; a BlockedError also by StartChatContact.
    `errors`: by name of a call, errors raised before that. `lost`: names of calls whose response is lost.
    """

    def __init__(self, clock: FakeClock, *, seconds: float = 0) -> None:
        super().__init__(clock=clock, seconds=seconds)
        self.calls: list[str] = []
        self.requests: list[dict[str, Any]] = []
        self.shown: list[tuple[str, str]] = []
        """Contact and content."""
        self.over: set[str] = set()
        self.errors: dict[str, list[Exception | None]] = {}
        self.lost: list[str] = []
        self.started: dict[str, str] = {}
        """Contact by client token."""
        self._messages: set[tuple[str, str]] = set()
        self._connections: dict[str, tuple[str, float]] = {}
        self._made_up = itertools.count(1)

    @property
    def contents(self) -> list[str]:
        return [content for _, content in self.shown]

    def start_chat_contact(self, **request: Any) -> dict[str, Any]:
        self._call("start", request)
        self.sessions.append((request["ParticipantDetails"]["DisplayName"], request["Attributes"]))
        if isinstance(self.coming, BlockedError):
            self._meet(ChatPart("MESSAGE"), denied=ENDED)
        token = self._client_token(request)
        new = token not in self.started
        contact = self.started.setdefault(token, f"contact-{len(self.started) + 1}")
        if new and "InitialMessage" in request:
            self.shown.append((contact, request["InitialMessage"]["Content"]))
        return self._answer(
            "start", {"ContactId": contact, "ParticipantId": "p", "ParticipantToken": f"participant/{contact}"}
        )

    def create_participant_connection(self, **request: Any) -> dict[str, Any]:
        self._call("connect", request)
        contact = request["ParticipantToken"].removeprefix("participant/")
        if contact in self.over:
            raise ENDED
        token, expiry = f"connection/{contact}/{len(self.calls)}", self._clock.time + _DAY
        self._connections[token] = contact, expiry
        stamp = datetime.fromtimestamp(expiry, UTC).isoformat().replace("+00:00", "Z")
        return self._answer("connect", {"ConnectionCredentials": {"ConnectionToken": token, "Expiry": stamp}})

    def send_message(self, **request: Any) -> dict[str, Any]:
        self._call("send", request)
        content = request["Content"]
        self.tried.append(content)
        contact = self._of_connection(request)
        self._meet(ChatPart("MESSAGE", content))
        key = (contact, self._client_token(request))
        if key not in self._messages:
            self.shown.append((contact, content))
        self._messages.add(key)
        return self._answer("send", {"Id": "m"})

    def get_attachment(self, **request: Any) -> dict[str, Any]:
        self._call("attachment", request)
        self._of_connection(request)
        return {"Url": f"https://example.com/{request['AttachmentId']}?for={request['UrlExpiryInSeconds']}"}

    def disconnect_participant(self, **request: Any) -> dict[str, Any]:
        self._call("disconnect", request)
        self.tried.append("DISCONNECT")
        contact = self._of_connection(request)
        self._meet(ChatPart("DISCONNECT"))
        self.shown.append((contact, "DISCONNECT"))
        self.over.add(contact)
        return self._answer("disconnect", {})

    def _call(self, name: str, request: dict[str, Any]) -> None:
        self.calls.append(name)
        self.requests.append(request)
        planned = self.errors.get(name)
        if planned and (exc := planned.pop(0)):
            raise exc

    def _answer(self, name: str, answer: dict[str, Any]) -> dict[str, Any]:
        if name in self.lost:
            self.lost.remove(name)
            raise _NO_ANSWER
        return answer

    def _client_token(self, request: dict[str, Any]) -> str:
        """The SDK generates one for a call without."""
        return request.get("ClientToken") or f"made up {next(self._made_up)}"

    def _of_connection(self, request: dict[str, Any]) -> str:
        contact, expiry = self._connections[request["ConnectionToken"]]
        if contact in self.over or self._clock.time >= expiry:
            raise ENDED
        return contact

    def _meet(self, part: ChatPart, *, denied: ClientError = REFUSED) -> None:
        """The scripted answer; a BridgeError is raised as the SDK's error."""
        try:
            self.next(part)
        except AccessRefusedError as exc:
            raise denied from exc
        except BridgeError as exc:
            raise _SDK[type(exc)] from exc
