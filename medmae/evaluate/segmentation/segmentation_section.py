"""The section of segmentation: Dice of every encoder beside one from scratch."""

from __future__ import annotations

from medmae.evaluate.segmentation.segmentation_tables import FOLDER
from medmae.report.cells import interval_of, mean_of, p_of, signed_of
from medmae.report.evaluations import Evaluation, register
from medmae.report.folder import RunFolder
from medmae.report.page import Section, table

LEAD = (
    "Dice by MONAI's UNETR on each encoder, folds of patients; intervals are 95\u00a0% over patients, and a patient's "
    "figure is that of all images together."
)


def segmentation(folder: RunFolder) -> Section | None:
    """Build the section from ``segmentation/summary.csv`` and ``paired.csv``."""
    summary, paired = (folder.rows(f"{FOLDER}/{name}.csv") for name in ("summary", "paired"))
    if not summary:
        return None
    rows = [
        [row["class"], row["encoder"], mean_of(row, "mean"), interval_of(row), row["n_subjects"]] for row in summary
    ]
    blocks = [table(["Class", "Encoder", "Dice", "95 % CI", "Patients"], rows, numeric={2, 3, 4})]
    told = [
        [row["class"], f"{row['b']} minus {row['a']}", signed_of(row, "b_minus_a"), interval_of(row), p_of(row)]
        for row in paired
    ]
    blocks.append(table(["Class", "Difference", "Dice", "95 % CI", "p"], told, numeric={2, 3, 4}))
    return Section(title="Segmentation", lead=LEAD, blocks=blocks)


register(Evaluation(name="segmentation", files=(f"{FOLDER}/*.csv",), sections={220: segmentation}))
