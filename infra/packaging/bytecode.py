"""Byte-code of the runtime's Python, whatever Python does the packaging. Without byte-code each cold start compiles
every module, since the functions' folder is read-only.

The compiler is CPython of the runtime's version, built for WebAssembly in the npm package pyodide. It runs in the
Node.js that the CDK needs anyway. package.json pins a version for each runtime, so that equal sources have equal
byte-code on every machine: docs/decisions/0014-one-pinned-compiler-makes-the-byte-code.md.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).parent.parent.parent
SCRIPT = Path(__file__).with_name("bytecode.mjs")
_TASK_ROOT = "/var/task"
"""Where Lambda unpacks the archive."""


class CompileError(Exception):
    """A module does not compile, or the compiler does not run; the reason is on stderr."""


@dataclass(frozen=True, slots=True)
class Compiler:
    """An installed npm package pyodide; `version` is that of the package (0.29.5 has CPython 3.13)."""

    node: str
    package: Path
    version: str

    def compile(self, folder: Path) -> None:
        """Write a .pyc for each module below `folder`, which Python uses without checking the source (PEP 552).

        File names in tracebacks are those on Lambda. Raises CompileError.
        """
        command: list[str | Path] = [self.node, SCRIPT, self.package, folder, _TASK_ROOT]
        if subprocess.run(command, check=False).returncode:  # noqa: S603
            raise CompileError


def compiler(runtime: str, *, root: Path = _ROOT) -> Compiler | None:
    """The compiler for a runtime ("python3.13"); None if the version in package.json, or Node.js, is not installed."""
    alias = runtime.replace("python", "pyodide-")
    pinned = json.loads((root / "package.json").read_text(encoding="utf-8"))["devDependencies"].get(alias, "")
    package, node = root / "node_modules" / alias, shutil.which("node")
    try:
        installed = json.loads((package / "package.json").read_text(encoding="utf-8"))["version"]
    except FileNotFoundError:
        return None
    if not node or not re.fullmatch(rf"npm:pyodide@{re.escape(installed)}", pinned):
        return None
    return Compiler(node=node, package=package, version=installed)
