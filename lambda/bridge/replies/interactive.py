"""Interactive messages and files as text for a phone, and the option that a customer's answer selects.

Source: "Add interactive messages to chat" in the Amazon Connect administrator guide. All templates are rendered alike,
also unknown ones. Nothing here raises: a malformed message of a bot is shown as far as it can be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from bridge.processing.notification import json_or_none
from bridge.replies import sms_segments

UNREADABLE = "[A message that cannot be shown as text]"
_DEEPEST = 8
_READABLE = ("title", "subtitle", "text", "label", "description", "message")
_NUMBER = re.compile(r"\s*0*([1-9][0-9]{0,2})[.)]?\s*")
_LONGEST_NAME = 200
LINK_SECONDS = 300
"""The longest validity of a link to a file that Connect allows."""


@dataclass(frozen=True, slots=True)
class _Option:
    """`answer` is sent into the chat when the customer selects the option."""

    shown: str
    answer: str


@dataclass(frozen=True, slots=True)
class _Block:
    lines: tuple[str, ...]
    options: tuple[_Option, ...]


def render(content: str) -> tuple[str, tuple[str, ...]]:
    """An interactive message as lines (title, subtitle, numbered options), and the answers that the numbers select.

    A carousel's elements follow one another.
    """
    template = json_or_none(content)
    if template is None:
        return UNREADABLE if content.lstrip()[:1] in ("", "{", "[") else content, ()
    shown, options = list[str](), list[str]()
    for block in _blocks(template):
        lines = list(block.lines)
        for option in block.options:
            options.append(option.answer)
            lines.append(f"{len(options)}. {option.shown}")
        if lines:
            shown.append("\n".join(lines))
    return "\n\n".join(shown) or "\n".join(_readable(template)) or UNREADABLE, tuple(options)


def choice(answer: str, options: Sequence[str]) -> str | None:
    """The option that `answer` selects by its number, with or without a full stop or bracket, if any."""
    match = _NUMBER.fullmatch(answer)
    number = int(match[1]) if match else 0
    return options[number - 1] if 1 <= number <= len(options) else None


def attachment_line(name: str, *, content_type: str | None = None, link: str | None = None) -> str:
    """A line that names a file, with its link if both fit into one text message."""
    what = " ".join(name.split())[:_LONGEST_NAME] or " ".join((content_type or "").split())[:_LONGEST_NAME]
    line = f"[File: {what}]" if what else "[A file]"
    if not link or not link.strip():
        return line
    whole = f"{line} {link.strip()} (for {LINK_SECONDS // 60} minutes)"
    return whole if len(sms_segments.messages(whole)) == 1 else line


def _blocks(template: object, depth: int = 0) -> Iterator[_Block]:
    content = _content(template)
    if content is None or depth > _DEEPEST:
        return
    lines = [_words(content.get("title")), _words(content.get("subtitle"))]
    location = content.get("location")
    if isinstance(location, dict):
        lines.append(_words(location.get("title")))
    elements = _list(content, "elements")
    slots = [_slot(slot, content) for slot in _list(content, "timeslots")]
    options = [_option(element) for element in elements if _content(element) is None]
    yield _Block(
        lines=tuple(line for line in lines if line),
        options=tuple(option for option in (*options, *slots) if option),
    )
    for element in elements:
        yield from _blocks(element, depth + 1)


def _content(template: object) -> Mapping[str, Any] | None:
    data = template.get("data") if isinstance(template, dict) else None
    content = data.get("content") if isinstance(data, dict) else None
    return content if isinstance(content, dict) else None


def _option(element: object) -> _Option | None:
    title = _words(element.get("title")) if isinstance(element, dict) else ""
    if not title or not isinstance(element, dict):
        return None
    subtitle = _words(element.get("subtitle"))
    return _Option(shown=f"{title} ({subtitle})" if subtitle else title, answer=title)


def _slot(slot: object, content: Mapping[str, Any]) -> _Option | None:
    """A time slot, shown at the template's offset (minutes) or its own; the answer is the time as in the template."""
    date = _words(slot.get("date")) if isinstance(slot, dict) else ""
    if not date:
        return None
    return _Option(shown=_local(date, content.get("timezoneOffset", content.get("timeZoneOffset"))), answer=date)


def _local(date: str, offset: object) -> str:
    try:
        time = datetime.fromisoformat(date)
        if time.tzinfo and isinstance(offset, int):
            time = time.astimezone(timezone(timedelta(minutes=offset)))
    except (ValueError, OverflowError):
        return date
    return f"{time:%Y-%m-%d %H:%M}"


def _list(content: Mapping[str, Any], name: str) -> list[object]:
    value = content.get(name)
    return value if isinstance(value, list) else []


def _words(value: object) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""


def _readable(value: object, depth: int = 0) -> Iterator[str]:
    """The readable strings of a message without a known template, except the reply that follows a selection."""
    if isinstance(value, str) and depth == 0 and value.strip():
        yield value
    elif isinstance(value, list) and depth <= _DEEPEST:
        for each in value:
            yield from _readable(each, depth + 1)
    elif isinstance(value, dict) and depth <= _DEEPEST:
        for name in _READABLE:
            if words := _words(value.get(name)):
                yield words
        for name, each in value.items():
            if name != "replyMessage":
                yield from _readable(each, depth + 1)
