"""The bridge on a stage: its functions as they are packaged, on the model of its queues."""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path

from infra import config as configuration
from infra import packaging
from infra.config import BridgeConfig
from tests.faults.accounting import CONVERSATIONS, FAILED
from tests.faults.ledger import LedgerProxy
from tests.faults.plan import Plan
from tests.faults.record import Record
from tests.faults.run import Result, Say, Stage, play
from tests.faults.runtime import Function
from tests.faults.services import LEDGER, PYTHON, contact_centre, dynamodb, in_background
from tests.faults.sns import Topic
from tests.faults.sqs import EventSourceMapping, Sqs
from tests.faults.timeline import broken_archive
from tests.faults.trouble import Trouble
from tests.model import fifo
from tests.model.fifo import Fifo

QUOTA = {"rate": 20 * 17, "burst": 20 * 26, "chat_limit": 1_000_000}


def packaged(plan: Plan, folder: Path) -> tuple[BridgeConfig, Path]:
    """The settings of the run, and the functions' archive."""
    settings = configuration.load(Path(__file__).with_name("bridge.toml"))
    runtime = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return settings, packaging.build(config=settings.runtime_json(), runtime=runtime).folder


async def bridge(plan: Plan, folder: Path, say: Say) -> Result:
    """The load through intake and forward."""
    settings, archive = packaged(plan, folder)
    record = Record()
    fifo.DEDUPLICATION_SECONDS = plan.window
    async with contextlib.AsyncExitStack() as stack:
        double, double_url = await stack.enter_async_context(contact_centre(folder, QUOTA))
        tables_port = await stack.enter_async_context(dynamodb(folder))
        failed = Fifo(now=time.time, visibility=plan.visibility, name=FAILED)
        conversations = Fifo(
            now=time.time,
            visibility=plan.visibility,
            name=CONVERSATIONS,
            max_receives=settings.limits.max_receive_count,
            dead_letters=failed,
        )
        share = 0.01 if plan.faults else 0.0
        stores = {"DynamoDB": Trouble(f"{plan.seed} ledger", share), "SQS": Trouble(f"{plan.seed} sqs", share)}
        sqs = Sqs({CONVERSATIONS: conversations, FAILED: failed}, trouble=stores["SQS"], record=record)
        ledger = LedgerProxy(tables_port, trouble=stores["DynamoDB"], record=record)
        await sqs.server.start()
        stack.push_async_callback(sqs.server.close)
        await ledger.server.start()
        stack.push_async_callback(ledger.close)
        variables = {
            "CONVERSATIONS_QUEUE_URL": sqs.url(CONVERSATIONS),
            "FAILED_QUEUE_URL": sqs.url(FAILED),
            "LEDGER_TABLE": LEDGER,
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
                timeout=settings.limits.function_timeout,
                environments=environments,
                logs=folder,
                record=record.ended,
            )

        intake, forward = function("intake", plan.intakes), function("forward", plan.forwards)
        say("starting the functions' processes")
        for one in (intake, forward):
            await one.open()
            stack.push_async_callback(one.close)
        mapping = EventSourceMapping(conversations, forward, sqs=sqs, record=record)
        await stack.enter_async_context(in_background(mapping.run()))
        stage = Stage(
            name="bridge",
            double=double,
            functions=(intake, forward),
            topic=Topic(intake, record, shorter=plan.shorter),
            record=record,
            good=archive,
            broken=broken_archive(folder / "broken", ("bridge/intake.py", "bridge/forward.py")),
            waiting=lambda: len(conversations),
            failed=lambda: [send.sns_message_id for send in record.sends if send.queue == FAILED],
            stores=stores,
        )
        return await play(plan, stage, say)
