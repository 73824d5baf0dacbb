"""File names: their stems, names that are safe as files, and the marks of images that a network made."""

from __future__ import annotations

import re

# What medmae writes; see medmae.evaluate.synthesis.synthesise.
_OURS = re.compile(r"desc-(?:synthetic|uncertainty|uncalibrated|reconstruction|hidden)", re.IGNORECASE)


def stem_of(name: str) -> str:
    """A file name without the suffix of a volume, such as ``.nii.gz``, ``.mgz`` or ``.dcm``."""
    return re.sub(r"\.(nii(\.gz)?|dcm|mg[hz]|n?rrd|nhdr|mh[ad]|hdr)$", "", name, flags=re.IGNORECASE)


def is_synthetic(name: str) -> bool:
    """Whether a file name says that a network made the image, which must never pass for a patient's own.

    >>> is_synthetic("sub-01_desc-syntheticT2.nii.gz")
    True
    """
    return _OURS.search(name) is not None


def file_name_of(case: str) -> str:
    """A case's name as a file name: letters, digits, ``_ . -``."""
    return re.sub(r"[^\w.-]+", "_", case).strip("._") or "case"
