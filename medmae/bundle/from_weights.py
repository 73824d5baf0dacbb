"""What weights know of themselves goes before a recipe's defaults: their network, its sizes, and their task.

A configuration that uses trained weights names them by ``model_dir``. Their header says which network they are of, and
what they were trained for; so the recipe's own network, of the paper's sizes, is replaced by theirs, and so are the
options that it is made of (``image_size``, ``classes``, ...), for all else that depends on them. Whatever a user typed,
or a configuration merged over the first one brings, is compared with what the weights say, and refused where it
contradicts that.
"""

from __future__ import annotations

import copy
import re
import warnings
from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from pydoc import locate
from typing import Any

from monai.bundle import ConfigParser
from torch import nn

from medmae.bundle.from_pretrained import from_pretrained
from medmae.bundle.how_read import is_given, reading
from medmae.errors import DataError
from medmae.nn.arguments import changed, is_network, networks_in, plain, same
from medmae.nn.classifiers import CloudEncoder
from medmae.nn.config import TARGET, build, config_by, config_of
from medmae.nn.frames_text import FrameTextEncoder
from medmae.nn.video_text import VideoTextEncoder
from medmae.nn.vit import MaskedViT
from medmae.tokens.patches import Patches
from medmae.weights.about import task_in
from medmae.weights.arguments import Wanted, contradiction, is_size, with_arguments
from medmae.weights.networks import Config, read_networks

_EVALUATOR, _MODEL_DIR = "evaluator", "model_dir"
_ENCODER = re.compile(r"\$@(\w+)\.encoder")
_OF_POINTS = ("num_patches", "patch_points")  # what encoders of clouds take, by the names that methods have for it
_TASK = ("classes", "source", "target", "contrasts")


def with_weights(content: Mapping[str, Any], settings: Mapping[str, Any], *, given: Collection[str]) -> dict[str, Any]:
    """Settings of a run, and what the weights that it uses know: see :func:`from_weights`.

    Args:
        content: The configuration.
        settings: Ids and values that go before its own.
        given: See :func:`from_weights`.
    """
    parser = ConfigParser(config=copy.deepcopy(dict(content)))
    parser.update(dict(settings))
    known = from_weights(parser, given=given) or from_pretrained(parser, given=given)
    parts = tuple(f"{id_}::" for id_ in known)  # of what the weights replace; they were compared
    return {**{id_: value for id_, value in settings.items() if not id_.startswith(parts)}, **known}


def from_weights(parser: Any, *, given: Collection[str]) -> dict[str, Any]:  # noqa: ANN401 (MONAI's parser)
    """Settings that go before those of a configuration; none of one that uses no weights, or whose weights say nothing.

    Args:
        parser: Of the configuration, with all that was given already in its place.
        given: Ids that a user typed, or that a configuration merged over the first one sets.

    Raises:
        DataError: If what was given contradicts the weights, or their header is damaged.
    """
    weights, root = _weights_of(parser)
    if weights is None:
        return {}
    config = read_networks(weights).get("")
    settings = {**reading(parser, weights, given, of=parser.get(_EVALUATOR)), **_task_settings(parser, weights, given)}
    if config is None:
        if not read_networks(weights):  # an encoder alone says its own sizes when it is loaded
            _tell_unknown(parser, root, weights)
        return settings
    bound = Bound(parser, root=root, path=weights, given=given)
    bound.walk(root, config, at="")
    bound.settings[root] = {TARGET: partial(build, with_arguments(config, bound.wanted, path=weights))}
    return {**settings, **bound.settings}


class Bound:
    """A recipe's network compared with that of its weights, argument by argument.

    Args:
        parser: Of the configuration.
        root: Id of the network that the weights are of.
        path: Of the weights.
        given: See :func:`from_weights`.

    Attributes:
        settings: What goes before the recipe's own.
        wanted: Arguments that somebody gave, by their place in the network.
    """

    def __init__(self, parser: Any, *, root: str, path: Path, given: Collection[str]) -> None:  # noqa: ANN401 (MONAI's)
        self.parser, self.root, self.path, self.given = parser, root, path, given
        self.settings: dict[str, Any] = {}
        self.wanted: dict[str, Wanted] = {}

    def walk(self, id_: str, config: Config, *, at: str) -> None:
        """Through a component of the recipe, beside what the weights say of that part of the network.

        Args:
            id_: Of the component.
            config: Class and arguments of the part.
            at: Its place in the network.
        """
        component = self.parser.get(id_)
        self._compare_class(id_, config)
        for name, value in component.items():
            place = f"{at}.{name}".lstrip(".")
            option = _option_of(value)
            if name.startswith("_"):
                continue
            if option and is_network(self.parser.get(option)) and is_network(config.get(name)):
                self.settings[option] = f"$@{self.root}.{place}"
                self.walk(option, config[name], at=place)
            elif option and self._is_given(option):
                self.wanted[place] = Wanted(self._value(option), option)
            elif is_network(value) and is_network(config.get(name)):
                self.walk(f"{id_}::{name}", config[name], at=place)
            elif listed := _listed(value, config.get(name)):
                for number, part in enumerate(listed):
                    self.walk(f"{id_}::{name}::{number}", part, at=f"{place}.{number}")
            elif option and name in config and not any(map(is_network, (config[name], self.parser.get(option)))):
                self.settings[option] = plain(config[name])
            elif is_network(config.get(name)) and (part := _ENCODER.fullmatch(str(value))):
                self._encoder(part[1], config[name], at=place)
            elif not (option or str(value).startswith("$")):
                self.wanted[place] = Wanted(self._value(f"{id_}::{name}"), f"{id_}::{name}")

    def _compare_class(self, id_: str, config: Config) -> None:
        """A method that somebody named: it is that of the weights, of the same sizes."""
        component = self.parser.get(id_)
        if f"{id_}::{TARGET}" not in self.given or not callable(make := locate(str(component[TARGET]))):
            return
        try:
            named = config_by(make)
        except (TypeError, ValueError):  # not a preset
            return
        sizes = {name: value for name, value in config.items() if name not in component and is_size(name)}
        apart = changed(sizes, named)
        if named[TARGET] != config[TARGET]:
            apart = {TARGET: config[TARGET]}
        self._refuse(f"{id_}::{TARGET}", component[TARGET], apart, named)

    def _encoder(self, id_: str, config: Config, *, at: str) -> None:
        """An encoder that the recipe takes out of a method, of which these weights know nothing but that encoder."""
        component = self.parser.get(id_)
        encoder = build(config)
        self.settings[id_] = f"$@{self.root}"  # which has that encoder, and its patches
        patches, config = _of_data(encoder)
        data = {name: config[name] for name in _OF_POINTS if name in config}
        if patches is not None:
            data = _sizes_of_data(patches, names=component)
        for name, value in component.items():
            option = _option_of(value)
            if name.startswith("_"):
                continue
            if option and name in data and not self._is_given(option):
                self.settings[option] = data[name]
            elif option and name in data and not same(data[name], self._value(option)):
                raise contradiction(data[name], Wanted(self._value(option), option), path=self.path)
            elif name in config and self._is_given(f"{id_}::{name}"):
                self.wanted[f"{at}.{name}"] = Wanted(self._value(f"{id_}::{name}"), f"{id_}::{name}")
        if f"{id_}::{TARGET}" in self.given and callable(make := locate(str(component[TARGET]))):
            named = _of_data(make(**{name: data[name] for name in data.keys() & component.keys()}).encoder)[1]
            apart = changed({name: value for name, value in config.items() if is_size(name)}, named)
            self._refuse(f"{id_}::{TARGET}", component[TARGET], apart, named)

    def _refuse(self, option: str, value: str, apart: Config, named: Config) -> None:
        if apart:
            raise DataError(
                f"these weights are of another network than {value}: "
                + ", ".join(f"{name} is {plain(apart[name])}, and there {plain(named.get(name))}" for name in apart),
                path=self.path,
                field=option,
                value=value,
                remedy=f"leave --{option} out (and ,demo, if that brings it), for weights know what they are",
            )

    def _is_given(self, id_: str) -> bool:
        return is_given(id_, self.given)

    def _value(self, id_: str) -> object:
        return self.parser.get_parsed_content(id_)


def _weights_of(parser: Any) -> tuple[Path | None, str]:  # noqa: ANN401 (MONAI's parser)
    """The weights that a configuration uses, if they are there and ours, and the id of the network that they are of."""
    evaluator = parser.get(_EVALUATOR, None)
    if not isinstance(evaluator, dict) or _MODEL_DIR not in parser:
        return None, ""
    name = getattr(locate(str(evaluator.get(TARGET))), "weights", None)
    root = _option_of(evaluator.get("method"))
    if name is None or not root or not is_network(parser.get(root, None)):
        return None, ""
    path = Path(parser.get_parsed_content(_MODEL_DIR)) / name
    return (path if path.is_file() else None), root


def _task_settings(parser: Any, weights: Path, given: Collection[str]) -> dict[str, Any]:  # noqa: ANN401
    """What weights were trained for, where the recipe asks for it."""
    task, evaluator = task_in(weights), parser.get(_EVALUATOR)
    settings: dict[str, Any] = {}
    for name in _TASK:
        if name not in task or name not in parser or _option_of(evaluator.get(name)) != name:
            continue
        if name not in given:
            settings[name] = plain(task[name])
        elif plain(parser.get_parsed_content(name)) != plain(task[name]):
            wanted = Wanted(parser.get_parsed_content(name), name)
            raise contradiction(task[name], wanted, path=weights, what="for another task, ")
    return settings


def _tell_unknown(parser: Any, root: str, weights: Path) -> None:  # noqa: ANN401 (MONAI's parser)
    options = [option for value in parser.get(root).values() if (option := _option_of(value))]
    warnings.warn(
        f"{weights} does not say of which network it is, as files of earlier versions do not: the sizes are those of "
        f"the recipe. If it was trained with others, say them as then: --{root}::_target_ METHOD"
        + "".join(f" --{option} ..." for option in options),
        stacklevel=4,
    )


def _listed(value: object, theirs: object) -> list[Any]:
    """What weights say of each class that an argument lists; nothing of others, or if there are not as many."""
    listed = networks_in(theirs)
    return listed if isinstance(value, list) and len(networks_in(value)) == len(listed) else []


def _option_of(value: object) -> str:
    """The id that an argument refers to; empty if it is no reference."""
    return value[1:] if isinstance(value, str) and value.startswith("@") else ""


def _of_data(encoder: nn.Module) -> tuple[Patches | None, Config]:
    """Patches of what an encoder takes, and the arguments of its ViT; of one that reads words, too, those of clips.

    Encoders of clouds have no grid of patches.
    """
    if isinstance(encoder, CloudEncoder):
        return None, config_of(encoder)
    if isinstance(encoder, VideoTextEncoder):
        return encoder.video.patches, config_of(encoder.video)
    if isinstance(encoder, FrameTextEncoder):
        return encoder.frames.patches, config_of(encoder.frames.picture)
    assert isinstance(encoder, MaskedViT)
    return encoder.patches, config_of(encoder)


def _sizes_of_data(patches: Patches, *, names: Collection[str]) -> dict[str, Any]:
    """What an encoder takes, by the names that a method has for it; one number where all axes are alike."""
    size, clip = list(patches.size), "num_frames" in names
    if "joints" in names:
        return {"frames": size[0], "joints": size[1]}
    frames, plane = (size[:1], size[1:]) if clip else ([], size)
    sizes: dict[str, Any] = {"image_size": plane[0] if len(set(plane)) == 1 else plane}
    sizes |= {"num_frames": frames[0]} if frames else {}
    return {**sizes, "in_channels": patches.channels}
