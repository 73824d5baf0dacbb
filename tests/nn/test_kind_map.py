"""An encoder of several kinds as a plain network of one."""

import pytest
import torch

from medmae.methods.av_mae import av_mae_tiny
from medmae.methods.mavil import cav_mae_tiny, mavil_tiny
from medmae.nn.kind_map import KindMap

BUILT = {
    "in the middle": lambda: av_mae_tiny(),
    "early, with tokens of kinds": lambda: av_mae_tiny(fusion="early", kind_tokens=True),
    "shared": lambda: av_mae_tiny(fusion="shared"),
    "separate": lambda: av_mae_tiny(fusion="separate"),
    "class tokens": lambda: mavil_tiny(),
    "norms of kinds": lambda: drawn(cav_mae_tiny()),
}


def drawn(method):
    """With norms that are no longer alike."""
    for name, parameter in method.named_parameters():
        if "norm" in name:
            torch.nn.init.normal_(parameter)
    return method


@pytest.mark.parametrize("how", BUILT)
@pytest.mark.parametrize("kind", ["image", "audio"])
def test_it_gives_what_the_encoder_gives_of_that_kind_alone(how, kind):
    torch.manual_seed(1)
    method = BUILT[how]().eval()
    for token in method.encoder.kind_tokens.values():
        torch.nn.init.normal_(token)
    data = method.example_batch(2)[kind]
    network = KindMap(encoder=method.encoder, kind=kind).eval()
    found = network(data)
    wanted = method.encoder.vits[kind].patch_tokens(method.encoder({kind: data})[kind])
    torch.testing.assert_close(found.flatten(2).transpose(1, 2), wanted, atol=0, rtol=0)
    assert found.shape[2:] == method.encoder.vits[kind].patches.grid


def test_it_holds_no_weight_of_another_kind():
    encoder = av_mae_tiny().encoder
    others = {id(parameter) for parameter in encoder.vits["audio"].parameters()}
    assert not others & {id(parameter) for parameter in KindMap(encoder=encoder, kind="image").parameters()}


def test_a_kind_that_the_encoder_does_not_take_is_refused():
    with pytest.raises(ValueError, match="takes image, audio, and not 'ecg'"):
        KindMap(encoder=av_mae_tiny().encoder, kind="ecg")
