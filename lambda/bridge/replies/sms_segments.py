"""Splitting a reply into text messages, each within the limit of its alphabet.

Source: "SMS character limits" in the AWS End User Messaging SMS user guide. The API's own model allows more, and the
text then fails.
"""

from __future__ import annotations

from bridge.processing.splitting import Limit, Room, replace_lone_surrogates, split_by, utf16_length

GSM_LIMIT = 1530
"""Characters of the GSM 03.38 alphabet in one message; those of its extension table count twice."""
OTHER_LIMIT = 630
"""UTF-16 code units in a message with any other character."""

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")


def gsm_length(text: str) -> int | None:
    """Length in septets of the GSM 03.38 alphabet; None if the text has other characters."""
    length = 0
    for character in text:
        if character in _BASIC:
            length += 1
        elif character in _EXTENSION:
            length += 2
        else:
            return None
    return length


def messages(text: str) -> tuple[str, ...]:
    """The text messages of `text`. Blank ones are left out, since the API rejects them."""
    return tuple(part for part in split_by(replace_lone_surrogates(text), _LIMIT) if part.strip())


def _room() -> Room:
    septets: int | None = 0
    units = 0

    def take(characters: str) -> bool:
        nonlocal septets, units
        more = gsm_length(characters)
        septets = None if septets is None or more is None else septets + more
        units += utf16_length(characters)
        return units <= OTHER_LIMIT if septets is None else septets <= GSM_LIMIT

    return take


_LIMIT = Limit(GSM_LIMIT, _room)
