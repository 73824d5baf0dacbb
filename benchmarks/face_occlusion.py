"""Do nodes and edges of a teacher make action units of occluded faces more certain? Simulated faces, arm by arm.

``python benchmarks/face_occlusion.py runs/face_occlusion`` draws faces whose units are known
(data_prep/face_drawing.py), pre-trains an encoder on those of training, trains a teacher on whole faces in its two
stages and, from there, students on occluded ones, and keeps what each says of test people under every occlusion and
level. It goes on where it was stopped. Figures with intervals over people are made of that by
``benchmarks/face_occlusion_report.py``. About six minutes of one CPU core for three seeds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from data_prep.face_drawing import Person, draw_face
from data_prep.face_units import STRONGEST
from data_prep.tiny.faces import ACTIVE, drawn_intensities
from medmae.evaluate.faces.occluded import hidden_at
from medmae.masking.base import Mask
from medmae.masking.occlusion import OCCLUSIONS, OcclusionMasking
from medmae.methods.action_units import ActionUnits
from medmae.methods.mae import MAE
from medmae.methods.occlusion_au import OcclusionAU
from medmae.nn.au_network import unit_network
from medmae.nn.vit import MaskedViT
from medmae.objectives.action_units import unit_weights

UNITS = ("AU1", "AU4", "AU6", "AU12", "AU15", "AU25")
SIZES: dict[str, Any] = {"image_size": 48, "patch_size": 8, "embed_dim": 64, "depth": 3, "num_heads": 4}
PEOPLE = {"train": (0, 160, 12), "val": (160, 40, 6), "test": (200, 60, 4)}  # first, how many, frames of each
LEVELS = (0.25, 0.5, 0.75)
GRID, WIDTH, BATCH = (6, 6), 24, 24
STEPS = {"mae": 600, "first": 2000, "second": 150, "student": 250}
ARMS: dict[str, dict[str, Any]] = {  # all begin as the clean-trained network
    "undistilled": {"node_weight": 0.0, "edge_weight": 0.0},
    "distilled": {},
    "nodes": {"edge_weight": 0.0},
    "edges": {"node_weight": 0.0},
}
Set = dict[str, Any]


def faces(out: Path) -> dict[str, Set]:
    """Pictures, intensities, landmarks and people of each split, drawn once."""
    found = {}
    for split, (first, count, each) in PEOPLE.items():
        file = out / f"{split}.npz"
        if not file.is_file():
            np.savez(file, **_drawn(first, count, each))
        found[split] = dict(np.load(file))
    return found


def _drawn(first: int, count: int, each: int) -> dict[str, np.ndarray]:
    pictures, strengths, points, people = [], [], [], []
    for number in range(first, first + count):
        person = Person.of(number)
        for frame in range(each):
            intensity = drawn_intensities(np.random.default_rng((number, frame, 3)))
            seed = number * 1000 + frame
            drawn = draw_face(person, {n: v / STRONGEST for n, v in intensity.items()}, size=48, seed=seed)
            pictures.append(drawn.pixels)
            points.append(drawn.landmarks)
            strengths.append([intensity[name] for name in UNITS])
            people.append(number)
    return {
        "image": np.stack(pictures),
        "intensity": np.array(strengths, np.float32),
        "landmarks": np.stack(points),
        "person": np.array(people),
    }


def batch_of(data: Set, rows: np.ndarray) -> dict[str, Tensor]:
    """Tensors of some faces."""
    image = torch.from_numpy(data["image"][rows]).permute(0, 3, 1, 2).float() / 255
    return {"image": image, "target": torch.from_numpy((data["intensity"][rows] >= ACTIVE).astype(np.float32))}


def batches(data: Set, *, seed: int, steps: int) -> Iterator[dict[str, Tensor]]:
    """Batches in random order, half of the faces mirrored."""
    rng = np.random.default_rng((seed, 17))
    for _ in range(steps):
        found = batch_of(data, rng.choice(len(data["image"]), BATCH, replace=False))
        flipped = torch.from_numpy(rng.random(BATCH) < 0.5)[:, None, None, None]
        found["image"] = torch.where(flipped, found["image"].flip(3), found["image"])
        yield found


def train(method: Any, data: Set, *, seed: int, steps: int, rate: float) -> float:
    """AdamW with a warm-up and a cosine; gives seconds."""
    start, generator = time.perf_counter(), torch.Generator().manual_seed(seed)
    learnt = [parameter for parameter in method.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(learnt, lr=rate, weight_decay=0.05, betas=(0.9, 0.95))
    method.train()
    for step, batch in enumerate(batches(data, seed=seed, steps=steps)):
        share = step / steps
        scale = min(1.0, share / 0.05) * (1 + np.cos(np.pi * share)) / 2
        for group in optimiser.param_groups:
            group["lr"] = rate * scale
        loss = method(batch, generator=generator, progress=share).loss
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learnt, 1.0)
        optimiser.step()
        if step % 50 == 0:
            print(f"  {type(method).__name__} {step} {loss.item():.4f}", flush=True)
    method.eval()
    return time.perf_counter() - start


def occlusions(data: Set, *, seed: int) -> dict[str, Tensor]:
    """What is hidden of each face, bool ``(F, N)``, by occlusion and level; the same for all arms."""
    landmarks = torch.from_numpy(data["landmarks"])
    names = [f"{person}/{place}" for place, person in enumerate(data["person"])]
    return {
        f"{kind} {level}": hidden_at(kind, level, cases=names, grid=GRID, landmarks=landmarks, seed=seed)
        for kind in OCCLUSIONS
        for level in LEVELS
    }


@torch.no_grad()
def said(read: Callable[[Tensor, Mask | None], Tensor], data: Set, hidden: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """Shares of units ``(F, N)`` of whole faces, and of faces of which some is hidden."""
    image = batch_of(data, np.arange(len(data["image"])))["image"]
    found = {"whole": _by_parts(read, image, None)}
    found |= {name: _by_parts(read, image, table) for name, table in hidden.items()}
    return {name: values.astype(np.float16) for name, values in found.items()}


def _by_parts(read: Callable[[Tensor, Mask | None], Tensor], image: Tensor, hidden: Tensor | None) -> np.ndarray:
    parts = []
    for rows in torch.arange(len(image)).split(120):
        parts.append(read(image[rows], None if hidden is None else Mask.from_bool(hidden[rows])))
    return torch.cat(parts).numpy()


def run(out: Path, seed: int, arms: Sequence[str], *, taught: int) -> None:
    """Some arms of one seed, by the teacher of the same or of another one."""
    data = faces(out)
    target = torch.from_numpy((data["train"]["intensity"] >= ACTIVE).astype(np.float32))
    weight = unit_weights(target, names=UNITS)
    torch.manual_seed(taught)
    mae = MAE(**SIZES, scale="imagenet", decoder_dim=32, decoder_depth=1, decoder_heads=4)
    _kept(out / f"mae_{taught}.pt", mae, lambda: train(mae, data["train"], seed=taught, steps=STEPS["mae"], rate=2e-3))
    encoder = MaskedViT(**SIZES, scale="imagenet")
    encoder.load_state_dict(mae.encoder.state_dict())
    options: dict[str, Any] = {"names": UNITS, "unit_weight": weight}
    sizes = {"units": len(UNITS), "dim": WIDTH}
    first = ActionUnits(network=unit_network(encoder=encoder, edges=False, neighbours=3, **sizes), **options)
    steps = STEPS["first"]
    _kept(out / f"first_{taught}.pt", first, lambda: train(first, data["train"], seed=taught, steps=steps, rate=2e-3))
    teacher = ActionUnits(network=unit_network(encoder=encoder, **sizes), **options)
    teacher.network.load_state_dict(first.network.state_dict(), strict=False)
    steps = STEPS["second"]
    _kept(
        out / f"teacher_{taught}.pt",
        teacher,
        lambda: train(teacher, data["train"], seed=taught, steps=steps, rate=1e-3),
    )
    patches = teacher.network.encoder.patches
    mean = teacher.network.encoder.scaling.invert(torch.zeros(1, 3, 1, 1))

    def filled(image: Tensor, mask: Mask | None) -> Tensor:
        if mask is not None:
            image = torch.where(patches.paint(mask.as_bool()), mean, image)
        return teacher.network(image).units

    def dropped(image: Tensor, mask: Mask | None) -> Tensor:
        visible, keys = (None, None) if mask is None else (mask.visible, mask.real)
        return teacher.network(image, visible, keys).units

    _say(out, data, seed, "clean-trained, filled", filled)
    _say(out, data, seed, "clean-trained, dropped", dropped)
    for arm, own in ((arm, ARMS[arm]) for arm in arms):
        torch.manual_seed(seed + 100)
        student = OcclusionAU(unit_dim=WIDTH, **options, **own, **SIZES, scale="imagenet")
        student.encoder.load_state_dict(teacher.network.encoder.state_dict())
        student.mapper.load_state_dict(teacher.network.mapper.state_dict())
        student.learn_from(teacher.network)
        steps, file = STEPS["student"], out / f"{arm}_{seed}.pt"
        _kept(file, student, lambda: train(student, data["train"], seed=seed, steps=steps, rate=1e-3))  # noqa: B023
        _say(out, data, seed, arm, lambda image, mask: student.read(image, mask).units)  # noqa: B023


def _kept(file: Path, method: Any, learn: Callable[[], float]) -> None:
    if file.is_file():
        method.load_state_dict(torch.load(file, weights_only=True))
        method.eval()
        return
    print(file.stem, f"{learn():.0f} s", flush=True)
    torch.save(method.state_dict(), file)


def _say(out: Path, data: dict[str, Set], seed: int, arm: str, read: Callable[[Tensor, Mask | None], Tensor]) -> None:
    file = out / f"said_{arm.replace(' ', '_')}_{seed}.npz"
    if file.is_file():
        return
    drawn = OcclusionMasking(grid=GRID).sample(len(data["val"]["image"]), generator=torch.Generator().manual_seed(seed))
    mixture = {"mixture": drawn.as_bool()}  # as students are trained: thresholds are of it and of whole faces
    hidden = {"val": mixture, "test": _hidden(out, data, seed)}
    found = {
        f"{split}/{name}": values
        for split, tables in hidden.items()
        for name, values in said(read, data[split], tables).items()
    }
    np.savez(file, **found)
    print(arm, "said", flush=True)


def _hidden(out: Path, data: dict[str, Set], seed: int) -> dict[str, Tensor]:
    file = out / f"hidden_{seed}.npz"
    if not file.is_file():
        np.savez(file, **{name: table.numpy() for name, table in occlusions(data["test"], seed=seed).items()})
    return {name: torch.from_numpy(table) for name, table in np.load(file).items()}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--taught_by", type=int, help="seed of one teacher for all; a teacher each if left out")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    for seed in chosen.seeds:
        run(chosen.out, seed, chosen.arms, taught=seed if chosen.taught_by is None else chosen.taught_by)


if __name__ == "__main__":
    main()
