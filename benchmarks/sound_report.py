"""The tables of ``benchmarks/sound_methods.py``, written into the pages of AV-MAE, MAViL and Audio-MAE.

    python benchmarks/sound_report.py OUT

A figure of a held-out sample is the mean over the seeds that are there; intervals (95 %) draw spoken digits, recordings
of ESC-10, clips of GRID. What an arm gains over the same network that has learnt nothing has the interval of the
paired difference, over the samples that both were asked.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from document import DOCS, table, write_section
from machine import describe
from video_text_report import Measured, Row, arms

PAGES = DOCS / "methods"
NONE = "no network"
ASKED = ("fold", "sample")


def read(path: Path) -> list[Row]:
    """All rows; of each run only those that are whole, as a sheet grows by runs."""
    with path.open() as file:
        return list(csv.DictReader(file))


def figures(rows: Sequence[Row], *, family: str, domain: str, how: str, wanted: Sequence[tuple[str, str]]) -> str:
    """Share that is right, by arm, for each (given, labels).

    Args:
        rows: Of ``judged.csv``.
        family: How arms begin; that of what needs no network stands beside.
        domain: Set of sounds.
        how: ``frozen`` or ``fine-tuned``.
        wanted: What is given, and which labels (or by what it was looked for).
    """
    own = [
        row for row in rows if row["domain"] == domain and row["how"] in (how, "frozen" if row["arm"] == NONE else how)
    ]
    found = {each: arms(own, asked=ASKED, given=each[0], labels=each[1]) for each in wanted}
    names = list(dict.fromkeys(row["arm"] for row in own if row["arm"] == NONE or row["arm"].startswith(family)))
    untrained = f"{family}, untrained"
    heads = ["arm", "seeds, folds"] + [f"{given}, {labels}" for given, labels in wanted]
    lines = []
    for name in sorted(names, key=lambda name: (name != NONE, not name.endswith("untrained"))):
        known = [each[name] for each in found.values() if name in each]
        if not known:
            continue
        folds = len({row["fold"] for rows_ in known[0].rows.values() for row in rows_})
        line = [name, f"{known[0].seeds}, {folds}"]
        for each in wanted:
            line.append(_cell(found[each], name, untrained))
        lines.append(line)
    return table(heads, lines)


def _cell(found: dict[str, Measured], name: str, untrained: str) -> str:
    if name not in found:
        return ""
    own = found[name].figure(lambda row: float(row["right"]), digits=2)
    if name in (NONE, untrained) or untrained not in found:
        return own
    return f"{own}; {found[name].figure(lambda row: float(row['right']), minus=found[untrained], digits=2)}"


def trainings(path: Path, *, family: str, domain: str) -> str:
    """What trainings cost."""
    rows = [row for row in read(path) if row["domain"] == domain and row["arm"].startswith(family)]
    cost = sum(float(row["cpu_seconds"]) for row in rows)
    told = {row["arm"]: (row["steps"], row["cpu_seconds"]) for row in rows}
    each = "; ".join(f"{arm} {steps} steps, {float(seconds):.0f} s" for arm, (steps, seconds) in told.items())
    return f"{len(rows)} trainings, {cost / 60:.1f} CPU minutes together, on {describe()}: {each} each."


KINDS = [(given, labels) for labels in ("all", "5 a class") for given in ("sound", "pictures", "both")]
FOUND = [(way, "none") for way in ("sound to picture", "picture to sound")]
MOMENTS = [
    (way, by) for by in ("likeness", "ridge", "movement and loudness") for way in ("sound to mouth", "mouth to sound")
]


def main(
    out: Annotated[Path, typer.Argument(help="What sound_methods.py left.")],
    dry: Annotated[bool, typer.Option("--dry", help="Leave the pages alone.")] = False,
) -> None:
    """Prints the tables, and writes them into the pages."""
    rows, cost = read(out / "judged.csv"), out / "training.csv"

    def judged(family: str, domain: str, how: str, wanted: Sequence[tuple[str, str]]) -> str:
        return figures(rows, family=family, domain=domain, how=how, wanted=wanted)

    def digits(family: str) -> str:
        told = trainings(cost, family=family, domain="digits")
        return f"{told}\n\nFrozen, logistic regression:\n\n{judged(family, 'digits', 'frozen', KINDS)}"

    tuned = judged("AV-MAE", "digits", "fine-tuned", KINDS)
    av_mae = f"{digits('AV-MAE')}\n\nFine-tuned with bottleneck tokens, one network judged thrice:\n\n{tuned}"
    looked = judged("MAViL", "digits", "frozen", FOUND)
    mavil = f"{digits('MAViL')}\n\nWhether what is most alike is of the same digit (chance 0.10):\n\n{looked}"
    mouths = f"{trainings(cost, family='MAViL', domain='grid')}\n\n{judged('MAViL', 'grid', 'frozen', MOMENTS)}"
    shares = [("sound", "all"), ("sound", "5 a class")]
    esc10 = trainings(cost, family="Audio-MAE", domain="esc10")
    for how in ("frozen", "fine-tuned"):
        esc10 += f"\n\n{how.capitalize()}:\n\n{judged('Audio-MAE', 'esc10', how, shares)}"
    print(av_mae, mavil, mouths, esc10, sep="\n\n")
    if dry:
        return
    write_section("sound_av_mae", av_mae, page=PAGES / "av_mae.md")
    write_section("sound_mavil", mavil, page=PAGES / "mavil.md")
    write_section("sound_mouths", mouths, page=PAGES / "mavil.md")
    write_section("sound_audio_mae", esc10, page=PAGES / "audio_mae.md")


if __name__ == "__main__":
    typer.run(main)
