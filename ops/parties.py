"""Whose phone a chat is with, where the bridge started it: from the table of open chats."""

from __future__ import annotations

from functools import cache

from bridge.answering import Party
from bridge.chats import Chats
from bridge.errors import LedgerError
from ops.target import Target, TargetError


class Parties:
    """Knows nobody where no number has start-chat delivery. Raises TargetError where the table does not answer."""

    def __init__(self, target: Target) -> None:
        table = target.outputs.get("ChatsTableName")
        self._where = target.where
        self._chats = Chats(client=target.client("dynamodb"), table=table) if table else None
        self.of = cache(self._of)

    def _of(self, contact: str) -> Party | None:
        """Whom this chat is with: known for a week after it began."""
        if self._chats is None:
            return None
        try:
            return self._chats.contact(contact)
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
