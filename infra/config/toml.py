"""Line numbers of a TOML document: tomllib returns values without their lines."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from infra.config.values import shown

Loc = tuple[str | int, ...]
"""The place of a value: keys, and positions in lists from 0."""


def place(loc: Loc) -> str:
    """As text, with positions from 1: `numbers[2].arn` is the second number's ARN."""
    return "".join(f"[{key + 1}]" if isinstance(key, int) else f".{key}" for key in loc).lstrip(".")


def line_numbers(text: str) -> dict[Loc, int]:
    """The line of each key of a valid TOML document.

    The document is read statement by statement: the fewest lines that tomllib parses are one header, or one key and its
    value.
    """
    lines, found = text.replace("\r\n", "\n").split("\n"), dict[Loc, int]()
    header: Loc = ()
    tables: Counter[Loc] = Counter()
    first = 0
    while first < len(lines):
        for last in range(first + 1, len(lines) + 1):
            try:
                statement = tomllib.loads("\n".join(lines[first:last]))
            except tomllib.TOMLDecodeError:
                continue
            break
        else:
            break  # not a valid document
        if lines[first].lstrip().startswith("["):
            header = _open_table(statement, tables)
            locs = [header[:depth] for depth in range(1, len(header) + 1)]
        else:
            locs = [header + loc for loc in _places(statement)]
        for loc in locs:
            found.setdefault(loc, first + 1)
        first = last
    return found


def _open_table(statement: Mapping[str, Any], tables: Counter[Loc]) -> Loc:
    """The place of the table that a header opens. `tables` counts the entries of each list of tables."""
    loc: Loc = ()
    inside: Any = statement
    while inside:
        ((key, inside),) = inside.items()
        loc += (key,)
        if isinstance(inside, list):  # [[key]]: always the last
            tables[loc] += 1
            inside = None
        if tables[loc]:
            loc += (tables[loc] - 1,)
    return loc


def _places(value: Any, loc: Loc = ()) -> Iterator[Loc]:
    if loc:
        yield loc
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from _places(inner, (*loc, key))


def syntax_mistake(text: str, error: tomllib.TOMLDecodeError) -> tuple[int, str, str]:
    """Line, problem and remedy of a document that is not TOML."""
    # Python 3.14 has the line as an attribute, earlier versions only in the message
    stated = re.search(r"\(at line ([0-9]+), column [0-9]+\)", str(error))
    lines = text.split("\n")
    line = int(getattr(error, "lineno", 0) or (stated[1] if stated else len(lines)))
    problem = re.sub(r"\s*\(at [^()]*\)$", "", str(error))
    content = lines[min(line, len(lines)) - 1].strip()
    remedy = 'a line is [section], or name = value with text in double quotes: number = "+12125550101"'
    if found := re.fullmatch(r"([A-Za-z0-9_.-]+)\s*=\s*([^\"'\[{#][^\"#]*?)\s*(#.*)?", content):
        remedy = f"if it is meant as text, put it in double quotes: {found[1]} = {shown(found[2])}"
    return line, f"cannot be read as TOML: {problem[:1].lower()}{problem[1:]}", remedy
