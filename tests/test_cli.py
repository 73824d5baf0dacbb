"""What a user of the command line sees."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from typer.testing import CliRunner

import medmae
from medmae import cli
from medmae.errors import DataError, ExitCode, Stopped

ROOT = Path(__file__).resolve().parent.parent


def commands() -> list[tuple[str, ...]]:
    """Every command and every group, as the words one types."""
    found: list[tuple[str, ...]] = [(), ("prep",)]
    found += [(info.name or info.callback.__name__,) for info in cli.app.registered_commands]
    found += [("prep", name) for name in cli.sources()]
    found += [("bundle",), ("bundle", "copy")]
    return found


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    return int(stop.value.code or 0)


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch):
    """Makes `medmae run` raise a given error."""

    def install(error: BaseException) -> None:
        def raising(*_: object, **__: object) -> None:
            raise error

        monkeypatch.setattr("medmae.bundle.run.run_bundle", raising)

    return install


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_help_shows_an_example(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli.app, [*words, "--help"])
    assert result.exit_code == 0, result.output
    assert "Example: medmae" in result.output


def test_help_comes_without_importing_torch() -> None:
    code = "import sys, medmae.cli; assert not {'torch', 'monai', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == ExitCode.OK
    assert capsys.readouterr().out == f"medmae {medmae.__version__}\n"


def test_waiting_threads_sleep_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    run("--version")
    assert os.environ["OMP_WAIT_POLICY"] == "active"
    monkeypatch.delenv("OMP_WAIT_POLICY")
    run("--version")
    assert os.environ["OMP_WAIT_POLICY"] == "passive"


def test_list_names_every_registered_method(capsys: pytest.CaptureFixture[str]) -> None:
    from medmae.methods.registry import methods

    assert run("list") == ExitCode.OK
    shown = capsys.readouterr().out
    assert methods()
    assert all(name in shown for name in methods())


def test_an_unknown_bundle_is_one_line_without_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("run", "no_such_bundle", "train") == ExitCode.REFUSED
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert "no_such_bundle" in captured.err
    assert "Traceback" not in captured.err + captured.out


def test_debug_shows_the_traceback_wherever_it_stands() -> None:
    for arguments in (
        ["--debug", "run", "no_such_bundle", "train"],
        ["run", "no_such_bundle", "train", "--debug"],
    ):
        with pytest.raises(FileNotFoundError, match="no_such_bundle"):
            cli.main(arguments)


def test_a_data_error_shows_path_field_value_and_remedy(failing, capsys: pytest.CaptureFixture[str]) -> None:
    failing(DataError("affine is singular", path="a.nii", field="sform", value=0, remedy="use the qform"))
    assert run("run", "bundle", "train") == ExitCode.REFUSED
    assert capsys.readouterr().err == "medmae: a.nii: affine is singular [sform = 0] -> use the qform\n"


def test_an_error_wrapped_by_monai_is_shown_as_what_it_is(failing, capsys: pytest.CaptureFixture[str]) -> None:
    wrapped = RuntimeError("Failed to instantiate component 'x' with 500 lines of configuration")
    wrapped.__cause__ = DataError("manifest is empty", path="manifest.jsonl")
    failing(wrapped)
    assert run("run", "bundle", "train") == ExitCode.REFUSED
    assert capsys.readouterr().err == "medmae: manifest.jsonl: manifest is empty\n"


def test_losses_that_stay_nan_have_an_exit_code_of_their_own_however_wrapped(failing) -> None:
    from medmae.training.finite import NotFiniteError

    wrapped = RuntimeError("Failed to evaluate '$@run'")
    wrapped.__cause__ = NotFiniteError("11 steps in a row had a loss that is not finite")
    failing(wrapped)
    assert run("run", "bundle", "train") == ExitCode.NOT_FINITE == 3


@pytest.mark.parametrize("given", [[], ["--checkpoint", "newest"], ["--checkpoint=old.ckpt"]])
def test_a_training_that_was_told_to_stop_says_in_a_line_how_it_goes_on(failing, capsys, given: list[str]) -> None:
    failing(Stopped(ExitCode.TERMINATED, checkpoint=Path("my run/checkpoints/step-00000007.ckpt")))
    assert run("run", "bundle", "train", *given, "--lr", "1") == 143
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("medmae run bundle train --lr 1 --checkpoint 'my run/checkpoints/step-00000007.ckpt'")


@pytest.mark.parametrize("debug", [False, True])
def test_a_warning_is_one_line_without_the_place_in_a_library_where_it_arose(monkeypatch, capsys, debug) -> None:
    def warning(*_: object, **__: object) -> None:
        for category in (UserWarning, FutureWarning):
            print(warnings.formatwarning("1 file left out", category, "config_item.py", 292, "instantiate()"), end="")

    monkeypatch.setattr("medmae.bundle.run.run_bundle", warning)
    usual = warnings.formatwarning
    assert run("run", "x", "train", *["--debug"] * debug) == 0
    _, ours, *others = capsys.readouterr().out.splitlines()
    assert (ours == "warning: 1 file left out") is not debug
    assert any("config_item.py:292" in line for line in others)
    assert warnings.formatwarning is usual


def test_ctrl_c_has_an_exit_code_of_its_own_and_no_traceback(failing, capsys) -> None:
    failing(KeyboardInterrupt())
    assert run("run", "bundle", "train") == ExitCode.INTERRUPTED == 130
    assert capsys.readouterr().err == "medmae: interrupted\n"


@pytest.mark.parametrize("error", [RuntimeError("shapes\ndo not match"), KeyError("x"), TypeError("x"), MemoryError()])
def test_a_crash_is_one_line_that_says_what_to_send_to_whom(failing, capsys, tmp_path, monkeypatch, error) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    wrapped = RuntimeError("Failed to instantiate component 'x' with 500 lines of configuration")
    wrapped.__cause__ = error
    failing(wrapped)
    assert run("run", "bundle", "train", "--lr", "1e-3") == ExitCode.CRASHED == 70
    (file,), (line,) = tmp_path.iterdir(), capsys.readouterr().err.splitlines()
    assert str(file) in line
    assert type(error).__name__ in line
    told = file.read_text()
    assert "medmae run bundle train --lr 1e-3\n" in told
    assert "Failed to instantiate" not in told
    assert type(error).__name__ in told
    with pytest.raises(RuntimeError, match="Failed to instantiate"):
        cli.main(["run", "bundle", "train", "--debug"])


def test_the_docs_list_every_exit_code() -> None:
    text = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d[\d, ]*) \|", text, re.MULTILINE)
    assert [int(code) for row in rows for code in row.split(",")] == sorted(ExitCode)


def test_a_missing_optional_package_comes_with_its_install_line(failing, capsys: pytest.CaptureFixture[str]) -> None:
    failing(ModuleNotFoundError("No module named 'nilearn'", name="nilearn.datasets"))
    assert run("run", "bundle", "train") == ExitCode.REFUSED
    assert 'pip install "nilearn>=' in capsys.readouterr().err


def test_overrides_reach_the_bundle_as_they_were_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, str] = {}

    def remember(*_: object, options: dict[str, str], **flags: bool) -> Path:
        seen.update(options)
        return Path("runs")

    monkeypatch.setattr("medmae.bundle.run.run_bundle", remember)
    assert run("run", "bundle", "train", "--train::trainer::max_epochs", "3", "--dataset-dir=x y", "--lr", "1e-3") == 0
    assert seen == {"train::trainer::max_epochs": "3", "dataset_dir": "x y", "lr": "1e-3"}


def test_an_override_without_a_value_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("run", "bundle", "train", "--lr") == ExitCode.REFUSED
    assert "--lr has no value" in capsys.readouterr().err


def test_a_usage_error_has_the_same_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("no-such-command") == ExitCode.REFUSED
    assert "no-such-command" in capsys.readouterr().err


def test_a_report_of_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("report", str(tmp_path)) == ExitCode.REFUSED
    assert str(tmp_path) in capsys.readouterr().err


def test_doctor_ends_with_2_when_something_required_is_missing(monkeypatch, capsys) -> None:
    from medmae.doctor import Check

    for ok, code in ((True, ExitCode.OK), (False, ExitCode.REFUSED)):
        check = Check("torch", "2.15" if ok else "missing", ok=ok, required=True, remedy="pip install x[y]")
        monkeypatch.setattr("medmae.doctor.checks", lambda check=check: [check])
        assert run("doctor") == code
    assert "pip install x[y]" in capsys.readouterr().out


def completed(*words: str) -> list[str]:
    """What bash is offered for the last of some words, by a process of its own, as the shell does it."""
    asked = {"_MEDMAE_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(words), "COMP_CWORD": str(len(words) - 1)}
    light = "assert not {'torch', 'numpy'} & set(sys.modules)"
    code = f"import sys; from medmae.cli import main\ntry: main()\nfinally: {light}"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **asked}, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_a_shell_completes_commands_sources_bundles_and_configurations(tmp_path, monkeypatch) -> None:
    (tmp_path / "image_of_mine" / "configs").mkdir(parents=True)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)
    assert completed("medmae", "ver") == ["verify"]
    assert completed("medmae", "prep", "w") == ["wsi"]
    assert completed("medmae", "run", "image_m") == ["image_mae_pretraining"]
    assert completed("medmae", "run", "image_of") == ["image_of_mine"]
    assert completed("medmae", "run", "image_mae_pretraining", "train,m") == ["train,multi_gpu_train"]
    assert completed("medmae", "run", "no_such", "tr") == []
    assert completed("medmae", "bundle", "copy", "image_c") == ["image_classification", "image_cmae_pretraining"]


def test_completion_is_installed_by_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--install-completion" in CliRunner().invoke(cli.app, ["--help"]).output


def test_a_copied_bundle_comes_with_the_commands_for_it(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("bundle", "copy", "image_mae_pretraining", "sub/mine") == 0
    said = capsys.readouterr().out
    assert "medmae check sub/mine" in said
    assert "medmae run sub/mine train" in said
    assert run("bundle", "copy", "image_mae_pretraining", "sub/mine") == ExitCode.REFUSED
    assert "there is something already" in capsys.readouterr().err
