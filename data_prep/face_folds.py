"""Published folds of people: three parts, of which each is the test once.

Those of ME-GraphAU (CVI-SZU/ME-GraphAU, dda53cb), and those that FMAE-IAT drew for BP4D (forever208/FMAE-IAT,
AU/AU_json_process.py; a later script of theirs has ME-GraphAU's parts). Numbers of one cannot be compared with those of
the other; give further parts (EAC-Net's) by a file, ``--split``. What a fold tests is numbered otherwise, too: that of
ME-GraphAU tests part 3 in fold 1, FMAE-IAT part 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

BP4D: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {
        number: tuple(people.split())
        for number, people in {
            1: "F001 F002 F008 F009 F010 F016 F018 F023 M001 M004 M007 M008 M012 M014",
            2: "F003 F005 F011 F013 F020 F022 M002 M005 M010 M011 M013 M016 M017 M018",
            3: "F004 F006 F007 F012 F014 F015 F017 F019 F021 M003 M006 M009 M015",
        }.items()
    }
)
DISFA: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {
        1: tuple(f"SN{number:03d}" for number in (1, 2, 9, 10, 16, 26, 27, 30, 32)),
        2: tuple(f"SN{number:03d}" for number in (6, 11, 12, 13, 18, 21, 24, 28, 31)),
        3: tuple(f"SN{number:03d}" for number in (3, 4, 5, 7, 8, 17, 23, 25, 29)),
    }
)
FMAE_BP4D: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {
        number: tuple(sorted(people.split()))
        for number, people in {
            1: "M016 M015 F020 M003 F019 F021 F004 M017 M011 M006 M004 M014 F016 F008",
            2: "F017 F012 F011 M001 M002 F013 M018 F015 F002 F018 M010 M012 M009 F001",
            3: "M007 F022 M008 F003 F014 F006 M005 F023 F009 F005 F007 M013 F010",
        }.items()
    }
)
Folds = Literal["me_graphau", "fmae"]
PARTS: Mapping[Folds, Mapping[str, Mapping[int, tuple[str, ...]]]] = MappingProxyType(
    {
        "me_graphau": MappingProxyType({"bp4d": BP4D, "disfa": DISFA}),
        "fmae": MappingProxyType({"bp4d": FMAE_BP4D, "disfa": DISFA}),
    }
)
_TESTED: Mapping[Folds, Mapping[int, int]] = MappingProxyType(  # fold -> the part that is its test
    {"me_graphau": {1: 3, 2: 2, 3: 1}, "fmae": {1: 1, 2: 2, 3: 3}}
)


def held_out_in(layout: str, fold: int, *, folds: Folds = "me_graphau") -> frozenset[str]:
    """People whose recordings are the test of a fold.

    Raises:
        ValueError: If the layout has no published folds, or not this one.
    """
    parts = PARTS[folds]
    if layout not in parts or fold not in _TESTED[folds]:
        raise ValueError(f"folds 1, 2 and 3 of {', '.join(parts)} are known, got fold {fold} of {layout}")
    return frozenset(parts[layout][_TESTED[folds][fold]])
