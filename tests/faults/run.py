"""One run of a load through a bridge: everything started, made to fail by the seed, and looked at in the end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import httpx

from infra import config as configuration
from infra import packaging
from sandbox.double.client import Double
from sandbox.processes import Process
from tests.faults.accounting import CONVERSATIONS, FAILED, Accounts, Verdict
from tests.faults.ledger import LedgerProxy
from tests.faults.record import Kill, Record
from tests.faults.runtime import Function, Invocation
from tests.faults.sns import Topic
from tests.faults.sqs import EventSourceMapping, Sqs
from tests.faults.texts import Text, load
from tests.faults.trouble import Trouble
from tests.model import fifo
from tests.model.fifo import Fifo

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-faults/bin/python"
MINISTACK = ROOT / ".venv-ministack/bin/python"
TABLE = "Ledger"
QUOTA = {"rate": 20 * 17, "burst": 20 * 26, "chat_limit": 1_000_000}

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run is made of; the same plan draws the same texts, faults and kills. Times in seconds."""

    seed: int
    texts: int
    conversations: int
    forwards: int = 6
    intakes: int = 2
    naives: int = 16
    rate: float = 80.0
    faults: bool = True
    outage: float = 60.0
    refusal: float = 60.0
    bad_deploy: float = 15.0
    ledger_outage: float = 8.0
    queue_outage: float = 6.0
    kill_every: float = 3.5
    window: float = 60.0
    """For how long the queue remembers deduplication ids: 300 s of AWS's."""
    shorter: float = 6.0
    """By how much Lambda's pauses between asynchronous tries are shortened, for both bridges alike."""
    visibility: float = 42.0
    """Of the conversations queue: six times function_timeout, as the stack has it; more than it at the least."""
    drain: float = 900.0


@dataclass(slots=True, kw_only=True)
class Result:
    name: str
    verdict: Verdict
    accounts: Accounts
    record: Record
    seconds: float
    drained: bool
    drained_after: dict[str, float] = field(default_factory=dict)
    calls: int = 0
    refused: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Phase:
    name: str
    begins: float
    lasts: float
    on: Callable[[], Any]
    off: Callable[[], Any]


async def bridge(plan: Plan, folder: Path, say: Say) -> Result:
    """The load through intake and forward, as they are packaged."""
    settings = configuration.load(Path(__file__).with_name("bridge.toml"))
    runtime = f"python{sys.version_info.major}.{sys.version_info.minor}"
    archive = packaging.build(config=settings.runtime_json(), runtime=runtime).folder
    record = Record()
    fifo.DEDUPLICATION_SECONDS = plan.window
    timeout = settings.limits.function_timeout
    async with contextlib.AsyncExitStack() as stack:
        double, double_url = await stack.enter_async_context(_double(folder))
        ledger_port = await stack.enter_async_context(_dynamodb(folder))
        failed = Fifo(now=time.time, visibility=plan.visibility, name=FAILED)
        conversations = Fifo(
            now=time.time,
            visibility=plan.visibility,
            name=CONVERSATIONS,
            max_receives=settings.limits.max_receive_count,
            dead_letters=failed,
        )
        share = 0.01 if plan.faults else 0.0
        sqs_trouble, ledger_trouble = Trouble(f"{plan.seed} sqs", share), Trouble(f"{plan.seed} ledger", share)
        sqs = Sqs({CONVERSATIONS: conversations, FAILED: failed}, trouble=sqs_trouble, record=record)
        ledger = LedgerProxy(ledger_port, trouble=ledger_trouble, record=record)
        await sqs.server.start()
        stack.push_async_callback(sqs.server.close)
        await ledger.server.start()
        stack.push_async_callback(ledger.close)
        variables = {
            "CONVERSATIONS_QUEUE_URL": sqs.url(CONVERSATIONS),
            "FAILED_QUEUE_URL": sqs.url(FAILED),
            "LEDGER_TABLE": TABLE,
            "POWERTOOLS_METRICS_NAMESPACE": "SmsToConnect",
            "POWERTOOLS_LOG_LEVEL": settings.operation.log_level,
            "AWS_ENDPOINT_URL_CONNECT": double_url,
            "AWS_ENDPOINT_URL_SQS": f"http://127.0.0.1:{sqs.server.port}",
            "AWS_ENDPOINT_URL_DYNAMODB": f"http://127.0.0.1:{ledger.server.port}",
        }

        def function(name: str, environments: int) -> Function:
            return Function(
                name=name,
                handler=f"bridge.{name}.handler",
                folder=archive,
                python=PYTHON,
                variables=variables | {"POWERTOOLS_SERVICE_NAME": name},
                timeout=timeout,
                environments=environments,
                logs=folder,
                record=_noting(record),
            )

        intake, forward = function("intake", plan.intakes), function("forward", plan.forwards)
        say("starting the functions' processes")
        for one in (intake, forward):
            await one.open()
            stack.push_async_callback(one.close)
        await stack.enter_async_context(
            _in_background(EventSourceMapping(conversations, forward, sqs=sqs, record=record).run())
        )
        return await _Run(
            name="bridge",
            plan=plan,
            say=say,
            double=double,
            functions=(intake, forward),
            topic=Topic(intake, record, shorter=plan.shorter),
            record=record,
            good=archive,
            broken=_broken(folder / "broken", ("bridge/intake.py", "bridge/forward.py")),
            waiting=lambda: len(conversations),
            failed=lambda: [send.sns_message_id for send in record.sends if send.queue == FAILED],
            stores={"DynamoDB": ledger_trouble, "SQS": sqs_trouble},
        ).go()


async def naive(plan: Plan, folder: Path, say: Say) -> Result:
    """The same load through one function behind the topic. It finds boto3 in the bridge's archive."""
    settings = configuration.load(Path(__file__).with_name("bridge.toml"))
    runtime = f"python{sys.version_info.major}.{sys.version_info.minor}"
    archive = packaging.build(config=settings.runtime_json(), runtime=runtime).folder
    record = Record()
    async with contextlib.AsyncExitStack() as stack:
        double, double_url = await stack.enter_async_context(_double(folder))
        function = Function(
            name="naive",
            handler="handler.handler",
            folder=ROOT / "bench/naive",
            python=PYTHON,
            variables={"AWS_ENDPOINT_URL_CONNECT": double_url, "PYTHONPATH": str(archive)},
            timeout=settings.limits.function_timeout,
            environments=plan.naives,
            logs=folder,
            record=_noting(record),
        )
        say("starting the naive bridge's processes")
        await function.open()
        stack.push_async_callback(function.close)
        return await _Run(
            name="naive",
            plan=plan,
            say=say,
            double=double,
            functions=(function,),
            topic=Topic(function, record, shorter=plan.shorter),
            record=record,
            good=ROOT / "bench/naive",
            broken=_broken(folder / "broken", ("handler.py",)),
            waiting=lambda: 0,
            failed=list,
            stores={},
        ).go()


class _Run:
    def __init__(
        self,
        *,
        name: str,
        plan: Plan,
        say: Say,
        double: Double,
        functions: Sequence[Function],
        topic: Topic,
        record: Record,
        good: Path,
        broken: Path,
        waiting: Callable[[], int],
        failed: Callable[[], list[str]],
        stores: dict[str, Trouble],
    ) -> None:
        self._name, self._plan, self._say = name, plan, say
        self._double, self._functions, self._topic, self._record = double, functions, topic, record
        self._good, self._broken = good, broken
        self._waiting, self._failed, self._stores = waiting, failed, stores
        self._environments = [environment for function in functions for environment in function.environments]
        self._now: str = "background faults" if plan.faults else "no faults"
        self._background_seed = random.Random(f"{plan.seed} connect")
        self._ended: dict[str, float] = {}

    async def go(self) -> Result:
        plan = self._plan
        texts = load(seed=plan.seed, texts=plan.texts, conversations=plan.conversations, window=plan.window)
        began = time.time()
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(_in_background(self._progress(began)))
            if plan.faults:
                await self._background()
                await stack.enter_async_context(_in_background(self._kill()))
                phases = await stack.enter_async_context(_in_background(self._play_phases()))
            await self._publish(texts)
            if plan.faults:
                await phases
            self._now = "draining"
            drained = await self._drained()
        seconds = time.time() - began
        journal = await asyncio.to_thread(self._double.journal)
        status = await asyncio.to_thread(self._double.status)
        self._topic.close()
        accounts = Accounts(texts, self._record, journal, self._failed())
        after = {
            name: max(0.0, shown - at)
            for name, at in self._ended.items()
            if (shown := accounts.shown_late(before=at)) is not None
        }
        return Result(
            name=self._name,
            verdict=accounts.verdict(),
            accounts=accounts,
            record=self._record,
            seconds=seconds,
            drained=drained,
            drained_after=after,
            calls=status["accepted"],
            refused=status["refused"],
        )

    async def _publish(self, texts: Sequence[Text]) -> None:
        began = time.monotonic()
        for number, text in enumerate(texts):
            ahead = began + number / self._plan.rate - time.monotonic()
            if ahead > 0:
                await asyncio.sleep(ahead)
            self._topic.publish(text)
            if number % 100 == 0:
                await asyncio.sleep(0)

    async def _drained(self) -> bool:
        until = time.monotonic() + self._plan.drain
        while time.monotonic() < until:
            if self._topic.under_way == 0 and self._waiting() == 0 and not any(e.busy for e in self._environments):
                return True
            await asyncio.sleep(0.2)
        return False

    async def _play_phases(self) -> None:
        plan = self._plan
        length = plan.texts / plan.rate
        phases = [
            _Phase("Connect is out", 0.12 * length, plan.outage, self._connect_out, self._background),
            _Phase("Connect refuses", 0.5 * length, plan.refusal, self._connect_refuses, self._background),
            _Phase("a bad deploy", 0.85 * length, plan.bad_deploy, self._bad_deploy, self._roll_back),
        ]
        if "DynamoDB" in self._stores:
            phases += [self._store_out("DynamoDB", 0.04 * length, plan.ledger_outage)]
            phases += [self._store_out("SQS", 0.45 * length, plan.queue_outage)]
        began = time.monotonic()
        moments = [(p.begins, p, True) for p in phases] + [(p.begins + p.lasts, p, False) for p in phases]
        standing: list[str] = []
        for at, phase, begins in sorted(moments, key=lambda moment: moment[0]):
            await asyncio.sleep(max(0.0, began + at - time.monotonic()))
            await (phase.on if begins else phase.off)()
            if begins:
                standing.append(phase.name)
            else:
                standing.remove(phase.name)
                self._ended[phase.name] = time.time()
            self._now = ", ".join(standing) or "background faults"

    def _store_out(self, name: str, begins: float, lasts: float) -> _Phase:
        async def switch(out: bool) -> None:
            self._stores[name].outage = out

        return _Phase(f"{name} is out", begins, lasts, lambda: switch(True), lambda: switch(False))

    async def _background(self) -> None:
        await self._connect(
            ("throttle", {"share": 0.02}),
            ("error", {"share": 0.01}),
            ("reset-before", {"share": 0.01}),
            ("reset-after", {"share": 0.005}),
            ("hang", {"share": 0.002, "seconds": 30}),
        )

    async def _connect_out(self) -> None:
        await self._connect(("error", {"share": 0.5}), ("reset-before", {}))

    async def _connect_refuses(self) -> None:
        await self._connect(("refuse", {}))

    async def _connect(self, *faults: tuple[str, dict[str, Any]]) -> None:
        def switch() -> None:
            self._double.clear_faults()
            for kind, how in faults:
                self._double.fault(kind, **how | ({"seed": self._background_seed.getrandbits(32)} if how else {}))

        await asyncio.to_thread(switch)

    async def _bad_deploy(self) -> None:
        for function in self._functions:
            function.deploy(self._broken)

    async def _roll_back(self) -> None:
        for function in self._functions:
            function.deploy(self._good)

    async def _kill(self) -> None:
        """At random instants, any one of the processes, whatever it is at."""
        rng = random.Random(f"{self._plan.seed} kills")
        while True:
            await asyncio.sleep(rng.expovariate(1 / self._plan.kill_every))
            number = rng.random()
            running = [environment for environment in self._environments if environment.running]
            if running:
                victim = running[int(number * len(running))]
                at = time.time()
                invocation = victim.kill()
                self._record.kills.append(
                    Kill(at=at, environment=victim.name, began_at=invocation.began_at if invocation else None)
                )

    async def _progress(self, began: float) -> None:
        while True:
            await asyncio.sleep(10)
            status = await asyncio.to_thread(self._double.status)
            self._say(
                f"{time.time() - began:4.0f} s  published {len(self._record.published):6,}  "
                f"shown {status['accepted']:6,}  waiting {self._waiting() + self._topic.under_way:6,}  {self._now}"
            )


@contextlib.asynccontextmanager
async def _double(folder: Path) -> AsyncIterator[tuple[Double, str]]:
    port = _free_port()
    command = [sys.executable, "-m", "sandbox.double", "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    with _process(command, folder, "double"):
        await _healthy(f"{url}/_double/status")
        with Double(url) as double:
            double.settings(**QUOTA)
            yield double, url


@contextlib.asynccontextmanager
async def _dynamodb(folder: Path) -> AsyncIterator[int]:
    """MiniStack, for its DynamoDB; with the ledger's table."""
    port = _free_port()
    environment = {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "MINISTACK_REGION": "us-east-1",
        "S3_DATA_DIR": str(folder / "s3"),
        "STATE_DIR": str(folder / "state"),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": f"unix://{folder / 'no-docker'}",
    }
    with _process([MINISTACK, "-m", "ministack"], folder, "ministack", environment):
        await _healthy(f"http://127.0.0.1:{port}/_ministack/health")
        client = boto3.client(
            "dynamodb",
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name="us-east-1",
            aws_access_key_id="111122223333",
            aws_secret_access_key="faults",
        )
        client.create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "text_key", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "text_key", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        client.close()
        yield port


@contextlib.contextmanager
def _process(command: Sequence[str | Path], folder: Path, name: str, environment: dict[str, str] | None = None) -> Any:
    passed = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}
    env = passed | {"HOME": str(folder), "TMPDIR": str(folder)} | (environment or {})
    process = Process.start(command, env=env, cwd=ROOT, log=folder / f"{name}.log")
    try:
        yield
    finally:
        process.stop()


@contextlib.asynccontextmanager
async def _in_background(work: Any) -> AsyncIterator[asyncio.Task[None]]:
    task: asyncio.Task[None] = asyncio.create_task(work)
    try:
        yield task
    finally:
        failed = task.done() and not task.cancelled() and task.exception()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if failed:
            raise failed


async def _healthy(url: str) -> None:
    async with asyncio.timeout(60), httpx.AsyncClient(trust_env=False) as http:
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await http.get(url)).is_success:
                    return
            await asyncio.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _broken(folder: Path, modules: Sequence[str]) -> Path:
    """An archive of which something was left out."""
    for module in modules:
        path = folder / module
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("import a_module_that_was_not_packaged\n", encoding="utf-8")
    return folder


def _noting(record: Record) -> Callable[[Invocation], None]:
    def note(invocation: Invocation) -> None:
        if invocation.fate != "answered":
            error = f"{invocation.fate} {invocation.error.partition(':')[0]}".strip()
            record.errors[f"{invocation.function}: {error}"] += 1

    return note
