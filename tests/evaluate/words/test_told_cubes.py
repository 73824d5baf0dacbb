"""What hidden cubes cost by which words are read: a method that listens gains by its own words."""

from __future__ import annotations

import pytest
import torch

from medmae.evaluate.words.told_cubes import NO_WORDS, OTHER_WORDS, OWN_WORDS, ToldOfClips, cube_costs
from medmae.masking.base import Mask
from medmae.methods.base import StepOutput
from medmae.methods.simvtp import simvtp_tiny
from medmae.methods.smaug import smaug_tiny

PAD, CLS, SEP, DARK, BRIGHT = range(5)
BATCH = {
    "image": torch.tensor([0.2, 0.8]).reshape(2, 1, 1, 1, 1).expand(2, 1, 2, 2, 2),
    "words": torch.tensor([[CLS, DARK, SEP, PAD], [CLS, BRIGHT, BRIGHT, SEP]]),
}
MASKS = {"image": Mask.from_bool(torch.tensor([[True, False]]).expand(2, 2))}


class Listens:
    """Predicts the grey that the words tell, and the mean of both where none is to be seen."""

    kinds = {"image": None, "words": None}

    def target(self, batch, mask):
        return batch["image"].flatten(1)[:, None, :1].expand(-1, mask.num_masked, -1)

    def __call__(self, batch, *, masks, generator):
        hidden = masks["words"].decoded()
        tells = [((batch["words"] == word) & ~hidden).any(dim=1) for word in (DARK, BRIGHT)]
        grey = 0.5 + 0.3 * (tells[1].float() - tells[0].float())
        return StepOutput.of(terms={"image": torch.zeros(())}, prediction={"image": grey[:, None, None]})


def test_own_words_help_others_mislead_and_hidden_ones_say_nothing():
    costs = cube_costs(Listens(), BATCH, MASKS, other=torch.tensor([1, 0]), pad=PAD)
    assert costs[OWN_WORDS].tolist() == pytest.approx([0, 0], abs=1e-12)
    assert costs[OTHER_WORDS].tolist() == pytest.approx([0.36, 0.36])
    assert costs[NO_WORDS].tolist() == pytest.approx([0.09, 0.09])


def test_costs_of_a_batch_have_the_mean_that_a_step_has():
    torch.manual_seed(0)
    method = simvtp_tiny().eval()
    batch = method.example_batch(3, generator=torch.Generator().manual_seed(0))
    masks = method.draw_masks(batch, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        costs = cube_costs(method, batch, masks, other=torch.tensor([1, 2, 0]), pad=method.encoder.words.pad)
    real = method.encoder.words.real(batch["words"])
    whole = Mask.from_bool(torch.zeros_like(real), real=real, replaced=True)
    step = method(batch, masks={**masks, "words": whole}, generator=torch.Generator().manual_seed(0))
    assert float(costs[OWN_WORDS].mean()) == pytest.approx(float(step.terms["image"].detach()), rel=1e-5)
    assert not torch.allclose(costs[OWN_WORDS], costs[OTHER_WORDS])


def test_a_method_whose_pictures_read_no_words_is_not_asked():
    assert isinstance(simvtp_tiny(), ToldOfClips)
    assert not isinstance(smaug_tiny(), ToldOfClips)
