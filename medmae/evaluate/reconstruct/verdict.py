"""In words that need no statistics, whether a network rebuilds what was hidden better than what needs no network."""

from __future__ import annotations

from medmae.report.folder import RunFolder
from medmae.report.metrics import Comparison, comparisons
from medmae.report.text import count, words

_STEM = "psnr"
TASK = "What its features are good for, only a task can tell."


def verdict(folder: RunFolder) -> str:
    """The first words of a pre-training's page; empty of a run without scores or without a baseline.

    Of kinds of data whose decibels are not one thing each is told by itself.
    Where foreground was scored by itself it decides: to rebuild an empty background is no merit.
    """
    found = [c for c in comparisons(folder) if c.stem == _STEM or c.stem.startswith(f"{_STEM}_")]
    told = []
    for stem in dict.fromkeys(c.stem for c in found):
        variants = {c.variant: c for c in found if c.stem == stem}
        deciding = variants.get("foreground") or variants.get("")
        kind = stem.removeprefix(_STEM).removeprefix("_")
        if deciding and deciding.baselines and deciding.model.by_subject and (said := _told(folder, deciding)):
            told.append(f"{words(kind).capitalize()}: {said[0].lower()}{said[1:]}" if kind else said)
    return " ".join([*told, TASK]) if told else ""


def _told(folder: RunFolder, comparison: Comparison) -> str:
    best = comparison.baselines[0]
    gained = comparison.gain(best)
    if gained is None:
        return ""
    mean, wins, total = gained
    unseen = "" if folder.evaluated & folder.subjects("train") else " that it has never seen"
    unsaid = "picture" if comparison.stem == _STEM else "sample"  # of several kinds not each is one
    noun = str((folder.info.get("trained_on") or {}).get("noun", unsaid))
    whose = f"{noun}s of {count(total, 'subject')}{unseen}"
    where = " (the background left out)" if comparison.variant == "foreground" else ""
    if mean <= 0:
        return f"Not trained enough: hidden parts of {whose} are rebuilt no better than by {best.label.lower()}{where}."
    less = 100 * (1 - 10 ** (-mean / 20))  # decibels of a mean squared error, as a share of its root
    gain = f"its error is {less:.0f} % smaller than that of {best.label.lower()}{where}"
    low, _ = comparison.gains.get(best.name, (None, None))
    if wins == total and (low is None or low > 0):
        return f"The training works: hidden parts of {whose} are rebuilt better than without a network; {gain}."
    return (
        f"Not clearly better than without a network: where parts of {whose} were hidden, {gain} on average, "
        f"but it wins on {wins} of {total} only."
    )
