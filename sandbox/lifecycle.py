"""Starting, deploying to and stopping a sandbox: a local AWS, the simulator and the bridge on this machine."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import signal
import socket
import sys
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
from botocore.config import Config as ClientConfig
from botocore.session import Session as BotocoreSession

from sandbox import cdk
from sandbox.process_group import ProcessGroup
from sandbox.simulator.client import Simulator
from sandbox.state import ACCOUNT, LOCAL_AWS, REGION, ROOT, SIMULATOR, SandboxError, State, check_name, locked, remove

PORT, SIMULATOR_PORT = 4566, 4567
HEALTHY_WITHIN = 60.0
"""Seconds."""

_SIMULATED = ("connect", "connectparticipant", "pinpoint-sms-voice-v2", "service-quotas")
_INSTANCE, _FLOW = "12345678-1234-1234-1234-123456789012", "00000000-1234-1234-1234-123456789012"
"""Where the simulator has the numbers for which bridge.toml names no instance."""
_NO_USER_SETTINGS: dict[str, Any] = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
"""Variables of a botocore session that reads no AWS profile of the user."""
_creating_clients = threading.Lock()
"""A boto3 session may be used by one thread at a time."""

OnStep = Callable[[str], None]
"""Called with each step as it begins."""


class Sandbox(State):
    """A local deployment of the bridge with processes, ports, a folder and a stack of its own."""

    __slots__ = ()

    @classmethod
    def up(
        cls,
        name: str = "default",
        port: int = PORT,
        simulator_port: int = SIMULATOR_PORT,
        *,
        config: Path,
        app: Path = ROOT,
        on_step: OnStep = lambda _: None,
    ) -> Sandbox:
        """Starts a sandbox and deploys to it. A sandbox that is up is deployed again.

        port, simulator_port: 0 for any free one. config: the bridge.toml to deploy. app: the folder of the CDK app,
        of this project or of another version of it.
        Raises SandboxError. After any exception, Ctrl-C too, what was started is ended and only the logs stay.
        """
        check_name(name)
        _check_tools()
        if not config.is_file():
            raise SandboxError(f"there is no file {config}")
        with locked(name):
            saved = cls.load(name)
            if saved and saved.running:
                if port not in (0, PORT, saved.port):
                    raise SandboxError(
                        f"sandbox {name} is already up, on port {saved.port}; "
                        "take it down first, or give this one another --name"
                    )
                on_step(f"sandbox {name} is already up on port {saved.port}: deploying again")
                saved._deploy(config, app, on_step)
                return saved
            _stop(name)
            remove(name)
            port, simulator_port = _ports(port, simulator_port)
            sandbox = cls(name=name, port=port, simulator_port=simulator_port, processes={})
            try:
                sandbox._start(config, app, on_step)
            except BaseException:
                with _interrupts_ignored():
                    _stop(name)
                    remove(name, keep="logs")
                raise
            return sandbox

    @classmethod
    def attach(cls, name: str = "default") -> Sandbox:
        """The sandbox that is up and deployed. Raises SandboxError."""
        sandbox = cls.load(name)
        if sandbox is None or not sandbox.running or not sandbox.outputs:
            option = "" if name == "default" else f" --name {name}"
            raise SandboxError(f"no sandbox named {name} is up; start it with: bridge sandbox up{option}")
        return sandbox

    def simulator(self) -> Simulator:
        """A client of the simulator's controls: faults, settings, journal."""
        return Simulator(self.simulator_url)

    def client(self, service: str, config: ClientConfig | None = None) -> Any:
        """A boto3 client of the local AWS, or of the simulator for the services that it simulates."""
        with _creating_clients:
            return _session().client(
                service,
                endpoint_url=self.simulator_url if service in _SIMULATED else self.endpoint_url,
                aws_access_key_id=ACCOUNT,  # MiniStack reads the account from it
                aws_secret_access_key="sandbox",  # noqa: S106
                config=ClientConfig(max_pool_connections=32, proxies={}).merge(config or ClientConfig()),
            )

    def deploy(self, config: Path) -> None:
        """Deploys again, with another bridge.toml or changed code. Raises SandboxError; the sandbox stays up."""
        with locked(self.name):
            self._deploy(config, ROOT, lambda _: None)

    def down(self) -> None:
        """Ends the sandbox's processes and removes its folder. Does nothing when it is down."""
        take_down(self.name)

    def _start(self, config: Path, app: Path, on_step: OnStep) -> None:
        for part in ("logs", "tmp", "home"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        on_step(f"start local AWS (port {self.port}) and contact centre (port {self.simulator_port})")
        options = ["--port", str(self.simulator_port), "--aws", self.endpoint_url]
        calls = ["--calls", str(self.calls_file(SIMULATOR))]
        self._start_process(SIMULATOR, [sys.executable, "-m", "sandbox.simulator", *options, *calls], {})
        ministack: list[str | Path] = [ROOT / ".venv-ministack/bin/python", "-P", ROOT / "sandbox/run_ministack.py"]
        self._start_process(LOCAL_AWS, ministack, self._ministack_settings())
        with cdk.synth(self, config, app) as synth:
            self._wait_until_healthy(SIMULATOR, f"{self.simulator_url}/_simulator/status")
            self._wait_until_healthy(LOCAL_AWS, f"{self.endpoint_url}/_ministack/health")
            on_step("cdk bootstrap")
            cdk.bootstrap(self)
            on_step("cdk synth")
            cdk.finish(self, "synth", synth)
        self._deploy_assembly(config, on_step)

    def _deploy(self, config: Path, app: Path, on_step: OnStep) -> None:
        on_step("cdk synth")
        with cdk.synth(self, config, app) as synth:
            cdk.finish(self, "synth", synth)
        self._deploy_assembly(config, on_step)

    def _deploy_assembly(self, config: Path, on_step: OnStep) -> None:
        on_step("cdk deploy")
        self.stack, self.outputs = cdk.deploy(self)
        on_step("check the queue's event source mapping")
        self._wait_for_event_source_mapping()
        shutil.copyfile(config, self.folder / "bridge.toml")
        self._configure_simulator(tomllib.loads(config.read_text(encoding="utf-8")))  # synth has validated it
        self.config = str(config)
        self.save()

    def _configure_simulator(self, config: dict[str, Any]) -> None:
        """Gives the simulator the numbers and instances that bridge.toml names.

        A new number has its two-way channel at the topic, as `bridge numbers connect` leaves it, and is imported into
        Connect unless its delivery is start-chat.
        """
        channel = {
            "two_way": True,
            "channel": self.outputs["InboundTopicArn"],
            "role": self.outputs["TwoWayChannelRoleArn"],
            "tags": {"sms-to-connect:two-way-before": "off"},
        }
        with self.simulator() as simulator:
            known = {number["arn"] for number in simulator.numbers()}
            numbers = ({"number": number["number"], "arn": number["arn"]} for number in config["numbers"])
            simulator.set_numbers([number if number["arn"] in known else number | channel for number in numbers])
            simulator.set_instances(_with_flows(simulator.instances(), config))

    def _wait_for_event_source_mapping(self) -> None:
        function = self.outputs.get("ForwardFunctionName")
        if not function:
            raise SandboxError(f"stack {self.stack} has no output ForwardFunctionName")
        with contextlib.closing(self.client("lambda")) as client:
            deadline = time.monotonic() + HEALTHY_WITHIN
            while time.monotonic() < deadline:
                mappings = client.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
                if mappings and all(mapping["State"] == "Enabled" for mapping in mappings):
                    return
                time.sleep(0.1)
        raise SandboxError("the queue's event source mapping is not enabled", log=self.log(LOCAL_AWS))

    def _ministack_settings(self) -> dict[str, str]:
        return {
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "MINISTACK_REGION": REGION,
            "MINISTACK_ACCOUNT_ID": ACCOUNT,
            "S3_DATA_DIR": str(self.folder / "tmp/s3"),
            "STATE_DIR": str(self.folder / "tmp/state"),
            "SANDBOX_CALLS": str(self.calls_file(LOCAL_AWS)),
            "AWS_ENDPOINT_URL_CONNECT": self.simulator_url,
            "AWS_ENDPOINT_URL_CONNECTPARTICIPANT": self.simulator_url,
            "AWS_ENDPOINT_URL_PINPOINT_SMS_VOICE_V2": self.simulator_url,
            # Lambda retries an asynchronous invocation after a minute. The sandbox does not make tests wait for it.
            "LAMBDA_ASYNC_RETRY_BASE_SECONDS": "0.5",
            # No listeners on fixed ports, and no search for containers to remove.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "DOCKER_HOST": f"unix://{self.folder / 'tmp/no-docker'}",
        }

    def _start_process(self, name: str, command: list[str | Path], settings: dict[str, str]) -> None:
        env = cdk.clean_environment(self.folder) | settings
        self.processes[name] = ProcessGroup.start(command, env=env, cwd=ROOT, log=self.log(name))
        self.save()

    def _wait_until_healthy(self, name: str, url: str) -> None:
        deadline = time.monotonic() + HEALTHY_WITHIN
        with httpx.Client(trust_env=False, timeout=5) as http:
            while time.monotonic() < deadline:
                if not self.processes[name].running:
                    raise SandboxError(f"{name} ended while starting", log=self.log(name))
                with contextlib.suppress(httpx.TransportError):
                    if http.get(url).is_success:
                        return
                time.sleep(0.05)
        raise SandboxError(f"{name} was not healthy within {HEALTHY_WITHIN:.0f} s", log=self.log(name))


def take_down(name: str) -> bool:
    """Stops a sandbox, also one that was only half started. Returns whether there was one. Raises SandboxError."""
    check_name(name)
    with locked(name):
        found = State.load(name) is not None
        with _interrupts_ignored():
            _stop(name)
            remove(name)
        return found


def _stop(name: str) -> None:
    if state := State.load(name):
        for process in state.processes.values():
            process.stop()


@functools.cache
def _session() -> Any:
    """One session for all clients: they share its data, which takes long to load."""
    return boto3.session.Session(botocore_session=BotocoreSession(_NO_USER_SETTINGS), region_name=REGION)


def _with_flows(instances: list[dict[str, Any]], config: dict[str, Any]) -> list[dict[str, Any]]:
    """The simulator's instances, with the flows and imported numbers that bridge.toml expects there."""
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


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Ignores Ctrl-C, so that a second one does not stop the clean-up after the first."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _check_tools() -> None:
    for tool in (ROOT / ".venv-ministack/bin/python", ROOT / "node_modules/.bin/cdk"):
        if not tool.exists():
            raise SandboxError(f"{tool.relative_to(ROOT)} is missing; make it with: make setup")
    if shutil.which("node") is None:
        raise SandboxError("Node.js is needed on the PATH (the CDK command line tool runs on it)")


def _ports(port: int, simulator_port: int) -> tuple[int, int]:
    """The two ports, 0 replaced by a free one. Raises SandboxError when one is taken."""
    chosen: list[int] = []
    with contextlib.ExitStack() as held:
        for option, number in (("--port", port), ("--double-port", simulator_port)):
            probe = held.enter_context(socket.socket())
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", number))
            except (OSError, OverflowError) as exc:
                raise SandboxError(f"port {number} is taken; choose another with {option}") from exc
            chosen.append(probe.getsockname()[1])
    return chosen[0], chosen[1]
