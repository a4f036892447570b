"""Where the stack can be deployed to: the account and Region of the numbers, in either partition."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.config import load
from sandbox.state import ACCOUNT, REGION
from tests.infra.conftest import EVERYTHING_TOML, Synthesised, build_app

ELSEWHERE = {
    "another account and Region": ("aws", "eu-west-1", "444455556666"),
    "GovCloud": ("aws-us-gov", "us-gov-west-1", "444455556666"),
}


@pytest.fixture(scope="module", params=ELSEWHERE)
def elsewhere(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A stack for another location: partition, Region, account, and the stack in the cloud assembly."""
    partition, region, account = ELSEWHERE[request.param]
    folder = tmp_path_factory.mktemp("elsewhere")
    text = EVERYTHING_TOML.replace("111122223333", account).replace("us-east-1", region)
    (folder / "bridge.toml").write_text(text.replace("arn:aws:", f"arn:{partition}:"))
    assembly = build_app(load(folder / "bridge.toml"), folder / "out").synth()
    return partition, region, account, assembly.get_stack_by_name("Other")


def test_the_stack_is_for_the_account_and_region_of_the_numbers(elsewhere: Any) -> None:
    _, region, account, stack = elsewhere
    assert (stack.environment.account, stack.environment.region) == (account, region)


def test_no_logical_id_and_no_output_depends_on_the_place(elsewhere: Any, everything: Synthesised) -> None:
    for section in ("Resources", "Outputs"):
        assert elsewhere[-1].template[section].keys() == everything.template[section].keys()


def test_every_arn_is_of_the_place_or_left_to_cloudformation(elsewhere: Any) -> None:
    partition, region, account, stack = elsewhere
    arns = re.findall(r"arn:(aws[a-z-]*):[a-z-]+:([a-z0-9-]*):([0-9]*):", json.dumps(stack.template))
    assert arns and {arn[0] for arn in arns} == {partition}
    assert {arn[1:] for arn in arns} <= {(region, account), ("", account)}


def test_services_are_called_as_they_are_in_every_partition(elsewhere: Any) -> None:
    text = json.dumps(elsewhere[-1].template)
    assert set(re.findall(r"[a-z-]+\.amazonaws\.com[.a-z]*", text)) == {
        *("cloudwatch.amazonaws.com", "connect.amazonaws.com", "lambda.amazonaws.com"),
        *("sms-voice.amazonaws.com", "sns.amazonaws.com"),
    }
    assert "AWS::URLSuffix" not in text


def test_cfn_lint_finds_no_error_there(elsewhere: Any) -> None:
    lint = [str(Path(sys.executable).with_name("cfn-lint")), "--non-zero-exit-code", "error"]
    command = [*lint, "--regions", elsewhere[1], "--template", elsewhere[-1].template_full_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_sandbox_deploys_the_numbers_of_any_account_to_its_own(tmp_path: Path) -> None:
    (tmp_path / "bridge.toml").write_text(EVERYTHING_TOML.replace("us-east-1:111122223333", "eu-west-1:444455556666"))
    app = build_app(load(tmp_path / "bridge.toml"), tmp_path / "out", sandbox=f"{ACCOUNT}/{REGION}")
    environment = app.synth().get_stack_by_name("Other").environment
    assert (environment.account, environment.region) == (ACCOUNT, REGION)
