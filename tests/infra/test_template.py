"""The template as a whole: that it is sound, and what a change changes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

from tests.infra.conftest import Synthesised


def test_the_template_is_the_one_that_was_looked_at(stack: Synthesised, snapshot: SnapshotAssertion) -> None:
    """`pytest tests/infra --snapshot-update` takes the new one."""
    assert without_hashes(stack.template) == snapshot(extension_class=JSONSnapshotExtension)


def without_hashes(template: Any) -> Any:
    """Of the functions' archive, and of the settings: they change with every default."""
    text = re.sub(r'"[0-9a-f]{64}\.zip"', '"<functions>.zip"', json.dumps(template))
    return json.loads(re.sub(r'"Value": "[0-9a-f]{16}"', '"Value": "<settings>"', text))


def test_cfn_lint_finds_no_error(template_file: Path) -> None:
    lint = [str(Path(sys.executable).with_name("cfn-lint")), "--non-zero-exit-code", "error", str(template_file)]
    done = subprocess.run(lint, capture_output=True, text=True, check=False)
    assert (done.returncode, re.findall(r"^E\d+", done.stdout, re.MULTILINE)) == (0, []), done.stdout + done.stderr


def test_nothing_is_reported_about_the_deployer(stack: Synthesised) -> None:
    assert "AWS::CDK::Metadata" not in {resource["Type"] for resource in stack.template["Resources"].values()}
