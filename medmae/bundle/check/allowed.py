"""Names that a recipe may use. A prefix is not enough: ``torch.os.system`` begins with ``torch.``, too."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import medmae
from medmae.bundle.renamed import renamed

PACKAGES = ("medmae", "monai", "torch", "pytorch_lightning")
_ROOT = Path(medmae.__file__).parent

# Rooms of medmae whose public classes a recipe may name; what runs other things (cli, demo, the bundle runner) and what
# writes any file (files) is not among them. Of functions there are only those that build a method: others write a text
# of the caller's choice to a path of the caller's choice, be it a module that Python then imports.
_ROOMS = frozenset({"data", "evaluate", "masking", "methods", "nn", "objectives", "recipes", "tokens", "training"})
_NO_BUILDERS = frozenset({"medmae.methods.base", "medmae.methods.registry"})
# Every class of these modules; the others are named one by one, because some of their neighbours download, unpickle,
# look up names from strings (monai.transforms.LoadImage and monai.inferers.PatchInferer do) or start processes.
_MODULES_OF_CLASSES = frozenset(
    {
        "pytorch_lightning.callbacks",
        "torch.nn",
        "torch.optim",
        "torch.optim.lr_scheduler",
    }
)
MONAI_SHORT = {
    "monai.inferers": ("SimpleInferer", "SliceInferer", "SlidingWindowInferer"),
    "monai.losses": ("DiceCELoss", "DiceFocalLoss", "DiceLoss", "FocalLoss", "SSIMLoss", "TverskyLoss"),
    "monai.metrics": ("DiceMetric", "MAEMetric", "MSEMetric", "PSNRMetric", "RMSEMetric", "SSIMMetric"),
    "monai.networks.nets": ("BasicUNet", "DynUNet", "SegResNet", "SwinUNETR", "UNETR", "UNet"),
}
_NAMED = frozenset(
    {f"{module}.{name}" for module, names in MONAI_SHORT.items() for name in names}
    | {name for names in MONAI_SHORT.values() for name in names}
    | {
        "pytorch_lightning.Trainer",
        "pytorch_lightning.loggers.CSVLogger",
        "pytorch_lightning.loggers.TensorBoardLogger",
        "pytorch_lightning.strategies.DDPStrategy",
        "pytorch_lightning.strategies.FSDPStrategy",
        "pytorch_lightning.strategies.ModelParallelStrategy",
        "torch.utils.data.BatchSampler",
        "torch.utils.data.ConcatDataset",
        "torch.utils.data.DataLoader",
        "torch.utils.data.RandomSampler",
        "torch.utils.data.SequentialSampler",
        "torch.utils.data.Subset",
        "torch.utils.data.SubsetRandomSampler",
        "torch.utils.data.TensorDataset",
        "torch.utils.data.WeightedRandomSampler",
        "torch.utils.data.distributed.DistributedSampler",
    }
)
_IN_EXPRESSIONS = frozenset(
    {
        "pytorch_lightning.seed_everything",
        "torch.bfloat16",
        "torch.cuda.device_count",
        "torch.cuda.is_available",
        "torch.device",
        "torch.float16",
        "torch.float32",
    }
)
BUILTINS = frozenset({"bool", "float", "int", "len", "max", "min", "round", "str"})


def refusal(name: object) -> str | None:
    """Why a dotted name is not one that a ``_target_`` may have; None if it is."""
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z]\w*(\.[A-Za-z]\w*)*", name, flags=re.ASCII):
        return "is not the plain dotted name of a class or function"
    if name in _NAMED:
        return None
    module, _, symbol = name.rpartition(".")
    top = name.partition(".")[0]
    is_class = re.fullmatch(r"[A-Z][A-Za-z0-9]*", symbol)
    if module in _MODULES_OF_CLASSES and is_class:
        return None
    room = module.split(".")[1] if top == "medmae" and "." in module else None
    builds = room == "methods" and module not in _NO_BUILDERS
    if room in _ROOMS and (is_class or builds) and symbol in defined(module):
        return None
    if top == "medmae":
        if (new := renamed(name)) is not None:
            return f"is {new} now"
        return "is no class of those of medmae that recipes are made of, and builds no method"
    if top in PACKAGES:
        return f"is of {top}, but not on the list of what recipes need"
    return f"is neither of {', '.join(PACKAGES)} nor the short name of a known part of MONAI"


def refusal_in_expression(name: str) -> str | None:
    """The same for a name in an expression or an import line."""
    return None if name in _IN_EXPRESSIONS else refusal(name)


@cache
def defined(module: str) -> frozenset[str]:
    """Public classes and functions that a module of medmae defines, or its ``__all__`` re-exports: by its source."""
    path = _ROOT.joinpath(*module.split(".")[1:])
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not file.is_file():
        return frozenset()
    names: set[str] = set()
    body = ast.parse(file.read_text(encoding="utf-8")).body
    # What is imported on first use stands under `if TYPE_CHECKING`.
    for node in [inner for top in body for inner in (top.body if isinstance(top, ast.If) else [top])]:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        elif file.name == "__init__.py" and isinstance(node, ast.ImportFrom) and node.level == 0:
            source = node.module or ""
            if source.split(".")[0] == "medmae":
                names |= {alias.name for alias in node.names if alias.name in defined(source)}
    return frozenset(name for name in names if not name.startswith("_"))
