"""Byte-code of the functions' Python, whichever Python packages: their folder is read-only in Lambda, and without
byte-code each cold start compiles every module anew.

The compiler is CPython itself, of the runtime's version, as the npm package pyodide has it for WebAssembly; it runs
under the Node.js that the CDK needs anyway. package.json pins one for each runtime, so equal sources have equal
byte-code on every machine: docs/decisions/0014-one-pinned-compiler-makes-the-byte-code.md.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).parent.parent
SCRIPT = Path(__file__).with_name("bytecode.mjs")
_UNPACKED = "/var/task"
"""Where Lambda has the archive."""


class CompileError(Exception):
    """A module cannot be compiled, or the compiler does not run; stderr has said why."""


@dataclass(frozen=True, slots=True)
class Compiler:
    """An installed npm package pyodide. `version` is the package's: 0.29.5 is CPython 3.13."""

    node: str
    package: Path
    version: str

    def compile(self, folder: Path) -> None:
        """Write a .pyc for each module below `folder`, which Python takes without a look at the source (PEP 552).

        The names in tracebacks are those that Lambda has. Raises CompileError.
        """
        command: list[str | Path] = [self.node, SCRIPT, self.package, folder, _UNPACKED]
        if subprocess.run(command, check=False).returncode:  # noqa: S603
            raise CompileError


def compiler(runtime: str, *, root: Path = _ROOT) -> Compiler | None:
    """The one that package.json pins for a runtime ("python3.13"); None where it, or Node.js, is not installed."""
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
