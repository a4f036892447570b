"""The functions' archive: what is in it, what it is named after, and that it works by itself."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from infra import packaging
from infra.config import BridgeConfig
from infra.packaging import PackagingError, build
from tests.infra.conftest import ROOT

OURS = f"python{sys.version_info.major}.{sys.version_info.minor}"
OTHER = "python3.13" if OURS != "python3.13" else "python3.14"

SERVICES = ("connect", "connectparticipant", "dynamodb", "pinpoint-sms-voice-v2", "sqs")


@pytest.fixture(scope="session")
def archive(config: BridgeConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As it is made by the Python that the functions run on, with byte-code."""
    return build(config=config.runtime_json(), runtime=OURS, into=tmp_path_factory.mktemp("archives")).folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what goes into the hash, to be changed."""
    shutil.copytree(ROOT / "lambda", tmp_path / "lambda", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    return tmp_path


def zipped(folder: Path, to: Path) -> int:
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for path in folder.rglob("*"):
            file.write(path, path.relative_to(folder))
    return to.stat().st_size


# --- what is in it ----------------------------------------------------------------------------------------


def test_it_holds_pure_python_and_nothing_that_is_not_read(archive: Path) -> None:
    files = [path.relative_to(archive) for path in archive.rglob("*") if path.is_file()]
    others = {str(path) for path in files if path.suffix not in (".py", ".pyc")}
    assert {path for path in others if not path.startswith("botocore/data/")} == {
        "bridge/config.json",
        "botocore/cacert.pem",
    }
    assert not [path for path in files if {"tests", "test", "examples"} & set(path.parts)]
    assert not list(archive.glob("*.dist-info"))


def test_of_botocores_models_it_holds_the_current_ones_of_the_services_that_are_called(archive: Path) -> None:
    data = archive / "botocore/data"
    assert {path.name for path in data.iterdir()} == {
        *SERVICES,
        *("_retry.json", "endpoints.json", "partitions.json", "sdk-default-configuration.json"),
    }
    for service in SERVICES:
        (version,) = (data / service).iterdir()
        assert {path.name for path in version.iterdir()} == {"service-2.json.gz", "endpoint-rule-set-1.json.gz"}
    assert [path.name for path in (data / "dynamodb").iterdir()] == ["2012-08-10"]


def test_the_functions_configuration_goes_with_them(archive: Path, config: BridgeConfig) -> None:
    assert (archive / "bridge/config.json").read_text() == config.runtime_json()


def test_it_is_small(archive: Path, tmp_path: Path, config: BridgeConfig, capsys: pytest.CaptureFixture[str]) -> None:
    plain = build(config=config.runtime_json(), runtime=OTHER, into=tmp_path / "archives").folder
    assert zipped(plain, tmp_path / "plain.zip") < 2.2e6
    assert zipped(archive, tmp_path / "with-byte-code.zip") < 4.5e6
    capsys.readouterr()


def test_its_byte_code_is_taken_without_a_look_at_the_source(archive: Path) -> None:
    for source in archive.rglob("*.py"):
        compiled = Path(importlib.util.cache_from_source(str(source)))
        flags = int.from_bytes(compiled.read_bytes()[4:8], "little")
        assert flags == 0b01, source  # PEP 552: by hash, and not to be checked


def test_tracebacks_name_files_as_lambda_sees_them(archive: Path) -> None:
    compiled = next((archive / "bridge/__pycache__").glob("intake.*.pyc")).read_bytes()
    assert b"/var/task/bridge/intake.py" in compiled
    assert str(archive).encode() not in compiled


def test_files_look_the_same_whenever_they_are_made(archive: Path) -> None:
    for path in archive.rglob("*"):
        about = path.stat()
        assert about.st_mtime == packaging.FIXED_TIME
        assert about.st_mode & 0o777 == (0o755 if path.is_dir() else 0o644)


# --- what it is named after -------------------------------------------------------------------------------


def test_equal_sources_are_packaged_once(project: Path) -> None:
    first = build(config="{}", runtime=OURS, root=project)
    made = (first.folder / "bridge").stat().st_ctime_ns
    for source in (project / "lambda").rglob("*.py"):
        os.utime(source)
    again = build(config="{}", runtime=OURS, root=project)
    assert (again, (again.folder / "bridge").stat().st_ctime_ns) == (first, made)
    assert [path.name for path in first.folder.parent.iterdir()] == [first.folder.name]


def test_archives_that_nobody_wanted_for_a_day_are_removed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaging, "_files", lambda name: ())
    old = build(config="{}", runtime=OURS, root=project)
    new = build(config='{"new": 1}', runtime=OURS, root=project)
    assert old.folder.exists()
    tomorrow = old.folder.stat().st_ctime + packaging.UNUSED_FOR + 1
    monkeypatch.setattr("infra.packaging.time.time", lambda: tomorrow)
    assert build(config='{"new": 1}', runtime=OURS, root=project) == new
    assert [path.name for path in new.folder.parent.iterdir()] == [new.folder.name]


def _source(project: Path) -> None:
    with (project / "lambda/bridge/intake.py").open("a") as file:
        file.write("\n# changed\n")


def _new_module(project: Path) -> None:
    (project / "lambda/bridge/another.py").touch()


@pytest.mark.parametrize("change", [_source, _new_module])
def test_a_changed_source_is_another_archive(project: Path, monkeypatch: pytest.MonkeyPatch, change: object) -> None:
    monkeypatch.setattr(packaging, "_files", lambda name: ())
    before = build(config="{}", runtime=OURS, root=project)
    assert callable(change)
    change(project)
    assert build(config="{}", runtime=OURS, root=project).fingerprint != before.fingerprint


def test_another_configuration_or_runtime_is_another_archive(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(packaging, "_files", lambda name: ())
    made = [
        build(config=config, runtime=runtime, root=project).fingerprint
        for config, runtime in (("{}", OURS), ('{"routes": {}}', OURS), ("{}", OTHER))
    ]
    assert len(set(made)) == 3
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        f"packaging with Python {OURS.removeprefix('python')} for {OTHER}: functions are compiled at their cold start"
    ]


def test_a_dependency_that_is_not_the_locked_one_is_not_packaged(project: Path) -> None:
    locked = project / "requirements/function.txt"
    locked.write_text(locked.read_text().replace("boto3==", "boto3==0."))
    with pytest.raises(PackagingError, match=r"function\.txt pins boto3 0\..* has .*: run `make setup`"):
        build(config="{}", runtime=OURS, root=project)


# --- that it works by itself ------------------------------------------------------------------------------

CALLS = """
import json, sys
import boto3
assert boto3.__file__.startswith(sys.argv[1]), boto3.__file__
def client(service):
    return boto3.client(service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x",
                        endpoint_url=sys.argv[2])
client("sqs").get_queue_attributes(QueueUrl=sys.argv[2] + "/111122223333/q")
client("dynamodb").get_item(TableName="t", Key={"text_key": {"S": "k"}})
client("connect").send_chat_integration_event(SourceId="s", DestinationId="d", Event={"Type": "DISCONNECT"})
"""
HANDLERS = """
import sys
from bridge import forward, intake
assert intake.__file__.startswith(sys.argv[1]), intake.__file__
assert callable(intake.handler) and callable(forward.handler)
"""


def run(archive: Path, code: str, *arguments: str) -> None:
    """In a Python that has its standard library and the archive, and nothing else."""
    environment = {
        "PYTHONPATH": str(archive),
        "PYTHONDONTWRITEBYTECODE": "1",
        "POWERTOOLS_SERVICE_NAME": "test",
        "POWERTOOLS_METRICS_NAMESPACE": "SmsToConnect",
    }
    done = subprocess.run(
        [sys.executable, "-S", "-s", "-c", code, str(archive), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def endpoint() -> Iterator[tuple[str, list[str]]]:
    """Answers everything with an empty object, and notes what it was asked."""
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append(self.headers.get("X-Amz-Target", self.path))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(json.dumps({}).encode())

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_each_service_can_be_called_from_the_archive_alone(archive: Path, endpoint: tuple[str, list[str]]) -> None:
    url, asked = endpoint
    run(archive, CALLS, url)
    assert asked == ["AmazonSQS.GetQueueAttributes", "DynamoDB_20120810.GetItem", "/chat-integration-event"]


def test_both_handlers_load_from_the_archive_alone(archive: Path) -> None:
    run(archive, HANDLERS)
