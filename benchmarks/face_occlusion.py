"""Do nodes and edges of a teacher make action units of occluded faces more certain? Arm by arm.

``python benchmarks/face_occlusion.py runs/face_occlusion`` takes faces (``face_sets.py``; ``--data``: simulated ones,
photographs of expressions, or faces drawn on landmarks of the news), pre-trains an encoder on those of training, trains
a teacher on whole faces in its two stages and, from there, students on occluded ones, and keeps what each says of test
people under every occlusion and level. It goes on where it was stopped. Figures with intervals over people are made of
that by ``benchmarks/face_occlusion_report.py``. About ten minutes of one CPU core for three seeds of simulated faces,
and fifteen of photographs.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from face_sets import Faces, Set, folds_of, read_faces, shared_faces
from torch import Tensor

from medmae.evaluate.faces.occluded import hidden_at
from medmae.masking.base import Mask
from medmae.masking.occlusion import OCCLUSIONS, OcclusionMasking
from medmae.methods.action_units import ActionUnits
from medmae.methods.mae import MAE
from medmae.methods.occlusion_au import OcclusionAU
from medmae.nn.au_network import unit_network
from medmae.nn.vit import MaskedViT
from medmae.objectives.action_units import unit_weights

SIZES: dict[str, Any] = {"image_size": 48, "patch_size": 8, "embed_dim": 64, "depth": 3, "num_heads": 4}
LEVELS = (0.25, 0.5, 0.75)
GRID, WIDTH, BATCH = (6, 6), 24, 24
ARMS: dict[str, dict[str, Any]] = {  # all begin as the clean-trained network
    "undistilled": {"node_weight": 0.0, "edge_weight": 0.0},
    "distilled": {},
    "nodes": {"edge_weight": 0.0},
    "edges": {"node_weight": 0.0},
}


def batch_of(data: Set, rows: np.ndarray) -> dict[str, Tensor]:
    """Tensors of some faces."""
    found = {"image": torch.from_numpy(data["image"][rows]).permute(0, 3, 1, 2).float() / 255}
    return found | ({"target": torch.from_numpy(data["target"][rows])} if "target" in data else {})


def batches(data: Set, *, seed: int, steps: int, shift: int) -> Iterator[dict[str, Tensor]]:
    """Batches in random order, half of the faces mirrored, and moved where that is said."""
    rng = np.random.default_rng((seed, 17))
    for _ in range(steps):
        found = batch_of(data, rng.choice(len(data["image"]), BATCH, replace=False))
        flipped = torch.from_numpy(rng.random(BATCH) < 0.5)[:, None, None, None]
        image = torch.where(flipped, found["image"].flip(3), found["image"])
        found["image"] = _moved(image, rng.integers(-shift, shift + 1, (BATCH, 2))) if shift else image
        yield found


def _moved(image: Tensor, by: np.ndarray) -> Tensor:
    """Each face by its own rows and columns; what enters repeats the edge."""
    height, width = image.shape[2:]
    rows = [(torch.arange(height) - int(down)).clamp(0, height - 1) for down, _ in by]
    columns = [(torch.arange(width) - int(right)).clamp(0, width - 1) for _, right in by]
    return torch.stack([one[:, r][:, :, c] for one, r, c in zip(image, rows, columns, strict=True)])


def train(method: Any, data: Set, *, seed: int, steps: int, rate: float, shift: int) -> float:
    """AdamW with a warm-up and a cosine; gives seconds."""
    start, generator = time.perf_counter(), torch.Generator().manual_seed(seed)
    learnt = [parameter for parameter in method.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(learnt, lr=rate, weight_decay=0.05, betas=(0.9, 0.95))
    method.train()
    for step, batch in enumerate(batches(data, seed=seed, steps=steps, shift=shift)):
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
    landmarks = torch.from_numpy(data["landmarks"]) if "landmarks" in data else None
    cases = data["name"].tolist()
    return {
        f"{kind} {level}": hidden_at(kind, level, cases=cases, grid=GRID, landmarks=landmarks, seed=seed)
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


def run(out: Path, faces: Faces, seed: int, arms: Sequence[str], *, taught: int, models: Path) -> None:
    """Some arms of one seed, by the teacher of the same or of another one."""
    options: dict[str, Any] = {"names": faces.names, "unit_weight": _weight(faces)}
    teacher = taught_on(models, faces, taught, options)
    _say_of_teacher(out, faces, seed, teacher)
    for arm in arms:
        torch.manual_seed(seed + 100)
        student = OcclusionAU(unit_dim=WIDTH, **options, **ARMS[arm], **SIZES, scale="imagenet")
        student.encoder.load_state_dict(teacher.network.encoder.state_dict())
        student.mapper.load_state_dict(teacher.network.mapper.state_dict())
        student.learn_from(teacher.network)
        _kept(models / f"{arm}_{seed}.pt", student, _learning(student, faces, "student", seed=seed, rate=1e-3))
        _say(out, faces, seed, arm, lambda image, mask: student.read(image, mask).units)  # noqa: B023


def taught_on(models: Path, faces: Faces, seed: int, options: dict[str, Any]) -> ActionUnits:
    """The teacher, in its two stages, from an encoder that was pre-trained on faces without labels."""
    torch.manual_seed(seed)
    mae = MAE(**SIZES, scale="imagenet", decoder_dim=32, decoder_depth=1, decoder_heads=4)
    _kept(models / f"mae_{seed}.pt", mae, _learning(mae, faces, "mae", seed=seed, rate=2e-3))
    encoder = MaskedViT(**SIZES, scale="imagenet")
    encoder.load_state_dict(mae.encoder.state_dict())
    sizes = {"units": len(faces.names), "dim": WIDTH}
    first = ActionUnits(network=unit_network(encoder=encoder, edges=False, neighbours=3, **sizes), **options)
    _kept(models / f"first_{seed}.pt", first, _learning(first, faces, "first", seed=seed, rate=2e-3))
    teacher = ActionUnits(network=unit_network(encoder=encoder, **sizes), **options)
    teacher.network.load_state_dict(first.network.state_dict(), strict=False)
    _kept(models / f"teacher_{seed}.pt", teacher, _learning(teacher, faces, "second", seed=seed, rate=1e-3))
    return teacher


def _say_of_teacher(out: Path, faces: Faces, seed: int, teacher: ActionUnits) -> None:
    """What it says of faces painted over, and of what is left of them."""
    patches = teacher.network.encoder.patches
    mean = teacher.network.encoder.scaling.invert(torch.zeros(1, 3, 1, 1))

    def filled(image: Tensor, mask: Mask | None) -> Tensor:
        if mask is not None:
            image = torch.where(patches.paint(mask.as_bool()), mean, image)
        return teacher.network(image).units

    def dropped(image: Tensor, mask: Mask | None) -> Tensor:
        visible, keys = (None, None) if mask is None else (mask.visible, mask.real)
        return teacher.network(image, visible, keys).units

    _say(out, faces, seed, "clean-trained, filled", filled)
    _say(out, faces, seed, "clean-trained, dropped", dropped)


def _weight(faces: Faces) -> Sequence[float]:
    return unit_weights(torch.from_numpy(faces.sets["train"]["target"]), names=faces.names)


def _learning(method: Any, faces: Faces, stage: str, *, seed: int, rate: float) -> Callable[[], float]:
    data = faces.sets["unlabelled" if stage == "mae" else "train"]
    return lambda: train(method, data, seed=seed, steps=faces.steps[stage], rate=rate, shift=faces.shift)


def _kept(file: Path, method: Any, learn: Callable[[], float]) -> None:
    if file.is_file():
        method.load_state_dict(torch.load(file, weights_only=True))
        method.eval()
        return
    print(file.stem, f"{learn():.0f} s", flush=True)
    torch.save(method.state_dict(), file)


def _say(out: Path, faces: Faces, seed: int, arm: str, read: Callable[[Tensor, Mask | None], Tensor]) -> None:
    file = out / f"said_{arm.replace(' ', '_')}_{seed}.npz"
    if file.is_file():
        return
    drawn = OcclusionMasking(grid=GRID).sample(
        len(faces.sets["val"]["image"]), generator=torch.Generator().manual_seed(seed)
    )
    mixture = {"mixture": drawn.as_bool()}  # as students are trained: thresholds are of it and of whole faces
    hidden = {"val": mixture, "test": _hidden(out, faces.sets["test"], seed)}
    found = {
        f"{split}/{name}": values
        for split, tables in hidden.items()
        for name, values in said(read, faces.sets[split], tables).items()
    }
    np.savez(file, **found)
    print(arm, "said", flush=True)


def _hidden(out: Path, tested: Set, seed: int) -> dict[str, Tensor]:
    file = out / f"hidden_{seed}.npz"
    if not file.is_file():
        np.savez(file, **{name: table.numpy() for name, table in occlusions(tested, seed=seed).items()})
    return {name: torch.from_numpy(table) for name, table in np.load(file).items()}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", default="simulated", choices=["simulated", "expressions", "news"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--taught_by", type=int, help="seed of one teacher for all; a teacher each if left out")
    parser.add_argument("--models", type=Path, help="folder of networks that are there: those of simulated, for news")
    parser.add_argument("--real", type=Path, default=shared_faces(), help="the shared faces")
    chosen = parser.parse_args()
    if chosen.data == "news" and chosen.models is None:
        parser.error("the news have no training: name the folder of --data simulated by --models")
    for seed in chosen.seeds:
        for fold in folds_of(chosen.data):
            out = folder_of(chosen.out, chosen.data, fold)
            out.mkdir(parents=True, exist_ok=True)
            faces = read_faces(chosen.data, chosen.models or chosen.out, fold=fold, real=chosen.real)
            taught = seed if chosen.taught_by is None else chosen.taught_by
            print(f"seed {seed}, fold {fold}", flush=True)
            run(out, faces, seed, chosen.arms, taught=taught, models=chosen.models or out)


def folder_of(out: Path, data: str, fold: int) -> Path:
    """Where what was said in a fold is kept."""
    return out / f"fold_{fold}" if len(folds_of(data)) > 1 else out


if __name__ == "__main__":
    main()
