"""The section of curves: total loss, its terms, learning rate and speed, whatever of these the log holds."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from medmae.report.curves import Series, line_chart
from medmae.report.folder import Row, RunFolder, as_float
from medmae.report.page import Section, join, note
from medmae.report.text import count, words

TITLE = "Training"
LR_NAMES = ("lr", "learning_rate")
SPEEDS = ("samples_per_second", "images_per_second")  # the latter in logs of earlier versions
PROBES, BASELINES = "probe/", "probe_baseline/"
COLOURS = (0, 2, 3, 1, 5, 4)  # of the terms: neighbours in this order are easy to tell apart


def training(folder: RunFolder) -> Section | None:
    """Build the section from ``logs/metrics.csv``; None of a run that trained nothing, as its record says."""
    log = folder.log
    if not log:
        if folder.info.get("seconds", "unknown") is None:
            return None
        return Section(title=TITLE, blocks=[note("No training log: logs/metrics.csv is missing or empty.")])
    trained = [name.removeprefix("train/") for name in _columns(log) if name.startswith("train/")]
    terms = [name for name in trained if name != "loss"]
    rates = [name for name in _columns(log) if name.startswith(LR_NAMES)]
    speeds = [name for name in SPEEDS if name in _columns(log)][:1]
    noun = str((folder.info.get("trained_on") or {}).get("noun", "sample"))
    charts = [
        _chart(_pair(log, "loss", "training", "validation", colours=(0, 1)), "Loss"),
        _chart([c for i, t in enumerate(terms) for c in _pair(log, t, words(t), "",
                                                             colours=(COLOURS[i % 6],) * 2)], "Terms of the loss"),
        _chart(_each(log, rates), "Learning rate", log_y=False),
        _chart(_each(log, speeds), f"{noun.capitalize()}s per second", log_y=False),
        _chart(_probes(log), "Accuracy of frozen features", log_y=False),
    ]  # fmt: skip
    drawn = join(chart for chart in charts if chart)
    blocks = [Markup('<div class="charts">{}</div>').format(drawn)] if drawn else []
    return Section(title=TITLE, blocks=[*blocks, *map(note, _remarks(log))])


def _chart(series: Sequence[Series], title: str, *, log_y: bool = True) -> Markup:
    if not series:
        return Markup("")
    unnamed = any(curve.dashed and not curve.label for curve in series)
    remark = "dashed: validation" if unnamed else ""
    return line_chart(series, title=title, x_label="step", log_y=log_y, remark=remark)


def _pair(log: Sequence[Row], term: str, label: str, val_label: str, *, colours: tuple[int, int]) -> list[Series]:
    """A term in training (solid) and in validation (dashed), as far as the log has them."""
    both = (("train", label, False), ("val", val_label, True))
    curves = (
        _curve(log, f"{phase}/{term}", text, colour, dashed)
        for (phase, text, dashed), colour in zip(both, colours, strict=True)
    )
    return [curve for curve in curves if curve]


def _each(log: Sequence[Row], names: Sequence[str]) -> list[Series]:
    return [c for i, name in enumerate(names) if (c := _curve(log, name, words(name), i % 6, False))]


def _probes(log: Sequence[Row]) -> list[Series]:
    """What frozen features tell, solid; dashed what the same encoder told untrained, and what needs no encoder."""
    names = [name.removeprefix(PROBES) for name in _columns(log) if name.startswith(PROBES)]
    beside = [name.removeprefix(BASELINES) for name in _columns(log) if name.startswith(BASELINES)]
    colours = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(dict.fromkeys([*names, *beside]))}
    curves = [_curve(log, f"{PROBES}{name}", words(name), colours[name], False) for name in names]
    for name in beside:
        label = f"{words(name)}, untrained" if name in names else words(name)
        curves.append(_curve(log, f"{BASELINES}{name}", label, colours[name], True))
    return [curve for curve in curves if curve]


def _curve(log: Sequence[Row], name: str, label: str, colour: int, dashed: bool) -> Series | None:
    points = _points(log, name)
    if not points:
        return None
    x, y = zip(*points, strict=True)
    return Series(label=label, x=x, y=y, colour=colour, dashed=dashed)


def _points(log: Sequence[Row], name: str) -> list[tuple[float, float]]:
    """Finite values of a column over step; a row without a step counts by its place."""
    points = []
    for place, row in enumerate(log):
        value, step = as_float(row.get(name)), as_float(row.get("step"))
        if value is not None:
            points.append((float(place) if step is None else step, value))
    return points


def _remarks(log: Sequence[Row]) -> list[str]:
    remarks = []
    if not _points(log, "val/loss"):
        remarks.append("No validation loss: no subject was set aside for validation, or validation did not run.")
    broken = sum(bool(row.get("train/loss")) and as_float(row["train/loss"]) is None for row in log)
    if broken:
        steps = count(broken, "logged step")
        remarks.append(f"The training loss was not finite at {steps}; these are left out of the curve.")
    return remarks


def _columns(log: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in log[:1] for name in row))
