"""What a tensor is, and what a network expects of it."""

from __future__ import annotations

import json

import pytest
import torch
from timm.data import constants

from medmae.kinds import SCALES, Axis, Kind, Scale


@pytest.mark.parametrize("size", [(5,), (4, 6), (16, 4, 6), (3, 4, 6)])
def test_a_scale_goes_over_channels_whatever_the_axes_and_never_over_time(size):
    data = torch.rand(2, 3, *size)
    scaled = SCALES["imagenet"].apply(data)
    for channel, (mean, std) in enumerate(zip(*SCALES["imagenet"].as_dict().values(), strict=True)):
        torch.testing.assert_close(scaled[:, channel], (data[:, channel] - mean) / std)
    torch.testing.assert_close(SCALES["imagenet"].invert(scaled), data)


def test_the_identity_gives_the_very_tensor_back():
    data = torch.rand(1, 2, 3)
    assert Scale().apply(data) is data
    assert Scale().invert(data) is data
    assert Scale((0.0, 0.0), (1.0, 1.0)).identity
    assert Scale((0.5,) * 3, (0.5,) * 3) == Scale((0.5,), (0.5,)) == Scale.of("half", channels=3)
    assert hash(Scale((0.1, 0.2), (0.5, 0.5))) == hash(Scale((0.1, 0.2), (0.5,)))


def test_one_number_is_for_all_channels_and_the_result_is_float32():
    half = SCALES["half"].apply(torch.full((1, 5, 2), 0.5, dtype=torch.float16))
    assert half.dtype == torch.float32
    assert not half.any()


@pytest.mark.parametrize("channels", [1, 4])
def test_a_wrong_number_of_channels_is_refused(channels):
    for run in (SCALES["imagenet"].apply, SCALES["imagenet"].invert):
        with pytest.raises(ValueError, match="3 channels"):
            run(torch.rand(1, channels, 8, 8))


@pytest.mark.parametrize(
    ("mean", "std"),
    [((0.0,), (0.0,)), ((0.0,), (-1.0,)), ((float("nan"),), (1.0,)), ((0.0, 1.0), (1.0,) * 3), ((), (1.0,))],
)
def test_numbers_that_scale_nothing_are_refused(mean, std):
    with pytest.raises(ValueError, match=r"mean|finite"):
        Scale(mean, std)


def test_published_scales_have_names_and_are_those_of_timm():
    assert Scale.of("imagenet") == Scale(constants.IMAGENET_DEFAULT_MEAN, constants.IMAGENET_DEFAULT_STD)
    assert SCALES["half"].mean * 3 == constants.IMAGENET_INCEPTION_MEAN
    with pytest.raises(ValueError, match="imagenet"):
        Scale.of("imagenette")


@pytest.mark.parametrize(
    "kind",
    [
        Kind.image(),
        Kind.image(channels=4, scale=Scale((0.1,) * 4, (0.2,))),
        Kind.slice(channels=3),
        Kind.volume(unit="HU", peak=None),
        Kind.clip(),
        Kind.of("sound", ["frequency", "time"]),
        Kind.of("skeleton", ["time", "joint"], channels=["x", "y", "z"], unit="m", peak=None),
        Kind.of("cloud", ["point"], channels=["x", "y", "z"]),
        Kind.of("caption", ["word"], channels=["token"], peak=None),
    ],
    ids=lambda kind: f"{kind.name}-{len(kind.channels)}",
)
def test_a_kind_survives_json(kind):
    assert Kind.from_dict(json.loads(json.dumps(kind.as_dict()))) == kind


def test_three_channels_of_a_picture_are_colours_those_of_a_slice_are_neighbours():
    assert Kind.image().colour
    assert Kind.clip().colour
    assert not Kind.slice(channels=3).colour
    assert not Kind.image(channels=1).colour


def test_joints_points_and_words_are_not_smooth():
    assert Kind.clip().smooth
    assert not Kind.of("skeleton", ["time", "joint"]).smooth
    assert [Axis(role).smooth for role in ("point", "word", "frequency", "depth")] == [False, False, True, True]


def test_axes_are_found_by_their_role():
    assert [Kind.clip().axis(role) for role in ("time", "row", "column")] == [2, 3, 4]
    with pytest.raises(ValueError, match="no axis of depth"):
        Kind.clip().axis("depth")


def test_data_of_another_form_is_refused():
    Kind.clip().check(torch.rand(1, 3, 2, 4, 4))
    with pytest.raises(ValueError, match="B, 3, time, row, column"):
        Kind.clip().check(torch.rand(1, 3, 4, 4))
    with pytest.raises(ValueError, match="B, 3, row, column"):
        Kind.image().check(torch.rand(1, 1, 4, 4))


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="two axes"):
        Kind.of("image", ["row", "row"])
    with pytest.raises(ValueError, match="role"):
        Axis("height")
    with pytest.raises(ValueError, match="at least one channel"):
        Kind.image(channels=0)
    with pytest.raises(ValueError, match="3 channels"):
        Kind.image(channels=1).scaled(SCALES["imagenet"])
