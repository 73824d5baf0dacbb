"""Faces to look at: what is hidden, what was coded, what the network and its teacher say, and where it looks.

A face identifies a person. Unless faces are asked for, its landmarks are drawn in its place; of a face without
landmarks a few coarse pixels are left.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional as F

from medmae.data.evenly import evenly
from medmae.data.samples import Samples
from medmae.data.views import About
from medmae.evaluate.faces.gathered import Condition, Gathered
from medmae.evaluate.faces.looks import hatched, looked, looked_at
from medmae.evaluate.faces.occluded import hidden_at
from medmae.evaluate.faces.readers import UnitMethod, patches_of
from medmae.evaluate.reconstruct.panels import write_panels
from medmae.face import PARTS
from medmae.report.draw import draw, facts

FOLDER = "face_cases"
_COARSE = 8  # pixels of a face without landmarks, along each axis
_DRAWN = 160  # of a drawing


def write_cases(
    method: UnitMethod,
    samples: Samples,
    found: Gathered,
    shares: Mapping[tuple[str, Condition], np.ndarray],
    *,
    out: str | Path,
    show_faces: bool,
    count: int = 4,
) -> None:
    """Writes ``face_cases/panels.json`` and ``panels.npz``.

    Args:
        method: Whose grid of patches hides them.
        samples: Faces.
        found: Which could be read, and what was coded.
        shares: What everyone says, thresholds at one half.
        out: Evaluation folder of a run.
        show_faces: See the module.
        count: Faces, evenly over all.
    """
    patches, kind, names = patches_of(method), samples.kinds["image"], list(method.names)
    hiding = [condition for _, condition in shares if not condition.whole]
    rows: list[tuple[dict[str, Any], dict[str, np.ndarray]]] = []
    for turn, row in enumerate(evenly(len(found.numbers), min(count, len(found.numbers)))):
        number = found.numbers[row]
        sample, about = samples[number], samples.describe(number)
        condition = hiding[turn * 5 % len(hiding)] if hiding else Condition()
        hidden = None if condition.whole else _hidden_of(condition, about, sample["landmarks"], patches.grid)
        picture = sample["image"] if show_faces else veiled(sample["image"], sample["landmarks"])
        maps, how = looked_at(method, sample["image"], hidden)
        told = {
            "case": about.case,
            "subject": about.subject,
            "frame": str(about.place.get("frame", "")),
            "occlusion": condition.occlusion,
            "level": condition.level,
            "shown": "face" if show_faces else "landmarks" if sample["landmarks"].isfinite().all() else "coarse",
            "units": names,
            "coded": [None if np.isnan(one) else float(one) for one in found.targets[row]],
            "looks": how,
            "said": {who: rows_[row].tolist() for (who, how), rows_ in shares.items() if how == condition},
        }
        face = picture if hidden is None else hatched(picture, hidden, grid=patches.grid)
        pictures = {
            name: looked(picture, own, hidden, grid=patches.grid) for name, own in zip(names, maps, strict=True)
        }
        drawn = {name: draw(kind, each) for name, each in {"face": face, **pictures}.items()}
        rows.append(({**told, **facts(kind, picture)}, drawn))
    write_panels(Path(out) / FOLDER, rows)


def veiled(face: Tensor, landmarks: Tensor) -> Tensor:
    """A picture ``(3, S, S)`` that shows no person: its landmarks as lines, or a few coarse pixels."""
    if not landmarks.isfinite().all():
        coarse = F.adaptive_avg_pool2d(face[None], _COARSE)
        return F.interpolate(coarse, size=face.shape[1:], mode="nearest")[0]
    picture = Image.new("RGB", (_DRAWN, _DRAWN), "white")
    pen, points = ImageDraw.Draw(picture), (landmarks * _DRAWN).tolist()
    for part, places in PARTS.items():
        line = [tuple(points[place]) for place in places]
        closed = line[:1] if part.endswith(("eye", "lips")) else []
        pen.line([*line, *closed], fill="black", width=2)
    return torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1).float() / 255


def _hidden_of(condition: Condition, about: About, landmarks: Tensor, grid: tuple[int, ...]) -> Tensor:
    """The patches of a face that the evaluation hid, bool ``(N,)``."""
    return hidden_at(
        condition.occlusion,  # type: ignore[arg-type]
        condition.level,
        cases=[f"{about.case} {about.place.get('frame', '')}"],
        grid=grid,
        landmarks=landmarks[None],
        seed=condition.seed,
    )[0]
