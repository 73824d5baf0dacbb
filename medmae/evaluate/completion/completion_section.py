"""The section of completed clouds: figures by the share that was hidden, and clouds from three sides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medmae.evaluate.completion.evaluation import FOLDER, LEFT, OURS, RECORD, SCORES
from medmae.report.cells import interval_of, mean_of, signed_of
from medmae.report.evaluations import Evaluation, register
from medmae.report.folder import RunFolder, as_float, read_panels
from medmae.report.gallery import panel_rows
from medmae.report.page import Section, details, note, table
from medmae.report.text import count, number, words

TITLE = "Completed clouds"
LEAD = (
    "Of each held-out shape {choice} patches are hidden, and the whole is completed from the rest. Below: {unit}; "
    "means over subjects and 95\u00a0% intervals. The pictures show the best, a typical and the worst shape from the "
    "front, the side and above: what was given, what was hidden, what was made, and its distance from the whole, blue "
    "to red at {limit}."
)
CENTRES = (
    "Where hidden patches lie is told to the network by their centres, as in the papers: a real defect tells none."
)
MAX_ROWS = 1000
NAMES = {"f_score": "F-score", "cd_l1": "CD-L1", "hidden_distance": "Distance of hidden points"}


def completions(folder: RunFolder) -> Section | None:
    """Build the section from ``completion.json`` and the pictures beside it."""
    record = folder.record(RECORD)
    if not record.get("shares"):
        return None
    unit, within = str(record["unit"]), float(record["within"])
    told = f"distances in {unit}" if unit else "distances in parts of the radius, for sizes were removed"
    limit = f"{4 * within:g} {unit}" if unit else f"{4 * within:g} of the radius"
    choice = "neighbouring" if record["choice"] == "block" else "any"
    blocks = [_table(figure, record["shares"]) for figure in NAMES]
    info, panels = read_panels(folder.path / "evaluation" / FOLDER)
    if info:
        blocks.append(panel_rows(info, panels, figures=folder.path / "figures", stem="cloud"))
    blocks.append(note(" ".join(f"{words(name)}: {text}." for name, text in record["definitions"].items())))
    blocks.append(note(CENTRES))
    if rows := folder.rows(SCORES):
        head = list(rows[0])
        body = [[row[name] for name in head] for row in rows[:MAX_ROWS]]
        blocks.append(details(f"Every shape ({count(len(rows), 'row')})", table([words(name) for name in head], body)))
    return Section(title=TITLE, lead=LEAD.format(choice=choice, unit=told, limit=limit), blocks=blocks)


def _table(figure: str, shares: Mapping[str, Any]) -> Any:  # noqa: ANN401 - of the page
    """One figure: shares down, fills across, and what the method gains."""
    fills = list(next(iter(shares.values()))[figure])
    head = [
        f"{NAMES[figure]} by share hidden",
        *(words(fill) for fill in fills),
        *(f"gain on {words(f)}" for f in fills[1:]),
    ]
    rows = []
    for share, found in shares.items():
        own = [_cell(found[figure][fill]) for fill in fills]
        gains = [f"{signed_of(one, 'mean')} ({_interval(one)})" for one in found[f"gain_{figure}"].values()]
        rows.append([f"{float(share):.0%}", *own, *gains])
    return table(head, rows, numeric=range(1, len(head)))


def _cell(figure: Mapping[str, Any]) -> str:
    return f"{mean_of(figure, 'mean')} ({_interval(figure)})"


def _interval(figure: Mapping[str, Any]) -> str:
    return "no interval" if as_float(figure["ci_low"]) is None else interval_of(figure)


def completion_verdict(folder: RunFolder) -> str:
    """Whether a completed cloud is nearer to the whole than what needs no network."""
    shares = folder.record(RECORD).get("shares")
    if not shares:
        return ""
    lows = [as_float(gain["ci_low"]) for found in shares.values() for gain in found["gain_f_score"].values()]
    lost = sum(low is None or low <= 0 for low in lows)
    middle = list(shares)[len(shares) // 2]
    ours, left = (number(as_float(shares[middle]["f_score"][fill]["mean"])) for fill in (OURS, LEFT))
    told = f"with {float(middle):.0%} hidden the F-score is {ours}, that of what is left {left}"
    if lost:
        which = f"in {lost} of {len(lows)} comparisons"
        return f"Completed clouds are not clearly nearer to the whole than without a network ({which}); {told}."
    return f"Completed clouds are nearer to the whole than what needs no network: {told}."


register(
    Evaluation(
        name="completion",
        files=(RECORD, SCORES, f"{FOLDER}/panels.*"),
        sections={105: completions},
        stands_in=lambda folder: bool(folder.record(RECORD).get("shares")),
        verdict=completion_verdict,
    )
)
