"""The copy of what is discarded: JSON lines for their owner's eyes only, on the disk before anything is gone."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ops.target import TargetError


class Copy:
    """Is made when something is first written to it, and never overwrites a file. Raises TargetError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    def __enter__(self) -> Self:
        if self.path.exists():
            raise TargetError(f"{self.path} is there already: name another file with --copy")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            os.close(self._file)

    @property
    def made(self) -> bool:
        return self._file is not None

    def keep(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """They are on the disk when this returns."""
        lines = "".join(json.dumps(entry) + "\n" for entry in entries)
        try:
            if self._file is None:
                self._file = self._make()
            left = lines.encode()
            while left:
                left = left[os.write(self._file, left) :]
            os.fsync(self._file)
        except OSError as exc:
            raise TargetError(f"{self.path} cannot be written: {exc.strerror}; nothing more was discarded") from exc

    def _make(self) -> int:
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return file
