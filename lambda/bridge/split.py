"""Cutting a long text into messages of a chat, so that nobody sees half a character."""

from __future__ import annotations

_NO_BREAK = frozenset("\u00a0\u2007\u202f\u2060\ufeff")


def utf16_length(text: str) -> int:
    """Length in UTF-16 code units: what Java and JavaScript, and so the careful reading of AWS's limits, count."""
    return len(text) + sum(character > "\uffff" for character in text)


def split(text: str, limit: int) -> tuple[str, ...]:
    """Parts of at most `limit` UTF-16 code units that, joined, are `text` again.

    A cut is made after the last white space that fits; where there is none between two graphemes (a letter with its
    accents, an emoji with its skin tone, a family, a flag); and only inside a grapheme that alone is too long.
    """
    if limit < 2:
        raise ValueError(f"a limit of {limit} does not hold every character")
    if utf16_length(text) <= limit:
        return (text,)
    parts = []
    start = 0
    while start < len(text):
        end = _end_of_part(text, start, limit)
        parts.append(text[start:end])
        start = end
    return tuple(parts)


def _end_of_part(text: str, start: int, limit: int) -> int:
    # Only a long text pays for the tables of Unicode.
    from wcwidth import iter_graphemes

    used, end, after_space = 0, start, None
    # A part holds at most `limit` characters; one more shows whether its last grapheme goes on behind it.
    for grapheme in iter_graphemes(text, start, min(len(text), start + limit + 1)):
        used += utf16_length(grapheme)
        if used > limit:
            break
        end += len(grapheme)
        if grapheme.isspace() and grapheme not in _NO_BREAK:
            after_space = end
    else:
        if end == len(text):
            return end
    return after_space or (end if end > start else _hard_end(text, start, limit))


def _hard_end(text: str, start: int, limit: int) -> int:
    used, end = 0, start
    while end < len(text):
        used += utf16_length(text[end])
        if used > limit:
            break
        end += 1
    return end
