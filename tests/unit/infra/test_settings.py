"""Each setting of bridge.toml reaches config.json, which the functions read.

What a setting does to the template is in tests/infra/test_settings.py.
"""

from __future__ import annotations

import copy
import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from pydantic import BaseModel

from infra.config import BridgeConfig, load
from testing.bridge_toml import BASE, CHANGES, CHATS, EVENTS, START_CHAT_ONLY


def runtime(raw: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    path = folder / "bridge.toml"
    path.write_text(tomlkit.dumps(raw))
    return dict(json.loads(load(path).runtime_json()))


def leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Values by place. An empty object, and one that is compared as a whole, counts as a value."""
    if isinstance(value, dict) and value and not place.endswith(".attributes"):
        for name, inner in value.items():
            yield from leaves(inner, f"{place}.{name}".lstrip("."))
    else:
        yield place, value


@pytest.mark.parametrize("setting", CHANGES)
def test_a_setting_changes_config_json_only_where_it_should(setting: str, tmp_path: Path) -> None:
    value, expected = CHANGES[setting]
    raw: Any = copy.deepcopy(dict(BASE))
    *section, name = setting.split(".")
    table = raw["numbers"][1 if setting in START_CHAT_ONLY else 0] if section == ["numbers"] else raw
    if section and section != ["numbers"]:
        table = raw.setdefault(section[0], {})
    table[name] = value
    before, after = dict(leaves(runtime(BASE, tmp_path))), dict(leaves(runtime(raw, tmp_path)))
    changed = {place for place in before.keys() | after.keys() if before.get(place) != after.get(place)}
    assert {place for place in changed if not any(_within(place, one) for one in expected)} == set()
    for place, meant in expected.items():
        assert any(_within(one, place) for one in changed), place
        if meant not in (None, ...):
            assert {one: after[one] for one in after if _within(one, place)} == dict(leaves(meant, place))


def _within(place: str, whole: str) -> bool:
    return place == whole or place.startswith(f"{whole}.")


def test_no_setting_is_left_out() -> None:
    def settings(model: type[BaseModel], place: str = "") -> Iterator[str]:
        for name, about in model.model_fields.items():
            inner = [one for one in (about.annotation, *getattr(about.annotation, "__args__", ())) if _is_model(one)]
            if inner:
                yield from settings(inner[0], f"{name}.")
            else:
                yield f"{place}{name}"

    assert {*settings(BridgeConfig)} == CHANGES.keys()


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def test_the_base_is_read_as_any_other_file(tmp_path: Path) -> None:
    assert tomllib.loads(tomlkit.dumps(BASE)) == BASE
    assert set(runtime(BASE, tmp_path)["routes"]) == {EVENTS, CHATS}
