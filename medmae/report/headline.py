"""The top of the page: what was trained on what, the numbers that matter, and what limits them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from medmae.report.evaluations import evaluations
from medmae.report.folder import RunFolder, as_float, run_in
from medmae.report.metrics import Comparison, Score, comparisons, other_scores
from medmae.report.page import Card
from medmae.report.text import count, duration, listing, magnitude, number, signed, span, words

FEW_SUBJECTS = 5  # below this a bootstrap over subjects says little


def summary_sentence(folder: RunFolder) -> str:
    """Say in one sentence what was trained on what, and what was held out."""
    method = str(folder.info.get("method") or "A model")
    known = evaluations()
    if told := next(filter(None, (each.sentence(folder) for each in known)), ""):
        return f"{words(method)} {told}"
    if folder.images("train"):
        told = f"{words(method)} was trained on {count(folder.images('train'), 'image')}, whose patients are not known"
        return f"{told}; {count(folder.images('test'), 'image was', 'images were')} held out."
    parts = [f"{words(method)} was trained"]
    aim = next(filter(None, (each.aim(folder) for each in known)), "")
    subjects = folder.trained_on
    if aim:
        parts.append(aim)
    if subjects:
        samples = _samples(folder, paired=bool(aim))
        parts.append(f"on {samples + ' of ' if samples else ''}{count(len(subjects), 'subject')}")
    if folder.data.get("contrasts") and not aim:
        parts.append(f"({listing(folder.data['contrasts'])})")
    text = " ".join(parts)
    if not subjects:
        return text + "; the run does not say on which subjects."
    # Of those held out some may lack what is made: whoever was scored counts, where somebody was.
    test = len((folder.evaluated & folder.subjects("test")) or folder.subjects("test"))
    if test:
        return f"{text}; {count(test, 'subject was', 'subjects were')} held out and never seen in training."
    return f"{text}; no subject was held out."


def _samples(folder: RunFolder, *, paired: bool) -> str:
    """What was learnt from, counted; a run that does not say it is taken to have learnt from all that is stored."""
    told = folder.info.get("trained_on") or {}
    if told:
        return count(_int(told.get("samples")), str(told.get("noun", "sample")))
    trained_on = [case for case in folder.data.get("cases", []) if case.get("split") == "train"]
    counts = {what: sum(_int(case.get(f"{what}s")) for case in trained_on) for what in ("slice", "tile", "image")}
    if paired:
        counts["slice"] = 0  # the count is of every contrast, most of which such a network does not read
    return next((count(number, what) for what, number in counts.items() if number), "")


def _tells_cohort(folder: RunFolder) -> bool:
    """Whether an evaluation says itself on whom it was tested."""
    return any(each.tells_cohort and each.stands_in(folder) for each in evaluations())


def result_cards(folder: RunFolder) -> list[list[Card]]:
    """A row for each result with its baselines, and one for the other metrics."""
    others = [
        Card(label=score.label.capitalize(), value=number(score.mean, digits=3), detail=_interval(score, 3))
        for score in other_scores(folder)[:4]
    ]
    found = comparisons(folder)
    results = [result_row(folder, c, _variants(found, c)) for c in found if not c.variant]
    return [*results, others]


def size_cards(folder: RunFolder) -> list[list[Card]]:
    """A row for the size of the experiment."""
    return [list(_sizes(folder))]


def warnings(folder: RunFolder) -> list[str]:
    """What a reader must know before believing a number."""
    return [
        *_subject_warnings(folder),
        *_defeats(folder),
    ]


def other_run(folder: RunFolder) -> list[str]:
    """Files of the run directory that are of another run than its record."""
    own = folder.info.get("run")
    found = {name: run_in(folder.path / name) for name in ("evaluation", "logs")}
    return [
        f"What lies in {name}/ is of another run ({run}) than run.json ({own}): believe nothing here before each is "
        "put back where it belongs."
        for name, run in found.items()
        if own and run and run != own
    ]


def result_row(folder: RunFolder, comparison: Comparison, asides: Iterable[str] = ()) -> list[Card]:
    """The model's mean with its interval, large, and the best two baselines beside it.

    Args:
        folder: The run.
        comparison: What to show.
        asides: Sentences below the model's number.
    """
    model, unit, digits = comparison.model, comparison.unit, comparison.digits
    where = "subject" if folder.evaluated & folder.subjects("train") else "held-out subject"
    over = f"{_interval(model, digits)} over {count(model.n_subjects, where)}"
    ours = Card(
        label=comparison.label,
        value=number(model.mean, digits=digits),
        unit=unit,
        detail=". ".join([over, *asides]),
        wide=True,
    )
    rivals = [
        Card(
            label=baseline.label,
            value=number(baseline.mean, digits=digits),
            unit=unit,
            detail=_gain(comparison, baseline),
        )
        for baseline in comparison.baselines[:2]
    ]
    return [ours, *rivals]


def _variants(found: Iterable[Comparison], comparison: Comparison) -> Iterator[str]:
    """The same metric counted otherwise, in half a line each."""
    for other in found:
        if other.stem == comparison.stem and other.variant:
            ours = (
                f"{words(other.variant).capitalize()} only {number(other.model.mean, digits=other.digits)} {other.unit}"
            )
            best = other.baselines[0] if other.baselines else None
            rival = f", {best.label.lower()} {number(best.mean, digits=other.digits)} {other.unit}" if best else ""
            yield (ours + rival).strip()


def _sizes(folder: RunFolder) -> Iterator[Card]:
    total = len({str(case.get("subject")) for case in folder.data.get("cases", [])})
    if total and not _tells_cohort(folder):
        held = folder.images("test") or len(folder.subjects("test"))
        if folder.images():
            yield Card(label="Held-out images", value=f"{held:,}", detail=f"of {folder.images():,}")
            yield from _costs(folder)
            return
        yield Card(label="Held-out subjects", value=str(held), detail=f"of {count(total, 'subject')}")
    yield from _costs(folder)


def _costs(folder: RunFolder) -> Iterator[Card]:
    seconds = as_float(folder.info.get("seconds"))
    if seconds is not None:
        # The log counts from 0.
        steps = max((1 + int(as_float(row.get("step")) or 0) for row in folder.log), default=0)
        yield Card(label="Training time", value=duration(seconds), detail=count(steps, "step") if steps else "")
    parameters = as_float(folder.info.get("parameters"))
    if parameters is not None:
        yield Card(label="Parameters", value=magnitude(parameters), detail=words(str(folder.info.get("method") or "")))


def _subject_warnings(folder: RunFolder) -> Iterator[str]:
    if folder.leaked:
        names = listing(sorted(folder.leaked), limit=4)
        yield f"The splits overlap: {names} in training and again in another split, so no score is of a new patient."
    if folder.images():
        yield "No patient is known: images of one may be in training and in test, and figures then too good."
        return
    seen = sorted(folder.evaluated & folder.subjects("train"))
    held_out = len(folder.evaluated) - len(seen)
    if seen:
        yield (
            f"The evaluation includes {count(len(seen), 'subject')} that the model was trained on "
            f"({listing(seen, limit=4)}): these figures do not show how it does on new patients."
        )
    elif folder.data.get("cases") and not folder.subjects("test") and not _tells_cohort(folder):
        yield "No held-out subject: nothing here shows how the model does on a patient it has not seen."
    if folder.evaluated and not seen and held_out < FEW_SUBJECTS:
        yield (
            f"Only {count(held_out, 'held-out subject')}: means and intervals over so few are rough; "
            "read them as a check that the training works."
        )


def _defeats(folder: RunFolder) -> Iterator[str]:
    """The most frequent question of MAE users is a picture from an untrained or missing decoder: say it first."""
    for comparison in comparisons(folder):
        gains = ((baseline.label, comparison.gain(baseline)) for baseline in comparison.baselines)
        winners = [label.lower() for label, gain in gains if gain is not None and gain[0] <= 0]
        if winners and not comparison.variant:
            yield (
                f"The model does not beat {listing(winners)} ({comparison.label}): it is trained too little, "
                "or its decoder was not loaded (weights of the encoder alone cannot reconstruct)."
            )


def _interval(score: Score, digits: int) -> str:
    if score.ci_low is None or score.ci_high is None:
        return "No interval"
    return f"95\u00a0% CI {span(score.ci_low, score.ci_high, digits=digits)}"


def _gain(comparison: Comparison, baseline: Score) -> str:
    gain = comparison.gain(baseline)
    if gain is None:
        return "Baseline"
    mean, wins, total = gain
    unit = f" {comparison.unit}" if comparison.unit else ""
    return f"Model {signed(mean, digits=comparison.digits)}{unit}, better on {wins} of {total}"


def _int(value: object) -> int:
    return int(as_float(value) or 0)
