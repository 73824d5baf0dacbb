"""Random resized crops: torchvision's rule and arithmetic."""

from __future__ import annotations

import pytest
import torch
from torchvision.transforms.v2 import InterpolationMode, RandomResizedCrop
from torchvision.transforms.v2 import functional as F

from medmae.data.augment.resized_crops import Crops, crop_and_resize, draw_crops

FIGURES = {"scale": (0.8, 1.0), "ratio": (3 / 4, 4 / 3), "flip": 0.5}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def draw(shape, **figures):
    return draw_crops(shape, **{**FIGURES, **figures}, generator=seeded())


@pytest.mark.parametrize("shape", [(2000, 3, 224, 224), (2000, 1, 60, 90), (2000, 1, 7, 5)])
def test_boxes_lie_inside_the_image(shape):
    top, left, height, width = draw(shape).boxes.unbind(1)
    assert min(top.min(), left.min()) >= 0
    assert min(height.min(), width.min()) >= 1
    assert (top + height).max() <= shape[2]
    assert (left + width).max() <= shape[3]


@pytest.mark.parametrize("scale", [(0.8, 1.0), (0.1, 0.5)])
def test_areas_and_shapes_are_distributed_as_torchvision_draws_them(scale):
    torch.manual_seed(0)
    image, transform = torch.empty(1, 224, 224), RandomResizedCrop(224, scale=scale)
    theirs = torch.tensor([list(transform.make_params([image]).values()) for _ in range(3000)]).float()
    ours = draw((3000, 1, 224, 224), scale=scale).boxes.float()
    for value in (lambda box: box[:, 2] * box[:, 3], lambda box: box[:, 3] / box[:, 2], lambda box: box[:, 0]):
        mine, other = value(ours), value(theirs)
        assert (mine.mean() - other.mean()).abs() < 5 * other.std() * (2 / 3000) ** 0.5
        assert mine.std() / other.std() == pytest.approx(1, abs=0.1)


def test_a_flip_has_its_chance():
    assert draw((4000, 1, 8, 8)).flips.float().mean().item() == pytest.approx(0.5, abs=0.03)
    assert not draw((50, 1, 8, 8), flip=0.0).flips.any()
    assert draw((50, 1, 8, 8), flip=1.0).flips.all()


@pytest.mark.parametrize(
    ("shape", "box"), [((3, 1, 100, 400), (0, 133, 100, 133)), ((3, 1, 400, 100), (133, 0, 133, 100))]
)
def test_where_no_box_fits_the_largest_in_the_centre_is_taken(shape, box):
    assert draw(shape, scale=(0.9, 1.0)).boxes.tolist() == [list(box)] * 3


@pytest.mark.parametrize("size", [224, 40])
def test_a_crop_is_torchvision_s_to_rounding(size):
    images, crops = torch.rand(6, 5, 96, 80), draw((6, 5, 96, 80))
    assert 0 < crops.flips.sum() < 6
    ours = crop_and_resize(images, crops, size=size)
    for image, box, flip, mine in zip(images, crops.boxes.tolist(), crops.flips.tolist(), ours, strict=True):
        theirs = F.resized_crop(image, *box, [size, size], antialias=True)
        torch.testing.assert_close(mine, F.horizontal_flip(theirs) if flip else theirs, atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [(16, 24), (64, 72)])
def test_a_crop_may_become_any_shape_and_be_bicubic(size):
    images, crops = torch.rand(4, 2, 40, 60), draw((4, 2, 40, 60))
    ours = crop_and_resize(images, crops, size=size, mode="bicubic")
    mode = InterpolationMode.BICUBIC
    for image, box, flip, mine in zip(images, crops.boxes.tolist(), crops.flips.tolist(), ours, strict=True):
        theirs = F.resized_crop(image, *box, list(size), interpolation=mode, antialias=True)
        torch.testing.assert_close(mine, F.horizontal_flip(theirs) if flip else theirs, atol=1e-6, rtol=0)


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("size", [64, 20])
def test_bytes_give_the_whole_numbers_that_torchvision_gives(size, channels):
    images = torch.randint(0, 256, (4, channels, 40, 60), dtype=torch.uint8)
    crops = draw((4, channels, 40, 60))
    ours = crop_and_resize(images, crops, size=size, mode="bicubic")
    assert ours.dtype == torch.uint8
    mode = InterpolationMode.BICUBIC
    for image, box, flip, mine in zip(images, crops.boxes.tolist(), crops.flips.tolist(), ours, strict=True):
        theirs = F.resized_crop(image, *box, [size, size], interpolation=mode, antialias=True)
        theirs = F.horizontal_flip(theirs) if flip else theirs
        assert (mine.int() - theirs.int()).abs().max() <= 1


def test_the_whole_image_at_its_size_comes_back_unchanged():
    images = torch.rand(2, 3, 16, 16)
    crops = Crops(boxes=torch.tensor([[0, 0, 16, 16]] * 2), flips=torch.tensor([False, True]))
    out = crop_and_resize(images, crops, size=16)
    assert torch.equal(out[0], images[0])
    assert torch.equal(out[1], images[1].flip(-1))


def test_the_generator_decides_everything():
    first, second = draw((20, 1, 64, 64)), draw((20, 1, 64, 64))
    assert torch.equal(first.boxes, second.boxes)
    assert torch.equal(first.flips, second.flips)
    other = draw_crops((20, 1, 64, 64), **FIGURES, generator=seeded(1))
    assert not torch.equal(other.boxes, first.boxes)
