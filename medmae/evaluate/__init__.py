"""Figures and pictures of what was trained; ``medmae.evaluate(...)`` judges an encoder on labelled data."""

import sys

from medmae.packages import CallablePackage

sys.modules[__name__].__class__ = CallablePackage
