"""`cdk synth` as a deployer runs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.infra.conftest import BRIDGE_TOML, ROOT

NO_AWS = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}


def synth(config: Path, outdir: Path) -> subprocess.CompletedProcess[str]:
    """Without settings of AWS, and without variables that silence jsii."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "JSII_", "CDK_"))
    } | NO_AWS
    return subprocess.run(
        [ROOT / "node_modules/.bin/cdk", "synth", "--quiet", "--output", outdir, "--context", f"config={config}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module", autouse=True)
def _cdk() -> None:
    if not (ROOT / "node_modules/.bin/cdk").exists() or not shutil.which("node"):
        pytest.fail("the CDK command line tool is missing: run `make setup`")


def test_synth_needs_no_aws_and_says_nothing_when_all_is_well(tmp_path: Path) -> None:
    runtime = f"python{sys.version_info.major}.{sys.version_info.minor}"
    config = tmp_path / "bridge.toml"
    config.write_text(f'runtime = "{runtime}"\n{BRIDGE_TOML}')
    done = synth(config, tmp_path / "cdk.out")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "cdk.out" / "Bridge.template.json").exists()


def test_synth_says_in_one_line_that_the_reply_path_stays_for_open_chats(tmp_path: Path) -> None:
    runtime = f"python{sys.version_info.major}.{sys.version_info.minor}"
    config = tmp_path / "bridge.toml"
    instance = "arn:aws:connect:us-east-1:111122223333:instance/12345678-1234-1234-1234-123456789012"
    config.write_text(f'runtime = "{runtime}"\n[start_chat]\ninstance_arn = "{instance}"\n{BRIDGE_TOML}')
    done = synth(config, tmp_path / "cdk.out")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines() == [
        f"{config}: no number starts chats any more; the reply path stays for those that are still open, while an "
        "instance is named: take out start_chat.instance_arn when they are over, and deploy again"
    ]


def test_synth_of_a_bad_configuration_says_each_mistake_in_a_line_and_fails(tmp_path: Path) -> None:
    config = tmp_path / "bridge.toml"
    config.write_text('[limits]\nconnect_rate = "fast"\n\n[[numbers]]\nnumber = "12125550101"\n')
    done = synth(config, tmp_path / "cdk.out")
    assert (done.returncode, done.stdout) == (1, "")
    *mistakes, last = done.stderr.splitlines()
    assert [line.removeprefix(f"{config}:").split(": ")[:2] for line in mistakes] == [
        ["2", "limits.connect_rate"],
        ["4", "numbers[1].arn"],
        ["5", "numbers[1].number"],
    ]
    assert last == ".venv/bin/python app.py: Subprocess exited with error 1"  # the CLI's own


def test_synth_of_a_missing_configuration_says_so_in_a_line(tmp_path: Path) -> None:
    done = synth(tmp_path / "none.toml", tmp_path / "cdk.out")
    assert done.returncode == 1
    assert done.stderr.splitlines()[0].startswith(f"{tmp_path}/none.toml: there is no such file")
    assert "Traceback" not in done.stderr
