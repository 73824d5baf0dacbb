"""The main job from end to end, small."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from medmae.cli import main
from medmae.demo import run_demo
from medmae.errors import ExitCode

FEW_STEPS = {
    "epochs": 1,
    "steps_per_epoch": 2,
    "batch_size": 4,
    "method::_target_": "medmae.methods.edge_mae.edge_mae_tiny",
    "module::schedule::warmup_epochs": 0.0,
}
FEW_MORE = {
    "epochs": 1,
    "steps_per_epoch": 2,
    "batch_size": 4,
    "warmup_epochs": 0.0,
    "freeze_blocks": 0,
    "method::_target_": "medmae.methods.mt_unet.mt_unet_tiny",
}


def test_the_synthesis_network_takes_the_slices_of_the_data_set_as_they_are(tmp_path: Path) -> None:
    from data_prep.tiny import make
    from medmae.data.manifest import Manifest
    from medmae.data.volumes.slices import longest_edge
    from medmae.demo import _sized

    manifest = Manifest.read(make("mr", tmp_path)[0])
    told = _sized(manifest, ("T1", "T2"), {"method::depth": 2, "epochs": 1})
    assert told["method::image_size"] == longest_edge(manifest.rows)
    assert (told["method::depth"], told["neighbours"]) == (2, 3)
    assert "epochs" not in told
    assert "method::image_size" not in _sized(manifest, ("T1", "T2"), FEW_MORE)  # another network, with its own size


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from data_prep.mr_cohort import make_cohort

    folder = tmp_path_factory.mktemp("demo") / "with space"
    return make_cohort(out=folder, subjects=3, resolution_mm=6, contrasts=("T1", "FLAIR"), progress=False)


@pytest.mark.slow
def test_volumes_become_weights_a_record_and_a_report(cohort: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(cohort, tmp_path / "cohort")  # named as from the working directory, as the demo's own is
    result = run_demo(out=Path("out"), data=Path("cohort"), overrides=FEW_STEPS, synthesis_overrides=FEW_MORE)
    assert result.exit_code == ExitCode.OK
    assert result.synthesis is not None
    assert "not for diagnosis" in result.synthesis.read_text(encoding="utf-8")
    (volume,) = result.volumes
    assert volume.name.endswith("_desc-syntheticT1.nii.gz") or volume.name.endswith("_desc-syntheticFLAIR.nii.gz")
    page = result.report.read_text(encoding="utf-8")
    assert "Edge-MAE" in page
    assert "<script src" not in page  # self-contained
    for name in (
        "run.json",
        "models/model.pt",
        "models/model.safetensors",
        "logs/metrics.csv",
        "evaluation/summary.json",
    ):
        assert (tmp_path / "out" / name).is_file(), name


def test_a_quarantined_case_shows_in_the_exit_code(cohort: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    broken = tmp_path / "data"
    (broken / "sub-99" / "anat").mkdir(parents=True)
    (broken / "sub-99" / "anat" / "sub-99_T1w.nii.gz").write_bytes(b"no volume")
    for subject in cohort.glob("sub-*"):
        shutil.copytree(subject, broken / subject.name)
    monkeypatch.setattr("medmae.demo.run_bundle", lambda *_, overrides: Path(str(overrides["bundle_root"])))
    with pytest.raises(SystemExit) as stop:
        main(["demo", "--data", str(broken), "--out", str(tmp_path / "out")])
    assert stop.value.code == ExitCode.SOME_FAILED
    assert "report.html" in capsys.readouterr().out


def test_contrasts_off_the_grid_are_left_out_and_told_and_come_along_when_resampling_is_asked(
    shared: Path, tmp_path: Path, monkeypatch, capfd
) -> None:
    from medmae.data.manifest import Manifest

    source = shared / "data" / "mri" / "tcga_fg_6692"  # FLAIR and T2 have other shapes than T1 and T1CE
    monkeypatch.setattr("medmae.demo.run_bundle", lambda *_, overrides: Path(str(overrides["bundle_root"])))
    assert run_demo(out=tmp_path / "out", data=source).exit_code == ExitCode.SOME_FAILED
    assert Manifest.read(tmp_path / "out" / "prepared").contrast_names == ("T1", "T1CE")
    told = " ".join(capfd.readouterr().err.split())
    for name in ("FLAIR", "T2"):
        assert f"{name} and T1 (t1.nii.gz) are not on one grid" in told
    assert "medmae prep mr --resample-to T1" in told

    assert run_demo(out=tmp_path / "resampled", data=source, resample_to="T1").exit_code == ExitCode.OK
    assert set(Manifest.read(tmp_path / "resampled" / "prepared").contrast_names) == {"FLAIR", "T1", "T1CE", "T2"}
