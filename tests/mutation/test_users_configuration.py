"""Tests and demo pass with an edited bridge.toml, which is README's first step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.config import load
from tests.mutation.harness import ROOT, Copy

AFFECTED = (
    "tests/unit/infra/test_config.py",
    "tests/unit/infra/test_mistakes.py",
    "tests/unit/ops/test_demo.py",
    "tests/unit/ops/doctor/test_command.py",
    "tests/unit/bench/test_flood.py",
    "tests/unit/ops/test_sandbox.py",
)
"""Tests that could depend on bridge.toml. tests/conftest.py lets no test read it."""
SLOW = (
    "tests/unit/infra/test_mistakes.py::test_nothing_that_toml_can_hold_makes_it_crash",
    "tests/unit/bench/test_flood.py::test_a_flood_uses_the_quota_and_leaves_others_their_share",
)

_IN_LONDON = """
delivery = "start-chat"
[start_chat]
instance_arn = "arn:aws:connect:eu-west-2:444455556666:instance/aaaaaaaa-1234-1234-1234-123456789012"
contact_flow_id = "bbbbbbbb-1234-1234-1234-123456789012"
[[numbers]]
number = "+442079460101"
arn = "arn:aws:sms-voice:eu-west-2:444455556666:phone-number/phone-00000000000000000000000000000001"
"""
_THIRTY = """
[chat]
display_name = "SMS {customer}"
disconnect_keywords = ["STOP", "ENDE", "FIN"]
show_disconnect_keyword = false
body_attribute = "firstText"
[limits]
connect_rate = 3
max_concurrency = 30
part_length = 64
give_up_after = "1h"
call_timeout = "1500ms"
[operation]
log_level = "DEBUG"
alarm_email = "ops@example.com"
expect_texts_every = "4h"
""" + "".join(
    f'[[numbers]]\nnumber = "+121255501{last}"\n'
    f'arn = "arn:aws:sms-voice:us-east-1:111122223333:phone-number/phone-{last:032}"\n'
    for last in range(30, 60)
)
_GOVERNMENT = """
stack = "Texts"
runtime = "python3.14"
[[numbers]]
number = "+12025550101"
arn = "arn:aws-us-gov:sms-voice:us-gov-west-1:444455556666:phone-number/phone-00000000000000000000000000000001"
"""
EDITED = {"another-region-by-start-chat": _IN_LONDON, "thirty-numbers": _THIRTY, "us-government": _GOVERNMENT}
BROKEN = '[limits\nconnect_rate = "'


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    copy = Copy.create(tmp_path_factory.mktemp("edited"))
    yield copy
    copy.end()


@pytest.mark.parametrize("text", EDITED.values(), ids=EDITED)
def test_what_others_may_write_into_bridge_toml_is_valid(text: str, tmp_path: Path) -> None:
    path = tmp_path / "bridge.toml"
    path.write_text(text, encoding="utf-8")
    assert load(path).numbers


@pytest.mark.parametrize("text", [*EDITED.values(), BROKEN], ids=[*EDITED, "broken"])
def test_tests_and_demo_are_as_green_with_another_bridge_toml(text: str, copy: Copy) -> None:
    (copy.root / "bridge.toml").write_text(text, encoding="utf-8")
    run = copy.test([*AFFECTED, *(f"--deselect={test}" for test in SLOW)])
    assert run.code == 0, run.output
    assert all(any(node.startswith(file) for node in run.cases) for file in AFFECTED)


def test_a_test_that_reads_bridge_toml_fails() -> None:
    with pytest.raises(AssertionError, match="tests have configurations of their own"):
        load(ROOT / "bridge.toml")
