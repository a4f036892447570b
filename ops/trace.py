"""`bridge trace`: what became of a text, or of everything from one number, without reading logs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from bridge.texts.sms_event import conversation_id
from ops.deployed import deployed_config
from ops.ledger import KEPT_DAYS, Item, OperatorsLedger
from ops.output import Column, JsonOption, Output, ShowContentOption, complain
from ops.parties import Parties
from ops.story import headline, row, story
from ops.target import ProfileOption, RegionOption, SandboxOption, StackOption, Target, aws_errors

_COLUMNS = (Column(name="UTC"), Column(name="event"), Column(name="detail", fold=True))


def command(
    an_id: Annotated[
        str | None,
        typer.Argument(
            metavar="ID",
            help="Text key, inboundMessageId, SNS MessageId, or Id in a chat.",
            show_default=False,
        ),
    ] = None,
    sender: Annotated[
        str | None,
        typer.Option("--from", metavar="NUMBER", help="Everything from this customer, and the replies to them."),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="NUMBER", help="With --from: to this number of yours.", show_default="all"),
    ] = None,
    hours: Annotated[
        float, typer.Option(help="With --from: how far back.", min=0.01, max=24 * KEPT_DAYS, metavar="N")
    ] = 24,
    stack: StackOption = None,
    profile: ProfileOption = None,
    region: RegionOption = None,
    sandbox: SandboxOption = "default",
    as_json: JsonOption = False,
    show_content: ShowContentOption = False,
) -> None:
    """Tell what became of a text: received, delivered to which contact, failed why, redriven, and when.

    The ledger knows each text and each reply for 16 days. Exit code 1 when it does not know this one.
    """
    if (an_id is None) == (sender is None):
        raise typer.BadParameter("say which text: ID, or --from NUMBER")
    if to and not sender:
        raise typer.BadParameter("--to goes with --from")
    target = Target.choose(stack=stack, sandbox=sandbox, profile=profile, region=region)
    output = Output(as_json=as_json, show_content=show_content)
    with aws_errors(target):
        ledger = OperatorsLedger(target)
        if sender is None:
            item = ledger.find(str(an_id))
            items, unknown = [item] if item else [], nobody_knows(str(an_id))
        else:
            ours = [to] if to else sorted(deployed_config(target).routes)
            items = _of_customer(
                ledger, Parties(target), sender, ours, since=datetime.now(UTC) - timedelta(hours=hours)
            )
            unknown = (
                f"nothing from {output.number(sender)} to {_numbers(ours, output)} in the last {hours:g} h; "
                "numbers are as End User Messaging spells them, such as +14255550182"
            )
    tell(items, output)
    if not items:
        complain(unknown)
        raise typer.Exit(1)


def tell(items: Iterable[Item], output: Output) -> None:
    """One story after the other."""
    for number, item in enumerate(items):
        if output.as_json:
            output.rows((), [row(item, output)])
            continue
        output.say(("\n" if number else "") + headline(item, output), style="bold")
        output.rows(
            _COLUMNS,
            [
                {"UTC": f"{event.at:%m-%d %H:%M:%S}" if event.at else "", "event": event.event, "detail": event.detail}
                for event in story(item)
            ],
        )


def nobody_knows(an_id: str) -> str:
    return (
        f"the ledger knows no text {an_id}: older than {KEPT_DAYS} days, or it never reached intake "
        "(undelivered: bridge failed list; whether numbers point here: bridge doctor)"
    )


def _of_customer(
    ledger: OperatorsLedger, parties: Parties, customer: str, ours: Iterable[str], *, since: datetime
) -> list[Item]:
    """Texts and replies, oldest first. A reply is known by its chat, a chat by the texts that went into it."""
    items: list[Item] = []
    contacts: set[str] = set()
    for number in ours:
        key = conversation_id(customer.strip(), number)
        texts = ledger.of_conversation(key, since=since)
        contacts |= {contact for contact in (parties.latest(key), *(text.contact for text in texts)) if contact}
        items += texts
    for contact in sorted(contacts):
        items += ledger.of_conversation(contact, since=since)
    return sorted(items, key=lambda item: item.since)


def _numbers(ours: list[str], output: Output) -> str:
    return output.number(ours[0]) if len(ours) == 1 else f"any of {len(ours)} numbers"
