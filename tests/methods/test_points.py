"""MAE3D and Point-MAE: sizes, what a completed cloud is, what a batch may bring."""

from __future__ import annotations

import pytest
import torch

from medmae.methods.mae3d import MAE3D, mae3d_base, mae3d_tiny
from medmae.methods.point_mae import point_mae_base, point_mae_tiny
from medmae.nn.classifiers import classifier_of
from medmae.nn.dgcnn import DGCNN
from medmae.nn.folding import sheet
from medmae.nn.point_heads import DGCNNClassifier, PointViTClassifier
from medmae.nn.point_vit import PointViT
from medmae.objectives.chamfer import chamfer_l2
from medmae.tokens.points import pick


def size(module):
    return sum(parameter.numel() for parameter in module.parameters())


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_sizes_of_mae3d_are_the_published_ones():
    with torch.device("meta"):
        method = mae3d_base()
        classifier = DGCNNClassifier(encoder=DGCNN(), num_classes=40)
    assert size(method) == 82_370_019
    assert size(method.encoder) == 617_856
    assert size(method.blocks.inner) == 37_797_888
    assert size(method.decoder.inner) == 37_797_888
    assert size(method.center_head) == 2_201_696
    assert size(method.folding) == 793_603
    assert (size(method.place), size(method.decoder_place)) == (1_053_696, 1_053_696)
    assert size(method.bridge) == 1_048_576
    assert size(classifier) == 1_809_576
    assert size(classifier) - size(classifier.encoder) == 1_191_720


def test_sizes_of_point_mae_are_the_published_ones():
    with torch.device("meta"):
        method = point_mae_base()
        classifiers = [PointViTClassifier(encoder=PointViT(), num_classes=count) for count in (40, 15)]
    assert size(method) == 29_006_432
    assert size(method.encoder) == 21_825_024
    assert size(method.decoder) + size(method.norm) == 7_094_016
    assert [size(classifier) for classifier in classifiers] == [22_099_752, 22_093_327]


def test_2048_points_are_32_patches_of_64():
    with torch.device("meta"):
        method = mae3d_base()
    assert (method.num_patches, method.patch_points, method.masking.num_visible) == (32, 64, 10)


def test_a_sheet_runs_along_x_first():
    grid = sheet(8)
    assert grid[:, 0].unique().numel() == grid[:, 1].unique().numel() == 8
    assert grid[0].tolist() == pytest.approx([-0.1, -0.1])
    assert (grid[1] - grid[0])[0] > 0
    assert (grid[1] - grid[0])[1] == 0


def test_points_lie_about_their_centres_and_on_them_where_the_fold_is_nothing():
    method = mae3d_tiny().eval()
    batch = method.example_batch(2, generator=seeded())
    last = method.folding.layers[-1]
    last.weight.data.zero_()
    last.bias.data.zero_()
    out = method(batch, generator=seeded(1)).prediction
    assert torch.equal(out["points"], out["centres"].repeat_interleave(9, dim=1))


def test_terms_are_the_weighted_distances():
    method = mae3d_tiny().eval()
    batch = method.example_batch(2, generator=seeded())
    out = method(batch, generator=seeded(1))
    cloud = chamfer_l2(out.prediction["points"], batch["points"].transpose(1, 2), reduction="sum")
    assert torch.isclose(out.terms["points"], 0.1 * cloud)
    centres = pick(batch["points"].transpose(1, 2), batch["members"][:, :, 0])
    assert torch.isclose(out.terms["centres"], chamfer_l2(out.prediction["centres"], centres, reduction="sum"))


@pytest.mark.parametrize("build", [mae3d_tiny, point_mae_tiny])
def test_patches_of_preparation_and_patches_that_are_found_are_the_same(build):
    method = build().eval()
    batch = method.example_batch(2, generator=seeded())
    alone = {"points": batch["points"]}
    assert torch.equal(method(alone, generator=seeded(1)).loss, method(batch, generator=seeded(1)).loss)


@pytest.mark.parametrize("build", [mae3d_tiny, point_mae_tiny])
def test_clouds_of_fewer_points_may_be_padded(build):
    method = build().eval()
    points = torch.rand(1, 3, 80, generator=seeded())
    real = torch.arange(100).unsqueeze(0) < 80
    padded = {"points": torch.nn.functional.pad(points, (0, 20), value=50.0), "real": real}
    assert torch.isclose(method(padded, generator=seeded(1)).loss, method({"points": points}, generator=seeded(1)).loss)


@pytest.mark.parametrize("build", [mae3d_tiny, point_mae_tiny])
def test_weights_learnt_with_some_points_are_fine_tuned_with_any_other_number(build):
    torch.manual_seed(0)
    learnt = build()
    tuned = classifier_of(build(num_points=100, num_patches=8).encoder, num_classes=15)
    tuned.encoder.load_state_dict(learnt.encoder.state_dict())
    for clouds in (torch.randn(1, 3, 30, generator=seeded()), torch.randn(4, 3, 100, generator=seeded())):
        for train in (True, False):
            found = tuned.train(train)(clouds)
            assert found.shape == (len(clouds), 15)  # as many as there are classes, and of one cloud, too
            assert found.isfinite().all()


def test_a_patch_that_is_no_square_cannot_be_folded():
    with pytest.raises(ValueError, match="must be 16, 64"):
        MAE3D(patch_points=50)


@pytest.mark.slow
@pytest.mark.parametrize("build", [mae3d_tiny, point_mae_tiny])
def test_eight_shapes_are_learnt_by_heart(build):
    torch.manual_seed(0)
    method = build(mask_choice="block")
    generator = seeded(2)
    sides = torch.rand(8, 3, 1, generator=generator) + 0.2
    way = torch.nn.functional.normalize(torch.randn(8, 3, 64, generator=generator), dim=1)
    batch = {"points": way * sides}  # ellipsoids
    optimiser = torch.optim.Adam(method.parameters(), lr=3e-3)

    def loss():
        return method(batch, generator=seeded(5)).loss

    first = loss().item()
    for _ in range(200):
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()
    assert loss().item() < first / 10
