"""Evaluations bring their own files and sections; the report lists none of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from medmae.recipes.start import start_evaluation
from medmae.report import build_report
from medmae.report import evaluations as registry
from medmae.report.evaluations import Evaluation, evaluations, register
from medmae.report.page import Card, Section

REPORT = Path(registry.__file__).parent


@pytest.fixture
def mine(monkeypatch):
    evaluations()  # the others are found first
    monkeypatch.setattr(registry, "_EVALUATIONS", dict(registry._EVALUATIONS))
    return register(
        Evaluation(
            name="mine",
            files=("mine/*.csv",),
            sections={
                500: lambda folder: Section(title=f"Of {folder.path.name}") if folder.rows("mine/a.csv") else None
            },
            cards=lambda folder: [[Card(label="mine", value="1")]],
            notes=lambda folder: ["Mind the gap."],
        )
    )


def test_an_evaluation_that_declares_itself_is_on_the_page_and_cleared_before_the_next(mine, make_run):
    run = make_run()
    assert "Of run" not in [section.title for section in build_report(run).sections]
    table = run / "evaluation" / "mine" / "a.csv"
    table.parent.mkdir()
    table.write_text("x\n1\n")
    page = build_report(run)
    titles = [section.title for section in page.sections]
    assert titles.index("Baselines") < titles.index("Of run") < titles.index("Training")
    assert page.notes[0] == "Mind the gap."
    assert any(card.label == "mine" for row in page.cards for card in row)
    (run / "run.json").write_text("{}")
    start_evaluation(run)
    assert not table.exists()


def test_two_evaluations_cannot_have_one_place_on_the_page(mine):
    with pytest.raises(ValueError, match=r"other wants places on the page that others have: \[500\]"):
        register(Evaluation(name="other", files=(), sections=mine.sections))


def test_every_room_that_writes_for_the_page_is_found_and_the_report_imports_none():
    names = {known.name for known in evaluations()}
    assert names >= {"reconstruction", "protocol", "segmentation", "heatmaps", "synthesis", "attention"}
    assert not [path.name for path in REPORT.glob("*.py") if "from medmae.evaluate" in path.read_text()]
