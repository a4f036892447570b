"""The naive bridge on a stage: one function behind the topic. It finds boto3 where this project has it."""

from __future__ import annotations

import contextlib
from pathlib import Path

import boto3

from tests.faults.bridge import QUOTA, packaged
from tests.faults.plan import Plan
from tests.faults.record import Record
from tests.faults.run import Result, Run, Say, Stage
from tests.faults.runtime import Function
from tests.faults.services import PYTHON, ROOT, contact_centre
from tests.faults.sns import Topic
from tests.faults.texts import load
from tests.faults.timeline import broken_archive


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
