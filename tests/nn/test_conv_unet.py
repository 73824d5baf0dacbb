"""The convolutional U-Net: the picture reaches the picture, tokens reach it too, and no size is guessed."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from medmae.nn.conv_unet import ConvUNet

SMALL = {"grid": (4, 4), "embed_dim": 6, "channels": (4, 6, 8)}


def small(**options):
    torch.manual_seed(0)
    return ConvUNet(**{**SMALL, **options})


def given(unet, *, size=(32, 32), batch=2):
    tokens = torch.randn(batch, torch.tensor(unet.grid).prod(), 6, generator=torch.Generator().manual_seed(1))
    return tokens, torch.rand(batch, unet.in_channels, *size, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize(
    ("sizes", "shape"),
    [
        ({}, (2, 1, 32, 32)),
        ({"channels": (4, 6, 8, 10)}, (2, 1, 48, 48)),
        ({"grid": (2, 3), "in_channels": 3, "out_channels": 2}, (2, 2, 16, 24)),
        ({"grid": (2, 4, 3)}, (2, 1, 8, 16, 24)),
        ({}, (2, 1, 27, 33)),
    ],
    ids=["square", "patches of 12 and pixels of 8", "oblong, channels", "volume", "extents that cannot be halved"],
)
def test_a_picture_has_the_size_of_the_data_and_everything_learns(sizes, shape):
    unet = small(**sizes)
    tokens, image = given(unet, size=shape[2:])
    picture = unet(tokens.requires_grad_(), image)
    assert picture.shape == shape
    assert 0 < picture.min() < picture.max() < 1
    picture.square().sum().backward()
    assert all(p.grad.isfinite().all() and p.grad.any() for p in [tokens, *unet.parameters()])


def test_a_single_pixel_reaches_the_picture_and_so_does_a_token_far_from_it():
    unet = small().eval()
    tokens, image = given(unet, batch=1)
    before = unet(tokens, image)
    image[0, 0, 3, 5] += 0.5
    change = (unet(tokens, image) - before).abs()[0, 0]
    assert change.argmax() // 32 in (2, 3, 4)
    assert change[3, 5] > 5 * change[12:, 12:].max()
    tokens[0, -1] += 1
    assert ((unet(tokens, image) - before).abs()[0, 0, 24:, 24:] > 0).all()


def test_a_picture_that_cannot_be_halved_is_one_with_zeros_behind_it_that_are_cut_off_again():
    unet = small().eval()
    tokens, image = given(unet, size=(27, 33))
    with torch.no_grad():
        assert torch.equal(unet(tokens, image), unet(tokens, F.pad(image, (0, 3, 0, 1)))[..., :27, :33])


def test_tokens_are_laid_on_their_grid_and_interpolated_to_the_coarsest_stage():
    unet = small().eval()  # the coarsest stage has 16 x 8 pixels, the grid 4 x 4
    seen = []
    unet.up[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    tokens, image = given(unet, size=(64, 32), batch=1)
    with torch.no_grad():
        for row in (tokens, torch.zeros_like(tokens)):
            unet(row, image)
    added = (seen[0] - seen[1])[:, SMALL["channels"][1] :]  # of what lies beside the skip: (1, 8, 32, 16)
    laid = torch.einsum("bnd,cd->bcn", tokens, unet.tokens.weight[..., 0, 0]).unflatten(2, (4, 4))
    for size in ((16, 8), (32, 16)):  # the coarsest stage, the next one
        laid = F.interpolate(laid, size=size, mode="bilinear")
    assert_close(added, laid, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"channels": (4,)}, "at least two stages, got 1"),
        ({"grid": (4,)}, "two or three axes, got 1"),
    ],
)
def test_sizes_that_do_not_suit_are_refused_with_what_would(sizes, message):
    with pytest.raises(ValueError, match=message):
        small(**sizes)


@pytest.mark.parametrize(
    ("grid", "size"), [((4, 4), (32, 32)), ((4, 4), (27, 33)), ((2, 4, 3), (8, 16, 24))], ids=["slice", "odd", "volume"]
)
def test_a_scripted_network_gives_what_the_eager_one_gives(grid, size):
    unet = small(grid=grid).eval()
    tokens, image = given(unet, size=size, batch=3)
    with torch.no_grad():
        assert_close(torch.jit.script(unet)(tokens, image), unet(tokens, image))


def test_what_is_background_in_what_is_given_is_background_in_the_picture_and_costs_no_gradient():
    unet = small(in_channels=3, background=(1, 2))
    tokens, image = given(unet)
    image[:, 1, :10] = 0
    image[:, (0, 2), 10:] = 0  # neighbours tell nothing of the background
    picture = unet(tokens, image)
    assert not picture[:, :, :10].any()
    assert (picture[:, :, 10:] > 0).all()
    free = small(in_channels=3)
    assert torch.equal(free(tokens, image)[:, :, 10:], picture[:, :, 10:])
    (picture[:, :, :10] - 1).square().sum().backward()
    assert not any(p.grad.any() for p in unet.parameters())
    with torch.no_grad():
        assert_close(torch.jit.script(unet)(tokens, image), unet(tokens, image))
