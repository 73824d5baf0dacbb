"""Where among the words of a name a contrast is spelled, and whether an agent is named beside it."""

from __future__ import annotations

import re

from medmae.data.contrast_words import (
    AGENT_WORD,
    CONTRASTS,
    DENIED,
    EVENT,
    REFORMAT,
    SPACE_WORDS,
    T1_WITH_AGENT,
    T1_WORDS,
    T2STAR_WORDS,
)


def last_contrast(words: list[str]) -> tuple[tuple[int, int], str | None]:
    """From where to where the last contrast is spelled, and its name."""
    for end in reversed(range(1, len(words) + 1)):
        # The longest spelling that ends here wins: "t2_flair" is not "flair" alone.
        for start in range(max(0, end - 3), end):
            spelled = "".join(words[start:end])
            agent = T1_WITH_AGENT.fullmatch(spelled) and not after_event(words, end - 1)
            name = CONTRASTS.get(spelled) or ("T1CE" if agent else None)
            reformat = spelled == REFORMAT and last_contrast(words[:start])[1] is not None
            if name is not None and not reformat and not _is_grid(words, start):
                return (start, end), _of_sequence(words, start, name)
    return (0, 0), None


def _is_grid(words: list[str], start: int) -> bool:
    """Whether the contrast that begins at a word is the grid of another one: ``FLAIR_to_T1``, ``FLAIR_2_T1``."""
    before = words[start - 1] if start else ""
    return before in SPACE_WORDS or (before == "2" and last_contrast(words[: start - 1])[1] is not None)


def after_event(words: list[str], place: int) -> bool:
    """Whether a word says ``post`` of an operation or a treatment."""
    return words[place].endswith("post") and any(EVENT.fullmatch(word) for word in words[place + 1 : place + 2])


def _of_sequence(words: list[str], start: int, name: str) -> str:
    """What a sequence makes of a contrast.

    A T2 with dark fluid is a FLAIR, one of a gradient echo a T2*; a FLAIR of T1 weighting, spelled with words between,
    is a T1.
    """
    if name == "T2" and T2STAR_WORDS & set(words):
        return "T2STAR"
    joined = "".join(words)
    if name == "T2" and re.search(r"darkfluid|dafl", joined):
        return "FLAIR"
    if name == "FLAIR" and any(word in T1_WORDS for word in words[:start]) and "t2" not in words:
        between = words[max(place for place, word in enumerate(words[:start]) if word in T1_WORDS) + 1 : start]
        return "T1" if all(word.isalpha() and word not in SPACE_WORDS for word in between) else name
    return name


def has_agent(words: list[str], first: int, last: int) -> bool:
    """Whether a word beside a T1 names a contrast agent; ``post`` before it is more likely a visit."""
    named = [place for place in range(last, len(words)) if AGENT_WORD.fullmatch(words[place])]
    after = [place for place in named if not after_event(words, place)]
    clear = [word if word not in ("post", "c", "wc") else "" for word in words]
    before = [place for place in range(first) if AGENT_WORD.fullmatch(clear[place])]
    return any(not set(words[max(0, place - 2) : place]) & DENIED for place in (*before, *after))
