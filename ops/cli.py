"""The `bridge` command. Errors are one line on stderr; exit code 2 for usage and environment, 1 for an outcome."""

from __future__ import annotations

import signal
import sys
from types import FrameType

import typer
from typer.exceptions import Abort, TyperException

from ops import demo, failed, sandbox, trace
from ops.console import complain
from ops.doctor.command import command as doctor
from ops.numbers import command as numbers
from ops.replay import command as replay
from ops.replay.samples import SampleError
from ops.target import TargetError
from sandbox.state import SandboxError

app = typer.Typer(
    name="bridge",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Operate the SMS-to-Connect bridge.",
)
app.add_typer(sandbox.app, name="sandbox")
app.add_typer(failed.app, name="failed")
app.add_typer(numbers.app, name="numbers")
app.command("doctor")(doctor)
app.command("trace")(trace.command)
app.command("replay")(replay.command)
app.command("demo")(demo.command)

USAGE = 2
INTERRUPTED = 130


def main() -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Returns the command's exit code."""
    try:
        result = app(arguments, prog_name="bridge", standalone_mode=False)
    except TyperException as exc:
        return _usage_error(exc.format_message()) if exc.format_message() else USAGE
    except SandboxError as exc:
        for line in exc.tail:
            sys.stderr.write(f"  {line}\n")
        return _usage_error(f"{exc}" + (f" (all of it: {exc.log})" if exc.tail else ""))
    except (SampleError, TargetError) as exc:
        return _usage_error(str(exc))
    except (Abort, KeyboardInterrupt):
        result = INTERRUPTED
    if result == INTERRUPTED:
        complain("interrupted")
    return result if isinstance(result, int) else 0


def _usage_error(problem: str) -> int:
    complain(problem)
    return USAGE


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
