"""File names: their stems, names that are safe as files, and the marks of images that a network made."""

from __future__ import annotations

import re

# What medmae writes; see medmae.evaluate.synthesis.synthesise.
_OURS = re.compile(r"desc-(?:synthetic|uncertainty|uncalibrated|reconstruction|hidden)", re.IGNORECASE)

# What file managers write before or behind the name of a copy, in several languages.
_COPY = r"(?:copy|kopie|copie|copia|c\u00f3pia|kopia|kopi)"
_IS_COPY = re.compile(
    rf"(?:{_COPY}[-_ ](?:of|von|de|di|af|av)[-_ ]+(?P<a>.+)|(?P<b>.+?)[-_ ]+{_COPY}(?:[-_ ]*\(?\d{{1,2}}\)?)?)", re.I
)


def stem_of(name: str) -> str:
    """A file name without the suffix of a volume, such as ``.nii.gz``, ``.mgz`` or ``.dcm``."""
    return re.sub(r"\.(nii(\.gz)?|dcm|mg[hz]|n?rrd|nhdr|mh[ad]|hdr)$", "", name, flags=re.IGNORECASE)


def without_copy(stem: str) -> str:
    """What a file manager made a copy of, by the name that it gave it; any other name as it is.

    >>> without_copy("Copy of T1"), without_copy("T1 - Kopie (2)"), without_copy("copy_T1")
    ('T1', 'T1', 'copy_T1')
    """
    match = _IS_COPY.fullmatch(stem)
    return stem if match is None else match["a"] or match["b"]


def is_synthetic(name: str) -> bool:
    """Whether a file name says that a network made the image, which must never pass for a patient's own.

    >>> is_synthetic("sub-01_desc-syntheticT2.nii.gz")
    True
    """
    return _OURS.search(name) is not None


def file_name_of(case: str) -> str:
    """A case's name as a file name: letters, digits, ``_ . -``."""
    return re.sub(r"[^\w.-]+", "_", case).strip("._") or "case"
