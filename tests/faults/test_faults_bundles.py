"""Faults 45 to 49: hostile bundles, other versions, other folders, no network, missing packages."""

from __future__ import annotations

import importlib.util
import json
import shutil
import socket
import sys
import zipfile
from pathlib import Path

import pytest

from data_prep import tiny
from medmae import cli
from medmae.bundle.check.dynamic import DYNAMIC, check_dynamic
from medmae.bundle.check.source import Bundle
from medmae.bundle.shipped import shared_file, shipped
from medmae.errors import ExitCode

NAME = "mr_edge_mae_pretraining"
TINY = ["--method::_target_", "medmae.methods.edge_mae.edge_mae_tiny", "--batch_size", "4", "--epochs", "1"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return tiny.make("mr", tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return copy_to(tmp_path / NAME)


def copy_to(folder: Path) -> Path:
    shutil.copytree(shipped()[NAME], folder, ignore=shutil.ignore_patterns("models", "eval", "checkpoints"))
    shutil.copy(str(shared_file("logging.conf")), folder / "configs")
    return folder


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    return int(stop.value.code or 0)


def change(path: Path, **fields: object) -> None:
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **fields}))


# --------------------------------------------------------------------------------------------------- 45: it is refused
def a_foreign_target(bundle: Path) -> None:
    add(bundle, "planted: {_target_: os.system, command: touch ran}")


def an_expression_outside_the_grammar(bundle: Path) -> None:
    add(bundle, "planted: $__import__('os').system('touch ran')")


def a_logging_file_with_code(bundle: Path) -> None:
    path = bundle / "configs" / "logging.conf"
    path.write_text(path.read_text().replace("args=(sys.stderr,)", "args=(__import__('os').system('touch ran'),)"))
    assert "touch ran" in path.read_text()


def a_large_file_outside(bundle: Path) -> None:
    large_file(bundle, path="../../outside.pt", url="https://example.org/x", hash_val="0" * 64, hash_type="sha256")


def a_large_file_over_http(bundle: Path) -> None:
    large_file(bundle, path="models/x.pt", url="http://example.org/x", hash_val="0" * 64, hash_type="sha256")


def a_large_file_without_hash(bundle: Path) -> None:
    large_file(bundle, path="models/x.pt", url="https://example.org/x")


def add(bundle: Path, line: str) -> None:
    with (bundle / "configs" / "train.yaml").open("a") as file:
        file.write(f"\n{line}\n")


def large_file(bundle: Path, **fields: str) -> None:
    (bundle / "large_files_v2.json").write_text(json.dumps({"large_files": [fields]}))  # MONAI reads any such name


HOSTILE = [
    a_foreign_target,
    an_expression_outside_the_grammar,
    a_logging_file_with_code,
    a_large_file_outside,
    a_large_file_over_http,
    a_large_file_without_hash,
]


@pytest.mark.parametrize("plant", HOSTILE, ids=lambda plant: plant.__name__)
@pytest.mark.parametrize("command", [["check", "--static-only"], ["run"]], ids=["check", "run"])
def test_fault_45_a_hostile_bundle_is_refused_and_nothing_of_it_runs(
    bundle: Path, data, plant, command, capsys
) -> None:
    plant(bundle)
    rest = ["train", "--dataset_dir", str(data[0]), *TINY] if command == ["run"] else []
    assert run(command[0], str(bundle), *command[1:], *rest) == ExitCode.REFUSED
    assert not list(bundle.parent.rglob("ran"))
    assert not list(bundle.parent.rglob("*.ckpt"))


def test_fault_45_a_zip_file_with_a_member_outside_is_refused(bundle: Path, capsys) -> None:
    packed = Path(shutil.make_archive(str(bundle), "zip", root_dir=bundle.parent, base_dir=bundle.name))
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("../../outside.txt", "slipped")
    assert run("check", str(packed), "--static-only") == ExitCode.REFUSED
    assert run("check", str(packed)) == ExitCode.REFUSED
    assert not list(bundle.parent.parent.rglob("outside.txt"))


@pytest.mark.slow
def test_fault_45_trust_runs_what_the_checks_refuse(bundle: Path, data) -> None:
    add(bundle, "planted: $__import__('os').name")
    arguments = ["run", str(bundle), "train", "--dataset_dir", str(data[0]), *TINY]
    assert run(*arguments) == ExitCode.REFUSED
    assert run(*arguments, "--trust") == ExitCode.OK
    assert (bundle / "report.html").is_file()


# ------------------------------------------------------------------------------------------------- 46: of another time
@pytest.mark.parametrize("field", ["monai_version", "pytorch_version"])
@pytest.mark.parametrize("version", ["0.9.0", "99.0.0"])
def test_fault_46_a_bundle_for_another_major_version_is_refused_with_both_versions(
    bundle: Path, data, field: str, version: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change(bundle / "configs" / "metadata.json", **{field: version})
    assert run("run", str(bundle), "train", "--dataset_dir", str(data[0])) == ExitCode.REFUSED
    told = capsys.readouterr().err
    assert version in told
    assert "is installed" in told


@pytest.mark.slow
def test_fault_46_another_version_of_what_matters_less_is_warned_of_and_runs(bundle: Path, data) -> None:
    change(bundle / "configs" / "metadata.json", numpy_version="1.26.4")
    with pytest.warns(UserWarning, match=r"numpy 1\.26\.4, and 2.* is installed"):
        assert run("run", str(bundle), "train", "--dataset_dir", str(data[0]), *TINY) == ExitCode.OK


# ----------------------------------------------------------------------------------------------- 47: it lies elsewhere
@pytest.mark.slow
def test_fault_47_a_bundle_runs_from_anywhere_and_writes_only_where_it_is_told_to(
    tmp_path: Path, data, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "anders wo"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    bundle = copy_to(tmp_path / "Bündel von jemand" / NAME)
    before = {path: path.stat().st_mtime_ns for path in bundle.rglob("*")}
    for path in before:
        path.chmod(0o555 if path.is_dir() else 0o444)
    bundle.chmod(0o555)
    out = tmp_path / "Ergebnisse ü"
    arguments = ["--dataset_dir", str(data[0]), "--output_dir", str(out), *TINY]
    assert run("run", f"../{bundle.parent.name}/{NAME}", "train", *arguments) == ExitCode.OK
    assert (out / "report.html").is_file()
    assert {path: path.stat().st_mtime_ns for path in bundle.rglob("*")} == before
    assert list(elsewhere.iterdir()) == []


# ------------------------------------------------------------------------------------------------------ 48: no network
@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every attempt to reach or resolve an address is noted and fails."""
    attempts: list[object] = []

    def refuse(*arguments: object, **_: object) -> None:
        attempts.append(arguments)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    return attempts


@pytest.mark.slow
def test_fault_48_without_a_network_everything_works_and_nobody_tries_to_reach_one(
    bundle: Path, data, offline: list[object], tmp_path: Path
) -> None:
    assert run("list") == ExitCode.OK
    assert run("doctor") == ExitCode.OK
    assert run("run", str(bundle), "train", "--dataset_dir", str(data[0]), *TINY) == ExitCode.OK
    assert run("report", str(bundle)) == ExitCode.OK
    for config, given in (("evaluate", data[0]), ("inference", data[1])):
        assert run("run", str(bundle), config, "--dataset_dir", str(given), *TINY[:2]) == ExitCode.OK
    assert run("check", str(shipped()[NAME]), "--static-only") == ExitCode.OK
    assert offline == []


# -------------------------------------------------------------------------------------------- 49: a package is missing
@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch):
    """Makes a package unimportable, as if it had not been installed."""

    def remove(package: str) -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] in (package, "data_prep")]:
            monkeypatch.delitem(sys.modules, name)
        found = importlib.util.find_spec

        class Hole:
            def find_spec(self, name: str, path: object = None, target: object = None) -> None:
                if name.partition(".")[0] == package:
                    raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        monkeypatch.setattr(sys, "meta_path", [Hole(), *sys.meta_path])
        hidden = lambda name, *rest: None if name.partition(".")[0] == package else found(name, *rest)  # noqa: E731
        monkeypatch.setattr(importlib.util, "find_spec", hidden)

    return remove


@pytest.mark.parametrize(
    ("package", "arguments", "hint"),
    [
        ("jsonschema", ["check", NAME, "--static-only"], "pip install"),
        ("nilearn", ["demo"], "pip install nilearn"),
        # Asked for: three small cases are prepared in this process, which needs no such package.
        ("distributed", ["prep", "mr", "RAW", "prepared", "--workers", "2"], "pip install 'dask[distributed]'"),
    ],
)
def test_fault_49_a_missing_package_is_one_line_with_how_to_install_it(
    tmp_path: Path,
    data,
    monkeypatch: pytest.MonkeyPatch,
    without,
    package: str,
    arguments: list[str],
    hint: str,
    capsys,
) -> None:
    monkeypatch.chdir(tmp_path)
    without(package)
    assert run(*(str(data[1]) if argument == "RAW" else argument for argument in arguments)) == ExitCode.REFUSED
    told = capsys.readouterr().err
    assert package in told
    assert hint in told
    assert len([line for line in told.splitlines() if line and not line.endswith("sessions")]) == 1
    assert "Traceback" not in told


@pytest.mark.slow
def test_fault_49_without_onnxruntime_that_comparison_alone_is_left_out_with_a_warning(data, without) -> None:
    without("onnxruntime")
    wanted = tuple(check for check in DYNAMIC if check.number == 24)
    (finding,) = check_dynamic(Bundle.open(shipped()[NAME]), make_data=lambda source, folder: data, checks=wanted)
    assert (finding.severity, finding.remedy) == ("warning", "pip install onnx onnxscript onnxruntime")
