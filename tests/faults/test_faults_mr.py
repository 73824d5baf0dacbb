"""Faults 1 to 12: what MR files are like that are not as they should be, from the file to the step that reads it."""

from __future__ import annotations

import csv
import gzip
import struct
import tracemalloc
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from rich.console import Console

from data_prep.mr import main, prepare
from medmae.data import Crops, Grid, Manifest, Samples, Slices
from medmae.data.augment.volume import VolumeAugment
from medmae.errors import DataError, ExitCode
from medmae.methods.edge_mae import edge_mae_tiny
from medmae.methods.mae import mae_tiny
from medmae.training import ResumableLoader, fit
from tests.training.toys import module, trainer

# Offsets in the NIfTI-1 header.
DIM, DATATYPE, PIXDIM, VOX_OFFSET, QFORM_CODE, SFORM_CODE, SROW = 40, 70, 76, 108, 252, 254, 280
AFFINE = np.diag([-1.0, 1.0, 3.0, 1.0])
Changes = Mapping[int, tuple[str, tuple[float, ...]]]


def tissue(seed: int = 0, *, shape: tuple[int, ...] = (14, 16, 10)) -> np.ndarray:
    """A textured block in air, int16."""
    volume = np.zeros(shape, dtype=np.int16)
    inner = tuple(n - 6 for n in shape)
    volume[3:-3, 3:-3, 3:-3] = np.random.default_rng(seed).integers(50, 1000, inner)
    return volume


def save(path: Path, array: np.ndarray, *, affine: np.ndarray = AFFINE, changes: Changes | None = None) -> Path:
    """Writes a volume, then changes bytes of its header."""
    image = nib.Nifti1Image(array, affine)
    image.set_qform(affine, code=1)
    image.set_sform(affine, code=1)
    content = bytearray(image.to_bytes())
    for offset, (code, values) in (changes or {}).items():
        struct.pack_into(code, content, offset, *values)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(bytes(content), mtime=0) if path.suffix == ".gz" else bytes(content))
    return path


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Three sound cases with one contrast."""
    for number in (1, 2, 3):
        save(tmp_path / "raw" / f"p{number}" / "T1.nii.gz", tissue(number))
    return tmp_path / "raw"


def run(source: Path, out: Path, **options: Any) -> Any:
    return prepare(source=source, out=out, workers=0, console=Console(quiet=True), **options)


def quarantined(out: Path) -> list[dict[str, str]]:
    with (out / "quarantine.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def refused(raw: Path, field: str, *arguments: str) -> dict[str, str]:
    """Prepares by the command line with one bad case, p2: it alone is set aside, and told by path and field."""
    out = raw.parent / "out"
    with pytest.raises(SystemExit) as caught:
        main([str(raw), str(out), "--workers", "0", *arguments])
    assert caught.value.code == ExitCode.SOME_FAILED
    (row,) = quarantined(out)
    assert (row["case"], row["file"], row["field"]) == ("p2", str(raw / "p2" / "T1.nii.gz"), field)
    assert row["reason"]
    assert row["remedy"]
    assert [case["case"] for case in Manifest.read(out, verify=True)] == ["p1", "p3"]
    return row


def spoil(raw: Path, changes: Changes) -> None:
    save(raw / "p2" / "T1.nii.gz", tissue(2), changes=changes)


# ----------------------------------------------------------------------------------------------------- 1: truncated
def truncate(path: Path, count: int) -> None:
    path.write_bytes(path.read_bytes()[:-count])


def test_fault_01_a_truncated_volume_is_set_aside_when_data_are_prepared(raw: Path) -> None:
    truncate(raw / "p2" / "T1.nii.gz", 200)
    nib.load(raw / "p2" / "T1.nii.gz")  # opens all the same
    assert "damaged" in refused(raw, "gzip")["reason"]


def test_fault_01_in_training_an_unreadable_case_is_replaced_counted_and_named(raw: Path, tmp_path: Path) -> None:
    manifest = run(raw, tmp_path / "out", fractions=(1, 0, 0)).manifest
    truncate(tmp_path / "out" / "shards" / "p2.npy", 100)
    data = Samples(source=manifest, view=Crops(size=(8, 16, 16), crops_per_volume=1))
    batches = ResumableLoader(dataset=data, batch_size=1, shuffle=False)
    learner = module(method=mae_tiny(image_size=(8, 16, 16), patch_size=4, in_channels=1))
    with pytest.warns(UserWarning, match=r"sample 1 \(case p2.*is replaced by the next one.*p2\.npy"):
        fit(trainer=trainer(tmp_path), module=learner, train_loader=batches)
    assert list(batches.unreadable.reasons) == [1]


def test_fault_01_a_case_with_many_unreadable_samples_ends_the_training(raw: Path, tmp_path: Path) -> None:
    manifest = run(raw, tmp_path / "out", fractions=(1, 0, 0)).manifest
    truncate(tmp_path / "out" / "shards" / "p2.npy", 100)
    batches = ResumableLoader(dataset=Samples(source=manifest, view=Slices(size=32)), batch_size=4)
    learner = module(method=mae_tiny(in_channels=1))
    with pytest.raises(DataError, match=r"too many samples cannot be read.*case p2"), pytest.warns(match="is replaced"):
        fit(trainer=trainer(tmp_path), module=learner, train_loader=batches)


def test_fault_01_preparing_again_mends_a_shard_of_which_a_bit_is_wrong(raw: Path, tmp_path: Path) -> None:
    manifest = run(raw, tmp_path / "out").manifest
    shard = tmp_path / "out" / "shards" / "p2.npy"
    content = bytearray(shard.read_bytes())
    content[-40] ^= 0x10
    shard.write_bytes(content)
    with pytest.raises(DataError, match=r"line 2.*sha256"):
        Manifest.read(manifest, verify=True)
    assert (run(raw, tmp_path / "out").prepared, run(raw, tmp_path / "out").kept) == (1, 3)
    Manifest.read(manifest, verify=True)


# ------------------------------------------------------------------------------------------------------ 2: checksum
@pytest.mark.parametrize("place", [-8, -4], ids=["checksum", "length"])
def test_fault_02_a_wrong_checksum_which_nibabel_overlooks_is_found(raw: Path, place: int) -> None:
    path = raw / "p2" / "T1.nii.gz"
    content = bytearray(path.read_bytes())
    content[place] ^= 0xFF
    path.write_bytes(content)
    np.asarray(nib.load(path).dataobj)
    refused(raw, "gzip")


# ------------------------------------------------------------------------------------------------ 3: empty promises
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({DIM: ("<8h", (3, 32000, 32000, 32000, 1, 1, 1, 1))}, "dim"),
        ({VOX_OFFSET: ("<f", (1e12,))}, "vox_offset"),
        ({DIM: ("<8h", (3, 700, 700, 700, 1, 1, 1, 1))}, "size"),  # within the limit, yet not in the file
    ],
    ids=["more than the limit", "an offset beyond the limit", "more than the file"],
)
def test_fault_03_a_header_that_promises_too_much_is_refused_before_memory_is_asked_for(
    raw: Path, changes: Changes, field: str
) -> None:
    spoil(raw, changes)
    tracemalloc.start()
    try:
        refused(raw, field)
        assert tracemalloc.get_traced_memory()[1] < 30e6
    finally:
        tracemalloc.stop()


def test_fault_03_a_small_file_that_unpacks_to_much_is_not_unpacked_into_memory(raw: Path) -> None:
    path = raw / "p2" / "T1.nii.gz"
    spoil(raw, {VOX_OFFSET: ("<f", (3e8,))})
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + bytes(100_000_000), mtime=0))
    tracemalloc.start()
    try:
        refused(raw, "vox_offset", "--limit-gb", "0.05")
        assert tracemalloc.get_traced_memory()[1] < 30e6
    finally:
        tracemalloc.stop()


# ------------------------------------------------------------------------------------------- 4: impossible numbers
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({DIM: ("<8h", (3, -14, 16, 10, 1, 1, 1, 1))}, "dim"),
        ({DIM: ("<8h", (3, 14, 0, 10, 1, 1, 1, 1))}, "dim"),
        ({DIM: ("<8h", (0, 14, 16, 10, 1, 1, 1, 1))}, "dim"),
        ({DATATYPE: ("<h", (9999,))}, "datatype"),
        ({VOX_OFFSET: ("<f", (float("nan"),))}, "vox_offset"),
    ],
    ids=["negative", "zero", "no dimension", "unknown type", "offset NaN"],
)
def test_fault_04_an_impossible_header_is_refused_by_its_field(raw: Path, changes: Changes, field: str) -> None:
    spoil(raw, changes)
    assert refused(raw, field)["value"]


# -------------------------------------------------------------------------------------------------------- 5: affine
@pytest.mark.parametrize(
    "rows",
    [(0.0,) * 12, (float("nan"),) * 12, (1.0, 1, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0)],
    ids=["zero", "NaN", "singular"],
)
def test_fault_05_an_unusable_affine_is_refused_and_the_qform_offered_never_taken_unasked(
    raw: Path, tmp_path: Path, rows: tuple[float, ...]
) -> None:
    spoil(raw, {SROW: ("<12f", rows)})
    assert "--repair-affine qform" in refused(raw, "sform")["remedy"]
    manifest = Manifest.read(run(raw, tmp_path / "repaired", repair_affine="qform").manifest)
    (row,) = (row for row in manifest if row["case"] == "p2")
    assert row["contrasts"][0]["flags"] == ["affine_from_qform"]
    np.testing.assert_allclose(Grid.from_dict(row["grid"]).affine, AFFINE)


# ---------------------------------------------------------------------------------------------------- 6: voxel size
@pytest.mark.parametrize("size", [0.0, 80.0, 0.001, float("nan")])
def test_fault_06_a_voxel_size_that_cannot_be_is_refused_though_nibabel_would_mend_it(raw: Path, size: float) -> None:
    spoil(raw, {PIXDIM + 4: ("<f", (size,))})
    assert "voxel size" in refused(raw, "pixdim")["reason"]


def test_fault_06_a_voxel_size_that_contradicts_the_affine_is_flagged(raw: Path, tmp_path: Path) -> None:
    spoil(raw, {PIXDIM + 4: ("<f", (2.0,))})
    flags = {row["case"]: row["contrasts"][0]["flags"] for row in Manifest.read(run(raw, tmp_path / "out").manifest)}
    assert flags == {"p1": [], "p2": ["pixdim_differs_from_affine"], "p3": []}


# ---------------------------------------------------------------------------------------------------- 7: not finite
def holes(raw: Path) -> np.ndarray:
    array = tissue(2).astype(np.float32)
    array[5, 5, 5], array[6, 6, 6] = np.nan, np.inf
    save(raw / "p2" / "T1.nii.gz", array)
    return array


def test_fault_07_voxels_that_are_not_finite_are_counted_and_refused(raw: Path) -> None:
    holes(raw)
    assert refused(raw, "voxels")["value"] == "2"


@pytest.mark.parametrize("policy", ["zero", "median"])
def test_fault_07_voxels_that_are_not_finite_are_set_when_asked_for_and_the_manifest_says_so(
    raw: Path, tmp_path: Path, policy: str
) -> None:
    array = holes(raw)
    manifest = Manifest.read(run(raw, tmp_path / "out", nan=policy, dtype="float32").manifest)
    row = manifest.rows[1]
    assert row["contrasts"][0]["flags"] == [f"nan_set_to_{policy}:2"]
    stored = np.load(manifest.folder / row["shard"])[:, 0]
    assert np.isfinite(stored).all()
    back = Grid.from_dict(row["grid"]).from_canonical(stored)
    assert (back[5, 5, 5] == 0) == (policy == "zero" or np.median(array[np.isfinite(array)]) == 0)


# ------------------------------------------------------------------------------------------------------ 8: constant
def test_fault_08_an_empty_contrast_divides_nothing_by_zero_is_flagged_and_not_learnt_from(
    raw: Path, tmp_path: Path
) -> None:
    save(raw / "p2" / "T2.nii.gz", np.full((14, 16, 10), 7, np.int16))
    with np.errstate(all="raise"):
        manifest = Manifest.read(run(raw, tmp_path / "out", fractions=(1, 0, 0)).manifest)
    row = manifest.rows[1]
    assert [contrast["flags"] for contrast in row["contrasts"]] == [[], ["constant"]]
    assert (np.load(manifest.folder / row["shard"])[:, 1] == 0).all()
    for data in (Samples(source=manifest, view=Slices()), Samples(source=manifest, view=Crops())):
        assert {data.describe(index)["contrast"] for index in range(len(data))} == {"T1"}


def test_fault_08_patches_without_variance_have_a_finite_loss_and_gradient() -> None:
    method = mae_tiny(in_channels=1)  # regresses patches divided by their own deviation
    loss = method({"image": torch.full((2, 1, 32, 32), 0.5)}, generator=seeded(0)).loss
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in method.parameters() if p.grad is not None)


# ------------------------------------------------------------------------------------------- 9: not one grey volume
@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({DIM: ("<8h", (4, 14, 16, 5, 2, 1, 1, 1))}, "dim", "one 3-D volume"),
        ({DATATYPE: ("<hh", (128, 24))}, "datatype", "RGB"),
        ({DATATYPE: ("<hh", (2304, 32))}, "datatype", "RGB"),
        ({DATATYPE: ("<hh", (32, 64))}, "datatype", "complex"),
    ],
    ids=["series", "RGB", "RGBA", "complex"],
)
def test_fault_09_what_is_not_one_grey_volume_is_refused_and_never_read_as_channels(
    raw: Path, changes: Changes, field: str, words: str
) -> None:
    spoil(raw, changes)
    assert words in refused(raw, field)["reason"]


# ------------------------------------------------------------------------------------------ 10: smaller than a crop
SIZE = (16, 16, 16)  # of a crop; the prepared cases have 8 slices, so that half of each crop is padding
METHODS = {"mae": mae_tiny, "edge_mae": edge_mae_tiny}


@pytest.fixture
def padded(raw: Path, tmp_path: Path) -> Samples:
    return Samples(source=run(raw, tmp_path / "out", fractions=(1, 0, 0)).manifest, view=Crops(size=SIZE))


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch_of(data: Samples, *indices: int) -> dict[str, torch.Tensor]:
    return torch.utils.data.default_collate([data[index] for index in indices])


def test_fault_10_a_small_volume_is_padded_centred_and_the_crop_says_where(padded: Samples) -> None:
    item = padded[0]
    real = item["real"]
    assert torch.equal(real[0, :, 8, 8], torch.tensor([False] * 4 + [True] * 8 + [False] * 4))
    assert not item["image"][~real].any()
    assert item["image"][real].any()


@pytest.mark.parametrize("name", METHODS)
def test_fault_10_padding_is_neither_seen_nor_in_the_loss(padded: Samples, name: str) -> None:
    method = METHODS[name](image_size=SIZE, patch_size=4, in_channels=1)
    batch = batch_of(padded, 0, 8, 16)
    mask = method.draw_masks(batch, generator=seeded(0))["image"]
    real = method.patches.touched(batch["real"])  # (B, N)
    assert 0 < real.sum() < real.numel()
    assert real.gather(1, mask.visible).all()
    assert real.gather(1, mask.masked).all()
    assert (mask.num_visible + mask.num_masked) == real.sum(dim=1).min()
    assert mask.num_visible / real.sum(dim=1).min() == pytest.approx(1 - method.masking.ratio, abs=0.02)


def test_fault_10_other_values_in_the_padding_change_no_loss(padded: Samples) -> None:
    method = mae_tiny(image_size=SIZE, patch_size=4, in_channels=1)
    batch = batch_of(padded, 0, 8)
    padding = ~method.patches.paint(method.patches.touched(batch["real"]))
    assert padding.any()
    other = {**batch, "image": batch["image"].masked_fill(padding, 0.7)}
    losses = [method(some, generator=seeded(0)).loss for some in (batch, other)]
    assert torch.equal(*losses)


def test_fault_10_padding_moves_with_the_image_when_it_is_turned_or_mirrored(padded: Samples) -> None:
    augment = VolumeAugment(flip=(1.0, 1.0, 1.0), brightness=(1.0,), contrast=(1.0,))
    batch = batch_of(padded, 0)
    batch["real"][:, :, :6] = False  # not symmetric, so that a map left behind would show
    batch["image"] = batch["real"].float()
    learner = module(augment={"image": augment})
    moved = learner._augmented(batch)
    assert torch.equal(moved["image"] > 0.5, moved["real"])
    assert not torch.equal(moved["real"], batch["real"])
    with pytest.raises(ValueError, match="cannot move their padding"):
        module(augment={"image": lambda image, generator: image})._augmented(batch)


def test_fault_10_training_and_evaluation_run_on_padded_crops(padded: Samples, tmp_path: Path) -> None:
    from medmae.evaluate.reconstruct.reconstruction import evaluate_reconstruction

    method = edge_mae_tiny(image_size=SIZE, patch_size=4)
    learner = module(method=method, augment={"image": VolumeAugment()})
    batches = ResumableLoader(dataset=padded, batch_size=4)
    fit(trainer=trainer(tmp_path), module=learner, train_loader=batches)
    assert learner.guard.skipped == 0
    summary = evaluate_reconstruction(method=method, dataset=padded, out=tmp_path / "evaluation", batch_size=4)
    assert np.isfinite(summary["psnr_model"]["mean"])


def test_fault_10_no_figure_of_merit_counts_padding(
    padded: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from medmae.evaluate.reconstruct.reconstruction import evaluate_reconstruction
    from medmae.evaluate.reconstruct.reconstruction_scores import Errors

    seen: list[dict[str, torch.Tensor]] = []
    add = Errors.add

    def noted(self: Errors, maps: dict[str, torch.Tensor], position: int) -> Errors:
        seen.append({name: picture[position] for name, picture in maps.items()})
        return add(self, maps, position)

    monkeypatch.setattr(Errors, "add", noted)
    method = edge_mae_tiny(image_size=SIZE, patch_size=4)
    evaluate_reconstruction(method=method, dataset=padded, out=tmp_path / "evaluation", batch_size=1)
    first, real = seen[0], padded[0]["real"]
    assert not (first["hidden"] & ~real).any()
    # Nor does the padding count as something that was seen: it would pull the baseline's mean towards 0.
    seen_tokens = ~method.patches.paint(method.draw_masks(batch_of(padded, 0), generator=seeded(0))["image"].as_bool())[
        0
    ]
    expected = float(first["input"][seen_tokens].mean())
    assert float(first["mean_fill"][first["hidden"]].mean()) == pytest.approx(expected, abs=1e-6)


def test_fault_10_volumes_that_fill_a_crop_cost_nothing_more(raw: Path, tmp_path: Path) -> None:
    manifest = run(raw, tmp_path / "out", fractions=(1, 0, 0)).manifest
    assert "real" not in Samples(source=manifest, view=Crops(size=(4, 8, 8)))[0]


# --------------------------------------------------------------------------------------------------- 11: divisible
@pytest.mark.parametrize("build", [mae_tiny, edge_mae_tiny])
def test_fault_11_a_size_that_patches_do_not_tile_is_refused_with_the_nearest_ones(
    build: Callable[..., torch.nn.Module],
) -> None:
    with pytest.raises(ValueError, match=r"\(30, 96, 96\).*patch \(8, 8, 8\).*\(24, 96, 96\) and \(32, 96, 96\)"):
        build(image_size=(30, 96, 96), patch_size=8)


def test_fault_11_data_of_another_size_than_the_network_are_refused_with_both(raw: Path, tmp_path: Path) -> None:
    data = Samples(source=run(raw, tmp_path / "out", fractions=(1, 0, 0)).manifest, view=Slices(size=30))
    learner = module(method=mae_tiny(in_channels=1))
    with pytest.raises(ValueError, match=r"expected data of shape \(B, 1, 32, 32\), got \(4, 1, 30, 30\)"):
        fit(trainer=trainer(tmp_path), module=learner, train_loader=ResumableLoader(dataset=data, batch_size=4))


# ------------------------------------------------------------------------------------------------- 12: orientation
def test_fault_12_volumes_are_turned_once_and_the_manifest_says_from_where(raw: Path, tmp_path: Path) -> None:
    # The same head at another visit, stored sagittally: axes (P, S, R) instead of (L, A, S).
    turned = tissue(1).transpose(1, 2, 0)[::-1, :, ::-1]
    affine = np.array([[0, 0, 1.0, -13], [-1.0, 0, 0, 15], [0, 3.0, 0, 0], [0, 0, 0, 1]])
    save(raw / "p1_visit2" / "T1.nii.gz", np.ascontiguousarray(turned), affine=affine)
    manifest = Manifest.read(run(raw, tmp_path / "out").manifest)
    rows = {row["case"]: row for row in manifest}
    assert (rows["p1"]["grid"]["orientation"], rows["p1_visit2"]["grid"]["orientation"]) == ("LAS", "PSR")
    assert rows["p1"]["flags"] == rows["p1_visit2"]["flags"] == ["anisotropic"]
    first, second = (np.load(manifest.folder / rows[case]["shard"]) for case in ("p1", "p1_visit2"))
    np.testing.assert_array_equal(first, second)
    grid = Grid.from_dict(rows["p1_visit2"]["grid"])
    np.testing.assert_array_equal(grid.from_canonical(second[:, 0]) > 0, turned > 0)
