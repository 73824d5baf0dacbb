"""What only shows when a bundle runs: each planted fault is found by its own check."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import save_file

from data_prep import tiny
from medmae import cli
from medmae.bundle.check.dynamic import DYNAMIC, check_dynamic
from medmae.bundle.check.source import Bundle
from medmae.bundle.shipped import shipped
from medmae.errors import ExitCode
from medmae.methods.edge_mae import edge_mae_tiny
from medmae.nn.heads import FeatureMap

NAME = "mr_edge_mae_pretraining"
Plant = Callable[[Path], None]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory):
    """Makes the synthetic data once."""
    made = tiny.make("mr", tmp_path_factory.mktemp("tiny"))
    return lambda source, folder: made


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / NAME
    shutil.copytree(shipped()[NAME], folder, ignore=shutil.ignore_patterns("models", "eval", "checkpoints"))
    return folder


def config(name: str, change: Callable[[dict], object]) -> Plant:
    """Changes a configuration."""

    def plant(bundle: Path) -> None:
        path = bundle / "configs" / name
        content = json.loads(path.read_text()) if path.suffix == ".json" else yaml.safe_load(path.read_text())
        change(content)
        path.write_text(json.dumps(content) if path.suffix == ".json" else yaml.safe_dump(content))

    return plant


def at_the_end(expression: str) -> Plant:
    return config("train.yaml", lambda content: content["finalize"].append(expression))


def weights(*, spoil: bool, twin: bool) -> Plant:
    """The bundle brings small weights: with a NaN, or beside others in model.safetensors."""

    def plant(bundle: Path) -> None:
        for name in ("train", "inference"):  # evaluate is merged over it
            change = config(
                f"{name}.yaml", lambda c: c["method"].update(_target_="medmae.methods.edge_mae.edge_mae_tiny")
            )
            change(bundle)
        torch.manual_seed(0)
        state = FeatureMap(encoder=edge_mae_tiny().encoder, use_class_token=False).state_dict()
        state = {key: value.clone().contiguous() for key, value in state.items()}
        if spoil:
            next(iter(state.values())).view(-1)[0] = float("nan")
        (bundle / "models").mkdir()
        torch.save(state, bundle / "models" / "model.pt")
        if not twin:
            next(iter(state.values())).view(-1)[0] = 7.0
        save_file(state, bundle / "models" / "model.safetensors")

    return plant


def plain_loader(content: dict) -> None:
    """Shuffles as torch does: a resumed run begins the epoch anew, in another order."""
    content["train"]["dataloader"] = {
        "_target_": "torch.utils.data.DataLoader",
        "dataset": "@train::dataset",
        "batch_size": "@batch_size",
        "shuffle": True,
        "drop_last": True,
    }


PLANTED = {
    "16 an id that MONAI asks for is gone": config("inference.yaml", lambda c: c.pop("inferer")),
    "17 the metadata say another number of features": config(
        "metadata.json", lambda c: c["network_data_format"]["outputs"]["pred"].update(num_channels=129)
    ),
    "18 the weights hold a NaN": weights(spoil=True, twin=True),
    "19 the twin holds other weights": weights(spoil=False, twin=False),
    "20 the losses become NaN": config("metadata.json", lambda c: c["medmae_check"]["train"].update(base_lr=1e30)),
    "21 the loader has no position": config("train.yaml", plain_loader),
    "22 a declared output is not written": config(
        "metadata.json", lambda c: c["medmae_check"]["outputs"]["evaluate"].append("table.csv")
    ),
    "23 the seed is another one each time": config("train.yaml", lambda c: c.update(seed="$torch.seed() % 100000")),
    "24 an export is neither declared nor excused": config(
        "metadata.json", lambda c: c["medmae_check"]["exports"].pop("torchscript")
    ),
    "25 what is unpacked does not pass": config("train.yaml", lambda c: c.update(planted={"_target_": "os.system"})),
    "26 a file appears in the working directory": at_the_end("$torch.save({}, 'left.pt')"),
    "27 a file appears in the bundle": at_the_end(f"$torch.save({{}}, '../read only ü/{NAME}/left.pt')"),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found_by_its_check(bundle: Path, data, fault: str) -> None:
    number = int(fault[:2])
    PLANTED[fault](bundle)
    wanted = [check for check in DYNAMIC if check.number == number]
    if number in (26, 27):  # these look at what the others left
        wanted = [check for check in DYNAMIC if check.number in (20, number)]
    found = check_dynamic(Bundle.open(bundle), make_data=data, checks=tuple(wanted))
    assert {finding.number for finding in found} == {number}, found
    assert all(finding.message and finding.remedy for finding in found)


@pytest.mark.slow
def test_a_training_that_does_not_run_is_told_once(bundle: Path, data) -> None:
    config("train.yaml", lambda c: c["method"].update(mask_ratio=1.5))(bundle)
    wanted = tuple(check for check in DYNAMIC if check.number >= 18)
    numbers = [finding.number for finding in check_dynamic(Bundle.open(bundle), make_data=data, checks=wanted)]
    assert numbers.count(20) == 1
    assert not set(numbers) & {18, 19, 21, 23, 24}


def test_a_bundle_without_a_trial_is_told_what_to_declare(bundle: Path, data) -> None:
    config("metadata.json", lambda c: c.pop("medmae_check"))(bundle)
    (finding,) = check_dynamic(Bundle.open(bundle), make_data=data)
    assert finding.number == 16
    assert "medmae_check" in finding.message


# ---------------------------------------------------------------------------------------------------- command line
def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    return int(stop.value.code or 0)


@pytest.mark.slow
def test_our_bundle_passes_all_27_checks(capfd: pytest.CaptureFixture[str]) -> None:
    assert run("check", NAME) == ExitCode.OK
    shown = capfd.readouterr()
    assert all(f" {number} " in shown.out for number in range(1, 28))
    assert "INFO" not in shown.out + shown.err  # what trainers and exporters say is not the user's business


def test_a_bundle_that_fails_a_static_check_is_not_run_and_the_exit_code_says_so(bundle: Path, capsys) -> None:
    at_the_end("$__import__('os').system('touch ran')")(bundle)
    assert run("check", str(bundle)) == ExitCode.REFUSED
    assert "not run" in capsys.readouterr().out
    assert not list(bundle.parent.rglob("ran"))


def test_static_checks_alone_take_a_zip_file_too(bundle: Path, capsys) -> None:
    packed = shutil.make_archive(str(bundle), "zip", root_dir=bundle.parent, base_dir=bundle.name)
    assert run("check", packed, "--static-only") == ExitCode.OK
    assert " 15 " in capsys.readouterr().out
