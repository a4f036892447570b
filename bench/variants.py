"""The measured functions: the bridge's as packaged, and the naive bridges as their users package them."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import httpx

from bench.stub import CONTROL
from infra import config as configuration
from infra import packaging

ROOT = Path(__file__).resolve().parent.parent
BENCH, BUILD = ROOT / "bench", ROOT / "build/bench"
TOOLS = ROOT / ".venv-bench/bin/python"
"""The Python of the benchmarks' own environment, with matplotlib and trustme."""
SHIPPED = ROOT / "docs/bridge.toml"
"""The default configuration, not the user's bridge.toml."""
UNPACED = BENCH / "unpaced.toml"
"""The same without a limit of calls to Connect."""

Event = Literal["sns", "sqs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A function: `folder` as deployed, the module of its handler, and its type of event."""

    name: str
    folder: Path
    module: str
    event: Event
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """One handled event. Times in seconds; `memory`: peak so far in bytes."""

    texts: int
    processor: float
    wall: float
    memory: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One process. `ready` is the processor time from import to the handler, in seconds; memory in bytes.

    `modules` counts those from the function's own folder; `log` is what it wrote, in bytes.
    """

    ready: float
    ready_memory: int
    modules: int
    events: tuple[Handled, ...]
    log: int


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The Python that runs the functions: `path`, `runtime` ("python3.13"), `version` ("3.13.0"), OpenSSL's version."""

    path: str
    runtime: str
    version: str
    openssl: str


@cache
def interpreter() -> Interpreter:
    """That of the default configuration's runtime if it is on the PATH, else this one."""
    shipped = configuration.load(SHIPPED).runtime
    own, other = _asked(sys.executable), shutil.which(shipped)
    assert own
    if own.runtime != shipped and other and (found := _asked(other)) and found.runtime == shipped:
        return found
    return own


def _asked(path: str) -> Interpreter | None:
    """Ask an interpreter for its version. The one on the PATH may be a shim. None if it cannot run."""
    script = (
        "import json, platform, ssl, sys; version = platform.python_version();"
        "runtime = 'python%d.%d' % sys.version_info[:2];"
        "print(json.dumps([sys.executable, runtime, version, ssl.OPENSSL_VERSION.split()[1]]))"
    )
    ran = subprocess.run([path, "-c", script], capture_output=True, text=True, check=False)
    return None if ran.returncode else Interpreter(*json.loads(ran.stdout))


def archive(config: Path = SHIPPED, *, runtime: str | None = None) -> Path:
    """The bridge's archive, packaged for a runtime; default: that of the interpreter.

    Raises SystemExit where it has no byte-code.
    """
    runtime = runtime or interpreter().runtime
    folder = packaging.build(config=configuration.load(config).runtime_json(), runtime=runtime).folder
    if not any(folder.rglob("*.pyc")):
        raise SystemExit(f"the archive for {runtime} has no byte-code: run `make setup`")
    return folder


def shipped_archive() -> Path:
    """The archive of the default configuration. Raises SystemExit if the measured one has other files.

    Byte-code apart: where no interpreter of the shipped runtime is here, the measured archive has another's.
    """
    shipped = archive(runtime=configuration.load(SHIPPED).runtime)
    if _content(shipped) != _content(archive()):
        raise SystemExit(f"{shipped} and {archive()} differ in more than byte-code")
    return shipped


def _content(folder: Path) -> dict[str, bytes]:
    """Contents by name; empty for byte-code."""
    return {
        re.sub(r"cpython-\d+", "cpython", path.relative_to(folder).as_posix()): (
            b"" if path.suffix == ".pyc" else path.read_bytes()
        )
        for path in folder.rglob("*")
        if path.is_file()
    }


def bridge(config: Path = UNPACED) -> dict[str, Variant]:
    """The bridge's functions; forward with both deliveries."""
    folder = archive(config)
    queue = "https://sqs.us-east-1.amazonaws.com/111122223333"
    variables = {
        "CONVERSATIONS_QUEUE_URL": f"{queue}/conversations",
        "REPLIES_QUEUE_URL": f"{queue}/replies",
        "FAILED_QUEUE_URL": f"{queue}/failed",
        "LEDGER_TABLE": "Ledger",
    }
    starting = {"CHATS_TABLE": "Chats", "STREAMING_TOPIC_ARN": "arn:aws:sns:us-east-1:111122223333:replies"}
    modules: tuple[tuple[str, str, Event, Mapping[str, str]], ...] = (
        ("intake", "bridge.intake", "sns", {}),
        ("forward", "bridge.forward", "sqs", {}),
        ("forward, start-chat", "bridge.forward", "sqs", starting),
        ("reply-intake", "bridge.reply_intake", "sns", {}),
        ("reply", "bridge.reply", "sqs", starting),
    )
    return {
        name: Variant(name=name, folder=folder, module=module, event=event, variables={**variables, **more})
        for name, module, event, more in modules
    }


def without_byte_code(variant: Variant) -> Variant:
    """The same function, packaged without byte-code."""
    folder = BUILD / "no-byte-code"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(variant.folder, folder, ignore=shutil.ignore_patterns("__pycache__"))
    name = f"{variant.name}, no byte-code"
    return replace(variant, name=name, folder=folder)


def naive() -> dict[str, Variant]:
    """The naive bridges: one function behind the topic, with packages for the interpreter."""
    boto3 = _with_handler("naive", BENCH / "naive")
    powertools = _with_handler("naive-powertools", BENCH / "powertools")
    variables = {"IDEMPOTENCY_TABLE": "Idempotency", "POWERTOOLS_SERVICE_NAME": "naive"}
    compiled = BUILD / "naive-powertools-compiled"
    shutil.rmtree(compiled, ignore_errors=True)
    shutil.copytree(powertools, compiled)
    options = ["-qq", "-j", "0", "--invalidation-mode", "unchecked-hash"]
    subprocess.run(
        [interpreter().path, "-m", "compileall", *options, compiled], check=False
    )  # templates do not compile
    return {
        "boto3": _naive("boto3", boto3),
        "powertools": _naive("powertools", powertools, variables),
        "powertools, byte-code": _naive("powertools, byte-code", compiled, variables),
        "floor": _naive("floor", BENCH / "floor"),
    }


def _naive(name: str, folder: Path, variables: Mapping[str, str] | None = None) -> Variant:
    return Variant(name=name, folder=folder, module="handler", event="sns", variables=variables or {})


def _with_handler(name: str, source: Path) -> Path:
    """A folder with the handler and the packages of requirements/NAME.txt, installed once for each Python."""
    requirements = ROOT / f"requirements/{name}.txt"
    python = interpreter()
    wanted = f"{python.version} {hashlib.sha256(requirements.read_bytes()).hexdigest()}"
    folder = ROOT / "build/naive" / python.runtime / name
    installed = folder.with_suffix(".installed")
    if not installed.exists() or installed.read_text(encoding="utf-8") != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        options = ["--quiet", "--quiet", "--disable-pip-version-check", "--no-compile", "--require-hashes"]
        pip = [sys.executable, "-m", "pip", "--python", python.path, "install", *options]
        subprocess.run([*pip, "--requirement", str(requirements), "--target", str(folder)], check=True)
        installed.write_text(wanted, encoding="utf-8")
    shutil.copyfile(source / "handler.py", folder / "handler.py")
    return folder


class Servers:
    """Client of the stub (bench/stub.py) that plays AWS."""

    def __init__(self, *, plain: int, secure: int, authorities: Path) -> None:
        self.plain, self.secure, self.authorities = plain, secure, authorities
        self._control = httpx.Client(base_url=f"http://127.0.0.1:{plain}", trust_env=False)

    def begin(self, **latency: float) -> None:
        """Reset the counts. `latency` in seconds by service: Connect, DynamoDB, AmazonSQS."""
        self._control.post(CONTROL, json=latency).raise_for_status()

    def asked(self) -> dict[str, Any]:
        ran: dict[str, Any] = self._control.get(CONTROL).raise_for_status().json()
        return ran

    def variables(self, *, tls: bool) -> dict[str, str]:
        scheme, port = ("https", self.secure) if tls else ("http", self.plain)
        url = f"{scheme}://localhost:{port}"
        return {"AWS_ENDPOINT_URL": url, "AWS_ENDPOINT_URL_CONNECT": url, "AWS_CA_BUNDLE": str(self.authorities)}


@contextmanager
def servers() -> Iterator[Servers]:
    """Start the stub. Functions trust botocore's certificate authorities and its own: as long a list as in AWS."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        subprocess.run([TOOLS, "-m", "trustme", "-q", "-d", folder, "-i", "localhost"], check=True)
        authorities = folder / "authorities.pem"
        listed = (archive() / "botocore/cacert.pem").read_text(encoding="utf-8")
        authorities.write_text(listed + (folder / "client.pem").read_text(encoding="utf-8"), encoding="utf-8")
        command = [sys.executable, "-m", "bench.stub", str(folder / "server.pem"), str(folder / "server.key")]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout
            plain, secure = map(int, process.stdout.readline().split())
            yield Servers(plain=plain, secure=secure, authorities=authorities)
        finally:
            process.terminate()
            process.wait()


def run(variant: Variant, variables: Mapping[str, str], *, texts: int = 0, batch: int = 1) -> Ran:
    """Start a variant in a new process, then send texts in batches. Raises CalledProcessError with its output."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        result, log = Path(folder) / "result.json", Path(folder) / "log"
        job = {
            "module": variant.module,
            "event": variant.event,
            "texts": texts,
            "batch": batch,
            "result": str(result),
        }
        with log.open("wb") as output:
            done = subprocess.run(
                [interpreter().path, "-S", "-s", BENCH / "probe.py", json.dumps(job)],
                cwd=variant.folder,
                env=_environment(variant, Path(folder)) | dict(variables),
                stdout=output,
                stderr=subprocess.PIPE,
                check=False,
            )
        written = log.read_bytes()
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, variant.name, written[-2000:], done.stderr[-2000:])
        ran, *events = map(json.loads, result.read_text(encoding="utf-8").splitlines())
        return Ran(
            ready=ran["ready"],
            ready_memory=ran["ready_memory"],
            modules=ran["modules"],
            events=tuple(
                Handled(texts=texts, processor=processor, wall=wall, memory=memory)
                for texts, processor, wall, memory in events
            ),
            log=len(written),
        )


def _environment(variant: Variant, home: Path) -> dict[str, str]:
    """See "Defined runtime environment variables" in the AWS Lambda developer guide."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "HOME": str(home),
        "PYTHONPATH": str(variant.folder),
        "PYTHONDONTWRITEBYTECODE": "1",  # a function's folder is read-only
        "LAMBDA_TASK_ROOT": str(variant.folder),
        "AWS_LAMBDA_FUNCTION_NAME": "function",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "111122223333",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_EC2_METADATA_DISABLED": "true",
        "_X_AMZN_TRACE_ID": "Root=1-00000000-000000000000000000000000;Parent=0000000000000000;Sampled=0",
        "POWERTOOLS_SERVICE_NAME": variant.name,
        "POWERTOOLS_METRICS_NAMESPACE": "SmsToConnect",
        **variant.variables,
    }
