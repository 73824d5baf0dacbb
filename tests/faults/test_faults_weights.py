"""Faults 40 to 44: weight files that are hostile, damaged, of another network, or awkward."""

import argparse
import hashlib
import json
import pathlib
import re
import struct
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from medmae.errors import DataError, ExitCode
from medmae.methods.edge_mae import edge_mae_tiny
from medmae.weights.io import import_state, load_state, load_weights, save_pt, save_safetensors
from tests.faults.weights import Hostile, encoder, unchanged


def saved(path, state):
    (save_safetensors if path.suffix == ".safetensors" else save_pt)(state, path)
    return path


@pytest.fixture(params=[".safetensors", ".pt"])
def whole(request, tmp_path):
    """A good file of either kind."""
    return saved(tmp_path / f"model{request.param}", encoder(seed=1).state_dict())


# ------------------------------------------------------------------------------------------------- 40: more than data
@pytest.mark.parametrize("legacy", [False, True], ids=["zip", "legacy"])
@pytest.mark.parametrize("place", ["alone", "as a tensor", "in the arguments"])
def test_fault_40_a_payload_is_refused_with_advice_and_never_run(tmp_path, place, legacy):
    marker, path = tmp_path / "it-ran", tmp_path / "hostile.pth"
    hostile, state = Hostile(marker), encoder(seed=1).state_dict()
    content = {
        "alone": hostile,
        "as a tensor": {**state, "norm.bias": hostile},
        "in the arguments": {"model": state, "args": argparse.Namespace(lr=hostile)},
    }[place]
    torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    with (
        unchanged(encoder()) as module,
        pytest.raises(DataError, match=r"hostile\.pth: .*its pickle calls io\.open.*save_file") as caught,
    ):
        load_weights(module, path)
    assert caught.value.exit_code == ExitCode.REFUSED
    assert not marker.exists()


def test_fault_40_the_payload_of_these_tests_is_a_live_one(tmp_path):
    function, arguments = Hostile(tmp_path / "it-ran").__reduce__()
    function(*arguments).close()
    assert (tmp_path / "it-ran").exists()


@pytest.mark.parametrize(
    ("value", "called"),
    [(np.float64(0.75), "numpy"), (pathlib.PurePosixPath("runs/1"), "pathlib"), (nn.Linear(2, 2), "torch.nn")],
    ids=["numpy scalar", "path", "module"],
)
def test_fault_40_harmless_objects_are_refused_too_and_named(tmp_path, value, called):
    torch.save({"model": encoder().state_dict(), "best": value}, tmp_path / "model.pt")
    with pytest.raises(DataError, match=rf"its pickle calls {called}\..*safetensors\.torch\.save_file"):
        load_state(tmp_path / "model.pt")


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".ckpt"])
def test_fault_40_training_arguments_in_a_namespace_are_let_in(tmp_path, suffix):
    state = encoder(seed=1).state_dict()
    path = tmp_path / f"published{suffix}"
    torch.save({"model": state, "args": argparse.Namespace(lr=1e-3, mask_ratio=0.75), "epoch": 799}, path)
    read = load_state(path)
    assert read.keys() == state.keys()
    assert all(torch.equal(read[key], state[key]) for key in state)


def test_fault_40_the_namespace_is_let_in_for_this_one_reading_only(tmp_path):
    torch.save({"model": {}, "args": argparse.Namespace()}, tmp_path / "model.pt")
    load_state(tmp_path / "model.pt")
    assert argparse.Namespace not in torch.serialization.get_safe_globals()


# ------------------------------------------------------------------------------------------------ 41: damaged files
def refused(path, reason, **options):
    """The file is refused by name and size, and not a bit of the module has changed."""
    with unchanged(encoder()) as module, pytest.raises(DataError) as caught:
        load_weights(module, path, **options)
    assert caught.value.path == path
    assert re.search(reason, str(caught.value).removeprefix(str(path)))  # a folder here is called as its test is
    assert f"({path.stat().st_size:,} bytes)" in str(caught.value)
    assert caught.value.remedy


def test_fault_41_an_empty_file_is_named_as_such(whole):
    whole.write_bytes(b"")
    refused(whole, "the file is empty")


@pytest.mark.parametrize("page", ["<!DOCTYPE html>\n<html><head><title>\n404 Not Found </title>", "  <HTML><title>404"])
def test_fault_41_an_html_page_is_named_as_such(whole, page):
    whole.write_text(page)
    refused(whole, "a web page saved in place of the weights")


def test_fault_41_the_title_of_an_html_page_is_told(whole):
    whole.write_text('<?xml version="1.0"?><html><title lang="en">Sign in</title>')
    refused(whole, r'titled "Sign in" .* wants a login')


def test_fault_41_a_git_lfs_pointer_is_named_with_the_command_that_gets_the_file(whole):
    whole.write_text(f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 343258000\n")
    refused(whole, r"a git-LFS pointer.*git lfs pull")


def test_fault_41_an_answer_in_words_is_quoted(whole):
    whole.write_text('{"error": "quota exceeded"}')
    refused(whole, r'text in place of the weights, which begins .*"quota exceeded"')


@pytest.mark.parametrize("share", [0.0001, 0.01, 0.5, 0.99, 0.9999])
def test_fault_41_a_truncated_file_is_named_as_such(whole, share):
    content = whole.read_bytes()
    whole.write_bytes(content[: max(5, int(share * len(content)))])
    refused(whole, "truncated")


def test_fault_41_a_truncated_legacy_file_is_refused(tmp_path):
    path = tmp_path / "model.pt"
    torch.save(encoder().state_dict(), path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:-1000])
    refused(path, "cannot be read as weights: truncated, damaged or something else")


def test_fault_41_a_kilobyte_that_stands_for_terabytes_is_refused(tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"a": torch.zeros(1).expand(2**41)}, path)
    refused(path, "repeats its numbers")


def test_fault_41_a_flipped_bit_in_an_archive_is_found_without_a_hash(tmp_path):
    path = saved(tmp_path / "model.pt", encoder(seed=1).state_dict())
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    refused(path, r"damaged: the checksum of \S+ is wrong")


def test_fault_41_a_wrong_sha256_tells_both(whole):
    found, expected = hashlib.sha256(whole.read_bytes()).hexdigest(), "0" * 64
    refused(whole, rf"wrong sha256: expected {expected}, found {found}", sha256=expected)


def test_fault_41_the_right_sha256_in_either_case_passes(whole):
    digest = hashlib.sha256(whole.read_bytes()).hexdigest()
    for spelling in (digest, digest.upper()):
        load_weights(encoder(), whole, sha256=spelling)
    with pytest.raises(ValueError, match="64 hexadecimal digits, got 'main'"):
        load_weights(encoder(), whole, sha256="main")


def test_fault_41_a_wrong_sha256_is_told_before_anything_is_read_from_the_file(tmp_path, monkeypatch):
    torch.save(Hostile(tmp_path / "it-ran"), tmp_path / "model.pt")
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("it was read"))
    refused(tmp_path / "model.pt", "wrong sha256", sha256="0" * 64)


def test_fault_41_a_torchscript_program_is_named_as_such(tmp_path):
    path = tmp_path / "model.pt"
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), path)
    refused(path, "a TorchScript program")


def test_fault_41_another_kind_of_file_is_refused_by_its_suffix(tmp_path):
    saved(tmp_path / "model.pt", {}).rename(tmp_path / "model.pkl")
    with pytest.raises(DataError, match=r"suffix = '\.pkl'.*\.safetensors, \.npz, \.bin, \.ckpt, \.pt, \.pth"):
        load_state(tmp_path / "model.pkl")


# ------------------------------------------------------------------------------------------------------- 42: the keys
def other_state(*, without=(), **changes):
    state = {key: value for key, value in encoder(seed=1).state_dict().items() if key not in without}
    return {**state, **{key.replace("__", "."): value for key, value in changes.items()}}


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (other_state(without=["norm.bias"]), r"missing +1  norm\.bias"),
        (other_state(extra=torch.zeros(1)), r"unexpected +1  extra"),
        (other_state(norm__bias=torch.zeros(7)), r"key +file +model\n +norm\.bias +\(7,\) +\(32,\)"),
    ],
    ids=["missing", "unexpected", "reshaped"],
)
def test_fault_42_keys_that_do_not_fit_are_refused_with_a_table(tmp_path, state, told):
    path = saved(tmp_path / "model.safetensors", state)
    with unchanged(encoder()) as module, pytest.raises(DataError, match=told) as caught:
        load_weights(module, path)
    assert caught.value.path == path


def test_fault_42_less_than_95_percent_of_the_encoder_is_an_error_even_without_strictness(tmp_path):
    method = edge_mae_tiny()
    keys = [f"encoder.{key}" for key in method.encoder.state_dict()]
    enough = len(keys) * 95 // 100 + bool(len(keys) * 95 % 100)  # of some 30 keys
    for count in (enough, enough - 1):
        part = {key: torch.ones_like(method.state_dict()[key]) for key in keys[:count]}
        path = saved(tmp_path / f"{count}.safetensors", part)
        if count == enough:
            report = load_weights(method, path, strict=False)
            assert len(report.matched) == enough
            continue
        reason = rf"only {count} of {len(keys)} keys of the encoder match, and 95% must"
        with unchanged(method), pytest.raises(DataError, match=reason):
            load_weights(method, path, strict=False)


def test_fault_42_a_whole_decoder_may_be_missing_if_that_is_wanted(tmp_path):
    path = saved(tmp_path / "encoder.safetensors", other_state())
    method = edge_mae_tiny()
    state = {f"encoder.{key}": value for key, value in load_state(path).items()}
    report = import_state(method, state, strict=False)
    assert len(report.matched) == len(state)
    assert all(key.startswith(("decoder.", "image_head.", "edge_head.", "sobel")) for key in report.missing)


def test_fault_42_weights_of_another_network_are_refused_even_without_strictness(tmp_path):
    path = saved(
        tmp_path / "resnet.safetensors", {"conv1.weight": torch.zeros(64, 3, 7, 7), "bn1.bias": torch.ones(64)}
    )
    with unchanged(encoder()) as module, pytest.raises(DataError, match=r"only 0 of \d+ keys of the encoder"):
        load_weights(module, path, strict=False)


@pytest.mark.parametrize("awkward", ["sparse", "another kind"])
def test_fault_42_a_tensor_that_cannot_be_copied_leaves_the_module_as_it_was(awkward):
    state = other_state()
    last = list(state)[-1]
    broken = state[last].to_sparse() if awkward == "sparse" else torch.empty_like(state[last], device="meta")
    with unchanged(encoder()) as module, pytest.raises((RuntimeError, NotImplementedError)):
        import_state(module, {**state, last: broken})


@pytest.mark.filterwarnings(
    "ignore:Validating sparse tensor invariants", "ignore:torch.quantize", "ignore:TypedStorage"
)
@pytest.mark.parametrize("kind", ["sparse", "meta", "quantised", "number"])
def test_fault_42_what_is_no_dense_tensor_in_a_file_is_refused(tmp_path, kind):
    value = {
        "sparse": torch.ones(32).to_sparse(),
        "meta": torch.ones(32, device="meta"),
        "quantised": torch.quantize_per_tensor(torch.ones(32), 0.1, 0, torch.qint8),
        "number": 3,
    }[kind]
    torch.save(other_state(norm__bias=value), tmp_path / "model.pt")
    refused(tmp_path / "model.pt", "no state dict of dense tensors")


# ------------------------------------------------------------------------------------------- 43: values and other sizes
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_fault_43_weights_that_are_not_finite_are_refused_with_their_keys(whole, value):
    state = load_state(whole)
    for key in ("norm.bias", "blocks.0.attn.qkv.weight"):
        state[key].view(-1)[3] = value
    saved(whole, state)
    refused(whole, r"in 2 of \d+ tensors: .*(norm\.bias.*blocks\.0\.attn\.qkv|blocks\.0\.attn\.qkv.*norm\.bias)")


@pytest.mark.parametrize(
    ("theirs", "key", "rule"),
    [
        ({"image_size": 96}, "pos_embed", "positions"),
        ({"in_channels": 3}, r"patch_embed\.proj\.weight", "channels"),
        ({"patch_size": 4, "image_size": 32}, r"patch_embed\.proj\.weight", "patches"),
    ],
)
def test_fault_43_weights_of_other_sizes_are_refused_with_the_option_that_would_adapt_them(tmp_path, theirs, key, rule):
    path = saved(tmp_path / "model.safetensors", encoder(**theirs, seed=1).state_dict())
    with unchanged(encoder()) as module, pytest.raises(DataError, match=rf"{key} would fit with adapt=\['{rule}'\]"):
        load_weights(module, path)
    report = load_weights(encoder(), path, adapt=[rule])
    assert report.adapted == [key.replace("\\", "")]


def test_fault_43_adaptation_of_one_thing_does_not_let_another_pass(tmp_path):
    path = saved(tmp_path / "model.safetensors", encoder(image_size=96, in_channels=3, seed=1).state_dict())
    with (
        unchanged(encoder()) as module,
        pytest.raises(DataError, match=r"pos_embed would fit with adapt=\['positions'\]"),
    ):
        load_weights(module, path, adapt=["channels"])
    load_weights(module, path, adapt=["channels", "positions"])


# --------------------------------------------------------------------------------------------------- 44: safetensors
@pytest.mark.parametrize("claim", [2**63, 2**40, 100_000_001])
def test_fault_44_a_header_bomb_is_refused_before_anything_is_allocated(tmp_path, claim, monkeypatch):
    path = saved(tmp_path / "model.safetensors", other_state())
    path.write_bytes(struct.pack("<Q", claim) + path.read_bytes()[8:])
    monkeypatch.setattr("medmae.weights.read.load_file", lambda *_: pytest.fail("it was read"))
    refused(path, rf"its header claims {claim:,} bytes")


def test_fault_44_an_archive_bomb_is_refused_before_anything_is_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "model.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model/data/0", bytes(10_000_000))
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_, **__: pytest.fail("it was unpacked"))
    refused(path, "would unpack to 10,000,000 bytes")


@pytest.mark.parametrize(
    "header",
    [
        {"norm.bias": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}},
        {"norm.bias": {"dtype": "F32", "shape": [32], "data_offsets": [64, 0]}},
        {"norm.bias": "x"},
    ],
)
def test_fault_44_a_header_that_lies_is_refused(tmp_path, header):
    text = json.dumps(header).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(128))
    refused(path, "truncated, or longer than its header says|no readable safetensors file")


class Tied(nn.Module):
    """Two names for one weight, and a view that is not contiguous."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
        self.second.weight = self.first.weight
        self.turned = nn.Parameter(torch.randn(6, 4).T)


@pytest.mark.parametrize("suffix", [".safetensors", ".pt"])
def test_fault_44_tied_and_non_contiguous_tensors_make_the_round_trip_bit_for_bit(tmp_path, suffix):
    module, twin = Tied(), Tied()
    assert not module.turned.is_contiguous()
    path = saved(tmp_path / f"model{suffix}", module.state_dict())
    load_weights(twin, path)
    assert all(torch.equal(twin.state_dict()[key], value) for key, value in module.state_dict().items())
    assert twin.second.weight is twin.first.weight


def test_fault_44_slices_of_one_storage_are_written_without_the_rest_of_it(tmp_path):
    large = torch.randn(1000, 1000)
    for name in ("model.pt", "model.safetensors"):
        path = saved(tmp_path / name, {"corner": large[:2, :2], "row": large[5]})
        assert path.stat().st_size < 10_000
        assert torch.equal(load_state(path)["corner"], large[:2, :2])


def test_fault_44_what_other_tools_write_is_read(tmp_path):
    state = other_state()
    save_file(state, tmp_path / "theirs.safetensors", metadata={"format": "pt"})
    with unchanged(encoder(seed=1)) as module:
        load_weights(module, tmp_path / "theirs.safetensors")
