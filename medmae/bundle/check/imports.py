"""Import lines: which are allowed, and which names they make."""

from __future__ import annotations

import ast
import re

from medmae.bundle.check.allowed import PACKAGES, refusal_in_expression

# What MONAI gives to every expression without an import.
_DEFAULT_NAMES = {"monai": "monai", "torch": "torch", "np": "numpy", "numpy": "numpy"}


def import_refusal(text: str) -> str | None:
    """Why a text after ``$`` is not one of the import lines that are allowed; None if it is."""
    if match := re.fullmatch(r"import (\w+)", text, flags=re.ASCII):
        return None if match[1] in PACKAGES else f"imports {match[1]}; there are {', '.join(PACKAGES)}"
    if match := re.fullmatch(r"from ([\w.]+) import (\w+)", text, flags=re.ASCII):
        name = f"{match[1]}.{match[2]}"
        reason = refusal_in_expression(name)
        return reason and f"{name!r} {reason}"
    return "is not `import PACKAGE` or `from MODULE import NAME`, one name a line"


def imported(lines: object) -> dict[str, str]:
    """Names that the allowed import lines of a recipe make, and what they stand for."""
    names = dict(_DEFAULT_NAMES)
    for line in lines if isinstance(lines, list) else ():
        if isinstance(line, str) and line.startswith("$") and import_refusal(line[1:]) is None:
            words = line[1:].split()
            names[words[-1]] = words[1] if words[0] == "import" else f"{words[1]}.{words[3]}"
    return names


def is_import(expression: str) -> bool:
    """Whether MONAI would read an expression as an import."""
    try:
        body = ast.parse(expression[1:].lstrip()).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "import" in expression.split("(")[0].split()
    return bool(body) and isinstance(body[0], ast.Import | ast.ImportFrom)
