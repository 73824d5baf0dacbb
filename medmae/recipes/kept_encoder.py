"""The encoder of a training that is over, for a method that learns from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from medmae.weights.trained import encoder_of


class KeptEncoder:
    """The encoder of weights as they were trained; None where there are none."""

    def __new__(cls, *, weights: str | Path | None, part: str = "encoder") -> Any:  # noqa: ANN401 - it, in its place
        """Builds and loads it.

        Args:
            weights: ``pretraining.safetensors`` of a run; None: nobody teaches.
            part: Name of the encoder, if the file holds several.

        Raises:
            DataError: If the file is missing or damaged, or does not say which network it is of.
        """
        return None if weights is None else encoder_of(weights, part=part)
