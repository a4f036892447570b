"""What commands print: a table that fits a terminal, or with --json one JSON object a line; progress on stderr."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

from bridge.errors import last_digits

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]
ShowContentOption = Annotated[bool, typer.Option("--show-content", help="Show numbers whole.")]
OnProgress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done, and how many there are."""
_MARK_WIDTH = 13
"""Columns of a mark and the space after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """`name` is the row's key and the heading; `fold` wraps long values; `styles` are by value."""

    name: str
    fold: bool = False
    right: bool = False
    styles: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """How a command prints. With --json, what is only for people is left out."""

    as_json: bool = False
    show_content: bool = False

    def number(self, number: str | None) -> str:
        """A phone number as it may be shown: whole, or its last digits."""
        if not number:
            return ""
        return number if self.show_content else last_digits(number)

    def json(self, row: Mapping[str, Any]) -> None:
        typer.echo(json.dumps(row, ensure_ascii=False))

    def rows(self, columns: Sequence[Column], rows: Iterable[Mapping[str, Any]]) -> None:
        """With --json each row with all its keys; else a table of these columns."""
        if self.as_json:
            for row in rows:
                self.json(row)
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
        """With --json the row; else a mark with text beside it, and more below that.

        A command is not wrapped here: one that is broken into two lines cannot be copied.
        """
        if self.as_json:
            self.json(row)
            return
        console = _console()
        together = f"{below}: {command}" if command else below
        fits = len(together) <= console.width - _MARK_WIDTH
        beside = Text(mark.ljust(_MARK_WIDTH), style=style)
        for line, tone in ((text, ""), (together if fits or not command else f"{below}:", "dim")):
            for part in textwrap.wrap(
                line, console.width - _MARK_WIDTH, break_long_words=False, break_on_hyphens=False
            ):
                console.print(Text.assemble(beside, (part, tone)), soft_wrap=True)
                beside = Text(" " * _MARK_WIDTH)
        if command and not fits:
            console.print(Text(" " * _MARK_WIDTH + command, style="dim"), soft_wrap=True)

    def say(self, line: str, *, style: str = "") -> None:
        """A line for people."""
        if not self.as_json:
            _console().print(Text(line, style=style), soft_wrap=True)


def complain(line: str) -> None:
    """Print a line to stderr: why a command did not do, or find, all that it was asked for."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"bridge: {line}", markup=False)


@contextmanager
def progress() -> Iterator[OnProgress]:
    """A progress bar on stderr, and only on a terminal, so that it does not mix with piped output."""
    console = Console(stderr=True)
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda doing, done, total: bar.update(task, description=doing, completed=done, total=total)


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _console() -> Console:
    return Console(highlight=False)


def _cell(column: Column, value: Any) -> Text:
    shown = "" if value is None else "yes" if value is True else "no" if value is False else str(value)
    return Text(shown, style=(column.styles or {}).get(shown, ""))
