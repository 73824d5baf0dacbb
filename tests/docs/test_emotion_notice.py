"""Pages of emotions say what labels are, and what must not be done with them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from medmae.bundle.shipped import shipped

ROOT = Path(__file__).resolve().parents[2]
EMOTION = "emotion_pairwise_pretraining"
PAGES = ["docs/methods/pair_emotion.md", f"bundles/{EMOTION}/docs/README.md"]


@pytest.mark.parametrize("page", PAGES)
def test_labels_are_what_others_perceive_and_the_law_is_named(page):
    text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
    for said in ("perceive", "no mental state", "depend on culture", "AI Act, Article 5", "personal data"):
        assert said in text, said
    assert "shown as what a patient feels" in text


def test_the_page_that_an_evaluation_writes_speaks_of_perceived_emotions():
    page = yaml.safe_load((shipped()[EMOTION] / "configs" / "emotion.yaml").read_text(encoding="utf-8"))
    assert "perceived" in page["evaluator"]["title"]


def test_security_tells_of_faces_and_voices():
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    assert "perceive" in text
    assert "forbidden in the EU" in text
