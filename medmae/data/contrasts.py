"""The grammar of contrasts: what the name of a file, or the header of a DICOM series, says that an image shows.

1. BIDS decides where a name has BIDS entities: the suffix is the contrast (``_T1w``), ``ce-`` makes a T1 one with
   contrast agent, ``part-phase`` and the suffixes of quantitative maps are maps, as is ``probseg``; ``mask``, ``dseg``
   and ``label-`` are label maps.
2. Else the words of a name decide. A word that names a mask or a label map makes the file one (``T2_lesionmask``), a
   word that names a quantitative map makes it a map (``T1_map``), whatever else it says; probabilities and shares of a
   tissue are maps, whatever they are of. A localiser, a projection, a difference, a functional or a diffusion series
   is another kind of image, as is another modality before a contrast (``PET_T1``), and a template. Behind a contrast, a
   part of a body or of a disease is a label map (``T1_edema``), and what is computed from an image is none. Tissues and
   fields of SPM and CAT12 are maps (``c1P01_T1``, ``y_P01_T1``). Of several contrasts the last counts, but one after
   ``to``, ``in``, ``on``, ``reg`` or in ``space-`` is the grid, not the image.
3. ``T1`` with a word for an agent (``gd``, ``ce``, ``post``, ``contrast``, ``km``) is ``T1CE``, unless that is denied
   (``pre``, ``without``, ``ohne``, ``C-``) or it is of an event (``post_op``, ``post_treatment``). ``T2 FLAIR`` and
   dark-fluid T2 are ``FLAIR``, that of a gradient echo (``hemo``) is ``T2STAR``; ``T1 FLAIR`` is ``T1``. ``MPR`` is
   an MPRAGE where nothing else is named, and else a reformat of what is.
4. A DICOM series is read by its words, then by its tags: an agent in ContrastBolusAgent makes a T1 a ``T1CE``, and
   ImageType tells localisers, projections and maps.

Masks and maps are never images.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from medmae.data.contrast_spelling import after_event, has_agent, last_contrast
from medmae.data.contrast_words import (
    ALWAYS_MAP,
    ALWAYS_OTHER,
    CONTRASTS,
    CORRECTED,
    DERIVED,
    DIFFUSION,
    FIELDS,
    LABEL,
    LAST,
    MAP,
    MODALITY,
    NO_IMAGE_TYPES,
    OTHER,
    RATER,
    SPACE,
    SPACE_WORDS,
    TEMPLATE,
    TISSUE,
    Kind,
)

LabelKind = Literal["lesion", "brain", "other"]

_BIDS = re.compile(r"(?:^|_)sub-[^_]+(?:_[a-zA-Z]+-[^_]+)*_([A-Za-z0-9]+)$")
_WORD = re.compile(r"(?i:(?<![a-z0-9])(?:c|gd|gad|km|ce)-(?=$|[_. ]))|\+?[^_\-. +]+|\+")


@dataclass(frozen=True)
class Named:
    """What a file name says.

    Args:
        kind: ``contrast``, ``label``, ``map`` (a quantitative one), ``other`` (a localiser, a functional series, ...)
            or ``unknown``.
        name: Normalised contrast, or the label's own words in lower case.
        before: The words before it: a subject, a session, or nothing.
        after: The words after it.
    """

    kind: Kind
    name: str
    before: str = ""
    after: str = ""


def read_name(stem: str) -> Named:
    """Reads a file name without suffix.

    >>> read_name("BraTS20_Training_001_t1ce")
    Named(kind='contrast', name='T1CE', before='BraTS20_Training_001', after='')
    >>> read_name("T2_lesionmask").kind, read_name("T1_map").kind, read_name("AX_T1_FLAIR").name
    ('label', 'map', 'T1')
    """
    return _read_bids(stem) or _read(stem)


def _read(stem: str, *, regions: bool = True) -> Named:
    """Reads the words of a name.

    Args:
        stem: The name.
        regions: Whether a part of a body or of a disease behind the contrast is a label map of it, as in names of
            files; what describes a series names what was looked at.
    """
    plain = SPACE.sub(lambda match: "_" * len(match[0]), stem)
    found = list(_WORD.finditer(plain))
    words = [_plain(match.group()) for match in found]
    span, contrast = last_contrast(words)
    if sure := _sure(words) or _of_nobody(stem, words, span[0], contrast):
        return Named(sure[0], words[sure[1]], _trimmed(stem[: found[sure[1]].start()]))
    label = _first_label(words)
    if label is not None:
        first = label if contrast is None else min(label, span[0])
        first -= bool(first and RATER.fullmatch(words[first - 1]))
        start = found[first].start()
        return Named("label", re.sub(r"[_\-. ]+", "_", stem[start:]).strip("_").lower(), _trimmed(stem[:start]))
    patterns: tuple[tuple[Kind, re.Pattern[str]], ...] = (("map", MAP), ("other", OTHER))
    for kind, pattern in patterns:
        place = next((place for place in range(len(words)) if _names(pattern, words, place)), None)
        # Before the contrast a short word is more likely part of a name.
        if contrast == "ADC" and place is not None and place < span[0] and words[place] in DIFFUSION:
            continue
        if place is not None and (contrast is None or place > span[0] or len(words[place]) > 3):
            return Named(kind, words[place], _trimmed(stem[: found[place].start()]))
    if contrast is None:
        return Named("unknown", "", _trimmed(stem))
    first, last = span
    if derived := _derived(words, last, regions=regions):
        return Named(derived[0], words[derived[1]], _trimmed(stem[: found[derived[1]].start()]))
    if contrast == "T1" and has_agent(words, first, last):
        contrast = "T1CE"
    return Named("contrast", contrast, _trimmed(stem[: found[first].start()]), _trimmed(stem[found[last - 1].end() :]))


def _sure(words: list[str]) -> tuple[Kind, int] | None:
    """What some words say whatever else a name says, and which word it is; words may be spelled in two."""
    patterns: tuple[tuple[Kind, re.Pattern[str]], ...] = (("map", ALWAYS_MAP), ("other", ALWAYS_OTHER))
    for kind, pattern in patterns:
        for place, word in enumerate(words):
            if word == "prob" and "".join(words[place + 1 : place + 2]).isdigit():
                continue  # prob_01_T1 is an image of a proband
            if pattern.fullmatch(word) or pattern.fullmatch("".join(words[place : place + 2])):
                return kind, place
    return None


def _of_nobody(stem: str, words: list[str], first: int, contrast: str | None) -> tuple[Kind, int] | None:
    """What begins as tissues, fields or templates do, or is of another modality on the grid of a contrast."""
    numbered = "".join(words[1:2]).isdigit()  # y_01_T1, MNI_01_T1
    if TISSUE.match(stem) or (len(words) > 1 and words[0] in FIELDS and not numbered):
        return "map", 0
    if words and TEMPLATE.fullmatch(words[0]) and not numbered and (contrast is None or first > 0):
        return "other", 0
    if contrast not in (None, "CT") and first and MODALITY.fullmatch(words[first - 1]):
        return "other", first - 1
    return None


def _derived(words: list[str], last: int, *, regions: bool) -> tuple[Kind, int] | None:
    """What a word behind the contrast says was computed from the image, and which word it is."""
    places = [
        place
        for place in range(last, len(words))
        if words[place - 1] not in SPACE_WORDS and not after_event(words, place - 1)
    ]
    patterns = [(kind, pattern) for kind, pattern in DERIVED if regions or kind != "label"]
    pairs = itertools.product(patterns, places)
    named = next(((kind, place) for (kind, pattern), place in pairs if _names(pattern, words, place)), None)
    if named is None and len(words) > last and words[-1] == "sub":  # T1_sub-01 is a subject's
        return "other", len(words) - 1
    if named is None and regions and len(words) > last and LAST.fullmatch(words[-1]):
        return "label", len(words) - 1
    return named


def _names(pattern: re.Pattern[str], words: list[str], place: int) -> bool:
    """Whether a word names a map or another series; what was corrected for one (``bias_corrected``) is an image."""
    return bool(pattern.fullmatch(words[place])) and not CORRECTED & set(words[place + 1 : place + 2])


def _plain(word: str) -> str:
    """Small letters without accents."""
    text = unicodedata.normalize("NFKD", word.lower())
    return "".join(letter for letter in text if not unicodedata.combining(letter))


def entities_of(stem: str) -> dict[str, str]:
    """BIDS entities of a name, such as ``{"sub": "KCL-01", "ses": "2"}``; a label may have hyphens."""
    pairs = (word.partition("-") for word in stem.split("_"))
    return {key: value for key, hyphen, value in pairs if hyphen and key.isalpha() and value}


def contrast_of(name: str) -> str | None:
    """The contrast that a single name spells in full (``T1W``, ``t2-flair``), or None."""
    named = read_name(name)
    return named.name if named.kind == "contrast" and not named.before and not named.after else None


def contrast_in(text: str) -> str | None:
    """The contrast that a free text mentions, or None."""
    named = read_name(_joined(text))
    return named.name if named.kind == "contrast" else None


def dicom_contrast(words: Sequence[str], *, agent: str = "", image_type: str = "") -> Named:
    """What a DICOM series shows.

    Args:
        words: Texts that may name it, the best first: series description, protocol, sequence, modality.
        agent: ContrastBolusAgent.
        image_type: ImageType, its values separated by backslashes.
    """
    types = {word.strip().lower() for word in image_type.split("\\")}
    if made := types & NO_IMAGE_TYPES:
        return Named("other", min(made))
    named = next((found for text in words if (found := _in_text(text)).kind != "unknown"), Named("unknown", ""))
    if named.kind == "contrast" and named.name != "ADC" and any(MAP.fullmatch(word) for word in types):
        return Named("map", named.name)
    if named.name == "T1" and agent.strip().lower() not in ("", "no", "none", "0", "n", "false"):
        return Named("contrast", "T1CE")
    return Named(named.kind, named.name)


def label_kind(name: str) -> LabelKind:
    """What a label map marks, by its name; ``other`` is anatomy, or a name that does not say.

    >>> label_kind("consensus_gt"), label_kind("bet_t1c_mask"), label_kind("aparc_aseg")
    ('lesion', 'brain', 'other')
    """
    words = [word.rstrip("0123456789") for word in re.split(r"[^a-z0-9]+", name.lower()) if word]
    found = {*words, *(first + second for first, second in itertools.pairwise(words))}
    if found & {"aseg", "aparc"}:
        return "other"
    if any(word.startswith(("lesion", "tumor", "tumour", "wmh")) for word in words):
        return "lesion"
    if found & {"brain", "brainmask", "bet"} or words in (["mask"], ["masks"]):
        return "brain"
    drawn = {"gold", "goldstandard", "seg", "segm", "segmentation", "consensus", "manual", "gt", "groundtruth", "roi"}
    return "lesion" if found & drawn else "other"


def _read_bids(stem: str) -> Named | None:
    match = _BIDS.search(stem)
    if match is None:
        return None
    suffix, entities = match[1], entities_of(stem)
    if suffix.lower() == "probseg":
        return Named("map", suffix, stem)
    if suffix.lower() in ("dseg", "mask") or "label" in entities:
        return Named("label", "_".join(filter(None, (entities.get("label"), entities.get("desc"), suffix))), stem)
    if MAP.fullmatch(suffix.lower()) or entities.get("part") in ("phase", "real", "imag"):
        return Named("map", suffix, stem)
    name = CONTRASTS.get(suffix.lower())
    if name is None:
        return None if LABEL.fullmatch(suffix.lower()) else Named("other", suffix, stem)
    return Named("contrast", "T1CE" if name == "T1" and "ce" in entities else name, stem)


def _in_text(text: str) -> Named:
    return _read(_joined(text), regions=False)


def _joined(text: str) -> str:
    """The words of a text; the hyphen of ``C-`` denies an agent, and stays."""
    return "_".join(re.findall(r"(?i:(?<![a-z0-9])(?:c|gd|gad|km|ce)-(?![a-z0-9]))|[A-Za-z0-9+*]+", text))


def _first_label(words: list[str]) -> int | None:
    if words and words[0] == "bet":  # FSL's brain extraction and its masks; T1_bet is a T1
        return 0
    for place, word in enumerate(words):
        if words[place + 1 : place + 2] and words[place + 1].isdigit() and last_contrast(words[place + 2 :])[1]:
            continue  # tumor_001_T1 is an image of a patient who is called so
        pair = "".join(words[place : place + 2])
        if (LABEL.fullmatch(word) and word not in ("unlabel", "unlabeled")) or pair in (
            "goldstandard",
            "groundtruth",
            "brainmask",
        ):
            return place
    return None


def _trimmed(text: str) -> str:
    return text.strip("_-. ")
