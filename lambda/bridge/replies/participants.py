"""The participants of a chat that the bridge started."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Participants:
    """The two phone numbers of a chat; `options` are those of its last interactive message."""

    customer_number: str = field(repr=False)
    business_number: str = field(repr=False)
    business_number_arn: str
    options: tuple[str, ...] = field(default=(), repr=False)
