"""What messages advise is true: the option or command that one names is typed next, as it stands there, and helps."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from monai.bundle import ConfigParser
from PIL import Image

from data_prep.tiny.images import picture
from medmae.bundle.checked import Ids
from medmae.bundle.overrides import parse_options
from medmae.bundle.run import given_values
from medmae.bundle.shipped import find_config, shipped
from medmae.cli import main
from medmae.errors import ExitCode
from medmae.methods.edge_mae import edge_mae_tiny
from medmae.training.out_of_memory import training_advice

AFFINE = np.diag([-2.0, -2.0, 3.0, 1.0])


def head(seed=1, shape=(24, 28, 12)):
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.linspace(-1.2, 1.2, n) for n in shape), indexing="ij"))
    return np.where((grid**2).sum(0) < 1, 400 + 100 * rng.random(shape), 0).astype(np.float32)


def save(path: Path, data: np.ndarray, affine: np.ndarray = AFFINE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(data, affine)
    image.set_qform(affine, code=1)
    nib.save(image, path)


@pytest.fixture
def type_(capfd):
    """Types a command; gives its exit code and what it said, in one line."""

    def typed(*words: object) -> tuple[int, str]:
        capfd.readouterr()
        try:
            main([str(word) for word in words])
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        said = capfd.readouterr()
        return code, " ".join((said.out + said.err).split())

    return typed


def advised(said: str, option: str) -> list[str]:
    """An option with its value, as a message has it behind the arrow or in its text."""
    found = re.search(rf"{option} ('[^']*'|\"[^\"]*\"|[^\s,;:)(]+)", said)
    assert found, f"{option} is not advised: {said}"
    return [option, *shlex.split(found[1])]


# ------------------------------------------------------------------------------------------------------- preparation
def nan_inside(folder):
    data = head()
    data[12, 14, 6] = np.nan
    save(folder / "P1_T1.nii.gz", data)


def singular_sform(folder):
    save(folder / "P1_T1.nii", head())
    content = bytearray((folder / "P1_T1.nii").read_bytes())
    content[296:312] = bytes(16)  # srow_y
    (folder / "P1_T1.nii").write_bytes(content)


def two_grids(folder):
    save(folder / "P1_T1.nii.gz", head())
    save(folder / "P1_T2.nii.gz", head(2, (24, 28, 6)), np.diag([-2.0, -2.0, 6.0, 1.0]))


@pytest.mark.parametrize(
    ("fault", "option"), [(nan_inside, "--nan"), (singular_sform, "--repair-affine"), (two_grids, "--resample-to")]
)
def test_options_of_a_preparation_that_messages_name_help(fault, option, tmp_path, type_, monkeypatch):
    monkeypatch.setenv("COLUMNS", "500")
    fault(tmp_path / "raw")
    code, said = type_("prep", "mr", tmp_path / "raw", tmp_path / "out", "--workers", 0)
    assert code in (ExitCode.REFUSED, ExitCode.SOME_FAILED)
    told = f"{said} {(tmp_path / 'out' / 'quarantine.csv').read_text()}"
    code, said = type_("prep", "mr", tmp_path / "raw", tmp_path / "out", "--workers", 0, *advised(told, option))
    assert code == 0, said
    assert "1 case prepared" in said


def test_the_pattern_that_tells_patients_apart_can_be_typed_as_printed(tmp_path, type_):
    for label in ("a", "b"):
        for patient in range(4):
            for number in range(2):
                path = tmp_path / "raw" / label / f"p{patient}_{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(picture(striped=label == "a", seed=10 * patient + number)).convert("RGB").save(path)
    code, said = type_("prep", "tiles", tmp_path / "raw", tmp_path / "out", "--workers", 0)
    assert code == ExitCode.REFUSED
    code, said = type_(
        "prep", "tiles", tmp_path / "raw", tmp_path / "out", "--workers", 0, *advised(said, "--subject-from")
    )
    assert code == 0, said
    assert "subjects" in said


# -------------------------------------------------------------------------------------------------------------- runs
TOY = """
bundle_root: .
output_dir: $@bundle_root + '/out'
made: {_target_: subprocess.list2cmdline, seq: [a, b]}
run: [$print(@made)]
"""


def test_a_refused_bundle_runs_with_trust(tmp_path, type_, monkeypatch):
    (tmp_path / "toy" / "configs").mkdir(parents=True)
    (tmp_path / "toy" / "configs" / "train.yaml").write_text(TOY)
    monkeypatch.chdir(tmp_path)
    code, said = type_("run", "toy", "train")
    assert code == ExitCode.REFUSED
    assert "run it with --trust" in said
    assert type_("run", "toy", "train", "--trust")[0] == 0


def test_a_folder_that_has_the_name_of_a_bundle_is_meant_as_the_message_says(tmp_path, type_, monkeypatch):
    (tmp_path / "mr_edge_mae_pretraining" / "configs").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    code, said = type_("run", "mr_edge_mae_pretraining", "train", "--help")
    assert code == ExitCode.REFUSED
    theirs = re.search(r"write (\S+) for the folder, (\S+) for the bundle", said)
    assert "has no configuration 'train'" in type_("run", theirs[1], "train", "--help")[1]
    assert type_("run", theirs[2], "train", "--help")[0] == 0


@pytest.mark.parametrize("bundle", list(shipped()))
def test_what_is_advised_when_memory_runs_out_can_be_typed_for_every_training(bundle):
    advice = training_advice(edge_mae_tiny(), batch_size=20)
    options = [word for line in advice for word in re.findall(r"(--\S+) (\S+?),? ", f"{line} ")]
    assert dict(options) == {"--batch_size": "10", "--accumulate": "2", "--recompute": "true"}
    recipe = Ids(ConfigParser.load_config_file(find_config(shipped()[bundle], "train")))
    words = [word for pair in options for word in pair]
    given = given_values(recipe, overrides={}, options=parse_options(words), trust=False)
    assert given["recompute"] is True


@pytest.mark.slow
def test_trainings_go_on_as_their_messages_say(tmp_path, type_, monkeypatch):
    for subject in range(1, 5):
        save(tmp_path / "raw" / f"P{subject}" / "T1.nii.gz", head(subject))
        save(tmp_path / "raw" / f"P{subject}" / "T2.nii.gz", 900 * (head(subject) > 0) - head(subject))
    monkeypatch.chdir(tmp_path)
    assert type_("prep", "mr", "raw", "prepared", "--workers", 0)[0] == 0
    tiny = ["--dataset_dir", "prepared", "--batch_size", 2, "--epochs", 1, "--warmup_epochs", 0]
    tiny += ["--method::_target_", "medmae.methods.mt_unet.mt_unet_tiny"]
    train = ["run", "mr_mt_unet_synthesis", "train", *tiny]
    code, said = type_(*train)
    assert code == ExitCode.REFUSED
    train += advised(said, "--feature_weight")
    code, said = type_(*train)
    assert code == 0, said
    code, said = type_(*train, "--base_lr", 0.5, "--checkpoint", "newest")  # another rate than it began with
    assert code == ExitCode.REFUSED
    code, said = type_(*train, "--base_lr", 0.5, "--checkpoint", "newest", *advised(said, "--allow_changes"))
    assert code == 0, said
    code, said = type_(*train, "--output_dir", "other", "--checkpoint", "newest")
    assert code == ExitCode.REFUSED
    assert "leave --checkpoint out" in said
    code, said = type_(*train, "--output_dir", "other", "--dry-run")
    assert code == 0, said
