"""The template as a whole: that it is sound, and what a change changes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from tests.infra.conftest import CONFIGURATIONS, Built, Synthesised, elsewhere


@pytest.mark.parametrize("name", [name for name in CONFIGURATIONS if name != "elsewhere"])
def test_the_template_is_the_one_that_was_looked_at(
    built: Callable[[str], Built], name: str, snapshot: SnapshotAssertion
) -> None:
    """`pytest tests/infra --snapshot-update` takes the new one."""
    assert without_hashes(built(name).stack.template) == snapshot(extension_class=JSONSnapshotExtension)


def test_another_region_and_account_change_nothing_but_their_names(built: Callable[[str], Built]) -> None:
    here, there = (without_hashes(built(name).stack.template) for name in ("mixed", "elsewhere"))
    assert there != here
    assert there == json.loads(elsewhere(json.dumps(here)))


def without_hashes(template: Any) -> Any:
    """Of the functions' archive, and of the settings: they change with every default."""
    text = re.sub(r'"[0-9a-f]{64}\.zip"', '"<functions>.zip"', json.dumps(template))
    return json.loads(re.sub(r'"Value": "[0-9a-f]{16}"', '"Value": "<settings>"', text))


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_cfn_lint_finds_no_error(built: Callable[[str], Built], name: str) -> None:
    lint = [str(Path(sys.executable).with_name("cfn-lint")), "--non-zero-exit-code", "error"]
    done = subprocess.run([*lint, str(built(name).template_file)], capture_output=True, text=True, check=False)
    assert (done.returncode, re.findall(r"^E\d+", done.stdout, re.MULTILINE)) == (0, []), done.stdout + done.stderr


def test_nothing_is_reported_about_the_deployer(stack: Synthesised) -> None:
    assert "AWS::CDK::Metadata" not in {resource["Type"] for resource in stack.template["Resources"].values()}
