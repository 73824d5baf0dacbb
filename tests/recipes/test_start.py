import json

import pytest
from torch import nn

from medmae.errors import DataError
from medmae.evaluate.classify import protocol_tables
from medmae.evaluate.features import embedding_map
from medmae.evaluate.reconstruct import attention, reconstruction_scores, stain_panels
from medmae.evaluate.segmentation import segmentation_tables
from medmae.evaluate.slides import heatmap
from medmae.evaluate.synthesis import calibration_file, figures_of_merit
from medmae.recipes.finish import finish_evaluation
from medmae.recipes.start import clear_evaluation, start_evaluation

EVALUATED = {"seconds": None, "pretrained_on": [], "hashes": {"pretraining.safetensors": "0"}}
TRAINED = [{"seconds": 1.5}, {"pretrained_on": ["sub-01"]}, {"hashes": {"model.pt": "0"}}]


def run_of(folder, record):
    (folder / "run.json").write_text(json.dumps(record))
    return folder


@pytest.mark.parametrize("sign", TRAINED)
def test_an_evaluation_does_not_begin_where_a_training_left_its_record(tmp_path, sign):
    run_of(tmp_path, {**EVALUATED, **sign})
    (tmp_path / "evaluation").mkdir()
    (tmp_path / "evaluation" / "summary.json").write_text("{}")
    with pytest.raises(DataError, match=r"record of a training.* -> pass another --output_dir"):
        start_evaluation(tmp_path)
    assert (tmp_path / "evaluation" / "summary.json").exists()  # of the training: it stays, too


def test_nor_does_it_end_there(tmp_path):
    before = (run_of(tmp_path, {**EVALUATED, **TRAINED[0]}) / "run.json").read_text()
    about = {"title": "", "bundle": "", "config": {}, "weights": tmp_path / "w"}
    with pytest.raises(DataError, match="record of a training"):
        finish_evaluation(method=nn.Identity(), dataset_dir=tmp_path, output_dir=tmp_path, **about)
    assert (tmp_path / "run.json").read_text() == before


def test_a_record_that_cannot_be_read_is_not_replaced(tmp_path):
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(DataError, match="is not JSON"):
        start_evaluation(tmp_path)


def test_an_evaluation_may_follow_another_whose_results_go_and_whose_other_files_stay(tmp_path):
    folder = run_of(tmp_path, EVALUATED) / "evaluation"
    stale = [reconstruction_scores.SCORES, figures_of_merit.SCORES, figures_of_merit.RECORD, calibration_file.NAME]
    stale += ["summary.json", "panels.json", "panels.npz", f"{protocol_tables.FOLDER}/all/fits.csv"]
    stale += [module.RECORD for module in (embedding_map, heatmap, protocol_tables)]
    stale += [f"{module.FOLDER}/panels.json" for module in (attention, stain_panels)]
    stale += [f"{module.FOLDER}/some.csv" for module in (heatmap, protocol_tables, segmentation_tables)]
    stale += [f"{heatmap.FOLDER}/a_tumour.png", f"{heatmap.FOLDER}/a.geojson", "montage/a.png"]
    kept = ["notes.csv", "montage/mine.txt", "embeddings/a.h5"]
    for name in (*stale, *kept):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    start_evaluation(tmp_path)
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == sorted(kept)


def test_nothing_is_made_where_nothing_was(tmp_path):
    start_evaluation(tmp_path / "new")
    clear_evaluation(tmp_path / "new")
    assert not (tmp_path / "new").exists()
