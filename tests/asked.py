"""Videos with questions, written as arrays: a clip whose grey is its number, and what is asked of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from medmae.data.manifest import write
from medmae.data.video.questions import Question
from medmae.files import sha256_of


def write_asked(
    folder: Path,
    asked: Sequence[Sequence[Question]],
    *,
    splits: Sequence[str] | None = None,
    edge: int = 8,
    grey: Callable[[int], int] = lambda number: number,
) -> Path:
    """A prepared data set of one clip a patient, of 4 frames; ``grey`` is that of the clip of a number."""
    rows = []
    for number, questions in enumerate(asked):
        path = folder / "shards" / f"c{number}.npy"
        path.parent.mkdir(exist_ok=True, parents=True)
        np.save(path, np.full((4, edge, edge, 1), grey(number), np.uint8))
        rows.append(
            {
                "case": f"c{number}", "subject": f"p{number}", "split": splits[number] if splits else "train",
                "kind": "video", "first": 0, "count": 4, "shard": f"shards/c{number}.npy",
                "shard_sha256": sha256_of(path), "dtype": "uint8", "size": [edge, edge], "channels": 1, "fps": 1.0,
                "times": None, "label": None, "value": None, "captions": [], "content_sha256": f"{number:064d}",
                "flags": [], "questions": [question.as_row() for question in questions],
            }
        )  # fmt: skip
    write(folder / "manifest.jsonl", rows)
    return folder
