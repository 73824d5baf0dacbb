"""Which plane of what is drawn, and in which colours."""

import torch

from medmae.evaluate.reconstruct.panels import plane_of
from medmae.kinds import Kind


def test_the_middle_of_a_clip_is_drawn_in_its_colours_not_in_red_alone():
    clip = torch.zeros(3, 5, 4, 6)
    clip[1, 2] = 1.0  # green, in the middle frame
    picture = plane_of(clip, colour=Kind.clip(channels=3).colour)
    assert picture.shape == (4, 6, 3)
    assert picture.max(axis=(0, 1)).tolist() == [0.0, 1.0, 0.0]


def test_channels_that_are_no_colours_are_not_drawn_as_such():
    slices = torch.stack([torch.full((4, 6), value) for value in (0.1, 0.2, 0.3)])
    assert plane_of(slices, colour=Kind.slice(channels=3).colour).shape == (4, 6)
    assert plane_of(slices, colour=Kind.image(channels=3).colour).shape == (4, 6, 3)


def test_of_a_volume_the_middle_slice_is_drawn():
    volume = torch.arange(5.0).reshape(1, 5, 1, 1).expand(1, 5, 2, 3)
    assert (plane_of(volume) == 2.0).all()
