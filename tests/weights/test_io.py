"""Weight files: what fits is told key by key, what is damaged is named, and no code in them runs."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import nn

from medmae.errors import DataError
from medmae.weights.io import import_state, load_state, load_weights, save_pt, save_safetensors
from medmae.weights.maps.base import KeyMap
from medmae.weights.maps.mae import MAE

SAVERS = {"model.safetensors": save_safetensors, "model.pt": save_pt}


class Hostile:
    """A pickle that creates a file when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


class WithEncoder(nn.Module):
    """An encoder of 40 tensors, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(*(nn.Linear(2, 2) for _ in range(20)))
        self.head = nn.Linear(2, 3)


@pytest.fixture
def state():
    return {"weight": torch.randn(3, 4), "bias": torch.randn(3)}


@pytest.mark.parametrize("name", SAVERS)
def test_what_was_saved_is_read_back_and_its_hash_is_returned(name, state, tmp_path):
    path = tmp_path / "new" / "folder" / name
    digest = SAVERS[name]({**state, "turned": state["weight"].T}, path)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    read = load_state(path)
    assert set(read) == {"weight", "bias", "turned"}
    assert all(torch.equal(read[key], state[key]) for key in state)
    assert torch.equal(read["turned"], state["weight"].T)


def test_safetensors_carry_metadata(state, tmp_path):
    save_safetensors(state, tmp_path / "model.safetensors", metadata={"method": "mae"})
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert file.metadata() == {"method": "mae"}


def test_parameters_are_saved_without_their_graph(tmp_path):
    save_pt(dict(nn.Linear(2, 2).named_parameters()), tmp_path / "model.pt")
    assert not any(value.requires_grad for value in load_state(tmp_path / "model.pt").values())


@pytest.mark.parametrize("entry", ["model", "state_dict"])
def test_a_published_file_is_unpacked_beside_its_training_arguments(entry, state, tmp_path):
    path = tmp_path / "published.pth"
    torch.save({entry: state, "epoch": 799, "args": argparse.Namespace(lr=2.4e-3, name="mae")}, path)
    assert load_state(path).keys() == state.keys()


@pytest.mark.parametrize("place", ["alone", "beside tensors", "in the arguments"])
def test_code_in_a_file_is_refused_and_never_run(place, state, tmp_path):
    marker, path = tmp_path / "was-run", tmp_path / "hostile.pt"
    content = {
        "alone": Hostile(marker),
        "beside tensors": {**state, "extra": Hostile(marker)},
        "in the arguments": {"model": state, "args": argparse.Namespace(lr=Hostile(marker))},
    }[place]
    torch.save(content, path)
    with pytest.raises(DataError, match=r"hostile.pt: holds more than tensors.* calls getattr.* safetensors"):
        load_state(path)
    assert not marker.exists()


@pytest.mark.parametrize("name", SAVERS)
@pytest.mark.parametrize("damage", ["truncated", "page", "empty"])
def test_a_damaged_file_is_named(name, damage, state, tmp_path):
    path = tmp_path / name
    SAVERS[name](state, path)
    whole = path.read_bytes()
    path.write_bytes({"truncated": whole[: len(whole) // 2], "page": b"<!DOCTYPE html>", "empty": b""}[damage])
    with pytest.raises(DataError, match="fetch it again") as caught:
        load_state(path)
    assert caught.value.path == path


@pytest.mark.parametrize("path", ["nowhere.pt", "nowhere.safetensors", "nowhere"])
def test_a_file_that_is_not_there_is_named(path, tmp_path):
    with pytest.raises(DataError, match="no such weight file"):
        load_state(tmp_path / path)


@pytest.mark.parametrize("content", [{"epoch": 3}, [torch.zeros(2)], torch.zeros(2), {"model": {"epoch": 3}}])
def test_a_file_without_a_state_dict_is_refused(content, tmp_path):
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(DataError, match="holds no state dict of dense tensors"):
        load_state(tmp_path / "other.pt")


def test_a_state_that_fits_is_loaded_whole(state):
    module = nn.Linear(4, 3)
    report = import_state(module, state)
    assert report.matched == ["bias", "weight"]
    assert torch.equal(module.weight, state["weight"])


@pytest.mark.parametrize(
    ("change", "group", "shown"),
    [
        ({"bias": None}, "missing", "bias"),
        ({"other": torch.zeros(1)}, "unexpected", "other"),
        ({"bias": torch.zeros(5)}, "reshaped", r"bias[\s\S]*bias +\(5,\) +\(3,\)"),
    ],
    ids=["missing", "unexpected", "reshaped"],
)
def test_a_state_that_does_not_fit_is_refused_with_a_table_and_changes_nothing(state, change, group, shown):
    module = nn.Linear(4, 3)
    before = module.weight.detach().clone()
    state = {key: value for key, value in {**state, **change}.items() if value is not None}
    with pytest.raises(ValueError, match=rf"do not fit Linear:[\s\S]*\s{group} +1  {shown}"):
        import_state(module, state)
    assert torch.equal(module.weight, before)


def test_without_strictness_what_fits_is_loaded_and_the_rest_reported():
    module, other = WithEncoder(), WithEncoder()
    state = {**other.state_dict(), "head.bias": torch.zeros(5), "x": torch.zeros(1)}
    report = import_state(module, state, strict=False)
    assert (report.missing, report.unexpected) == ([], ["x"])
    assert report.reshaped == [("head.bias", (5,), (3,))]
    assert torch.equal(module.head.weight, other.head.weight)


def test_weights_of_our_own_layout_are_loaded_from_a_file(state, tmp_path):
    save_safetensors(state, tmp_path / "model.safetensors")
    module = nn.Linear(4, 3)
    load_weights(module, tmp_path / "model.safetensors")
    assert torch.equal(module.weight, state["weight"])


def test_a_file_of_a_network_of_another_size_is_named_with_the_table_and_a_remedy(state, tmp_path):
    save_safetensors(state, tmp_path / "model.safetensors")
    with pytest.raises(DataError, match=r"reshaped +2  .*[\s\S]*the sizes it was trained with") as caught:
        load_weights(nn.Linear(5, 2), tmp_path / "model.safetensors")
    assert caught.value.path == tmp_path / "model.safetensors"


def test_the_table_counts_every_group_and_shortens_long_ones(state):
    many = {f"key{i}": torch.zeros(1) for i in range(20)}
    table = import_state(nn.Linear(4, 3), {**state, **many}, strict=False).table().splitlines()
    assert table[0] == "   matched     2"
    assert table[3].startswith("unexpected    20  key0, key1")
    assert table[3].endswith(", ...")


def test_a_key_map_renames_the_first_prefix_that_fits_and_drops_the_dead():
    keys = KeyMap(source="x", prefixes=(("a.b.", "one."), ("a.", "two.")), dead=("gone.",))
    state = dict.fromkeys(["a.b.w", "a.c", "module.a.c2", "gone.w", "module.gone.b", "kept"], torch.zeros(1))
    renamed, dead = keys.apply(state)
    assert set(renamed) == {"one.w", "two.c", "two.c2", "kept"}
    assert dead == ["gone.w", "module.gone.b"]


def test_dead_keys_are_accepted_and_reported(state):
    keys = KeyMap(source="x", prefixes=(), dead=("gone.",))
    report = import_state(nn.Linear(4, 3), {**state, "gone.w": torch.zeros(1)}, key_map=keys)
    assert report.dead == ["gone.w"]
    assert report.table().splitlines()[-1] == "      dead     1  gone.w"


def test_keys_that_are_ours_already_pass_through_a_map():
    assert MAE.rename("encoder.norm.weight") == "encoder.norm.weight"
    assert MAE.rename("decoder.blocks.0.norm1.bias") == "decoder.blocks.0.norm1.bias"
