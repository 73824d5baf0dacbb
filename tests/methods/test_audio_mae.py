"""Audio-MAE: sizes, what is hidden, and fine-tuning with hidden lines."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from medmae.masking.lines import LineMasking
from medmae.methods.audio_mae import audio_mae_tiny
from medmae.methods.classification import Classification
from medmae.methods.registry import create
from medmae.nn.heads import Classifier
from medmae.tokens.spectrogram import kaldi


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("preset", "decoder", "count", "trainable"),
    [
        ("base", "window", 136_992_768, 136_336_128),
        ("base", "global", 111_656_448, 110_999_808),
        ("large", "window", 354_576_640, None),
        ("large", "global", 329_240_320, None),
    ],
)
def test_parameters_are_as_many_as_published(preset, decoder, count, trainable):
    with torch.device("meta"):
        method = create("audio_mae", preset=preset, decoder=decoder)
    assert sum(parameter.numel() for parameter in method.parameters()) == count
    if trainable is not None:
        assert sum(parameter.numel() for parameter in method.parameters() if parameter.requires_grad) == trainable
        assert sum(p.numel() for p in method.encoder.parameters() if p.requires_grad) == 85_254_144


def test_of_ten_seconds_a_fifth_of_512_tokens_is_seen():
    with torch.device("meta"):
        method = create("audio_mae", preset="base")
        lines = create("audio_mae", preset="base", line_ratios=(0.7, 0.3))
    assert (method.patches.grid, method.masking.num_visible) == ((64, 8), 102)
    assert lines.masking.num_visible == 95
    assert method.kind.measured(kaldi().kind()).axes[0].unit == "s"


def test_whole_stretches_of_time_and_bands_may_be_hidden_instead():
    method = audio_mae_tiny(line_ratios=(0.5, 0.5))
    out = method(method.example_batch(2, generator=seeded(1)), generator=seeded(2))
    assert out.masks["audio"].num_visible == 8  # 4 of 8 times, 2 of 4 bands
    assert out.loss.isfinite()


def test_frames_that_were_not_heard_are_neither_seen_nor_a_target():
    torch.manual_seed(0)
    method = audio_mae_tiny()
    batch = method.example_batch(2, generator=seeded(1))
    batch["real"] = torch.ones(2, 1, 64, 32, dtype=torch.bool)
    batch["real"][0, :, 40:] = False
    drawn = method.draw_masks(batch, generator=seeded(2))
    other = {**batch, "audio": batch["audio"].clone()}
    other["audio"][0, :, 40:] = 9.0
    before, after = (method(some, masks=drawn) for some in (batch, other))
    assert drawn["audio"].skipped
    assert torch.equal(before.loss, after.loss)


class Seen(nn.Module):
    """Keeps how many tokens a classifier is given."""

    def __init__(self, network):
        super().__init__()
        self.network, self.counts = network, []

    def forward(self, data, visible=None):
        self.counts.append(None if visible is None else visible.shape[1])
        return self.network(data, visible)


def test_fine_tuning_hides_lines_in_training_alone_by_the_step_s_own_draw():
    torch.manual_seed(0)
    encoder = audio_mae_tiny().encoder
    seen = Seen(Classifier(encoder=encoder, num_classes=2))
    nn.init.normal_(seen.network.head.weight)
    method = Classification(network=seen, masking=LineMasking(grid=encoder.patches.grid, ratios=(0.25, 0.25)))
    batch = method.example_batch(3, generator=seeded(1))
    first, second, third = (method.train()(batch, generator=seeded(seed)).loss for seed in (0, 0, 1))
    assert torch.equal(first, second)
    assert not torch.equal(first, third)
    whole = method.eval()(batch, generator=seeded(0)).loss
    assert seen.counts == [18, 18, 18, None]
    assert not torch.equal(whole, first)
