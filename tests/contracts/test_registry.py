"""What a registered method has beside its code: presets, a paper, and what it does otherwise."""

from __future__ import annotations

import inspect

import pytest
import torch

from medmae.methods.registry import create
from tests.contracts.cases import SPECS

PRESETS = [(name, preset) for name, spec in SPECS.items() for preset in spec.presets]


@pytest.mark.parametrize("name", SPECS)
def test_every_method_has_a_tiny_preset_and_names_its_paper(name):
    spec = SPECS[name]
    assert "tiny" in spec.presets
    assert spec.name == name
    assert spec.title
    assert spec.paper


@pytest.mark.parametrize("name", SPECS)
def test_every_module_names_paper_reference_and_deviations(name):
    page = inspect.getdoc(inspect.getmodule(SPECS[name].cls))
    assert [word for word in ("Paper:", "Reference:", "Deviations:") if word not in page] == []


@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_every_preset_constructs_without_memory(name, preset):
    with torch.device("meta"):
        method = create(name, preset=preset)
    assert isinstance(method, SPECS[name].cls)
    assert sum(parameter.numel() for parameter in method.parameters()) > 0
