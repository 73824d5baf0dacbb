"""The figures of one case."""

import math

import numpy as np
import pytest
import torch

from medmae.data.volumes.slices import fit
from medmae.evaluate.synthesis.case_scores import SynthesisCases
from medmae.evaluate.synthesis.synthesis_scores import contestants, definitions, score_case, summarise_scores
from tests.shards import rewrite_shard


@pytest.fixture
def volumes(make_set):
    found = SynthesisCases(
        manifest=make_set(lesion=("d",)), split="test", source="T1", target="T2", contrasts=None, min_foreground=0.02
    )
    return found.read(found.tasks()[0])


def scored(volumes, synthetic, *, table=None, outputs=None, edge=28, resize=True, patch=None):
    rivals = {"table": volumes.source if table is None else table, "joint": None}
    options = {"outputs": outputs or {}, "edge": edge, "resize": resize, "patch": patch, "labelled": ("lesion",)}
    return score_case(volumes, synthetic=synthetic, baselines=rivals, **options)


def test_an_error_outside_a_region_does_not_count_in_it(volumes):
    row = scored(volumes, np.where(volumes.lesion, volumes.real + 0.1, volumes.real))
    assert row["psnr_model_lesion"] == pytest.approx(20.0, abs=1e-4)
    assert row["mae_model_lesion"] == pytest.approx(0.1, abs=1e-6)
    assert row["psnr_model_foreground"] > 30
    in_air = scored(volumes, np.where(volumes.foreground, volumes.real, 0.5))
    assert in_air["psnr_model_foreground"] == 100.0
    assert in_air["psnr_model_whole"] < 15
    assert row["lesion_voxels"] == volumes.lesion.sum()


def test_the_reference_definition_is_of_what_the_network_itself_gave(volumes):
    blurred = np.zeros_like(volumes.real)
    sharp = {int(z): plane for z, plane in zip(volumes.filled, _fitted(volumes), strict=True)}
    row = scored(volumes, blurred, outputs=sharp)
    assert row["psnr_model_reference"] == 100.0
    assert row["nmse_model_reference"] == 0.0
    assert scored(volumes, blurred)["psnr_model_reference"] < 20


def _fitted(volumes):
    return fit(torch.from_numpy(volumes.real[volumes.filled]), size=28).numpy()


def test_of_a_network_that_resizes_nothing_slices_are_compared_as_they_were_padded(volumes):
    padded = fit(torch.from_numpy(volumes.real[volumes.filled]), size=30, resize=False).numpy()
    sharp = {int(z): plane for z, plane in zip(volumes.filled, padded, strict=True)}
    row = scored(volumes, np.zeros_like(volumes.real), outputs=sharp, edge=30, resize=False)
    assert row["psnr_model_reference"] == 100.0
    found = definitions(edge=30, resize=False, min_foreground=0.02, labels={})
    assert "padded to at least 30 x 30 pixels" in found["reference"]["volume"]


def test_the_reference_definition_looks_at_the_box_around_the_source(make_set):
    manifest = make_set(shape=(12, 40, 30))
    path = manifest.folder / "shards" / "d.npy"
    block = np.load(path)
    block[:, :, :12], block[:, :, :, 22:] = 0, 0
    block[:, 1, 0, 0] = 0.7  # a target that reaches further than its source
    rewrite_shard(manifest, path, block)
    found = SynthesisCases(manifest=manifest, split="test", source="T1", target="T2")
    case = found.read(found.tasks()[0])
    rows, columns = (np.flatnonzero(case.source.any(axis=axes)) for axes in ((0, 2), (0, 1)))
    made = case.real[case.filled][:, rows[0] - 2 : rows[-1] + 3, columns[0] - 2 : columns[-1] + 3]
    own = fit(torch.from_numpy(made), size=28).numpy()
    row = scored(case, np.zeros_like(case.real), outputs=dict(zip(case.filled.tolist(), own, strict=True)))
    assert row["psnr_model_reference"] == 100.0


def test_a_3d_network_s_reference_figures_are_of_slices_as_they_are_stored(volumes):
    row = scored(volumes, volumes.real, edge=None)
    assert row["ssim_model_reference"] == pytest.approx(1.0)
    assert "as stored" in definitions(edge=None, min_foreground=0.02, labels={})["reference"]["volume"]


def test_stripes_are_judged_against_the_real_volume(volumes):
    shift = 0.2 * (np.arange(len(volumes.real)) % 2)[:, None, None]
    row = scored(volumes, np.where(volumes.foreground, volumes.real + shift, 0), table=volumes.real)
    assert row["stripe_table_foreground"] == pytest.approx(1.0)
    assert row["stripe_model_foreground"] > 1.2


def test_a_baseline_that_could_not_be_made_has_empty_cells_for_each_of_the_model_s(volumes):
    row = scored(volumes, volumes.real, patch=4)
    ours = {name.replace("_model_", "_joint_") for name in row if "_model_" in name}
    assert ours == {name for name in row if "_joint_" in name}
    assert all(math.isnan(row[name]) for name in ours)


def test_blockiness_is_that_of_what_the_network_itself_gave_and_needs_its_patch(volumes):
    fitted = _fitted(volumes)
    grid = np.add.outer(np.arange(28) // 4, np.arange(28) // 4) % 2 * 0.2
    outputs = {int(z): plane + grid for z, plane in zip(volumes.filled, fitted, strict=True)}
    row = scored(volumes, volumes.real, table=volumes.real, outputs=outputs, patch=4)
    assert row["blockiness_model_foreground"] > 1.5
    assert row["blockiness_table_foreground"] == pytest.approx(1.0)
    assert not [name for name in scored(volumes, volumes.real) if "blockiness" in name]


def rows(*pairs):
    return [
        {"case": s, "subject": s, "psnr_model_whole": ours, "psnr_table_whole": theirs, "mae_model_whole": 1 / ours,
         "mae_table_whole": 1 / theirs, "stripe_model_foreground": 1.0, "stripe_table_foreground": 2.0, "slices": 9}
        for s, ours, theirs in pairs
    ]  # fmt: skip


def test_the_summary_pairs_model_and_table_and_a_gain_is_always_an_improvement():
    summary = summarise_scores(rows(("a", 20.0, 10.0), ("b", 30.0, 25.0)))
    assert summary["psnr_model_whole"]["mean"] == 25.0
    assert summary["psnr_model_whole"]["better"] == "higher"
    assert summary["psnr_model_whole"]["label"] == "PSNR, whole volume"
    assert summary["gain_over_table_psnr_whole"]["mean"] == 7.5
    assert summary["gain_over_table_mae_whole"]["mean"] > 0
    assert summary["mae_model_whole"]["better"] == "lower"
    assert summary["stripe_model_foreground"]["better"] == "nearer 1"
    assert "gain_over_table_stripe_foreground" not in summary
    assert "slices" not in summary


def test_every_contestant_has_a_row_and_a_baseline_s_tells_what_the_model_gains_paired():
    summary = summarise_scores(rows(("a", 20.0, 10.0), ("b", 30.0, 25.0)))
    found = {(row["metric"], row["contestant"]): row for row in contestants(summary, target="T2")}
    assert set(found) == {(m, c) for m in ("psnr", "mae", "stripe") for c in ("model", "table")}
    assert found["psnr", "table"]["mean"] == 17.5
    assert found["psnr", "table"]["model_gains_mean"] == 7.5
    assert (found["psnr", "table"]["model_gains_ci_low"], found["psnr", "table"]["model_gains_ci_high"]) == (5.0, 10.0)
    assert found["psnr", "model"]["model_gains_mean"] is None
    assert found["stripe", "table"]["model_gains_mean"] is None


def test_cases_without_a_figure_are_left_out_and_a_figure_without_cases_too():
    table = rows(("a", 20.0, 10.0), ("b", 30.0, 25.0))
    for row in table:
        row["ssim_model_lesion"] = row["ssim_table_lesion"] = math.nan
    table[0]["psnr_model_whole"] = math.nan
    summary = summarise_scores(table)
    assert summary["psnr_model_whole"]["n_subjects"] == summary["gain_over_table_psnr_whole"]["n_subjects"] == 1
    assert "ssim_model_lesion" not in summary


def test_the_definitions_say_range_mask_and_dimensions_of_every_region():
    found = definitions(edge=64, min_foreground=0.02, labels={"lesion": ["lesion"], "other": ["aseg"]})
    assert set(found) == {"whole", "foreground", "reference", "lesion"}
    for how in found.values():
        assert {"data_range", "mask", "psnr", "ssim", "nmse", "mae"} <= set(how)
        assert "2-d" in how["ssim"]
    assert found["foreground"]["data_range"] == 1.0
    assert "64 x 64" in found["reference"]["volume"]
    assert "(lesion)" in found["lesion"]["mask"]
    assert "lesion" not in definitions(edge=64, min_foreground=0.02, labels={})
