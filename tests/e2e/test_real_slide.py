"""docs/pathology.md, command by command, on a real slide and real labelled tiles, at a size that takes seconds."""

import csv
import json
import re
import shlex
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from medmae.cli import main
from medmae.errors import ExitCode

PAGE = Path(__file__).parents[2] / "docs" / "pathology.md"
COMMANDS = [
    line.split("#")[0].strip()
    for block in re.findall(r"^```\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for line in block.splitlines()
    if line.startswith("medmae ")
]
TINY = "medmae.methods.he_mmae.he_mmae_tiny"
# What makes a command of the page quick; the page's own words stay as they are.
QUICKER = {
    "mmae_pretraining train": f"--method::_target_ {TINY} --num_visible 14 --epochs 1 --num_samples 32",
    "mmae_pretraining evaluate": f"--method::_target_ {TINY} --num_visible 14",
    "mmae_pretraining inference": f"--method::_target_ {TINY}",
    "phenotyping train": f"--pretraining::_target_ {TINY} --epochs 2",
    "phenotyping evaluate": f"--pretraining::_target_ {TINY}",
    "phenotyping inference": f"--pretraining::_target_ {TINY}",
    "phenotyping few_labels": f"--pretraining::_target_ {TINY} --epochs 2",
}


def run(command):
    """A command of the page, with what makes it quick."""
    more = next((more for kind, more in QUICKER.items() if kind in command), "")
    with pytest.raises(SystemExit) as stop:
        main([*shlex.split(command)[1:], *shlex.split(more)])
    assert stop.value.code in (None, ExitCode.OK), command


@pytest.fixture(scope="module")
def here(shared, tmp_path_factory):
    """Everything that the page makes."""
    folder = tmp_path_factory.mktemp("pathology")
    data = shared / "data" / "histology"
    shutil.copytree(data / "wsi", folder / "slides")
    shutil.copytree(data / "breakhis_samples", folder / "images")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for command in COMMANDS:
            run(command)
    return folder


@pytest.mark.slow
def test_a_slide_becomes_tiles_of_one_size_in_microns_and_a_tissue_mask(here):
    (row,) = (json.loads(line) for line in (here / "prepared" / "manifest.jsonl").read_text().splitlines())
    assert row["count"] > 40
    assert row["grid"]["tile_mpp"] == 0.5
    assert (here / "prepared" / "masks" / "CMU-1-Small-Region_overlay.png").is_file()


@pytest.mark.slow
def test_pre_training_leaves_weights_stains_and_a_report(here):
    out = here / "runs" / "pathology_he_mmae_pretraining"
    assert (out / "models" / "pretraining.safetensors").is_file()
    page = (out / "report.html").read_text()
    assert "Stains" in page
    assert "hematoxylin" in page


@pytest.mark.slow
def test_embeddings_lie_where_the_tiles_lie_and_name_their_encoder(here):
    (file,) = here.glob("runs/pathology_he_mmae_pretraining/eval/embeddings/*.h5")
    with h5py.File(file) as found:
        assert len(found["features"]) == len(found["coords"]) > 40
        assert np.isfinite(found["features"][()]).all()
        assert found["coords"].attrs["patch_size_level0"] == 224
        assert len(found.attrs["encoder_sha256"]) == 64


@pytest.mark.slow
def test_few_labels_are_scores_by_patient_beside_colour_alone(here):
    record = json.loads((here / "runs/pathology_he_phenotyping/few_labels/evaluation/protocol.json").read_text())[
        "tasks"
    ]["6 labels a class"]
    assert record["unit"] == "patient"
    assert record["task"]["classes"] == ["benign", "malignant"]
    plain = {f"{name}, logistic regression" for name in ("mean colour", "colour histogram", "raw pixels")}
    assert plain | {"untrained, linear probe", "from scratch, fine-tuned"} <= set(record["baselines"])
    kinds = {name for name in record["scores"] if name not in record["baselines"]}
    assert {"pre-trained, linear probe", "pre-trained, fine-tuned"} <= kinds
    for scores in record["scores"].values():
        confusion, accuracy = np.array(scores["confusion"]), scores["metrics"]["accuracy"]
        assert confusion.sum(axis=1).tolist() == [18, 30]  # every labelled tile once, though folds share none
        assert accuracy["mean"] == pytest.approx(np.trace(confusion) / 48)
        assert accuracy["ci_low"] < accuracy["mean"] < accuracy["ci_high"]


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["few_labels", "inference"])
def test_a_heatmap_lies_on_the_slide_at_level_0(here, folder):
    maps = here / "runs" / "pathology_he_phenotyping" / folder / "evaluation" / "heatmaps"
    (picture,) = maps.glob("*_malignant.png")
    with Image.open(picture) as image:
        assert min(image.size) > 400
    (drawn,) = maps.glob("*.geojson")
    tiles = json.loads(drawn.read_text())["features"]
    assert len(tiles) > 40
    corners = np.array([tile["geometry"]["coordinates"][0] for tile in tiles])  # (N, 5, 2)
    assert (corners >= 0).all()
    assert (corners <= np.array([2220, 2967]) + 1).all()
    assert np.ptp(corners[0, :, 0]) == pytest.approx(224 * 0.5 / 0.499, abs=0.01)
    assert tiles[0]["properties"]["classification"]["name"] in ("benign", "malignant")


@pytest.mark.slow
def test_a_classifier_of_all_labels_leaves_weights_and_a_confusion_matrix(here):
    out = here / "runs" / "pathology_he_phenotyping"
    assert (out / "models" / "classifier.safetensors").is_file()
    record = json.loads((out / "evaluation" / "protocol.json").read_text())["tasks"]["all labels"]
    confusion = np.array(record["scores"]["this network, fine-tuned"]["confusion"])
    assert confusion.sum(axis=1).tolist() == [12, 12]


@pytest.mark.slow
@pytest.mark.parametrize("by", ["stain group", "nuclei"])
def test_a_table_of_pictures_is_scores_too_and_says_that_no_patient_is_known(here, shared, monkeypatch, by):
    """dsb2018: stain groups, which colour tells apart by construction, and whether nuclei are many."""
    data, folder = shared / "data" / "histology" / "dsb2018_stained", by.replace(" ", "_")
    with (data / "labels.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["stain_group"] != "pink_purple"]
    many = sorted(int(row["n_nuclei"]) for row in rows)[len(rows) // 2]
    lines = ["path,label"]
    for row in rows:
        label = row["stain_group"] if by == "stain group" else "many" if int(row["n_nuclei"]) >= many else "few"
        lines.append(f"{data}/images/{row['id']}.png,{label}")
    monkeypatch.chdir(here)
    Path(f"{folder}.csv").write_text("\n".join(lines) + "\n")
    run(f"medmae prep tiles {folder}.csv {folder} --workers 0")
    run(
        f"medmae run pathology_he_phenotyping few_labels --dataset_dir {folder} --fine_tune false --labels [6] "
        f"--folds 2 --validate false --model_dir runs/pathology_he_mmae_pretraining/models --output_dir {folder}_scores"
    )
    record = json.loads(Path(f"{folder}_scores/evaluation/protocol.json").read_text())["tasks"]["6 labels a class"]
    assert record["unit"] == "tile"
    best = max(record["scores"][name]["metrics"]["balanced_accuracy"]["mean"] for name in record["baselines"])
    assert best > (0.9 if by == "stain group" else 0.6)  # one answer to all has 0.5
    assert "No patient is known" in Path(f"{folder}_scores/report.html").read_text()


def test_the_page_goes_all_the_way():
    kinds = [" ".join(command.split()[1:4]).split(",")[0] for command in COMMANDS]
    assert kinds == [
        "prep wsi slides",
        "run pathology_he_mmae_pretraining train",
        "run pathology_he_mmae_pretraining inference",
        "prep tiles images",
        "run pathology_he_phenotyping few_labels",
        "run pathology_he_phenotyping train",
        "run pathology_he_phenotyping evaluate",
        "run pathology_he_phenotyping inference",
    ]
