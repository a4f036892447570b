"""Settings of the simulator: quotas of the account, and disturbances of what works in AWS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

_SMS_OPERATIONS = (
    "SendTextMessage",
    "DescribePhoneNumbers",
    "UpdatePhoneNumber",
    "DescribePools",
    "ListTagsForResource",
    "TagResource",
    "UntagResource",
    "DescribeSpendLimits",
    "DescribeAccountAttributes",
)
_CONNECT_READS = (
    "DescribeInstance",
    "DescribeContactFlow",
    "ListPhoneNumbersV2",
    "DescribePhoneNumber",
    "GetFlowAssociation",
)
RATES: dict[str, tuple[float, float]] = {
    "StartChatContact": (5, 8),
    "StartContactStreaming": (5, 8),
    "CreateParticipantConnection": (6, 9),
    "SendMessage": (10, 15),
    "SendEvent": (10, 15),
    "DisconnectParticipant": (3, 5),
    "GetTranscript": (8, 12),  # (?) and the next
    "GetAttachment": (8, 12),
    "ListServiceQuotas": (10, 10),
    **dict.fromkeys(_SMS_OPERATIONS, (1, 1)),
    **dict.fromkeys(_CONNECT_READS, (2, 5)),
}
"""Calls per second and burst of each operation. For SendChatIntegrationEvent the settings have `rate` and `burst`."""


class Settings(BaseModel):
    """What POST /_simulator/settings changes. Times are in seconds, `rate` in calls per second."""

    model_config = ConfigDict(extra="forbid")

    rate: float = Field(default=17, gt=0)
    burst: float = Field(default=26, ge=1)
    chat_limit: int = Field(default=500, ge=0)
    latency: float = Field(default=0, ge=0)
    chat_seconds: float = Field(default=90000, gt=0)
    chat_limit_error: str = "ThrottlingException"
    """(?) The API model has no quota error for SendChatIntegrationEvent. Of its errors this is the likeliest."""
    without_chat: Literal["not-found", "ignored"] = "not-found"
    """(?) What a DISCONNECT or EVENT without an active chat gets: an error, or an answer without InitialContactId.
    The API reference hints at the second: "This may be null if the integration event is not valid without an already
    existing chat contact"."""

    rates: dict[str, tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(ge=1)]]] = RATES
    """Rate and burst of the other operations. A change names the operations that change, or "*" for all."""
    start_chat_throttle_error: str = "TooManyRequestsException"
    """(?) From the API reference: "API TPS throttling returns a TooManyRequests exception". The API model lacks it."""
    participant_token_seconds: float = Field(default=300, gt=0)
    """How long after StartChatContact the first connection can be created."""
    connection_token_seconds: float = Field(default=86400, gt=0)

    recipient_rate: float = Field(default=1, gt=0)
    """SMS per second to one phone. AWS does not raise this quota."""
    opted_out: list[str] = []
    unverified: list[str] = []
    """Phone numbers to which an account in the SMS sandbox may not send."""
    blocked: list[str] = []
    """Prefixes of phone numbers, such as +44, that a protect configuration blocks."""
    spending_limit: int | None = Field(default=None, ge=0)
    """Message parts that may be sent after a reset."""
    spend_limit: int = Field(default=100, ge=0)
    """The monthly spend limit in dollars that DescribeSpendLimits returns."""
    account_tier: Literal["SANDBOX", "PRODUCTION"] = "PRODUCTION"

    notify_twice: float = Field(default=0, ge=0, le=1)
    notify_late: float = Field(default=0, ge=0, le=1)
    """Share of notifications that are `notify_late_seconds` late, and so out of order."""
    notify_late_seconds: float = Field(default=1, ge=0)
    notify_seed: int = 0

    @field_validator("rates")
    @classmethod
    def _complete(cls, rates: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        if unknown := sorted(rates.keys() - RATES.keys() - {"*"}):
            raise ValueError(f"no operation {', '.join(unknown)}; there are {', '.join(RATES)}, and *")
        everything = dict.fromkeys(RATES, rates["*"]) if "*" in rates else RATES
        return {**everything, **{name: rate for name, rate in rates.items() if name != "*"}}

    def changed(self, changes: object) -> Settings:
        """The settings after `changes`, a JSON object. Raises ValueError or TypeError."""
        if not isinstance(changes, dict):
            raise TypeError("settings are a JSON object")
        rates = changes.get("rates")
        if isinstance(rates, dict):
            changes = {**changes, "rates": rates if "*" in rates else {**self.rates, **rates}}
        return Settings.model_validate(self.model_dump() | changes)
