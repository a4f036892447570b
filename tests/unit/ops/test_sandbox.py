"""`bridge sandbox up`: which configuration it deploys, and what it says to do next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ops.cli import run
from sandbox.lifecycle import Sandbox
from sandbox.state import ROOT, SandboxError

NUMBERS = """
[[numbers]]
number = "+12125550{last}"
arn = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-0123456789abcdef"
"""


def test_without_a_choice_the_users_own_bridge_toml_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    deployed: list[Any] = []

    def up(*_: Any, **options: Any) -> Sandbox:
        deployed.append(options["config"])
        raise SandboxError("far enough")

    monkeypatch.setattr(Sandbox, "up", up)
    assert run(["sandbox", "up"]) == 2
    assert deployed == [ROOT / "bridge.toml"]


@pytest.mark.parametrize(
    ("last", "hint"), [(101, "events/\n"), (198, "events/ --to +12125550198\n")], ids=["there", "not-there"]
)
def test_the_samples_are_replayed_to_a_number_that_is_there(
    last: int, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "mine.toml"
    config.write_text(NUMBERS.format(last=last))
    monkeypatch.setattr(Sandbox, "up", lambda *_, **__: None)
    monkeypatch.setattr("ops.sandbox._show", lambda *_: None)
    assert run(["sandbox", "up", "--config", str(config)]) == 0
    assert f"replay texts: bridge replay {hint}" in capsys.readouterr().out
