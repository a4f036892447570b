"""The bridge really deployed, on this machine: a local AWS, the contact-centre double, and `cdk deploy` to them."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
import re
import shutil
import signal
import socket
import sys
import threading
import time
import tomllib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import boto3
import httpx
from botocore.config import Config as ClientConfig
from botocore.session import Session as BotocoreSession

from sandbox.double.client import Double
from sandbox.processes import Process

ROOT = Path(__file__).resolve().parent.parent
ACCOUNT = "111122223333"
REGION = "us-east-1"
PORT, DOUBLE_PORT = 4566, 4567
HEALTHY_WITHIN = 60.0

_DOUBLE_PLAYS = ("connect", "connectparticipant", "pinpoint-sms-voice-v2", "service-quotas")
_INSTANCE, _FLOW = "12345678-1234-1234-1234-123456789012", "00000000-1234-1234-1234-123456789012"
"""Where numbers are imported that bridge.toml gives no instance."""
_NOT_PLAYED = ("AWS::Logs::QueryDefinition",)
"""Resource types of the stack that the local AWS refuses, and to which no other refers."""
_CDK_ADDS = "Subprocess exited with error"  # after what our app has said already
_NO_USER_SETTINGS: dict[str, Any] = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
"""botocore's session variables for clients that a broken or foreign AWS profile must not touch."""

OnStep = Callable[[str], None]
"""Told of each step as it begins."""


class SandboxError(Exception):
    """The sandbox cannot do what was asked; the message is for people, `tail` the end of the log that says why."""

    def __init__(self, message: str, *, log: Path | None = None) -> None:
        super().__init__(message)
        self.log = log
        self.tail: list[str] = []
        if log and log.exists():
            with log.open(encoding="utf-8", errors="replace") as text:
                lines = (_plain(line) for line in text if line.strip() and _CDK_ADDS not in line)
                self.tail = list(deque(lines, maxlen=15))


@dataclass(slots=True, kw_only=True)
class Sandbox:
    """One local deployment: `name` has its own processes, ports, folder and stack."""

    region: ClassVar[str] = REGION
    account: ClassVar[str] = ACCOUNT

    name: str
    port: int
    double_port: int
    processes: dict[str, Process]
    config: str = ""
    stack: str = ""
    outputs: dict[str, str] = field(default_factory=dict)

    @classmethod
    def up(
        cls,
        name: str = "default",
        port: int = PORT,
        double_port: int = DOUBLE_PORT,
        *,
        config: Path,
        app: Path = ROOT,
        on_step: OnStep = lambda _: None,
    ) -> Sandbox:
        """Starts and deploys; one that is up is deployed again. Port 0 is any free one.

        config: the bridge.toml to deploy. app: the folder of the CDK app, this project's or of another version of it.
        Whatever goes wrong (also Ctrl-C) ends what was started; logs stay in the folder. Raises SandboxError.
        """
        _check_name(name)
        _check_tools()
        if not config.is_file():
            raise SandboxError(f"there is no file {config}")
        with _lock(name):
            if running := _running(name):
                if port not in (0, PORT, running.port):
                    raise SandboxError(
                        f"sandbox {name} is already up, on port {running.port}; "
                        "take it down first, or give this one another --name"
                    )
                on_step(f"sandbox {name} is already up on port {running.port}: deploying again")
                running._deploy(config, app, on_step)
                return running
            _end(name)
            _wipe(name)
            port, double_port = _ports(port, double_port)
            sandbox = cls(name=name, port=port, double_port=double_port, processes={})
            try:
                sandbox._start(config, app, on_step)
            except BaseException:
                with _undisturbed():
                    _end(name)
                    _wipe(name, keep="logs")
                raise
            return sandbox

    @classmethod
    def attach(cls, name: str = "default") -> Sandbox:
        """The sandbox that is up and deployed. Raises SandboxError."""
        sandbox = _running(name)
        if sandbox is None or not sandbox.outputs:
            option = "" if name == "default" else f" --name {name}"
            raise SandboxError(f"no sandbox named {name} is up; start it with: bridge sandbox up{option}")
        return sandbox

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def double_url(self) -> str:
        return f"http://127.0.0.1:{self.double_port}"

    @property
    def folder(self) -> Path:
        return _folder(self.name)

    def double(self) -> Double:
        """The contact centre's controls: faults, settings, journal."""
        return Double(self.double_url)

    def client(self, service: str, config: ClientConfig | None = None) -> Any:
        """A boto3 client of the local AWS; the contact centre's and SMS's are the double's."""
        with _making_clients:
            return _session().client(
                service,
                endpoint_url=self.double_url if service in _DOUBLE_PLAYS else self.endpoint_url,
                aws_access_key_id=ACCOUNT,  # MiniStack takes the account from it
                aws_secret_access_key="sandbox",  # noqa: S106
                config=ClientConfig(max_pool_connections=32, proxies={}).merge(config or ClientConfig()),
            )

    def deploy(self, config: Path, *, app: Path = ROOT, on_step: OnStep = lambda _: None) -> None:
        """Deploys again, with another bridge.toml or changed code. Raises SandboxError; the sandbox stays up.

        app: the folder of the CDK app, this project's or of another version of it.
        """
        with _lock(self.name):
            self._deploy(config, app, on_step)

    def down(self) -> None:
        """Ends the processes that up started and removes the folder. Twice is once."""
        take_down(self.name)

    def status(self) -> dict[str, Any]:
        """Name, URLs, whether each process runs, stack, configuration and outputs."""
        return {
            "name": self.name,
            "endpoint_url": self.endpoint_url,
            "double_url": self.double_url,
            "processes": {role: process.running for role, process in self.processes.items()},
            "stack": self.stack,
            "config": self.config,
            "outputs": self.outputs,
        }

    def calls(self) -> list[dict[str, Any]]:
        """Which calls its functions have made so far, each once: `caller` (the function's name), `service`,
        `operation` (or method and path where the protocol names none) and `on`, the parameters that name a resource."""
        files = [self._calls(role) for role in self.processes]
        return [json.loads(line) for file in files if file.exists() for line in file.read_text("utf-8").splitlines()]

    def _start(self, config: Path, app: Path, on_step: OnStep) -> None:
        for part in ("logs", "tmp", "home"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        on_step(f"start local AWS (port {self.port}) and contact centre (port {self.double_port})")
        options = ["--port", str(self.double_port), "--aws", self.endpoint_url, "--calls", str(self._calls("double"))]
        self._launch("double", [sys.executable, "-m", "sandbox.double", *options])
        self._launch("ministack", [ROOT / ".venv-ministack/bin/python", "-P", ROOT / "sandbox/emulator.py"])
        with self._synth(config, app) as synth:
            self._healthy("double", f"{self.double_url}/_double/status")
            self._healthy("ministack", f"{self.endpoint_url}/_ministack/health")
            on_step("cdk bootstrap")
            with self._cdk("bootstrap", f"aws://{ACCOUNT}/{REGION}") as bootstrap:
                self._finish("bootstrap", bootstrap)
            on_step("cdk synth")
            self._finish("synth", synth)
        self._deploy_assembly(config, on_step)

    def _deploy(self, config: Path, app: Path, on_step: OnStep) -> None:
        on_step("cdk synth")
        with self._synth(config, app) as synth:
            self._finish("synth", synth)
        self._deploy_assembly(config, on_step)

    def _synth(self, config: Path, app: Path) -> contextlib.AbstractContextManager[Process]:
        context = (f"config={config.resolve()}", f"sandbox={ACCOUNT}/{REGION}")
        options = ["--quiet", "--output", str(self._assembly), *(word for one in context for word in ("-c", one))]
        return self._cdk("synth", *options, app=app)

    def _deploy_assembly(self, config: Path, on_step: OnStep) -> None:
        self._leave_out_what_is_not_played()
        on_step("cdk deploy")
        outputs = self.folder / "outputs.json"
        outputs.unlink(missing_ok=True)
        options = ["--all", "--require-approval", "never", "--outputs-file", str(outputs)]
        with self._cdk("deploy", "--app", str(self._assembly), *options) as deploy:
            self._finish("deploy", deploy)
        try:
            ((self.stack, self.outputs),) = json.loads(outputs.read_text(encoding="utf-8")).items()
        except (OSError, ValueError) as exc:
            log = self._log("deploy")
            raise SandboxError("the deployment gave no outputs of exactly one stack", log=log) from exc
        on_step("check the queue's event source mapping")
        self._mapping_enabled()
        shutil.copyfile(config, self.folder / "bridge.toml")
        self._tell_double(tomllib.loads(config.read_text(encoding="utf-8")))  # synth found it well-formed
        self.config = str(config)
        self._save()

    def _tell_double(self, config: dict[str, Any]) -> None:
        """Of our numbers and the instances that bridge.toml names.

        A new number has its two-way channel at the topic, as `bridge numbers connect` leaves it, and is imported into
        Connect unless the bridge starts its chats.
        """
        channel = {
            "two_way": True,
            "channel": self.outputs["InboundTopicArn"],
            "role": self.outputs["TwoWayChannelRoleArn"],
            "tags": {"sms-to-connect:two-way-before": "off"},
        }
        with self.double() as double:
            known = {number["arn"] for number in double.numbers()}
            ours = ({"number": number["number"], "arn": number["arn"]} for number in config["numbers"])
            double.know([number if number["arn"] in known else number | channel for number in ours])
            double.know_instances(_with_flows(double.instances(), config))

    def _leave_out_what_is_not_played(self) -> None:
        for path in self._assembly.glob("*.template.json"):
            template = json.loads(path.read_text(encoding="utf-8"))
            resources = template.get("Resources", {}).items()
            played = {name: resource for name, resource in resources if resource["Type"] not in _NOT_PLAYED}
            path.write_text(json.dumps(template | {"Resources": played}), encoding="utf-8")

    def _mapping_enabled(self) -> None:
        function = self.outputs.get("ForwardFunctionName")
        if not function:
            raise SandboxError(f"stack {self.stack} has no output ForwardFunctionName")
        aws = self.client("lambda")
        with contextlib.closing(aws):
            deadline = time.monotonic() + HEALTHY_WITHIN
            while time.monotonic() < deadline:
                mappings = aws.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
                if mappings and all(mapping["State"] == "Enabled" for mapping in mappings):
                    return
                time.sleep(0.1)
        raise SandboxError("the queue's event source mapping is not enabled", log=self._log("ministack"))

    @property
    def _assembly(self) -> Path:
        return self.folder / "cdk.out"

    def _log(self, step: str) -> Path:
        return self.folder / "logs" / f"{step}.log"

    def _calls(self, role: str) -> Path:
        return self.folder / "logs" / f"{role}.calls.jsonl"

    def _launch(self, role: str, command: list[str | Path]) -> None:
        env = _clean_environment(self.folder)
        if role == "ministack":
            env |= {
                "GATEWAY_PORT": str(self.port),
                "BIND_HOST": "127.0.0.1",
                "MINISTACK_HOST": "127.0.0.1",
                "MINISTACK_REGION": REGION,
                "MINISTACK_ACCOUNT_ID": ACCOUNT,
                "S3_DATA_DIR": str(self.folder / "tmp/s3"),
                "STATE_DIR": str(self.folder / "tmp/state"),
                "SANDBOX_CALLS": str(self._calls("ministack")),
                "AWS_ENDPOINT_URL_CONNECT": self.double_url,
                "AWS_ENDPOINT_URL_CONNECTPARTICIPANT": self.double_url,
                "AWS_ENDPOINT_URL_PINPOINT_SMS_VOICE_V2": self.double_url,
                # Lambda's pause before an asynchronous second try is a minute; here a test waits for it.
                "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.5",
                # Listeners on fixed ports and a look for containers to clean up: none of them ours.
                "IOT_MTLS_ENABLED": "0",
                "SFTP_ENABLED": "0",
                "DOCKER_HOST": f"unix://{self.folder / 'tmp/no-docker'}",
            }
        process = Process.start(command, env=env, cwd=ROOT, log=self._log(role))
        self.processes[role] = process
        self._save()

    def _healthy(self, role: str, url: str) -> None:
        deadline = time.monotonic() + HEALTHY_WITHIN
        with httpx.Client(trust_env=False, timeout=5) as http:
            while time.monotonic() < deadline:
                if not self.processes[role].running:
                    raise SandboxError(f"{role} ended while starting", log=self._log(role))
                with contextlib.suppress(httpx.TransportError):
                    if http.get(url).is_success:
                        return
                time.sleep(0.05)
        raise SandboxError(f"{role} was not healthy within {HEALTHY_WITHIN:.0f} s", log=self._log(role))

    @contextlib.contextmanager
    def _cdk(self, command: str, *options: str, app: Path | None = None) -> Iterator[Process]:
        """Runs the CDK's command line tool; it does not outlive the block.

        Only synth, which runs the app in that folder, sees the user's environment (but nothing of AWS): packaging may
        need it.
        """
        env = _clean_environment(self.folder)
        if app:
            env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "CDK_"))}
            env.pop("PYTHONDONTWRITEBYTECODE", None)  # to compile the CDK's modules anew takes seconds
            env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", os.defpath)])
            # The packages beside the app, whatever version of them is installed.
            env["PYTHONPATH"] = os.pathsep.join([str(app / "lambda"), str(app), env.get("PYTHONPATH", "")]).rstrip(":")
        env |= {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "AWS_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "CDK_DEFAULT_ACCOUNT": ACCOUNT,
            "CDK_DEFAULT_REGION": REGION,
            "CDK_HOME": str(self.folder / "home"),
            "CDK_DISABLE_CLI_TELEMETRY": "true",
            "CDK_DISABLE_VERSION_CHECK": "true",
            "NODE_NO_WARNINGS": "1",
            "NO_COLOR": "1",
        }
        quiet = ["--no-notices", "--no-version-reporting", "--no-color", "--ci"]
        process = Process.start(
            [ROOT / "node_modules/.bin/cdk", command, *options, *quiet],
            env=env,
            cwd=app or self.folder,  # elsewhere than the app: it is not run again
            log=self._log(command),
        )
        try:
            yield process
        finally:
            process.stop()

    def _finish(self, step: str, process: Process) -> None:
        if process.wait() != 0:
            raise SandboxError(f"cdk {step} failed", log=self._log(step))

    def _save(self) -> None:
        state = self.folder / "state.json"
        fresh = state.with_suffix(".new")
        fresh.write_text(json.dumps(asdict(self), indent=2), encoding="utf-8")
        fresh.replace(state)


_making_clients = threading.Lock()
"""A session makes one client at a time."""


@functools.cache
def _session() -> Any:
    """One for all clients: most of what making one takes is reading what they have in common."""
    return boto3.session.Session(botocore_session=BotocoreSession(_NO_USER_SETTINGS), region_name=REGION)


def _with_flows(instances: list[dict[str, Any]], config: dict[str, Any]) -> list[dict[str, Any]]:
    """The double's instances, with what bridge.toml presumes there: flows to start, numbers imported."""
    found = {instance["id"]: instance for instance in instances}
    imported = {number["arn"] for instance in instances for number in instance["numbers"]}
    general = config.get("start_chat", {})
    for number in config["numbers"]:
        starts = number.get("delivery", config.get("delivery")) == "start-chat"
        arn = number.get("instance_arn", general.get("instance_arn")) if starts else None
        flow = number.get("contact_flow_id", general.get("contact_flow_id")) if starts else _FLOW
        name = (arn or _INSTANCE).rpartition("/")[2]
        instance = found.setdefault(name, {"id": name, "flows": [], "numbers": []})
        if flow not in [one["id"] for one in instance["flows"]]:
            instance["flows"].append({"id": flow})
        if not starts and number["arn"] not in imported:
            instance["numbers"].append({"arn": number["arn"], "flow": flow})
    return [*found.values()]


def names() -> list[str]:
    """The sandboxes of which something is left, up or not."""
    return sorted(path.parent.name for path in _home().glob("*/state.json"))


def load(name: str) -> Sandbox | None:
    """The sandbox as last saved, whether or not it still runs."""
    try:
        state = json.loads((_folder(name) / "state.json").read_text(encoding="utf-8"))
        processes = {role: Process(**process) for role, process in state.pop("processes").items()}
        return Sandbox(processes=processes, **state)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def take_down(name: str) -> bool:
    """Ends what was started under this name, also when only half of it is left; whether there was anything."""
    _check_name(name)
    with _lock(name):
        there = load(name) is not None
        with _undisturbed():
            _end(name)
            _wipe(name)
        return there


def _running(name: str) -> Sandbox | None:
    sandbox = load(name)
    if sandbox is None or {"ministack", "double"} - sandbox.processes.keys():
        return None
    return sandbox if all(process.running for process in sandbox.processes.values()) else None


def _end(name: str) -> None:
    if sandbox := load(name):
        for process in sandbox.processes.values():
            process.stop()


def _home() -> Path:
    return ROOT / ".sandbox"


def _folder(name: str) -> Path:
    return _home() / name


def _wipe(name: str, *, keep: str | None = None) -> None:
    folder = _folder(name)
    for path in folder.glob("*") if folder.exists() else ():
        if path.is_dir() and path.name != keep:
            shutil.rmtree(path, ignore_errors=True)
        elif path.is_file():
            path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()


@contextlib.contextmanager
def _lock(name: str) -> Iterator[None]:
    """One command at a time works on a sandbox."""
    _home().mkdir(exist_ok=True)
    path = _home() / f".{name}.lock"
    busy = SandboxError(f"another command is working on sandbox {name} just now")
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise busy from exc
        if not path.exists() or path.stat().st_ino != os.fstat(file.fileno()).st_ino:
            raise busy  # its last holder removed it while we opened it
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C must not stop the clearing up that the first one began."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,40}", name):
        raise SandboxError("a sandbox's name is made of letters, digits, - and _")


def _check_tools() -> None:
    for tool in (ROOT / ".venv-ministack/bin/python", ROOT / "node_modules/.bin/cdk"):
        if not tool.exists():
            raise SandboxError(f"{tool.relative_to(ROOT)} is missing; make it with: make setup")
    if shutil.which("node") is None:
        raise SandboxError("Node.js is needed on the PATH (the CDK command line tool runs on it)")


def _ports(port: int, double_port: int) -> tuple[int, int]:
    """The two ports, 0 replaced by a free one. Raises SandboxError when one is taken."""
    chosen: list[int] = []
    with contextlib.ExitStack() as held:
        for option, number in (("--port", port), ("--double-port", double_port)):
            probe = held.enter_context(socket.socket())
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", number))
            except (OSError, OverflowError) as exc:
                raise SandboxError(f"port {number} is taken; choose another with {option}") from exc
            chosen.append(probe.getsockname()[1])
    return chosen[0], chosen[1]


def _clean_environment(folder: Path) -> dict[str, str]:
    """What a child needs, and nothing of the user's: no AWS profile, no proxy, no other home than its own."""
    passed = {key: os.environ[key] for key in ("PATH", "LANG", "LC_ALL") if key in os.environ}
    return passed | {"HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp")}


def _plain(line: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line).rstrip()
