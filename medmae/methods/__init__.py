"""The published systems, one file each; ``medmae.methods()`` lists them by name."""

import sys

from medmae.packages import CallablePackage

sys.modules[__name__].__class__ = CallablePackage
