"""The functions' archive: what is in it, what it is named after, and that it works by itself."""

from __future__ import annotations

import importlib.util
import os
import shutil
import zipfile
from pathlib import Path

import pytest

from infra import packaging
from infra.config import BridgeConfig
from infra.models import OPERATIONS
from infra.packaging import PackagingError, build
from tests.infra.conftest import OURS, ROOT

OTHER = "python3.13" if OURS != "python3.13" else "python3.14"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what goes into the hash, to be changed."""
    shutil.copytree(ROOT / "lambda", tmp_path / "lambda", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    return tmp_path


@pytest.fixture
def no_other_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.packaging.shutil.which", lambda _: None)


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
        *OPERATIONS,
        *("endpoints.json", "partitions.json", "sdk-default-configuration.json"),
    }
    for service in OPERATIONS:
        (version,) = (data / service).iterdir()
        assert {path.name for path in version.iterdir()} == {"service-2.json", "endpoint-rule-set-1.json"}
    assert [path.name for path in (data / "dynamodb").iterdir()] == ["2012-08-10"]


def test_the_functions_configuration_goes_with_them(archive: Path, config: BridgeConfig) -> None:
    assert (archive / "bridge/config.json").read_text() == config.runtime_json()


@pytest.mark.usefixtures("no_other_python")
def test_it_is_small(archive: Path, tmp_path: Path, config: BridgeConfig, capsys: pytest.CaptureFixture[str]) -> None:
    plain = build(config=config.runtime_json(), runtime=OTHER, into=tmp_path / "archives").folder
    assert zipped(plain, tmp_path / "plain.zip") < 1.2e6
    assert zipped(archive, tmp_path / "with-byte-code.zip") < 3e6
    capsys.readouterr()


def test_its_byte_code_is_taken_without_a_look_at_the_source(archive: Path) -> None:
    for source in archive.rglob("*.py"):
        compiled = Path(importlib.util.cache_from_source(str(source)))
        flags = int.from_bytes(compiled.read_bytes()[4:8], "little")
        assert flags == 0b01, source  # PEP 552: by hash, and not to be checked


def test_its_byte_code_is_that_of_the_functions_python_where_that_is_on_the_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found, told = tmp_path / OTHER, tmp_path / "told"
    found.write_text(f'#!/bin/sh\necho "$*" >> {told}\necho {OTHER.removeprefix("python")}.1\n')
    found.chmod(0o755)
    monkeypatch.setattr("infra.packaging.shutil.which", {OTHER: str(found)}.get)
    monkeypatch.setattr(packaging, "_files", lambda name: ())
    build(config="{}", runtime=OTHER, into=tmp_path / "archives")
    assert capsys.readouterr().err == ""
    assert "-m compileall -q -j 0" in told.read_text().splitlines()[-1]


def test_a_python_that_only_bears_the_name_compiles_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("infra.packaging.shutil.which", lambda _: "/bin/false")
    monkeypatch.setattr(packaging, "_files", lambda name: ())
    build(config="{}", runtime=OTHER, into=tmp_path / "archives")
    assert capsys.readouterr().err.startswith("packaging without byte-code")


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


@pytest.mark.usefixtures("no_other_python")
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
        f"packaging without byte-code, for want of {OTHER}: each cold start takes twice as long"
    ]


def test_a_dependency_that_is_not_the_locked_one_is_not_packaged(project: Path) -> None:
    locked = project / "requirements/function.txt"
    locked.write_text(locked.read_text().replace("botocore==", "botocore==0."))
    with pytest.raises(PackagingError, match=r"function\.txt pins botocore 0\..* has .*: run `make setup`"):
        build(config="{}", runtime=OURS, root=project)
