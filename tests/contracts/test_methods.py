"""What every registered method keeps: a new one is tested the moment its file exists.

Some contracts are about what is hidden and hold for masked methods, some about what is wanted and hold for the others.
"""

from __future__ import annotations

import inspect

import pytest
import torch
from torch.testing import assert_close
from torch.utils.flop_counter import FlopCounterMode

from medmae.masking import Mask
from medmae.methods.base import MaskedMethod, Method
from medmae.methods.registry import create, methods
from medmae.weights.io import import_state, load_state, save_safetensors

SPECS = methods()
PRESETS = [(name, preset) for name, spec in SPECS.items() for preset in spec.presets]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tiny(name: str, *, seed: int = 0) -> Method:
    torch.manual_seed(seed)
    return create(name, preset="tiny")


@pytest.fixture(params=SPECS)
def name(request):
    return request.param


@pytest.fixture
def method(name):
    return tiny(name)


@pytest.fixture
def batch(method):
    return method.example_batch(3, generator=seeded(1))


@pytest.fixture
def masked(method):
    if not isinstance(method, MaskedMethod):
        pytest.skip("a supervised method hides nothing")
    return method


@pytest.fixture
def supervised(method):
    if isinstance(method, MaskedMethod):
        pytest.skip("the target of a masked method is its own input")
    return method


@pytest.fixture
def mask(masked, batch):
    """What is shown and what is hidden, without the order that a method may draw."""
    drawn = masked.draw_mask(batch, generator=seeded(2))
    return Mask(drawn.visible, drawn.masked, drawn.num_tokens, drawn.skipped)


@pytest.fixture
def patches(masked):
    """Patches by name, in the order in which tokens are counted."""
    if hasattr(masked, "modalities"):
        return masked.modalities.patches
    if not hasattr(masked, "patches"):
        pytest.fail(f"{type(masked).__name__} cannot be tested for leaks: it has neither patches nor modalities")
    return {"image": masked.patches}


@pytest.fixture
def data(batch):
    """What the encoder alone takes."""
    return batch["image"] if "image" in batch else next(iter(batch.values()))


def table_by_name(patches, table):
    """``(B, N)`` over all tokens -> the part of each kind of data."""
    parts = table.split([part.num_tokens for part in patches.values()], dim=1)
    return dict(zip(patches, parts, strict=True))


def with_other_tokens(batch, patches, which):
    """The batch with noise in the patches that are True in ``which`` ``(B, N)``."""
    generator, changed = seeded(9), dict(batch)
    for name, table in table_by_name(patches, which).items():
        rows = patches[name].cut(batch[name])
        noise = torch.rand(rows.shape, generator=generator)
        changed[name] = patches[name].join(torch.where(table.unsqueeze(2), noise, rows))
    return changed


def test_every_method_has_a_tiny_preset_and_names_its_paper(name):
    spec = SPECS[name]
    assert "tiny" in spec.presets
    assert spec.name == name
    assert spec.title
    assert spec.paper


def test_every_module_names_paper_reference_and_deviations(name):
    page = inspect.getdoc(inspect.getmodule(SPECS[name].cls))
    assert [word for word in ("Paper:", "Reference:", "Deviations:") if word not in page] == []


@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_every_preset_constructs_without_memory(name, preset):
    with torch.device("meta"):
        method = create(name, preset=preset)
    assert isinstance(method, SPECS[name].cls)
    assert sum(parameter.numel() for parameter in method.parameters()) > 0


def test_the_loss_is_a_finite_scalar(method, batch):
    loss = method(batch, generator=seeded(0)).loss
    assert loss.shape == ()
    assert loss.isfinite()


def test_the_terms_add_up_to_the_loss(method, batch):
    out = method(batch, generator=seeded(0))
    assert out.terms
    assert_close(out.loss, sum(out.terms.values()))


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


def test_another_seed_gives_another_mask(masked, batch):
    first, second = (masked(batch, generator=seeded(seed)).mask for seed in (5, 6))
    assert not torch.equal(first.as_bool(), second.as_bool())


def test_the_generator_is_the_only_source_of_randomness(method, batch):
    before = torch.get_rng_state()
    method(batch, generator=seeded(5))
    assert torch.equal(torch.get_rng_state(), before)


def test_draw_mask_gives_the_mask_that_forward_draws(masked, batch):
    drawn = masked.draw_mask(batch, generator=seeded(5))
    assert torch.equal(masked(batch, generator=seeded(5)).mask.visible, drawn.visible)


def test_a_mask_handed_in_is_replayed(masked, batch):
    drawn = masked(batch, generator=seeded(5))
    replayed = masked(batch, mask=drawn.mask)
    assert torch.equal(replayed.mask.visible, drawn.mask.visible)
    assert torch.equal(replayed.loss, drawn.loss)


def test_a_step_leaves_the_batch_as_it_was(method, batch):
    before = {key: value.clone() for key, value in batch.items()}
    method(batch, generator=seeded(0)).loss.backward()
    assert all(torch.equal(batch[key], before[key]) for key in before)


def test_a_batch_of_one_works(method):
    batch = method.example_batch(1, generator=seeded(1))
    out = method(batch, generator=seeded(0))
    assert out.loss.isfinite()
    assert all(len(prediction) == 1 for prediction in out.prediction.values())


def test_a_batch_of_one_can_be_looked_at(masked):
    batch = masked.example_batch(1, generator=seeded(1))
    mask = masked.draw_mask(batch, generator=seeded(0))
    assert all(len(picture) == 1 for picture in masked.reconstruct(batch, mask).values())


def test_prediction_rows_are_in_the_order_of_the_masked_tokens(method, batch, mask):
    """Or, where samples hide different numbers of a modality's tokens, all of these in raster order."""
    turned = Mask(mask.visible, mask.masked.flip(1), mask.num_tokens)
    straight, reverse = method(batch, mask=mask), method(batch, mask=turned)
    assert straight.prediction
    for key, prediction in straight.prediction.items():
        raster = hasattr(method, "modalities")
        assert prediction.shape[:2] == (len(mask.masked), method.modalities.num_tokens if raster else mask.num_masked)
        assert_close(reverse.prediction[key], prediction if raster else prediction.flip(1), atol=1e-5, rtol=1e-4)
    assert_close(reverse.loss, straight.loss, atol=1e-5, rtol=1e-4)


def test_the_order_of_visible_tokens_does_not_matter(method, batch, mask):
    shuffled = Mask(mask.visible.flip(1), mask.masked, mask.num_tokens)
    straight, other = method(batch, mask=mask), method(batch, mask=shuffled)
    for key, prediction in straight.prediction.items():
        assert_close(other.prediction[key], prediction, atol=1e-5, rtol=1e-4)


def test_what_is_hidden_does_not_influence_the_prediction(method, batch, mask, patches):
    before, after = method(batch, mask=mask), method(with_other_tokens(batch, patches, mask.as_bool()), mask=mask)
    for key, prediction in before.prediction.items():
        assert_close(after.prediction[key], prediction, atol=1e-6, rtol=0)


def test_what_is_visible_does_influence_the_prediction(method, batch, mask, patches):
    before, after = method(batch, mask=mask), method(with_other_tokens(batch, patches, ~mask.as_bool()), mask=mask)
    for key, prediction in before.prediction.items():
        assert not torch.allclose(after.prediction[key], prediction, atol=1e-6)


def test_weights_survive_safetensors(name, method, batch, tmp_path):
    save_safetensors(method.state_dict(), tmp_path / "model.safetensors")
    twin = tiny(name, seed=1)
    assert not torch.equal(twin(batch, generator=seeded(5)).loss, method(batch, generator=seeded(5)).loss)
    import_state(twin, load_state(tmp_path / "model.safetensors"))
    assert torch.equal(twin(batch, generator=seeded(5)).loss, method(batch, generator=seeded(5)).loss)


def test_reconstruct_pastes_what_was_visible_and_nothing_else(method, batch, mask, patches):
    pictures = method.reconstruct(batch, mask)
    assert {picture.shape for picture in pictures.values()} <= {batch[name].shape for name in patches}
    assert not any(picture.requires_grad for picture in pictures.values())
    tables = table_by_name(patches, mask.as_bool())
    assert patches.keys() & pictures.keys()
    for name in patches.keys() & pictures.keys():
        rows, pasted, hidden = patches[name].cut(batch[name]), patches[name].cut(pictures[name]), tables[name]
        assert_close(pasted[~hidden], rows[~hidden])
        assert not torch.isclose(pasted[hidden], rows[hidden]).all(dim=1).any()


def test_the_encoder_s_work_falls_with_the_mask_ratio(method, data, mask):
    def work(visible):
        with FlopCounterMode(display=False) as counter:
            method.encoder(data, visible)
        return counter.get_total_flops()

    count = method.encoder.patches.num_tokens
    some = torch.arange(count).expand(len(data), count)
    assert 0 < work(some[:, : count // 4]) < work(some[:, : count // 2]) < work(None)


def test_the_encoder_alone_needs_no_mask(method, data):
    tokens = method.encoder(data)
    assert tokens.shape[0] == len(data)
    assert tokens.shape[1] >= method.encoder.patches.num_tokens
    assert tokens.isfinite().all()


def test_a_supervised_method_takes_no_mask_and_gives_none(supervised, batch):
    assert supervised(batch).mask is None
    with pytest.raises(ValueError, match="hides nothing"):
        supervised(batch, mask=Mask.from_bool(torch.eye(2, dtype=torch.bool)))


def test_the_target_does_not_influence_the_prediction(supervised, batch):
    other = {**batch, "target": torch.rand(batch["target"].shape, generator=seeded(9))}
    before, after = supervised(batch), supervised(other)
    assert before.prediction
    assert all(torch.equal(after.prediction[key], prediction) for key, prediction in before.prediction.items())
    assert not torch.equal(after.loss, before.loss)


def test_a_batch_without_a_target_is_refused(supervised, batch):
    with pytest.raises(ValueError, match='needs "target"'):
        supervised({key: value for key, value in batch.items() if key != "target"})


def test_the_input_influences_the_prediction_of_its_own_sample_alone(supervised, batch):
    image = batch["image"].clone()
    image[0] = torch.rand(image[0].shape, generator=seeded(9))
    before, after = supervised(batch), supervised({**batch, "image": image})
    for key, prediction in before.prediction.items():
        assert not torch.allclose(after.prediction[key][0], prediction[0], atol=1e-6)
        assert_close(after.prediction[key][1:], prediction[1:], atol=1e-6, rtol=0)
