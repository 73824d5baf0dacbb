"""A classifier on a pre-trained encoder, as a method that the one training module trains."""

import pytest
import torch

from medmae.methods.classification import Classification
from medmae.methods.he_mmae import he_mmae_tiny
from medmae.methods.mae import mae_tiny
from medmae.nn.heads import Classifier
from medmae.training.optim import OptimizerSpec


def build(pool="class_token"):
    torch.manual_seed(0)
    return Classification(network=Classifier(encoder=he_mmae_tiny(scale="imagenet").encoder, num_classes=3, pool=pool))


def test_labels_and_shares_of_classes_give_the_same_loss():
    method, batch = build(), {"rgb": torch.rand(4, 3, 32, 32), "label": torch.tensor([0, 1, 2, 1])}
    shares = {**batch, "target": torch.eye(3)[batch["label"]], "label": torch.zeros(4)}
    assert torch.equal(method(batch).loss, method(shares).loss)


@pytest.mark.parametrize("pool", ["class_token", "mean", "all"])
def test_the_network_can_be_scripted_whatever_it_pools(pool):
    network, image = build(pool).network.eval(), torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(torch.jit.script(network)(image), network(image))


def test_the_rate_falls_from_the_head_to_the_first_layer():
    method = build()
    optimizer = OptimizerSpec(base_lr=0.1, scale_by_batch=False, layer_decay=0.5).build(method, batch_size=4)
    rates = {name: group["lr"] for group in optimizer.param_groups for name in group["names"]}
    depth = len(method.encoder.blocks)
    assert rates["network.head.weight"] == 0.1
    assert rates["network.encoder.blocks.0.attn.qkv.weight"] == pytest.approx(0.1 * 0.5**depth)
    assert rates["network.encoder.patch_embed.proj.weight"] == pytest.approx(0.1 * 0.5 ** (depth + 1))


def test_decay_reaches_biases_and_norms_only_if_all_is_to_decay():
    some, all_of_it = (
        OptimizerSpec(decay_all=everything).build(mae_tiny(), batch_size=4) for everything in (False, True)
    )
    assert [group["weight_decay"] for group in some.param_groups] == [0.05, 0.0]
    assert [group["weight_decay"] for group in all_of_it.param_groups] == [0.05]
    with pytest.raises(ValueError, match="leave decay_all out"):
        OptimizerSpec(decay_all=True, layer_decay=0.65).build(build(), batch_size=4)


class Two(torch.nn.Module):
    """Two encoders; only the second is fine-tuned."""

    def __init__(self):
        super().__init__()
        self.old, self.new = mae_tiny().encoder, he_mmae_tiny().encoder

    def forward(self, data):
        return self.new.features(data)[:, :2]


def test_one_encoder_of_several_is_named_never_taken_by_chance():
    with pytest.raises(ValueError, match="masked ViTs old, new: name one, part='old'"):
        Classification(network=Two())
    with pytest.raises(ValueError, match="masked ViTs old, new: name one"):
        Classification(network=Two(), part="other")
    method = Classification(network=Two(), part="new")
    assert method.encoder is method.network.new
    assert method(method.example_batch()).loss.isfinite()


def test_a_batch_of_another_kind_is_refused_by_name():
    with pytest.raises(ValueError, match='needs "rgb" in the batch'):
        build()({"image": torch.rand(2, 3, 32, 32), "label": torch.tensor([0, 1])})


def test_a_network_without_an_encoder_is_refused():
    with pytest.raises(ValueError, match="Linear has no masked ViT"):
        Classification(network=torch.nn.Linear(2, 2))
