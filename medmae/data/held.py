"""Which kinds of rows a view reads: known without importing the view, which takes torch."""

from __future__ import annotations

from collections.abc import Mapping

FACES = ("face",)
MOMENTS = ("moment",)
TILES = ("tiles", "slide")
SKELETONS = ("skeleton",)
SOUNDS = ("sound", "moment")
SHAPES = ("shape",)
VIDEOS = ("video",)
VOLUMES = ("volume",)
OF_VIEW: Mapping[str, tuple[str, ...]] = {  # those that read manifests; the other one reads tables of pictures
    "AudioClips": SOUNDS,
    "AskedClips": VIDEOS,
    "Clips": VIDEOS,
    "Clouds": SHAPES,
    "Crops": VOLUMES,
    "Faces": FACES,
    "Moments": MOMENTS,
    "Pairs": VOLUMES,
    "Skeletons": SKELETONS,
    "Slices": VOLUMES,
    "SoundedClips": VIDEOS,
    "Stacks": VOLUMES,
    "Tiles": TILES,
}
