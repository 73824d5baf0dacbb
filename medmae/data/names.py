"""What file and folder names say: contrast or label, subject and session. IDs pair files, never their order."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import Literal

# Spelling (lower case, without separators) -> the one name used from here on.
CONTRASTS = {
    **dict.fromkeys(("t1", "t1w", "t1n", "t1pre", "t1native", "mprage", "spgr", "bravo"), "T1"),
    **dict.fromkeys(
        (
            "t1ce",
            "t1c",
            "t1cw",
            "t1post",
            "t1gd",
            "t1gad",
            "t1ks",
            "t1wks",
            "t1wce",
            "t1wpost",
            "t1wgd",
            "t1contrast",
            "ct1",
        ),
        "T1CE",
    ),
    **dict.fromkeys(("t2", "t2w"), "T2"),
    **dict.fromkeys(("flair", "fla", "t2f", "t2flair", "t2wflair", "flairw"), "FLAIR"),
    **dict.fromkeys(("pd", "pdw", "protondensity"), "PD"),
    **dict.fromkeys(("t2star", "t2starw", "gre"), "T2STAR"),
    "pdt2": "PDT2",
    "swi": "SWI",
    "adc": "ADC",
    "dwi": "DWI",
    "ct": "CT",
}
_LABELS = {
    *("seg", "segm", "segmentation", "dseg", "probseg", "mask", "masks", "label", "labels", "lesion", "lesions"),
    *(
        "gt",
        "goldstandard",
        "gold",
        "groundtruth",
        "consensus",
        "brainmask",
        "manual",
        "roi",
        "aseg",
        "aparc",
        "tumor",
        "tumour",
    ),
}
# What label maps mark. A brain mask is no lesion, whoever drew it; a bare "mask" is one of the brain.
_ANATOMY = {"aseg", "aparc"}
_BRAIN = {"brain", "brainmask", "bet"}
_LESION = {"lesion", "lesions", "tumor", "tumour"}
_DRAWN = {"gold", "goldstandard", "seg", "segm", "segmentation", "consensus", "manual", "gt", "groundtruth", "roi"}
_SESSION = r"(?:ses|session|study|visit|scan|tp|timepoint|time|day|week|month|year|followup|fu|baseline|bl|pre|post)"
_ENDS_IN_SESSION = re.compile(rf"^(?P<subject>.+?)[_\-. ]+(?P<session>{_SESSION}[-_]?\d*)$", re.IGNORECASE)
_ONLY_SESSION = re.compile(rf"^{_SESSION}(?:[-_]?\d+|[-_]\w+)?$", re.IGNORECASE)
_BRATS = re.compile(r"^(?P<subject>BraTS-[A-Za-z]+-\d{4,})-(?P<session>\d{3})$")
_SEPARATORS = re.compile(r"[_\-. ]+")
# FLAIR_to_T1 is a FLAIR: a contrast after one of these words is the space, not the image.
_SPACE_WORDS = {"to", "in", "on", "reg", "regto", "registered", "space"}
# What medmae writes; see medmae.evaluate.synthesis.synthesise.
_OURS = re.compile(r"desc-(?:synthetic|uncertainty|uncalibrated|reconstruction|hidden)", re.IGNORECASE)
# Folders that sort files rather than patients.
_SHELVES = {"anat", "raw", "nifti", "nii", "images", "image", "dicom", "dcm", "mri", "mr"}


@dataclass(frozen=True)
class Named:
    """What a file name says.

    Args:
        kind: ``contrast``, ``label`` or ``unknown``.
        name: Normalised contrast, or the label's own words in lower case.
        prefix: The words before, joined by ``_``: a subject, a session, or nothing.
    """

    kind: str
    name: str
    prefix: str


def stem_of(name: str) -> str:
    """A file name without ``.nii``, ``.nii.gz`` or ``.dcm``."""
    return re.sub(r"\.(nii(\.gz)?|dcm)$", "", name, flags=re.IGNORECASE)


def parse_stem(stem: str) -> Named:
    """Reads contrast or label, and the words before it, from a file name without suffix.

    >>> parse_stem("BraTS20_Training_001_t1ce")
    Named(kind='contrast', name='T1CE', prefix='BraTS20_Training_001')
    >>> parse_stem("GOLD_STANDARD").kind
    'label'
    """
    words = [(match.start(), match.group()) for match in re.finditer(r"[^_\-. ]+", stem)]
    place, contrast = _last_contrast([word.lower() for _, word in words])
    label = _first_label([word.lower() for _, word in words])
    if label is not None:
        start = words[label if contrast is None else min(label, place)][0]
        return Named("label", _SEPARATORS.sub("_", stem[start:]).strip("_").lower(), _prefix(stem[:start]))
    if contrast is None:
        return Named("unknown", "", _prefix(stem))
    return Named("contrast", contrast, _prefix(stem[: words[place][0]]))


def is_synthetic(name: str) -> bool:
    """Whether a file name says that a network made the image, which must never pass for a patient's own.

    >>> is_synthetic("sub-01_desc-syntheticT2.nii.gz")
    True
    """
    return _OURS.search(name) is not None


def contrast_of(name: str) -> str | None:
    """The contrast that a single name spells (``T1W``, ``t2-flair``), or None."""
    return CONTRASTS.get(_SEPARATORS.sub("", name).lower())


def contrast_in(text: str) -> str | None:
    """The last contrast that a free text mentions, or None."""
    return _last_contrast([word.lower() for word in re.split(r"[^A-Za-z0-9]+", text) if word])[1]


def label_kind(name: str) -> Literal["lesion", "brain", "other"]:
    """What a label map marks, by its name; ``other`` is anatomy, or a name that does not say.

    >>> label_kind("consensus_gt"), label_kind("bet_t1c_mask"), label_kind("aparc_aseg")
    ('lesion', 'brain', 'other')
    """
    words = [word.rstrip("0123456789") for word in re.split(r"[^a-z0-9]+", name.lower()) if word]
    found = {*words, *(first + second for first, second in itertools.pairwise(words))}
    if found & _ANATOMY:
        return "other"
    if found & _LESION:
        return "lesion"
    if found & _BRAIN or words in (["mask"], ["masks"]):
        return "brain"
    return "lesion" if found & _DRAWN else "other"


def _last_contrast(words: list[str]) -> tuple[int, str | None]:
    """Where the last contrast starts, and its name."""
    for end in reversed(range(1, len(words) + 1)):
        # The longest spelling that ends here wins: "t1_ce" is not "t1", "t2_flair" is not "flair" alone.
        for start in range(max(0, end - 3), end):
            name = CONTRASTS.get("".join(words[start:end]))
            if name is not None and (start == 0 or words[start - 1] not in _SPACE_WORDS):
                return start, name
    return 0, None


def _first_label(words: list[str]) -> int | None:
    if words and words[0] == "bet":  # FSL's brain extraction and its masks; T1_bet is a T1
        return 0
    for place, word in enumerate(words):
        if word in _LABELS or "".join(words[place : place + 2]) in _LABELS:
            return place
    return None


def _prefix(text: str) -> str:
    return text.strip("_-. ")


def subject_session(parts: list[str]) -> tuple[str, str | None]:
    """Subject and session of a case from the folders (and the prefix of its files) that name it.

    >>> subject_session(["patient01_study2"])
    ('patient01', 'study2')
    >>> subject_session(["sub-01", "ses-02", "anat"])
    ('sub-01', 'ses-02')
    >>> subject_session(["BraTS20_Training_001"])
    ('BraTS20_Training_001', None)
    """
    kept = [part for part in parts if part.lower() not in _SHELVES] or parts[-1:]
    last = kept[-1]
    if len(kept) > 1 and _ONLY_SESSION.match(last):
        return kept[-2], last
    for pattern in (_ENDS_IN_SESSION, _BRATS):
        if match := pattern.match(last):
            return match["subject"], match["session"]
    return last, None


def file_name_of(case: str) -> str:
    """A case's name as a file name: letters, digits, ``_ . -``."""
    return re.sub(r"[^\w.-]+", "_", case).strip("._") or "case"
