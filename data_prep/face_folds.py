"""Published folds of people: three parts, of which each is the test once.

Those of ME-GraphAU (CVI-SZU/ME-GraphAU, dda53cb). Other papers part BP4D otherwise (FMAE-IAT, EAC-Net): their numbers
cannot be compared with these; give such parts by a file, ``--split``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

BP4D: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {
        1: (
            "F001",
            "F002",
            "F008",
            "F009",
            "F010",
            "F016",
            "F018",
            "F023",
            "M001",
            "M004",
            "M007",
            "M008",
            "M012",
            "M014",
        ),
        2: (
            "F003",
            "F005",
            "F011",
            "F013",
            "F020",
            "F022",
            "M002",
            "M005",
            "M010",
            "M011",
            "M013",
            "M016",
            "M017",
            "M018",
        ),
        3: ("F004", "F006", "F007", "F012", "F014", "F015", "F017", "F019", "F021", "M003", "M006", "M009", "M015"),
    }
)
DISFA: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {
        1: tuple(f"SN{number:03d}" for number in (1, 2, 9, 10, 16, 26, 27, 30, 32)),
        2: tuple(f"SN{number:03d}" for number in (6, 11, 12, 13, 18, 21, 24, 28, 31)),
        3: tuple(f"SN{number:03d}" for number in (3, 4, 5, 7, 8, 17, 23, 25, 29)),
    }
)
PARTS: Mapping[str, Mapping[int, tuple[str, ...]]] = MappingProxyType({"bp4d": BP4D, "disfa": DISFA})
_TESTED = {1: 3, 2: 2, 3: 1}  # fold -> the part that is its test, as ME-GraphAU numbers them


def held_out_in(layout: str, fold: int) -> frozenset[str]:
    """People whose recordings are the test of a fold.

    Raises:
        ValueError: If the layout has no published folds, or not this one.
    """
    if layout not in PARTS or fold not in _TESTED:
        raise ValueError(f"folds 1, 2 and 3 of {', '.join(PARTS)} are known, got fold {fold} of {layout}")
    return frozenset(PARTS[layout][_TESTED[fold]])
