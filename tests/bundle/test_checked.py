"""Ids and merges without MONAI are MONAI's own."""

from __future__ import annotations

import copy
import subprocess
import sys

import pytest
import yaml
from monai.bundle import ConfigParser
from monai.bundle.utils import merge_kv

from medmae.bundle.checked import Ids, merged
from medmae.bundle.shipped import BASE_KEY, shipped
from medmae.errors import DataError

TREE = {"a": {"b": [1, {"c": 2}], "d": None}, "e": [[3], 4], "f": "x"}
OVERLAYS = [
    {"a::b::1::c": 5, "f": {"g": 1}},
    {"+a": {"z": 1}, "+e": [6]},
    {"a#b#0": 7, "a::new": 8},
    {"+nothing": [1]},
    {"e::0::0": 9},
]


def by_monai(*contents):
    parser = ConfigParser(config={})
    for content in contents:
        for key, value in copy.deepcopy(content).items():
            merge_kv(parser, key, value)
    return parser.get()


@pytest.mark.filterwarnings("ignore:Can't merge entry")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_merge_is_monais(overlay, tmp_path):
    assert merged({tmp_path / "train.yaml": TREE, tmp_path / "more.yaml": overlay}) == by_monai(TREE, overlay)


def test_every_configuration_that_is_shipped_is_merged_as_monai_does():
    count = 0
    for folder in shipped().values():
        files = sorted((folder / "configs").glob("*.yaml"))
        contents = {file: yaml.safe_load(file.read_text()) for file in files}
        for file, content in contents.items():
            chain = {file: content}
            while "run" not in (top := next(iter(chain.values()))):
                base = folder / "configs" / f"{top.get(BASE_KEY, 'train')}.yaml"
                chain = {base: contents[base], **chain}
            if len(chain) > 1:
                assert merged(chain) == by_monai(*chain.values())
                count += 1
    assert count >= 9


@pytest.mark.parametrize("overlay", [{"a::no::b": 1}, {"e::7": 1}, {"f::g": 1}, {"+f": [1]}])
def test_what_has_no_place_is_refused(overlay, tmp_path):
    with pytest.raises(DataError, match="a part of what is not there"):
        merged({tmp_path / "train.yaml": TREE, tmp_path / "more.yaml": overlay})


@pytest.mark.parametrize("id_", ["", "a", "a::b::1::c", "a#b#0", "e::0", "a::d", "no", "a::no", "e::9", "f::x", "e::x"])
def test_an_id_finds_what_monai_finds(id_):
    ours, theirs = Ids(copy.deepcopy(TREE)), ConfigParser(copy.deepcopy(TREE))
    assert ours.get(id_, "none") == theirs.get(id_, "none")
    assert (id_ in ours) == (id_ in theirs)


def test_a_misspelt_id_is_refused_before_monai_is_imported():
    code = (
        "import sys; from medmae.bundle.run import run_bundle\n"
        "for options in ({'nosuch': '1'}, {'method::embed_dmi': '1'}):\n"
        "    try: run_bundle('mr_edge_mae_pretraining', 'train', options=options)\n"
        "    except ValueError as error: print('did you mean' in str(error) or 'there is' in str(error))\n"
        "print('monai' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True", "False"]
