"""The functions' archive: lambda/bridge, the compiled configuration and pure-Python dependencies, without a network.

Dependencies are copied from the environment that runs this, at the versions in requirements/function.txt, as far as
they are used. The folder is named after the hash of its sources: equal sources do not redeploy.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

from infra import models

ROOT = Path(__file__).parent.parent
FIXED_TIME = 315532800
"""1980-01-01 UTC, the first day that a zip archive knows."""
UNUSED_FOR = 24 * 3600.0
"""Seconds after which an archive that no synth wanted is removed: each change of a source leaves one behind."""

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


@dataclass(frozen=True, slots=True)
class _Python:
    path: str
    version: str


def build(*, config: str, runtime: str, root: Path = ROOT, into: Path | None = None) -> Archive:
    """Make the archive, or find it made already; `config` is the JSON that the functions read.

    Byte-code goes in when the functions' own Python is here, be it this one: their folder is read-only, so everything
    would be compiled anew at each cold start. Otherwise a line on stderr says so. Raises PackagingError.
    """
    pins = _pins(root / "requirements" / "function.txt")
    sources = {
        path.relative_to(root / "lambda").as_posix(): path.read_bytes()
        for path in sorted((root / "lambda" / "bridge").rglob("*.py"))
    } | {"bridge/config.json": config.encode()}
    python = _python(runtime)
    if not python:
        sys.stderr.write(f"packaging without byte-code, for want of {runtime}: each cold start takes twice as long\n")
    made_of = sources | {
        "dependencies": repr(pins).encode(),
        "byte-code": python.version.encode() if python else b"",
        "packaging": Path(__file__).read_bytes() + Path(models.__file__).read_bytes(),
    }
    fingerprint = _hash(made_of)
    folder = (into or root / "build" / "function") / fingerprint[:16]
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".making-"))
        try:
            _write(making, sources)
            for name in pins:
                _write(making, dict(_files(name)))
            if python:
                _compile(making, python)
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
    return Archive(folder=folder, fingerprint=fingerprint)


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


def _python(runtime: str) -> _Python | None:
    """This interpreter, or one on the PATH."""
    ours = f"python{sys.version_info.major}.{sys.version_info.minor}"
    path = sys.executable if runtime == ours else shutil.which(runtime)
    if path is None:
        return None
    said = subprocess.run([path, "-c", "import sys; print(sys.version)"], capture_output=True, text=True, check=False)  # noqa: S603
    return _Python(path, said.stdout) if f"python{said.stdout}".startswith(f"{runtime}.") else None


def _compile(folder: Path, python: _Python) -> None:
    """Byte-code that Python takes as it is, without a look at the source's time or content."""
    options = ["-q", "-j", "0", "-s", str(folder), "-p", "/var/task", "--invalidation-mode", "unchecked-hash"]
    if subprocess.run([python.path, "-m", "compileall", *options, str(folder)], check=False).returncode:  # noqa: S603
        raise PackagingError("a module of the functions' archive cannot be compiled: see above")


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
