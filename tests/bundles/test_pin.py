"""The weights of every bundle after a few steps, and every table that its evaluations write, as pin.json keeps them.

A refactoring leaves this green. A change of numbers on purpose renews the file in the same commit, which says why:
``python tests/bundles/test_pin.py`` (or with names of bundles). Bits are compared only where arithmetic is that of the
machine which wrote them (another processor rounds otherwise); figures to a tolerance, everywhere.
"""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from data_prep.tiny import make
from medmae.bundle.run import run_bundle
from medmae.bundle.shipped import shipped

FILE = Path(__file__).with_name("pin.json")
PLAIN = ("model.pt", "model.safetensors")  # the network alone, twice; a third file holds the whole method
EPOCH = {"epochs": 1}
PROTOCOL = {"fine_tune": False, "few": 2, "seeds": [0]}
FEW_LABELS = {"fine_tune": False, "folds": 2, "labels": [2], "validate": False, "transductive": True}
FAMILY = {"batch": 8, "then": {"evaluate": {}, "downstream": PROTOCOL}}
CONTRASTS = {"contrasts": ["T1", "T2"]}
VOLUME = {"method::image_size": [8, 32, 32], "method::depth": 1}
UNET = {"method::patch_size": 4, "method::embed_dim": 16, "method::num_heads": 2}
UNET |= {"method::unet_depths": [1, 1], "method::unet_heads": [2, 2]}
# A bundle, and what is merged over its train.yaml. Batches: such that an epoch has three steps (or four, if even).
PINNED: dict[str, dict[str, Any]] = {
    "image_mae_pretraining": FAMILY,
    "image_bootmae_pretraining": FAMILY,
    "image_cmae_pretraining": FAMILY,
    "image_saim_pretraining": FAMILY,
    "image_classification": {"batch": 8, "begins": "image_mae_pretraining", "then": {"evaluate": {}}},
    "mr_edge_mae_pretraining": {"batch": 8, "then": {"evaluate": {}}},
    "mr_edge_mae_pretraining volumes": {
        "batch": 4,
        "own": {**VOLUME, "method::decoder_depth": 1, "method::_target_": "medmae.methods.edge_mae.edge_mae_volume"},
    },
    "mr_mt_unet_synthesis": {
        "batch": 4,
        "begins": "mr_edge_mae_pretraining",
        "own": {"feature_weight": 1.0},
        "then": {"evaluate": {}},
    },
    "mr_mt_unet_synthesis any_to_any": {"batch": 4, "own": CONTRASTS, "then": {"evaluate": CONTRASTS}},
    "mr_mt_unet_synthesis volumes": {
        "batch": 4,
        "own": {**VOLUME, **UNET, "method::_target_": "medmae.methods.mt_unet.mt_unet_volume"},
    },
    "pathology_he_mmae_pretraining": {"batch": 5, "then": {"evaluate": {}}},
    "pathology_he_phenotyping": {
        "batch": 4,
        "begins": "pathology_he_mmae_pretraining",
        "then": {"evaluate": {}, "few_labels": FEW_LABELS},
    },
    "audio_mae_pretraining": {"batch": 6, "then": {"evaluate": {}, "downstream": PROTOCOL}},
    "audio_visual_av_mae_pretraining": {"batch": 6, "then": {"evaluate": {}}},
    "audio_visual_classification": {
        "batch": 6,
        "begins": "audio_visual_av_mae_pretraining",
        "then": {"evaluate": {}},
    },
    "emotion_pairwise_pretraining": {"batch": 6, "then": {"evaluate": {}, "emotion": {"seeds": [0]}}},
    "skeleton_mae_pretraining": {"batch": 4, "then": {"evaluate": {}, "downstream": PROTOCOL}},
    "skeleton_action_recognition": {"batch": 4, "begins": "skeleton_mae_pretraining", "then": {"evaluate": {}}},
    "audio_visual_mavil_pretraining": {"batch": 6, "then": {"evaluate": {}}},
    "points_mae3d_pretraining": {"batch": 6, "then": {"evaluate": {}, "downstream": PROTOCOL}},
    "points_completion": {"batch": 6, "then": {"evaluate": {}}},
    "points_classification": {"batch": 6, "begins": "points_mae3d_pretraining", "then": {"evaluate": {}}},
    "face_mae_pretraining": {"batch": 12, "then": {"evaluate": {}, "downstream": {**PROTOCOL, "learn": "units"}}},
    "face_action_units": {"batch": 12, "then": {"evaluate": {}}},
    "video_mae_pretraining": {"batch": 4, "then": {"evaluate": {}, "downstream": {**PROTOCOL, "views": [2, 1]}}},
    "video_text_simvtp_pretraining": {"batch": 4, "then": {"evaluate": {}}},
    "video_text_smaug_pretraining": {"batch": 4, "then": {"evaluate": {}}},
    "video_text_retrieval": {
        "batch": 4,
        "begins": "video_text_simvtp_pretraining",
        "own": {"method::matching": 0.0, "top": 0},
        "then": {"evaluate": {}},
    },
    "video_question_answering": {
        "batch": 8,
        "begins": "video_text_simvtp_pretraining",
        "then": {"evaluate": {}},
    },
    "video_classification": {"batch": 4, "begins": "video_mae_pretraining", "then": {"evaluate": {}}},
}


# --------------------------------------------------------------------------------------------------- what is run
def run(name: str, work: Path) -> dict[str, Path]:
    """Trains a bundle at tiny size and evaluates it; gives the folder of each run."""
    plan = PINNED[name]
    name, *overlays = name.split()
    settings = check_settings(name)
    prepared, _ = make(settings["data"], work / "data")
    base = {**settings.get("overrides", {}), "dataset_dir": str(prepared)}
    more = plan.get("own", {})
    begun = pretrain(plan["begins"], work / "begun") if "begins" in plan else None
    out = {"train": work / "train"}
    learn = {**settings.get("train", {}), **EPOCH, "batch_size": plan["batch"], **more}
    if begun:
        learn["pretrained"] = str(begun / "pretraining.safetensors")
    run_bundle(name, ",".join(["train", *overlays]), overrides={**base, **learn, **where(out["train"])})
    for config, own in plan.get("then", {}).items():
        out[config] = work / config
        models = begun if config == "few_labels" and begun else out["train"] / "models"
        known = settings.get("evaluate", {})
        run_bundle(
            name,
            config,
            overrides={**base, **known, **more, **own, "model_dir": str(models), **where(out[config])},
        )
    return out


def pretrain(name: str, work: Path) -> Path:
    """Weights of another bundle, without the record of whom they have seen; gives their folder."""
    settings = check_settings(name)
    prepared, _ = make(settings["data"], work / "data")
    run_bundle(
        name,
        "train",
        overrides={
            **settings.get("overrides", {}),
            **settings.get("train", {}),
            **EPOCH,
            "batch_size": PINNED[name]["batch"],
            "dataset_dir": str(prepared),
            **where(work / "run"),
        },
    )
    alone = work / "weights"
    alone.mkdir()
    shutil.copy(work / "run" / "models" / "pretraining.safetensors", alone)
    return alone


def check_settings(name: str) -> dict[str, Any]:
    return json.loads((shipped()[name] / "configs" / "metadata.json").read_text())["medmae_check"]


def where(folder: Path) -> dict[str, str]:
    return {"bundle_root": str(folder), "output_dir": str(folder)}


# ------------------------------------------------------------------------------------------------- what is kept
def kept(name: str, work: Path) -> dict[str, Any]:
    """Bits and figures of a bundle's runs."""
    with one_thread():
        out = run(name, work)
        models = out["train"] / "models"
        weights = {path.name: load_file(path) for path in sorted(models.glob("*.safetensors"))}
        weights["model.pt"] = torch.load(models / "model.pt", weights_only=True)
        (whole,) = sorted(set(weights) - set(PLAIN))
        tables = {
            f"{config}/{path.relative_to(folder / 'evaluation').as_posix()}": path
            for config, folder in out.items()
            for path in sorted((folder / "evaluation").rglob("*.csv"))
        }
        assert tables
        return {
            "arithmetic": arithmetic(),
            "bits": {file: of_tensors(state) for file, state in weights.items()}
            | {file: hashlib.sha256(path.read_bytes()).hexdigest() for file, path in tables.items()},
            "weights": {key: of_tensor(value) for key, value in sorted(weights[whole].items())},
            "tables": {file: of_table(path) for file, path in tables.items()},
        }


def of_tensors(state: Mapping[str, torch.Tensor]) -> str:
    found = hashlib.sha256()
    for key, value in sorted(state.items()):
        found.update(f"{key} {value.dtype} {tuple(value.shape)} ".encode())
        found.update(value.contiguous().numpy().tobytes())
    return found.hexdigest()


def of_tensor(value: torch.Tensor) -> list[Any]:
    """Shape, mean, root mean square, mean of absolute values."""
    x = value.double()
    return [list(value.shape), *rounded([x.mean(), x.square().mean().sqrt(), x.abs().mean()])]


def of_table(path: Path) -> dict[str, Any]:
    """Number of rows, and of each column the same figures of its numbers or its texts' hash."""
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
        names = list(reader.fieldnames or [])
    return {"rows": len(rows), "columns": {name: of_column([row[name] for row in rows]) for name in names}}


def of_column(values: list[str]) -> list[float] | str:
    try:
        x = np.array([float(value) for value in values if value])
    except ValueError:
        return hashlib.sha256("\n".join(values).encode()).hexdigest()[:12]
    x = x[np.isfinite(x)]
    return [len(x), *rounded([x.mean(), np.sqrt((x**2).mean()), np.abs(x).mean()])] if len(x) else [0]


def rounded(values: list[Any]) -> list[float]:
    return [float(f"{float(value):.6g}") for value in values]


@contextmanager
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def arithmetic() -> str:
    """A hash of what this machine's float arithmetic gives: where it is the same, bits should be."""
    generator = torch.Generator().manual_seed(0)

    def draw(*size: int) -> torch.Tensor:
        return torch.randn(*size, generator=generator)

    x = draw(4, 17, 48).requires_grad_()
    image = draw(4, 3, 32, 24)
    weight = draw(144, 48) / 7
    query, key, value = F.linear(x, weight).reshape(4, 17, 3, 4, 12).permute(2, 0, 3, 1, 4)
    attended = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
    hidden = F.gelu(F.layer_norm(attended, (48,)) @ draw(48, 192)).softmax(-1) @ draw(192, 48)
    loss = hidden.square().mean() + hidden.exp().mean().log() + hidden.tanh().sum()
    loss.backward()
    numbers = np.random.default_rng(0).standard_normal((40, 40))
    results = [
        hidden,
        x.grad,
        F.conv2d(image, draw(48, 3, 8, 8), stride=8),
        F.conv2d(image, draw(8, 3, 3, 3), padding=1),
        F.interpolate(image, size=(20, 28), mode="bilinear", antialias=True),
        F.interpolate(image, size=(20, 28), mode="bicubic"),
        F.batch_norm(image, None, None, training=True),
        draw(100_003).sum(),
        draw(100_003).sin().std(),
        torch.from_numpy(np.exp(numbers) @ numbers),
        torch.from_numpy(np.linalg.svd(numbers)[1]),
        torch.from_numpy(np.linalg.solve(numbers, numbers[0])),
    ]
    found = hashlib.sha256(f"torch {torch.__version__} numpy {np.__version__}".encode())
    for result in results:
        found.update(result.detach().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]


# ------------------------------------------------------------------------------------------------ what is asked
@pytest.mark.slow
@pytest.mark.parametrize("name", PINNED)
def test_a_bundle_trains_to_the_weights_and_evaluates_to_the_tables_that_are_kept(name, tmp_path):
    expected, found = json.loads(FILE.read_text())[name], kept(name, tmp_path)
    apart = differences(expected, found)
    assert not apart, "\n".join(apart)


def test_every_shipped_bundle_is_pinned():
    assert set(PINNED) == set(json.loads(FILE.read_text()))
    assert {name.split()[0] for name in PINNED} == set(shipped())


def differences(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """What is not as it is kept, a line each."""
    apart = []
    for part in ("weights", "tables"):
        old, new = expected[part], found[part]
        apart += [f"{part}: {key} is gone" for key in sorted(set(old) - set(new))]
        apart += [f"{part}: {key} is new" for key in sorted(set(new) - set(old))]
        for key in sorted(set(old) & set(new)):
            changes = (
                tensor_changes(key, old[key], new[key]) if part == "weights" else table_changes(old[key], new[key])
            )
            apart += [f"{part}: {key}: {what}" for what in changes]
    if expected["arithmetic"] == found["arithmetic"]:
        names = sorted(set(expected["bits"]) | set(found["bits"]))
        apart += [f"bits of {key}" for key in names if expected["bits"].get(key) != found["bits"].get(key)]
    return apart


def tensor_changes(key: str, old: list[Any], new: list[Any]) -> list[str]:
    # The gradient of a bias of keys, or of one before a batch norm, is rounding and nothing else, and the optimiser's
    # first steps are as large whatever the gradient: on another processor such a bias is another one, of the same size.
    rtol = 0.5 if key.endswith((".bias", ".running_mean")) else 1e-3
    return [] if old[0] == new[0] and near(old[1:], new[1:], rtol=rtol) else [f"{old} became {new}"]


def table_changes(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    if (old["rows"], list(old["columns"])) != (new["rows"], list(new["columns"])):
        return [f"{old['rows']} rows of {list(old['columns'])} became {new['rows']} of {list(new['columns'])}"]
    pairs = ((name, was, new["columns"][name]) for name, was in old["columns"].items())
    return [f"column {name}: {was} became {now}" for name, was, now in pairs if not columns_agree(was, now)]


def columns_agree(old: list[float] | str, new: list[float] | str) -> bool:
    if isinstance(old, str) or isinstance(new, str):
        return old == new
    return old[0] == new[0] and near(old[1:], new[1:], rtol=1e-2)


def near(old: list[float], new: list[float], *, rtol: float) -> bool:
    """Whether figures agree to a share of the largest of them, which is the quantity's scale."""
    return bool(np.allclose(old, new, rtol=0, atol=rtol * max(map(abs, [*old, *new]), default=0), equal_nan=True))


def write(names: list[str]) -> None:
    known = json.loads(FILE.read_text()) if FILE.is_file() else {}
    for name in names or PINNED:
        with tempfile.TemporaryDirectory() as work:
            known[name] = kept(name, Path(work))
    FILE.write_text(laid_out({name: known[name] for name in PINNED if name in known}))


def laid_out(value: dict[str, Any], depth: int = 0) -> str:
    """JSON with a line for every tensor and every column, so that a difference can be read."""
    if depth == 5 or not isinstance(value, dict):
        return json.dumps(value)
    pad = " " * (depth + 1)
    lines = (f"{pad}{json.dumps(key)}: {laid_out(item, depth + 1)}" for key, item in value.items())
    return "{\n" + ",\n".join(lines) + "\n" + " " * depth + "}" + ("" if depth else "\n")


if __name__ == "__main__":
    write(sys.argv[1:])
