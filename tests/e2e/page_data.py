"""Small data under the names that the pages use, so that their commands can be typed as they are."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from data_prep.tiny import clips, images, wsi
from data_prep.tiny.mr import write_cohort
from medmae.bundle.shipped import shipped

# What a page leaves to the reader, and what stands here in its place.
STAND_INS = {
    "/path/to/nifti": "nifti",
    "SOURCE": "nifti",
    "SLIDES": "slides",
    "IMAGES": "images",
    "REGEX": "^(p[0-9]+)_",
    "PATH": "runs/pathology_he_mmae_pretraining/models/pretraining.safetensors",
    "path/to/bundle": "bundle",
    "path/to/mr_edge_mae_pretraining": "bundle",
    "runs/A": "runs/mr_edge_mae_pretraining",
    "runs/B": "runs/mine",
}
# What a page takes for granted: other pages say it.
_MR = "medmae prep mr nifti prepared"
_IMAGES = "medmae run image_mae_pretraining train --dataset_dir images"
_CLIPS = ["medmae prep video clips before", "medmae run video_mae_pretraining train --dataset_dir before"]
_SPOKEN = [
    "medmae prep video captions.json before",
    "medmae run video_text_simvtp_pretraining train --dataset_dir before --matching 1",
]
_SHAPES = [
    "medmae prep points masks before",
    "medmae run points_mae3d_pretraining train --dataset_dir before --millimetres 20",
]
_WALKS = [
    "medmae prep skeleton recordings before",
    "medmae run skeleton_mae_pretraining train --dataset_dir before",
]
BEFORE = {
    "docs/bundles.md": [_MR],
    "docs/reproducibility.md": [_MR, "medmae run mr_edge_mae_pretraining train --dataset_dir prepared/"],
    "bundles/image_classification/docs/README.md": [_IMAGES],
    "bundles/mr_mt_unet_synthesis/docs/README.md": [
        _MR,
        "medmae run mr_edge_mae_pretraining train,volumes --dataset_dir prepared --output_dir runs/volumes",
    ],
    "bundles/pathology_he_phenotyping/docs/README.md": [
        "medmae prep wsi slides tiles --microns 112",
        "medmae run pathology_he_mmae_pretraining train --dataset_dir tiles",
    ],
    "bundles/points_classification/docs/README.md": _SHAPES,
    "bundles/skeleton_action_recognition/docs/README.md": _WALKS,
    "bundles/video_classification/docs/README.md": _CLIPS,
    "bundles/video_question_answering/docs/README.md": _SPOKEN,
    "bundles/video_text_retrieval/docs/README.md": _SPOKEN,
    "bundles/video_text_simvtp_pretraining/docs/README.md": _CLIPS,
    "bundles/video_text_smaug_pretraining/docs/README.md": [_IMAGES],
}


def make_data(folder: Path, *, breakhis: bool = False) -> None:
    """Volumes, slides, labelled images in several forms, and clips.

    Args:
        folder: Empty.
        breakhis: Names images as that data set does.
    """
    write_cohort(folder / "nifti", subjects=6, contrasts=("T1w", "T2w", "FLAIR"))
    shutil.copytree(folder / "nifti", folder / "volumes")
    for number in range(4):
        wsi.write_pyramid(folder / "slides" / f"patient-{number}.tif", wsi.picture(1000, 800, seed=number))
    for place, label in enumerate(("benign", "malignant")):
        for patient in range(10):
            for number in range(2):
                name = f"SOB_M_DC-14-{2250 + patient}AB-40-{number:03d}" if breakhis else f"p{patient}_{number}"
                path = folder / "images" / label / f"{name}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                grey = images.picture(striped=bool(place), seed=100 * patient + number, size=(96, 96))
                Image.fromarray(np.stack([grey, grey // 2 + 60, 255 - grey // 3], axis=-1)).save(path)
    for name in ("labelled", "new", "xrays"):
        if not breakhis:
            shutil.copytree(folder / "images", folder / name)
    shutil.copytree(shipped()["mr_edge_mae_pretraining"], folder / "bundle")
    shutil.make_archive(str(folder / "bundle"), "zip", folder, "bundle")
    rng = np.random.default_rng(0)
    arrays = {
        f"{split}_images": rng.integers(0, 255, (24, 28, 28)).astype(np.uint8) for split in ("train", "val", "test")
    }
    arrays |= {f"{split}_labels": (np.arange(24) % 2)[:, None] for split in ("train", "val", "test")}
    np.savez(folder / "pneumoniamnist.npz", **arrays)
    for label, rightwards in (("covid", False), ("healthy", True)):
        for patient in range(6):
            frames = clips.moving_disc(rightwards=rightwards, seed=10 * patient + rightwards)
            clips.write_video(folder / "clips" / label / f"{label}{patient}.mp4", frames)
