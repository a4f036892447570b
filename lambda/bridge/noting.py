"""Noting at once that a text was queued, so that one which waits, or over which a function crashes, is known too."""

from __future__ import annotations

from bridge import reporting
from bridge.errors import LedgerError
from bridge.known import Facts
from bridge.ledger import Ledger
from bridge.measures import TEXT, Kind


def note(ledger: Ledger, text_key: str, facts: Facts, *, stage: str, at: float, kind: Kind = TEXT) -> None:
    """As well as it can be done: the text is safe on its queue, and whoever takes it from there notes it anyway."""
    try:
        ledger.received(text_key, facts, stage=stage, at=at)
    except LedgerError as exc:
        reporting.not_noted(text_key, exc, kind=kind)
