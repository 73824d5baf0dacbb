"""Tables of Dice: who counts."""

from __future__ import annotations

import csv

import pytest

from medmae.evaluate.segmentation.segmentation_tables import DiceRow, write_segmentation

NAN = float("nan")


def table(folder, name):
    return list(csv.DictReader((folder / "segmentation" / f"{name}.csv").open()))


def test_who_counts_is_decided_by_the_label_map_for_all_encoders_and_seeds_alike(tmp_path):
    """Two patients have the class; the third lacks it, and one encoder finds it there, in one of two repetitions."""
    rows = [DiceRow("a", seed, 0, f"p{n}", "x", 0.5, True) for seed in (0, 1) for n in (0, 1)]
    rows += [DiceRow("b", seed, 0, f"p{n}", "x", 0.0 if n else 0.75, True) for seed in (0, 1) for n in (0, 1)]
    rows += [DiceRow("a", seed, 0, "p2", "x", NAN, False) for seed in (0, 1)]
    rows += [DiceRow("b", seed, 0, "p2", "x", NAN if seed else 0.0, False) for seed in (0, 1)]
    write_segmentation(rows, out=tmp_path)
    found = {row["encoder"]: row for row in table(tmp_path, "summary") if row["class"] == "x"}
    assert {row["n_subjects"] for row in found.values()} == {"2"}
    assert float(found["b"]["mean"]) == pytest.approx(0.375)
    assert [float(found[name]["false_alarms"]) for name in "ab"] == [0, 0.5]
    paired = [row for row in table(tmp_path, "paired") if row["class"] == "x"]
    assert [(float(row["b_minus_a"]), row["n_subjects"]) for row in paired] == [(pytest.approx(-0.125), "2")]
