"""What a run tells, and its table of metrics across a restart."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.utilities import rank_zero_only

from medmae.files import write_text


@rank_zero_only
def tell(text: str) -> None:
    """What a user must see of a run, whatever a ``logging.conf`` lets through."""
    print(f"medmae: {text}", file=sys.stderr, flush=True)


@rank_zero_only
def continue_log(logger: CSVLogger, *, step: int) -> None:
    """Keeps the rows up to an optimiser step; Lightning would delete the table of an earlier run.

    Args:
        logger: Not yet written to.
        step: Rows from here on are dropped: the resumed run writes them again.
    """
    path = Path(logger.log_dir) / "metrics.csv"
    if not path.is_file():
        return
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        names = list(reader.fieldnames or [])
        rows = [row for row in reader if int(row["step"]) < step]
    experiment = logger.experiment  # makes its folder, and deletes the table
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=names)
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
    experiment.metrics_keys = names
