"""What a run tells, and its table of metrics across a restart."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.utilities import rank_zero_only

from medmae.files import write_text
from medmae.reading import reading


@rank_zero_only
def tell(text: str) -> None:
    """What a user must see of a run, whatever a ``logging.conf`` lets through."""
    print(f"medmae: {text}", file=sys.stderr, flush=True)


@rank_zero_only
def continue_log(logger: CSVLogger, *, step: int) -> None:
    """Keeps the rows up to an optimiser step; Lightning would delete the table of an earlier run.

    Args:
        logger: Not yet written to.
        step: Rows from here on are dropped: the resumed run writes them again. Damaged ones are told, and dropped.

    Raises:
        DataError: If the table of the earlier run cannot be read.
    """
    path = Path(logger.log_dir) / "metrics.csv"
    if not path.is_file():
        return
    damaged = "move it away, and resume: the training needs nothing of it"
    with reading(path, what="the log", remedy=damaged), path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        names, rows = list(reader.fieldnames or []), list(reader)
    # A kill may have cut a row off: what is left of its number would be another step.
    whole = [row for row in rows if None not in (*row, *row.values()) and row.get("step", "").isdecimal()]
    if len(whole) < len(rows):
        tell(f"{len(rows) - len(whole)} of {len(rows)} rows of {path} are damaged and left out")
    rows = [row for row in whole if int(row["step"]) < step]
    experiment = logger.experiment  # makes its folder, and deletes the table
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=names)
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
    experiment.metrics_keys = names
