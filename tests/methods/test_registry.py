"""The list of methods."""

from __future__ import annotations

import pytest

from medmae.methods.mae import MAE, mae_tiny
from medmae.methods.registry import create, methods, register


def test_method_files_are_found_by_being_there():
    assert {"mae", "edge_mae"} <= set(methods())


def test_options_override_a_preset():
    assert create("mae", preset="tiny", mask_ratio=0.5).masking.num_visible == 8


def test_a_misspelt_option_is_refused_with_those_that_come_near():
    with pytest.raises(ValueError, match=r"mae has no argument 'mask_ration'; did you mean mask_ratio"):
        create("mae", preset="tiny", mask_ration=0.5)
    with pytest.raises(ValueError, match=r"no argument 'embed_dims'; did you mean embed_dim"):
        create("mae", preset="tiny", embed_dims=64)


@pytest.mark.parametrize(("option", "value"), [("mask_ratio", "0.5"), ("depth", "2")])
def test_a_number_that_is_a_text_is_refused_by_name(option, value):
    with pytest.raises(ValueError, match=f"mae: {option} must be a .*number, got '{value}'"):
        create("mae", preset="tiny", **{option: value})


def test_without_a_preset_those_that_there_are_are_told():
    with pytest.raises(ValueError, match="'mae' is built by a preset; there are tiny, base"):
        create("mae")


@pytest.mark.parametrize("name", methods())
def test_every_method_says_what_it_takes(name):
    with pytest.raises(ValueError, match="has no argument 'nothing_of_the_kind'"):
        create(name, preset="tiny", nothing_of_the_kind=1)


def test_an_unknown_method_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"no method 'other'; there is .*edge_mae.*mae"):
        create("other", preset="tiny")
    with pytest.raises(ValueError, match=r"no method 'edgemae'; did you mean edge_mae"):
        create("edgemae", preset="tiny")


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
