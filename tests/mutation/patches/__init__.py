"""What is taken out, and which test must notice. docs/promises.md names each."""

from __future__ import annotations

from tests.mutation.harness import Mechanism
from tests.mutation.patches import (
    archive,
    content,
    edges,
    errors_and_rates,
    leaving,
    limits,
    monitoring,
    operating,
    order_and_once,
    permissions,
    replies,
    replies_stack,
    stack,
    start_chat,
)

MECHANISMS: tuple[Mechanism, ...] = (
    *order_and_once.MECHANISMS,
    *errors_and_rates.MECHANISMS,
    *content.MECHANISMS,
    *stack.MECHANISMS,
    *monitoring.MECHANISMS,
    *archive.MECHANISMS,
    *start_chat.MECHANISMS,
    *replies.MECHANISMS,
    *replies_stack.MECHANISMS,
    *operating.MECHANISMS,
    *leaving.MECHANISMS,
    *limits.MECHANISMS,
    *permissions.MECHANISMS,
    *edges.MECHANISMS,
)

QUICK = (
    "group-lock/one-per-text",
    "ledger-read/none",
    "ledger-write/before-the-answer",
    "deduplication/redrive",
    "blocked/as-permanent",
)
"""Those that `make test` takes out too."""
