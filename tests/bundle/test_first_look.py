"""A refused command costs no import of torch, Lightning or MONAI; what was read for it is handed on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from pydoc import locate

import pytest
import yaml

from data_prep.tiny import images, make
from medmae.arguments import UNKNOWN, arguments
from medmae.bundle.argument_names import argument_names
from medmae.bundle.check.ids import overlaid, walk
from medmae.bundle.first_look import Values, first_look
from medmae.bundle.handed import hand_on
from medmae.bundle.kept import keep_settings
from medmae.bundle.run import run_bundle
from medmae.bundle.shipped import configs, find_configs, read_yaml, shipped
from medmae.data.images.source import read_images

ALL = """
import sys
from medmae.cli import main
for line in sys.argv[1:]:
    try:
        main(["run", *line.split()])
    except SystemExit as end:
        assert end.code == 2, line
    heavy = {"torch", "monai", "pytorch_lightning", "timm", "kornia", "sklearn"} & sys.modules.keys()
    assert not heavy, (line, heavy)
"""
EDGE, PICTURES = "mr_edge_mae_pretraining", "image_classification"
REFUSED = {
    f"{EDGE} train": "prepared/manifest.jsonl: there is no manifest here",
    f"{EDGE} train --dataset_dir empty": "empty/manifest.jsonl: there is no manifest here",
    f"{EDGE} train --dataset_dir empty --base_lr 0.5 --train::trainer::max_steps 3": "there is no manifest here",
    f"{EDGE} train --manifest bad.jsonl": "bad.jsonl: 1 bad row",
    f"{EDGE} train --logger cvs": "no such logger [logger = 'cvs'] -> choose one of csv, tensorboard, wandb, mlflow",
    f"{EDGE} train --epohcs 3": "did you mean epochs?",
    f"{EDGE} train --method::mask_ration 0.5": "did you mean mask_ratio",
    f"{EDGE} train --train::trainer::max_epoch 3": "did you mean max_epochs",
    f"{EDGE} train --train::dataset::frction 0.5": "has no 'frction'",
    f"{EDGE} train --epochs ten": "a number",
    f"{EDGE} train --checkpoint gone.ckpt": "gone.ckpt: the checkpoint cannot be read (there is no such file)",
    f"{EDGE} train --manifest m.jsonl --contrasts [T1,FLAIR]": "m.jsonl: no contrast FLAIR in this data set",
    f"{EDGE} evaluate --split tset --model_dir models": "split must be one of",
    f"{EDGE} inference": "runs/mr_edge_mae_pretraining/models: no weights of a training are in this folder",
    f"{EDGE} inference --model_dir models": "volumes: there is no such file or folder",
    f"{EDGE} inference --dataset_dir empty --model_dir models": "empty: no file is in this folder",
    f"{EDGE} evaluate --model_dir empty": "empty: no weights of a training are in this folder",
    f"{PICTURES} train": "images: there is no such file or folder",
    f"{PICTURES} train --dataset_dir empty": "empty: no image is here",
    f"{PICTURES} train --pretrained gone.safetensors": "gone.safetensors: no such weight file",
    "mr_mt_unet_synthesis train --manifest m.jsonl --target FLAIR": "m.jsonl: no contrast FLAIR in this data set",
    "mr_mt_unet_synthesis inference --model_dir models": "volumes: there is no such file or folder",
}


def test_a_refused_command_imports_nothing_heavy(tmp_path: Path) -> None:
    for folder in ("empty", "models"):
        (tmp_path / folder).mkdir()
    (tmp_path / "models" / "any.safetensors").touch()
    (tmp_path / "m.jsonl").write_bytes((make("mr", tmp_path / "mr")[0] / "manifest.jsonl").read_bytes())
    for shard in (tmp_path / "mr" / "prepared").iterdir():
        (tmp_path / shard.name).symlink_to(shard)
    (tmp_path / "bad.jsonl").write_text('{"case": 1}\n')
    ran = subprocess.run(
        [sys.executable, "-c", ALL, *REFUSED], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    lines = [line for line in ran.stderr.splitlines() if line.startswith("medmae: ")]
    assert len(lines) == len(REFUSED), ran.stderr
    for said, (command, wanted) in zip(lines, REFUSED.items(), strict=True):
        assert wanted in said, command


def all_targets() -> set[str]:
    trees = [
        overlaid([read_yaml(path) for path in find_configs(folder, name)])[0]
        for folder in shipped().values()
        for name in configs(folder)
    ]
    nodes = [node for tree in trees for _, node in walk(tree) if isinstance(node, dict)]
    return {str(node["_target_"]) for node in nodes if "_target_" in node}


@pytest.mark.parametrize("target", sorted(name for name in all_targets() if name.startswith("medmae.")))
def test_source_names_the_arguments_that_the_imported_class_has(target: str) -> None:
    named = argument_names(target)
    made = locate(target)
    assert callable(made)
    if named is not None:
        assert named == (arguments(made) or {}).keys()


def test_source_tells_of_nearly_all_that_recipes_name() -> None:
    targets = [name for name in all_targets() if name.startswith("medmae.")]
    unknown = [name for name in targets if argument_names(name) is None]
    assert len(unknown) <= len(targets) // 10, unknown


RECIPE = {
    "dataset_dir": "./images",
    "manifest": "$@dataset_dir + '/m.jsonl'",
    "again": "@manifest",
    "size": "$@model.size[0]",
    "loop": "@loop",
    "both": ["@dataset_dir", 1],
    "part": {"_target_": "medmae.data.Slices", "size": 3},
}


@pytest.mark.parametrize(
    ("id_", "value"),
    [
        ("manifest", "./images/m.jsonl"),
        ("again", "./images/m.jsonl"),
        ("size", UNKNOWN),
        ("loop", UNKNOWN),
        ("both", ["./images", 1]),
        ("part", UNKNOWN),
        ("part::size", 3),
        ("nowhere", None),
    ],
)
def test_plain_values_are_followed_and_others_left_to_monai(id_: str, value: object) -> None:
    assert Values(RECIPE, {}).of(id_) == value


def test_what_was_given_is_no_expression() -> None:
    values = Values(RECIPE, {"dataset_dir": "$@size", "part::size": "@both"})
    assert values.of("manifest") == "$@size/m.jsonl"
    assert values.of("part::size") == "@both"


def test_images_are_read_once_and_handed_on(tmp_path: Path, monkeypatch) -> None:
    data, read = images.make(tmp_path / "images")[0], []

    def counted(source, **options):
        read.append(source)
        return read_images(source, **options)

    monkeypatch.setattr("medmae.recipes.images.read_images", counted)
    monkeypatch.setattr("medmae.data.images.source.read_images", counted)
    monkeypatch.chdir(tmp_path)
    options = {"dataset_dir": str(data), "images::fractions": "[0.6, 0.2, 0.2]", "batch_size": "2"}
    run_bundle("image_mae_pretraining", "train,demo", options=options, dry_run=True)
    assert read == [str(data)]


def test_what_was_handed_on_is_kept_as_the_recipe_has_it(tmp_path: Path) -> None:
    given = {"dataset_dir": str(images.make(tmp_path / "a#b")[0])}
    (path,) = find_configs(shipped()["image_mae_pretraining"], "train")
    recipe = read_yaml(path)
    found = first_look(recipe, given)
    assert list(found) == ["images"]
    kept = yaml.safe_load(keep_settings({**recipe, **found}, tmp_path / "run", name="train").read_text())
    assert kept["images"] == recipe["images"]
    typed = keep_settings({"source": hand_on(object(), was="@manifest")}, tmp_path / "run", name="typed")
    assert yaml.safe_load(typed.read_text()) == {"source": "@manifest"}
