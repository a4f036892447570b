"""The IAM permissions of each command, read from the table in docs/commands.md."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from testing.commands import known

PAGE = Path(__file__).parents[2] / "docs" / "commands.md"
EVERY = "each of these"
"""The row with the permissions that all commands need."""


@dataclass(frozen=True, slots=True)
class Permission:
    """`on` is the resource in the words of the page."""

    action: str
    on: str


class PageError(Exception):
    """The table has another format."""


def permissions(page: str | None = None) -> Mapping[str, tuple[Permission, ...]]:
    """By command. A cell has clauses between semicolons: actions (of which one without a service is of the service
    before it) on places, and what that is for in parentheses; or `as` another command. Raises PageError."""
    text = PAGE.read_text(encoding="utf-8") if page is None else page
    _, found, table = text.partition("| command | permissions |\n|---|---|\n")
    rows = [row.strip("|").split("|") for row in table.partition("\n\n")[0].splitlines()]
    if not found or not all(len(row) == 2 for row in rows):
        raise PageError("there is no table of permissions with two columns")
    read: dict[str, tuple[Permission, ...]] = {}
    for commands, cell in rows:
        granted = (*read.get(EVERY, ()), *(one for clause in cell.split(";") for one in _clause(clause.strip(), read)))
        for command in re.findall(r"`([^`]+)`", commands) or [commands.strip()]:
            if command in read or (command != EVERY and command not in known()):
                raise PageError(f"{command} is no command, or has two rows")
            read[command] = tuple(dict.fromkeys(granted))
    return {command: granted for command, granted in read.items() if command != EVERY}


def _clause(clause: str, read: Mapping[str, tuple[Permission, ...]]) -> Iterator[Permission]:
    if other := re.fullmatch(r"as `([^`]+)`", clause):
        yield from read[other[1]]
        return
    parts = re.fullmatch(r"((?:`[\w:*-]+`(?:, | and )?)+) on ([^(`]+?)(?: \([^)]+\))?", clause)
    if parts is None:
        raise PageError(f"not understood: {clause}")
    service = ""
    for name in re.findall(r"`([^`]+)`", parts[1]):
        prefix, _, action = name.rpartition(":")
        service = prefix or service
        for place in re.split(r", | and ", parts[2]):
            yield Permission(f"{service}:{action}", place)
