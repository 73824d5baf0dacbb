"""What a run would refuse, refused before torch, Lightning and MONAI are imported, which takes ten seconds.

Each fact is asked of the function that the run asks itself. What is read is handed on to the run, which reads it no
second time.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from medmae.arguments import UNKNOWN
from medmae.bundle.check.grammar import reference_of
from medmae.bundle.check.ids import overlaid, substituted, walk
from medmae.bundle.checked import Ids
from medmae.bundle.handed import as_data, hand_on
from medmae.bundle.places import used_ids

T = TypeVar("T")

_TARGET = "_target_"
_USES = (  # of weights
    *(
        "AnswerEvaluation",
        "Answers",
        "ClassifierEvaluation",
        "Downstream",
        "Embedding",
        "FewLabels",
        "Lookup",
        "Prediction",
        "Reconstruction",
    ),
    *("RetrievalEvaluation", "SlideMaps", "Synthesis", "SynthesisEvaluation", "VolumeFeatures"),
)


def first_look(recipe: Mapping[str, Any], given: Mapping[str, object]) -> dict[str, Any]:
    """Looks at data, weights and words that a configuration names, as far as its values are plain.

    Args:
        recipe: Ids and values.
        given: Ids and values that go before them, taken as they are.

    Returns:
        Ids and what was read for them, see :func:`medmae.bundle.handed.hand_on`.

    Raises:
        DataError: For what the run would refuse.
    """
    values = Values(recipe, given)
    used = used_ids(values.content)
    nodes = [(id_, node) for id_, node in walk(values.content) if isinstance(node, dict)]
    found: dict[str, Any] = {}
    for looks in (_WORDS, _DATA):  # data last: they may be many
        for id_, node in nodes:
            if id_.partition("::")[0] in used:
                for look in looks.get(str(node.get(_TARGET)), ()):
                    found |= look(id_, values)
    return found


class Values:
    """Values of a configuration as far as they are plain: references are followed, texts joined, choices made.

    Args:
        recipe: Ids and values.
        given: What goes before them: never an expression, whatever it begins with.
    """

    def __init__(self, recipe: Mapping[str, Any], given: Mapping[str, object]) -> None:
        self.content, _ = overlaid([recipe, given])
        self._ids, self._given = Ids(self.content), frozenset(given)
        self._read: dict[tuple[Callable[[str], Any], str], Any] = {}

    def of(self, id_: str, *above: str) -> Any:  # noqa: ANN401
        """The value of an id; ``UNKNOWN`` if only MONAI can tell, None if there is none."""
        if id_ in above:
            return UNKNOWN
        value = self._ids.get(id_)
        if not self._is_given(id_):
            if isinstance(value, str) and value.startswith("@"):
                return self.of(value[1:], id_, *above)
            if isinstance(value, str) and value.startswith("$"):
                return self._made(ast.parse(substituted(value), mode="eval").body, id_, *above)
            if isinstance(value, str) and value.startswith("%"):
                return UNKNOWN
        if isinstance(value, dict | list):
            keys = value.keys() if isinstance(value, dict) else range(len(value))
            items = {key: self.of(f"{id_}::{key}", *above) for key in keys}
            if _TARGET in items or UNKNOWN in items.values():
                return UNKNOWN
            return items if isinstance(value, dict) else list(items.values())
        return value

    def id_of(self, id_: str) -> str:
        """The same id, or the one that it refers to."""
        value = self._ids.get(id_)
        return value[1:] if isinstance(value, str) and value.startswith("@") else id_

    def raw(self, id_: str) -> Any:  # noqa: ANN401
        """What stands there, or where that refers to."""
        return self._ids.get(self.id_of(id_))

    def once(self, read: Callable[[str], T], path: str) -> T:
        """What a reader gives of a path; of one that was read before, the same."""
        if (read, path) not in self._read:
            self._read[read, path] = read(path)
        found: T = self._read[read, path]
        return found

    def _made(self, node: ast.expr, *above: str) -> Any:  # noqa: ANN401
        if isinstance(node, ast.Constant):
            return node.value
        if (id_ := reference_of(node)) is not None:
            return self.of(id_, *above)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            sides = [self._made(side, *above) for side in (node.left, node.right)]
            return "".join(sides) if all(isinstance(side, str) for side in sides) else UNKNOWN
        if isinstance(node, ast.IfExp) and (test := self._made(node.test, *above)) is not UNKNOWN:
            return self._made(node.body if test else node.orelse, *above)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "len":
            items = self._made(node.args[0], *above)
            return len(items) if isinstance(items, list) else UNKNOWN
        return UNKNOWN

    def written(self, id_: str) -> Any:  # noqa: ANN401
        """What stands there; what was given as MONAI's parser takes it."""
        value = self._ids.get(id_)
        if self._is_given(id_):
            return as_data(value)
        return {key: self.written(f"{id_}::{key}") for key in value} if isinstance(value, dict) else value

    def _is_given(self, id_: str) -> bool:
        parts = id_.split("::")
        return any("::".join(parts[:count]) in self._given for count in range(1, len(parts) + 1))


def _images(id_: str, values: Values) -> dict[str, Any]:
    """A table of images, whose reader takes no torch."""
    options = {name: values.of(f"{id_}::{name}") for name in values.raw(id_) if name != _TARGET}
    if UNKNOWN in options.values():
        return {}
    from medmae.recipes.images import Images

    return {id_: hand_on(Images(**options), was=values.written(id_))}


def _samples(id_: str, values: Values) -> dict[str, Any]:
    """The source of samples, where it is a path."""
    from medmae.data.held import OF_VIEW, VOLUMES

    place, view = f"{id_}::source", values.raw(f"{id_}::view")
    path, name = values.of(place), str(view.get(_TARGET) if isinstance(view, dict) else "").removeprefix("medmae.data.")
    if isinstance(path, str) and name == "Pictures":
        from medmae.data.images.source import read_images

        return {place: hand_on(values.once(read_images, path), was=values.written(place))}
    if isinstance(path, str) and name in OF_VIEW:
        from medmae.data.manifest import Manifest

        manifest = values.once(Manifest.read, path).require(*OF_VIEW[name])
        if OF_VIEW[name] == VOLUMES:
            manifest.known(_contrasts(values.id_of(f"{id_}::view"), values))
        return {place: hand_on(manifest, was=values.written(place))}
    return {}


def _contrasts(view: str, values: Values) -> list[str]:
    """Those that a view of volumes names."""
    listed, named = values.of(f"{view}::contrasts"), [values.of(f"{view}::{one}") for one in ("source", "target")]
    return [*(listed if isinstance(listed, list) else ()), *(one for one in named if isinstance(one, str))]


def _asked(argument: str, function: str) -> _Look:
    """Asks about an argument that is a text.

    Args:
        argument: Of the class.
        function: ``module:function`` that raises what the run would, and is imported when it is asked.
    """

    def look(id_: str, values: Values) -> dict[str, Any]:
        value = values.of(f"{id_}::{argument}")
        if isinstance(value, str):
            module, _, name = function.partition(":")
            getattr(importlib.import_module(module), name)(value)
        return {}

    return look


_Look = Callable[[str, Values], dict[str, Any]]
_TUNES = ("AnswerTraining", "FineTuning", "RetrievalTraining", "SynthesisTraining")
_CHECKPOINT = _asked("checkpoint", "medmae.training.wanted:require_checkpoint")
_PRETRAINED = _asked("pretrained", "medmae.weights.folders:require_files")
_MODEL_DIR = _asked("model_dir", "medmae.weights.folders:require_model_dir")
_FILES = _asked("source", "medmae.data.tree:require_files")
_WORDS: Mapping[str, tuple[_Look, ...]] = {
    "medmae.data.Samples": (_asked("split", "medmae.data.splits:require_split"),),
    "medmae.recipes.Trainer": (_asked("logger", "medmae.recipes.loggers:require_logger"),),
    "medmae.recipes.Pretraining": (_CHECKPOINT,),
    **{f"medmae.recipes.{name}": (_CHECKPOINT, _PRETRAINED) for name in _TUNES},
    **{f"medmae.recipes.{name}": (_MODEL_DIR,) for name in _USES},
}
_DATA: Mapping[str, tuple[_Look, ...]] = {
    "medmae.data.Samples": (_samples,),
    "medmae.data.volumes.cases.VolumeCases": (_FILES,),
    "medmae.data.volumes.folder.VolumeFolder": (_FILES,),
    "medmae.recipes.Images": (_images,),
}
