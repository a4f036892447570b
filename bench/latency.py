"""From publishing a text to the chat, through a real deployment on this machine."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.variants import UNPACED
from sandbox.lifecycle import Sandbox
from tests.sandbox.texts import OURS, Phones, Text, customer, until

WARM_UP = 20


def measure(*, texts: int, per_second: float) -> dict[str, Any]:
    """Seconds of each text, sent by as many customers at an even pace."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        config = Path(folder) / "bridge.toml"
        settings = UNPACED.read_text(encoding="utf-8")
        config.write_text(f'runtime = "python3.{sys.version_info.minor}"\n{settings}', encoding="utf-8")
        sandbox = Sandbox.up(name=f"bench-{os.getpid()}", port=0, simulator_port=0, config=config)
        try:
            phones = Phones(sandbox)
            phones.simulator.settings(rate=1000, burst=1000, chat_limit=100_000)
            published = {}
            for number in range(WARM_UP + texts):
                text = Text(customer=customer(number), body=f"text {number}", ours=OURS)
                published[text.body] = time.time()
                phones.publish(text.message())
                time.sleep(1 / per_second)
            until(lambda: len(phones.shown()) >= len(published), seconds=60, what="all texts are shown")
            shown = {entry["content"]: entry["at"] for entry in phones.shown()}
        finally:
            sandbox.down()
    seconds = [shown[body] - at for body, at in published.items()][WARM_UP:]
    return {"seconds": seconds, "per_second": per_second}
