"""Where in a TOML document something stands: tomllib gives values without their lines."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from infra.values import shown

Loc = tuple[str | int, ...]
"""Keys, and positions from 0."""


def place(loc: Loc) -> str:
    """As a person counts: `numbers[2].arn` is the second number's ARN."""
    return "".join(f"[{key + 1}]" if isinstance(key, int) else f".{key}" for key in loc).lstrip(".")


def line_numbers(text: str) -> dict[Loc, int]:
    """The line on which each key of a valid TOML document stands.

    Statement by statement: the fewest lines that parse by themselves are one header or one key and its value.
    """
    lines, where = text.replace("\r\n", "\n").split("\n"), dict[Loc, int]()
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
            break  # not a valid document; what was found so far still helps
        if lines[first].lstrip().startswith("["):
            header = _open_table(statement, tables)
            for depth in range(1, len(header) + 1):
                where.setdefault(header[:depth], first + 1)
        for loc in () if lines[first].lstrip().startswith("[") else _places(statement):
            where.setdefault(header + loc, first + 1)
        first = last
    return where


def _open_table(statement: Mapping[str, Any], tables: Counter[Loc]) -> Loc:
    """Where a header leads, in the latest entry of each list of tables on its way; counts a new entry."""
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
    # Python 3.14 gives the line as an attribute, those before it only in the message
    stated = re.search(r"\(at line ([0-9]+), column [0-9]+\)", str(error))
    lines = text.split("\n")
    line = int(getattr(error, "lineno", 0) or (stated[1] if stated else len(lines)))
    problem = re.sub(r"\s*\(at [^()]*\)$", "", str(error))
    content = lines[min(line, len(lines)) - 1].strip()
    remedy = 'a line is [section], or name = value with text in double quotes: number = "+12125550101"'
    if found := re.fullmatch(r"([A-Za-z0-9_.-]+)\s*=\s*([^\"'\[{#][^\"#]*?)\s*(#.*)?", content):
        remedy = f"if it is meant as text, put it in double quotes: {found[1]} = {shown(found[2])}"
    return line, f"cannot be read as TOML: {problem[:1].lower()}{problem[1:]}", remedy
