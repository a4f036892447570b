"""The mutations, each with the test that must fail. docs/promises.md names them."""

from __future__ import annotations

from tests.mutation.harness import Mutation
from tests.mutation.patches import (
    archive,
    chat_events,
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

MUTATIONS: tuple[Mutation, ...] = (
    *order_and_once.MUTATIONS,
    *errors_and_rates.MUTATIONS,
    *content.MUTATIONS,
    *stack.MUTATIONS,
    *monitoring.MUTATIONS,
    *archive.MUTATIONS,
    *start_chat.MUTATIONS,
    *chat_events.MUTATIONS,
    *replies.MUTATIONS,
    *replies_stack.MUTATIONS,
    *operating.MUTATIONS,
    *leaving.MUTATIONS,
    *limits.MUTATIONS,
    *permissions.MUTATIONS,
    *edges.MUTATIONS,
)

QUICK = (
    "group-lock/one-per-text",
    "ledger-read/none",
    "ledger-write/before-the-answer",
    "deduplication/redrive",
    "blocked/as-permanent",
)
"""Mutations that `make test` runs as well."""
