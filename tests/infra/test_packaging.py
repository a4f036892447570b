"""The functions' archive: its content, its byte-code and its fingerprint."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Mapping
from importlib.util import cache_from_source, source_hash
from pathlib import Path

import pytest

from infra.config import BridgeConfig
from infra.packaging import PackagingError, build, bytecode
from infra.packaging import archive as packaging
from infra.packaging.models import OPERATIONS
from tests.infra.conftest import ROOT, RUNTIME

SHIPPED = "python3.13"
"""The default runtime."""
MAGIC: Mapping[str, bytes] = {
    "python3.11": (3495).to_bytes(2, "little") + b"\r\n",
    "python3.12": (3531).to_bytes(2, "little") + b"\r\n",
    "python3.13": (3571).to_bytes(2, "little") + b"\r\n",
    "python3.14": (3627).to_bytes(2, "little") + b"\r\n",
}
"""importlib.util.MAGIC_NUMBER of each runtime: CPython has them in Include/internal/pycore_magic_number.h (3.14)."""
LOADS = """
import importlib.util, json, marshal, pathlib, sys
from importlib._bootstrap_external import SourceLoader

compiled = list(pathlib.Path("/var/task").rglob("*.pyc"))
for path in compiled:
    written = path.read_bytes()
    assert written[:4] == importlib.util.MAGIC_NUMBER, path
    code = marshal.loads(written[16:])
    assert code.co_filename == importlib.util.source_from_cache(str(path)), code.co_filename

def not_compiled(self, data, path, **_):
    raise AssertionError(f"{path} is compiled anew")

SourceLoader.source_to_code = not_compiled
sys.path.insert(0, "/var/task")
for name in "processing.splitting", "texts.chat_messages", "replies.chat_events", "processing.rate_limiter":
    __import__(f"bridge.{name}")
for name in "jmespath", "wcwidth":
    __import__(name)
json.dumps([sys.version, len(compiled)])
"""
RUN = """
const { loadPyodide } = await import(process.argv[1]);
const python = await loadPyodide();
python.FS.mkdirTree("/var/task");
python.FS.mount(python.FS.filesystems.NODEFS, { root: process.argv[2] }, "/var/task");
try {
  console.log(python.runPython(process.argv[3]));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what goes into the fingerprint, for tests that change it."""
    return copied(tmp_path)


def copied(folder: Path) -> Path:
    shutil.copytree(ROOT / "lambda", folder / "lambda", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "requirements", folder / "requirements")
    return folder


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bytecode, "compiler", lambda runtime: None)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No dependencies, and a compiler that writes nothing: the fingerprint needs neither."""
    monkeypatch.setattr(packaging, "_files", lambda name: ())
    monkeypatch.setattr(bytecode.Compiler, "compile", lambda self, folder: None)


@pytest.fixture(scope="session")
def shipped(config: BridgeConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of the default configuration, whatever Python packages it."""
    assert config.runtime == SHIPPED
    into = tmp_path_factory.mktemp("archives")
    return build(config=config.runtime_json(), runtime=config.runtime, into=into).folder


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def zipped(folder: Path, to: Path) -> int:
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for path in folder.rglob("*"):
            file.write(path, path.relative_to(folder))
    return to.stat().st_size


# --- content ----------------------------------------------------------------------------------------


def test_it_holds_pure_python_and_nothing_that_is_not_read(archive: Path) -> None:
    files = [path.relative_to(archive) for path in archive.rglob("*") if path.is_file()]
    others = {str(path) for path in files if path.suffix not in (".py", ".pyc")}
    assert {path for path in others if not path.startswith("botocore/data/")} == {
        "bridge/config.json",
        "botocore/cacert.pem",
    }
    assert not [path for path in files if {"tests", "test", "examples"} & set(path.parts)]
    assert not list(archive.glob("*.dist-info"))


def test_it_holds_current_models_of_the_called_services_only(archive: Path) -> None:
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


@pytest.mark.usefixtures("no_compiler")
def test_it_is_small(shipped: Path, tmp_path: Path, config: BridgeConfig, capsys: pytest.CaptureFixture[str]) -> None:
    plain = build(config=config.runtime_json(), runtime=SHIPPED, into=tmp_path / "archives").folder
    assert zipped(plain, tmp_path / "plain.zip") < 1.2e6
    assert zipped(shipped, tmp_path / "with-byte-code.zip") < 3e6
    capsys.readouterr()


# --- byte-code --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["shipped", "archive"])
def test_each_module_has_byte_code_of_the_configured_runtime(which: str, request: pytest.FixtureRequest) -> None:
    """Also if another Python does the packaging, as for one of the two."""
    folder, runtime = request.getfixturevalue(which), {"shipped": SHIPPED, "archive": RUNTIME}[which]
    sources = list(folder.rglob("*.py"))
    assert len(sources) > 200
    tag = f"cpython-{runtime.removeprefix('python').replace('.', '')}"
    expected = {source.parent / "__pycache__" / f"{source.stem}.{tag}.pyc" for source in sources}
    assert set(folder.rglob("*.pyc")) == expected
    assert {path.read_bytes()[:4] for path in expected} == {MAGIC[runtime]}


def test_its_byte_code_is_used_without_checking_the_source(archive: Path) -> None:
    for source in archive.rglob("*.py"):
        compiled = Path(cache_from_source(str(source))).read_bytes()
        assert int.from_bytes(compiled[4:8], "little") == 0b01, source  # PEP 552: by hash, and not to be checked
        assert compiled[8:16] == source_hash(source.read_bytes()), source


@pytest.mark.parametrize("runtime", MAGIC)
def test_each_runtime_has_a_pinned_compiler_that_is_its_python(runtime: str, tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("def f(): return 1\n")
    compiler = bytecode.compiler(runtime)
    assert compiler, f"package.json pins none for {runtime}, or it is not installed: run `make setup`"
    compiler.compile(tmp_path)
    (compiled,) = tmp_path.rglob("*.pyc")
    assert compiled.read_bytes()[:4] == MAGIC[runtime]


def test_the_runtimes_own_python_loads_all_of_it_and_compiles_nothing(shipped: Path) -> None:
    """Not the handlers: they need the ssl module, which this build of CPython lacks."""
    package = ROOT / "node_modules/pyodide-3.13/pyodide.mjs"
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", RUN, package.as_uri(), str(shipped), LOADS],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    version, loaded = json.loads(done.stdout)
    assert version.startswith("3.13.") and loaded == len(list(shipped.rglob("*.py")))


def test_equal_sources_are_the_same_archive_byte_for_byte_on_any_machine(tmp_path: Path) -> None:
    """With another folder, umask, temporary folder, hash seed, locale, time zone and time."""
    code = (
        "import os, sys; from pathlib import Path; from infra.packaging import build; os.umask(int(sys.argv[2], 8));"
        f"print(build(config='{{}}', runtime='{SHIPPED}', root=Path(sys.argv[1])).folder)"
    )
    made: list[Path] = []
    for name, umask, seed, locale, zone in (
        ("one", "022", "1", "C", "UTC"),
        ("another/one", "077", "2", "C.UTF-8", "Asia/Tokyo"),
    ):
        root, temporary = copied(tmp_path / name), tmp_path / name / "temporary"
        temporary.mkdir()
        for source in root.rglob("*.py"):
            os.utime(source, (time.time() - 1e6 * len(made),) * 2)
        variables = {"TMPDIR": str(temporary), "PYTHONHASHSEED": seed, "LC_ALL": locale, "TZ": zone}
        done = subprocess.run(
            [sys.executable, "-c", code, str(root), umask],
            cwd=temporary,
            env={**os.environ, **variables, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        made.append(Path(done.stdout.strip()))
    one, another = made
    assert one != another and one.name == another.name
    assert content(one) == content(another)
    assert len([path for path in content(one) if path.endswith(".pyc")]) > 200
    assert {path.stat().st_mode for path in one.rglob("*")} == {path.stat().st_mode for path in another.rglob("*")}


def test_a_changed_configuration_compiles_no_module_again(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[Path] = []
    monkeypatch.setattr(packaging, "_files", lambda name: ())
    monkeypatch.setattr(bytecode.Compiler, "compile", lambda self, folder: compiled.append(folder))
    one, other = (build(config=config, runtime=SHIPPED, root=project).folder for config in ("{}", '{"routes": {}}'))
    assert len(compiled) == 1
    assert content(one) | {"bridge/config.json": b'{"routes": {}}'} == content(other)


def test_without_a_compiler_packaging_says_what_that_costs(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(packaging, "_files", lambda name: ())
    monkeypatch.setattr("infra.packaging.bytecode.shutil.which", {}.get)
    made = build(config="{}", runtime=SHIPPED, root=project).folder
    said = capsys.readouterr()
    assert (said.out, said.err) == (
        "",
        "packaging without byte-code, for want of Node.js or of pyodide-3.13 in node_modules (run `make setup`): each "
        f"cold start takes {packaging.COST} times the processor time\n",
    )
    assert not list(made.rglob("*.pyc"))


def test_a_compiler_of_another_version_than_the_pinned_one_is_none(tmp_path: Path) -> None:
    installed = tmp_path / "node_modules/pyodide-3.13/package.json"
    installed.parent.mkdir(parents=True)
    shutil.copy(ROOT / "package.json", tmp_path)
    assert not bytecode.compiler(SHIPPED, root=tmp_path)
    for version in (pinned := pin(SHIPPED)), f"{pinned}1", pinned[:-1]:
        installed.write_text(json.dumps({"version": version}))
        assert bool(bytecode.compiler(SHIPPED, root=tmp_path)) == (version == pinned)


def pin(runtime: str) -> str:
    pins = json.loads((ROOT / "package.json").read_text())["devDependencies"]
    return str(pins[runtime.replace("python", "pyodide-")].removeprefix("npm:pyodide@"))


def test_a_module_that_does_not_compile_is_named(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (project / "lambda/bridge/intake.py").write_text("def (")
    with pytest.raises(PackagingError, match="a module of the functions' archive cannot be compiled: see above"):
        build(config="{}", runtime=SHIPPED, root=project)
    said = capfd.readouterr().err
    assert "Error compiling '/var/task/bridge/intake.py'" in said and said.count("\n") < 10
    assert not list((project / "build/modules").iterdir())


def test_tracebacks_name_files_as_lambda_sees_them(archive: Path) -> None:
    compiled = next((archive / "bridge/__pycache__").glob("intake.*.pyc")).read_bytes()
    assert b"/var/task/bridge/intake.py" in compiled
    assert str(archive).encode() not in compiled


def test_files_have_the_same_times_and_modes_whenever_written(archive: Path) -> None:
    for path in archive.rglob("*"):
        about = path.stat()
        assert about.st_mtime == packaging.FIXED_TIME
        assert about.st_mode & 0o777 == (0o755 if path.is_dir() else 0o644)


# --- fingerprint -------------------------------------------------------------------------------


@pytest.mark.usefixtures("quick")
def test_equal_sources_are_packaged_once(project: Path) -> None:
    first = build(config="{}", runtime=RUNTIME, root=project)
    made = (first.folder / "bridge").stat().st_ctime_ns
    for source in (project / "lambda").rglob("*.py"):
        os.utime(source)
    again = build(config="{}", runtime=RUNTIME, root=project)
    assert (again, (again.folder / "bridge").stat().st_ctime_ns) == (first, made)
    assert [path.name for path in first.folder.parent.iterdir()] == [first.folder.name]


@pytest.mark.usefixtures("quick")
def test_archives_unused_for_a_day_are_removed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = build(config="{}", runtime=RUNTIME, root=project)
    new = build(config='{"new": 1}', runtime=RUNTIME, root=project)
    assert old.folder.exists()
    tomorrow = old.folder.stat().st_ctime + packaging.UNUSED_FOR + 1
    monkeypatch.setattr("infra.packaging.archive.time.time", lambda: tomorrow)
    assert build(config='{"new": 1}', runtime=RUNTIME, root=project) == new
    assert [path.name for path in new.folder.parent.iterdir()] == [new.folder.name]


def _source(project: Path) -> None:
    with (project / "lambda/bridge/intake.py").open("a") as file:
        file.write("\n# changed\n")


def _new_module(project: Path) -> None:
    (project / "lambda/bridge/another.py").touch()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("change", [_source, _new_module])
def test_a_changed_source_is_another_archive(project: Path, change: object) -> None:
    before = build(config="{}", runtime=RUNTIME, root=project)
    assert callable(change)
    change(project)
    assert build(config="{}", runtime=RUNTIME, root=project).fingerprint != before.fingerprint


@pytest.mark.usefixtures("quick")
def test_another_configuration_runtime_or_compiler_is_another_archive(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fingerprint(config: str, runtime: str) -> str:
        return build(config=config, runtime=runtime, root=project).fingerprint

    made = [fingerprint("{}", SHIPPED), fingerprint('{"routes": {}}', SHIPPED), fingerprint("{}", "python3.14")]
    other = bytecode.Compiler(node="node", package=project, version="0")
    for compiler in (other, None):
        monkeypatch.setattr(bytecode, "compiler", lambda runtime, compiler=compiler: compiler)
        made.append(fingerprint("{}", SHIPPED))
    assert len(set(made)) == len(made)


def test_a_dependency_that_is_not_the_locked_one_is_not_packaged(project: Path) -> None:
    locked = project / "requirements/function.txt"
    locked.write_text(locked.read_text().replace("botocore==", "botocore==0."))
    with pytest.raises(PackagingError, match=r"function\.txt pins botocore 0\..* has .*: run `make setup`"):
        build(config="{}", runtime=RUNTIME, root=project)
