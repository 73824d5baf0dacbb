"""How an evaluation begins: never over the record of a training, never among what an earlier evaluation left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pytorch_lightning.utilities import rank_zero_only

from medmae.errors import DataError
from medmae.evaluate.leakage import RECORD
from medmae.files import read_object
from medmae.report.evaluations import evaluations


def start_evaluation(output_dir: str | Path) -> None:
    """Makes room for an evaluation; the last step before it, when all that could refuse it has passed.

    Args:
        output_dir: The run directory of the evaluation.

    Raises:
        DataError: If that is the run directory of a training.
    """
    refuse_training(output_dir)
    clear_evaluation(output_dir)


def refuse_training(output_dir: str | Path) -> None:
    """Refuses the run directory of a training: its ``run.json`` alone tells whom the weights have seen.

    Raises:
        DataError: If there is such a record, or one that cannot be read.
    """
    path = Path(output_dir) / RECORD
    remedy = "pass another --output_dir, such as one of this evaluation's own"
    if path.is_file() and _is_of_training(read_object(path, remedy=remedy)):
        raise DataError(
            "this is the record of a training, and tells whom its weights have seen; an evaluation would replace it",
            path=path,
            field="output_dir",
            value=str(output_dir),
            remedy=remedy,
        )


@rank_zero_only
def clear_evaluation(output_dir: str | Path) -> None:
    """Removes what an earlier evaluation left, which the report would show as this run's; other files stay.

    Args:
        output_dir: The run directory.
    """
    folder = Path(output_dir) / "evaluation"
    for pattern in dict.fromkeys(name for known in evaluations() for name in known.files):
        for path in folder.glob(pattern):
            path.unlink()


def _is_of_training(record: dict[str, Any]) -> bool:
    """Only a training takes time, begins with weights that have seen somebody, or leaves a network."""
    return (
        record.get("seconds") is not None or bool(record.get("pretrained_on")) or "model.pt" in record.get("hashes", ())
    )
