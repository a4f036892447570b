"""The bridge on a stage: its functions as they are packaged, on the model of its queues."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import boto3

from bridge.replies.chat_events import FILTER_POLICY
from infra import config as configuration
from infra import packaging
from infra.config import BridgeConfig
from testing.faults.accounting import CONVERSATIONS, FAILED, REPLIES_QUEUE
from testing.faults.agents import Agents
from testing.faults.injection import Trouble, broken_archive
from testing.faults.lambda_runtime import Function
from testing.faults.load import Text, load, opted_out
from testing.faults.plan import Plan
from testing.faults.record import Record
from testing.faults.run import Result, Run, Say, Stage
from testing.faults.services import (
    CHATS,
    LEDGER,
    PYTHON,
    ROOT,
    LedgerProxy,
    contact_centre,
    dynamodb,
    generations,
    in_background,
)
from testing.faults.sns import TOPIC_ARN, Streaming, Topic
from testing.faults.sqs import EventSourceMapping, Sqs
from testing.models import fifo
from testing.models.fifo import Fifo

QUOTA: dict[str, Any] = {
    "rate": 20 * 17,
    "burst": 20 * 26,
    "chat_limit": 1_000_000,
    "rates": {
        "StartChatContact": [100 * 5, 100 * 8],
        "CreateParticipantConnection": [100 * 6, 100 * 9],
        "SendMessage": [100 * 10, 100 * 15],
        "SendTextMessage": [300, 300],
    },
}

_SHORT_LIVED = {"participant_token_seconds": 60, "connection_token_seconds": 3630}
"""A chat must be connected to within a minute; a token is renewed an hour before it expires, so after 30 s."""


def packaged(plan: Plan, folder: Path) -> tuple[BridgeConfig, Path]:
    """The settings of the run, and the functions' archive."""
    settings = Path(__file__).with_name("bridge.toml").read_text(encoding="utf-8")
    written = folder / "bridge.toml"
    written.write_text(f'delivery = "{plan.delivery}"\n{settings}', encoding="utf-8")
    config = configuration.load(written)
    runtime = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return config, packaging.build(config=config.runtime_json(), runtime=runtime).folder


async def bridge(plan: Plan, folder: Path, say: Say, *, texts: Sequence[Text] | None = None) -> Result:
    """A load through the bridge, by default that of the plan with its opt-outs; where it starts chats, agents reply."""
    silent: set[str] = set()
    if texts is None:
        texts = load(plan)
        silent = opted_out(texts, seed=plan.seed)
    async with _stage(plan, folder, say) as stage:
        agents = None
        if plan.starts_chats:
            stage.double.settings(opted_out=sorted(silent), **_SHORT_LIVED if plan.faults else {})
            agents = Agents(stage.double, texts, seed=plan.seed, opted_out=silent)
        return await Run(plan, texts, stage, say, agents=agents).go()


@contextlib.asynccontextmanager
async def _stage(plan: Plan, folder: Path, say: Say) -> AsyncIterator[Stage]:
    settings, archive = packaged(plan, folder)
    record = Record()
    fifo.DEDUPLICATION_SECONDS = plan.window
    failed = Fifo(now=time.time, visibility=plan.visibility, name=FAILED)

    def queue(name: str) -> Fifo:
        most = settings.limits.max_receive_count
        return Fifo(now=time.time, visibility=plan.visibility, name=name, max_receives=most, dead_letters=failed)

    conversations, replies = queue(CONVERSATIONS), queue(REPLIES_QUEUE)
    queues = {one.name: one for one in (conversations, replies, failed)}
    share = 0.01 if plan.faults else 0.0
    stores = {"DynamoDB": Trouble(f"{plan.seed} ledger", share), "SQS": Trouble(f"{plan.seed} sqs", share)}
    async with contextlib.AsyncExitStack() as stack:
        streaming = Streaming(record, policy=FILTER_POLICY, seed=plan.seed, window=plan.window)
        sns = await stack.enter_async_context(streaming.server)
        sqs = Sqs(queues, trouble=stores["SQS"], record=record, group_lock=plan.group_lock)
        await stack.enter_async_context(sqs.server)
        centre = contact_centre(folder, QUOTA, sns=sns.url if plan.starts_chats else None)
        double, double_url = await stack.enter_async_context(centre)
        tables_port = await stack.enter_async_context(dynamodb(folder))
        ledger = await stack.enter_async_context(LedgerProxy(tables_port, trouble=stores["DynamoDB"], record=record))
        variables = {
            "CONVERSATIONS_QUEUE_URL": sqs.url(CONVERSATIONS),
            "REPLIES_QUEUE_URL": sqs.url(REPLIES_QUEUE),
            "FAILED_QUEUE_URL": sqs.url(FAILED),
            "LEDGER_TABLE": LEDGER,
            "POWERTOOLS_METRICS_NAMESPACE": "SmsToConnect",
            "POWERTOOLS_LOG_LEVEL": settings.operation.log_level,
            "AWS_ENDPOINT_URL_CONNECT": double_url,
            "AWS_ENDPOINT_URL_CONNECTPARTICIPANT": double_url,
            "AWS_ENDPOINT_URL_PINPOINT_SMS_VOICE_V2": double_url,
            "AWS_ENDPOINT_URL_SQS": sqs.server.url,
            "AWS_ENDPOINT_URL_DYNAMODB": ledger.url,
        }
        if plan.starts_chats:
            variables |= {"CHATS_TABLE": CHATS, "STREAMING_TOPIC_ARN": TOPIC_ARN}
        functions = [
            Function(
                name=name,
                handler=f"bridge.{name}.handler",
                folder=archive,
                python=PYTHON,
                variables=variables | {"POWERTOOLS_SERVICE_NAME": name},
                timeout=settings.limits.function_timeout,
                environments=environments,
                logs=folder,
                record=record.ended,
            )
            for name, environments in plan.processes.items()
        ]
        say("starting the functions' processes")
        await asyncio.gather(*(stack.enter_async_context(function) for function in functions))
        await asyncio.gather(*(function.warm() for function in functions))
        intake, forward, *answering = functions
        await stack.enter_async_context(_mapped(conversations, forward, sqs, record))
        if answering:
            reply_intake, reply = answering
            streaming.subscribe(Topic(reply_intake, record, shorter=plan.shorter))
            await stack.enter_async_context(_mapped(replies, reply, sqs, record))
        yield Stage(
            name="bridge",
            double=double,
            functions=functions,
            topic=Topic(intake, record, shorter=plan.shorter),
            record=record,
            good=archive,
            broken=broken_archive(folder / "broken", [f"bridge/{name}.py" for name in plan.processes]),
            streaming=streaming.topic,
            waiting=lambda: len(conversations) + len(replies),
            failed=lambda: [send.identity for send in record.sends if send.queue == FAILED],
            stores=stores,
            generations=lambda: generations(tables_port),
        )


def _mapped(queue: Fifo, function: Function, sqs: Sqs, record: Record) -> Any:
    return in_background(EventSourceMapping(queue, function, sqs=sqs, record=record).run())


async def naive(plan: Plan, folder: Path, say: Say) -> Result:
    """The same load as the bridge's."""
    settings, _ = packaged(plan, folder)
    record = Record()
    async with contextlib.AsyncExitStack() as stack:
        double, double_url = await stack.enter_async_context(contact_centre(folder, QUOTA))
        function = Function(
            name="naive",
            handler="handler.handler",
            folder=ROOT / "bench/naive",
            python=PYTHON,
            variables={"AWS_ENDPOINT_URL_CONNECT": double_url, "PYTHONPATH": str(Path(boto3.__file__).parents[1])},
            timeout=settings.limits.function_timeout,
            environments=plan.naives,
            logs=folder,
            record=record.ended,
        )
        say("starting the naive bridge's processes")
        await stack.enter_async_context(function)
        stage = Stage(
            name="naive",
            double=double,
            functions=(function,),
            topic=Topic(function, record, shorter=plan.shorter),
            record=record,
            good=ROOT / "bench/naive",
            broken=broken_archive(folder / "broken", ("handler.py",)),
        )
        return await Run(plan, load(plan), stage, say, agents=None).go()
