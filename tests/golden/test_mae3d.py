"""MAE3D gives the numbers of the authors' code: patches, features, completed clouds, losses."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from medmae.masking.base import Mask
from medmae.methods.mae3d import MAE3D
from medmae.nn.dgcnn import DGCNN
from medmae.nn.point_heads import DGCNNClassifier
from medmae.objectives.chamfer import chamfer_l2
from medmae.tokens.points import farthest
from medmae.weights.maps import mae3d as maps


@pytest.fixture(scope="module")
def reference(golden):
    return golden("mae3d")


@pytest.fixture(scope="module")
def method(reference):
    found = MAE3D(
        num_points=512,
        embed_dim=32,
        depth=2,
        decoder_depth=2,
        num_heads=3,
        head_dim=8,
        center_hidden=40,
        fold_hidden=48,
        batch_shared_mask=True,
    )
    state, dead = maps.MAE3D.apply({k: v for k, v in reference.part("state.").items() if not k.startswith("cls.")})
    assert len(dead) == 25  # batch norms by their second names
    found.load_state_dict(state)
    return found.eval()


@pytest.fixture
def batch(reference):
    return {"points": reference["in.xyz"].transpose(1, 2)}


def mask_of(reference, name):
    visible, masked = (reference[f"mask.{name}.{which}_patch_idx"].expand(2, -1) for which in ("vis", "mask"))
    return {"points": Mask(visible, masked, 8)}


def test_patches_are_theirs(reference, method, batch):
    rows, patches = method.cut(batch)
    assert torch.equal(farthest(rows, count=8), reference["out.fps_idx"])
    assert torch.equal(patches.members.sort(dim=2).values, reference["out.knn_idx_sorted"].sort(dim=2).values)
    reference.compare(patches.centres, reference["out.block.gt_centers"])


def test_a_block_of_patches_is_theirs(reference, method, batch):
    noise = torch.ones(1, 8)
    noise[0, 3] = 0  # the patch that was drawn
    found = method.masking.sample(2, noise=noise, centres=method.cut(batch)[1].centres)
    for which, theirs in (("visible", "vis"), ("masked", "mask")):
        ours = getattr(found, which).sort(dim=1).values
        assert torch.equal(ours, reference[f"mask.block.{theirs}_patch_idx"].sort(dim=1).values)


def test_points_and_patches_have_their_features(reference, method, batch):
    rows, patches = method.cut(batch)
    seen = mask_of(reference, "random")["points"].keep(patches.of_points(rows).flatten(2)).unflatten(2, (64, 3))
    features = method.encoder.of_points(seen.flatten(1, 2))  # (B, 192, 32)
    # Theirs lists the members of a patch in another order, which neither neighbours nor maxima know.
    ours, theirs = (
        features.sort(dim=1).values,
        reference["out.random.point_features"].transpose(1, 2).sort(dim=1).values,
    )
    reference.compare(ours, theirs)
    reference.compare(features.unflatten(1, (3, 64)).amax(dim=2), reference["out.random.patch_tokens"])


@pytest.mark.parametrize("name", ["block", "random"])
def test_clouds_and_losses_are_theirs(name, reference, method, batch):
    out = method(batch, masks=mask_of(reference, name))
    reference.compare(out.prediction["points"].transpose(1, 2), reference[f"out.{name}.pred_points"])
    reference.compare(out.prediction["centres"].transpose(1, 2), reference[f"out.{name}.pred_centers"])
    reference.compare(out.terms["points"], 0.1 * reference[f"out.{name}.loss_points_sum"].squeeze())
    reference.compare(out.terms["centres"], reference[f"out.{name}.loss_center_sum"].squeeze())
    reference.compare(out.loss, reference[f"out.{name}.loss_total"].squeeze())
    mean = chamfer_l2(out.prediction["points"], reference["in.xyz"])
    reference.compare(mean, reference[f"out.{name}.loss_points_mean"].squeeze())


def test_a_fine_tuned_classifier_is_theirs(reference, batch):
    network = DGCNNClassifier(encoder=DGCNN(out=32), num_classes=5)
    state, dead = maps.MAE3D_CLASSIFIER.apply(reference.part("state.cls."))
    assert len(dead) == 25
    network.load_state_dict(state)
    logits = network.eval()(batch["points"])
    reference.compare(logits, reference["out.cls.logits"])
    labels = reference["in.cls.labels"]
    shares = torch.full_like(logits, 0.2 / 4).scatter(1, labels.unsqueeze(1), 0.8)  # of other classes, not of all
    reference.compare(F.cross_entropy(logits, shares), reference["out.cls.smooth_ce"].squeeze())
