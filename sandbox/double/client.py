"""The double's controls, for tests and commands."""

from __future__ import annotations

from typing import Any, Self

import httpx


class Double:
    """A running double, reached over HTTP. Raises ValueError for a control that it does not take."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=10, trust_env=False)

    def journal(self, *, after: int = 0) -> list[dict[str, Any]]:
        """Accepted calls in order; `after` is the `n` of the last one already read."""
        return self._call("GET", "/journal", params={"after": after})["entries"]  # type: ignore[no-any-return]

    def chats(self) -> list[dict[str, Any]]:
        return self._call("GET", "/chats")["chats"]  # type: ignore[no-any-return]

    def status(self) -> dict[str, Any]:
        return self._call("GET", "/status")

    def fault(self, kind: str, **how: Any) -> None:
        """Adds a fault: `times=n`, or `share=0.3, seed=7`, or until removed; also operation, source, seconds."""
        self._call("POST", "/faults", json={"fault": kind, **how})

    def clear_faults(self) -> None:
        self._call("DELETE", "/faults")

    def settings(self, **changes: Any) -> None:
        self._call("POST", "/settings", json=changes)

    def reset(self) -> None:
        self._call("POST", "/reset")

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(self, method: str, path: str, **how: Any) -> dict[str, Any]:
        response = self._http.request(method, f"/_double{path}", **how)
        if response.status_code == httpx.codes.BAD_REQUEST:
            raise ValueError(response.json()["error"])
        return response.raise_for_status().json()  # type: ignore[no-any-return]
