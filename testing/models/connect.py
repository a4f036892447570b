"""A model of Connect's APIs in virtual time: quotas, an instance that fills up, and calls that go wrong.

Quotas are those of an account and Region: "Amazon Connect service quotas", administrator guide.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from botocore.exceptions import ClientError, ReadTimeoutError

from testing.virtual_time import VirtualTime

SECONDS = 0.08
"""Latency of a call."""
QUOTAS: Mapping[str, tuple[float, float]] = {
    "send_chat_integration_event": (17, 26),
    "start_chat_contact": (5, 8),
    "create_participant_connection": (6, 9),
    "send_message": (10, 15),
    "disconnect_participant": (3, 5),
}
"""Calls per second, and burst."""
Trouble = Literal["throttled", "refused", "hanging", "poison"]
"""What every call for a conversation meets: 429, access denied, no answer, or a defect of the bridge."""
_DAY = 86_400


@dataclass(slots=True, kw_only=True)
class Faults:
    """What goes wrong, whatever is called. `throttled`, `failing`, `hanging`: shares of all calls.

    `room`: chats that the instance may have. `full`: code of the answer to one more; the status is 429.
    `troubles`: by customer.
    """

    throttled: float = 0.0
    failing: float = 0.0
    hanging: float = 0.0
    room: int = 10**9
    full: str = "ThrottlingException"
    troubles: Mapping[str, Trouble] = field(default_factory=dict)


class Connect:
    """One account. `shown`: when each message was shown, by its last line. `calls`, `refused`: their numbers."""

    def __init__(
        self,
        time: VirtualTime,
        rng: random.Random,
        *,
        faults: Faults | None = None,
        quotas: Mapping[str, tuple[float, float]] = QUOTAS,
    ) -> None:
        self._time, self._rng, self._faults = time, rng, faults or Faults()
        self._buckets = {name: _Bucket(rate, burst, time.time) for name, (rate, burst) in quotas.items()}
        self.calls = self.refused = 0
        self.shown: dict[str, float] = {}
        self.chats: set[str] = set()
        """Customers who have an open chat."""

    def client(self, read_timeout: float) -> Any:
        """In place of the SDK's clients of both services. `read_timeout` in seconds."""
        return _Client(self, read_timeout)

    def call(self, operation: str, customer: str, content: str | None, *, opens: bool, read_timeout: float) -> None:
        faults, dice = self._faults, self._rng.random()
        trouble = faults.troubles.get(customer)
        self.calls += 1
        if trouble == "poison":
            raise RuntimeError("a defect")
        if trouble == "hanging" or dice < faults.hanging:
            self._time.sleep(read_timeout)
            raise ReadTimeoutError(endpoint_url="Connect")
        self._time.sleep(SECONDS / 2)
        error = self._error(operation, trouble, customer, dice - faults.hanging, opens=opens)
        if error is None and opens:
            self.chats.add(customer)
        if error is None and content is not None:
            self.shown.setdefault(
                content.rpartition("\n")[2], self._time.time
            )  # a late text begins with a line about it
        self._time.sleep(SECONDS / 2 * (0.8 + 0.4 * self._rng.random()))
        if error:
            raise error

    def _error(
        self, operation: str, trouble: Trouble | None, customer: str, dice: float, *, opens: bool
    ) -> ClientError | None:
        faults = self._faults
        if trouble == "refused":
            return _error("AccessDeniedException", 403)
        if trouble == "throttled" or dice < faults.throttled or not self._buckets[operation].takes(self._time.time):
            self.refused += 1
            return _error("ThrottlingException", 429)
        if dice < faults.throttled + faults.failing:
            return _error("InternalServerException", 500)
        if opens and customer not in self.chats and len(self.chats) >= faults.room:
            self.refused += 1
            return _error(faults.full, 429)
        return None


class _Bucket:
    """A refused call takes no token."""

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self._rate, self._burst, self._tokens, self._filled = rate, burst, burst, now

    def takes(self, now: float) -> bool:
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class _Client:
    """Contact, participant token and connection token of a chat are its customer."""

    def __init__(self, connect: Connect, read_timeout: float) -> None:
        self._connect, self._read_timeout = connect, read_timeout

    def send_chat_integration_event(self, *, SourceId: str, Event: Mapping[str, str], **_: Any) -> dict[str, Any]:  # noqa: N803 (the API's names)
        self._call("send_chat_integration_event", SourceId, Event["Content"], opens=True)
        return {"InitialContactId": SourceId}

    def start_chat_contact(self, *, ParticipantDetails: Mapping[str, str], **_: Any) -> dict[str, Any]:  # noqa: N803
        customer = ParticipantDetails["DisplayName"].rpartition(" ")[2]
        self._call("start_chat_contact", customer, opens=True)
        return {"ContactId": customer, "ParticipantToken": customer}

    def create_participant_connection(self, *, ParticipantToken: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        self._call("create_participant_connection", ParticipantToken)
        expiry = datetime.fromtimestamp(self._connect._time.time + _DAY, UTC).isoformat()
        return {"ConnectionCredentials": {"ConnectionToken": ParticipantToken, "Expiry": expiry}}

    def send_message(self, *, ConnectionToken: str, Content: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        self._call("send_message", ConnectionToken, Content)
        return {"Id": "message"}

    def disconnect_participant(self, *, ConnectionToken: str, **_: Any) -> dict[str, Any]:  # noqa: N803
        self._call("disconnect_participant", ConnectionToken)
        return {}

    def _call(self, operation: str, customer: str, content: str | None = None, *, opens: bool = False) -> None:
        self._connect.call(operation, customer, content, opens=opens, read_timeout=self._read_timeout)


def _error(code: str, status: int) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]
        "Call",
    )
