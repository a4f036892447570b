"""The open chats of start-chat delivery, in a DynamoDB table: one item per conversation, and one per contact.

A conversation's item says which chat is open and with which tokens; its generation rises each time a chat that ended is
replaced. A contact's item says whom the agent's replies are for. Tokens and numbers are encrypted at rest by the
stack's key; both items are forgotten when `expires_at` has passed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bridge.answering import Party
from bridge.errors import LedgerError
from bridge.sdk import TROUBLE, why

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEEP_SECONDS = 8 * 24 * 3600
"""Longer than the longest chat (7 days), so that an agent's last words still find their phone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """A conversation's latest chat. `first` is the client token of the part that began it as its initial message.

    `token_expires_at` in seconds since the epoch; the connection token is None until the customer is connected.
    """

    generation: int
    contact: str
    participant_token: str = field(repr=False)
    first: str | None = None
    connection_token: str | None = field(default=None, repr=False)
    token_expires_at: float = 0.0
    ended: bool = False


class Chats:
    """Every method raises LedgerError where DynamoDB does not do it in spite of the SDK's retries."""

    def __init__(self, *, client: DynamoDBClient, table: str, now: Callable[[], float] = time.time) -> None:
        self._client, self._table, self._now = client, table, now

    def latest(self, conversation: str) -> Chat | None:
        """Consistent: another environment may have started it a moment ago."""
        item = self._get(_of_conversation(conversation))
        return _chat(item) if item else None

    def started(self, conversation: str, party: Party, chat: Chat) -> None:
        """Keep a chat that was just started, first for its replies; it replaces those of earlier generations only."""
        expires = {"N": str(int(self._now()) + KEEP_SECONDS)}
        self._put(
            {
                "chat_key": {"S": _of_contact(chat.contact)},
                "conversation": {"S": conversation},
                "customer": {"S": party.customer},
                "ours": {"S": party.ours},
                "ours_arn": {"S": party.ours_arn},
                "expires_at": expires,
            }
        )
        item: dict[str, Any] = {
            "chat_key": {"S": _of_conversation(conversation)},
            "generation": {"N": str(chat.generation)},
            "contact": {"S": chat.contact},
            "participant_token": {"S": chat.participant_token},
            "ended": {"BOOL": False},
            "expires_at": expires,
        }
        if chat.first:
            item["first"] = {"S": chat.first}
        self._put(
            item,
            ConditionExpression="attribute_not_exists(generation) OR generation < :new OR contact = :contact",
            ExpressionAttributeValues={":new": {"N": str(chat.generation)}, ":contact": {"S": chat.contact}},
        )

    def connected(self, conversation: str, chat: Chat) -> None:
        """Keep the connection token of this very chat."""
        self._update(
            _of_conversation(conversation),
            "SET connection_token = :token, token_expires_at = :expires",
            "contact = :contact",
            {
                ":token": {"S": chat.connection_token or ""},
                ":expires": {"N": str(int(chat.token_expires_at * 1000))},
                ":contact": {"S": chat.contact},
            },
        )

    def ended(self, conversation: str, contact: str) -> None:
        """Note that this very chat is over; a newer one stays open."""
        self._update(
            _of_conversation(conversation),
            "SET ended = :true",
            "contact = :contact",
            {":true": {"BOOL": True}, ":contact": {"S": contact}},
        )

    def contact(self, initial_contact_id: str) -> Party | None:
        """Whom the replies in this chat are for. It is known for a week after the chat began, open or not."""
        item = self._get(_of_contact(initial_contact_id))
        if not item:
            return None
        return Party(
            customer=item["customer"]["S"],
            ours=item["ours"]["S"],
            ours_arn=item["ours_arn"]["S"],
            options=tuple(option["S"] for option in item.get("offered", {}).get("L", ())),
        )

    def conversation(self, initial_contact_id: str) -> str | None:
        """The conversation in which this chat is or was."""
        item = self._get(_of_contact(initial_contact_id))
        return item["conversation"]["S"] if item else None

    def end(self, initial_contact_id: str) -> None:
        """Close that very chat. A chat that the bridge did not start is not its to close."""
        conversation = self.conversation(initial_contact_id)
        if conversation:
            self.ended(conversation, initial_contact_id)

    def remember_options(self, initial_contact_id: str, options: tuple[str, ...]) -> None:
        """What the numbers of the customer's next answer stand for; none takes back what was remembered."""
        self._update(
            _of_contact(initial_contact_id),
            "SET offered = :offered",
            "attribute_exists(chat_key)",
            {":offered": {"L": [{"S": option} for option in options]}},
        )

    def _get(self, key: str) -> Mapping[str, Any] | None:
        try:
            answer = self._client.get_item(TableName=self._table, Key={"chat_key": {"S": key}}, ConsistentRead=True)
        except TROUBLE as exc:
            raise LedgerError(f"the open chats could not be read ({why(exc)})") from exc
        return answer.get("Item")

    def _put(self, item: dict[str, Any], **condition: Any) -> None:
        self._write(lambda: self._client.put_item(TableName=self._table, Item=item, **condition))

    def _update(self, key: str, expression: str, condition: str, values: dict[str, Any]) -> None:
        self._write(
            lambda: self._client.update_item(
                TableName=self._table,
                Key={"chat_key": {"S": key}},
                UpdateExpression=expression,
                ConditionExpression=condition,
                ExpressionAttributeValues=values,
            )
        )

    def _write(self, write: Callable[[], object]) -> None:
        """A condition that does not hold is no error: what it would have changed is another chat's by now."""
        try:
            write()
        except TROUBLE as exc:
            if why(exc) != "ConditionalCheckFailedException":
                raise LedgerError(f"the open chats could not be written ({why(exc)})") from exc


def _of_conversation(conversation: str) -> str:
    return f"conversation:{conversation}"


def _of_contact(contact: str) -> str:
    return f"contact:{contact}"


def _chat(item: Mapping[str, Any]) -> Chat:
    return Chat(
        generation=int(item["generation"]["N"]),
        contact=item["contact"]["S"],
        participant_token=item["participant_token"]["S"],
        first=item.get("first", {}).get("S"),
        connection_token=item.get("connection_token", {}).get("S"),
        token_expires_at=int(item.get("token_expires_at", {}).get("N", "0")) / 1000,
        ended=item.get("ended", {}).get("BOOL", False),
    )
