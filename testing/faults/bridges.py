"""The two systems that a load is played through: the bridge as it is packaged, and the naive bridge."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import boto3

from bridge.replies.chat_events import FILTER_POLICY
from infra import config as configuration
from infra import packaging
from infra.config import BridgeConfig
from testing.faults.accounting import CONVERSATIONS, FAILED, REPLIES_QUEUE
from testing.faults.agents import Agents
from testing.faults.injection import FaultInjector, broken_archive
from testing.faults.lambda_runtime import Function
from testing.faults.load import Text, load, opted_out
from testing.faults.plan import Plan
from testing.faults.record import Record
from testing.faults.run import Deployment, Progress, Result, Run
from testing.faults.services import (
    CHATS,
    LEDGER,
    PYTHON,
    ROOT,
    DynamoDbProxy,
    contact_centre,
    dynamodb,
    generations,
    in_background,
)
from testing.faults.sns import TOPIC_ARN, SnsEndpoint, Topic
from testing.faults.sqs import EventSourceMapping, SqsEndpoint
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
"""A chat must be connected within a minute. The bridge renews a token an hour before it expires: after 30 s."""


def build_archive(plan: Plan, folder: Path) -> tuple[BridgeConfig, Path]:
    """Configuration of the run, and the folder of the functions' archive."""
    settings = Path(__file__).with_name("bridge.toml").read_text(encoding="utf-8")
    written = folder / "bridge.toml"
    written.write_text(f'delivery = "{plan.delivery}"\n{settings}', encoding="utf-8")
    config = configuration.load(written)
    runtime = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return config, packaging.build(config=config.runtime_json(), runtime=runtime).folder


async def bridge(plan: Plan, folder: Path, say: Progress, *, texts: Sequence[Text] | None = None) -> Result:
    """Play a load through the bridge. Default: the load of the plan. With start-chat delivery, agents reply."""
    opted_out_customers: set[str] = set()
    if texts is None:
        texts = load(plan)
        opted_out_customers = opted_out(texts, seed=plan.seed)
    async with _deployment(plan, folder, say) as deployment:
        agents = None
        if plan.starts_chats:
            deployment.simulator.settings(opted_out=sorted(opted_out_customers), **_SHORT_LIVED if plan.faults else {})
            agents = Agents(deployment.simulator, texts, seed=plan.seed, opted_out=opted_out_customers)
        return await Run(plan, texts, deployment, say, agents=agents).go()


@contextlib.asynccontextmanager
async def _deployment(plan: Plan, folder: Path, say: Progress) -> AsyncIterator[Deployment]:
    settings, archive = build_archive(plan, folder)
    record = Record()
    queues = _queues(plan, settings)
    conversations, replies = queues[CONVERSATIONS], queues[REPLIES_QUEUE]
    share = 0.01 if plan.faults else 0.0
    stores = {"DynamoDB": FaultInjector(f"{plan.seed} ledger", share), "SQS": FaultInjector(f"{plan.seed} sqs", share)}
    async with contextlib.AsyncExitStack() as stack:
        streaming = SnsEndpoint(record, policy=FILTER_POLICY, seed=plan.seed, window=plan.deduplication_window)
        sns = await stack.enter_async_context(streaming.server)
        sqs = SqsEndpoint(queues, injector=stores["SQS"], record=record, group_lock=plan.group_lock)
        await stack.enter_async_context(sqs.server)
        centre = contact_centre(folder, QUOTA, sns=sns.url if plan.starts_chats else None)
        simulator, simulator_url = await stack.enter_async_context(centre)
        tables_port = await stack.enter_async_context(dynamodb(folder))
        ledger = await stack.enter_async_context(DynamoDbProxy(tables_port, injector=stores["DynamoDB"], record=record))
        endpoints = {
            "CONNECT": simulator_url,
            "CONNECTPARTICIPANT": simulator_url,
            "PINPOINT_SMS_VOICE_V2": simulator_url,
            "SQS": sqs.server.url,
            "DYNAMODB": ledger.url,
        }
        variables = _variables(plan, settings, sqs) | {
            f"AWS_ENDPOINT_URL_{name}": url for name, url in endpoints.items()
        }
        functions = [
            _function(name, plan, settings, variables=variables, archive=archive, logs=folder, record=record)
            for name in plan.processes
        ]
        say("starting the functions' processes")
        await asyncio.gather(*(stack.enter_async_context(function) for function in functions))
        await asyncio.gather(*(function.warm() for function in functions))
        intake, forward, *answering = functions
        await stack.enter_async_context(_event_source_mapping(conversations, forward, sqs, record))
        if answering:
            reply_intake, reply = answering
            streaming.subscribe(Topic(reply_intake, record, retry_speedup=plan.retry_speedup))
            await stack.enter_async_context(_event_source_mapping(replies, reply, sqs, record))
        yield Deployment(
            name="bridge",
            simulator=simulator,
            functions=functions,
            topic=Topic(intake, record, retry_speedup=plan.retry_speedup),
            record=record,
            good=archive,
            broken=broken_archive(folder / "broken", [f"bridge/{name}.py" for name in plan.processes]),
            streaming=streaming.topic,
            waiting=lambda: len(conversations) + len(replies),
            failed=lambda: [send.identity for send in record.sends if send.queue == FAILED],
            stores=stores,
            generations=lambda: generations(tables_port),
        )


def _function(
    name: str,
    plan: Plan,
    settings: BridgeConfig,
    *,
    variables: dict[str, str],
    archive: Path,
    logs: Path,
    record: Record,
) -> Function:
    return Function(
        name=name,
        handler=f"bridge.{name}.handler",
        folder=archive,
        python=PYTHON,
        variables=variables | {"POWERTOOLS_SERVICE_NAME": name},
        timeout=settings.limits.function_timeout,
        environments=plan.processes[name],
        logs=logs,
        record=record.ended,
    )


def _variables(plan: Plan, settings: BridgeConfig, sqs: SqsEndpoint) -> dict[str, str]:
    """Environment variables of the functions, as the stack sets them."""
    starting_chats = {"CHATS_TABLE": CHATS, "STREAMING_TOPIC_ARN": TOPIC_ARN} if plan.starts_chats else {}
    return starting_chats | {
        "CONVERSATIONS_QUEUE_URL": sqs.url(CONVERSATIONS),
        "REPLIES_QUEUE_URL": sqs.url(REPLIES_QUEUE),
        "FAILED_QUEUE_URL": sqs.url(FAILED),
        "LEDGER_TABLE": LEDGER,
        "POWERTOOLS_METRICS_NAMESPACE": "SmsToConnect",
        "POWERTOOLS_LOG_LEVEL": settings.operation.log_level,
    }


def _queues(plan: Plan, settings: BridgeConfig) -> dict[str, Fifo]:
    queue = partial(Fifo, now=time.time, visibility=plan.visibility, deduplication_seconds=plan.deduplication_window)
    failed, most = queue(name=FAILED), settings.limits.max_receive_count
    workers = (CONVERSATIONS, REPLIES_QUEUE)
    return {FAILED: failed} | {name: queue(name=name, max_receives=most, dead_letters=failed) for name in workers}


def _event_source_mapping(queue: Fifo, function: Function, sqs: SqsEndpoint, record: Record) -> Any:
    return in_background(EventSourceMapping(queue, function, sqs=sqs, record=record).run())


async def naive(plan: Plan, folder: Path, say: Progress) -> Result:
    """Play the load of the plan through the naive bridge, which uses this environment's boto3."""
    settings, _ = build_archive(plan, folder)
    record = Record()
    async with contextlib.AsyncExitStack() as stack:
        simulator, simulator_url = await stack.enter_async_context(contact_centre(folder, QUOTA))
        function = Function(
            name="naive",
            handler="handler.handler",
            folder=ROOT / "bench/naive",
            python=PYTHON,
            variables={"AWS_ENDPOINT_URL_CONNECT": simulator_url, "PYTHONPATH": str(Path(boto3.__file__).parents[1])},
            timeout=settings.limits.function_timeout,
            environments=plan.naives,
            logs=folder,
            record=record.ended,
        )
        say("starting the naive bridge's processes")
        await stack.enter_async_context(function)
        deployment = Deployment(
            name="naive",
            simulator=simulator,
            functions=(function,),
            topic=Topic(function, record, retry_speedup=plan.retry_speedup),
            record=record,
            good=ROOT / "bench/naive",
            broken=broken_archive(folder / "broken", ("handler.py",)),
        )
        return await Run(plan, load(plan), deployment, say, agents=None).go()
