"""What a method makes of hidden parts, replaced by what a test wants."""

from dataclasses import replace

import pytest


@pytest.fixture
def made_by(monkeypatch):
    """``made_by(method, make)`` lets the method show ``make(given)`` of each kind of data."""

    def let(method, make):
        show = method.show

        def instead(batch, masks):
            return {name: replace(one, made=make(one.given)) for name, one in show(batch, masks).items()}

        monkeypatch.setattr(method, "show", instead)

    return let
