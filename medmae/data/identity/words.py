"""What one folder or file name says of identity: a patient, a visit, a group of patients, or nothing."""

from __future__ import annotations

import re
from enum import Enum

SEPARATORS = r"[-_. ]+"
# 2020-01-31, 20200131, 20200131_101500, 2006-04-18_08_20_30.0, 31-01-2020.
DATE = (
    r"(?:(?:19|20)\d{2}[-_.]?(?:0[1-9]|1[0-2])[-_.]?(?:0[1-9]|[12]\d|3[01])"
    r"(?:[-_T ]?[0-2]\d[-_:.]?[0-5]\d(?:[-_:.]?[0-5]\d(?:\.\d+)?)?)?"
    r"|(?:0?[1-9]|[12]\d|3[01])[-_.](?:0?[1-9]|[12]\d|3[01])[-_.](?:19|20)\d{2})(?!\d)"
)
_COUNT = r"[-_ ]?[a-z]?\d+[a-z]?(?:[-_.]\d+)*"  # 1, -000-1, 003d, _d0129
_COUNTED = (
    r"ses|sess|session|study|visit|exam|scan|tp|timepoint|time[-_ ]point|time|day|week|wk|month|mo|year|yr|mr(?!n)|st|"
    r"[vtmwyd]"
)
_NAMED = (
    r"baseline|bl|follow[-_ ]?up|fu|pre|post|pre[-_ ]?op|post[-_ ]?op|screening|admission|discharge|initial|"
    r"first|second|third|last"
)
_SPAN = r"\d+[-_ ]?(?:d|w|m|mo|y|yr|days?|weeks?|wks?|months?|years?)"
VISIT = rf"(?:(?:{_COUNTED}){_COUNT}|(?:ses|session|visit)[-_]\w+|(?:{_NAMED})(?:{_COUNT})?|{_SPAN}|{DATE})"
_IS_VISIT = re.compile(rf"(?:{VISIT}|{DATE}[-_. ].*|(?:19|20)\d{{2}}(?:[-_.](?:0[1-9]|1[0-2]))?)", re.IGNORECASE)
_ENDS_IN_VISIT = re.compile(rf"(?P<subject>.+?){SEPARATORS}(?P<visit>{VISIT})", re.IGNORECASE)
_BEGINS_WITH_DATE = re.compile(rf"(?P<visit>{DATE}){SEPARATORS}(?P<subject>.+)")
_STRONG = re.compile(
    r"(?:patient|pat|subject|subj|sub|person|participant|proband|pid)[-_ ]?(?:\d\w*|[-_][A-Za-z0-9-]*\d[A-Za-z0-9-]*)",
    re.IGNORECASE,
)
_WEAK = re.compile(
    r"(?:p|s|c|pt|pa|vpn?|id|case|vol|volunteer|hc|ctrl|control|donor|animal|mouse|rat|mrn|record)[-_ ]?\d+[a-z]?",
    re.IGNORECASE,
)
_BEGINS_WITH_SUBJECT = re.compile(
    rf"(?P<subject>(?:patient|pat|subject|subj|person|participant|proband)[-_ ]?\d+){SEPARATORS}(?P<visit>.+)",
    re.IGNORECASE,
)
_GROUP = re.compile(
    r"(?:site|cent(?:er|re)|hospital|clinic|scanner|vendor|cohort|group|arm|batch|fold|dataset|collection|release)"
    r"[-_ ]?[A-Za-z0-9]{0,4}|hgg|lgg|gbm|"
    r"train(?:ing)?(?:[-_ ]?(?:set|data))?|val(?:id(?:ation)?)?(?:[-_ ]?(?:set|data))?|"
    r"test(?:ing)?(?:[-_ ]?(?:set|data))?|dev|(?:multi|single)coil_\w+|controls|healthy|patients|subjects|cases|"
    r"\d(?:\.\d)?T|siemens|philips|ge|toshiba|canon",
    re.IGNORECASE,
)
# Folders that sort files rather than patients.
_SHELF = re.compile(
    r"(?:anat|raw|raw[-_ ]?data|nifti|nii|imag(?:e|es|ing)|images(?:Tr|Ts|Val)|labels(?:Tr|Ts|Val)?|masks?|"
    r"segmentations?|dicom|dcm|mri?|scans?|data|(?:un|pre)?processed|preprocessing|orig(?:inal)?|files|volumes?|lesions?|"
    r"registered|structural|brain|derivatives|sourcedata)[-_ ]?\d?",
    re.IGNORECASE,
)
_SHELF_ENDING = re.compile(rf"{SEPARATORS}(?:nifti|nii|dicom|dcm|images?|processed|preprocessed|raw)$", re.IGNORECASE)
# Naming schemes of public data sets that say in their documentation what is patient and what is visit.
_PUBLISHED = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?P<subject>TCGA-\w{2}-\w{4})(?:-(?P<visit>[\w-]+))?(?:\..*)?",
        r"(?P<subject>BraTS-[A-Za-z]+-\d{4,})-(?P<visit>\d{3})",
        r"(?P<subject>UPENN-GBM-\d{5})_(?P<visit>\d{2})",
        r"(?:ADNI_)?(?P<subject>\d{3}_S_\d{4})(?:_(?P<visit>.+))?",
        r"(?P<subject>(?:training|test)\d{2})_(?P<visit>\d{2})",  # ISBI 2015
        r"(?P<subject>OAS\d_?\d{4,})_(?P<visit>MR\d|(?:MR|PET|CT)_d\d{4})",
        r"(?P<subject>C3[LN]-\d{5})(?:-(?P<visit>[\w-]+))?",  # CPTAC
        r"(?P<subject>GTEX-[A-Z0-9]+)(?:-(?P<visit>[\w-]+))?",
        r"SOB_[BM]_[A-Z]+-\d{2}-(?P<subject>[A-Za-z0-9]+)-\d+-(?P<visit>\d+)",  # BreakHis
        r"(?:CNV|DME|DRUSEN|NORMAL)-(?P<subject>\d+)-(?P<visit>\d+)",  # Kermany's OCT
        r"(?P<subject>\d{8})_(?P<visit>\d{3})",  # ChestX-ray14
        r"(?P<subject>1\d{4})_(?P<visit>1\d{6})",  # PI-CAI
    )
)


class Role(Enum):
    """What a name can be."""

    STRONG = "a patient, in so many words"
    WEAK = "a patient, by a letter or a word that others use, too"
    VISIT = "a visit or a date"
    GROUP = "a group of patients"
    SHELF = "a folder that sorts files"
    OTHER = "a name that does not say"


def role_of(name: str) -> Role:
    """What a name says by itself.

    >>> [role_of(name).name for name in ("sub-01", "P3", "week-044", "20200101", "siteA", "nifti", "KKI")]
    ['STRONG', 'WEAK', 'VISIT', 'VISIT', 'GROUP', 'SHELF', 'OTHER']
    """
    if published(name) or _STRONG.match(name):
        return Role.STRONG
    if _WEAK.fullmatch(split_visit(name)[0]):
        return Role.WEAK
    for role, pattern in ((Role.VISIT, _IS_VISIT), (Role.GROUP, _GROUP), (Role.SHELF, _SHELF)):
        if pattern.fullmatch(name):
            return role
    return Role.OTHER


def published(name: str) -> tuple[str, str | None] | None:
    """Patient and visit in a name of a public data set, or None.

    >>> published("TCGA-AA-3872-01Z-00-DX1.eb3732ee")
    ('TCGA-AA-3872', '01Z-00-DX1')
    >>> published("UPENN-GBM-00001_11")
    ('UPENN-GBM-00001', '11')
    """
    for pattern in _PUBLISHED:
        if match := pattern.fullmatch(name):
            return match["subject"], match["visit"]
    return None


def split_visit(name: str) -> tuple[str, str | None]:
    """Patient and visit where one name holds both.

    >>> split_visit("patient01_study2"), split_visit("UCSF-PDGM-0429_FU003d"), split_visit("20200101_AB12")
    (('patient01', 'study2'), ('UCSF-PDGM-0429', 'FU003d'), ('AB12', '20200101'))
    >>> split_visit("BraTS20_Training_001")
    ('BraTS20_Training_001', None)
    """
    if found := published(name):
        return found
    for pattern in (_ENDS_IN_VISIT, _BEGINS_WITH_DATE, _BEGINS_WITH_SUBJECT):
        if match := pattern.fullmatch(name):
            return match["subject"], match["visit"]
    return name, None


def without_shelf(name: str) -> str:
    """A folder's name without an ending that says how files are stored: ``UCSF-PDGM-0004_nifti``."""
    return _SHELF_ENDING.sub("", name)
