"""What can go wrong with a text. A class means an action; nobody looks at a message to decide.

    BridgeError
    ├── PermanentError                 cannot succeed: to failed at once
    │   ├── MalformedNotificationError     not the two-way SMS payload
    │   ├── UnknownNumberError             no route for the number that was texted
    │   ├── RejectedError                  Connect or EUM says that the request itself is wrong
    │   ├── NotDeliverableError            a reply cannot reach this phone: opted out, blocked, spending limit
    │   └── UnknownChatError               a reply of a chat that the bridge never started
    ├── TransientError                 try again, in order, backing off
    │   ├── ThrottledError                 the rate limit of Connect or EUM
    │   ├── UnavailableError               5xx, time-outs, resets
    │   ├── LedgerError                    DynamoDB
    │   ├── QueueError                     SQS
    │   ├── ChatNotKnownYetError           a reply came before the bridge had noted its chat
    │   ├── OutOfTimeError                 the batch deadline came first; nothing failed
    │   └── UnexpectedError                a defect of ours: held, seen in the log, healed by a deploy
    └── BlockedError                   somebody's configuration, it hits every text: try again slowly, metric at once
        ├── AccessRefusedError             AccessDenied, or an answer that we do not know
        ├── NotFoundError                  ResourceNotFound
        └── ChatLimitError                 the instance's quota of active chats

Messages are for the engineer on call and go into the ledger and the failed queue: no body, no full phone number.
"""

from __future__ import annotations


class BridgeError(Exception):
    """Root of this tree."""

    @property
    def code(self) -> str:
        """The name under which ledger, failed queue and metrics know this trouble."""
        return type(self).__name__


class PermanentError(BridgeError):
    """Trying again cannot help."""


class MalformedNotificationError(PermanentError):
    """The notification is not an inbound SMS as AWS documents it."""


class UnknownNumberError(PermanentError):
    """bridge.toml has no route for the number that was texted."""


class RejectedError(PermanentError):
    """Connect, or End User Messaging (EUM), answered that the request itself is wrong."""


class NotDeliverableError(PermanentError):
    """End User Messaging does not send to this phone; `reason` is its own word for why."""

    def __init__(self, message: str, *, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class UnknownChatError(PermanentError):
    """The bridge has no phone for this chat: it was started by somebody else, or is forgotten."""


class TransientError(BridgeError):
    """Trying again will help."""


class ThrottledError(TransientError):
    """Connect or End User Messaging wants fewer calls."""


class UnavailableError(TransientError):
    """Connect or End User Messaging answered 5xx, not in time, or not at all."""


class LedgerError(TransientError):
    """The ledger could not be read or written."""


class QueueError(TransientError):
    """A queue did not take what it was given."""


class ChatNotKnownYetError(TransientError):
    """The chat of a reply is not noted; so shortly after the reply, it may only be on its way."""


class OutOfTimeError(TransientError):
    """The batch deadline came before it was this text's turn."""


class UnexpectedError(TransientError):
    """Something that this code did not foresee."""


class BlockedError(BridgeError):
    """Somebody has to change a configuration or a quota; then trying again helps."""


class AccessRefusedError(BlockedError):
    """Connect or End User Messaging does not let this account or role make the call."""


class NotFoundError(BlockedError):
    """Connect or End User Messaging does not know the number, instance or flow."""


class ChatLimitError(BlockedError):
    """The Connect instance has as many active chats as its quota allows."""


def last_digits(number: str) -> str:
    """How a phone number may be written in a log: by its last four characters, fewer where it is short.

    A "number" can hold anything that JSON can spell. What no queue, table or log accepts becomes a question mark.
    """
    last = number[-4:] if len(number) > 6 else number[-2:]
    return "…" + "".join(character if " " < character <= "~" else "?" for character in last)
