"""The metrics by name, and which function writes which.

The namespace is the stack's name; the only dimension, `service`, is the function. No metric has a phone number.
A failed message is counted in total and by its error (FailedRejectedError). The error is part of the metric's name and
not a dimension: CloudWatch bills both the same, and all metrics of a function then share one log line. The errors that
a function can fail with are listed here; a test compares the lists with what the functions write.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.errors import (
    AccessRefusedError,
    BlockedError,
    BridgeError,
    ChatLimitError,
    ChatNotKnownYetError,
    LedgerError,
    MalformedNotificationError,
    MaybeDeliveredError,
    NotDeliverableError,
    NotFoundError,
    OutOfTimeError,
    RejectedError,
    ThrottledError,
    TransientError,
    UnavailableError,
    UnexpectedError,
    UnknownChatError,
    UnknownNumberError,
)
from bridge.processing.result import Delivered, Failed, Result, Retry, Skipped


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """Texts or replies: their name in log lines, and the names of their metrics."""

    one: str
    received: str
    done: str
    parts: str
    ignored: str
    failed: str


TEXT = Direction(
    one="text",
    received="TextsReceived",
    done="TextsForwarded",
    parts="PartsForwarded",
    ignored="TextsIgnored",
    failed="TextsFailed",
)
REPLY = Direction(
    one="reply",
    received="RepliesReceived",
    done="RepliesSent",
    parts="PartsSent",
    ignored="RepliesIgnored",
    failed="RepliesFailed",
)
END_TO_END_MILLISECONDS = "EndToEndMilliseconds"
"""From the notification's Timestamp to Connect's response; of a reply, from AbsoluteTime to End User Messaging's
response."""
POSSIBLE_DUPLICATES = "PossibleDuplicates"
"""How many messages may have been shown once more: calls that were repeated after their answer was lost, or because
their acceptance could not be recorded."""
SECONDS_WAITING = "SecondsWaiting"
"""How long a message that returns to its queue has been there. SQS's own ApproximateAgeOfOldestMessage leaves out
messages that are received again and again, as happens in an outage."""
RECEIPTS_MISSED = "NotesMissed"
"""Messages that are queued and have no item in the ledger before their first attempt."""
ARRIVED_OUT_OF_ORDER = "ArrivedOutOfOrder"


def failed_by(error: type[BridgeError] | BridgeError) -> str:
    """The metric that counts what failed with this error."""
    return f"Failed{error.__name__ if isinstance(error, type) else error.code}"


def _failures(*errors: type[BridgeError]) -> tuple[str, ...]:
    return tuple(map(failed_by, errors))


_GIVEN_UP = _failures(
    ThrottledError,
    UnavailableError,
    LedgerError,
    OutOfTimeError,
    UnexpectedError,
    AccessRefusedError,
    NotFoundError,
)
_FIFO = (
    ARRIVED_OUT_OF_ORDER,
    "DuplicatesSuppressed",
    POSSIBLE_DUPLICATES,
    "Retries",
    "Blocked",
    "GaveUp",
    END_TO_END_MILLISECONDS,
    SECONDS_WAITING,
)

METRICS_BY_FUNCTION: Mapping[str, tuple[str, ...]] = {
    "intake": (TEXT.received, RECEIPTS_MISSED, TEXT.ignored, TEXT.failed, *_failures(MalformedNotificationError)),
    "forward": (
        *(TEXT.done, TEXT.parts, "NewChats", TEXT.ignored, TEXT.failed, *_FIFO, *_GIVEN_UP),
        *_failures(MalformedNotificationError, UnknownNumberError, RejectedError, ChatLimitError),
    ),
    "reply_intake": (
        REPLY.received,
        RECEIPTS_MISSED,
        REPLY.ignored,
        REPLY.failed,
        *_failures(MalformedNotificationError),
    ),
    "reply": (
        *(REPLY.done, REPLY.parts, "ChatsEnded", REPLY.ignored, REPLY.failed, *_FIFO, *_GIVEN_UP),
        *_failures(MalformedNotificationError, UnknownChatError, NotDeliverableError, RejectedError),
        *_failures(MaybeDeliveredError),
        *_failures(ChatNotKnownYetError),  # where give_up_after is shorter than a chat may be unknown
    ),
}
"""Every metric there is, by the function that writes it."""


def counts_of(results: Sequence[Result], direction: Direction) -> dict[str, int]:
    """What a batch adds to each metric, by name."""

    def skipped(reason: str) -> int:
        return sum(isinstance(result, Skipped) and result.reason == reason for result in results)

    failed = [result for result in results if isinstance(result, Failed)]
    errors = [result.error for result in results if isinstance(result, (Failed, Retry)) and result.error]
    returned = [result.error for result in results if isinstance(result, Retry)]
    return {
        direction.done: sum(isinstance(result, Delivered) for result in results),
        direction.parts: sum(result.parts for result in results),
        direction.ignored: skipped("ignored"),
        direction.failed: len(failed),
        **Counter(failed_by(result.error) for result in failed),
        "NewChats": sum(isinstance(result, (Delivered, Retry)) and result.new_chat for result in results),
        "ChatsEnded": skipped("ended"),
        "DuplicatesSuppressed": skipped("duplicate"),
        POSSIBLE_DUPLICATES: sum(result.possible_duplicates for result in results),
        "Retries": sum(isinstance(error, TransientError) for error in returned),
        "Blocked": sum(isinstance(error, BlockedError) for error in errors),
        "GaveUp": sum(result.gave_up for result in failed),
    }
