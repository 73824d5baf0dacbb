from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from medmae.data.volumes.grid import Grid
from medmae.files import sha256_of


@pytest.fixture
def prepared(tmp_path):
    """Writes a prepared data set of random shards: ``prepared({"p1": "train"}, shape=(6, 20, 16))``.

    ``contrasts`` may differ: ``{"p1": ("T1",), "p2": ("T1", "T2")}``.
    """

    def write(subjects, *, shape=(6, 20, 16), contrasts=("T1", "T2"), dtype="float32", folder="set") -> Path:
        root = tmp_path / folder
        (root / "shards").mkdir(parents=True)
        lines = []
        for number, (subject, split) in enumerate(subjects.items()):
            S, H, W = shape
            names = contrasts[subject] if isinstance(contrasts, dict) else contrasts
            block = np.random.default_rng(number).random((S, len(names), H, W)).astype(dtype)
            np.save(root / "shards" / f"{subject}.npy", block)
            grid = Grid.from_affine((W, H, S), np.diag([-1.0, -1.0, 3.0, 1.0]))
            row = {
                "case": subject,
                "subject": subject,
                "session": None,
                "split": split,
                "shard": f"shards/{subject}.npy",
                "shard_sha256": sha256_of(root / "shards" / f"{subject}.npy"),
                "dtype": dtype,
                "contrasts": [
                    {"name": name, "source": "x", "source_sha256": f"{subject}{name}", "normalisation": {}, "flags": []}
                    for name in names
                ],
                "labels": [],
                "grid": grid.to_dict(),
                "foreground": [0.0] + [0.5] * (S - 1),
            }
            lines.append(json.dumps(row))
        (root / "manifest.jsonl").write_text("\n".join(lines) + "\n")
        return root / "manifest.jsonl"

    return write
