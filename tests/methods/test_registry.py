"""The list of methods."""

from __future__ import annotations

import pytest

from medmae.methods.mae import MAE, mae_tiny
from medmae.methods.registry import create, methods, register


def test_method_files_are_found_by_being_there():
    assert {"mae", "edge_mae"} <= set(methods())


def test_options_override_a_preset():
    assert create("mae", preset="tiny", mask_ratio=0.5).masking.num_visible == 8


def test_a_misspelt_option_is_refused():
    with pytest.raises(TypeError, match="mask_ration"):
        create("mae", preset="tiny", mask_ration=0.5)


def test_an_unknown_method_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"no method 'meh'; there are .*edge_mae.*mae"):
        create("meh", preset="tiny")


def test_an_unknown_preset_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"no preset 'giant'; there are tiny, base, large, huge"):
        create("mae", preset="giant")


def test_a_method_without_a_tiny_preset_is_refused():
    with pytest.raises(ValueError, match="needs a preset 'tiny'"):
        register("other", title="Other", paper="None", presets={"base": mae_tiny})


def test_a_name_that_is_taken_is_refused():
    class Other(MAE):
        pass

    with pytest.raises(ValueError, match="already registered by MAE"):
        register("mae", title="Other", paper="None", presets={"tiny": mae_tiny})(Other)
    assert methods()["mae"].cls is MAE
