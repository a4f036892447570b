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

    def phone(self, number: str | None = None, *, after: int = 0) -> list[dict[str, Any]]:
        """Texts that reached this phone (or any), in order: SendTextMessage's, and those of Connect itself."""
        params = {"after": after} | ({"number": number} if number else {})
        return self._call("GET", "/phone", params=params)["texts"]  # type: ignore[no-any-return]

    def notifications(self, *, after: int = 0) -> list[dict[str, Any]]:
        """What was to be published on streaming topics: topic, attributes, body, and how often it was."""
        return self._call("GET", "/notifications", params={"after": after})["notifications"]  # type: ignore[no-any-return]

    def publish_again(self, n: int, **how: Any) -> dict[str, Any]:
        """Publishes notification `n` once more: copies=m, delay=seconds."""
        return self._call("POST", "/notifications", json={"n": n, **how})

    def numbers(self) -> list[dict[str, Any]]:
        """Our numbers, as the double was told of them."""
        return self._call("GET", "/numbers")["numbers"]  # type: ignore[no-any-return]

    def know(self, numbers: list[dict[str, Any]]) -> None:
        """Tells the double of all our numbers: number and arn; also status, pool, two_way, channel, role, ...

        What is not said of one that it knows stays as it is.
        """
        self._call("POST", "/numbers", json=numbers)

    def know_pools(self, pools: list[dict[str, Any]]) -> None:
        """Tells the double of all our pools: id; also two_way, channel, role."""
        self._call("POST", "/pools", json=pools)

    def instances(self) -> list[dict[str, Any]]:
        return self._call("GET", "/instances")["instances"]  # type: ignore[no-any-return]

    def know_instances(self, instances: list[dict[str, Any]]) -> None:
        """Tells the double of all instances: id; also status, flows (id, type, state, status), numbers (arn, flow)."""
        self._call("POST", "/instances", json=instances)

    # What happens on the contact centre's side. `chat` is a contact id, an unambiguous beginning of one, or the
    # customer's number. All take copies=n and delay=seconds for the notifications, and answer with the ids after it.

    def reply(self, chat: str, text: str, **how: Any) -> dict[str, Any]:
        """By the agent; content_type= for another than text/plain, visibility= for other eyes."""
        return self._act("reply", chat, text=text, **how)

    def say(self, chat: str, text: str, *, role: str = "SYSTEM", **how: Any) -> dict[str, Any]:
        """By somebody else than the agent: SYSTEM, CUSTOM_BOT, SUPERVISOR."""
        return self._act("say", chat, text=text, role=role, **how)

    def attach(self, chat: str, name: str, **how: Any) -> dict[str, Any]:
        return self._act("attach", chat, text=name, **how)

    def event(self, chat: str, kind: str, **how: Any) -> dict[str, Any]:
        """typing, delivered or read."""
        return self._act("event", chat, text=kind, **how)

    def transfer(self, chat: str, **how: Any) -> dict[str, Any]:
        """To another agent: a new ContactId, the same InitialContactId."""
        return self._act("transfer", chat, **how)

    def leave(self, chat: str, **how: Any) -> dict[str, Any]:
        """The agent goes, the chat goes on."""
        return self._act("leave", chat, **how)

    def end(self, chat: str, **how: Any) -> dict[str, Any]:
        return self._act("end", chat, **how)

    def reset(self) -> None:
        self._call("POST", "/reset")

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _act(self, action: str, chat: str, **how: Any) -> dict[str, Any]:
        return self._call("POST", "/agent", json={"action": action, "chat": chat, **how})

    def _call(self, method: str, path: str, **how: Any) -> dict[str, Any]:
        response = self._http.request(method, f"/_double{path}", **how)
        if response.status_code == httpx.codes.BAD_REQUEST:
            raise ValueError(response.json()["error"])
        return response.raise_for_status().json()  # type: ignore[no-any-return]
