"""What is measured: the bridge's functions as packaged, and the naive bridges as their users package them."""

from __future__ import annotations

import compileall
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any, Literal

import httpx

from bench.stub import CONTROL
from infra import config as configuration
from infra import packaging

ROOT = Path(__file__).resolve().parent.parent
BENCH, BUILD = ROOT / "bench", ROOT / "build/bench"
TOOLS = ROOT / ".venv-bench/bin/python"
"""A Python with what only benchmarks need: matplotlib, trustme."""
RUNTIME = f"python{sys.version_info.major}.{sys.version_info.minor}"

Event = Literal["sns", "sqs"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A function: `folder` as it is deployed, the module with its handler, and the kind of event that it takes."""

    name: str
    folder: Path
    module: str
    event: Event
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """One event. Times in seconds, `memory` the most so far in bytes."""

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


def bridge(config: Path = BENCH / "bridge.toml") -> dict[str, Variant]:
    """The four functions; forward in both deliveries."""
    settings = configuration.load(config)
    folder = packaging.build(config=settings.runtime_json(), runtime=RUNTIME).folder
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


def naive() -> dict[str, Variant]:
    """The same text through one function behind the topic. `make` has installed their packages."""
    boto3 = _with_handler("naive", BENCH / "naive")
    powertools = _with_handler("naive-powertools", BENCH / "powertools")
    variables = {"IDEMPOTENCY_TABLE": "Idempotency", "POWERTOOLS_SERVICE_NAME": "naive"}
    compiled = BUILD / "naive-powertools-compiled"
    shutil.rmtree(compiled, ignore_errors=True)
    shutil.copytree(powertools, compiled)
    compileall.compile_dir(compiled, quiet=2, workers=0, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)
    return {
        "boto3": _naive("boto3", boto3),
        "powertools": _naive("powertools", powertools, variables),
        "powertools, byte-code": _naive("powertools, byte-code", compiled, variables),
        "floor": _naive("floor", BENCH / "floor"),
    }


def _naive(name: str, folder: Path, variables: Mapping[str, str] | None = None) -> Variant:
    return Variant(name=name, folder=folder, module="handler", event="sns", variables=variables or {})


def _with_handler(name: str, source: Path) -> Path:
    folder = ROOT / "build/naive" / name
    shutil.copyfile(source / "handler.py", folder / "handler.py")
    return folder


class Servers:
    """AWS as far as a function needs it to be ready for texts, on this machine: see bench/stub.py."""

    def __init__(self, *, plain: int, secure: int, authorities: Path) -> None:
        self.plain, self.secure, self.authorities = plain, secure, authorities
        self._control = httpx.Client(base_url=f"http://127.0.0.1:{plain}", trust_env=False)

    def begin(self, **latency: float) -> None:
        """Forget what was asked. `latency` in seconds by service: Connect, DynamoDB, AmazonSQS."""
        self._control.post(CONTROL, json=latency).raise_for_status()

    def asked(self) -> dict[str, Any]:
        said: dict[str, Any] = self._control.get(CONTROL).raise_for_status().json()
        return said

    def variables(self, *, tls: bool) -> dict[str, str]:
        scheme, port = ("https", self.secure) if tls else ("http", self.plain)
        url = f"{scheme}://localhost:{port}"
        return {"AWS_ENDPOINT_URL": url, "AWS_ENDPOINT_URL_CONNECT": url, "AWS_CA_BUNDLE": str(self.authorities)}


@contextmanager
def servers() -> Iterator[Servers]:
    """With the authorities that botocore trusts and one more, that of this server: as long a list as in AWS."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        subprocess.run([TOOLS, "-m", "trustme", "-q", "-d", folder, "-i", "localhost"], check=True)
        authorities = folder / "authorities.pem"
        listed = (bridge()["forward"].folder / "botocore/cacert.pem").read_text(encoding="utf-8")
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
    """A new process: its start, then so many texts in batches. Raises CalledProcessError with what it wrote."""
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
                [sys.executable, "-S", "-s", BENCH / "probe.py", json.dumps(job)],
                cwd=variant.folder,
                env=_environment(variant, Path(folder)) | dict(variables),
                stdout=output,
                stderr=subprocess.PIPE,
                check=False,
            )
        written = log.read_bytes()
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, variant.name, written[-2000:], done.stderr[-2000:])
        said, *events = map(json.loads, result.read_text(encoding="utf-8").splitlines())
        return Ran(
            ready=said["ready"],
            ready_memory=said["ready_memory"],
            modules=said["modules"],
            events=tuple(
                Handled(texts=texts, processor=processor, wall=wall, memory=memory)
                for texts, processor, wall, memory in events
            ),
            log=len(written),
        )


def _environment(variant: Variant, home: Path) -> dict[str, str]:
    """As "Defined runtime environment variables" has them in the AWS Lambda developer guide."""
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
