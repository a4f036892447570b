"""bridge.toml: what a deployer edits, checked before anything is synthesised.

`load` reads it and finds every mistake in one go; `BridgeConfig.runtime_json` is what the functions get.
Durations are seconds (float) from here on.
"""

from __future__ import annotations

import difflib
import json
import math
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from bridge.backoff import receives_possible
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

HOUR, DAY = 3600.0, 86400.0
DEADLINE_MARGIN = 6.0
"""Seconds between batch deadline and function timeout: one call's connect and read time-out."""
ATTRIBUTES_ROOM = 28_000
"""UTF-8 bytes for configured attributes: Connect takes 32,768, and the SMS's own facts come on top."""
SENT = "2026-01-31 23:59 UTC"
"""As long as {sent} gets."""
RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""What CloudWatch Logs allows (PutRetentionPolicy)."""

Loc = tuple[str | int, ...]
"""Where in the document: keys, and positions from 0."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing wrong; `line` is None where there is no line to point at."""

    line: int | None
    place: str
    problem: str
    remedy: str


class ConfigError(Exception):
    """All mistakes of one file; as text, one line each: `bridge.toml:14: numbers[2].arn: wrong; right`."""

    def __init__(self, path: Path, mistakes: list[Mistake]) -> None:
        super().__init__(path, mistakes)
        self.path = path
        self.mistakes = mistakes

    def __str__(self) -> str:
        return "\n".join(
            ": ".join(
                part
                for part in (
                    f"{self.path}:{m.line}" if m.line else f"{self.path}",
                    m.place,
                    f"{m.problem}; {m.remedy}",
                )
                if part
            )
            for m in self.mistakes
        )


# --- what one value may be --------------------------------------------------------------------------------


def _wrong(problem: str, remedy: str) -> PydanticCustomError:
    return PydanticCustomError("mistake", "{problem}", {"problem": problem, "remedy": remedy})


def _shown(value: object) -> str:
    """A value as TOML writes it, short enough for one line."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


def _text(value: Any, remedy: str = "put it in double quotes") -> str:
    if not isinstance(value, str):
        raise _wrong(f"{_shown(value)} is not text", f"{remedy}: {_shown(str(value))}")
    return value


def _matches(pattern: str, what: str, remedy: str) -> BeforeValidator:
    def check(value: Any) -> str:
        if not re.fullmatch(pattern, _text(value)):
            raise _wrong(f"{_shown(value)} is not {what}", remedy)
        return str(value)

    return BeforeValidator(check)


def _length(most: int, *, placeholder: str | None = None) -> BeforeValidator:
    def check(value: Any) -> str:
        text = _text(value)
        if not text.strip():
            raise _wrong("is empty", f"1 to {most} characters")
        if len(text) > most:
            raise _wrong(f"is {len(text)} characters long", f"at most {most}")
        known = f"{{{placeholder}}}" if placeholder else ""
        if placeholder and (stray := re.search(r"\{[^{}]*\}|[{}]", text.replace(known, ""))):
            raise _wrong(f"{_shown(stray[0])} is no placeholder here", f"{known} is the only one")
        return text

    return BeforeValidator(check)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong(f"{_shown(value)} is not a yes or no", "true or false, without quotes")
    return value


def _one_of(*allowed: str | int) -> BeforeValidator:
    def check(value: Any) -> Any:
        if isinstance(value, bool) or value not in allowed:
            raise _wrong(
                f"{_shown(value)} is not possible", "one of " + ", ".join(_shown(one) for one in allowed)
            )
        return value

    return BeforeValidator(check)


def _whole(low: int, high: int) -> BeforeValidator:
    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise _wrong(f"{_shown(value)} is not possible", f"a whole number from {low} to {high}")
        return value

    return BeforeValidator(check)


def _rate(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise _wrong(f"{_shown(value)} is no rate", "calls per second, more than 0, without quotes: 14")
    return float(value)


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": HOUR, "d": DAY}


def _duration(low: str, high: str, *, whole: bool = False) -> BeforeValidator:
    least, most = _seconds(low), _seconds(high)

    def check(value: Any) -> float:
        found = _seconds(value)
        if found is None or least is None or most is None:
            raise _wrong(f"{_shown(value)} is not a duration", _with_unit(value))
        if not least <= found <= most:
            raise _wrong(f"{_shown(value)} is not possible", f'from "{low}" to "{high}"')
        if whole and found != int(found):
            raise _wrong(f"{_shown(value)} is not possible", "whole seconds")
        return found

    return BeforeValidator(check)


def _seconds(value: object) -> float | None:
    found = (
        re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h|d)\s*", value) if isinstance(value, str) else None
    )
    return float(found[1]) * _UNITS[found[2]] if found else None


def _with_unit(value: object) -> str:
    digits = str(value).strip()
    digits = digits if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", digits) else "30"
    return f'a number with its unit, in quotes: "{digits}s", "{digits}m" or "{digits}h"'


def _number_arn(value: Any) -> str:
    arn = _text(value)
    parts = arn.split(":")
    resource = parts[5] if len(parts) == 6 else ""
    if re.fullmatch(f"{_ARN}:sms-voice:{_REGION}:[0-9]{{12}}:phone-number/[A-Za-z0-9_-]+", arn):
        return arn
    if arn.startswith("arn:") and ":connect:" in arn:
        raise _wrong(
            f"{_shown(arn)} is Amazon Connect's ARN of a number", f"End User Messaging's: {_EXAMPLE_ARN}"
        )
    for kind, name in (("pool/", "a pool"), ("sender-id/", "a sender id"), ("rcs-agent/", "an RCS agent")):
        if resource.startswith(kind):
            raise _wrong(
                f"{_shown(arn)} is the ARN of {name}", f"that of the phone number itself: {_EXAMPLE_ARN}"
            )
    raise _wrong(
        f"{_shown(arn)} is not the ARN of a phone number", f"as End User Messaging shows it: {_EXAMPLE_ARN}"
    )


def _topic_arn(value: Any) -> str:
    arn = _text(value)
    if arn.endswith(".fifo"):
        raise _wrong(f"{_shown(arn)} is a FIFO topic", "Connect streams only to a standard topic")
    if len(arn) > 350 or not re.fullmatch(f"{_ARN}:sns:{_REGION}:[0-9]{{12}}:[A-Za-z0-9_-]{{1,256}}", arn):
        raise _wrong(
            f"{_shown(arn)} is not the ARN of an SNS topic",
            "arn:aws:sns:us-east-1:111122223333:agent-messages",
        )
    return arn


def _list(value: Any) -> Any:
    if not isinstance(value, list | tuple):
        raise _wrong(f"{_shown(value)} is not a list", f"put it in square brackets: [{_shown(value)}]")
    return tuple(value)


_ARN = "arn:aws[a-z-]*"
_REGION = "[a-z]{2}(?:-[a-z]+)+-[0-9]+"
_EXAMPLE_ARN = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-..."

_Key = Annotated[
    str,
    _matches(
        r"[A-Za-z0-9_-]+", "an attribute's name", "letters, digits, - and _ only (Connect takes no others)"
    ),
]
_Value = Annotated[
    str, BeforeValidator(lambda value: _text(value, "attributes are text; put it in double quotes"))
]
_Attributes = Annotated[dict[_Key, _Value], Field(default_factory=dict)]
_DisplayName = Annotated[str, _length(256, placeholder="customer")]
_Flag = Annotated[bool, BeforeValidator(_flag)]
_Keyword = Annotated[str, _length(160)]
_ContentType = Annotated[
    str,
    _matches(
        r"(?=.{1,100}$)[a-z]+/[A-Za-z0-9.+-]+", "a content type", 'such as "text/plain" or "text/markdown"'
    ),
]


# --- the settings: docs/configuration.md says what each does ----------------------------------------------


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Chat(_Section):
    """How texts appear in a chat."""

    display_name: _DisplayName = "{customer}"
    disconnect_keywords: Annotated[tuple[_Keyword, ...], BeforeValidator(_list)] = ("STOP",)
    show_disconnect_keyword: _Flag = True
    empty_message: Annotated[str, _length(200)] = "(empty message)"
    late_message: Annotated[str, _length(200, placeholder="sent")] = "(sent {sent})"
    body_attribute: Annotated[
        str,
        _matches(r"[A-Za-z0-9_-]*", "an attribute's name", 'letters, digits, - and _ only, or "" for none'),
    ] = ""
    supported_content_types: Annotated[tuple[_ContentType, ...], BeforeValidator(_list)] = ("text/plain",)


class Limits(_Section):
    """Rates in calls per second, durations in seconds, lengths in UTF-16 code units."""

    connect_rate: Annotated[float, BeforeValidator(_rate)] = 14.0
    max_concurrency: Annotated[int, _whole(2, 1000)] = 4
    part_length: Annotated[int, _whole(64, 1024)] = 1024
    mark_late_after: Annotated[float, _duration("0s", "14d")] = 15 * 60.0
    give_up_after: Annotated[float, _duration("1s", "12d")] = 6 * HOUR
    batch_deadline: Annotated[float, _duration("1s", "15m")] = 10.0
    function_timeout: Annotated[float, _duration("1s", "15m", whole=True)] = 30.0
    retry_first: Annotated[float, _duration("1s", "12h")] = 5.0
    retry_longest: Annotated[float, _duration("1s", "12h")] = 5 * 60.0
    blocked_retry: Annotated[float, _duration("1s", "12h")] = 2 * 60.0
    max_receive_count: Annotated[int, _whole(1, 1000)] = 500


class Operation(_Section):
    """What an operator sees."""

    log_retention_days: Annotated[int, _one_of(*RETENTION_DAYS)] = 30
    log_level: Annotated[str, _one_of("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")] = "INFO"


class Number(_Section):
    """One of our numbers; `display_name` and `attributes` go over those for every number."""

    number: Annotated[
        str,
        _matches(
            r"\+[1-9][0-9]{1,14}", "a phone number in E.164 form", "+, country code, number: +12125550101"
        ),
    ]
    arn: Annotated[str, BeforeValidator(_number_arn)]
    display_name: _DisplayName | None = None
    attributes: _Attributes
    streaming_topic_arn: Annotated[str, BeforeValidator(_topic_arn)] | None = None


class BridgeConfig(_Section):
    """The whole of bridge.toml."""

    stack: Annotated[
        str,
        _matches(
            r"[A-Za-z][A-Za-z0-9-]{0,127}",
            "a name for a CloudFormation stack",
            "letters, digits and -, beginning with a letter, at most 128",
        ),
    ] = "SmsToConnect"
    runtime: Annotated[str, _one_of("python3.11", "python3.12", "python3.13", "python3.14")] = "python3.13"
    chat: Chat = Chat()
    limits: Limits = Limits()
    operation: Operation = Operation()
    attributes: _Attributes
    numbers: tuple[Number, ...]

    def runtime_json(self) -> str:
        """What the functions read (bridge.config), always the same text for the same settings."""
        chat = self.chat.model_dump(exclude={"display_name"})
        limits = self.limits.model_dump(exclude={"function_timeout", "max_receive_count"})
        routes = {
            number.number: {
                "arn": number.arn,
                "display_name": number.display_name or self.chat.display_name,
                "attributes": {**self.attributes, **number.attributes},
                "streaming_topic_arn": number.streaming_topic_arn,
            }
            for number in self.numbers
        }
        return json.dumps({"chat": chat, "limits": limits, "routes": routes}, sort_keys=True, indent=1) + "\n"


_SECTIONS: dict[str, type[_Section]] = {
    "chat": Chat,
    "limits": Limits,
    "operation": Operation,
    "numbers": Number,
}


# --- reading, and all that is wrong -----------------------------------------------------------------------


_Found = tuple[Loc, str, str]
"""Place, problem, remedy."""
_S = TypeVar("_S", bound=_Section)


def load(path: Path) -> BridgeConfig:
    """The settings in the file; raises ConfigError with all its mistakes."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        problem = (
            "there is no such file"
            if isinstance(error, FileNotFoundError)
            else f"cannot be read ({error.strerror})"
        )
        remedy = "copy bridge.toml and name it with: cdk deploy -c config=PATH"
        raise ConfigError(path, [Mistake(None, "", problem, remedy)]) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(path, [Mistake(line, "", "is not UTF-8 text", "save the file as UTF-8")]) from None
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(path, [_syntax_mistake(text, error)]) from None

    config, found = None, []
    try:
        config = BridgeConfig.model_validate(raw)
    except ValidationError as error:
        found = [_read_error(details) for details in error.errors(include_url=False)]
    found += _mistakes_between_settings(raw, {loc for loc, _, _ in found})
    if config is None or found:
        lines = line_numbers(text)
        mistakes = [Mistake(_line(lines, loc), place(loc), problem, remedy) for loc, problem, remedy in found]
        raise ConfigError(path, sorted(mistakes, key=lambda m: (m.line or 0, m.place)))
    return config


def place(loc: Loc) -> str:
    """As a person counts: `numbers[2].arn` is the second number's ARN."""
    return "".join(f"[{key + 1}]" if isinstance(key, int) else f".{key}" for key in loc).lstrip(".")


def line_numbers(text: str) -> dict[Loc, int]:
    """The line on which each key of a valid TOML document stands.

    Statement by statement: the fewest lines that parse by themselves are one header or one key and its value.
    """
    lines, where = text.splitlines(), dict[Loc, int]()
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


def _line(lines: Mapping[Loc, int], loc: Loc) -> int | None:
    """Of the place itself, or of what it is missing from."""
    return next((lines[loc[:depth]] for depth in range(len(loc), 0, -1) if loc[:depth] in lines), None)


def _syntax_mistake(text: str, error: tomllib.TOMLDecodeError) -> Mistake:
    # Python 3.14 gives the line as an attribute, those before it only in the message
    stated = re.search(r"\(at line ([0-9]+), column [0-9]+\)", str(error))
    lines = text.splitlines() or [""]
    line = int(getattr(error, "lineno", 0) or (stated[1] if stated else len(lines)))
    problem = re.sub(r"\s*\(at [^()]*\)$", "", str(error))
    content = lines[min(line, len(lines)) - 1].strip()
    remedy = 'a line is [section], or name = value with text in double quotes: number = "+12125550101"'
    if found := re.fullmatch(r"([A-Za-z0-9_.-]+)\s*=\s*([^\"'\[{#][^\"#]*?)\s*(#.*)?", content):
        remedy = f"if it is meant as text, put it in double quotes: {found[1]} = {_shown(found[2])}"
    return Mistake(line, "", f"cannot be read as TOML: {problem[:1].lower()}{problem[1:]}", remedy)


def _read_error(error: ErrorDetails) -> _Found:
    """One of pydantic's errors in our words."""
    loc = tuple(key for key in error["loc"] if key != "[key]")
    match error["type"]:
        case "mistake":
            return loc, error["ctx"]["problem"], error["ctx"]["remedy"]
        case "missing" if loc == ("numbers",):
            return loc, "there is no number", "add [[numbers]] with number and arn for each of your numbers"
        case "missing":
            example = '"+12125550101"' if loc[-1] == "number" else f'"{_EXAMPLE_ARN}"'
            return loc, "is missing", f"{loc[-1]} = {example}"
        case "extra_forbidden":
            return loc, "there is no such setting", _did_you_mean(loc)
        case _ if loc == ("numbers",) or (len(loc) == 2 and loc[0] == "numbers"):
            return loc, "is not a list of tables", "write [[numbers]], in double brackets, before each number"
        case _:
            return (
                loc,
                f"{_shown(error['input'])} is not a table",
                f"write [{place(loc)}] and its settings below it",
            )


def _did_you_mean(loc: Loc) -> str:
    name = str(loc[-1])
    here: type[BaseModel] = _SECTIONS[str(loc[0])] if len(loc) > 1 else BridgeConfig
    if near := difflib.get_close_matches(name, here.model_fields, n=1):
        return f"did you mean {near[0]}?"
    for section, model in _SECTIONS.items():
        if name in model.model_fields:
            return f"{name} belongs under {'[[numbers]]' if section == 'numbers' else f'[{section}]'}"
    return "known here: " + ", ".join(here.model_fields)


def _mistakes_between_settings(raw: Mapping[str, Any], faulty: set[Loc]) -> Iterator[_Found]:
    """What is wrong although each setting is right by itself. Settings already at fault are left alone."""
    yield from _limits_mistakes(raw, faulty)
    yield from _chat_mistakes(raw, faulty)
    yield from _numbers_mistakes(raw)
    yield from _attributes_mistakes(raw, faulty)


def _sound(name: str, model: type[_S], raw: Mapping[str, Any], faulty: set[Loc]) -> _S:
    """A section without its settings at fault (their defaults instead)."""
    section = raw.get(name)
    bad = {loc[1] for loc in faulty if loc[0] == name and len(loc) > 1}
    written = section if isinstance(section, dict) else {}
    return model.model_validate({key: value for key, value in written.items() if key not in bad})


def _limits_mistakes(raw: Mapping[str, Any], faulty: set[Loc]) -> Iterator[_Found]:
    limits = _sound("limits", Limits, raw, faulty)
    written = raw["limits"] if isinstance(raw.get("limits"), dict) else {}

    def between(*names: str) -> Loc | None:
        """Where to point: the first of these that is written; None when one is at fault by itself."""
        if any(("limits", name) in faulty for name in names):
            return None
        return ("limits", next((name for name in names if name in written), names[0]))

    timeout, deadline = limits.function_timeout, limits.batch_deadline
    if (loc := between("batch_deadline", "function_timeout")) and deadline + DEADLINE_MARGIN >= timeout:
        yield (
            loc,
            f"a batch deadline of {deadline:g} s is too close to the function timeout of {timeout:g} s",
            f"leave more than {DEADLINE_MARGIN:g} s between them, for the call that is under way",
        )
    if (loc := between("retry_longest", "retry_first")) and limits.retry_first > limits.retry_longest:
        yield (
            loc,
            f"{limits.retry_longest:g} s is shorter than retry_first ({limits.retry_first:g} s)",
            "waits grow from retry_first up to retry_longest",
        )
    waits = ("retry_first", "retry_longest", "blocked_retry", "give_up_after")
    if loc := between("max_receive_count", *waits):
        needed = 2 * receives_possible(**{name: getattr(limits, name) for name in waits}) + 1
        if limits.max_receive_count < needed:
            yield (
                loc,
                f"a text can be tried more often in give_up_after than max_receive_count "
                f"({limits.max_receive_count}) safely allows",
                f"max_receive_count of {needed} or more"
                if needed <= 1000
                else "longer waits (retry_first, retry_longest, blocked_retry), or give up sooner",
            )


def _chat_mistakes(raw: Mapping[str, Any], faulty: set[Loc]) -> Iterator[_Found]:
    chat = _sound("chat", Chat, raw, faulty)
    if "text/plain" not in chat.supported_content_types:
        yield (
            ("chat", "supported_content_types"),
            '"text/plain" is not among them',
            'add "text/plain": Connect requires it',
        )
    first: dict[str, str] = {}
    for index, keyword in enumerate(chat.disconnect_keywords):
        if (same := first.setdefault(keyword.strip().casefold(), keyword)) is not keyword:
            loc = ("chat", "disconnect_keywords", index)
            yield loc, f"{_shown(keyword)} is the same keyword as {_shown(same)}", "remove one of them"
    part = _sound("limits", Limits, raw, faulty).part_length
    for name in ("empty_message", "late_message"):
        shown = str(getattr(chat, name)).replace("{sent}", SENT)
        if (units := len(shown.encode("utf-16-le")) // 2) > part // 2:
            yield (
                ("chat", name),
                f"takes {units} of the {part} code units of limits.part_length",
                f"at most half of them ({part // 2})",
            )


def _numbers_mistakes(raw: Mapping[str, Any]) -> Iterator[_Found]:
    numbers = raw.get("numbers")
    if numbers == []:
        yield (
            ("numbers",),
            "there is no number",
            "add [[numbers]] with number and arn for each of your numbers",
        )
    entries = [
        (index, entry)
        for index, entry in enumerate(numbers if isinstance(numbers, list) else [])
        if isinstance(entry, dict)
    ]
    for name, remedy in (
        ("number", "each number once"),
        ("arn", "each number has an ARN of its own"),
    ):
        first: dict[str, int] = {}
        for index, entry in entries:
            value = entry.get(name)
            if isinstance(value, str) and (earlier := first.setdefault(value, index)) != index:
                yield ("numbers", index, name), f"is the same as {place(('numbers', earlier, name))}", remedy
    regions = {index: region for index, entry in entries if (region := _region(entry.get("arn")))}
    usual = Counter(regions.values()).most_common(1)[0][0] if regions else ""
    for index, entry in entries:
        if index in regions and regions[index] != usual:
            yield (
                ("numbers", index, "arn"),
                f"is in {regions[index]}, other numbers in {usual}",
                "one bridge serves one Region: deploy another stack for this number",
            )
        topic = _region(entry.get("streaming_topic_arn"))
        if topic and index in regions and topic != regions[index]:
            yield (
                ("numbers", index, "streaming_topic_arn"),
                f"is in {topic}, its number in {regions[index]}",
                "a topic in the number's Region",
            )


def _region(arn: object) -> str | None:
    found = (
        re.fullmatch(f"{_ARN}:(?:sms-voice|sns):({_REGION}):[0-9]{{12}}:.+", arn)
        if isinstance(arn, str)
        else None
    )
    return found[1] if found else None


def _attributes_mistakes(raw: Mapping[str, Any], faulty: set[Loc]) -> Iterator[_Found]:
    def sound(value: object) -> dict[str, str]:
        written = value if isinstance(value, dict) else {}
        return {key: text for key, text in written.items() if isinstance(text, str)}

    def room(attributes: Mapping[str, str], loc: Loc) -> Iterator[_Found]:
        size = sum(len((key + text).encode()) for key, text in attributes.items())
        if size > ATTRIBUTES_ROOM:
            problem = f"{size:,} bytes of names and values together"
            yield (
                loc,
                problem,
                f"at most {ATTRIBUTES_ROOM:,}: Connect takes 32,768, the SMS's own facts among them",
            )

    body = _sound("chat", Chat, raw, faulty).body_attribute
    common = sound(raw.get("attributes"))
    too_much = list(room(common, ("attributes",)))
    yield from too_much
    if body and body in common:
        yield ("attributes", body), "is chat.body_attribute too", "another name for one of them"
    numbers = raw.get("numbers")
    for index, entry in enumerate(numbers if isinstance(numbers, list) else []):
        own = sound(entry.get("attributes")) if isinstance(entry, dict) else {}
        loc: Loc = ("numbers", index, "attributes")
        if not too_much:
            yield from room({**common, **own}, loc)
        if body and body in own:
            yield (*loc, body), "is chat.body_attribute too", "another name for one of them"
