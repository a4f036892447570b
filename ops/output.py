"""What commands print: a table that fits a terminal, or with --json one JSON object a line; numbers by their ending."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.errors import last_digits

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
ShowContentOption = Annotated[bool, typer.Option("--show-content", help="Show numbers whole.")]


_BESIDE = 13
"""Columns of a mark and the space after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """`name` is the row's key and the heading; `fold` lets a long value go on in the next line of its column."""

    name: str
    fold: bool = False
    right: bool = False
    styles: Mapping[str, str] | None = None
    """A style for some of the values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """How one run of a command speaks. What is only for people is left out with --json."""

    as_json: bool = False
    show_content: bool = False

    def number(self, number: str | None) -> str:
        """A phone number as it may be shown."""
        if not number:
            return ""
        return number if self.show_content else last_digits(number)

    def rows(self, columns: Sequence[Column], rows: Iterable[Mapping[str, Any]]) -> None:
        """Rows as they come with --json, all their keys; else the columns of them as a table."""
        if self.as_json:
            for row in rows:
                typer.echo(json.dumps(row, ensure_ascii=False))
            return
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for column in columns:
            table.add_column(
                column.name.replace("_", " "),
                overflow="fold" if column.fold else "ellipsis",
                no_wrap=not column.fold,
                justify="right" if column.right else "left",
            )
        for row in rows:
            table.add_row(*(_cell(column, row.get(column.name)) for column in columns))
        _console().print(table)

    def entry(
        self, row: Mapping[str, Any], *, mark: str, text: str, style: str = "", below: str = "", command: str = ""
    ) -> None:
        """One thing that was found, as soon as it is: with --json its row; else text beside a mark, more below it.

        A command is left to the terminal to wrap: one that is broken in two cannot be copied.
        """
        if self.as_json:
            typer.echo(json.dumps(row, ensure_ascii=False))
            return
        console = _console()
        together = f"{below}: {command}" if command else below
        fits = len(together) <= console.width - _BESIDE
        beside = Text(mark.ljust(_BESIDE), style=style)
        for line, tone in ((text, ""), (together if fits or not command else f"{below}:", "dim")):
            for part in textwrap.wrap(line, console.width - _BESIDE, break_long_words=False, break_on_hyphens=False):
                console.print(Text.assemble(beside, (part, tone)), soft_wrap=True)
                beside = Text(" " * _BESIDE)
        if command and not fits:
            console.print(Text(" " * _BESIDE + command, style="dim"), soft_wrap=True)

    def say(self, line: str, *, style: str = "") -> None:
        """A line for people."""
        if not self.as_json:
            _console().print(Text(line, style=style), soft_wrap=True)


def complain(line: str) -> None:
    """A line on stderr: why a command did not do, or find, all that it was asked for."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"bridge: {line}", markup=False)


def _console() -> Console:
    return Console(highlight=False)


def _cell(column: Column, value: Any) -> Text:
    shown = "" if value is None else "yes" if value is True else "no" if value is False else str(value)
    return Text(shown, style=(column.styles or {}).get(shown, ""))
