"""Writes the part of the reference numbers that the repository carries, at most 300 kB a method, into data/.

``python tests/golden/subset.py FOLDER``, the folder of the whole files. They are 1.4 to 8.5 MB each, nearly all of it
weights, so for each method those tensors were chosen that let most be proved: masks, tables, optimisers, losses, and of
the network as much as fits. Weights are halved in precision where only that makes them fit, which moves what they give
by up to about a thousandth: such a file's numbers are compared to a share of 3e-3 instead of 3e-5.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

DATA = Path(__file__).with_name("data")
LIMIT = 300_000  # bytes
INFO = (
    "losses",
    "layer_decay_table",
    "lr_schedule",
    "mask_len",
    "mask_statistics_published",
    "ema_decay_by_epoch",
    "feature_weight_by_epoch",
    "n_state_tensors",
)


@dataclass(frozen=True)
class Subset:
    """Which tensors of a file, by regular expressions on whole names.

    Args:
        source: The file.
        exact: Taken as they are.
        halved: Taken in half precision.
        rows: Of tensors whose first axis is the batch, given as ``(expression, number)``, the first so many.
    """

    source: str
    exact: str
    halved: str | None = None
    rows: tuple[str, int] | None = None


SUBSETS = {
    "occlusion_au": Subset(source="fau_distill", exact=r".*"),
    "mavil": Subset(source="mavil", exact=r"in\.z.*|out\..*"),
    "skeleton_mae": Subset(
        source="skeleton_mae",
        exact=r"in\..*|mask\..*|out\.(mae|finetune|linprobe|prep|stt\.logits).*|state\.(mae|linprobe|finetune)\..*",
    ),
    "point_mae": Subset(source="point_mae", exact=r"in\..*|mask\..*|out\.(centers|neighborhood)"),
    "mae3d": Subset(source="mae3d", exact=r"in\..*|mask\..*|out\.(fps|knn|block\.gt).*"),
    "points": Subset(source="pointcloud_blocks", exact=r".*"),
    "pair_emotion": Subset(
        source="mer_contrastive",
        exact=r"in\.(z_.*|tcn_x|wacc.*)|out\..*|state\.tcn\..*",
    ),
    "fbank_kaldi": Subset(
        source="fbank_kaldi",
        exact=r"in\..*|out\.(fbank_(chirp|chirp_povey|noise|impulse|silence)|window_.*|mel_centers_hz)",
    ),
    "mae": Subset(
        source="mae",
        exact=r"mask\..*|lars\..*|out\.(mask|ids|loss).*|state\.(decoder_)?pos_embed",
        halved=r"in\.img|out\.latent|out\.grad_.*(token|bias)|state\..*|cls\..*",
    ),
    "bootmae": Subset(
        source="bootmae",
        exact=r"mask\..*|out\.loss_mask|cls\..*|state\.(de_)?pos_embed",
        halved=r"out\.(block0|block_last|latent)|in\.img|state\.(cls_token|patch_embed|blocks|norm).*",
        rows=(r"in\.img|mask\..*|out\..*|cls\.gap\.(features|logits)", 2),
    ),
    "cmae": Subset(
        source="cmae",
        exact=r"mask\..*|out\.(mask|latent_cls|proj_.*|pred_online|loss_contrastive)|cls\..*"
        r"|state\..*pos_embed",
        halved=r"state\.head\.predictor\..*|in\.img|out\.latent_raster|state\.backbone\..*",
    ),
    "saim": Subset(
        source="saim",
        exact=r"mask\..*|state\.(pos_embed|gaussian_blur.*)",
        halved=r"in\.img|out\.(content_h|blurred_img)|cls\..*|state\.(cls_token|patch_embed|blocks|norm).*",
        rows=(r"in\..*|mask\..*|out\..*|cls\..*\.(features|logits)", 2),
    ),
    "edge_mae": Subset(
        source="slmt_net",
        exact=r"in\.image|mask\..*|out\.(latent|.*_loss_(epoch.|noweight)|total_loss_epoch1|enc_feature_3)|state\.mae\..*",
    ),
    "mt_unet": Subset(
        source="slmt_net",
        exact=r"in\.target|out\.(pred|metric_.*|fc_loss)|state\.mae\.(cls_token|patch_embed|blocks|norm).*",
    ),
    "he_mmae": Subset(
        source="mmae_pathology",
        exact=r"in\.stain.*|mask\..*|out\.(stain.*|vit.*)|state\.vit\..*|state\..*pos_emb",
        halved=r"in\.rgb|state\.mae\.(global_tokens|encoder|input_adapters\.rgb).*",
        rows=(r"in\.rgb|out\.vit.*", 1),
    ),
    "videomae": Subset(
        source="videomae",
        exact=r"mask\..*|out\.(patch_tokens|latent|pos_embed_decoder|ft_.*)|state\.encoder\.(blocks|norm)\..*|state_ft\..*",
        rows=(r"mask\..*|out\.(patch_tokens|latent|ft_.*)", 1),
    ),
    "simvtp": Subset(
        source="simvtp",
        exact=r"mask\..*|in\.(?!video).*|out\.(?!pred_pixels$).*|state\.(text_.*|vtm_head.*|encoder\.norm\..*)|state_ft\..*",
        halved=r"state\.encoder\.blocks\..*",
    ),
    "av_mae": Subset(
        source="av_mae",
        exact=r"mask\..*|out\.(posemb.*|[^.]*\.loss.*)",
        halved=r"in\..*|state\.mid_sepdec_modtok\..*|out\.mid_sepdec_modtok\.pred.*",
    ),
    "audio_mae": Subset(
        source="audiomae",
        exact=r"mask\..*",
        halved=r"out\.(latent|pred|posemb_grid_8x64)|state\.(decoder_.*|mask_token)",
    ),
    "smaug": Subset(source="smaug_components", exact=r".*"),
}


def write(name: str, subset: Subset, folder: Path) -> int:
    """Writes the numbers of one method; gives how many bytes they take."""
    tensors: dict[str, torch.Tensor] = {}
    with safe_open(folder / f"{subset.source}.safetensors", "pt") as file:
        absent = []
        for key in file.keys():  # noqa: SIM118, not a mapping
            value = file.get_tensor(key)
            if re.fullmatch(subset.exact, key):
                tensors[key] = value
            elif subset.halved and re.fullmatch(subset.halved, key):
                tensors[key] = value.half() if value.is_floating_point() else value
            else:
                absent.append(key)
                continue
            if subset.rows and re.fullmatch(subset.rows[0], key):
                tensors[key] = tensors[key][: subset.rows[1]].contiguous()
    known = json.loads((folder / f"{subset.source}.json").read_text())
    info = {key: known[key] for key in INFO if key in known}
    notes = {
        "info": as_json(info),
        "absent": as_json(beginnings(absent, present=list(tensors))),
        "share": "3e-3" if subset.halved else "3e-5",
    }
    save_file(tensors, DATA / f"{name}.safetensors", notes)
    return (DATA / f"{name}.safetensors").stat().st_size


def beginnings(absent: list[str], *, present: list[str]) -> list[str]:
    """The shortest beginnings of absent names that no present one has."""
    found = set()
    for name in absent:
        parts = name.split(".")
        starts = (".".join(parts[:number]) + "." for number in range(1, len(parts)))
        found.add(next((start for start in starts if not any(key.startswith(start) for key in present)), name))
    return sorted(found)


def as_json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


if __name__ == "__main__":
    DATA.mkdir(exist_ok=True)
    for name, subset in SUBSETS.items():
        size = write(name, subset, Path(sys.argv[1]))
        print(f"{name}: {size / 1000:.0f} kB")
        if size > LIMIT:
            sys.exit(f"{name} takes {size} bytes of {LIMIT}")
