"""Texts that may say who somebody is: a cheap search for headings, dates, titles and long numbers, and no more.

What it finds is to be looked at; what it does not find may name a patient all the same. Nothing is removed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

FLAG = "text_may_identify"
_SIGNS = {
    "a heading of patients": re.compile(
        r"\b(?:patient(?:'?s)?(?:[ _-]?(?:name|id|nr|number))?|pat|name|vorname|nachname|nom|pr[eé]nom|mrn|dob|ssn|nhs|"
        r"(?:date of )?birth(?:[ _-]?date)?|geb(?:urtsdatum)?|geboren|accession(?:[ _-]?(?:no|nr|number))?|"
        r"address|adresse|phone|referr(?:ing|ed)(?: (?:by|physician))?|physician|reported by|signed)\.?\s*[:#=]",
        re.IGNORECASE,
    ),
    "a date": re.compile(r"\b(?:\d{1,2}[./-]\d{1,2}[./-](?:19|20)?\d\d|(?:19|20)\d\d-\d\d-\d\d)\b"),
    "a title before a name": re.compile(
        r"\b(?:Dr|Mr|Mrs|Ms|Prof|Herrn?|Frau|Mme|Sr|Sra)\b\.?(?: med\.?)?\s+[A-ZÀ-Þ]\w+"
    ),
    "a name as DICOM writes it": re.compile(r"\b[^\W\d_][\w'-]*\^[^\W\d_]"),
    "a number of six digits or more": re.compile(r"\b\d{6,}\b"),
}


def signs_in(texts: Iterable[str]) -> tuple[str, ...]:
    """What of some texts may say who somebody is.

    >>> signs_in(["Patient: M^Erika, 12.03.1961", "the left lobe measures 3.5 cm"])
    ('a heading of patients', 'a date', 'a name as DICOM writes it')
    """
    some = list(texts)
    return tuple(name for name, sign in _SIGNS.items() if any(sign.search(text) for text in some))


def spoken(found: Iterable[tuple[str, tuple[str, ...]]]) -> list[str]:
    """A line for a user, if there is something to look at.

    Args:
        found: Name of a case, and the signs in its texts.
    """
    some = [(case, signs) for case, signs in found if signs]
    if not some:
        return []
    times = Counter(sign for _, signs in some for sign in signs)
    told = ", ".join(f"{sign} {count}" for sign, count in times.most_common())
    return [
        f"texts of {len(some)} videos may say who somebody is ({told}; the first: {some[0][0]}): look at them before "
        "you go on, for they stand in the manifest, and their words in weights and reports. Nothing was removed, and "
        f"what is not flagged {FLAG} may name somebody as well"
    ]
