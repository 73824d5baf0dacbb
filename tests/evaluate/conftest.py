"""A small prepared data set: balls of textured tissue in air, whose T2 is a function of their T1, with a lesion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from medmae.data.manifest import Manifest, write
from medmae.data.volumes.grid import Grid
from medmae.files import sha256_of

SHAPE = (12, 28, 24)
SPACING = (4.0, 1.0, 1.5)  # mm, (slices, rows, columns)
CORNER = {"lower": 0.0, "upper": 1.0, "maximum": 1.0, "background": 0.0, "rule": "corner", "threshold": None}
SPLITS = {"a": "train", "b": "train", "c": "val", "d": "test", "e": "test"}


def to_t2(t1):
    """What a perfect network would learn; air stays air."""
    return (t1 > 0) * (0.9 - 0.8 * t1)


def ball(shape=SHAPE):
    axes = (np.linspace(-1.15, 1.15, n) for n in shape)  # 2 voxels of air at each side, as preparation leaves them
    return (np.stack(np.meshgrid(*axes, indexing="ij")) ** 2).sum(axis=0) < 1


def tissue(seed, shape=SHAPE):
    """A T1 in [0, 1], ``(S, H, W)``: smooth texture inside the ball, 0 outside."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0.2, 0.9, [-(-n // 4) for n in shape])
    texture = np.kron(coarse, np.ones((4, 4, 4)))[tuple(slice(n) for n in shape)]
    return np.where(ball(shape), texture, 0.0).astype(np.float32)


def write_set(
    folder: Path,
    *,
    splits: Mapping[str, str] = SPLITS,
    contrasts: Sequence[str] | Mapping[str, Sequence[str]] = ("T1", "T2"),
    lesion: Sequence[str] = (),
    brain: Sequence[str] = (),
    shape: tuple[int, int, int] = SHAPE,
) -> Manifest:
    """Write shards and a manifest; ``lesion`` and ``brain`` name the subjects that have such a label map."""
    (folder / "shards").mkdir(parents=True)
    rows = []
    for number, (subject, split) in enumerate(splits.items()):
        names = contrasts[subject] if isinstance(contrasts, Mapping) else contrasts
        t1 = tissue(number, shape)
        images = {"T1": t1, "T2": to_t2(t1), "FLAIR": 0.5 * t1}
        block = np.stack([images[name] for name in names], axis=1).astype(np.float32)  # (S, C, H, W)
        S, H, W = shape
        grid = Grid.from_affine((W, H, S), np.diag([-SPACING[2], -SPACING[1], SPACING[0], 1.0]))
        row = {"case": subject, "subject": subject, "session": None, "split": split, "dtype": "float32", "flags": []}
        row |= stored(folder, subject, block)
        row["contrasts"] = [
            {"name": name, "source": "x", "source_sha256": f"{subject}{name}", "normalisation": CORNER, "flags": []}
            for name in names
        ]
        row["labels"] = []
        if subject in lesion:
            spot = np.zeros(shape, np.uint8)
            spot[S // 2 : S // 2 + 2, 10:14, 10:14] = 3
            row["labels"] = [{"name": "lesion", "source": "y", "source_sha256": f"{subject}l"}
                             | stored(folder, f"{subject}__lesion", spot)]  # fmt: skip
        if subject in brain:
            about = {"name": "brain_mask", "source": "z", "source_sha256": f"{subject}b"}
            row["labels"].append(about | stored(folder, f"{subject}__brain", ball(shape).astype(np.uint8)))
        row |= {"grid": grid.to_dict(), "foreground": [round(float(v), 5) for v in (t1 > 0).mean(axis=(1, 2))]}
        rows.append(row)
    return Manifest.read(write(folder / "manifest.jsonl", rows))


def stored(folder: Path, name: str, array: np.ndarray) -> dict[str, str]:
    """Write a shard; what the manifest says of it."""
    path = folder / "shards" / f"{name}.npy"
    np.save(path, array)
    return {"shard": f"shards/{name}.npy", "shard_sha256": sha256_of(path)}


@pytest.fixture(scope="session")
def set_writer():
    """Return :func:`write_set`, for fixtures that outlive a test."""
    return write_set


@pytest.fixture
def make_set(tmp_path: Path):
    """Return :func:`write_set` into a folder of its own; its other arguments are the caller's."""

    def make(folder: str = "set", **options) -> Manifest:
        return write_set(tmp_path / folder, **options)

    return make


@pytest.fixture
def perfect():
    """Return the network that makes T2 of T1 without error, for slices or stacks of any size."""
    return to_t2
