"""Where tokens stand: kinds of position tables, and positions from coordinates."""

from medmae.nn.positions.base import Positions, hold_positions, spread_axes
from medmae.nn.positions.clip import ClipSinCos
from medmae.nn.positions.coordinates import CoordinateEmbedding
from medmae.nn.positions.learned import LearnedPositions
from medmae.nn.positions.resize import resize_positions
from medmae.nn.positions.sincos import AxisOrder, SinCos, sincos_table
from medmae.nn.positions.sinusoid import FlatSinusoid

__all__ = [
    "AxisOrder",
    "ClipSinCos",
    "CoordinateEmbedding",
    "FlatSinusoid",
    "LearnedPositions",
    "Positions",
    "SinCos",
    "hold_positions",
    "resize_positions",
    "sincos_table",
    "spread_axes",
]
