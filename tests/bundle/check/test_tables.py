"""What the checker knows of MONAI without importing it is what MONAI says."""

from __future__ import annotations

import importlib
import inspect

from monai.bundle import ConfigParser, ConfigWorkflow, ckpt_export, onnx_export
from monai.bundle.properties import InferProperties, TrainProperties
from monai.bundle.reference_resolver import ReferenceResolver

from medmae.bundle.check import ids
from medmae.bundle.check.allowed import _IN_EXPRESSIONS, _NAMED, MONAI_SHORT
from medmae.bundle.check.references import REQUIRED, RESERVED
from medmae.bundle.shipped import find_configs, shipped


def test_the_required_ids_are_those_of_monais_properties() -> None:
    for kind, properties in (("train", TrainProperties), ("infer", InferProperties)):
        assert set(REQUIRED[kind]) == {item["id"] for item in properties.values() if item["required"]}


def test_what_no_override_may_be_called_are_the_parameters_of_monais_commands() -> None:
    commands = (ConfigWorkflow.__init__, ckpt_export, onnx_export)
    assert {name for command in commands for name in inspect.signature(command).parameters} - {"self"} == RESERVED


def test_every_name_on_the_list_exists() -> None:
    for name in (_NAMED | _IN_EXPRESSIONS) - {name for names in MONAI_SHORT.values() for name in names}:
        module, _, symbol = name.rpartition(".")
        assert hasattr(importlib.import_module(module), symbol), name


def test_a_short_name_means_what_the_list_says() -> None:
    locator = ConfigParser().locator
    for module, names in MONAI_SHORT.items():
        for name in names:
            found = locator.get_component_module_name(name)
            assert isinstance(found, str), name
            assert found.startswith(module)


def test_references_are_found_as_monai_finds_them() -> None:
    for text in ("@a", "@a::b::0", "$@a + @a::b", "$f(@a#b, x='@c')", "a@b", "@a b", "$@", "@##a", "$@a::"):
        assert set(ids.references(text)) == set(ReferenceResolver.match_refs_pattern(text)), text
        names = ids.references(text)
        if text.startswith("$"):
            replaced = ReferenceResolver.update_refs_pattern(text, dict.fromkeys(names))
            assert ids.substituted(text) == replaced[1:], text


def test_overlays_are_merged_as_monai_merges_them() -> None:
    from medmae.bundle.check.source import Bundle

    for folder in shipped().values():
        for recipe in ids.recipes(Bundle.open(folder)):
            files = [str(path) for path in find_configs(folder, recipe.stem)]
            if recipe.overlay and len(files) == 1:  # it names no recipe: any train
                files.insert(0, str(folder / "configs" / "train.yaml"))
            assert {k: v for k, v in recipe.tree.items() if k != "_meta_"} == ConfigParser.load_config_files(files)
            assert recipe.faults == {}
