"""`bridge failed`: what could not be delivered, why, and what is done about it."""

from __future__ import annotations

import typer

from ops.failed import commands, listing

app = typer.Typer(no_args_is_help=True, help="What could not be delivered, why, and putting it back.")
app.command("list")(listing.list_)
app.command("show")(listing.show)
app.command("redrive")(commands.redrive_)
app.command("discard")(commands.discard)
