"""The functions' archive: lambda/bridge, the compiled configuration and pure-Python dependencies; needs no network.

Dependencies are copied from the environment that runs this, at the versions of requirements/function.txt. Modules that
are not used are left out. The folder is named after the hash of its sources: equal sources give the same archive on
every machine, byte for byte, and are not deployed again.
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

from infra.packaging import bytecode, models

ROOT = Path(__file__).parent.parent.parent
FIXED_TIME = 315532800
"""1980-01-01 UTC, the earliest time of a zip archive."""
UNUSED_FOR = 24 * 3600.0
"""Seconds after its last use that a folder is removed: each change of a source leaves one."""
COST = 2.4
"""Processor time of forward's cold start without byte-code divided by that with it, measured by `make bench`."""

_AUTHORITIES = "botocore/cacert.pem"
_UNUSED = re.compile(
    r"aws_lambda_powertools/(event_handler/|utilities/(?!__init__|jmespath_utils/|typing/))"  # web frameworks, parsers
    r"|wcwidth/table_grapheme_overrides/_known_"  # how each of dozens of terminals draws emoji
)
"""Modules that the functions do not import. Tests run the handlers from the archive alone."""


class PackagingError(Exception):
    """The archive cannot be made; the message is one line and says what to do."""


@dataclass(frozen=True, slots=True)
class Archive:
    """The folder with the archive's content, and the hash of its sources."""

    folder: Path
    fingerprint: str


def build(*, config: str, runtime: str, root: Path = ROOT, into: Path | None = None) -> Archive:
    """Make the archive, or reuse it; `config` is the JSON that the functions read.

    It contains byte-code of `runtime` ("python3.13"). If the compiler is not installed it contains none, and a line on
    stderr says what that costs. `into` is the folder for archives. Raises PackagingError.
    """
    compiler = bytecode.compiler(runtime)
    if not compiler:
        sys.stderr.write(
            f"packaging without byte-code, for want of Node.js or of pyodide-{runtime.removeprefix('python')} in "
            f"node_modules (run `make setup`): each cold start takes {COST} times the processor time\n"
        )
    versions = _locked_versions(root / "requirements" / "function.txt")
    sources = {
        path.relative_to(root / "lambda").as_posix(): path.read_bytes()
        for path in sorted((root / "lambda" / "bridge").rglob("*.py"))
    }
    packaging = (Path(__file__), Path(models.__file__), Path(bytecode.__file__), bytecode.SCRIPT)
    content = sources | {
        "dependencies": repr(versions).encode(),
        "byte-code": f"{runtime} by {compiler.version}".encode() if compiler else b"",
        "packaging": b"".join(path.read_bytes() for path in packaging),
    }

    def write_modules(folder: Path) -> None:
        _write(folder, sources)
        for name in versions:
            _write(folder, dict(_files(name)))
        if compiler:
            try:
                compiler.compile(folder)
            except bytecode.CompileError as exc:
                raise PackagingError("a module of the functions' archive cannot be compiled: see above") from exc

    def write(folder: Path) -> None:
        # Compiling takes seconds; a change of bridge.toml changes no module.
        modules = _cached(root / "build" / "modules" / _hash(content)[:16], write_modules)
        shutil.copytree(modules, folder, dirs_exist_ok=True)
        _write(folder, {"bridge/config.json": config.encode()})

    fingerprint = _hash(content | {"bridge/config.json": config.encode()})
    folder = _cached((into or root / "build" / "function") / fingerprint[:16], write)
    return Archive(folder=folder, fingerprint=fingerprint)


def _cached(folder: Path, write: Callable[[Path], None]) -> Path:
    """Write the folder unless it exists; remove others beside it that were not used for a day."""
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".making-"))
        try:
            write(temporary)
            _normalise(temporary)
            temporary.rename(folder)
        except OSError:
            if not folder.exists():  # else another synth wrote it meanwhile
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    os.utime(folder, (FIXED_TIME, FIXED_TIME))  # sets ctime, which says when it was used last
    for other in set(folder.parent.iterdir()) - {folder}:
        with suppress(FileNotFoundError):  # another synth removed it
            if other.stat().st_ctime < time.time() - UNUSED_FOR:
                shutil.rmtree(other, ignore_errors=True)
    return folder


def _locked_versions(requirements: Path) -> dict[str, str]:
    """By dependency. Raises PackagingError if another version is installed here."""
    versions = dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", requirements.read_text(), re.MULTILINE))
    for name, locked in sorted(versions.items()):
        try:
            installed = version(name)
        except PackageNotFoundError:
            installed = "none"
        if installed != locked:
            raise PackagingError(
                f"{requirements.name} pins {name} {locked}, this environment has {installed}: run `make setup`"
            )
    return versions


def _files(name: str) -> Iterator[tuple[str, bytes]]:
    """A distribution's modules and the data that they read, by their path in the archive.

    Extension modules are left out: wcwidth has one and works without it.
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


def _normalise(folder: Path) -> None:
    """Modes and times that do not depend on who writes it, and when."""
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (FIXED_TIME, FIXED_TIME))


def _hash(parts: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, content in sorted(parts.items()):
        digest.update(f"{name}\n{len(content)}\n".encode() + content)
    return digest.hexdigest()
