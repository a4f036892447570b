"""Cutting a long text into messages, so that nobody sees half a character."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

_NO_BREAK = frozenset("\u00a0\u2007\u202f\u2060\ufeff")


Room = Callable[[str], bool]
"""Takes the next characters of a message; False as soon as that is more than the message holds."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What one message holds: at most so many characters, and what `room`, made anew for each message, takes."""

    longest: int
    room: Callable[[], Room]


def replace_lone_surrogates(text: str) -> str:
    """JSON can hold halves of surrogate pairs, which are no characters and cannot be sent on."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def utf16_length(text: str) -> int:
    """Length in UTF-16 code units: what Java and JavaScript, and so the careful reading of AWS's limits, count."""
    return len(text) + sum(character > "\uffff" for character in text)


def split(text: str, limit: int) -> tuple[str, ...]:
    """Parts of at most `limit` UTF-16 code units that, joined, are `text` again, cut as split_by does."""
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
    """Parts that `limit` holds and that, joined, are `text` again. A limit must hold every single character.

    A cut is made after the last white space that fits; where there is none between two graphemes (a letter with its
    accents, an emoji with its skin tone, a family, a flag); and only inside a grapheme that alone is too long.
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
    # Only a long text pays for the tables of Unicode.
    from wcwidth import iter_graphemes

    take, end, after_space = limit.room(), start, None
    # One character more than a part can hold shows whether its last grapheme goes on behind it.
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
