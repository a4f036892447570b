"""Whose phone a chat is with, where the bridge started it: from the table of open chats."""

from __future__ import annotations

from functools import cache

from bridge.aws.chat_sessions import ChatSessions
from bridge.errors import LedgerError
from bridge.replies.participants import Participants
from ops.target import Target, TargetError


class Parties:
    """Knows nobody where no number has start-chat delivery. Raises TargetError where the table does not answer."""

    def __init__(self, target: Target) -> None:
        table = target.outputs.get("ChatsTableName")
        self._where = target.where
        self._chats = ChatSessions(client=target.client("dynamodb"), table=table) if table else None
        self.of = cache(self._of)

    def _of(self, contact: str) -> Participants | None:
        """Whom this chat is with: known for a week after it began."""
        if self._chats is None:
            return None
        try:
            return self._chats.participants(contact)
        except LedgerError as exc:
            raise TargetError(f"{self._where}: {exc}") from exc

    def latest(self, conversation: str) -> str | None:
        """The contact of the conversation's latest chat."""
        if self._chats is None:
            return None
        try:
            chat = self._chats.latest(conversation)
        except LedgerError as exc:
            raise TargetError(f"{self._where}: {exc}") from exc
        return chat.contact if chat else None
