"""Pairs of kinds are told from those of other samples: what is counted, what is left out, what is refused."""

from __future__ import annotations

import math

import pytest
import torch
from torch.testing import assert_close

from medmae.kinds import Kind
from medmae.methods.pair_emotion import SECOND, PairEmotion, mosei, pair_emotion_tiny, ravdess
from medmae.nn.graph_time import GraphTimeNet, normalised_adjacency
from medmae.nn.temporal_conv import TemporalConvNet
from medmae.nn.word_vectors import WordVectorEncoder
from medmae.objectives.contrastive import info_nce
from medmae.objectives.pairwise import pair_contrast, samples_alike

KINDS = ("audio", "landmarks", "image", "text")


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def method():
    torch.manual_seed(0)
    return pair_emotion_tiny().eval()


@pytest.fixture
def batch(method):
    return method.example_batch(5, generator=seeded(1))


def points(count=5, views=2, seed=0):
    return torch.randn(count, views, 8, generator=seeded(seed))


def size(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_sizes_are_the_paper_s():
    with torch.device("meta"):
        method = mosei()
    parts = {name: size(part) for name, part in method.encoder.parts.items()}
    assert parts == {"audio": 217_813, "landmarks": 14_122_252, "image": 31_562_781, "text": 9_561_288 + 154_112}
    assert {size(projection) for projection in method.projections.values()} == {1_050_112}
    assert size(method) == 59_818_694
    with torch.device("meta"):
        method = ravdess()
    assert list(method.encoder.parts) == ["audio", "landmarks"]
    assert size(method) == 18_406_369


@pytest.mark.parametrize("training", [True, False])
def test_how_long_projections_are_changes_no_loss_in_training_or_in_evaluation(training, batch):
    """The reference normalises points in training alone, so that its figures of validation mean something else."""
    torch.manual_seed(0)
    method = pair_emotion_tiny().train(training)

    def losses():
        torch.manual_seed(1)  # of dropout
        return method(batch).terms

    before = losses()
    for projection in method.projections.values():
        last = [layer for layer in projection.modules() if isinstance(layer, torch.nn.Linear)][-1]
        last.weight.data.mul_(7)
        last.bias.data.mul_(7)
    for name, term in losses().items():
        assert_close(term, before[name], rtol=1e-4, atol=1e-5)


def test_landmarks_of_one_sample_are_learnt_from_and_are_judged_as_among_others():
    """The graph has a batch norm over landmarks."""
    torch.manual_seed(0)
    network = GraphTimeNet()
    data = torch.rand(4, 2, 30, 51, generator=seeded(2))
    network.train()(data[:1]).sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())
    network.eval()
    assert_close(network(data[1:2]), network(data)[1:2], rtol=1e-4, atol=1e-5)


def test_frames_begin_without_anybody_s_weights(monkeypatch):
    """R(2+1)D begins with Kinetics' weights in the reference: here whoever wants them loads their file."""

    def fetched(*args, **kwargs):
        raise AssertionError("weights were fetched")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", fetched)
    with torch.device("meta"):
        assert "image" in mosei().encoder.parts


def test_every_ordered_pair_is_a_term(method, batch):
    terms = method(batch).terms
    assert set(terms) == {f"{one}_{other}" for one in KINDS for other in KINDS if one != other}


def test_one_kind_alone_is_refused():
    with pytest.raises(ValueError, match=r"needs two of them, got \['audio'\]"):
        PairEmotion(encoders=[TemporalConvNet(bins=16)])


def test_two_encoders_of_one_kind_are_refused():
    with pytest.raises(ValueError, match="two encoders take 'audio'"):
        PairEmotion(encoders=[TemporalConvNet(bins=16), TemporalConvNet(bins=8)])


def test_what_is_the_same_everywhere_costs_no_more_than_the_choice_between_two_windows():
    same = torch.eye(5, 8).unsqueeze(1).expand(-1, 2, -1)
    loss, count = pair_contrast(same, same, temperature=0.01)
    assert count == 5
    assert loss.item() == pytest.approx(math.log(2), rel=1e-5)
    assert pair_contrast(same, same, temperature=0.01, release=True)[0].item() == pytest.approx(0, abs=1e-5)


def test_one_window_is_plain_info_nce():
    one, other = points(views=1), points(views=1, seed=1)
    loss, _ = pair_contrast(one, other, temperature=0.07)
    assert_close(loss, info_nce(one[:, 0], other[:, 0], temperature=0.07))
    with pytest.raises(ValueError, match="needs two windows"):
        pair_contrast(one, other, temperature=0.07, release=True)


def test_the_order_of_a_batch_changes_no_loss_and_no_feature(method, batch):
    order = torch.tensor([3, 0, 4, 2, 1])
    turned = {name: data[order] for name, data in batch.items()}
    assert_close(method(turned).loss, method(batch).loss)
    assert_close(method.encoder.features(turned), method.encoder.features(batch)[order])


def test_words_in_another_order_are_another_text(method, batch):
    found, turned = (
        method.encoder.parts["text"].features({"text": each}) for each in (batch["text"], batch["text"].flip(2))
    )
    assert not torch.allclose(found, turned, atol=1e-4)


def test_features_are_those_before_projections_and_of_each_kind_alone(method, batch):
    before = method.encoder.features(batch)
    for projection in method.projections.parameters():
        projection.data.zero_()
    assert torch.equal(method.encoder.features(batch), before)
    other = {**batch, "text": batch["text"] + 1}
    changed = (method.encoder.features(other) != before).view(5, 4, 24).any(dim=2)
    assert changed.all(dim=0).tolist() == [False, False, False, True]


def test_a_kind_that_the_batch_lacks_is_zeros_among_features_and_in_no_pair(method, batch):
    less = {name: data for name, data in batch.items() if not name.endswith("image")}
    features = method.encoder.features(less).view(5, 4, 24)
    assert not features[:, 2].any()
    assert features[:, [0, 1, 3]].any(dim=2).all()
    assert set(method(less).terms) == {f"{a}_{b}" for a in KINDS for b in KINDS if a != b and "image" not in (a, b)}


def test_a_kind_that_a_sample_lacks_drops_only_its_pairs(method, batch):
    there = torch.ones(5, 4, dtype=torch.bool)
    there[0, 1] = False  # no landmarks
    with_gap, whole = method({**batch, "available": there}).terms, method(batch).terms
    rest = method({name: data[1:] for name, data in batch.items()}).terms
    for name, term in with_gap.items():
        assert_close(term, rest[name] if "landmarks" in name else whole[name])
    assert not torch.isclose(whole["audio_landmarks"], with_gap["audio_landmarks"])


def test_what_stands_where_a_kind_is_lacking_is_never_read(method, batch):
    there = torch.ones(5, 4, dtype=torch.bool)
    there[:2, 1] = False
    method.train()  # norms of a batch must not see it either
    other = {**batch, **{name: batch[name].clone() for name in ("landmarks", SECOND + "landmarks")}}
    other["landmarks"][:2] = other[SECOND + "landmarks"][:2] = float("nan")
    assert_close(method({**other, "available": there}).loss, method({**batch, "available": there}).loss)


def test_samples_of_one_kind_each_have_no_pair_and_are_refused(method, batch):
    there = torch.eye(5, 4, dtype=torch.bool)
    with pytest.raises(ValueError, match="no sample of the batch has two kinds"):
        method({**batch, "available": there})


def test_samples_of_one_group_are_no_negatives_of_each_other():
    one, other = points(), points(seed=1)
    twin = one.clone()
    twin[1] = one[0]
    loose, _ = pair_contrast(twin, other, temperature=0.07)
    grouped, _ = pair_contrast(twin, other, temperature=0.07, groups=torch.tensor([0, 0, 1, 2, 3]))
    apart, _ = pair_contrast(twin, other, temperature=0.07, groups=torch.arange(5))
    assert_close(apart, loose)
    assert grouped < loose - 1e-3


def test_classes_and_intensities_may_say_what_belongs_together():
    classes = samples_alike(torch.tensor([0, 1, 0]))
    assert classes.tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
    soft = samples_alike(torch.tensor([[0.0, 3.0], [0.0, 1.0], [2.0, 0.0]]))
    assert_close(soft, torch.tensor([[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]), atol=1e-5, rtol=0)
    one = points()
    told = pair_contrast(one, one, temperature=0.07, positives=samples_alike(torch.tensor([0, 1, 2, 3, 4])))[0]
    assert_close(told, pair_contrast(one, one, temperature=0.07)[0])


def test_a_supervised_contrast_asks_for_labels(batch):
    supervised = pair_emotion_tiny(supervised=True).eval()
    assert "target" in supervised.needs
    with pytest.raises(ValueError, match='needs "target"'):
        supervised(batch)
    same, apart = (supervised({**batch, "target": target}).loss for target in (torch.zeros(5).long(), torch.arange(5)))
    assert not torch.isclose(same, apart)


def test_windows_of_all_kinds_together_may_be_contrasted(batch):
    torch.manual_seed(0)
    together = pair_emotion_tiny(contrast="concatenated").eval()
    assert set(together(batch).terms) == {"contrast"}
    with pytest.raises(ValueError, match="needs all kinds of each sample, in two windows"):
        together({name: data for name, data in batch.items() if not name.startswith(SECOND)})
    with pytest.raises(ValueError, match="neither labels nor a released form"):
        pair_emotion_tiny(contrast="concatenated", loss="release")


def test_the_released_loss_is_an_option(method, batch):
    torch.manual_seed(0)
    release = pair_emotion_tiny(loss="release").eval()
    assert release(batch).loss < method(batch).loss


def test_second_windows_of_some_kinds_only_are_refused(method, batch):
    with pytest.raises(ValueError, match=r"second windows of \['audio'\], but not of"):
        method({name: data for name, data in batch.items() if name == SECOND + "audio" or not name.startswith(SECOND)})


@pytest.mark.parametrize("frames", [11, 14, 25])
def test_windows_of_any_length_are_read(frames, method):
    landmarks = method.encoder.parts["landmarks"]
    assert landmarks.features({"landmarks": torch.rand(2, 2, frames, 5)}).shape == (2, 24)


def test_windows_that_are_too_short_and_other_sizes_are_refused(method):
    landmarks, audio = method.encoder.parts["landmarks"], method.encoder.parts["audio"]
    with pytest.raises(ValueError, match="need 11 frames at least, got 10"):
        landmarks.features({"landmarks": torch.rand(2, 2, 10, 5)})
    with pytest.raises(ValueError, match="built for 5 landmarks, got 6"):
        landmarks.features({"landmarks": torch.rand(2, 2, 14, 6)})
    with pytest.raises(ValueError, match="built for 16 bands of frequency, got 12"):
        audio.features({"audio": torch.rand(2, 1, 30, 12)})
    with pytest.raises(ValueError, match="no blocks of one width"):
        audio.features({"audio": torch.rand(2, 1, 30, 16)}, block=1)
    with pytest.raises(ValueError, match="kernel must be odd"):
        TemporalConvNet(kernel=2)


@pytest.mark.parametrize("edges", [((0, 0),), ((0, 1), (1, 0)), ((0, 3),)])
def test_edges_that_are_none_are_refused(edges):
    with pytest.raises(ValueError, match="is a loop, is there twice, or leads to none of 3 nodes"):
        normalised_adjacency(3, edges)


def test_any_encoders_of_one_kind_each_will_do():
    skeleton = Kind.of("skeleton", ["time", "joint"], channels=["x", "y", "z"], peak=None, unit="m")
    gait = GraphTimeNet(num_nodes=4, edges=((0, 1), (1, 2), (2, 3)), frames=12, dim=8, kind=skeleton)
    pair = PairEmotion(encoders=[gait, WordVectorEncoder(width=6, dim=10, num_heads=2, hidden=8)])
    assert pair.encoder.dim == 18
    assert set(pair(pair.example_batch(3)).terms) == {"skeleton_text", "text_skeleton"}
