"""The table of ``benchmarks/synthesis.py``: means over held-out patients, 95 % intervals, paired differences.

python benchmarks/synthesis_report.py results.csv [MORE ...]
"""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import typer
from document import table

from medmae.evaluate.statistics import Summary, summarise

REFERENCE = ("MT-UNet, pre-trained", "1.0")
FIGURES = (("psnr", 2), ("ssim", 3), ("nmse", 3), ("mae", 4))
Key = tuple[str, str]


def interval(found: Summary, digits: int) -> str:
    """Mean (low to high)."""
    if found.ci_low is None or found.ci_high is None:
        return f"{found.mean:.{digits}f}"
    return f"{found.mean:.{digits}f} ({found.ci_low:.{digits}f} to {found.ci_high:.{digits}f})"


def by_patient(rows: list[dict[str, str]], figure: str) -> dict[Key, dict[str, float]]:
    """Variant and share -> patient -> figure, in the order of the file."""
    found: dict[Key, dict[str, float]] = defaultdict(dict)
    for row in rows:
        found[row["variant"], row["fraction"]][row["subject"]] = float(row[figure])
    return found


def difference(mine: dict[str, float], theirs: dict[str, float]) -> str:
    """Of the patients that both have."""
    both = [patient for patient in mine if patient in theirs]
    return interval(summarise([mine[p] - theirs[p] for p in both], both), 2) if both else ""


def section(rows: list[dict[str, str]], *, region: str) -> str:
    """A table of one data set and region."""
    rows = [row for row in rows if row["region"] == region]
    figures = {figure: by_patient(rows, figure) for figure, _ in FIGURES}
    lines = []
    for variant, share in figures["psnr"]:
        cells = []
        for figure, digits in FIGURES:
            values = figures[figure][variant, share]
            cells.append(interval(summarise(list(values.values()), list(values)), digits))
        gap = difference(figures["psnr"][variant, share], figures["psnr"].get(REFERENCE, {}))
        lines.append([variant, f"{float(share):.0%}", str(len(figures["psnr"][variant, share])), *cells, gap])
    head = [region, "pairs used", "patients", "PSNR, dB", "SSIM", "NMSE", "MAE", "PSNR minus pre-trained at 100 %"]
    return table(head, lines)


def main(results: Annotated[list[Path], typer.Argument(help="What runs wrote.")]) -> None:
    """Prints a table for each data set and region."""
    rows = [row for path in results for row in csv.DictReader(path.open())]
    for data in dict.fromkeys(row["data"] for row in rows):
        for region in ("whole", "brain"):
            print(f"**{data}**\n\n{section([r for r in rows if r['data'] == data], region=region)}\n")


if __name__ == "__main__":
    typer.run(main)
