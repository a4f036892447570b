"""The chat sessions of start-chat delivery, in a DynamoDB table: one item per conversation, and one per contact.

A conversation's item has its latest chat with the tokens; its generation rises each time an ended chat is replaced. A
contact's item has the participants, to whom the agent's replies go. Tokens and numbers are encrypted at rest with the
stack's key; both items expire at `expires_at`.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bridge.aws.errors import SDK_ERRORS, error_code
from bridge.errors import LedgerError
from bridge.replies.participants import Participants

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEEP_SECONDS = 8 * 24 * 3600
"""Longer than the longest chat (7 days), so that replies after its end still find their phone number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatSession:
    """A conversation's latest chat.

    Parameters:
        first_client_token: of the part that was its initial message; None if it had none.
        connection_token: None until the customer is connected.
        token_expires_at: seconds since the epoch.
        refused_at: when Connect first refused what was sent into this chat, which had accepted nothing before; in
            seconds since the epoch. None once it accepted something.
    """

    generation: int
    contact: str
    participant_token: str = field(repr=False)
    first_client_token: str | None = None
    connection_token: str | None = field(default=None, repr=False)
    token_expires_at: float = 0.0
    refused_at: float | None = None
    ended: bool = False


class ChatSessions:
    """Every method raises LedgerError where DynamoDB fails in spite of the SDK's retries."""

    def __init__(self, *, client: DynamoDBClient, table: str, now: Callable[[], float] = time.time) -> None:
        self._client, self._table, self._now = client, table, now
        self._name = uuid.uuid4().hex
        """Names this environment in a claim."""

    def latest(self, conversation: str) -> ChatSession | None:
        """A consistent read: another environment may have started the chat a moment ago."""
        item = self._get(_of_conversation(conversation))
        return _chat(item) if item else None

    def record_start(self, conversation: str, participants: Participants, chat: ChatSession) -> None:
        """Save a chat that was just started, first for its replies. It replaces chats of earlier generations only."""
        expires = {"N": str(int(self._now()) + KEEP_SECONDS)}
        self._put(
            {
                "chat_key": {"S": _of_contact(chat.contact)},
                "conversation": {"S": conversation},
                "customer": {"S": participants.customer_number},
                "ours": {"S": participants.business_number},
                "ours_arn": {"S": participants.business_number_arn},
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
        if chat.first_client_token:
            item["first"] = {"S": chat.first_client_token}
        self._put(
            item,
            ConditionExpression="attribute_not_exists(generation) OR generation < :new OR contact = :contact",
            ExpressionAttributeValues={":new": {"N": str(chat.generation)}, ":contact": {"S": chat.contact}},
        )

    def record_connection(self, conversation: str, chat: ChatSession) -> None:
        """Save the connection token of this very chat."""
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

    def record_end(self, conversation: str, contact: str) -> None:
        """Record that this very chat ended; a newer one stays open."""
        self._update(
            _of_conversation(conversation),
            "SET ended = :true",
            "contact = :contact",
            {":true": {"BOOL": True}, ":contact": {"S": contact}},
        )

    def record_refusal(self, conversation: str, contact: str) -> None:
        """Record that nothing was accepted in this very chat since it was started. The first time stays."""
        self._update(
            _of_conversation(conversation),
            "SET refused_at = if_not_exists(refused_at, :now)",
            "contact = :contact",
            {":now": {"N": str(int(self._now()))}, ":contact": {"S": contact}},
        )

    def record_acceptance(self, conversation: str, contact: str) -> None:
        """Undo record_refusal."""
        self._update(
            _of_conversation(conversation), "REMOVE refused_at", "contact = :contact", {":contact": {"S": contact}}
        )

    def claim_phone(self, initial_contact_id: str, *, seconds: float) -> tuple[Participants | None, float]:
        """To whom the replies in this chat go, and for how many seconds another environment texts them.

        0.0 where none does: then the replies of this chat are this environment's for `seconds`, and a second claim
        replaces its first. A claim of an environment that was killed ends by itself. The participants are known for
        KEEP_SECONDS after the chat was started, open or not.
        """
        key, now = _of_contact(initial_contact_id), self._now()
        try:
            response = self._client.update_item(
                TableName=self._table,
                Key={"chat_key": {"S": key}},
                UpdateExpression="SET texts_until = :until, texts_by = :me",
                ConditionExpression="attribute_exists(chat_key) AND NOT texts_until > :now OR texts_by = :me",
                ExpressionAttributeValues={
                    ":until": {"N": f"{now + seconds:.3f}"},
                    ":now": {"N": f"{now:.3f}"},
                    ":me": {"S": self._name},
                },
                ReturnValues="ALL_NEW",
            )
        except SDK_ERRORS as exc:
            if error_code(exc) != "ConditionalCheckFailedException":
                raise LedgerError(f"the chat sessions could not be written ({error_code(exc)})") from exc
        else:
            return _participants(response["Attributes"]), 0.0
        item = self._get(key)
        if not item:
            return None, 0.0
        until = float(item.get("texts_until", {}).get("N", "0"))  # it may have been recorded after the condition failed
        return _participants(item), max(0.001, until - now)

    def participants(self, initial_contact_id: str) -> Participants | None:
        """The same without a claim."""
        item = self._get(_of_contact(initial_contact_id))
        return _participants(item) if item else None

    def conversation_of(self, initial_contact_id: str) -> str | None:
        """The conversation of this chat."""
        item = self._get(_of_contact(initial_contact_id))
        return item["conversation"]["S"] if item else None

    def end(self, initial_contact_id: str) -> None:
        """Record that this very chat ended. No-op for a chat that the bridge did not start."""
        if conversation := self.conversation_of(initial_contact_id):
            self.record_end(conversation, initial_contact_id)

    def save_options(self, initial_contact_id: str, options: tuple[str, ...]) -> None:
        """Save the titles that numbers in the customer's next answer select; an empty tuple withdraws them."""
        values = {":offered": {"L": [{"S": option} for option in options]}}
        self._update(_of_contact(initial_contact_id), "SET offered = :offered", "attribute_exists(chat_key)", values)

    def _get(self, key: str) -> Mapping[str, Any] | None:
        try:
            answer = self._client.get_item(TableName=self._table, Key={"chat_key": {"S": key}}, ConsistentRead=True)
        except SDK_ERRORS as exc:
            raise LedgerError(f"the chat sessions could not be read ({error_code(exc)})") from exc
        return answer.get("Item")

    def _put(self, item: dict[str, Any], **condition: Any) -> None:
        self._write(self._client.put_item, Item=item, **condition)

    def _update(self, key: str, expression: str, condition: str, values: dict[str, Any]) -> None:
        self._write(
            self._client.update_item,
            Key={"chat_key": {"S": key}},
            UpdateExpression=expression,
            ConditionExpression=condition,
            ExpressionAttributeValues=values,
        )

    def _write(self, write: Callable[..., object], **request: Any) -> None:
        """A condition that does not hold is not an error: the item has a newer chat."""
        try:
            write(TableName=self._table, **request)
        except SDK_ERRORS as exc:
            if error_code(exc) != "ConditionalCheckFailedException":
                raise LedgerError(f"the chat sessions could not be written ({error_code(exc)})") from exc


def _of_conversation(conversation: str) -> str:
    return f"conversation:{conversation}"


def _of_contact(contact: str) -> str:
    return f"contact:{contact}"


def _participants(item: Mapping[str, Any]) -> Participants:
    return Participants(
        customer_number=item["customer"]["S"],
        business_number=item["ours"]["S"],
        business_number_arn=item["ours_arn"]["S"],
        options=tuple(option["S"] for option in item.get("offered", {}).get("L", ())),
    )


def _chat(item: Mapping[str, Any]) -> ChatSession:
    return ChatSession(
        generation=int(item["generation"]["N"]),
        contact=item["contact"]["S"],
        participant_token=item["participant_token"]["S"],
        first_client_token=item.get("first", {}).get("S"),
        connection_token=item.get("connection_token", {}).get("S"),
        token_expires_at=int(item.get("token_expires_at", {}).get("N", "0")) / 1000,
        ended=item.get("ended", {}).get("BOOL", False),
        refused_at=float(item["refused_at"]["N"]) if "refused_at" in item else None,
    )
