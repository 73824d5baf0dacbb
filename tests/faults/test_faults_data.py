"""Faults 26 to 28, 32, 37 and 50: manifests, leaks, empty sets, resuming, mask ratios, and names of patients."""

from __future__ import annotations

import json
import logging
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from pytorch_lightning.callbacks import Callback

from data_prep import tiny
from medmae import cli
from medmae.data import Crops, Manifest, Samples, Slices
from medmae.data.views import View
from medmae.errors import DataError, ExitCode
from medmae.evaluate.leakage import require_unseen
from medmae.masking.base import Mask, Masks
from medmae.methods.edge_mae import edge_mae_tiny
from medmae.methods.mae import mae_tiny
from medmae.training import Checkpoints, ResumableLoader, fit
from tests.training.toys import Blobs, module, trainer

NAME = "mr_edge_mae_pretraining"
TINY = ["--method::_target_", "medmae.methods.edge_mae.edge_mae_tiny", "--batch_size", "4", "--epochs", "1"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A prepared data set of three subjects, and its raw files."""
    return tiny.make("mr", tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def prepared(data: tuple[Path, Path], tmp_path: Path) -> Path:
    """A copy that may be spoilt."""
    return Path(shutil.copytree(data[0], tmp_path / "prepared"))


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stop:
        cli.main([str(argument) for argument in arguments])
    return int(stop.value.code or 0)


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]


def rewrite(folder: Path, rows: list[dict[str, Any] | str]) -> None:
    lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
    (folder / "manifest.jsonl").write_text("\n".join(lines) + "\n")


# ----------------------------------------------------------------------------------------------------- 26: manifests
def test_fault_26_every_bad_row_of_a_manifest_is_listed_with_its_line_and_nothing_is_used(prepared: Path) -> None:
    first, second, third = rows_of(prepared)
    rewrite(prepared, [first, "{half a row", {**second, "split": "holdout"}, first, {"case": "x"}, third])
    with pytest.raises(DataError) as caught:
        Samples(source=prepared, view=Slices())
    told = str(caught.value)
    assert "4 bad rows" in told
    for part in ("line 2: not JSON", "line 3: split 'holdout'", "line 4: case 'sub-01' is also on line 1", "line 5: "):
        assert part in told


@pytest.mark.parametrize("shard", ["../outside.npy", "shards/../../outside.npy", "ABSOLUTE", "a link"])
def test_fault_26_a_shard_outside_the_data_set_is_refused_with_its_line(prepared: Path, shard: str) -> None:
    outside = prepared.parent / "outside.npy"
    rows = rows_of(prepared)
    shutil.move(prepared / rows[1]["shard"], outside)
    if shard == "a link":
        (prepared / rows[1]["shard"]).symlink_to(outside)
    else:
        rows[1]["shard"] = str(outside) if shard == "ABSOLUTE" else shard
    rewrite(prepared, rows)
    with pytest.raises(DataError, match=r"line 2: .* lies outside the folder of the manifest"):
        Manifest.read(prepared)


def test_fault_26_shards_that_are_gone_or_changed_are_listed_with_their_lines(prepared: Path) -> None:
    first, second, third = (prepared / row["shard"] for row in rows_of(prepared))
    content = bytearray(second.read_bytes())
    content[-2] ^= 1
    second.write_bytes(content)
    Manifest.read(prepared)  # a hash costs reading all data: only when asked for
    first.unlink()
    with pytest.raises(DataError, match=r"line 1: shard .* does not exist; line 2: shard .* has sha256") as caught:
        Manifest.read(prepared, verify=True)
    assert third.name not in str(caught.value)


def test_fault_26_raw_files_may_be_gone_once_they_are_prepared(data: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copytree(data[0], tmp_path / "elsewhere" / "prepared")
    rows = rows_of(tmp_path / "elsewhere" / "prepared")
    for contrast in rows[0]["contrasts"]:
        contrast["source"] = str(tmp_path / "gone" / "T1.nii.gz")
    rewrite(tmp_path / "elsewhere" / "prepared", list(rows))
    assert len(Samples(source=tmp_path / "elsewhere" / "prepared", view=Slices())) > 0


def test_fault_26_a_table_that_names_a_missing_file_sets_that_case_aside_with_its_line(
    data: tuple[Path, Path], tmp_path: Path
) -> None:
    lines = ["subject,contrast,path", "a,T1,gone.nii.gz"]
    lines += [f"{path.parts[-3]},T1,{path}" for path in sorted(data[1].rglob("*_T1w.nii.gz"))]
    (tmp_path / "table.csv").write_text("\n".join(lines) + "\n")
    assert run("prep", "mr", tmp_path / "table.csv", tmp_path / "out") == ExitCode.SOME_FAILED
    assert "line 2 of table.csv names a file that does not exist" in (tmp_path / "out" / "quarantine.csv").read_text()
    assert len(Manifest.read(tmp_path / "out")) == 3


# ---------------------------------------------------------------------------------------------------------- 27: leaks
def same_subject(rows: list[dict[str, Any]]) -> None:
    for row in rows[:2]:
        row["subject"] = "twin"


def same_file(rows: list[dict[str, Any]]) -> None:
    for row in rows[:2]:
        row["contrasts"][0]["source_sha256"] = "feed"


@pytest.mark.parametrize(
    ("leak", "told"),
    [
        (same_subject, r"same subject is in more than one split: twin \(train, val\)"),
        (same_file, r"same source file \(sha256\) is in more than one split: .* = feed \(train, val\)"),
    ],
)
def test_fault_27_a_patient_or_a_file_in_two_splits_is_refused_before_training(
    prepared: Path, leak: Callable[[list[dict[str, Any]]], None], told: str
) -> None:
    rows = rows_of(prepared)
    leak(rows)
    rewrite(prepared, list(rows))
    for view in (Slices(), Crops()):
        with pytest.raises(DataError, match=told) as caught:
            Samples(source=prepared, view=view)
    assert caught.value.exit_code == ExitCode.REFUSED


def test_fault_27_preparing_with_a_split_that_leaks_ends_with_exit_code_2(
    data: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raw = Path(shutil.copytree(data[1], tmp_path / "raw"))
    shutil.copy(next(raw.glob("sub-01/anat/*T1w*")), next(raw.glob("sub-02/anat/*T1w*")))
    (tmp_path / "splits.csv").write_text("subject,split\nsub-01,test\nsub-02,train\nsub-03,train\n")
    assert run("prep", "mr", raw, tmp_path / "out", "--split", tmp_path / "splits.csv") == ExitCode.REFUSED
    assert "the same content under different subjects: sub-01 T1" in capsys.readouterr().err
    assert not (tmp_path / "out" / "manifest.jsonl").exists()
    (tmp_path / "splits.csv").write_text("subject,split\nsub-01,test\nsub-01,train\n")
    assert run("prep", "mr", raw, tmp_path / "out", "--split", tmp_path / "splits.csv") == ExitCode.REFUSED
    assert "line 3: subject 'sub-01' is in test and in train" in capsys.readouterr().err


@pytest.mark.slow
def test_fault_27_weights_are_not_evaluated_on_patients_of_their_training_unless_that_is_declared(
    data: tuple[Path, Path], prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("run", NAME, "train", "--dataset_dir", data[0], "--output_dir", "trained", *TINY) == ExitCode.OK
    swapped = {"train": "test", "test": "train"}
    rewrite(prepared, [{**row, "split": swapped.get(row["split"], row["split"])} for row in rows_of(prepared)])
    evaluate = ["run", NAME, "evaluate", "--model_dir", "trained/models", "--output_dir", "eval", *TINY[:4]]
    assert run(*evaluate, "--dataset_dir", prepared) == ExitCode.REFUSED
    assert "pre-training has seen 1 of the subjects to evaluate: sub-02" in capsys.readouterr().err
    assert not (tmp_path / "eval").exists()
    assert run(*evaluate, "--dataset_dir", data[0]) == ExitCode.OK
    with pytest.warns(UserWarning, match="transductive evaluation: pre-training has seen 1"):
        assert run(*evaluate, "--dataset_dir", prepared, "--transductive", "True") == ExitCode.OK
    assert json.loads((tmp_path / "eval" / "run.json").read_text())["config"]["transductive"] is True


def test_fault_27_weights_that_say_nothing_of_their_training_are_warned_of(prepared: Path, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="nobody can tell whom these weights have seen"):
        require_unseen(model_dir=tmp_path / "models", manifest=prepared)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(DataError, match="record of the run cannot be read"):
        require_unseen(model_dir=tmp_path / "models", manifest=prepared, allow=True)


# ---------------------------------------------------------------------------------------------------- 28: nothing there
@pytest.mark.parametrize("view", [Slices(), Crops()])
def test_fault_28_a_data_set_without_samples_is_refused(prepared: Path, view: View[Any]) -> None:
    rewrite(prepared, [row for row in rows_of(prepared) if row["split"] != "train"])
    with pytest.raises(DataError, match="is left to read"):
        Samples(source=prepared, view=view)
    rewrite(prepared, [])
    with pytest.raises(DataError, match="the manifest has no rows"):
        Samples(source=prepared, view=view)


@pytest.mark.parametrize(
    ("count", "remedy"), [(0, "check the split"), (3, "lower batch_size or set drop_last to false")]
)
def test_fault_28_a_loader_without_a_batch_is_refused_before_training_where_lightning_would_end_in_silence(
    tmp_path: Path, count: int, remedy: str
) -> None:
    made = trainer(tmp_path)
    with pytest.raises(DataError, match=f"the training loader gives no batch.*{remedy}"):
        fit(trainer=made, module=module(), train_loader=ResumableLoader(dataset=Blobs(count), batch_size=4))
    assert made.global_step == 0


@pytest.mark.parametrize("further", [[], ["--dry-run"]])
def test_fault_28_the_command_line_says_so_with_exit_code_2(
    data: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], further: list[str]
) -> None:
    where = ["--dataset_dir", data[0], "--output_dir", tmp_path / "out"]
    assert run("run", NAME, "train", *where, *TINY, "--batch_size", "1000", *further) == ExitCode.REFUSED
    assert "the training loader gives no batch" in capsys.readouterr().err


# ----------------------------------------------------------------------------------------------- 32: inside an epoch
class Diary(Callback):
    """What each step saw and gave; breaks the run off after some."""

    def __init__(self, *, stop_after: int | None = None) -> None:
        self.pages: list[tuple[object, ...]] = []
        self.stop_after = stop_after

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        mask = pl_module.last_mask.visible.tolist()
        self.pages.append((batch["index"].tolist(), mask, outputs["loss"].item()))
        if len(self.pages) == self.stop_after:
            raise KeyboardInterrupt


def remember_masks(learner: Any) -> Any:
    draw = learner.method.draw_masks

    def drawn(*arguments: Any, **options: Any) -> Masks:
        masks = draw(*arguments, **options)
        learner.last_mask = masks["image"]
        return masks

    learner.method.draw_masks = drawn
    return learner


class Numbered(Blobs):
    """Samples that tell their index."""

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"image": self.images[index], "index": index}


def careless(data: torch.Tensor, *, generator: torch.Generator) -> torch.Tensor:
    """Draws from every global generator, as the code of a user may."""
    return data + 0.01 * (random.random() + np.random.rand() + torch.rand(()).item())


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_fault_32_a_run_stopped_inside_an_epoch_goes_on_with_its_samples_masks_and_losses(
    tmp_path: Path, workers: int
) -> None:
    def train(folder: Path, *, stop_after: int | None = None, checkpoint: str | None = None) -> list[object]:
        seed = 99 if checkpoint else 1  # a new process knows nothing of the old one's generators
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)
        diary = Diary(stop_after=stop_after)
        keeper = Checkpoints(folder=folder / "checkpoints", every_steps=1)
        made = trainer(folder, epochs=2, enable_checkpointing=True, callbacks=[keeper])
        made.callbacks.append(diary)  # behind the keeper
        batches = ResumableLoader(dataset=Numbered(16), batch_size=4, seed=3, num_workers=workers)
        try:
            learner = remember_masks(module(augment={"image": careless}))
            fit(trainer=made, module=learner, train_loader=batches, checkpoint=checkpoint)
        except SystemExit:
            assert stop_after is not None
        return diary.pages

    whole = train(tmp_path / "whole")
    before = train(tmp_path / "cut", stop_after=6)
    assert before + train(tmp_path / "cut", checkpoint="newest") == whole
    assert len(whole) == 8
    assert whole[0][0] != whole[4][0]  # another order in the second epoch


# --------------------------------------------------------------------------------------------------- 37: mask ratios
@pytest.mark.parametrize("ratio", [0.0, 1.0, -0.2, 1.5, 0.999, 1e-4])
@pytest.mark.parametrize("build", [mae_tiny, edge_mae_tiny])
def test_fault_37_a_ratio_that_leaves_no_token_or_all_is_refused_when_the_method_is_built(
    build: Callable[..., object], ratio: float
) -> None:
    if ratio == 1e-4:
        with pytest.raises(ValueError, match="leaves"):
            build(mask_ratio=ratio, rounding="nearest")
        return
    with pytest.raises(ValueError, match=rf"a mask ratio of {ratio} leaves -?\d+ of \d+ tokens visible; choose"):
        build(mask_ratio=ratio)


def test_fault_37_a_mask_that_hides_nothing_or_all_is_refused() -> None:
    for nothing in (torch.zeros(2, 4, dtype=torch.bool), torch.ones(2, 4, dtype=torch.bool)):
        with pytest.raises(ValueError, match="some tokens of each sample must be visible, and some masked"):
            Mask.from_bool(nothing)


# ------------------------------------------------------------------------------------------------ 50: names of patients
NAMED = ("MUSTERFRAU", "ERIKA", "19640812")


def with_a_name(path: Path) -> None:
    """Puts a patient's name wherever a NIfTI header has room for words."""
    image = nib.load(path)
    header = image.header
    header["descrip"], header["aux_file"] = b"MUSTERFRAU^ERIKA 19640812", b"MUSTERFRAU_ERIKA.par"
    header["db_name"], header["intent_name"] = b"ERIKA MUSTER", b"ERIKA"
    header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"MUSTERFRAU^ERIKA"))
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), image.affine, header), path)
    assert b"ERIKA" in nib.load(path).header.binaryblock


def told_of_a_patient(folder: Path) -> list[Path]:
    def holds(path: Path) -> bool:
        content = path.read_bytes()
        if path.name.endswith(".gz"):
            content = nib.load(path).to_bytes()
        return any(name.encode() in content.upper() for name in NAMED)

    return [path for path in folder.rglob("*") if path.is_file() and holds(path)]


@pytest.mark.slow
def test_fault_50_names_in_nifti_headers_reach_no_file_no_log_and_no_message(
    data: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    raw = Path(shutil.copytree(data[1], tmp_path / "raw"))
    for path in raw.rglob("*.nii.gz"):
        with_a_name(path)
    broken = raw / "sub-04" / "anat" / "sub-04_T1w.nii.gz"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(next(raw.rglob("*_T1w.nii.gz")).read_bytes()[:-9])
    out = tmp_path / "out"
    out.mkdir()
    monkeypatch.chdir(out)
    assert run("prep", "mr", raw, "prepared") == ExitCode.SOME_FAILED
    assert run("run", NAME, "train", "--dataset_dir", "prepared", "--output_dir", "run", *TINY) == ExitCode.OK
    infer = ["run", NAME, "inference", "--dataset_dir", raw / "sub-01", "--model_dir", "run/models", *TINY[:4]]
    assert run(*infer, "--output_dir", "volumes", "--output", "reconstruction") == ExitCode.OK
    assert run(*infer, "--output_dir", "volumes", "--output", "features") == ExitCode.OK
    assert list((out / "volumes").glob("*_desc-reconstruction.nii.gz"))
    assert told_of_a_patient(out) == []
    shown = capfd.readouterr()
    assert not [name for name in NAMED if name in (shown.out + shown.err + caplog.text).upper()]


def test_fault_50_names_in_dicom_headers_reach_no_file_and_no_message(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sitk = pytest.importorskip("SimpleITK", reason="DICOM needs SimpleITK, of the prep extra")
    for case, slices in (("case1", range(6)), ("case2", (0, 1, 3, 4))):  # the second lacks a slice
        (tmp_path / "raw" / case).mkdir(parents=True)
        volume = np.random.default_rng(0).integers(0, 900, (6, 8, 6)).astype(np.int16)
        for z in slices:
            image = sitk.GetImageFromArray(volume[z][None])
            image.SetSpacing((1.0, 1.0, 2.5))
            image.SetOrigin((0.0, 0.0, 2.5 * z))
            tags = {"0010|0010": "MUSTERFRAU^ERIKA", "0010|0020": f"ERIKA-{case[-1]}", "0010|0030": "19640812"}
            tags |= {"0008|103e": "t2_tse_tra ERIKA", "0020|000e": "1.2.826.0.1.3680043.2.1125.7", "0008|0060": "MR"}
            for tag, value in tags.items():
                image.SetMetaData(tag, value)
            writer = sitk.ImageFileWriter()
            writer.KeepOriginalImageUIDOn()
            writer.SetFileName(str(tmp_path / "raw" / case / f"{z}.dcm"))
            writer.Execute(image)
    assert run("prep", "mr", tmp_path / "raw", tmp_path / "out", "--workers", "0") == ExitCode.SOME_FAILED
    assert len(Manifest.read(tmp_path / "out")) == 1
    assert told_of_a_patient(tmp_path / "raw")
    assert told_of_a_patient(tmp_path / "out") == []
    shown = capfd.readouterr()
    assert not [name for name in NAMED if name in (shown.out + shown.err).upper()]
