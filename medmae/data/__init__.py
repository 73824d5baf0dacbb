"""Prepared data: the manifest, the grid that travels with a sample, and samples of a source as a view makes them."""

import importlib
from typing import TYPE_CHECKING, Any

from medmae.data.manifest import Manifest
from medmae.data.volumes.grid import Grid
from medmae.data.volumes.intensity import Normalisation

if TYPE_CHECKING:
    from medmae.data.audio.clips import AudioClips
    from medmae.data.audio.cut import SoundCut
    from medmae.data.audio.sounded import SoundedClips
    from medmae.data.faces.faces import Faces
    from medmae.data.images.pictures import Pictures
    from medmae.data.moments.windows import Moments
    from medmae.data.points.clouds import Clouds
    from medmae.data.samples import Samples
    from medmae.data.skeletons.view import Skeletons
    from medmae.data.slides.tiles import Tiles
    from medmae.data.video.answer_list import AnswerList
    from medmae.data.video.asked import AskedClips
    from medmae.data.video.caption_words import CaptionWords
    from medmae.data.video.captioned import CaptionedClips
    from medmae.data.video.clips import Clips
    from medmae.data.volumes.crops import Crops
    from medmae.data.volumes.pairs import Pairs
    from medmae.data.volumes.slices import Slices
    from medmae.data.volumes.stacks import Stacks

__all__ = [
    "AnswerList",
    "AskedClips",
    "AudioClips",
    "CaptionWords",
    "CaptionedClips",
    "Clips",
    "Clouds",
    "Crops",
    "Faces",
    "Grid",
    "Manifest",
    "Moments",
    "Normalisation",
    "Pairs",
    "Pictures",
    "Samples",
    "Skeletons",
    "Slices",
    "SoundCut",
    "SoundedClips",
    "Stacks",
    "Tiles",
]

_WITH_TORCH = {  # name -> module
    "AudioClips": "audio.clips",
    "AnswerList": "video.answer_list",
    "AskedClips": "video.asked",
    "CaptionWords": "video.caption_words",
    "CaptionedClips": "video.captioned",
    "Clips": "video.clips",
    "Clouds": "points.clouds",
    "Crops": "volumes.crops",
    "Faces": "faces.faces",
    "Moments": "moments.windows",
    "Pairs": "volumes.pairs",
    "Pictures": "images.pictures",
    "Samples": "samples",
    "Skeletons": "skeletons.view",
    "Slices": "volumes.slices",
    "SoundCut": "audio.cut",
    "SoundedClips": "audio.sounded",
    "Stacks": "volumes.stacks",
    "Tiles": "slides.tiles",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - these need torch, which preparing data does not load
    if name in _WITH_TORCH:
        return getattr(importlib.import_module(f"medmae.data.{_WITH_TORCH[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
