"""`bridge doctor`: the checks, in the order in which a user repairs what they find."""

from __future__ import annotations

import re
from collections import Counter
from typing import Annotated

import typer

from ops.console import JsonOption, Output
from ops.doctor import contact_centre, first_deploy, numbers, policies, quotas, stack
from ops.doctor.findings import Check, Finding, State, examine
from ops.doctor.preflight import Preflight
from ops.target import ConfigOption, ProfileOption, RegionOption, SandboxOption, StackOption, Target

CHECKS: tuple[Check, ...] = (*stack.CHECKS, *numbers.CHECKS, *policies.CHECKS, *contact_centre.CHECKS, *quotas.CHECKS)
QUESTIONS: tuple[Check, ...] = (
    *(check for check in stack.CHECKS if check.make in (stack.settings, stack.credentials, stack.stack)),
    *first_deploy.CHECKS,
)
"""With --first-deploy: the checks that find the stack, then the questions."""
STYLES = {State.OK: "green", State.WARN: "yellow", State.FAIL: "red", State.CANNOT_TELL: "cyan", State.LEFT_OUT: "dim"}

_UUID = re.compile(r"\b([0-9a-f]{8})(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
"""Shortened in tables; commands and --json have it whole."""


def command(
    stack: StackOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
    sandbox: SandboxOption = "default",
    config: ConfigOption = None,
    no_probe: Annotated[
        bool, typer.Option("--no-probe", help="Do not try SendChatIntegrationEvent: the one call that is no question.")
    ] = False,
    first_deploy: Annotated[
        bool, typer.Option("--first-deploy", help="Settle what only a real account tells, and say what to do for it.")
    ] = False,
    phone: Annotated[
        str | None,
        typer.Option("--phone", metavar="NUMBER", help="With --first-deploy: the phone from which you texted."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find what would keep texts from their chats: one line a check, and what to do.

    Changes nothing. Exit code 1 when a check failed.
    """
    if phone and not first_deploy:
        raise typer.BadParameter("--phone says who texted for --first-deploy")
    target = Target.choose(stack=stack, sandbox=sandbox, profile=profile, region=region, deployed=False)
    preflight = Preflight(target=target, config_path=config or target.config, probe=not no_probe, phone=phone)
    output, found = Output(as_json=as_json), list[Finding]()
    for finding in examine(QUESTIONS if first_deploy else CHECKS, preflight):
        found.append(finding)
        if as_json or finding.state != State.LEFT_OUT:
            _show(finding, output)
    counts = Counter(finding.state for finding in found)
    if not as_json:
        if left_out := [finding.check for finding in found if finding.state == State.LEFT_OUT]:
            output.entry({}, mark=State.LEFT_OUT, text=", ".join(left_out), below="until what is above is mended")
        output.say(", ".join(f"{counts[state]} {state}" for state in State if counts[state]))
    if counts[State.FAIL]:
        raise typer.Exit(1)


def _show(finding: Finding, output: Output) -> None:
    about = f" {finding.about}" if finding.about else ""
    output.entry(
        finding.row(),
        mark=finding.state,
        style=STYLES[finding.state],
        text=_UUID.sub(lambda uuid: f"{uuid[1]}…", f"{finding.check}{about}: {finding.finding}"),
        below=finding.remedy,
        command=finding.command,
    )
