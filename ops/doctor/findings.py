"""The findings of checks, and how checks run one after another: none stops the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ops.doctor.preflight import DeniedError, Preflight, Resource, UnmetError


class State(StrEnum):
    """`cannot tell`: no answer, or none that decides. `left out`: an earlier check must pass first."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    CANNOT_TELL = "cannot tell"
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """`about` is which of several (a number, a function), `remedy` what to do, `command` what to run for it."""

    check: str = ""
    about: str = ""
    state: State
    finding: str
    remedy: str = ""
    command: str = ""

    def row(self) -> dict[str, Any]:
        """The object that --json prints."""
        return {name: str(value) for name, value in asdict(self).items()}


def ok(finding: str, *, about: str = "") -> Finding:
    return Finding(state=State.OK, finding=finding, about=about)


def warn(finding: str, remedy: str, command: str = "", *, about: str = "") -> Finding:
    return Finding(state=State.WARN, finding=finding, remedy=remedy, command=command, about=about)


def fail(finding: str, remedy: str, command: str = "", *, about: str = "") -> Finding:
    return Finding(state=State.FAIL, finding=finding, remedy=remedy, command=command, about=about)


def cannot_tell(finding: str, remedy: str = "", command: str = "", *, about: str = "") -> Finding:
    return Finding(state=State.CANNOT_TELL, finding=finding, remedy=remedy, command=command, about=about)


def about(subject: str, *findings: Finding | None) -> Iterator[Finding]:
    """These findings, with what they are about."""
    yield from (replace(finding, about=subject) for finding in findings if finding)


def unless(problems: Iterable[Finding | None], well: str) -> Iterator[Finding]:
    """The problems; `well` as one finding if there are none."""
    found = [problem for problem in problems if problem]
    yield from found or [ok(well)]


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    make: Callable[[Preflight], Iterable[Finding]]


def of_each(
    resources: Sequence[Resource], check: Callable[[Resource], Iterable[Finding | None]], well: str
) -> Iterator[Finding]:
    """The problems of all these resources; `well` as one finding if there are none."""
    count = len(resources)
    problems = (problem for resource in resources for problem in check(resource))
    yield from unless(problems, f"{well}, all {count}" if count > 1 else well)


def examine(checks: Sequence[Check], preflight: Preflight) -> Iterator[Finding]:
    """The findings of the checks in their order; last, the checks that were left out."""
    left_out: list[Check] = []
    for check in checks:
        try:
            for finding in check.make(preflight):
                yield replace(finding, check=check.name)
            continue
        except UnmetError:
            left_out.append(check)
            continue
        except DeniedError as exc:
            found = cannot_tell("you may not ask for it", f"needs the permission {exc.permission}")
        except ClientError as exc:
            answer = f"{exc.operation_name} answers {exc.response['Error']['Code']}"
            found = cannot_tell(answer, "run doctor again; if it stays, look this up")
        except BotoCoreError as exc:
            found = cannot_tell(f"no answer: {exc}", "run doctor again, or look at the network")
        yield replace(found, check=check.name)
    for check in left_out:
        yield Finding(state=State.LEFT_OUT, check=check.name, finding="needs what an earlier check did not find")
