"""What figures are called in reports."""

from __future__ import annotations

from medmae.evaluate.classify.retrieval import RECALLS
from medmae.report.text import words

NAMES = {
    "auroc": "AUROC",
    "macro_f1": "Macro F1",
    "map": "mAP",
    "mae": "MAE",
    "d_prime": "d\u2032",
    "weighted_f1": "Weighted F1",
    "r2": "R\u00b2",
    "r": "r",
}
NAMES |= {"d_prime": "d\u2032", "weighted_f1": "Weighted F1"}
NAMES |= {f"r_at_{k}": f"R@{k}" for k in RECALLS}


def metric_name(name: str) -> str:
    """Of a figure, as a heading."""
    return metric_in_text(name) if name in NAMES else words(name).capitalize()


def metric_in_text(name: str) -> str:
    """Of a figure, within a sentence."""
    return NAMES.get(name, words(name))
