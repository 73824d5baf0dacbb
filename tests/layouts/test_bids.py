"""The data sets of bids-examples: every image that BIDS calls one is read, with whose it is, or told; nothing else is.

``bids_examples.txt`` has the names of their volumes, of the first and the last subject, one of a kind in each folder
(and of sets without an anatomical image some files), as of commit ca54a02 of bids-standard/bids-examples. Before each
stands what it is to become: a contrast, ``L`` a label map, ``?`` a failure that is told since others claim to be the
same, ``-`` left out. What stands behind it are subjects, if not all have it.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from medmae.data.volumes.layouts import find_cases
from medmae.errors import DataError

LISTING = Path(__file__).with_name("bids_examples.txt")


def data_sets():
    """Name of a set -> path of a file -> what it is to become."""
    found, subjects = {}, []
    for line in LISTING.read_text(encoding="utf-8").splitlines():
        if match := re.fullmatch(r"([\w-]+):(.*)", line):
            files = found[match[1]] = {}
            subjects = match[2].split()
            continue
        sign, pattern, *some = line.split()
        for subject in some[0].split(",") if some else subjects or [""]:
            files[pattern.replace("{}", subject)] = sign
    return found


SETS = data_sets()
IMAGES = {name: files for name, files in SETS.items() if set(files.values()) != {"-"}}


def written(files, root):
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def entity(path, key):
    match = re.search(rf"(?:^|[/_]){key}-([A-Za-z0-9]+)", path)
    return match and f"{key}-{match[1]}"


@pytest.mark.parametrize("name", IMAGES)
def test_no_image_of_a_bids_example_is_missing_and_none_is_invented(name, tmp_path):
    found = find_cases(written(SETS[name], tmp_path))
    became = {}
    for case in found.cases:
        told = [(source.path, source.name) for source in case.contrasts]
        told += [(source.path, "L") for source in case.labels] + [(lost.error.path, "?") for lost in case.lost]
        for path, sign in told:
            own = Path(path).relative_to(tmp_path).as_posix()
            became[own] = sign
            assert (case.subject, case.session) == (entity(own, "sub"), entity(own, "ses"))
    assert became == {path: sign for path, sign in SETS[name].items() if sign != "-"}
    left = {one.path.relative_to(tmp_path).as_posix(): one.why for one in found.left_out}
    assert set(left) == {path for path, sign in SETS[name].items() if sign == "-"}
    assert all(left.values())


@pytest.mark.parametrize("name", sorted(set(SETS) - set(IMAGES)))
def test_a_bids_example_without_an_anatomical_image_is_refused_and_all_of_it_told(name, tmp_path):
    with pytest.raises(DataError, match="no volume with a known contrast is here") as caught:
        find_cases(written(SETS[name], tmp_path))
    assert sum(map(int, re.findall(r"(\d+) files? left out", caught.value.remedy))) == len(SETS[name])
