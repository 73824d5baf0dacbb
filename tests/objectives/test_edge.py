"""Sobel edges and the density of hidden neighbours, in two and three dimensions."""

from __future__ import annotations

import pytest
import torch
from scipy import ndimage
from torch.testing import assert_close

from medmae.masking import Mask
from medmae.objectives.edge import SobelEdges, neighbour_density, patchwise_weight


def hide(*tokens, grid):
    """A mask of one sample that hides these tokens of a grid."""
    table = torch.zeros(1, torch.Size(grid).numel(), dtype=torch.bool)
    table[0, list(tokens)] = True
    return Mask.from_bool(table)


@pytest.mark.parametrize("shape", [(9, 7), (5, 6, 7)])
@pytest.mark.parametrize("level", [0.0, 0.7, 1.0])
def test_a_constant_has_no_edge_anywhere_borders_included(shape, level):
    edges = SobelEdges(ndim=len(shape))(torch.full((2, 1, *shape), level))
    assert_close(edges, torch.zeros_like(edges), atol=1e-6, rtol=0)


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_unit_step_saturates_at_one(ndim):
    data = torch.zeros(1, 1, *[8] * ndim)
    data[..., 4:] = 1.0
    edges = SobelEdges(ndim=ndim)(data)
    assert (edges[..., 3:5] == 1).all()
    assert not edges[..., :3].any()
    assert not edges[..., 5:].any()


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_planar_step_has_the_same_edges_in_a_volume_as_in_a_slice(axis):
    image = torch.zeros(6, 6)
    image[:, 2:], image[:, 4:] = 0.05, 0.15
    volume = image.unsqueeze(axis).repeat_interleave(6, dim=axis)
    slices = SobelEdges(ndim=2)(image[None, None])[0, 0].unsqueeze(axis).expand_as(volume)
    assert slices.max() < 1
    assert_close(SobelEdges(ndim=3)(volume[None, None])[0, 0], slices)


def test_edges_are_those_of_scipy():
    image = torch.rand(1, 1, 16, 20, generator=torch.Generator().manual_seed(0)) / 8
    first, second = (ndimage.sobel(image[0, 0].numpy(), axis=axis, mode="nearest") for axis in (0, 1))
    wanted = torch.from_numpy(first**2 + second**2).sqrt().clamp(max=1)
    assert_close(SobelEdges()(image)[0, 0], wanted, atol=1e-6, rtol=1e-5)


def test_channels_have_edges_of_their_own():
    data = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)) / 8
    edges = SobelEdges()(data)
    assert edges.shape == data.shape
    assert_close(edges[:, 1:2], SobelEdges()(data[:, 1:2]))


def test_edges_carry_no_gradient_and_leave_the_data_alone():
    data = torch.rand(1, 1, 8, 8, requires_grad=True)
    before = data.detach().clone()
    assert not SobelEdges()(data).requires_grad
    assert torch.equal(data.detach(), before)


def test_kernels_are_frozen():
    assert [parameter.requires_grad for parameter in SobelEdges().parameters()] == [False]
    assert SobelEdges().weight.numel() == 18


def test_signals_have_no_sobel():
    with pytest.raises(ValueError, match="images and volumes, got 1 axes"):
        SobelEdges(ndim=1)


def test_a_token_among_hidden_neighbours_weighs_two():
    grid = (5, 5)
    mask = hide(*range(1, 25), grid=grid)
    centre = mask.masked[0].tolist().index(12)
    assert patchwise_weight(mask, grid=grid)[0, centre] == 2
    assert patchwise_weight(mask, grid=grid, mode="easy")[0, centre] == 1


def test_a_lone_hidden_token_weighs_ten_ninths():
    mask = hide(12, grid=(5, 5))
    assert_close(patchwise_weight(mask, grid=(5, 5)), torch.tensor([[10 / 9]]))
    assert_close(patchwise_weight(mask, grid=(5, 5), mode="easy"), torch.tensor([[2 - 1 / 9]]))


def test_outside_the_image_counts_as_visible():
    mask = hide(*range(24), grid=(5, 5))
    weight = patchwise_weight(mask, grid=(5, 5))[0]
    assert weight[0].item() == pytest.approx(1 + 4 / 9)  # a corner
    assert weight[2].item() == pytest.approx(1 + 6 / 9)  # a border


def test_a_volume_has_27_neighbours():
    grid = (3, 3, 3)
    assert_close(patchwise_weight(hide(13, grid=grid), grid=grid), torch.tensor([[1 + 1 / 27]]))
    density = neighbour_density(hide(*range(26), grid=grid), grid=grid)
    assert density[0, 13].item() == pytest.approx(26 / 27)
    assert density[0, 0].item() == pytest.approx(8 / 27)


def test_a_volume_of_two_tokens_depth_is_weighted_too():
    grid = (2, 4, 4)
    density = neighbour_density(hide(*range(31), grid=grid), grid=grid)
    assert density[0, 5].item() == pytest.approx(18 / 27)


def test_a_signal_has_3_neighbours():
    assert_close(neighbour_density(hide(1, 2, grid=(5,)), grid=(5,)), torch.tensor([[1.0, 2, 2, 1, 0]]) / 3)


def test_weights_are_in_the_order_of_the_masked_tokens():
    noise = torch.rand(2, 36, generator=torch.Generator().manual_seed(0))
    mask = Mask.from_noise(noise, num_visible=10)
    density = neighbour_density(mask, grid=(6, 6))
    for sample in range(2):
        assert_close(patchwise_weight(mask, grid=(6, 6))[sample], 1 + density[sample, mask.masked[sample]])


def test_at_the_published_ratio_the_mean_weight_is_the_published_one():
    noise = torch.rand(40, 1024, generator=torch.Generator().manual_seed(0))
    weight = patchwise_weight(Mask.from_noise(noise, num_visible=307), grid=(32, 32))
    assert weight.mean().item() == pytest.approx(1.704, abs=0.002)
    assert weight.min() + 1e-6 >= 10 / 9
    assert weight.max() <= 2


def test_the_3d_edges_equal_a_dense_convolution_with_the_outer_products_of_their_axes():
    volume = 0.1 * torch.rand(2, 1, 5, 7, 6, generator=torch.Generator().manual_seed(0))
    derivative, smooth = torch.tensor([-1.0, 0.0, 1.0]), torch.tensor([1.0, 2.0, 1.0])
    parts = [[derivative if i == axis else smooth for i in range(3)] for axis in range(3)]
    kernels = torch.stack([torch.einsum("i,j,k->ijk", *part) / 4 for part in parts]).unsqueeze(1)
    padded = torch.nn.functional.pad(volume, [1] * 6, mode="replicate")
    expected = torch.nn.functional.conv3d(padded, kernels).square().sum(dim=1, keepdim=True).sqrt().clamp(max=1)
    torch.testing.assert_close(SobelEdges(ndim=3)(volume), expected)
