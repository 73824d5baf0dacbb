"""Where a class token looks."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from medmae.evaluate.reconstruct.attention import class_attention, write_attention
from medmae.nn.vit import MaskedViT


class Images:
    """Six images of one size."""

    def __len__(self):
        return 6

    def __getitem__(self, index):
        return {"image": torch.rand(1, 16, 24, generator=torch.Generator().manual_seed(index))}

    def describe(self, index):
        return {"case": f"image {index}", "subject": f"p{index}", "contrast": "x"}


class Faces(Images):
    """As above, by the name that another kind has."""

    def __getitem__(self, index):
        return {"face": super().__getitem__(index)["image"]}


def encoder(**options):
    torch.manual_seed(0)
    sizes = {"image_size": (16, 24), "patch_size": 8, "in_channels": 1, "embed_dim": 24, "depth": 2, "num_heads": 3}
    return MaskedViT(**{**sizes, **options}).eval()


@pytest.mark.parametrize("class_token", ["first", "last"])
def test_the_maps_are_the_weights_that_the_last_block_mixes_values_by(class_token):
    network, images = encoder(class_token=class_token), torch.rand(2, 1, 16, 24)
    maps = class_attention(network, images)
    assert maps.shape == (2, 3, 2, 3)
    block = network.blocks[-1]
    normed = block.norm1(network.forward_intermediates(network.patches.patchify(images))[-3])
    value = block.attn.qkv(normed).unflatten(2, (3, 3, 8))[:, :, 2]  # (B, 7, H, d)
    place = 0 if class_token == "first" else -1
    own = value[:, place]
    patches = value[:, 1:] if class_token == "first" else value[:, :-1]
    weights = maps.flatten(2)  # (B, H, 6)
    mixed = torch.einsum("bhn,bnhd->bhd", weights, patches) + (1 - weights.sum(2, keepdim=True)) * own
    torch.testing.assert_close(block.attn.proj(mixed.flatten(1)), block.attn(normed)[:, place])


def test_images_are_scaled_as_the_encoder_expects_them():
    plain, scaled, images = encoder(), encoder(scale="half"), torch.rand(2, 1, 16, 24)
    assert torch.equal(class_attention(scaled, images), class_attention(plain, (images - 0.5) / 0.5))


def test_pictures_are_looked_up_by_the_name_of_their_kind(tmp_path):
    (kind,) = encoder().kinds.values()
    write_attention(encoder=encoder(), dataset=Images(), out=tmp_path / "image", count=2)
    write_attention(encoder=encoder(kind=replace(kind, name="face")), dataset=Faces(), out=tmp_path / "face", count=2)
    image, face = (np.load(tmp_path / name / "attention" / "panels.npz") for name in ("image", "face"))
    assert list(image) == list(face)
    assert all(np.array_equal(image[key], face[key]) for key in image)


def test_an_encoder_without_a_class_token_has_no_such_maps(tmp_path):
    with pytest.raises(ValueError, match="no class token"):
        class_attention(encoder(class_token="none"), torch.rand(1, 1, 16, 24))
    write_attention(encoder=encoder(class_token="none"), dataset=Images(), out=tmp_path)
    assert not list(tmp_path.iterdir())


def test_pictures_of_some_images_lie_beside_their_maps(tmp_path):
    network = encoder().train()
    write_attention(encoder=network, dataset=Images(), out=tmp_path, count=3)
    assert network.training
    about = json.loads((tmp_path / "attention" / "panels.json").read_text())
    assert [row["case"] for row in about] == ["image 0", "image 1", "image 2"]
    with np.load(tmp_path / "attention" / "panels.npz") as panels:
        assert {name for name in panels if name.startswith("0/")} == {
            "0/input", "0/mean over heads", "0/head 1", "0/head 2", "0/head 3"
        }  # fmt: skip
        assert panels["0/head 2"].shape == (16, 24)
        assert (panels["0/head 2"].min(), panels["0/head 2"].max()) == (0, 1)
