"""Time from publishing a text to the chat, through a real deployment on this machine."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.variants import UNPACED
from sandbox.double.client import Double
from sandbox.local import Sandbox
from testing.builders import customer_number, payload

WARM_UP = 20


def measure(*, texts: int, per_second: float) -> dict[str, Any]:
    """Seconds of each text; each customer sends one, at an even rate. Raises TimeoutError if a text does not arrive."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        config = Path(folder) / "bridge.toml"
        settings = UNPACED.read_text(encoding="utf-8")
        config.write_text(f'runtime = "python3.{sys.version_info.minor}"\n{settings}', encoding="utf-8")
        sandbox = Sandbox.up(name=f"bench-{os.getpid()}", port=0, double_port=0, config=config)
        try:
            with Double(sandbox.double_url) as double:
                double.settings(rate=1000, burst=1000, chat_limit=100_000)
                published = _publish(sandbox, WARM_UP + texts, per_second=per_second)
                shown = _shown(double, len(published))
        finally:
            sandbox.down()
    seconds = [shown[body] - at for body, at in published.items()][WARM_UP:]
    return {"seconds": seconds, "per_second": per_second}


def _publish(sandbox: Sandbox, texts: int, *, per_second: float) -> dict[str, float]:
    """Time of publishing by body."""
    sns, published = sandbox.client("sns"), {}
    for number in range(texts):
        message = payload(f"text {number}", originationNumber=customer_number(number))
        published[message["messageBody"]] = time.time()
        sns.publish(TopicArn=sandbox.outputs["InboundTopicArn"], Message=json.dumps(message))
        time.sleep(1 / per_second)
    return published


def _shown(double: Double, texts: int) -> dict[str, float]:
    """Time of showing by body, once all texts are shown."""
    deadline = time.monotonic() + 60
    while len(journal := double.journal()) < texts:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(journal)} of {texts} texts were shown")
        time.sleep(0.1)
    return {entry["content"]: entry["at"] for entry in journal}
