"""Fine-tuning on several kinds of data: a loss for each kind's own logits, and mixing kind by kind."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from medmae.methods.av_mae import av_mae_tiny
from medmae.methods.stream_classification import StreamClassification
from medmae.nn.bottleneck import BottleneckClassifier, BottleneckEncoder
from medmae.nn.fused_head import FusedClassifier
from medmae.nn.one_kind import OneKind
from medmae.objectives.mixing import beta_share
from medmae.training.optim import OptimizerSpec


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def built(classes=4, **options):
    torch.manual_seed(0)
    encoder = BottleneckEncoder.of(av_mae_tiny().encoder, fusion_layer=1)
    network = BottleneckClassifier(encoder=encoder, num_classes=classes)
    nn.init.normal_(network.head.weight)
    return StreamClassification(network=network, **options)


def batch_of(method, count=3):
    return method.example_batch(count, generator=seeded(1))


def test_a_new_head_is_undecided_and_loses_what_guessing_costs():
    method = built(smoothing=0.0, mixup=0.0)
    nn.init.zeros_(method.network.head.weight)
    assert method(batch_of(method)).loss.item() == pytest.approx(math.log(4))
    several = built(labels="several", smoothing=0.0, mixup=0.0)
    nn.init.zeros_(several.network.head.weight)
    assert several(batch_of(several)).loss.item() == pytest.approx(4 * math.log(2))


def test_in_training_each_kind_has_its_loss_and_else_their_mean_is_judged():
    method = built(smoothing=0.3, mixup=0.0)
    batch = batch_of(method)
    wanted = F.one_hot(batch["label"], 4) * 0.7 + 0.3 / 4
    out = method.train()(batch)
    assert set(out.terms) == {"image", "audio"}
    for name, logits in out.prediction.items():
        assert_close(out.terms[name], F.cross_entropy(logits, wanted) / 2)
    judged = method.eval()(batch)
    assert_close(judged.prediction["logits"], (out.prediction["image"] + out.prediction["audio"]) / 2)
    assert_close(judged.loss, F.cross_entropy(judged.prediction["logits"], wanted))


def test_labels_of_several_at_once_are_smoothed_as_published():
    method = built(labels="several", mixup=0.0).eval()
    target = torch.tensor([[1.0, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]])
    out = method({**batch_of(method), "target": target})
    wanted = torch.where(target == 1, 0.7 + 0.075, 0.075)
    expected = F.binary_cross_entropy_with_logits(out.prediction["logits"], wanted, reduction="sum") / 3
    assert_close(out.loss, expected)


def test_each_kind_is_mixed_by_a_share_of_its_own_with_its_labels(monkeypatch):
    method = built(smoothing=0.0)
    batch, seen = batch_of(method), {}
    apart = method.network.apart
    monkeypatch.setattr(method.network, "apart", lambda mixed: (seen.update(mixed), apart(mixed))[1])
    out = method.train()(batch, generator=seeded(3))
    shares = {}
    for name in ("image", "audio"):
        pair = torch.stack([batch[name].flatten(), batch[name].flip(0).flatten()], dim=1)
        share = torch.linalg.lstsq(pair, seen[name].flatten().unsqueeze(1)).solution.flatten()
        assert share.sum().item() == pytest.approx(1, abs=1e-3)
        shares[name] = share[0]
        hard = F.one_hot(batch["label"], 4).float()
        wanted = shares[name] * hard + (1 - shares[name]) * hard.flip(0)
        assert_close(out.terms[name], F.cross_entropy(out.prediction[name], wanted) / 2, atol=1e-3, rtol=1e-3)
    assert abs(shares["image"] - shares["audio"]) > 0.01
    assert torch.equal(out.loss, method(batch, generator=seeded(3)).loss)
    assert not torch.equal(out.loss, method(batch, generator=seeded(4)).loss)


def test_what_is_not_there_is_mixed_into_nothing_and_has_no_loss():
    method = built().train()
    batch = batch_of(method)
    batch |= {"available": torch.tensor([[True, True], [True, True], [True, False]])}
    batch["audio"][2] = float("nan")
    out = method(batch, generator=seeded(3))
    assert out.loss.isfinite()
    wanted = method._wanted(batch)
    loss = F.cross_entropy(out.prediction["audio"], wanted, reduction="none")[0]  # its partner has no sound: unmixed
    middle = F.cross_entropy(out.prediction["audio"], wanted, reduction="none")[1]  # its own partner
    assert_close(out.terms["audio"], (loss + middle) / 2 / 2)


def test_rates_fall_from_layer_to_layer_and_bottleneck_tokens_learn_as_the_head_does():
    method = built()
    optimiser = OptimizerSpec(base_lr=0.1, scale_by_batch=False, layer_decay=0.5).build(method, batch_size=4)
    rates = {name: group["lr"] for group in optimiser.param_groups for name in group["names"]}
    assert rates["network.head.weight"] == rates["network.encoder.bottleneck"] == 0.1
    assert rates["network.encoder.streams.audio.blocks.2.mlp.fc1.weight"] == pytest.approx(0.05)
    assert rates["network.encoder.streams.image.patch_embed.proj.weight"] == pytest.approx(0.1 * 0.5**4)


def fused(**options):
    torch.manual_seed(0)
    network = FusedClassifier(encoder=av_mae_tiny().encoder, num_classes=4)
    nn.init.normal_(network.head.weight)
    return StreamClassification(network=network, **options)


def test_what_says_one_thing_of_all_kinds_has_one_loss_and_one_share():
    method = fused(smoothing=0.0, mixup=1.0).train()
    batch = method.example_batch(4, generator=seeded(1))
    out = method(batch, generator=seeded(2))
    share = beta_share(1.0, seeded(2))
    mixed = {name: share * batch[name] + (1 - share) * batch[name].flip(0) for name in ("image", "audio")}
    hard = F.one_hot(batch["label"], 4).float()
    assert set(out.terms) == {"label"}
    assert_close(out.loss, F.cross_entropy(method.network(mixed), share * hard + (1 - share) * hard.flip(0)))


def test_several_labels_of_a_sample_need_no_other_name():
    method = built(labels="several", mixup=0.0).eval()
    label = torch.tensor([[1.0, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]])
    batch = batch_of(method)
    assert_close(method({**batch, "label": label}).loss, method({**batch, "target": label}).loss)


def test_a_network_says_by_which_kinds_it_can_be_asked():
    assert built().network.choices == [("image",), ("audio",), ("image", "audio")]
    assert fused().network.choices == [("image", "audio")]
    assert FusedClassifier(encoder=av_mae_tiny().encoder, num_classes=2, only="audio").choices == [("audio",)]
    network = built().network.eval()
    sound = torch.rand(2, 1, 50, 32, generator=seeded(3))
    assert_close(OneKind(network=network, kind="audio")(sound), network({"audio": sound}))
