"""Point-MAE gives the numbers of the authors' code: patches, tokens, what is rebuilt, losses, a classifier."""

from __future__ import annotations

import pytest
from torch.nn import functional as F

from medmae.masking.base import Mask
from medmae.methods.point_mae import PointMAE
from medmae.nn.point_heads import PointViTClassifier
from medmae.nn.point_vit import PointViT
from medmae.tokens.points import farthest, pick
from medmae.weights.maps import point_mae as maps

SIZES = {"num_patches": 16, "patch_points": 8, "embed_dim": 24, "depth": 2, "num_heads": 3}


@pytest.fixture(scope="module")
def reference(golden):
    return golden("point_mae")


@pytest.fixture(scope="module", params=["l2", "l1"])
def method(request, reference):
    found = PointMAE(**SIZES, decoder_depth=2, decoder_heads=3, drop_path=0.0, far=request.param)
    names = ("MAE_encoder.", "MAE_decoder.", "decoder_pos_embed.", "increase_dim.", "mask_token")
    state, dead = maps.POINT_MAE.apply(reference.part("state.", only=names))
    assert dead == []
    found.load_state_dict(state)
    return found.eval()


@pytest.fixture
def batch(reference):
    return {"points": reference["in.xyz"].transpose(1, 2)}


def test_patches_are_theirs(reference, method, batch):
    rows, patches = method.encoder.cut(batch)
    spared = pick(rows, farthest(rows, count=16, spare_origin=True))
    reference.compare(spared, reference["out.centers"])
    reference.compare(patches.centres, reference["out.centers"])  # no point of these lies near the origin
    reference.compare(patches.around_centres(rows), reference["out.neighborhood"])


def test_what_is_rebuilt_and_its_loss_are_theirs(reference, method, batch):
    rows, patches = method.encoder.cut(batch)
    mask = Mask.from_bool(reference["mask.masked"])
    reference.compare(method.encoder.embed(patches.around_centres(rows)), reference["out.patch_tokens"])
    seen = mask.keep(patches.around_centres(rows).flatten(2)).unflatten(2, (-1, 3))
    reference.compare(method.encoder(seen, mask.keep(patches.centres)), reference["out.x_vis"])
    out = method(batch, masks={"points": mask})
    reference.compare(out.prediction["points"].flatten(0, 1).unflatten(1, (-1, 3)), reference["out.rebuild"])
    reference.compare(out.loss, reference[f"out.loss_cd{method.far}"].squeeze())


def test_a_fine_tuned_classifier_is_theirs(reference, batch):
    network = PointViTClassifier(encoder=PointViT(**SIZES, drop_path=0.0), num_classes=5)
    state, dead = maps.POINT_MAE_CLASSIFIER.apply(reference.part("state.cls."))
    assert dead == []
    network.load_state_dict(state)
    logits = network.eval()(batch["points"])
    reference.compare(logits, reference["out.cls.logits"])
    assert F.softmax(logits, dim=1).argmax(dim=1).tolist() == reference["out.cls.logits"].argmax(dim=1).tolist()
