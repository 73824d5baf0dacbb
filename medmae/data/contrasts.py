"""The grammar of contrasts: what the name of a file, or the header of a DICOM series, says that an image shows.

1. BIDS decides where a name has BIDS entities: the suffix is the contrast (``_T1w``), ``ce-`` makes a T1 one with
   contrast agent, ``part-phase`` and the suffixes of quantitative maps are maps, as is ``probseg``; ``mask``, ``dseg``
   and ``label-`` are label maps.
2. Else the words of a name decide. A word that names a mask or a label map makes the file one (``T2_lesionmask``), a
   word that names a quantitative map makes it a map (``T1_map``), whatever else it says; probabilities and shares of a
   tissue are maps, whatever they are of. A localiser, a projection, a difference, a functional or a diffusion series
   is another kind of image. Of several contrasts the last counts, but one after ``to``, ``in``, ``on``, ``reg`` or in
   ``space-`` is the grid, not the image.
3. ``T1`` with a word for an agent (``gd``, ``ce``, ``post``, ``contrast``, ``km``) is ``T1CE``, unless that is denied
   (``pre``, ``without``, ``ohne``, ``C-``). ``T2 FLAIR`` and dark-fluid T2 are ``FLAIR``; ``T1 FLAIR`` is ``T1``.
4. A DICOM series is read by its words, then by its tags: an agent in ContrastBolusAgent makes a T1 a ``T1CE``, and
   ImageType tells localisers, projections and maps.

Masks and maps are never images.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["contrast", "label", "map", "other", "unknown"]

# Spelling (lower case, without separators) -> the one name used from here on.
CONTRASTS = {
    **dict.fromkeys(
        ("t1", "t1w", "t1n", "t1native", "st1w", "mprage", "mpr", "spgr", "fspgr", "bravo", "unit1", "t1flair"), "T1"
    ),
    **dict.fromkeys(("t1c", "t1cw", "t1km", "t1ks", "t1wks", "ct1", "t1+c", "t1w+c", "t1gd", "t1gad", "t1ce"), "T1CE"),
    **dict.fromkeys(("t2", "t2w", "st2w"), "T2"),
    **dict.fromkeys(
        ("flair", "fla", "t2f", "t2flair", "t2wflair", "st2wflair", "flairw", "flairt2", "flairt2w"), "FLAIR"
    ),
    **dict.fromkeys(("pd", "pdw", "protondensity"), "PD"),
    **dict.fromkeys(("t2star", "t2starw", "t2*", "t2*w", "gre"), "T2STAR"),
    "pdt2": "PDT2",
    **dict.fromkeys(("swi", "swan"), "SWI"),
    "adc": "ADC",
    "dwi": "DWI",
    "ct": "CT",
}
_T1 = ("t1", "t1w", "st1w", "mprage", "mpr", "spgr", "fspgr", "bravo", "t1flair")
_AGENT = (
    r"(?:gd|gad|gado|gadolinium|gadovist|dotarem|magnevist|gbca|ce|cont|contrast|post|postcontrast|postgd|postgad|km|ks|"
    r"nachkm|postkm|kontrast(?:mittel)?|contrast[eo]|mdc|enh|enhanced|wc|c\+|\+(?:c|ce|gd|km|contrast))"
)
_AGENT_WORD = re.compile(_AGENT)
_T1_WITH_AGENT = re.compile(rf"(t1w?)(?:{_AGENT})+")
_DENIED = {
    *("pre", "non", "no", "without", "wo", "w/o", "native", "nativ", "unenhanced", "precontrast", "noncontrast"),
    *("ohne", "vor", "sans", "avant", "sin", "senza", "zonder"),
}
_LABEL = re.compile(
    r"(?:.*(?:mask|masks|seg|segm|segmentation|segmentations|segmented|labels?|labelmap|lesions?|dseg|groundtruth|goldstandard)"
    r"|gt|gold|ground|consensus|manual|roi|rois|aseg|aparc|wmparc|parc|parcellation|ribbon|tissues|tumou?r|wmh|[gcp]tv|oars?"
    r"|contours?|delineations?|annotations?|binary|thresh|thresholded)\d?"
)
_MAP = re.compile(
    r"(?:.*(?:map|maps|fieldmap)|qt[12]|quantt[12]|t1rho|rho|residuals?|r1|r2|r2s|r2star|mtr|mtsat|mwf|cb[fv]|rcb[fv]|mtt|ttp|tmax|ktrans|kep|"
    r"prob|probability|probabilities|pve|pveseg|posteriors?|phase|phasediff|phase[12]|magnitude[12]?|qsm|chimap|warp|"
    r"jacobian|xfm|deformation|displacement|uncertainty|fa|kurtosis|tensor|bias|biasfield|ratio|snr|defacemask|b0map|b1map)"
)
_OTHER = re.compile(
    r"(?:bold|fmri|rest|localizer|localiser|loc|scout|survey|aahscout|calibration|asset|smartbrain|mip|minip|"
    r"asl|perfusion|dsc|dce|tof|mra|cta|ctp|angio|diff|bvec|bval|sbref|epi|dti|mosaic|screenshot|report)"
)
# Whatever else a name says: shares of a tissue are no label map, and a projection or a difference is no image of it.
_ALWAYS_MAP = re.compile(
    r"prob|probmap|probs|probability|probabilities|probseg|posteriors?|pve|pveseg|(?:s?m?w|r)c[1-6].*"
)
_ALWAYS_OTHER = re.compile(
    r"m(?:in)?ip|(?:3|three|tri)pl(?:anes?)?|planscan|localizers?|localisers?|subtraction|subtracted|difference|screenshot"
)
# Behind a contrast, where nobody's name stands: what was computed from the image.
_DERIVED: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("label", re.compile(r"outlines?|annots?|parcels|tumou?rcore")),
    ("map", re.compile(r"mapping|(?:sh)?molli|gm|wm|csf|ph|pha|real|imag|jac|thickness|noise|saliency")),
    ("other", re.compile(r"pred|preds|predict(?:ion|ed)|synth|fake")),
)
_CORRECTED = ("corrected", "corr", "correct", "correction", "removed")
_RATER = re.compile(r"(?:rater|reader|annotator|observer|expert|radiologist|doctor)\d{0,2}")
# FLAIR_to_T1 is a FLAIR: a contrast after one of these words is the grid, not the image.
_SPACE_WORDS = {"to", "in", "on", "onto", "into", "reg", "regto", "registered", "coreg", "coregistered", "aligned"}
_SPACE = re.compile(r"(?<![A-Za-z])space-[A-Za-z0-9]+")
_NO_IMAGE_TYPES = {"localizer", "projection image", "mip", "minip", "subtract", "screen save"}  # of ImageType
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
    if bids := _read_bids(stem):
        return bids
    plain = _SPACE.sub(lambda match: "_" * len(match[0]), stem)
    found = list(_WORD.finditer(plain))
    words = [match.group().lower() for match in found]
    span, contrast = _last_contrast(words)
    if sure := _sure(words):
        return Named(sure[0], words[sure[1]], _trimmed(stem[: found[sure[1]].start()]))
    label = _first_label(words)
    if label is not None:
        first = label if contrast is None else min(label, span[0])
        first -= bool(first and _RATER.fullmatch(words[first - 1]))
        start = found[first].start()
        return Named("label", re.sub(r"[_\-. ]+", "_", stem[start:]).strip("_").lower(), _trimmed(stem[:start]))
    patterns: tuple[tuple[Kind, re.Pattern[str]], ...] = (("map", _MAP), ("other", _OTHER))
    for kind, pattern in patterns:
        place = next((place for place in range(len(words)) if _names(pattern, words, place)), None)
        # Before the contrast a short word is more likely part of a name.
        if place is not None and (contrast is None or place > span[0] or len(words[place]) > 3):
            return Named(kind, words[place], _trimmed(stem[: found[place].start()]))
    if contrast is None:
        return Named("unknown", "", _trimmed(stem))
    first, last = span
    if derived := _derived(words, last):
        return Named(derived[0], words[derived[1]], _trimmed(stem[: found[derived[1]].start()]))
    if contrast == "T1" and _has_agent(words, first, last):
        contrast = "T1CE"
    return Named("contrast", contrast, _trimmed(stem[: found[first].start()]), _trimmed(stem[found[last - 1].end() :]))


def _sure(words: list[str]) -> tuple[Kind, int] | None:
    """What some words say whatever else a name says, and which word it is; words may be spelled in two."""
    patterns: tuple[tuple[Kind, re.Pattern[str]], ...] = (("map", _ALWAYS_MAP), ("other", _ALWAYS_OTHER))
    for kind, pattern in patterns:
        for place, word in enumerate(words):
            if word == "prob" and "".join(words[place + 1 : place + 2]).isdigit():
                continue  # prob_01_T1 is an image of a proband
            if pattern.fullmatch(word) or pattern.fullmatch("".join(words[place : place + 2])):
                return kind, place
    return None


def _derived(words: list[str], last: int) -> tuple[Kind, int] | None:
    """What a word behind the contrast says was computed from the image, and which word it is."""
    pairs = itertools.product(_DERIVED, range(last, len(words)))
    return next(((kind, place) for (kind, pattern), place in pairs if _names(pattern, words, place)), None)


def _names(pattern: re.Pattern[str], words: list[str], place: int) -> bool:
    """Whether a word names a map or another series; what was corrected for one (``bias_corrected``) is an image."""
    return bool(pattern.fullmatch(words[place])) and words[place + 1 : place + 2] not in [[one] for one in _CORRECTED]


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
    named = read_name("_".join(re.findall(r"[A-Za-z0-9+*]+", text)))
    return named.name if named.kind == "contrast" else None


def dicom_contrast(words: Sequence[str], *, agent: str = "", image_type: str = "") -> Named:
    """What a DICOM series shows.

    Args:
        words: Texts that may name it, the best first: series description, protocol, sequence, modality.
        agent: ContrastBolusAgent.
        image_type: ImageType, its values separated by backslashes.
    """
    types = {word.strip().lower() for word in image_type.split("\\")}
    if made := types & _NO_IMAGE_TYPES:
        return Named("other", min(made))
    named = next((found for text in words if (found := _in_text(text)).kind != "unknown"), Named("unknown", ""))
    if named.kind == "contrast" and named.name != "ADC" and any(_MAP.fullmatch(word) for word in types):
        return Named("map", named.name)
    if named.name == "T1" and agent.strip().lower() not in ("", "no", "none", "0", "n", "false"):
        return Named("contrast", "T1CE")
    return Named(named.kind, named.name)


def label_kind(name: str) -> Literal["lesion", "brain", "other"]:
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
    if _MAP.fullmatch(suffix.lower()) or entities.get("part") in ("phase", "real", "imag"):
        return Named("map", suffix, stem)
    name = CONTRASTS.get(suffix.lower())
    if name is None:
        return None if _LABEL.fullmatch(suffix.lower()) else Named("other", suffix, stem)
    return Named("contrast", "T1CE" if name == "T1" and "ce" in entities else name, stem)


def _in_text(text: str) -> Named:
    return read_name("_".join(re.findall(r"[A-Za-z0-9+*]+", text)))


def _last_contrast(words: list[str]) -> tuple[tuple[int, int], str | None]:
    """From where to where the last contrast is spelled, and its name."""
    for end in reversed(range(1, len(words) + 1)):
        # The longest spelling that ends here wins: "t2_flair" is not "flair" alone.
        for start in range(max(0, end - 3), end):
            spelled = "".join(words[start:end])
            name = CONTRASTS.get(spelled) or ("T1CE" if _T1_WITH_AGENT.fullmatch(spelled) else None)
            if name is not None and not _is_grid(words, start):
                return (start, end), _with_fluid(words, start, name)
    return (0, 0), None


def _is_grid(words: list[str], start: int) -> bool:
    """Whether the contrast that begins at a word is the grid of another one: ``FLAIR_to_T1``, ``FLAIR_2_T1``."""
    before = words[start - 1] if start else ""
    return before in _SPACE_WORDS or (before == "2" and _last_contrast(words[: start - 1])[1] is not None)


def _with_fluid(words: list[str], start: int, name: str) -> str:
    """A T2 with dark fluid is a FLAIR; a FLAIR of T1 weighting, spelled with words between, is a T1."""
    joined = "".join(words)
    if name == "T2" and re.search(r"darkfluid|dafl", joined):
        return "FLAIR"
    if name == "FLAIR" and any(word in _T1 for word in words[:start]) and "t2" not in words:
        between = words[max(place for place, word in enumerate(words[:start]) if word in _T1) + 1 : start]
        return "T1" if all(word.isalpha() and word not in _SPACE_WORDS for word in between) else name
    return name


def _has_agent(words: list[str], first: int, last: int) -> bool:
    """Whether a word beside a T1 names a contrast agent; ``post`` before it is more likely a visit."""
    after = [place for place in range(last, len(words)) if _AGENT_WORD.fullmatch(words[place])]
    clear = [word if word not in ("post", "c", "wc") else "" for word in words]
    before = [place for place in range(first) if _AGENT_WORD.fullmatch(clear[place])]
    return any(not set(words[max(0, place - 2) : place]) & _DENIED for place in (*before, *after))


def _first_label(words: list[str]) -> int | None:
    if words and words[0] == "bet":  # FSL's brain extraction and its masks; T1_bet is a T1
        return 0
    for place, word in enumerate(words):
        if words[place + 1 : place + 2] and words[place + 1].isdigit() and _last_contrast(words[place + 2 :])[1]:
            continue  # tumor_001_T1 is an image of a patient who is called so
        pair = "".join(words[place : place + 2])
        if (_LABEL.fullmatch(word) and word not in ("unlabel", "unlabeled")) or pair in (
            "goldstandard",
            "groundtruth",
            "brainmask",
        ):
            return place
    return None


def _trimmed(text: str) -> str:
    return text.strip("_-. ")
