"""Who takes part in a chat that the bridge started."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Participants:
    """The customer's phone and the business number of a chat; `options` are those last offered, if any."""

    customer_number: str = field(repr=False)
    business_number: str = field(repr=False)
    business_number_arn: str
    options: tuple[str, ...] = field(default=(), repr=False)
