"""What every method keeps, whatever it learns from: a new one is tested the moment its file exists.

Further contracts go by what a method can do and says of itself: test_masked, test_supervised, test_contrastive,
test_distilled. A method that several of them are about keeps all of these.
"""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from medmae.kinds import Kind
from medmae.masking import Mask
from medmae.nn.encoder import Encoder
from medmae.weights.io import import_state, load_state, save_safetensors
from tests.contracts.cases import BUILD, CONTRASTIVE, MASKED, SPECS, SUPERVISED, built, seeded
from tests.contracts.parts import vit
from tests.contracts.stubs.pair import FACE


def test_every_method_says_what_it_learns_from():
    assert set(MASKED) | set(SUPERVISED) | set(CONTRASTIVE) == set(BUILD)


def test_needs_are_known_words(method):
    assert method.needs <= {"target", "teacher", "negatives"}


def test_the_loss_is_a_finite_scalar(method, batch):
    loss = method(batch, generator=seeded(0)).loss
    assert loss.shape == ()
    assert loss.isfinite()


@pytest.mark.parametrize("name", list(SPECS))
def test_bytes_are_refused_with_what_to_do(method, batch):
    data = {key: (value * 255).to(torch.uint8) if key in method.kinds else value for key, value in batch.items()}
    with pytest.raises(ValueError, match=r"whole numbers are no data .* dtype='float32' of the view"):
        method(data, generator=seeded(0))


def test_the_terms_add_up_to_the_loss(method, batch):
    out = method(batch, generator=seeded(0))
    assert out.terms
    assert_close(out.loss, sum(out.terms.values()))


def test_every_prediction_has_a_row_a_sample(method, batch):
    prediction = method(batch, generator=seeded(0)).prediction
    assert prediction
    assert {len(rows) for rows in prediction.values()} == {3}


def test_every_trainable_parameter_gets_a_finite_gradient_that_is_not_zero(method, batch):
    method(batch, generator=seeded(0)).loss.backward()
    idle = [
        key
        for key, parameter in method.named_parameters()
        if parameter.requires_grad
        and (parameter.grad is None or not parameter.grad.isfinite().all() or not parameter.grad.any())
    ]
    assert idle == []


def test_frozen_parameters_get_no_gradient(method, batch):
    method(batch, generator=seeded(0)).loss.backward()
    assert [key for key, p in method.named_parameters() if not p.requires_grad and p.grad is not None] == []


def test_the_same_seed_gives_the_same_loss(method, batch):
    first, second = (method(batch, generator=seeded(5)) for _ in range(2))
    assert torch.equal(first.loss, second.loss)


def test_the_generator_is_the_only_source_of_randomness(method, batch):
    before = torch.get_rng_state()
    method(batch, generator=seeded(5))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_step_leaves_the_batch_as_it_was(method, batch):
    before = {key: value.clone() for key, value in batch.items()}
    method(batch, generator=seeded(0)).loss.backward()
    assert all(torch.equal(batch[key], before[key]) for key in before)


@pytest.mark.parametrize("name", sorted(set(BUILD) - set(CONTRASTIVE)))
def test_a_batch_of_one_works(method):
    batch = method.example_batch(1, generator=seeded(1))
    out = method(batch, generator=seeded(0))
    assert out.loss.isfinite()
    assert all(len(prediction) == 1 for prediction in out.prediction.values())


def test_weights_survive_safetensors(name, method, batch, tmp_path):
    save_safetensors(method.state_dict(), tmp_path / "model.safetensors")
    twin = built(name, seed=1)
    assert not torch.equal(twin(batch, generator=seeded(5)).loss, method(batch, generator=seeded(5)).loss)
    import_state(twin, load_state(tmp_path / "model.safetensors"))
    assert torch.equal(twin(batch, generator=seeded(5)).loss, method(batch, generator=seeded(5)).loss)


def test_what_a_method_takes_is_what_its_encoders_take_or_more(method, batch):
    taken = {name for encoder in method.encoders.values() for name in encoder.kinds}
    assert taken
    assert taken <= set(method.kinds) <= set(batch)
    assert {name: kind.name for name, kind in method.kinds.items()} == {name: name for name in method.kinds}


def test_encoders_are_parts_by_their_names(method):
    assert {name: method.get_submodule(name) for name in method.encoders} == dict(method.encoders)


def test_every_encoder_gives_a_row_a_sample_without_a_mask(method, batch):
    for encoder in method.encoders.values():
        assert isinstance(encoder, Encoder)
        features = encoder.eval().features({name: batch[name] for name in encoder.kinds})
        assert features.shape == (3, encoder.dim)
        assert features.isfinite().all()
        assert not torch.allclose(features[0], features[1])


def test_every_encoder_can_be_as_it_was_before_it_learnt(method, batch):
    for encoder in method.encoders.values():
        data = {name: batch[name] for name in encoder.kinds}
        before = encoder.eval().features(data)
        fresh, again, other = (encoder.fresh(seed=seed).eval().features(data) for seed in (3, 3, 4))
        assert torch.equal(encoder.features(data), before)
        assert torch.equal(fresh, again)
        assert not torch.allclose(fresh, before)
        assert not torch.allclose(fresh, other)


def test_every_encoder_names_its_parameters_by_layer(method):
    for encoder in method.encoders.values():
        layers = encoder.layers()
        named = [id(parameter) for layer in layers for parameter in layer]
        assert len(layers) > 1
        assert len(set(named)) == len(named)
        assert set(named) <= {id(parameter) for parameter in encoder.parameters()}


@pytest.mark.parametrize("name", sorted(set(BUILD) - set(MASKED)))
def test_a_method_that_hides_nothing_takes_no_mask_and_gives_none(method, batch):
    assert not method(batch, generator=seeded(0)).masks
    with pytest.raises(ValueError, match="hides nothing"):
        method(batch, masks={"image": Mask.from_bool(torch.eye(2, dtype=torch.bool))})


def test_encoders_that_mean_different_things_by_one_name_are_refused():
    method = built("pair")
    method.voice = vit(Kind.image("face", channels=1), (16, 16), (8, 8))
    with pytest.raises(ValueError, match="voice takes another 'face' than the encoders before it"):
        method.kinds  # noqa: B018
    method.voice = vit(FACE, (16, 16), (8, 8))
    assert set(method.kinds) == {"face", "skeleton"}
