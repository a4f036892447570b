"""The functions' archive: lambda/bridge, the compiled configuration and pure-Python dependencies, without a network.

Dependencies are copied from the environment that runs this, at the versions in requirements/function.txt, as far as
they are used. The folder is named after the hash of its sources: equal sources do not redeploy, and are the same
archive on every machine, byte for byte.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

from infra import bytecode, models

ROOT = Path(__file__).parent.parent
FIXED_TIME = 315532800
"""1980-01-01 UTC, the first day that a zip archive knows."""
UNUSED_FOR = 24 * 3600.0
"""Seconds after which a folder that no synth wanted is removed: each change of a source leaves one behind."""
COST = 2.4
"""Processor time of forward's cold start without byte-code, as a multiple of that with it: `make bench` measures it."""

_AUTHORITIES = "botocore/cacert.pem"
_UNUSED = re.compile(
    r"aws_lambda_powertools/(event_handler/|utilities/(?!__init__|jmespath_utils/|typing/))"  # web frameworks, parsers
    r"|wcwidth/table_grapheme_overrides/_known_"  # how each of dozens of terminals draws emoji
)
"""Modules that nothing here imports. Tests load and use the handlers from the archive alone."""


class PackagingError(Exception):
    """The archive cannot be made; the message is one line and says what to do."""


@dataclass(frozen=True, slots=True)
class Archive:
    """A folder as Lambda unpacks it, and the hash of what it was made of."""

    folder: Path
    fingerprint: str


def build(*, config: str, runtime: str, root: Path = ROOT, into: Path | None = None) -> Archive:
    """Make the archive, or find it made already; `config` is the JSON that the functions read.

    It has byte-code of `runtime` ("python3.13"). Where the compiler is not installed, it has none, and a line on stderr
    says what that costs. Raises PackagingError.
    """
    compiler = bytecode.compiler(runtime)
    if not compiler:
        sys.stderr.write(
            f"packaging without byte-code, for want of Node.js or of pyodide-{runtime.removeprefix('python')} in "
            f"node_modules (run `make setup`): each cold start takes {COST} times the processor time\n"
        )
    pins = _pins(root / "requirements" / "function.txt")
    sources = {
        path.relative_to(root / "lambda").as_posix(): path.read_bytes()
        for path in sorted((root / "lambda" / "bridge").rglob("*.py"))
    }
    packaging = (Path(__file__), Path(models.__file__), Path(bytecode.__file__), bytecode.SCRIPT)
    made_of = sources | {
        "dependencies": repr(pins).encode(),
        "byte-code": f"{runtime} by {compiler.version}".encode() if compiler else b"",
        "packaging": b"".join(path.read_bytes() for path in packaging),
    }

    def write_modules(folder: Path) -> None:
        _write(folder, sources)
        for name in pins:
            _write(folder, dict(_files(name)))
        if compiler:
            try:
                compiler.compile(folder)
            except bytecode.CompileError as exc:
                raise PackagingError("a module of the functions' archive cannot be compiled: see above") from exc

    def write(folder: Path) -> None:
        # Compiling takes seconds, and what a deployer edits changes no module.
        modules = _made(root / "build" / "modules" / _hash(made_of)[:16], write_modules)
        shutil.copytree(modules, folder, dirs_exist_ok=True)
        _write(folder, {"bridge/config.json": config.encode()})

    fingerprint = _hash(made_of | {"bridge/config.json": config.encode()})
    folder = _made((into or root / "build" / "function") / fingerprint[:16], write)
    return Archive(folder=folder, fingerprint=fingerprint)


def _made(folder: Path, write: Callable[[Path], None]) -> Path:
    """The folder, written unless it is there. Others beside it that are unused for a day are removed."""
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".making-"))
        try:
            write(making)
            _settle(making)
            making.rename(folder)
        except OSError:
            if not folder.exists():  # else another synth was quicker
                raise
        finally:
            shutil.rmtree(making, ignore_errors=True)
    os.utime(folder, (FIXED_TIME, FIXED_TIME))  # the file system notes when: it is in use
    for other in set(folder.parent.iterdir()) - {folder}:
        with suppress(FileNotFoundError):  # another synth does the same
            if other.stat().st_ctime < time.time() - UNUSED_FOR:
                shutil.rmtree(other, ignore_errors=True)
    return folder


def _pins(requirements: Path) -> dict[str, str]:
    """Each dependency's version, which must be the one that is installed here."""
    pins = dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", requirements.read_text(), re.MULTILINE))
    for name, pinned in sorted(pins.items()):
        try:
            installed = version(name)
        except PackageNotFoundError:
            installed = "none"
        if installed != pinned:
            raise PackagingError(
                f"{requirements.name} pins {name} {pinned}, this environment has {installed}: run `make setup`"
            )
    return pins


def _files(name: str) -> Iterator[tuple[str, bytes]]:
    """A distribution's modules and the data that is read at run time, by their place in the archive.

    Extension modules stay behind: wcwidth, which has one, does without.
    """
    found = {file.as_posix(): Path(str(file.locate())) for file in distribution(name).files or ()}
    for path, source in found.items():
        if path == _AUTHORITIES or (path.endswith(".py") and not path.startswith("..") and not _UNUSED.match(path)):
            yield path, source.read_bytes()
    if name == "botocore":
        yield from models.files(found)


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def _settle(folder: Path) -> None:
    """The same modes and times whenever and by whomever it is made."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (FIXED_TIME, FIXED_TIME))


def _hash(parts: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in sorted(parts.items()):
        digest.update(f"{name}\n{len(content)}\n".encode() + content)
    return digest.hexdigest()
