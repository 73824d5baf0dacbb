"""Free text to sentences, as reports are written: hard line breaks, headings, lists, abbreviations."""

from __future__ import annotations

import re
from collections.abc import Iterator

_ABBREVIATIONS = {
    *("dr", "prof", "mr", "mrs", "ms", "st", "no", "nr", "fig", "abb", "vs", "approx", "ca", "resp", "incl", "max"),
    *(
        "min",
        "cf",
        "etc",
        "e.g",
        "i.e",
        "al",
        "z.b",
        "d.h",
        "v.a",
        "u.a",
        "bzw",
        "evtl",
        "ggf",
        "li",
        "re",
        "vol",
        "pat",
    ),
}
_END = re.compile(r"[.!?][\"')\]]*\s+(?=[\"'(\[]?[^\W_a-zß-öø-ÿ])")
_ITEM = re.compile(r"[-*•–]\s|\d{1,2}[.)]\s")  # what begins a line of a list
_HEADING = re.compile(r"[^\W\d_][\w /()-]{0,40}:")


def sentences_of(text: str) -> tuple[str, ...]:
    r"""The sentences of a text, in order; a heading by itself stands before the sentence that follows it.

    >>> sentences_of("FINDINGS:\nThe left lobe measures 3.5 cm, cf. Fig. 2.\nNo stones.\n\nImpression: normal")
    ('FINDINGS: The left lobe measures 3.5 cm, cf. Fig. 2.', 'No stones.', 'Impression: normal')

    Args:
        text: A line break in it is a blank, unless a sentence, a paragraph or an item of a list ends there.
    """
    found: list[str] = []
    heading = ""
    for block in _blocks(text):
        for sentence in _split(block):
            whole = f"{heading} {sentence}".strip()
            heading = whole if whole.endswith(":") else ""
            if not heading:
                found.append(whole)
    return (*found, heading) if heading else tuple(found)


def _blocks(text: str) -> Iterator[str]:
    """Runs of lines that a sentence may go on over."""
    block: list[str] = []
    for line in (" ".join(line.split()) for line in text.splitlines()):
        ends = block and block[-1].endswith((".", "!", "?", ":", ";"))
        if block and (not line or ends or _ITEM.match(line) or _HEADING.match(line)):
            yield " ".join(block)
            block = []
        if line:
            block.append(line)
    if block:
        yield " ".join(block)


def _split(block: str) -> Iterator[str]:
    start = 0
    for end in _END.finditer(block):
        word = block[start : end.start()].rpartition(" ")[2].strip("(\"'[").casefold()
        numbered = start == 0 and word.isdigit() and end.start() == len(word)  # 1. of a list
        if word in _ABBREVIATIONS or (len(word) == 1 and word.isalpha()) or numbered:
            continue
        yield block[start : end.end()].strip()
        start = end.end()
    if block[start:].strip():
        yield block[start:].strip()
