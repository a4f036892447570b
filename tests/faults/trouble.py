"""When a service fails, by a seeded generator of its own."""

from __future__ import annotations

import random
from typing import Literal

Fault = Literal["error", "reset before", "reset after"]
"""An answer that says no; the connection is reset, and nothing was done; it was done, but the answer is lost."""
_KINDS: tuple[Fault, ...] = ("error", "reset before", "reset after")


class Trouble:
    """`share` of the calls, from 0 to 1; an outage refuses all of them, and does nothing."""

    def __init__(self, seed: str, share: float) -> None:
        self._random = random.Random(seed)
        self._share = share
        self.outage = False

    def draw(self) -> Fault | None:
        """The fault of this call, if any."""
        number, kind = self._random.random(), self._random.choice(_KINDS)
        if self.outage:
            return "error" if kind == "error" else "reset before"
        return kind if number < self._share else None
