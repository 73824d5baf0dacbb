"""Several kinds of data on one grid, any of which may be missing."""

from __future__ import annotations

import pytest
import torch

from medmae.tokens.modalities import ModalityPatches, available


@pytest.fixture
def tokens():
    return ModalityPatches(size=(8, 12), patch=4, channels={"rgb": 3, "h": 1, "e": 1})


@pytest.fixture
def batch():
    return {"rgb": torch.rand(2, 3, 8, 12), "h": torch.rand(2, 1, 8, 12), "e": torch.rand(2, 1, 8, 12)}


def test_each_modality_is_cut_by_its_own_channels(tokens, batch):
    rows = tokens.patchify(batch)
    assert [tuple(part.shape) for part in rows] == [(2, 6, 48), (2, 6, 16), (2, 6, 16)]
    for name, part in zip(tokens.names, rows, strict=True):
        assert torch.equal(tokens.patches[name].unpatchify(part), batch[name])
    assert (tokens.names, tokens.num_tokens) == (["rgb", "h", "e"], 6)


def test_a_modality_that_is_not_in_the_batch_is_zeros_and_not_available(tokens, batch):
    del batch["h"]
    assert not tokens.patchify(batch)[1].any()
    assert tokens.available(batch).tolist() == [[True, False, True]] * 2


def test_a_sample_s_own_missing_modality_is_zeros_whatever_the_batch_holds_there(tokens, batch):
    batch["available"] = torch.tensor([[True, True, True], [True, True, False]])
    batch["e"][1] = float("nan")
    rows = tokens.patchify(batch)[2]
    assert torch.equal(tokens.patches["e"].unpatchify(rows)[0], batch["e"][0])
    assert torch.equal(rows[1], torch.zeros(6, 16))
    assert torch.equal(tokens.available(batch), batch["available"])


def test_what_is_not_in_the_batch_is_missing_even_if_available_says_otherwise(tokens, batch):
    del batch["e"]
    batch["available"] = torch.ones(2, 3, dtype=torch.bool)
    assert tokens.available(batch).tolist() == [[True, True, False]] * 2


def test_the_first_modality_may_be_missing_too(tokens, batch):
    del batch["rgb"]
    assert tokens.patchify(batch)[0].shape == (2, 6, 48)
    assert tokens.available(batch).tolist() == [[False, True, True]] * 2


def test_a_table_over_all_tokens_splits_by_modality(tokens):
    table = torch.arange(36).reshape(2, 18)
    assert torch.equal(tokens.split(table)[1, 2], torch.arange(30, 36))


def test_all_modalities_may_be_the_channels_of_one_image(tokens, batch):
    stack = {"image": torch.cat([batch["rgb"], batch["h"], batch["e"]], dim=1)}
    assert all(
        torch.equal(one, other) for one, other in zip(tokens.patchify(stack), tokens.patchify(batch), strict=True)
    )
    assert tokens.available(stack).all()
    some = torch.tensor([[True, False, True], [False, True, True]])
    assert torch.equal(tokens.available({**stack, "available": some}), some)


def test_an_image_beside_named_modalities_is_something_else(tokens, batch):
    assert set(tokens.given({**batch, "image": torch.rand(2, 5, 8, 12)})) == {"rgb", "h", "e"}
    del batch["h"]
    assert set(tokens.given({**batch, "image": torch.rand(2, 5, 8, 12)})) == {"rgb", "e"}


def test_a_batch_without_any_modality_is_refused(tokens):
    for batch in ({"picture": torch.rand(1, 5, 8, 12)}, {"image": torch.rand(1, 3, 8, 12)}):
        with pytest.raises(ValueError, match=r"one of rgb, h, e, or all as the 5 channels of 'image'; got .*8, 12"):
            tokens.patchify(batch)


def test_an_availability_of_another_shape_is_refused(tokens, batch):
    with pytest.raises(ValueError, match=r'"available" must be \(2, 3\), a column each for rgb, h, e, got \(2, 2\)'):
        tokens.available({**batch, "available": torch.ones(2, 2, dtype=torch.bool)})


def test_data_of_another_size_and_no_modality_at_all_are_refused(tokens, batch):
    with pytest.raises(ValueError, match=r"expected data of shape \(B, 1, 8, 12\)"):
        tokens.patchify({**batch, "h": torch.rand(2, 1, 8, 8)})
    with pytest.raises(ValueError, match="at least one modality"):
        ModalityPatches(size=8, patch=4, channels={})


def test_who_has_what_is_said_by_name_whatever_the_order_of_the_kinds():
    """Views know nothing of the order in which a network has its kinds: it may turn a table of theirs over."""
    batch = {"image": torch.zeros(2, 1), "audio": torch.zeros(2, 1), "audio_there": torch.tensor([True, False])}
    assert available(["image", "audio"], batch).tolist() == [[True, True], [True, False]]
    assert available(["audio", "image"], batch).tolist() == [[True, True], [False, True]]
    assert available(
        ["audio", "image"], batch | {"available": torch.tensor([[True, False], [True, True]])}
    ).tolist() == [
        [True, False],
        [False, True],
    ]
