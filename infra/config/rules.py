"""What must hold between settings that are valid by themselves.

The rules read the document as tomllib returns it, not a validated model: they also run if some setting is invalid, so
that all mistakes are reported at once. Settings that are invalid by themselves are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any, TypeVar

from bridge.config import CONNECT_TIMEOUT, STORE_TIMEOUT
from bridge.processing.retry import max_receives
from infra.config.schema import STREAMING_TOPIC, BridgeConfig, Chat, Limits, Location, Section
from infra.config.toml import Loc, place
from infra.config.values import EXAMPLE_INSTANCE, shown

MAX_ATTRIBUTES_BYTES = 28_000
"""UTF-8 bytes of configured attributes: Connect accepts 32,768, and the bridge adds those of the text."""
LONGEST_SENT = "2026-01-31 23:59 UTC"
"""The longest value of {sent} in chat.late_message."""

Finding = tuple[Loc, str, str]
"""Place, problem, remedy."""
NO_NUMBER: Finding = (
    ("numbers",),
    "there is no number",
    "add [[numbers]] with number and arn for each of your numbers",
)

_S = TypeVar("_S", bound=Section)


@dataclass(frozen=True, slots=True)
class _Document:
    """What tomllib returns, and the places of the settings that are invalid by themselves."""

    raw: Mapping[str, Any]
    invalid: Set[Loc]

    def table(self, name: str) -> dict[str, Any]:
        """Empty if it is not in the document, or not a table."""
        found = self.raw.get(name)
        return found if isinstance(found, dict) else {}

    def section(self, name: str, model: type[_S]) -> _S:
        """A validated section; invalid settings have their defaults."""
        invalid = {loc[1] for loc in self.invalid if loc[0] == name and len(loc) > 1}
        return model.model_validate({key: value for key, value in self.table(name).items() if key not in invalid})

    @property
    def numbers(self) -> list[tuple[Loc, dict[str, Any]]]:
        """The tables of the numbers, each with its place."""
        found = self.raw.get("numbers")
        entries = enumerate(found if isinstance(found, list) else [])
        return [(("numbers", index), entry) for index, entry in entries if isinstance(entry, dict)]

    def starts_chats(self, number: Mapping[str, Any]) -> bool:
        return bool(number.get("delivery", self.raw.get("delivery")) == "start-chat")


def findings_between_settings(raw: Mapping[str, Any], invalid: Set[Loc]) -> Iterator[Finding]:
    """`raw` is the document as tomllib returns it, `invalid` are the places that pydantic refused."""
    for rule in _RULES:
        yield from rule(_Document(raw, invalid))


def _limits(document: _Document) -> Iterator[Finding]:
    limits, written = document.section("limits", Limits), document.table("limits")

    def between(*names: str) -> Loc | None:
        """Where to report it: the first of these that is written; None if one of them is invalid."""
        if any(("limits", name) in document.invalid for name in names):
            return None
        return ("limits", next((name for name in names if name in written), names[0]))

    waits = ("retry_first", "retry_longest", "blocked_retry", "give_up_after")
    timeout, deadline = limits.function_timeout, limits.batch_deadline
    margin = limits.call_timeout + CONNECT_TIMEOUT + STORE_TIMEOUT
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


def _chat(document: _Document) -> Iterator[Finding]:
    chat = document.section("chat", Chat)
    if "text/plain" not in chat.supported_content_types:
        yield (
            ("chat", "supported_content_types"),
            '"text/plain" is not among them',
            'add "text/plain": Connect requires it',
        )
    first: dict[str, int] = {}
    here: Loc = ("chat", "disconnect_keywords")
    keywords = document.table("chat").get("disconnect_keywords")
    for index, keyword in enumerate(keywords if isinstance(keywords, list) else []):
        word = keyword.strip().casefold() if isinstance(keyword, str) else ""
        if word and (earlier := first.setdefault(word, index)) != index:
            problem = f"{shown(keyword)} is the same keyword as {place((*here, earlier))}"
            yield (*here, index), problem, "case does not matter: remove one of them"
    part = document.section("limits", Limits).part_length
    for name in ("empty_message", "late_message"):
        line = str(getattr(chat, name)).replace("{sent}", LONGEST_SENT)
        if (units := len(line.encode("utf-16-le")) // 2) > part // 2:
            yield (
                ("chat", name),
                f"takes {units} of the {part} code units of limits.part_length",
                f"at most half of them ({part // 2})",
            )


def _numbers(document: _Document) -> Iterator[Finding]:
    if document.raw.get("numbers") == []:
        yield NO_NUMBER
    for name, remedy in (("number", "each number once"), ("arn", "each number has an ARN of its own")):
        first: dict[str, Loc] = {}
        for loc, number in document.numbers:
            value = number.get(name)
            if isinstance(value, str) and (earlier := first.setdefault(value, loc)) != loc:
                yield (*loc, name), f"is the same as {place((*earlier, name))}", remedy


def _locations(document: _Document) -> Iterator[Finding]:
    """A stack is in one account and Region; all ARNs in the file must be there.

    An ARN of a number is compared with that number: a number that is elsewhere is one mistake, not three.
    """

    def location(table: Mapping[str, Any], loc: Loc) -> Location | None:
        return None if loc in document.invalid else Location.of(table.get(str(loc[-1])))

    of_numbers = {loc: at for loc, number in document.numbers if (at := location(number, (*loc, "arn")))}
    if not of_numbers:
        return
    usual = Counter(of_numbers.values()).most_common(1)[0][0]
    for loc, at in of_numbers.items():
        if at != usual:
            yield (
                (*loc, "arn"),
                f"is in {at.unlike(usual)}, other numbers in {usual.unlike(at)}",
                "one bridge serves one account and Region: deploy another stack for this number",
            )
    others = [
        ((*loc, name), location(number, (*loc, name)), of_numbers.get(loc, usual), "its number")
        for loc, number in document.numbers
        for name in ("instance_arn", "streaming_topic_arn")
    ]
    general: Loc = ("start_chat", "instance_arn")
    others.append((general, location(document.table("start_chat"), general), usual, "the numbers"))
    for loc, found, expected, whose in others:
        if found and found != expected:
            kind = "an instance" if loc[-1] == "instance_arn" else "a topic"
            yield (
                loc,
                f"is in {found.unlike(expected)}, {whose} in {expected.unlike(found)}",
                f"{kind} in the numbers' account and Region",
            )


def _start_chat(document: _Document) -> Iterator[Finding]:
    """A number with start-chat delivery needs an instance and a contact flow."""
    general = document.table("start_chat")
    examples = {"instance_arn": EXAMPLE_INSTANCE, "contact_flow_id": "12345678-1234-1234-1234-123456789012"}
    for loc, number in document.numbers:
        for name, example in examples.items() if document.starts_chats(number) else ():
            places: tuple[Loc, Loc] = ((*loc, name), ("start_chat", name))
            if name not in number and name not in general and document.invalid.isdisjoint(places):
                yield (
                    loc,
                    f"start-chat delivery needs {name}",
                    f'{name} = "{example}" here, or in [start_chat] for all numbers',
                )


def _flow_without_instance(document: _Document) -> Iterator[Finding]:
    """Somebody removed the instance too early: without one the stack has no reply pipeline for chats still open."""
    tables: list[tuple[Loc, Mapping[str, Any]]] = [(("start_chat",), document.table("start_chat")), *document.numbers]
    if any("instance_arn" in table for _, table in tables) or any(
        document.starts_chats(number) for _, number in document.numbers
    ):
        return
    for loc, table in tables:
        if "contact_flow_id" in table and (flow := (*loc, "contact_flow_id")) not in document.invalid:
            yield (
                flow,
                "is the flow of no instance, and without one the replies of open chats reach no phone",
                "name instance_arn until the chats that the bridge started are over, then take out both",
            )


def _streaming(document: _Document) -> Iterator[Finding]:
    """A number's streaming topic is for chats that Connect starts; the stack's own topic is for those of the bridge.

    In another chat the reply pipeline knows no phone, and each reply would fail. The ARN of the stack's topic is
    unknown before the deployment, but CloudFormation's pattern for its name is known.
    """
    stack = document.raw.get("stack", BridgeConfig.model_fields["stack"].default)
    for number_loc, number in document.numbers:
        loc, arn = (*number_loc, "streaming_topic_arn"), number.get("streaming_topic_arn")
        if not isinstance(arn, str) or loc in document.invalid:
            continue
        if document.starts_chats(number):
            yield loc, "has no effect with start-chat delivery", "leave it out: the stack has a topic for these chats"
        elif arn.rpartition(":")[2].startswith(f"{stack}-{STREAMING_TOPIC}-"):
            yield (
                loc,
                "is the stack's own topic, for the chats that the bridge starts: a reply in another one ends in failed",
                "leave it out, or a topic of your own",
            )


def _attributes(document: _Document) -> Iterator[Finding]:
    def texts(table: Mapping[str, Any]) -> dict[str, str]:
        written = table.get("attributes")
        items = written.items() if isinstance(written, dict) else ()
        return {key: value for key, value in items if isinstance(value, str)}

    body = document.section("chat", Chat).body_attribute
    common, too_large = texts(document.raw), False
    for loc, own in [(("attributes",), common)] + [((*loc, "attributes"), texts(n)) for loc, n in document.numbers]:
        size = sum(len((key + value).encode()) for key, value in {**common, **own}.items())
        if size > MAX_ATTRIBUTES_BYTES and not too_large:
            too_large = own is common  # and then no number can be better
            yield (
                loc,
                f"{size:,} bytes of names and values together",
                f"at most {MAX_ATTRIBUTES_BYTES:,}: Connect takes 32,768, the SMS's own facts among them",
            )
        if body and body in own:
            yield (*loc, body), "is chat.body_attribute too", "another name for one of them"


_RULES: tuple[Callable[[_Document], Iterator[Finding]], ...] = (
    _limits,
    _chat,
    _numbers,
    _locations,
    _start_chat,
    _flow_without_instance,
    _streaming,
    _attributes,
)
