"""Folders of Hugging Face: which files hold the weights, and what ``config.json`` says that tensors cannot show."""

from __future__ import annotations

from pathlib import Path

from medmae.errors import DataError
from medmae.files import read_object

_WHOLE = ("model.safetensors", "pytorch_model.bin")
_REMEDY = "name the file itself"


def files_of(path: str | Path) -> list[Path]:
    """The weight files of a folder, or the file itself.

    Raises:
        DataError: If a folder holds no weights, or not all that its index names.
    """
    path = Path(path)
    if not path.is_dir():
        return [path]
    for name in _WHOLE:
        if (path / name).is_file():
            return [path / name]
        index = path / f"{name}.index.json"
        if index.is_file():
            return _parts(index)
    raise DataError(f"holds neither {' nor '.join(_WHOLE)}", path=path, remedy=_REMEDY)


def require_files(path: str | Path) -> list[Path]:
    """The same, if they are there.

    Raises:
        DataError: With the one that is not.
    """
    files = files_of(path)
    for file in files:
        if not file.is_file():
            raise DataError("no such weight file", path=file, remedy="check the path")
    return files


def require_weights(path: str | Path) -> None:
    """The same for who may have named the folder of a run, with the files that could be meant.

    Raises:
        DataError: If there is no such file.
    """
    folder = Path(path)
    if not folder.is_dir():
        require_files(path)
        return
    if not (folder / "config.json").is_file():  # Hugging Face's have it
        found = sorted(map(str, (*folder.glob("*.safetensors"), *folder.glob("models/*.safetensors"))))
        which = f"one of {', '.join(found)}" if found else "a file, such as RUN/models/pretraining.safetensors"
        raise DataError("this is a folder, and no file of weights", path=path, remedy=f"name {which}")


def require_model_dir(folder: str | Path) -> None:
    """Refuses a folder without weights of a training.

    Raises:
        DataError: With the folder.
    """
    if not any(Path(folder).glob("*.safetensors")):
        raise DataError(
            "no weights of a training are in this folder",
            path=folder,
            field="model_dir",
            value=str(folder),
            remedy="train first, or say where they are: --model_dir RUN/models",
        )


def _parts(index: Path) -> list[Path]:
    named = read_object(index, remedy=_REMEDY).get("weight_map")
    names = list(named.values()) if isinstance(named, dict) else []
    if not names or not all(isinstance(name, str) and name and Path(name).name == name for name in names):
        raise DataError("names no files beside it", path=index, field="weight_map", remedy=_REMEDY)
    return [index.parent / name for name in sorted(set(names))]


def said_by_config(path: str | Path) -> dict[str, float]:
    """Heads (``num_heads``) and epsilon (``eps``) of the encoder by a folder's ``config.json``, as far as it says."""
    config = Path(path) / "config.json"
    if not config.is_file():
        return {}
    content = read_object(config, remedy=_REMEDY)
    names = {"num_heads": "num_attention_heads", "eps": "layer_norm_eps"}
    return {ours: content[theirs] for ours, theirs in names.items() if isinstance(content.get(theirs), int | float)}
