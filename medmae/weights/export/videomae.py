"""A trained VideoMAE, or its classifier, as its authors have it and as Hugging Face's ``from_pretrained`` reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from torch import Tensor, nn

from medmae.files import write_text
from medmae.kinds import Kind
from medmae.nn.decoder import MaskedDecoder
from medmae.nn.heads import Classifier, PatchHead
from medmae.nn.positions import FlatSinusoid
from medmae.nn.vit import MaskedViT
from medmae.objectives.cube import CubeNorm
from medmae.objectives.pixel import TargetNorm
from medmae.weights.export.anatomy import Anatomy, refuse
from medmae.weights.export.hugging_face import save_folder
from medmae.weights.export.target import Target, Written, require_parts
from medmae.weights.maps.videomae import VIDEOMAE, VIDEOMAE_CLASSIFIER, VIDEOMAE_HF
from medmae.weights.write import save_by_suffix

_EPS = "; their {} has an epsilon of 1e-5 whatever the configuration says: set it to {:g} for equal outputs"


class TrainedVideoMAE(Protocol):
    """What a VideoMAE is made of."""

    encoder: MaskedViT
    decoder: MaskedDecoder
    head: PatchHead
    target_norm: TargetNorm | None

    def state_dict(self) -> dict[str, Tensor]:
        """All of it."""


def save_videomae(method: TrainedVideoMAE, folder: str | Path) -> str:
    """Writes a folder for ``VideoMAEForPreTraining`` and ``VideoMAEModel``; predictions there equal ours.

    Losses, too, of clips in colours; of others where the target is normalised.

    Args:
        method: Of square frames.
        folder: Is made if need be.

    Returns:
        sha256 of the weights.

    Raises:
        ValueError: If Hugging Face has no such network.
    """
    block: Any = method.decoder.blocks[0]
    refuse(
        "Hugging Face's VideoMAE",
        {
            "its target is normalised in another way than theirs": method.target_norm not in (None, CubeNorm()),
            "its encoder has no last norm": isinstance(method.encoder.norm, nn.Identity),
        },
    )
    config = {
        **_config(method.encoder, architecture="VideoMAEForPreTraining"),
        "use_mean_pooling": False,  # true, their default, would drop the encoder's last norm
        "decoder_hidden_size": method.decoder.embed.out_features,
        "decoder_num_hidden_layers": len(method.decoder.blocks),
        "decoder_num_attention_heads": block.attn.num_heads,
        "decoder_intermediate_size": block.mlp.fc1.out_features,
        "norm_pix_loss": method.target_norm is not None,
    }
    _save_processor(folder, method.encoder)
    return save_folder(folder, config=config, state=VIDEOMAE_HF.write(method.state_dict()))


def save_videomae_classifier(classifier: Classifier, folder: str | Path, *, classes: Sequence[str]) -> str:
    """Writes a folder for ``VideoMAEForVideoClassification``; logits there equal ours.

    Args:
        classifier: On the mean of all tokens.
        folder: Is made if need be.
        classes: Names, in the order of the logits.

    Returns:
        sha256 of the weights.

    Raises:
        ValueError: If Hugging Face has no such network, or names are missing.
    """
    _require_mean(classifier)
    if len(classes) != classifier.head.out_features:
        raise ValueError(f"{classifier.head.out_features} classes need as many names, got {len(classes)}")
    config = {
        **_config(classifier.encoder, architecture="VideoMAEForVideoClassification"),
        "use_mean_pooling": True,
        "id2label": dict(enumerate(classes)),
        "label2id": {name: number for number, name in enumerate(classes)},
    }
    _save_processor(folder, classifier.encoder)
    return save_folder(folder, config=config, state=VIDEOMAE_HF.write(classifier.state_dict()))


def videomae_classifier_state(classifier: Classifier) -> dict[str, Tensor]:
    """Tensors of a fine-tuned classifier under the authors' keys.

    Raises:
        ValueError: If they have no such network.
    """
    _require_mean(classifier)
    _refuse(classifier.encoder, target="MCG-NJU/VideoMAE")
    return VIDEOMAE_CLASSIFIER.write(classifier.state_dict())


def _require_mean(classifier: Classifier) -> None:
    refuse("a classifier of VideoMAE", {"it does not pool the mean of all tokens": classifier.pool == "class_token"})


def _refuse(encoder: MaskedViT, *, target: str) -> Anatomy:
    sizes = Anatomy.of(encoder)
    (kind,) = encoder.kinds.values()
    reasons = {
        f"it is of {', '.join(kind.roles)}, and theirs of time, row, column": kind.roles != Kind.clip().roles,
        "its positions are not one sinusoid over all tokens": not isinstance(sizes.positions, FlatSinusoid),
        "its queries and values have no biases of their own, or its keys have": sizes.qkv_bias != "query_value",
        "it has a class token, and theirs has none": sizes.class_token != "none",
    }
    refuse(target, reasons)
    return sizes


def _config(encoder: MaskedViT, *, architecture: str) -> dict[str, Any]:
    """The sizes of an encoder under their names."""
    sizes = _refuse(encoder, target="Hugging Face's VideoMAE")
    (frames, *size), (tubelet, *patch) = sizes.size, sizes.patch
    reasons = {
        f"its {what} are {s}, and theirs square": len(set(s)) != 1 for what, s in (("frames", size), ("cubes", patch))
    }
    refuse("Hugging Face's VideoMAE", reasons)
    return {
        "architectures": [architecture],
        "model_type": "videomae",
        "image_size": size[0],
        "patch_size": patch[0],
        "num_channels": sizes.channels,
        "num_frames": frames,
        "tubelet_size": tubelet,
        "hidden_size": sizes.dim,
        "num_hidden_layers": sizes.depth,
        "num_attention_heads": sizes.heads,
        "intermediate_size": sizes.hidden,
        "hidden_act": "gelu",
        "layer_norm_eps": sizes.eps,
        "qv_bias": True,
    }


def _save_processor(folder: str | Path, encoder: MaskedViT) -> None:
    """How their clips are to be scaled; what their processor assumes unasked, 0.5 and 0.5, is no VideoMAE's."""
    (kind,) = encoder.kinds.values()
    channels, edge = len(kind.channels), encoder.patches.size[-1]
    mean, std = (list(values) * (channels if len(values) == 1 else 1) for values in (kind.scale.mean, kind.scale.std))
    values = {
        "image_processor_type": "VideoMAEImageProcessor",
        "image_mean": mean,
        "image_std": std,
        "size": {"shortest_edge": edge},
        "crop_size": {"height": edge, "width": edge},
    }
    write_text(Path(folder) / "preprocessor_config.json", json.dumps(values, indent=2) + "\n")


def _require_videomae(method: nn.Module, target: str) -> TrainedVideoMAE:
    parts: Mapping[str, type[nn.Module]] = {"encoder": MaskedViT, "decoder": MaskedDecoder, "head": PatchHead}
    require_parts(method, parts, target=target, what="a VideoMAE")
    trained = cast(TrainedVideoMAE, method)
    _refuse(trained.encoder, target=target)
    return trained


def _write(method: nn.Module, out: Path) -> Written:
    state = _require_videomae(method, "videomae").state_dict()
    return save_by_suffix(VIDEOMAE.write(state), out, entry="model"), "the keys of MCG-NJU/VideoMAE"


def _write_hf(method: nn.Module, out: Path) -> Written:
    trained = _require_videomae(method, "videomae_hf")
    note = "VideoMAEForPreTraining.from_pretrained and VideoMAEModel.from_pretrained read it"
    return save_videomae(trained, out), note + _EPS.format("decoder.norm", trained.encoder.norm_eps)


VIDEOMAE_FILE = Target("videomae", _write, whole=True)
VIDEOMAE_FOLDER = Target("videomae_hf", _write_hf, whole=True, suffixes=(), scaled=True)
