"""The CDK's command line tool, run against the local AWS of a sandbox."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.process_group import ProcessGroup
from sandbox.state import ACCOUNT, REGION, ROOT, SandboxError, State

_UNSUPPORTED = ("AWS::Logs::QueryDefinition",)
"""Resource types of the stack that MiniStack does not support. No other resource refers to them."""


def clean_environment(folder: Path) -> dict[str, str]:
    """Environment variables of a child process. None of the user's AWS profile, proxies or home folder is in it."""
    passed = {key: os.environ[key] for key in ("PATH", "LANG", "LC_ALL") if key in os.environ}
    return passed | {"HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp")}


def synth(state: State, config: Path, app: Path) -> contextlib.AbstractContextManager[ProcessGroup]:
    """Starts cdk synth of the app in folder `app` with the bridge.toml `config`; see `finish`."""
    context = (f"config={config.resolve()}", f"sandbox={ACCOUNT}/{REGION}")
    options = ["--quiet", "--output", str(_assembly(state)), *(word for one in context for word in ("-c", one))]
    return _started(state, "synth", *options, app=app)


def finish(state: State, command: str, process: ProcessGroup) -> None:
    """Waits for a cdk command. Raises SandboxError when it fails."""
    if process.wait() != 0:
        raise SandboxError(f"cdk {command} failed", log=state.log(command))


def bootstrap(state: State) -> None:
    with _started(state, "bootstrap", f"aws://{ACCOUNT}/{REGION}") as process:
        finish(state, "bootstrap", process)


def deploy(state: State) -> tuple[str, dict[str, str]]:
    """Deploys what synth wrote; the stack's name and its outputs. Raises SandboxError."""
    _remove_unsupported_resources(_assembly(state))
    file = state.folder / "outputs.json"
    file.unlink(missing_ok=True)
    options = ["--all", "--require-approval", "never", "--outputs-file", str(file)]
    with _started(state, "deploy", "--app", str(_assembly(state)), *options) as process:
        finish(state, "deploy", process)
    try:
        ((stack, outputs),) = json.loads(file.read_text(encoding="utf-8")).items()
    except (OSError, ValueError) as exc:
        raise SandboxError("the deployment gave no outputs of exactly one stack", log=state.log("deploy")) from exc
    return stack, outputs


def _assembly(state: State) -> Path:
    return state.folder / "cdk.out"


def _remove_unsupported_resources(assembly: Path) -> None:
    for path in assembly.glob("*.template.json"):
        template: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        resources = template.get("Resources", {}).items()
        template["Resources"] = {name: one for name, one in resources if one["Type"] not in _UNSUPPORTED}
        path.write_text(json.dumps(template), encoding="utf-8")


@contextlib.contextmanager
def _started(state: State, command: str, *options: str, app: Path | None = None) -> Iterator[ProcessGroup]:
    """Starts a cdk command and ends it, if it still runs, at the end of the block.

    app: the folder of the CDK app. Only synth runs the app. It gets the user's environment without the AWS and CDK
    variables, because packaging may need it. The other commands get a clean environment.
    """
    env = clean_environment(state.folder)
    if app:
        env = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "CDK_"))}
        env.pop("PYTHONDONTWRITEBYTECODE", None)  # without byte-code, importing the CDK takes seconds longer
        env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", os.defpath)])
        # The app's own packages come first, also when another version of them is installed.
        env["PYTHONPATH"] = os.pathsep.join([str(app / "lambda"), str(app), env.get("PYTHONPATH", "")]).rstrip(":")
    env |= {
        "AWS_ENDPOINT_URL": state.endpoint_url,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "CDK_DEFAULT_ACCOUNT": ACCOUNT,
        "CDK_DEFAULT_REGION": REGION,
        "CDK_HOME": str(state.folder / "home"),
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "CDK_DISABLE_VERSION_CHECK": "true",
        "NODE_NO_WARNINGS": "1",
        "NO_COLOR": "1",
    }
    process = ProcessGroup.start(
        [
            ROOT / "node_modules/.bin/cdk",
            command,
            *options,
            "--no-notices",
            "--no-version-reporting",
            "--no-color",
            "--ci",
        ],
        env=env,
        cwd=app or state.folder,  # in another folder than the app's, so that cdk does not run the app again
        log=state.log(command),
    )
    try:
        yield process
    finally:
        process.stop()
