"""Cold starts: a process of its own for each, the variants in another order each round."""

from __future__ import annotations

import random
import zipfile
from pathlib import Path
from typing import Any

from bench.variants import Servers, Variant, run


def measure(variants: dict[str, Variant], servers: Servers, *, rounds: int, seed: int) -> dict[str, Any]:
    """By variant: seconds of processor time to a ready handler, and to the end of a first text over new TLS
    connections; bytes of memory."""
    said: dict[str, dict[str, Any]] = {name: {"ready": [], "first": [], "memory": []} for name in variants}
    order = random.Random(seed)
    for _ in range(rounds):
        for name in order.sample(list(variants), len(variants)):
            variant = variants[name]
            texts = 0 if variant.name in _NO_TEXT else 1
            ran = run(variant, servers.variables(tls=True), texts=texts)
            of = said[name]
            of["ready"].append(ran.ready)
            of["memory"].append(ran.events[-1].memory if texts else ran.ready_memory)
            if texts:
                of["first"].append(ran.ready + ran.events[0].processor)
            of["modules"] = ran.modules
    return said


_NO_TEXT = ("forward, start-chat", "reply-intake", "reply")
"""Their services are not played here: only their start is measured."""


def zipped(folder: Path, into: Path, *, byte_code: bool = True) -> int:
    """The size of a function's archive, in bytes."""
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for path in folder.rglob("*"):
            if byte_code or path.suffix != ".pyc":
                file.write(path, path.relative_to(folder))
    return into.stat().st_size
