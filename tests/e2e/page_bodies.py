"""What the commands of docs/data.md on shapes and on skeletons read: a few files of each layout, simulated."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np

from data_prep.tiny.shapes import organ
from data_prep.tiny.skeletons import Walker, walk, write_ntu
from medmae.data.skeletons.layouts import KINECT_20, MSR_20, NTU_25
from tests.data.skeletons.files import NTU_25_AS_20, as_table, write_c3d
from tests.shapes import ball, off

_PATIENTS = 6


def shapes(folder: Path) -> None:
    """Segmentations, an archive of masks, folders of meshes, and a table of meshes."""
    (folder / "segmentations").mkdir()
    for number in range(_PATIENTS):
        mask, affine = organ(number, lobed=number % 2 == 1)
        nib.save(nib.Nifti1Image(mask, affine), folder / "segmentations" / f"p{number:02d}_organ.nii.gz")
    places = np.stack(np.meshgrid(*[np.arange(16)] * 3, indexing="ij"), axis=-1)
    arrays: dict[str, np.ndarray] = {}
    for number, split in enumerate(("train", "val", "test")):
        sizes = [3 + 0.5 * each + 0.15 * number for each in range(4)]
        arrays[f"{split}_images"] = np.stack([np.linalg.norm(places - 8, axis=-1) < size for size in sizes]) * 255
        arrays[f"{split}_labels"] = np.arange(4)[:, None] % 2
    np.savez(folder / "adrenalmnist3d_64.npz", **{name: values.astype(np.uint8) for name, values in arrays.items()})
    for number, (label, split) in enumerate((a, b) for a in ("bed", "chair") for b in ("train", "test")):
        off(folder / "ModelNet10" / label / split / f"{label}_{number:04d}.off", *ball(5.0 + number))
    lines = ["path,label,subject"]
    for number in range(_PATIENTS):
        off(folder / "meshes" / f"m{number}.off", *ball(15.0 + number))
        lines.append(f"meshes/m{number}.off,{('big', 'small')[number % 2]},p{number}")
    (folder / "meshes.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def skeletons(folder: Path) -> None:
    """NTU's files, MSR's text, C3D of a gait laboratory, pictures' joints, and tables of one's own."""
    for name in ("nturgbd_skeletons", "MSRAction3D", "gait_lab", "openpose_json", "tables"):
        (folder / name).mkdir()
    msr = [KINECT_20.joints.index(name) for name in MSR_20.joints]
    for number in range(_PATIENTS):
        positions = walk(Walker.of(number, limp=False), seconds=2, seed=number)  # (60, 25, 3) metres
        person = (1, 2, 3, 4, 6, 7)[number]  # half of whom learn in the split by subject
        ntu_name = f"S001C001P{person:03d}R001A{1 + number % 2:03d}.skeleton"
        write_ntu(folder / "nturgbd_skeletons" / ntu_name, {"1": positions})
        table = np.concatenate([positions[:, NTU_25_AS_20][:, msr], np.ones((60, 20, 1))], axis=2)
        msr_name = f"a{1 + number % 2:02d}_s{number + 1:02d}_e01_skeleton3D.txt"
        np.savetxt(folder / "MSRAction3D" / msr_name, table.reshape(-1, 4))
        marks = 1000 * positions[:, NTU_25_AS_20]
        write_c3d(folder / "gait_lab" / f"p{number:02d}_0.c3d", marks, labels=KINECT_20.joints, rate=30)
        as_table(folder / "tables" / f"p{number:02d}_0.csv", 1000 * positions, NTU_25.joints)
        for frame in range(12):
            pixels = np.concatenate([100 + 90 * positions[frame, :, :2], np.ones((25, 1))], axis=1)  # x, y, confidence
            found = {"people": [{"pose_keypoints_2d": pixels.ravel().round(3).tolist()}]}
            path = folder / "openpose_json" / f"p{number:02d}_0_{frame:012d}_keypoints.json"
            path.write_text(json.dumps(found), encoding="utf-8")
    pairs = [f"{NTU_25.joints[child]},{NTU_25.joints[parent]}" for child, parent in NTU_25.bones]
    (folder / "bones.csv").write_text("\n".join(["child,parent", *pairs]) + "\n", encoding="utf-8")
