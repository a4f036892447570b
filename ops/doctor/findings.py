"""What a check says, and how checks are made one after another: none stops the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ops.doctor.preflight import DeniedError, Preflight, UnmetError


class State(StrEnum):
    """`cannot tell` is for what was not answered, or what an answer does not decide; `left out` for checks that were
    not made, since they need what an earlier one did not find."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    CANNOT_TELL = "cannot tell"
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line: `about` is which of several (a number, a function), `remedy` what to do, `command` with what."""

    check: str = ""
    about: str = ""
    state: State
    finding: str
    remedy: str = ""
    command: str = ""

    def row(self) -> dict[str, Any]:
        """As --json has it, for programs."""
        return {name: str(value) for name, value in asdict(self).items()}


def ok(finding: str, *, about: str = "") -> Finding:
    return Finding(state=State.OK, finding=finding, about=about)


def warn(finding: str, remedy: str, command: str = "", *, about: str = "") -> Finding:
    return Finding(state=State.WARN, finding=finding, remedy=remedy, command=command, about=about)


def fail(finding: str, remedy: str, command: str = "", *, about: str = "") -> Finding:
    return Finding(state=State.FAIL, finding=finding, remedy=remedy, command=command, about=about)


def cannot_tell(finding: str, remedy: str = "", command: str = "", *, about: str = "") -> Finding:
    return Finding(state=State.CANNOT_TELL, finding=finding, remedy=remedy, command=command, about=about)


def unless(problems: Iterable[Finding | None], well: str) -> Iterator[Finding]:
    """The problems, or one line that says that there is none."""
    found = [problem for problem in problems if problem]
    yield from found or [ok(well)]


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    make: Callable[[Preflight], Iterable[Finding]]


def counted(said: str, count: int) -> str:
    return f"{said}, all {count}" if count > 1 else said


def examine(checks: Sequence[Check], preflight: Preflight) -> Iterator[Finding]:
    """All that the checks find, in their order; last, those that were left out."""
    left_out: list[Check] = []
    for check in checks:
        try:
            for finding in check.make(preflight):
                yield replace(finding, check=check.name)
        except UnmetError:
            left_out.append(check)
        except DeniedError as exc:
            said = cannot_tell("you may not ask for it", f"needs the permission {exc.permission}")
            yield replace(said, check=check.name)
        except ClientError as exc:
            code = exc.response["Error"]["Code"]
            said = cannot_tell(f"{exc.operation_name} answers {code}", "run doctor again; if it stays, look this up")
            yield replace(said, check=check.name)
        except BotoCoreError as exc:
            said = cannot_tell(f"no answer: {exc}", "run doctor again, or look at the network")
            yield replace(said, check=check.name)
    for check in left_out:
        yield Finding(state=State.LEFT_OUT, check=check.name, finding="needs what an earlier check did not find")
