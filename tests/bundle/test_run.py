"""Running a bundle in process."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from medmae.bundle.check.finding import errors
from medmae.bundle.check.refuse import BundleRefusedError
from medmae.bundle.check.static import check_static
from medmae.bundle.run import run_bundle
from medmae.bundle.shipped import configs, find_config, shared_configs, shared_file, shipped
from medmae.cli import main
from medmae.errors import ExitCode

TRAIN = """
bundle_root: .
factor: 2
out: '$@bundle_root + "/result.txt"'
imports: [$import pathlib]
run: [$pathlib.Path(@out).write_text(str(@factor))]
"""


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "with space" / "toy"
    (folder / "configs").mkdir(parents=True)
    (folder / "configs" / "train.yaml").write_text(TRAIN)
    (folder / "configs" / "more.yaml").write_text("factor: 40")
    (folder / "configs" / "metadata.json").write_text('{"version": "0.1.0"}')
    return folder


def test_a_bundle_runs_from_another_working_directory(bundle: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run_bundle(bundle, "train", trust=True) == bundle
    assert (bundle / "result.txt").read_text() == "2"


def test_results_of_a_shipped_bundle_go_to_the_working_directory(bundle: Path, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("medmae.bundle.shipped.shipped", lambda: {"toy": bundle})
    monkeypatch.chdir(tmp_path)
    Path("runs", "toy").mkdir(parents=True)
    assert run_bundle(bundle, "train", trust=True) == Path("runs", "toy")
    assert Path("runs", "toy", "result.txt").is_file()
    assert run_bundle(bundle, "train", trust=True, overrides={"output_dir": "$@bundle_root + '/x'"}) == Path(
        "runs", "toy", "x"
    )


def test_an_override_replaces_a_value(bundle: Path) -> None:
    run_bundle(bundle, "train.yaml", trust=True, overrides={"factor": 7})
    assert (bundle / "result.txt").read_text() == "7"


def test_configurations_separated_by_commas_are_merged_left_to_right(bundle: Path) -> None:
    run_bundle(bundle, "train,more", trust=True)
    assert (bundle / "result.txt").read_text() == "40"


def test_a_missing_configuration_is_refused_before_anything_runs(bundle: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no configuration 'evaluate'"):
        run_bundle(bundle, "train,evaluate")
    assert not (bundle / "result.txt").exists()


def test_a_misspelt_override_is_refused_with_what_was_meant() -> None:
    with pytest.raises(ValueError, match=r"--bathc_size.*did you mean batch_size"):
        run_bundle("mr_edge_mae_pretraining", "train", overrides={"bathc_size": 4})


NAMES = [
    "study#2",
    "$1 + 1",
    "@factor",
    "%more",
    "2026",
    "True",
    "None",
    "null",
    "1.5",
    "2024_11_30",
]


@pytest.mark.parametrize("name", [*NAMES, "a,b", "[0,1]", "with space", "a: b", "'quoted'", "~", "50%", "x::y", "{0}"])
@pytest.mark.parametrize("place", ["output_dir", "bundle_root"])
def test_a_path_is_what_was_typed(bundle: Path, tmp_path: Path, monkeypatch, name: str, place: str) -> None:
    (work := tmp_path / "work").mkdir()
    monkeypatch.chdir(work)
    Path(name).mkdir()
    text = TRAIN.replace("out: '$@bundle_root", "output_dir: $@bundle_root\nout: '$@output_dir")
    (bundle / "configs" / "train.yaml").write_text(text)
    monkeypatch.setattr("medmae.bundle.run.require_safe", lambda root: None)  # its recipe is no safe one
    assert run_bundle(bundle, "train", options={place: name}) == Path(name)
    assert (Path(name) / "result.txt").read_text() == "2"
    assert run_bundle(bundle, "train", overrides={place: name, "factor": 3}) == Path(name)
    assert (Path(name) / "result.txt").read_text() == "3"


def test_expressions_are_for_those_who_trust_a_bundle(bundle: Path, tmp_path: Path) -> None:
    options = {"output_dir": "$@bundle_root + '/x'", "bundle_root": str(tmp_path), "factor": "$1 + 1"}
    assert run_bundle(bundle, "train", options=options, trust=True) == tmp_path / "x"
    assert (tmp_path / "result.txt").read_text() == "2"


def test_a_reference_is_followed_to_what_it_stands_for(bundle: Path) -> None:
    with (bundle / "configs" / "train.yaml").open("a") as file:
        file.write("twice: '@factor'\nendless: '@endless'\nfinalize: [$@twice and @endless]\n")
    with pytest.raises(ValueError, match=r"--twice.*a number"):
        run_bundle(bundle, "train", options={"twice": "many"}, trust=True)
    run_bundle(bundle, "train", options={"endless": "many"}, trust=True)


PARTS = """
box: {inner: {number: 3}}
lid: '@box::inner'
sum: $@factor + 1
held: {_target_: medmae.data.Samples, _disabled_: true, source: x, view: '@look'}
look: {size: 8}
run: ['$pathlib.Path(@out).write_text(str([@box, @look]))']
finalize: ['$[@lid, @sum, @held]']
"""


def test_a_part_of_a_reference_is_a_part_of_what_it_refers_to(bundle: Path) -> None:
    (bundle / "configs" / "train.yaml").write_text(TRAIN[: TRAIN.index("run:")] + PARTS)
    run_bundle(bundle, "train", options={"lid::number": "5", "held::size": "16"}, trust=True)
    assert (bundle / "result.txt").read_text() == "[{'inner': {'number': 5}}, {'size': 16}]"
    run_bundle(bundle, "train", options={"held::view::size": "[2, 3]"}, overrides={"lid#number": 5}, trust=True)
    assert (bundle / "result.txt").read_text() == "[{'inner': {'number': 5}}, {'size': [2, 3]}]"
    with pytest.raises(ValueError, match=r"--box::inner::number.*a number"):
        run_bundle(bundle, "train", options={"lid::number": "five"}, trust=True)
    with pytest.raises(ValueError, match=r"--sum::part: sum is \$@factor \+ 1, of which no part can be set"):
        run_bundle(bundle, "train", options={"sum::part": "5"}, trust=True)


def test_what_all_bundles_share_is_merged_over_any_train_and_passes_the_checks(tmp_path: Path) -> None:
    for name, folder in shipped().items():
        copy = tmp_path / name
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("models", "eval"))
        for overlay in shared_configs():
            assert find_config(folder, overlay).is_file()
            if overlay not in configs(folder):  # a bundle's own goes before
                shutil.copy(find_config(folder, overlay), copy / "configs")
        shutil.copy(str(shared_file("logging.conf")), copy / "configs")
        assert errors(check_static(copy)) == []


def test_a_flag_in_words_never_counts_as_true(bundle: Path) -> None:
    with (bundle / "configs" / "train.yaml").open("a") as file:
        file.write("flag: true\nfinalize: [$str(@flag)]\n")
    run_bundle(bundle, "train", options={"flag": "false", "factor": "2"}, trust=True)
    for flag in ("no", "flase", "0"):
        with pytest.raises(ValueError, match=r"--flag.*true or false"):
            run_bundle(bundle, "train", options={"flag": flag}, trust=True)
    with pytest.raises(ValueError, match=r"--flag.*true or false"):
        run_bundle(bundle, "train", overrides={"flag": "false"}, trust=True)


@pytest.mark.parametrize(
    "line", ["planted: $__import__('pathlib').Path('canary').touch()", "planted: {_target_: os.system}", "seed: 1"]
)
def test_a_bundle_that_fails_a_static_check_is_refused_before_anything_runs(
    tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str], line: str
) -> None:
    hostile = tmp_path / "mr_hostile_bundle"
    shutil.copytree(shipped()["mr_edge_mae_pretraining"], hostile, ignore=shutil.ignore_patterns("models", "eval"))
    with (hostile / "configs" / "train.yaml").open("a") as file:
        file.write(f"\n{line}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("monai.bundle.ConfigWorkflow", None)  # what would run it
    with pytest.raises(SystemExit) as stop:
        main(["run", str(hostile), "train"])
    assert stop.value.code == ExitCode.REFUSED
    said = capsys.readouterr().err
    assert "configs/train.yaml" in said
    assert "--trust" in said
    assert list(tmp_path.iterdir()) == [hostile]


def test_a_bundle_that_is_trusted_runs_whatever_it_is(bundle: Path) -> None:
    with pytest.raises(BundleRefusedError, match="pathlib"):
        run_bundle(bundle, "train")
    assert not (bundle / "result.txt").exists()
    run_bundle(bundle, "train", trust=True)
    assert (bundle / "result.txt").exists()


@pytest.mark.parametrize("device", ["cudaa", "cuda:99", "gpu"])
def test_a_device_that_is_not_there_is_refused_before_anything_runs(bundle: Path, device: str) -> None:
    train = bundle / "configs" / "train.yaml"
    train.write_text(TRAIN.replace("str(@factor)", "str(@factor) + str(@device)") + "device: cpu\n")
    with pytest.raises(ValueError, match=rf"no such device here .*device = '{device}'.*choose one of cpu"):
        run_bundle(bundle, "train", trust=True, options={"device": device})
    assert not (bundle / "result.txt").exists()
    assert run_bundle(bundle, "train", trust=True, options={"device": "cpu"}) == bundle
