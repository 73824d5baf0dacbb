"""What a tensor is, and what a network expects of it."""

from __future__ import annotations

import json
import math

import pytest
import torch
from timm.data import constants

from medmae.kinds import SCALES, Axis, Kind, Scale
from medmae.tokens.spectrogram import av_mae, kaldi


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
        Kind.spectrogram(),
        kaldi().kind(),
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


@pytest.mark.parametrize("front", [kaldi(), av_mae()])
def test_entries_of_a_spectrogram_lie_where_its_front_end_says(front):
    kind = front.kind("heart")
    time, frequency = kind.axes
    assert (kind.name, kind.roles, time.unit, frequency.unit) == ("heart", ("time", "frequency"), "s", "Hz")
    assert [time.place(index) for index in range(5)] == pytest.approx(front.seconds(5).tolist())
    assert [frequency.place(index) for index in range(128)] == pytest.approx(front.hertz().tolist(), rel=1e-5)
    assert [frequency.index(frequency.place(index)) for index in range(128)] == pytest.approx(range(128))


def test_the_peak_of_a_spectrogram_lies_between_silence_and_a_sine_of_full_scale():
    front = kaldi()
    middle = float(front.hertz()[60])
    sine = torch.sin(2 * math.pi * middle * torch.arange(16_000) / 16_000).unsqueeze(0)
    loudest = front(sine)[0, 0].max().item()
    assert front.kind().peak == pytest.approx(loudest - front.silence, rel=0.05)
    assert front.kind().unit == "ln of energy"


def test_a_network_learns_of_its_data_what_it_does_not_say_itself():
    network, data = Kind.spectrogram(scale=Scale((-4.0,), (9.0,))), kaldi().kind()
    measured = network.measured(data)
    assert (measured.axes, measured.peak, measured.unit) == (data.axes, data.peak, data.unit)
    assert measured.scale == network.scale
    assert network.measured(None) is network
    assert network.measured(Kind.image(channels=1)) is network
    assert Kind.image().measured(Kind.image(peak=255.0, unit="HU")).peak == 1.0


@pytest.mark.parametrize("options", [{"step": 0.01}, {"unit": "s", "step": 0.0}, {"unit": "s", "start": float("nan")}])
def test_places_without_a_unit_or_without_an_order_are_refused(options):
    with pytest.raises(ValueError, match=r"unit|positive step"):
        Axis("time", **options)
