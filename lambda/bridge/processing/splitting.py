"""Splitting a long text into messages, between graphemes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

_NO_BREAK = frozenset("\u00a0\u2007\u202f\u2060\ufeff")

Room = Callable[[str], bool]
"""Adds the next characters to a message; False once that is more than a message holds."""


@dataclass(frozen=True, slots=True)
class Limit:
    """The limit of a message: at most `longest` characters, and as many as a new `room` accepts."""

    longest: int
    room: Callable[[], Room]


def replace_lone_surrogates(text: str) -> str:
    """`text` with a replacement character for each half of a surrogate pair, which JSON can hold and UTF-8 cannot."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def utf16_length(text: str) -> int:
    """Length in UTF-16 code units, which is how Connect may count its limits."""
    return len(text) + sum(character > "\uffff" for character in text)


def split(text: str, limit: int) -> tuple[str, ...]:
    """split_by with a limit in UTF-16 code units. Raises ValueError if that can be too short for one character."""
    if limit < 2:
        raise ValueError(f"a limit of {limit} does not hold every character")

    def room() -> Room:
        left = limit

        def take(characters: str) -> bool:
            nonlocal left
            left -= utf16_length(characters)
            return left >= 0

        return take

    return split_by(text, Limit(limit, room))


def split_by(text: str, limit: Limit) -> tuple[str, ...]:
    """Parts within `limit` that, joined, are `text` again. Every single character must be within the limit.

    A part ends after the last white space that fits, else after the last grapheme that fits (a letter with its accents,
    an emoji with its skin tone, a flag). Only a grapheme that exceeds the limit by itself is split.
    """
    if limit.room()(text):
        return (text,)
    parts = []
    start = 0
    while start < len(text):
        end = _end_of_part(text, start, limit)
        parts.append(text[start:end])
        start = end
    return tuple(parts)


def _end_of_part(text: str, start: int, limit: Limit) -> int:
    # Imported here: only a long text needs the Unicode tables.
    from wcwidth import iter_graphemes

    take, end, after_space = limit.room(), start, None
    # With one more character than a part holds, to see where the last grapheme ends.
    for grapheme in iter_graphemes(text, start, min(len(text), start + limit.longest + 1)):
        if not take(grapheme):
            break
        end += len(grapheme)
        if grapheme.isspace() and grapheme not in _NO_BREAK:
            after_space = end
    else:
        if end == len(text):
            return end
    return after_space or (end if end > start else _hard_end(text, start, limit))


def _hard_end(text: str, start: int, limit: Limit) -> int:
    take, end = limit.room(), start
    while end < len(text) and take(text[end]):
        end += 1
    return end
