"""One kind of an encoder of several, as a plain ViT."""

import pytest
import torch

from medmae.methods.av_mae import av_mae_tiny
from medmae.methods.mavil import cav_mae_tiny, mavil_tiny
from medmae.nn.alone import alone

BUILT = {
    "MAViL": mavil_tiny,
    "CAV-MAE": cav_mae_tiny,
    "early, with tokens of kinds": lambda: av_mae_tiny(fusion="early", kind_tokens=True),
    "shared": lambda: av_mae_tiny(fusion="shared"),
    "separate": lambda: av_mae_tiny(fusion="separate"),
}


@pytest.mark.parametrize("how", BUILT)
@pytest.mark.parametrize("kind", ["image", "audio"])
def test_a_kind_alone_is_a_vit_that_gives_what_the_encoder_gives_of_it(how, kind):
    torch.manual_seed(1)
    method = BUILT[how]().eval()
    for token in method.encoder.kind_tokens.values():
        torch.nn.init.normal_(token)
    data = method.example_batch(2)[kind]
    vit, whole = alone(method.encoder, kind), method.encoder.given_as[kind].cut(data)
    torch.testing.assert_close(vit(whole), method.encoder({kind: data})[kind], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(vit.features(whole), method.encoder.features({kind: data}), atol=1e-5, rtol=1e-5)


def test_a_norm_in_the_middle_has_no_place_in_a_vit():
    with pytest.raises(ValueError, match="a norm stands between"):
        alone(av_mae_tiny().encoder, "image")


def test_a_kind_that_is_not_taken_is_refused():
    with pytest.raises(ValueError, match="takes audio, image, and not 'ecg'"):
        alone(mavil_tiny().encoder, "ecg")
