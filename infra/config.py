"""bridge.toml: what a deployer edits, checked before anything is synthesised.

`load` reads it and finds every mistake in one go; `BridgeConfig.runtime_json` is what the functions get.
Durations are seconds (float) from here on.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from bridge.config import CONNECT_TIMEOUT, STORE_TIMEOUT
from bridge.processing.retry import max_receives
from infra.places import Loc, line_numbers, place, syntax_mistake
from infra.values import (
    EXAMPLE_ARN,
    EXAMPLE_INSTANCE,
    REGION,
    Attributes,
    ContactFlowId,
    ContentType,
    DisplayName,
    Flag,
    InstanceArn,
    Keyword,
    duration,
    length,
    listed,
    matches,
    number_arn,
    one_of,
    rate,
    shown,
    topic_arn,
    whole_number,
)

HOUR = 3600.0
ATTRIBUTES_ROOM = 28_000
"""UTF-8 bytes for configured attributes: Connect takes 32,768, and the SMS's own facts come on top."""
STREAMING_TOPIC = "StreamingTopic"
"""Logical id of the topic to which the chats are streamed that the bridge starts."""
SENT = "2026-01-31 23:59 UTC"
"""As long as {sent} gets."""
RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731),
    *(1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""What CloudWatch Logs allows (PutRetentionPolicy)."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where an ARN's resource is."""

    partition: str
    region: str
    account: str

    @classmethod
    def of(cls, arn: object) -> Location | None:
        """Of a number, an instance or a topic; None where it is not the ARN of one."""
        shape = f"arn:(aws[a-z-]*):(?:sms-voice|sns|connect):({REGION}):([0-9]{{12}}):.+"
        found = re.fullmatch(shape, arn) if isinstance(arn, str) else None
        return cls(*found.groups()) if found else None

    def unlike(self, other: Location) -> str:
        """What differs from another one, in words. Each partition has Regions of its own."""
        differing = (
            (f"partition {self.partition}", self.partition != other.partition),
            (self.region, self.partition == other.partition and self.region != other.region),
            (f"account {self.account}", self.account != other.account),
        )
        return " and ".join(words for words, differs in differing if differs)


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


Delivery = Annotated[str, one_of("integration-event", "start-chat")]

# --- the settings: README.md says what each does ---------------------------------------------------------


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Chat(_Section):
    """How texts appear in a chat."""

    display_name: DisplayName = "{customer}"
    disconnect_keywords: Annotated[tuple[Keyword, ...], BeforeValidator(listed)] = ("STOP",)
    show_disconnect_keyword: Flag = True
    empty_message: Annotated[str, length(200)] = "(empty message)"
    late_message: Annotated[str, length(200, placeholder="sent")] = "(sent {sent})"
    body_attribute: Annotated[
        str,
        matches(r"[A-Za-z0-9_-]*", "an attribute's name", 'letters, digits, - and _ only, or "" for none'),
    ] = ""
    supported_content_types: Annotated[tuple[ContentType, ...], BeforeValidator(listed)] = ("text/plain",)


class Limits(_Section):
    """Rates in calls per second, durations in seconds, lengths in UTF-16 code units."""

    connect_rate: Annotated[float, BeforeValidator(rate)] = 14.0
    start_chat_rate: Annotated[float, BeforeValidator(rate)] = 5.0
    connection_rate: Annotated[float, BeforeValidator(rate)] = 6.0
    message_rate: Annotated[float, BeforeValidator(rate)] = 10.0
    disconnect_rate: Annotated[float, BeforeValidator(rate)] = 3.0
    sms_rate: Annotated[float, BeforeValidator(rate)] = 1.0
    max_concurrency: Annotated[int, whole_number(2, 1000)] = 4
    part_length: Annotated[int, whole_number(64, 1024)] = 1024
    mark_late_after: Annotated[float, duration("0s", "14d")] = 15 * 60.0
    give_up_after: Annotated[float, duration("1s", "1d")] = 6 * HOUR
    call_timeout: Annotated[float, duration("500ms", "1m")] = 5.0
    batch_deadline: Annotated[float, duration("1s", "15m")] = 10.0
    function_timeout: Annotated[float, duration("1s", "15m", whole=True)] = 30.0
    retry_first: Annotated[float, duration("1s", "12h")] = 5.0
    retry_longest: Annotated[float, duration("1s", "12h")] = 5 * 60.0
    blocked_retry: Annotated[float, duration("1s", "12h")] = 2 * 60.0
    max_receive_count: Annotated[int, whole_number(1, 1000)] = 500


class Operation(_Section):
    """What an operator sees."""

    log_retention_days: Annotated[int, one_of(*RETENTION_DAYS)] = 30
    log_level: Annotated[str, one_of("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")] = "INFO"
    alarm_email: (
        Annotated[str, matches(r"[^@\s]+@[^@\s]+\.[^@\s]+", "an e-mail address", "one address: ops@example.com")] | None
    ) = None
    expect_texts_every: Annotated[float, duration("10m", "7d")] | None = None


class StartChat(_Section):
    """How chats are started where delivery is start-chat."""

    instance_arn: InstanceArn | None = None
    contact_flow_id: ContactFlowId | None = None
    chat_duration: Annotated[float, duration("1h", "7d")] = 25 * HOUR
    first_text: Annotated[str, one_of("message", "initial-message")] = "message"


class Number(_Section):
    """One of our numbers; `display_name`, `attributes` and so on go over those for every number."""

    number: Annotated[
        str,
        matches(r"\+[1-9][0-9]{1,14}", "a phone number in E.164 form", "+, country code, number: +12125550101"),
    ]
    arn: Annotated[str, BeforeValidator(number_arn)]
    display_name: DisplayName | None = None
    attributes: Attributes
    streaming_topic_arn: Annotated[str, BeforeValidator(topic_arn)] | None = None
    delivery: Delivery | None = None
    instance_arn: InstanceArn | None = None
    contact_flow_id: ContactFlowId | None = None


class BridgeConfig(_Section):
    """The whole of bridge.toml."""

    stack: Annotated[
        str,
        matches(
            r"[A-Za-z][A-Za-z0-9-]{0,127}",
            "a name for a CloudFormation stack",
            "letters, digits and -, beginning with a letter, at most 128",
        ),
    ] = "SmsToConnect"
    runtime: Annotated[str, one_of("python3.11", "python3.12", "python3.13", "python3.14")] = "python3.13"
    delivery: Delivery = "integration-event"
    start_chat: StartChat = StartChat()
    chat: Chat = Chat()
    limits: Limits = Limits()
    operation: Operation = Operation()
    attributes: Attributes
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
                "start_chat": self._start_chat(number),
            }
            for number in self.numbers
        }
        return json.dumps({"chat": chat, "limits": limits, "routes": routes}, sort_keys=True, indent=1) + "\n"

    def delivery_of(self, number: Number) -> Delivery:
        """By which way this number's texts reach Connect."""
        return number.delivery or self.delivery

    @property
    def location(self) -> Location:
        """Of the numbers, and so of the stack. `load` lets no file through whose ARNs are in more than one."""
        _, partition, _, region, account, _ = self.numbers[0].arn.split(":", 5)
        return Location(partition, region, account)

    def fingerprint(self) -> str:
        """The same for the same settings, however they are written: what was deployed can be told from what was not."""
        settings = self.model_dump(mode="json")
        settings["numbers"].sort(key=lambda number: number["number"])
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]

    def starts_chats(self, number: Number) -> bool:
        """Whether this number's texts go through the public chat APIs."""
        return self.delivery_of(number) == "start-chat"

    def contact_flow(self, number: Number) -> tuple[str | None, str | None]:
        """ARN of the instance and id of the flow in which this number's chats start."""
        start = self.start_chat
        return number.instance_arn or start.instance_arn, number.contact_flow_id or start.contact_flow_id

    def contact_flows(self) -> Mapping[str, tuple[str, ...]]:
        """ARN of each instance in which chats are started, with those of the contact flows used there."""
        flows: dict[str, set[str]] = {}
        for number in self.numbers:
            instance_arn, contact_flow_id = self.contact_flow(number)
            if self.starts_chats(number) and instance_arn:
                flows.setdefault(instance_arn, set()).add(f"{instance_arn}/contact-flow/{contact_flow_id}")
        return {instance: tuple(sorted(arns)) for instance, arns in sorted(flows.items())}

    def instances(self) -> tuple[str, ...]:
        """ARNs of the Connect instances that the file names, whether or not chats are started there now.

        While there is one, the stack has the reply path: chats that the bridge started there may still be open.
        """
        named = {self.start_chat.instance_arn, *(number.instance_arn for number in self.numbers)}
        return tuple(sorted(arn for arn in named if arn))

    def note(self) -> str | None:
        """What a deployer should know of a file in which nothing is wrong, in one line."""
        if not self.instances() or any(map(self.starts_chats, self.numbers)):
            return None
        sections = {"start_chat": self.start_chat} | {f"numbers[{n}]": one for n, one in enumerate(self.numbers, 1)}
        places = [f"{name}.instance_arn" for name, section in sections.items() if section.instance_arn]
        return (
            "no number starts chats any more; the reply path stays for those that are still open, while an instance is "
            f"named: take out {', '.join(places)} when they are over, and deploy again"
        )

    def _start_chat(self, number: Number) -> Mapping[str, Any] | None:
        if not self.starts_chats(number):
            return None
        instance_arn, contact_flow_id = self.contact_flow(number)
        return {
            "instance_id": (instance_arn or "").rpartition("/")[2],
            "contact_flow_id": contact_flow_id,
            "chat_minutes": int(self.start_chat.chat_duration // 60),
            "first_text": self.start_chat.first_text,
        }


_SECTIONS: dict[str, type[_Section]] = {
    "start_chat": StartChat,
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
            "there is no such file" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        )
        remedy = "copy bridge.toml and name it with: cdk deploy -c config=PATH"
        raise ConfigError(path, [Mistake(None, "", problem, remedy)]) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(path, [Mistake(line, "", "is not UTF-8 text", "save the file as UTF-8")]) from None
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line, problem, remedy = syntax_mistake(text, error)
        raise ConfigError(path, [Mistake(line, "", problem, remedy)]) from None

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


def _line(lines: Mapping[Loc, int], loc: Loc) -> int | None:
    """Of the place itself, or of what it is missing from."""
    return next((lines[loc[:depth]] for depth in range(len(loc), 0, -1) if loc[:depth] in lines), None)


def _read_error(error: ErrorDetails) -> _Found:
    """One of pydantic's errors in our words."""
    loc = tuple(key for key in error["loc"] if key != "[key]")
    match error["type"]:
        case "mistake":
            return loc, error["ctx"]["problem"], error["ctx"]["remedy"]
        case "missing" if loc == ("numbers",):
            return loc, "there is no number", "add [[numbers]] with number and arn for each of your numbers"
        case "missing":
            example = '"+12125550101"' if loc[-1] == "number" else f'"{EXAMPLE_ARN}"'
            return loc, "is missing", f"{loc[-1]} = {example}"
        case "extra_forbidden":
            return loc, "there is no such setting", _did_you_mean(loc)
        case _ if loc == ("numbers",) or (len(loc) == 2 and loc[0] == "numbers"):
            return loc, "is not a list of tables", "write [[numbers]], in double brackets, before each number"
        case _:
            return (
                loc,
                f"{shown(error['input'])} is not a table",
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
    yield from _location_mistakes(raw, faulty)
    yield from _start_chat_mistakes(raw, faulty)
    yield from _streaming_mistakes(raw, faulty)
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

    waits = ("retry_first", "retry_longest", "blocked_retry", "give_up_after")
    timeout, deadline, margin = (
        limits.function_timeout,
        limits.batch_deadline,
        limits.call_timeout + CONNECT_TIMEOUT + STORE_TIMEOUT,
    )
    if (loc := between("batch_deadline", "function_timeout", "call_timeout")) and deadline + margin >= timeout:
        yield (
            loc,
            f"a batch deadline of {deadline:g} s is too close to the function timeout of {timeout:g} s",
            f"leave more than {margin:g} s between them, for the call that is under way and its note in the ledger",
        )
    if (loc := between("retry_longest", "retry_first")) and limits.retry_first > limits.retry_longest:
        yield (
            loc,
            f"{limits.retry_longest:g} s is shorter than retry_first ({limits.retry_first:g} s)",
            "waits grow from retry_first up to retry_longest",
        )
    elif loc := between("max_receive_count", *waits):
        needed = 2 * max_receives(**{name: getattr(limits, name) for name in waits}) + 1
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
    first: dict[str, int] = {}
    written = raw["chat"].get("disconnect_keywords") if isinstance(raw.get("chat"), dict) else None
    for index, keyword in enumerate(written if isinstance(written, list) else []):
        word = keyword.strip().casefold() if isinstance(keyword, str) else ""
        if word and (earlier := first.setdefault(word, index)) != index:
            here: Loc = ("chat", "disconnect_keywords")
            problem = f"{shown(keyword)} is the same keyword as {place((*here, earlier))}"
            yield (*here, index), problem, "case does not matter: remove one of them"
    part = _sound("limits", Limits, raw, faulty).part_length
    for name in ("empty_message", "late_message"):
        line = str(getattr(chat, name)).replace("{sent}", SENT)
        if (units := len(line.encode("utf-16-le")) // 2) > part // 2:
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


def _location_mistakes(raw: Mapping[str, Any], faulty: set[Loc]) -> Iterator[_Found]:
    """A stack is in one account and Region, and the ARNs that it is given must be there as well.

    What belongs to a number is compared with that number: a number that is elsewhere is one mistake, not three.
    """

    def located(section: object, *loc: str | int) -> Location | None:
        arn = section.get(loc[-1]) if isinstance(section, dict) else None
        return None if loc in faulty else Location.of(arn)

    numbers = list(enumerate(raw["numbers"] if isinstance(raw.get("numbers"), list) else []))
    of_numbers = {index: at for index, entry in numbers if (at := located(entry, "numbers", index, "arn"))}
    if not of_numbers:
        return
    usual = Counter(of_numbers.values()).most_common(1)[0][0]
    for index, at in of_numbers.items():
        if at != usual:
            yield (
                ("numbers", index, "arn"),
                f"is in {at.unlike(usual)}, other numbers in {usual.unlike(at)}",
                "one bridge serves one account and Region: deploy another stack for this number",
            )
    beside: list[tuple[Loc, Location | None, Location, str]] = [
        (loc, located(entry, *loc), of_numbers.get(index, usual), "its number")
        for index, entry in numbers
        for name in ("instance_arn", "streaming_topic_arn")
        for loc in [("numbers", index, name)]
    ]
    general: Loc = ("start_chat", "instance_arn")
    beside.append((general, located(raw.get("start_chat"), *general), usual, "the numbers"))
    for loc, its, wanted, whose in beside:
        if its and its != wanted:
            kind = "an instance" if loc[-1] == "instance_arn" else "a topic"
            yield (
                loc,
                f"is in {its.unlike(wanted)}, {whose} in {wanted.unlike(its)}",
                f"{kind} in the numbers' account and Region",
            )


def _start_chat_mistakes(raw: Mapping[str, Any], faulty: set[Loc]) -> Iterator[_Found]:
    """A number whose chats the bridge starts needs to know where."""
    general = raw.get("start_chat") if isinstance(raw.get("start_chat"), dict) else {}
    for index, entry in enumerate(raw["numbers"] if isinstance(raw.get("numbers"), list) else []):
        if not isinstance(entry, dict) or entry.get("delivery", raw.get("delivery")) != "start-chat":
            continue
        for name, example in (
            ("instance_arn", EXAMPLE_INSTANCE),
            ("contact_flow_id", "12345678-1234-1234-1234-123456789012"),
        ):
            places: tuple[Loc, Loc] = (("numbers", index, name), ("start_chat", name))
            if name not in entry and name not in (general or {}) and not faulty.intersection(places):
                yield (
                    ("numbers", index),
                    f"start-chat delivery needs {name}",
                    f'{name} = "{example}" here, or in [start_chat] for all numbers',
                )
    yield from _flow_without_instance(raw, faulty)


def _flow_without_instance(raw: Mapping[str, Any], faulty: set[Loc]) -> Iterator[_Found]:
    """What is left of start-chat delivery where only the instances were taken out, with which the reply path goes."""
    numbers = raw["numbers"] if isinstance(raw.get("numbers"), list) else []
    written: list[tuple[Loc, Any]] = [(("start_chat",), raw.get("start_chat"))]
    written += [(("numbers", index), entry) for index, entry in enumerate(numbers)]
    sections = [(loc, section) for loc, section in written if isinstance(section, dict)]
    starting = any(s.get("delivery", raw.get("delivery")) == "start-chat" for loc, s in sections if loc[0] == "numbers")
    if starting or any("instance_arn" in section for _, section in sections):
        return
    for loc, section in sections:
        if "contact_flow_id" in section and (place := (*loc, "contact_flow_id")) not in faulty:
            yield (
                place,
                "is the flow of no instance, and without one the replies of open chats reach no phone",
                "name instance_arn until the chats that the bridge started are over, then take out both",
            )


def _streaming_mistakes(raw: Mapping[str, Any], faulty: set[Loc]) -> Iterator[_Found]:
    """The topic of a number is for chats that Connect starts. The stack's own is for those that the bridge starts: of
    another chat it knows no phone, and each reply would end in failed.

    The own one's ARN is not known before it is deployed, but how CloudFormation names it is.
    """
    stack = raw.get("stack", BridgeConfig.model_fields["stack"].default)
    for index, entry in enumerate(raw["numbers"] if isinstance(raw.get("numbers"), list) else []):
        loc: Loc = ("numbers", index, "streaming_topic_arn")
        arn = entry.get("streaming_topic_arn") if isinstance(entry, dict) else None
        if not isinstance(arn, str) or loc in faulty:
            continue
        if entry.get("delivery", raw.get("delivery")) == "start-chat":
            yield loc, "has no effect with start-chat delivery", "leave it out: the stack has a topic for these chats"
        elif arn.rpartition(":")[2].startswith(f"{stack}-{STREAMING_TOPIC}-"):
            yield (
                loc,
                "is the stack's own topic, for the chats that the bridge starts: a reply in another one ends in failed",
                "leave it out, or a topic of your own",
            )


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
