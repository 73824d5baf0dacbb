"""Texts that people and other runs write, for :mod:`tests.fuzzing`: tables, manifests, records, recipes, vocabularies.

Each is read from the file at hand; what else its reader needs lies beside it.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from safetensors.torch import save_file

from data_prep.resume import Finished, read_finished, write_finished
from data_prep.video_lines import videos_of_table
from medmae.bundle.check.source import Bundle
from medmae.bundle.check.static import check_static
from medmae.bundle.shipped import shared_file, shipped
from medmae.data import splits
from medmae.data.manifest import Manifest
from medmae.data.volumes.case_table import cases_of_table
from medmae.data.volumes.grid import Grid
from medmae.data.volumes.intensity import Normalisation
from medmae.data.volumes.target_intensity import read_target_intensities
from medmae.errors import DataError
from medmae.evaluate.data_summary import summarise_data
from medmae.evaluate.leakage import contents_seen, origins_seen, seals_at, subjects_seen
from medmae.evaluate.synthesis.calibration_file import read_calibration
from medmae.files import sha256_of
from medmae.nn.vit import MaskedViT
from medmae.report.folder import read_panels, read_rows
from medmae.tokens.text import SPECIAL, Vocabulary
from medmae.training.log import continue_log
from medmae.weights.about import about_header, read_about
from medmae.weights.folders import files_of, said_by_config
from medmae.weights.networks import networks_header
from medmae.weights.quality import Quality, note_quality, told_quality
from medmae.weights.seen import sealed
from medmae.weights.trained import unloaded_network_of

# What a field may hold that nobody thought of.
_NUMBERS = ("-1", "0", "9999", "123456789", "1e999", "NaN", "1:30", "9" * 5000)
_SIGNS = ("\x00", "\ufeff", "\u2028", "\\ud800", "\r", '"', ",", "/", "../x", "\x1b[2J")
_DEEP = ('{"a":' * 450 + "0" + "}" * 450, "[" * 5000)
_WORDS = (*_NUMBERS, *_SIGNS, *_DEEP, '""', "null", "[]", "{}", "x" * 300, "x" * 200_000)


def spoilt(content: bytes, rng: random.Random) -> bytes:
    """One field of a text is another, or stands twice, or a line does."""
    text = content.decode("latin-1")
    found = list(re.finditer(r"[^\s,:;{}\[\]]+|\n[^\n]*", text))
    one, word = rng.choice(found), rng.choice(_WORDS).encode().decode("latin-1")
    new = rng.choice([word, word, word, one[0] + one[0], "", f"{one[0]},{word}"])
    return (text[: one.start()] + new + text[one.end() :]).encode("latin-1")


def _captions(path: Path) -> None:
    for name in ("a", "b"):
        (path.parent / f"{name}.mp4").touch()
    lines = [("a.mp4", "a lung", "p1"), ("b.mp4", "a heart, beating", "p2")]
    if path.suffix == ".json":
        path.write_text(json.dumps([dict(zip(("path", "caption", "patient"), line, strict=True)) for line in lines]))
    elif path.suffix == ".txt":
        path.write_text("a.mp4 0\nb.mp4 1\n")
    else:
        path.write_text("path,caption,patient\n" + "".join(f'{a},"{b}",{c}\n' for a, b, c in lines))


def _read_captions(path: Path) -> None:
    videos_of_table(path, path.parent, {})


def _cases(path: Path) -> None:
    for name in ("a", "b"):
        (path.parent / f"{name}.nii").touch()
    path.write_text("subject,contrast,path\np1,T1,a.nii\np2,T2,b.nii\n")


def _manifest(path: Path) -> None:
    (path.parent / "shards").mkdir(exist_ok=True)
    lines = []
    for subject, split in (("p1", "train"), ("p2", "test")):
        shard = path.parent / "shards" / f"{subject}.npy"
        np.save(shard, np.zeros((2, 1, 4, 4), np.float32))
        images = [{"name": "T1", "source": "x", "source_sha256": subject, "normalisation": {}, "flags": []}]
        grid = Grid.from_affine((4, 4, 2), np.diag([-1.0, -1, 3, 1])).to_dict()
        row = {"case": subject, "subject": subject, "session": None, "split": split, "shard": f"shards/{shard.name}"}
        row |= {"shard_sha256": sha256_of(shard), "dtype": "float32", "contrasts": images, "labels": [], "grid": grid}
        lines.append(json.dumps({**row, "foreground": [0.0, 0.5], "kind": "volume", "version": 1}) + "\n")
    path.write_text("".join(lines))


def _read_manifest(path: Path) -> None:
    manifest = Manifest.read(path)
    for row in manifest:
        Grid.from_dict(row["grid"])
    manifest.contents("train")
    summarise_data(path)


def _log(path: Path) -> None:
    path.write_text("step,epoch,loss\n" + "".join(f"{n},0,{1 / (n + 1)}\n" for n in range(9)))


class _Logger:
    metrics_keys: list[str]

    def __init__(self, path: Path) -> None:
        self.log_dir, self.experiment = path.parent, self


def _panels(path: Path) -> None:
    (path.parent / "panels.json").write_text('[{"case": "a"}]')
    np.savez_compressed(path.parent / "panels.npz", **{"0/image": np.zeros((8, 8), np.float32)})


def _calibration(path: Path) -> None:
    path.write_text(json.dumps({"map": {"std": [0.0, 0.1], "error": [0.0, 0.2]}, "fitted_on": ["p1"]}))


def _intensities(path: Path) -> None:
    fit = Normalisation.fit(np.random.default_rng(0).random((4, 8, 8)).astype(np.float32)).to_dict()
    path.write_text(json.dumps({"contrasts": {"T1": fit}}))


def _record(path: Path) -> None:
    write_finished(path, Finished(rows=({"case": "a"},), failures=()), key="k", sources=[], shards=[])


def _folder(path: Path) -> None:
    names = {"a.weight": "model-1.safetensors", "b.weight": "model-2.safetensors"}
    sizes = {"num_attention_heads": 3, "layer_norm_eps": 1e-6, "hidden_size": 12}
    path.write_text(json.dumps({"weight_map": names} if "index" in path.name else sizes))


def _header(path: Path) -> None:
    network = MaskedViT(image_size=8, patch_size=4, in_channels=1, embed_dim=8, depth=1, num_heads=2)
    about = about_header({"run": "r", "method": "mae", "task": {"classes": ["a", "b"]}, "seen": [sealed(["p1"])]})
    path.write_text((networks_header(network) | about)[path.stem])


def _read_header(path: Path) -> None:
    weights = path.with_name(f"{path.name}.safetensors")
    save_file({}, weights, metadata={path.stem: path.read_text(encoding="utf-8", errors="replace")})
    if path.stem == "about":
        read_about(weights)
        seals_at(weights.parent)
    else:
        unloaded_network_of(weights)


def _run(path: Path) -> None:
    data = {
        "subjects": {"train": ["p1"]},
        "contents": ["ab"],
        "origins": {"real": ["p1"]},
        "made_of": "c",
        "unit": "images",
    }
    path.write_text(json.dumps({"run": "r", "data": data, "pretrained_on": ["p0"], "hashes": {"model.pt": "ab"}}))


def _read_run(path: Path) -> None:
    subjects_seen(path.parent)
    contents_seen(path.parent)
    origins_seen(path.parent)


def _quality(path: Path) -> None:
    (path.parent / "a.bin").write_bytes(b"1")
    note_quality(path.parent / "a.bin", [Quality(metric="PSNR", value=2.0, ci_low=1.0, beside=("mean", 1.0), units=3)])


def _bundle(path: Path) -> None:
    home = shipped()["mr_edge_mae_pretraining"]
    folder = path.parent / "configs"
    folder.mkdir(exist_ok=True)
    for file in (home / "configs").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    name = path.name.partition(" ")[2]
    source = shared_file(name) if name == "logging.conf" else home / "configs" / name
    path.write_bytes(source.read_bytes())


def _check_bundle(path: Path) -> None:
    folder = path.parent / "configs"
    (folder / path.name.partition(" ")[2]).write_bytes(path.read_bytes())
    bundle = Bundle.open(path.parent)
    bundle.files.pop(path.name)
    found = [finding for finding in check_static(bundle) if finding.path.startswith("configs") and finding.number < 13]
    if strange := [finding for finding in check_static(bundle) if "cannot be checked" in finding.message]:
        raise RuntimeError(str(strange[0]))
    if found:
        raise DataError(str(found[0]), path=path)


Reader = tuple[Callable[[Path], object], Callable[[Path], object]]
TEXTS: dict[str, Reader] = {
    **dict.fromkeys(
        ("captions.csv", "captions.json", "captions.txt"),
        (_captions, lambda path: videos_of_table(path, path.parent, {})),
    ),
    "cases.csv": (_cases, cases_of_table),
    "splits.csv": (lambda path: path.write_text("subject,split\np1,train\np2,test\n"), splits.read),
    "manifest.jsonl": (_manifest, _read_manifest),
    "metrics.csv": (_log, lambda path: (read_rows(path), continue_log(_Logger(path), step=4))),
    "panels.npz": (_panels, lambda path: read_panels(path.parent)),
    "panels.json": (_panels, lambda path: read_panels(path.parent)),
    "calibration.json": (_calibration, lambda path: read_calibration(path, weights=None)),
    "target_intensity.json": (_intensities, read_target_intensities),
    "record.json": (_record, lambda path: read_finished(path, key="k", sources=[])),
    "config.json": (_folder, lambda path: said_by_config(path.parent)),
    "model.safetensors.index.json": (_folder, lambda path: files_of(path.parent)),
    "vocab.txt": (lambda path: Vocabulary((*SPECIAL, "lung", "##s")).write(path), Vocabulary.read),
    "run.json": (_run, _read_run),
    "quality.json": (_quality, lambda path: told_quality(path.parent / "a.bin")),
    **dict.fromkeys(("networks.json", "about.json"), (_header, _read_header)),
    **dict.fromkeys(
        (f"bundle {name}" for name in ("train.yaml", "metadata.json", "logging.conf")), (_bundle, _check_bundle)
    ),
}
