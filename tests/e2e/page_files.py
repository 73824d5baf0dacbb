"""What single pages speak of: data sets and published weights, small or random, under the names that they use."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from PIL import Image

from data_prep.tiny import captioned, clips, echoes, moments, sounds
from data_prep.tiny.shapes import organ
from data_prep.tiny.skeletons import Walker, walk, write_ntu
from data_prep.tiny.wsi import picture
from medmae.bundle.check.metadata import SCHEMA
from medmae.methods.audio_mae import audio_mae_base
from medmae.methods.mae import mae_base, mae_small_decoder
from medmae.methods.videomae import videomae_base
from medmae.weights.io import save_safetensors
from medmae.weights.maps.audio_mae import AUDIO_MAE
from medmae.weights.maps.base import TwoWayMap
from medmae.weights.maps.mae import MAE
from medmae.weights.maps.videomae import VIDEOMAE
from medmae.weights.unseen import header
from tests.e2e.page_bodies import shapes, skeletons


def _table(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    rows = list(rows)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _tile(path: Path, *, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(64, 64, seed=seed)).save(path)


def _ct(folder: Path) -> None:
    """Heads of six patients in Hounsfield units: air, skull, brain."""
    grid = np.stack(np.meshgrid(*(np.linspace(-1.2, 1.2, extent) for extent in (40, 48, 16)), indexing="ij"))
    radius = np.sqrt((grid**2).sum(axis=0))
    for number in range(6):
        rng = np.random.default_rng(number)
        brain = 40 + 15 * np.kron(rng.standard_normal((10, 12, 4)), np.ones((4, 4, 4)))
        hu = np.where(radius < 0.85, brain, np.where(radius < 1, 900, -1000)).astype(np.int16)
        path = folder / "raw" / f"p{number}" / "CT.nii.gz"
        path.parent.mkdir(parents=True)
        nib.save(nib.Nifti1Image(hu, np.diag([2.0, 2.0, 4.0, 1.0])), path)


def _data_sets(folder: Path) -> None:
    """Of docs/data.md: a table of slides, tiles in three layouts, videos in two."""
    slides = sorted((folder / "slides").iterdir())
    _table(folder / "slides.csv", ({"slide": path.name, "patient": place} for place, path in enumerate(slides)))
    tiles = []
    for number in range(20):
        label, kind = (("ADI", "benign"), ("TUM", "malignant"))[number % 2]
        _tile(folder / "NCT-CRC-HE" / label / f"{label}-{number:04d}.tif", seed=number)
        name = f"SOB_{kind[0].upper()}_A-14-{2250 + number // 2}-40-{number:03d}.png"
        _tile(folder / "breakhis" / kind / name, seed=number)
        tiles.append({"path": f"NCT-CRC-HE/{label}/{label}-{number:04d}.tif", "label": label, "patient": number // 4})
    _table(folder / "tiles.csv", tiles)
    videos = []
    for patient in range(6):
        path = folder / "videos" / ("left", "right")[patient % 2] / f"p{patient}_a.mp4"
        clips.write_video(path, clips.moving_disc(rightwards=bool(patient % 2), seed=patient))
        videos.append({"path": str(path.relative_to(folder)), "label": path.parent.name, "site": f"s{patient}"})
    _table(folder / "labels.csv", videos)


def _spoken(folder: Path) -> None:
    """Clips with captions, questions and answers, and the two tables that name them."""
    _, raw = captioned.make_some(folder / "spoken", patients=10, each=1, asked=True)
    lines = json.loads((raw / "videos.json").read_text(encoding="utf-8"))
    lines = [{**line, "path": f"spoken/raw/{line['path']}"} for line in lines]
    (folder / "questions.json").write_text(json.dumps(lines), encoding="utf-8")
    said = [{name: value for name, value in line.items() if name != "questions"} for line in lines]
    (folder / "captions.json").write_text(json.dumps(said), encoding="utf-8")


def _sounds(folder: Path) -> None:
    """Heart sounds, one each of twelve patients, in folders of their classes."""
    _, raw = sounds.make(folder / "made")
    for path in raw.glob("*/*_0.wav"):
        target = folder / "sounds" / path.parent.name / path.name.replace("_0", "")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, target)


def _sounded(folder: Path) -> None:
    """Echo clips with their sound, one each of twelve patients, in folders of their classes."""
    _, raw = echoes.make(folder / "made")
    for path in raw.glob("*/*_0.mkv"):
        target = folder / "videos" / path.parent.name / path.name.replace("_0", "")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, target)


def _acted(folder: Path) -> None:
    """Simulated actors in RAVDESS' names, tables of their faces in a folder of their own."""
    _, raw = moments.make(folder / "made")
    for path in raw.iterdir():
        target = folder / ("openface" if path.suffix == ".csv" else "RAVDESS") / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, target)


def _schema(folder: Path) -> None:
    """That of MONAI, which its command takes from the network where it is not there."""
    shutil.copy(SCHEMA, folder / "schema.json")


def _mae(folder: Path) -> None:
    torch.save({"model": MAE.write(mae_base().state_dict())}, folder / "mae_pretrain_vit_base.pth")


def _videomae(folder: Path) -> None:
    weights = VIDEOMAE.write(videomae_base().state_dict())
    torch.save({"model": weights}, folder / "videomae_checkpoint_pretrain.pth")


def _audio_mae(folder: Path) -> None:
    names = TwoWayMap(source=AUDIO_MAE.source, prefixes=AUDIO_MAE.prefixes)
    weights = names.write(audio_mae_base(turned_positions=True).state_dict())
    torch.save({"model": weights}, folder / "pretrained.pth")


def _transfer(folder: Path) -> None:
    """What the Python of docs/transfer.md writes before its commands; tests/docs/test_transfer.py runs all of it."""
    import timm

    network = timm.create_model("vit_base_patch16_224")
    save_safetensors(network.state_dict(), folder / "vit_base_patch16_224.safetensors")
    method = mae_small_decoder(image_size=(96, 160), in_channels=1, scale="half")
    save_safetensors(method.state_dict(), folder / "pretraining.safetensors", metadata=header(method))


def _masks(folder: Path) -> None:
    """Segmentations of simulated organs, in folders of two classes."""
    for number in range(12):
        label = ("enlarged", "normal")[number % 2]
        path = folder / "masks" / label / f"p{number:02d}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        mask, affine = organ(number, lobed=label == "enlarged")
        nib.save(nib.Nifti1Image(mask, affine), path)


def _walkers(sound: str) -> Callable[[Path], None]:
    """Recordings of simulated walkers, of whom every second one limps, in folders of these two classes."""

    def write(folder: Path) -> None:
        for number in range(12):
            label = (sound, "limp")[number % 2]
            walker = Walker.of(number, limp=label == "limp")
            write_ntu(folder / "recordings" / label / f"p{number:02d}_0.skeleton", {"1": walk(walker, seed=number)})

    return write


FILES: Mapping[str, Sequence[Callable[[Path], None]]] = {
    "bundles/audio_mae_pretraining/docs/README.md": [_sounds],
    "bundles/audio_visual_av_mae_pretraining/docs/README.md": [_sounded],
    "bundles/audio_visual_mavil_pretraining/docs/README.md": [_sounded],
    "bundles/audio_visual_classification/docs/README.md": [_sounded],
    "bundles/emotion_pairwise_pretraining/docs/README.md": [_acted],
    "bundles/points_classification/docs/README.md": [_masks],
    "bundles/points_completion/docs/README.md": [_masks],
    "bundles/points_mae3d_pretraining/docs/README.md": [_masks],
    "bundles/skeleton_action_recognition/docs/README.md": [_walkers("even")],
    "bundles/skeleton_mae_pretraining/docs/README.md": [_walkers("even")],
    "bundles/video_question_answering/docs/README.md": [_spoken],
    "bundles/video_text_retrieval/docs/README.md": [_spoken],
    "bundles/video_text_simvtp_pretraining/docs/README.md": [_spoken],
    "bundles/video_text_smaug_pretraining/docs/README.md": [_spoken],
    "docs/bundles.md": [_schema],
    "docs/ct.md": [_ct],
    "docs/data.md": [_data_sets, shapes, skeletons],
    "docs/methods/audio_mae.md": [_sounds, _audio_mae],
    "docs/methods/av_mae.md": [_sounded],
    "docs/methods/mavil.md": [_sounded],
    "docs/methods/mae3d.md": [_masks],
    "docs/methods/point_mae.md": [_masks],
    "docs/methods/simvtp.md": [_videomae],
    "docs/methods/skeleton_mae.md": [_walkers("walk")],
    "docs/methods/videomae.md": [_videomae],
    "docs/transfer.md": [_transfer],
    "docs/weights.md": [_mae],
}
