"""The errors of the bridge. A class stands for an action; no code decides by the text of a message.

    BridgeError
    ├── PermanentError                 cannot succeed: to failed at once
    │   ├── MalformedNotificationError     not the two-way SMS payload
    │   ├── UnknownNumberError             no route for the number that was texted
    │   ├── RejectedError                  Connect or EUM says that the request itself is wrong
    │   ├── NotDeliverableError            a reply cannot reach this phone: opted out, blocked, spending limit
    │   ├── UnknownChatError               a reply in a chat that the bridge did not start
    │   └── MaybeDeliveredError            EUM did not answer so often that sending again would only repeat the text
    ├── TransientError                 retry in order, with backoff
    │   ├── ThrottledError                 the rate limit of Connect or EUM
    │   ├── UnavailableError               5xx, no connection
    │   │   └── AnswerLostError                a time-out or a reset: the service may have done what was asked
    │   ├── LedgerError                    DynamoDB
    │   ├── QueueError                     SQS
    │   ├── ChatNotKnownYetError           the chat of a reply is not recorded yet
    │   ├── OutOfTimeError                 the batch deadline came before the call; nothing failed
    │   └── UnexpectedError                a defect of the bridge: retried until a deployment corrects it
    └── BlockedError                   configuration or quota, affects every text: retry slowly, metric at once
        ├── AccessRefusedError             AccessDenied, or an unknown error code
        ├── NotFoundError                  ResourceNotFound
        └── ChatLimitError                 the instance's quota of active chats

Messages are for the engineer on call and go into the ledger and the failed queue: no body, no full phone number.
"""

from __future__ import annotations


class BridgeError(Exception):
    """Root of this tree."""

    @property
    def code(self) -> str:
        """The name of this error in ledger, failed queue, logs and metrics."""
        return type(self).__name__


class PermanentError(BridgeError):
    """A retry cannot succeed."""


class MalformedNotificationError(PermanentError):
    """The notification is not an inbound SMS as AWS documents it."""


class UnknownNumberError(PermanentError):
    """bridge.toml has no route for the number that was texted."""


class RejectedError(PermanentError):
    """Connect, or End User Messaging (EUM), answered that the request itself is wrong."""


class NotDeliverableError(PermanentError):
    """End User Messaging does not send to this phone; `reason` is its reason code."""

    def __init__(self, message: str, *, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class UnknownChatError(PermanentError):
    """No phone number is recorded for this chat: the bridge did not start it, or its item has expired."""


class MaybeDeliveredError(PermanentError):
    """End User Messaging answered none of several calls: each of them may have sent the text."""


class TransientError(BridgeError):
    """A retry can succeed."""


class ThrottledError(TransientError):
    """Connect or End User Messaging limits the rate of calls."""


class UnavailableError(TransientError):
    """Connect or End User Messaging answered 5xx, not in time, or not at all."""


class AnswerLostError(UnavailableError):
    """The call was sent and its answer did not come. Repeated, it may be done twice."""

    @property
    def code(self) -> str:
        return UnavailableError.__name__


class LedgerError(TransientError):
    """The ledger could not be read or written."""


class QueueError(TransientError):
    """SQS could not be called, or rejected the request."""


class ChatNotKnownYetError(TransientError):
    """The chat of a reply is not recorded. The reply is so young that the record may still follow."""


class OutOfTimeError(TransientError):
    """The batch deadline, or a rate limiter, left no room for a call.

    Parameters:
        retry_after: seconds until a rate limiter expects to have room; None where none said so.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnexpectedError(TransientError):
    """An exception that no other class stands for: a defect of the bridge."""


class BlockedError(BridgeError):
    """A retry succeeds only after a configuration or a quota was changed."""


class AccessRefusedError(BlockedError):
    """Connect or End User Messaging does not let this account or role make the call."""


class NotFoundError(BlockedError):
    """Connect or End User Messaging does not know the number, instance or flow."""


class ChatLimitError(BlockedError):
    """The Connect instance has as many active chats as its quota allows."""


def error_of(code: str, message: str) -> BridgeError:
    """The error that has this code; an UnexpectedError where no class has."""
    classes: list[type[BridgeError]] = [BridgeError]
    for known in classes:
        if known.__name__ == code:
            return known(message)
        classes.extend(known.__subclasses__())
    return UnexpectedError(f"{code}: {message}")


def last_digits(number: str) -> str:
    """The end of a phone number, for logs and reasons: four characters, or two of a short number.

    It is not validated, so it can hold any character. One outside printable ASCII becomes a question mark.
    """
    last = number[-4:] if len(number) > 6 else number[-2:]
    return "…" + "".join(character if " " < character <= "~" else "?" for character in last)
