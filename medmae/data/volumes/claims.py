"""Several files that claim to be one volume of a case: another space, a run again, raters, or a doubt.

Of copies in several spaces the raw one counts, which has no ``space-``, ``desc-`` or ``res-`` in its name, and no
ending of dcm2niix that says that it was cropped, straightened or spaced anew. Of files that differ in nothing but the
format (``T1.nii`` beside ``T1.nii.gz``), or that are called copies, one is taken. Files that differ in nothing but a
number are runs, of which a rule takes one, or each as a session of its own; without a rule the first is taken, and the
others are told as failures. Label maps of one name get their folders' names as well. Any other two files of one
contrast are a doubt, and that contrast is left out of the case.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from medmae.data.contrasts import entities_of
from medmae.data.left_out import LeftOut
from medmae.data.names import file_name_of, stem_of, without_copy
from medmae.data.volumes.case import REMEDY, Case, Lost
from medmae.data.volumes.volume_file import Source
from medmae.errors import DataError

RunRule = Literal["first", "last", "all-as-sessions"]
RUN_RULES = ("first", "last", "all-as-sessions")
_RUN_REMEDY = f"say which one counts: medmae prep mr --run first, last or all-as-sessions; or {REMEDY}"
_NATIVE = {"t1", "t1w", "t2", "t2w", "flair", "orig", "individual", "native", "subject", "scanner", "anat"}
_RUN = re.compile(
    r"(?:^|(?<=[_\-. ]))(?:run|rep|repeat|repetition|scan|series)[-_ ]?(\d{1,3})(?=$|[_\-. ])", re.IGNORECASE
)
_CONVERTED = re.compile(r"_(?:Eq|Crop|Tilt)(?:_?\d+)*$")  # of dcm2niix, beside the image as it was taken
_LAST_NUMBER = re.compile(r"(?:[-_. ]\(?|(?<=mpr)|(?<=mprage)|(?<=run)|(?<=rep))(\d{1,3})\)?$", re.IGNORECASE)


def settled(case: Case, *, run: RunRule | None = None) -> tuple[list[Case], list[LeftOut]]:
    """The case, or one a run, with one source a name; and the files that a rule leaves out.

    Args:
        case: With all that its files claim to be.
        run: Which of several runs counts; None takes the first and tells the others as lost.
    """
    left: list[LeftOut] = []
    images: dict[str, list[Source]] = defaultdict(list)
    for source in case.contrasts:
        images[source.name].append(source)
    spaces: set[str] = set()
    for name, claims in images.items():
        images[name] = _raw(claims, left)
        spaces |= {_space(source) for source in images[name]}
    found = replace(case, contrasts=[], labels=[], lost=list(case.lost))
    later: dict[int, list[Source]] = defaultdict(list)
    for name, claims in images.items():
        numbers = _numbers(claims)
        if len(claims) == 1:
            found.contrasts += claims
        elif numbers is None:
            found.lost += _doubt(name, claims)
        else:
            ordered = [claims[place] for place in sorted(range(len(claims)), key=numbers.__getitem__)]
            if run == "all-as-sessions":
                for place, source in zip(sorted(numbers), ordered, strict=True):
                    later[place].append(source)
            else:
                _chosen(found, ordered, run, left)
    cases = _by_run(found, later)
    for one, labels in zip(cases, _homes(cases, _one_of_copies(case.labels, left), spaces, left), strict=True):
        one.labels = _told_apart(labels, one)
    return cases, left


def _by_run(case: Case, runs: dict[int, list[Source]]) -> list[Case]:
    """Runs as sessions; whatever has no run belongs to the first."""
    cases: list[Case] = []
    for number in sorted(runs):
        session = "_".join(filter(None, (case.session, f"run-{number}")))
        one = replace(case, session=session) if not cases else Case(case.subject, session)
        one.contrasts = sorted([*one.contrasts, *runs[number]], key=lambda source: source.name)
        cases.append(one)
    return cases or [case]


def _chosen(case: Case, runs: Sequence[Source], rule: RunRule | None, left: list[LeftOut]) -> None:
    place = len(runs) - 1 if rule == "last" else 0
    source = runs[place]
    case.contrasts.append(replace(source, flags=(*source.flags, f"run:{place + 1}/{len(runs)}")))
    for other in (one for one in runs if one is not source):
        if rule is not None:
            why = f"another run of a contrast, --run {rule}"
            left += [LeftOut(path, why) for path in other.files or (other.path,)]
            continue
        error = DataError(
            f"it is another run of {other.name}, of which the first is taken",
            path=other.first,
            field="run",
            value=source.first.name,
            remedy=_RUN_REMEDY,
        )
        case.lost.append(Lost(other.name, error))


def _doubt(name: str, claims: Sequence[Source], *, label: bool = False) -> list[Lost]:
    shown = " and ".join(source.first.name for source in claims[:3])
    return [
        Lost(
            name,
            DataError(
                f"{len(claims) if len(claims) > 2 else 'two'} files claim to be {name}: {shown}",
                path=source.first,
                field="contrast",
                value=name,
                remedy=REMEDY,
            ),
            label=label,
        )
        for source in claims
    ]


def _entities(source: Source) -> dict[str, str]:
    return {} if source.files else entities_of(stem_of(source.path.name))


def _space(source: Source) -> str:
    """The space that a BIDS name tells; empty of that in which images were taken."""
    space = _entities(source).get("space", "")
    return "" if space.lower() in _NATIVE else space


def _raw(claims: list[Source], left: list[LeftOut]) -> list[Source]:
    def derived(source: Source) -> int:
        said = sum(key in _entities(source) for key in ("desc", "res", "rec"))
        converted = not source.files and _CONVERTED.search(stem_of(source.path.name)) is not None
        return (4 if _space(source) else 0) + said + converted

    least = min(derived(source) for source in claims)
    kept = [source for source in claims if derived(source) == least]
    left += [
        LeftOut(one.path, "a derived copy of an image, or one in another space") for one in claims if one not in kept
    ]
    return _one_of_copies(kept, left)


def _one_of_copies(claims: list[Source], left: list[LeftOut]) -> list[Source]:
    """One of files that differ in nothing but the format or its compression, or of which some are called copies.

    That is the original if it is there, of NIfTI, and compressed.
    """
    best: dict[object, Source] = {}
    for source in sorted(claims, key=_copied):
        name = source.path.with_name(without_copy(stem_of(source.path.name)))
        kept = best.setdefault(source.first if source.files else name, source)
        if kept is not source:
            left.append(
                LeftOut(source.path, f"a copy, or the same name in another format, of what is taken: {kept.path.name}")
            )
    return [source for source in claims if source in best.values()]


def _copied(source: Source) -> tuple[bool, int]:
    """Whether a name is that of a copy, and the place of the file's format among those that it may have twice."""
    name, stem = source.path.name.lower(), stem_of(source.path.name)
    place = next((place for place, suffix in enumerate((".nii.gz", ".nii")) if name.endswith(suffix)), 2)
    return without_copy(stem) != stem, place


def _numbers(claims: Sequence[Source]) -> list[int] | None:
    """The number of each run; None if the claims differ in something else, or nothing numbers them."""
    found = [_run_of(source) for source in claims]
    texts = {text for text, _ in found}
    numbers = [number for _, number in found]
    if len(texts) > 1 or len(set(numbers)) < len(numbers):
        return None
    first = 0 if 1 in numbers else 1
    return [first if number is None else number for number in numbers]


def _run_of(source: Source) -> tuple[str, int | None]:
    """What a file (or the header of its series) says without the number of the run, and that number."""
    if source.series is not None:
        words, number = source.series
        return _RUN.sub("", _LAST_NUMBER.sub("", words.strip())).strip("_-. ").casefold(), number or None
    stem = stem_of(source.path.name)
    match = _RUN.search(stem) or _LAST_NUMBER.search(stem)
    if match is None:
        return stem.casefold(), None
    rest = (stem[: match.start()] + stem[match.end() :]).strip("_-. ")
    return re.sub(r"[_\-. ]{2,}", "_", rest).casefold(), int(match[1])


def _homes(
    cases: Sequence[Case], labels: Sequence[Source], spaces: set[str], left: list[LeftOut]
) -> list[list[Source]]:
    """The label maps of each case: in the space of its images and, where their names tell a run, of the same run."""
    runs = [{_run_entity(source) for source in case.contrasts} - {""} for case in cases]
    homes: list[list[Source]] = [[] for _ in cases]
    for label in labels:
        own = _run_entity(label)
        if spaces and _space(label) not in spaces:
            left.append(LeftOut(label.path, "a label map in another space than the images"))
        elif own and any(runs) and not any(own in some for some in runs):
            left.append(LeftOut(label.path, "a label map of another run than the images"))
        else:
            homes[next((place for place, some in enumerate(runs) if own in some), 0)].append(label)
    return homes


def _run_entity(source: Source) -> str:
    return _entities(source).get("run", "").lstrip("0")


def _told_apart(labels: Sequence[Source], case: Case) -> list[Source]:
    """Label maps with different names: those of one name that lie in other folders than the images get these, too."""
    folders = {source.path.parent for source in case.contrasts}
    by_name: dict[str, list[Source]] = defaultdict(list)
    for source in labels:
        by_name[source.name].append(source)
    found = []
    for name, claims in by_name.items():
        named = claims
        if len(claims) > 1:
            named = [one if one.path.parent in folders else _with_folder(one) for one in claims]
        if len({source.name for source in named}) == len(named):
            found += named
        else:
            case.lost += _doubt(name, claims, label=True)
    return sorted(found, key=lambda source: source.name)


def _with_folder(source: Source) -> Source:
    return replace(source, name=file_name_of(f"{source.path.parent.name}_{source.name}".lower()))
