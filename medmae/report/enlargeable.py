"""Pictures of a run as figures that fill the screen when they are selected."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from markupsafe import Markup
from PIL import Image, UnidentifiedImageError

from medmae.errors import DataError

MAX_WIDTH = 1000  # pixels; the files are larger


def enlargeable(path: Path, *, name: str, caption: Markup) -> Markup:
    """A picture that fills the screen when it is selected.

    Args:
        path: Of the picture; a smaller copy goes into the page.
        name: For those who do not see it.
        caption: Below it.

    Raises:
        DataError: If it cannot be read.
    """
    content, (width, height) = _jpeg(path)
    return Markup(
        '<figure><label><input type="checkbox" aria-label="Enlarge {name}">'
        '<img src="data:image/jpeg;base64,{data}" width={w} height={h} alt="{name}"></label>'
        "<figcaption>{caption}</figcaption></figure>"
    ).format(name=name, data=base64.b64encode(content).decode("ascii"), w=width, h=height, caption=caption)


def _jpeg(path: Path) -> tuple[bytes, tuple[int, int]]:
    """A smaller copy of a picture, and its size."""
    try:
        with Image.open(path) as picture:
            small = picture.convert("RGB")
    except (OSError, UnidentifiedImageError) as error:
        remedy = "run the evaluation again, then `medmae report` on this folder"
        raise DataError(f"the picture cannot be read ({error})", path=path, remedy=remedy) from error
    if small.width > MAX_WIDTH:
        small = small.resize((MAX_WIDTH, round(small.height * MAX_WIDTH / small.width)), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, format="JPEG", quality=88, subsampling=0, optimize=True)
    return buffer.getvalue(), small.size
