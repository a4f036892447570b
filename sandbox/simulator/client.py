"""A client of the simulator's controls, for tests and commands."""

from __future__ import annotations

from typing import Any, Self

import httpx


class Simulator:
    """A running simulator, by its URL. Methods raise ValueError when it refuses the request."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=10, trust_env=False)

    def journal(self, *, after: int = 0) -> list[dict[str, Any]]:
        """Accepted calls in order. after: the `n` of the last entry already read."""
        return self._list("/journal", {"after": after})

    def chats(self) -> list[dict[str, Any]]:
        return self._list("/chats")

    def status(self) -> dict[str, Any]:
        return self._call("GET", "/status")

    def fault(self, kind: str, **how: Any) -> None:
        """Adds a fault. how: `times`, or `share` and `seed`, else until removed; also operation, source, seconds."""
        self._call("POST", "/faults", json={"fault": kind, **how})

    def clear_faults(self) -> None:
        self._call("DELETE", "/faults")

    def settings(self, **changes: Any) -> None:
        self._call("POST", "/settings", json=changes)

    def phone(self, number: str | None = None) -> list[dict[str, Any]]:
        """Texts that this phone (or any) received, in order, from SendTextMessage and from Connect itself."""
        return self._list("/phone", {"number": number} if number else None)

    def notifications(self) -> list[dict[str, Any]]:
        """Notifications to streaming topics: topic, attributes, body, and how often each was published."""
        return self._list("/notifications")

    def publish_again(self, n: int, **how: Any) -> dict[str, Any]:
        """Publishes notification `n` again. how: copies, delay in seconds."""
        return self._call("POST", "/notifications", json={"n": n, **how})

    def numbers(self) -> list[dict[str, Any]]:
        """The business numbers."""
        return self._list("/numbers")

    def set_numbers(self, numbers: list[dict[str, Any]]) -> None:
        """Replaces the business numbers: `number` and `arn`; also the other fields of `resources.Number`.

        A number that was there keeps the fields that are not given.
        """
        self._call("POST", "/numbers", json=numbers)

    def set_pools(self, pools: list[dict[str, Any]]) -> None:
        """Replaces the pools: `id`; also two_way, channel, role."""
        self._call("POST", "/pools", json=pools)

    def instances(self) -> list[dict[str, Any]]:
        return self._list("/instances")

    def set_instances(self, instances: list[dict[str, Any]]) -> None:
        """Replaces the instances: `id`; also status, flows (id, type, state, status), numbers (arn, flow)."""
        self._call("POST", "/instances", json=instances)

    # Actions in a chat. chat: a contact id, a prefix of one, or the customer number. All take copies and delay (in
    # seconds) of the notifications, and return the chat's ids afterwards.

    def reply(self, chat: str, text: str, **how: Any) -> dict[str, Any]:
        """A message of the agent. how: content_type, visibility."""
        return self._act("reply", chat, text=text, **how)

    def say(self, chat: str, text: str, **how: Any) -> dict[str, Any]:
        """A message of another role. how: role (SYSTEM by default, CUSTOM_BOT or SUPERVISOR)."""
        return self._act("say", chat, text=text, **how)

    def attach(self, chat: str, name: str, **how: Any) -> dict[str, Any]:
        return self._act("attach", chat, text=name, **how)

    def event(self, chat: str, kind: str, **how: Any) -> dict[str, Any]:
        """kind: typing, delivered or read."""
        return self._act("event", chat, text=kind, **how)

    def transfer(self, chat: str, **how: Any) -> dict[str, Any]:
        """Transfers to another agent: a new ContactId, the same InitialContactId."""
        return self._act("transfer", chat, **how)

    def leave(self, chat: str, **how: Any) -> dict[str, Any]:
        """The agent leaves; the chat stays active."""
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

    def _list(self, path: str, params: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        ((_, found),) = self._call("GET", path, params=params).items()
        return found  # type: ignore[no-any-return]

    def _call(self, method: str, path: str, **how: Any) -> dict[str, Any]:
        response = self._http.request(method, f"/_simulator{path}", **how)
        if response.status_code == httpx.codes.BAD_REQUEST:
            raise ValueError(response.json()["error"])
        return response.raise_for_status().json()  # type: ignore[no-any-return]
