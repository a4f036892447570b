"""What the functions count and measure: the metrics by name, and which function writes which.

Their namespace is the stack's name, their one dimension `service`, the function: no customer and no number of ours.
A text that fails is counted as failed and under its error (FailedRejectedError), a metric of its own rather than a
dimension: CloudWatch bills either the same, by name and dimension values together, and so all that a function counts
stays in one line of its log under one dimension. The errors are a bounded set, the classes of bridge.errors; those
that a function can fail with are listed here, and a test compares the lists with what the functions write.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bridge.errors import (
    AccessRefusedError,
    BlockedError,
    BridgeError,
    ChatLimitError,
    ChatNotKnownYetError,
    LedgerError,
    MalformedNotificationError,
    NotDeliverableError,
    NotFoundError,
    RejectedError,
    ThrottledError,
    TransientError,
    UnavailableError,
    UnexpectedError,
    UnknownChatError,
    UnknownNumberError,
)

if TYPE_CHECKING:  # intake counts as well, and delivers nothing
    from bridge.delivery import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What is spoken of in logs, and how metrics call it."""

    one: str
    received: str
    done: str
    parts: str
    ignored: str
    failed: str


TEXT = Kind(
    one="text",
    received="TextsReceived",
    done="TextsForwarded",
    parts="PartsForwarded",
    ignored="TextsIgnored",
    failed="TextsFailed",
)
REPLY = Kind(
    one="reply",
    received="RepliesReceived",
    done="RepliesSent",
    parts="PartsSent",
    ignored="RepliesIgnored",
    failed="RepliesFailed",
)
MILLISECONDS = "EndToEndMilliseconds"
"""From the notification's Timestamp to Connect's answer; of a reply, from what Connect says to End User Messaging's."""
WAITING = "SecondsWaiting"
"""How long a text that is given back has been on its queue. SQS's own age of the oldest message leaves out what is
received again and again, which is just what a text does that waits for an outage to end."""
NOTES_MISSED = "NotesMissed"
"""Texts that are queued, and unknown to the ledger until they are tried."""


def failed_by(error: type[BridgeError] | BridgeError) -> str:
    """The metric that counts what failed with this error."""
    kind = error if isinstance(error, type) else type(error)
    return f"Failed{kind.__name__}"


def _failures(*errors: type[BridgeError]) -> tuple[str, ...]:
    return tuple(map(failed_by, errors))


_GIVEN_UP = _failures(ThrottledError, UnavailableError, LedgerError, UnexpectedError, AccessRefusedError, NotFoundError)
_IN_ORDER = ("ArrivedOutOfOrder", "DuplicatesSuppressed", "Retries", "Blocked", "GaveUp", MILLISECONDS, WAITING)

BY_FUNCTION: Mapping[str, tuple[str, ...]] = {
    "intake": (TEXT.received, NOTES_MISSED, TEXT.ignored, TEXT.failed, *_failures(MalformedNotificationError)),
    "forward": (
        *(TEXT.done, TEXT.parts, "NewChats", TEXT.ignored, TEXT.failed, *_IN_ORDER, *_GIVEN_UP),
        *_failures(MalformedNotificationError, UnknownNumberError, RejectedError, ChatLimitError),
    ),
    "reply_intake": (REPLY.received, NOTES_MISSED, REPLY.ignored, REPLY.failed, *_failures(MalformedNotificationError)),
    "reply": (
        *(REPLY.done, REPLY.parts, "ChatsEnded", REPLY.ignored, REPLY.failed, *_IN_ORDER, *_GIVEN_UP),
        *_failures(MalformedNotificationError, UnknownChatError, NotDeliverableError, RejectedError),
        *_failures(ChatNotKnownYetError),  # where give_up_after is shorter than a chat may be unknown
    ),
}
"""Every metric there is, by the function that writes it."""


def metrics_of(reports: Sequence[Report], kind: Kind = TEXT) -> dict[str, int]:
    """Counts of a batch by metric name."""

    def count(condition: Callable[[Report], bool]) -> int:
        return sum(map(condition, reports))

    errors = [report.error for report in reports if report.result == "failed" and report.error]
    return {
        kind.done: count(lambda r: r.result == "forwarded"),
        kind.parts: sum(report.parts for report in reports),
        kind.ignored: count(lambda r: r.result == "ignored"),
        kind.failed: len(errors),
        **Counter(map(failed_by, errors)),
        "NewChats": count(lambda r: r.new_chat),
        "ChatsEnded": count(lambda r: r.result == "ended"),
        "DuplicatesSuppressed": count(lambda r: r.result == "duplicate"),
        "Retries": count(lambda r: r.result == "given back" and isinstance(r.error, TransientError)),
        "Blocked": count(lambda r: isinstance(r.error, BlockedError)),
        "GaveUp": count(lambda r: r.gave_up),
    }
