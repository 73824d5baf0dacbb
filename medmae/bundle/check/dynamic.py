"""Checks 16 to 27: the bundle does what it says, on the CPU, in about a minute. Only after the static ones passed."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from monai.bundle import ConfigWorkflow, verify_net_in_out
from safetensors.torch import load_file

from medmae.bundle.check.exports import exports
from medmae.bundle.check.finding import Finding, Problem, errors, found
from medmae.bundle.check.source import Bundle
from medmae.bundle.check.static import check_static
from medmae.bundle.check.trial import MakeData, TrainingFailedError, Trial, all_finite, first_difference, quietly
from medmae.bundle.check.zipped import unpack
from medmae.weights.io import load_state

_FIT_STEPS = 30
_RECIPES = ("train", "evaluate", "inference")


@dataclass(frozen=True)
class DynamicCheck:
    """A numbered check that runs the bundle.

    Attributes:
        number: 16 to 27.
        name: In a few words.
        function: Yields what is wrong; what it raises is a finding, too.
    """

    number: int
    name: str
    function: Callable[[Trial], Iterator[Problem]]

    def __call__(self, trial: Trial) -> list[Finding]:
        """All its findings."""
        try:
            problems = list(self.function(trial))
        except TrainingFailedError:
            problems = []  # check 20 says why
        except Exception as error:  # a bundle may raise anything
            problems = [_raised(error)]
        return [found(self.number, self.name, problem) for problem in problems]


def properties(trial: Trial) -> Iterator[Problem]:
    """Every recipe initialises and has what MONAI's tools ask for."""
    for name in _RECIPES:
        overrides = trial.overrides(name, trial.work / "properties")
        kind = "train" if name == "train" else "infer"
        workflow = ConfigWorkflow(trial.configs(name), logging_file=False, workflow_type=kind, **overrides)
        workflow.initialize()
        try:
            missing = workflow.check_properties()
        except KeyError as error:  # MONAI 1.6.1 raises for the first instead of listing it
            missing = [str(error)]
        if missing:
            yield Problem(f"configs/{name}", f"lacks {', '.join(missing)}", "define them: MONAI's tools ask for them")


def network_shape(trial: Trial) -> Iterator[Problem]:
    """The network takes and gives what the metadata say, at its real size."""
    config = trial.config("inference")
    verify_net_in_out(net_id="network_def", meta_file=trial.metadata(), config_file=config, device="cpu")
    yield from ()


def weights(trial: Trial) -> Iterator[Problem]:
    """``model.pt`` loads with ``weights_only``, fits strictly, and is finite."""
    state = load_state(trial.models[0] / "model.pt")
    bad = [key for key, value in state.items() if not torch.isfinite(value).all()]
    if bad:
        yield Problem("models/model.pt", f"holds NaN or infinite values in {', '.join(bad[:5])}", "train it again")
    trial.network()


def twin(trial: Trial) -> Iterator[Problem]:
    """``model.safetensors`` holds the same tensors."""
    folder = trial.models[0]
    if not (folder / "model.safetensors").is_file():
        yield Problem("models/model.safetensors", "is missing", "write it beside model.pt")
        return
    first, second = load_state(folder / "model.pt"), load_file(folder / "model.safetensors")
    differ = sorted(first.keys() ^ second.keys())
    same = (key for key in first.keys() & second.keys() if _bytes_differ(first[key], second[key]))
    if differ or (differ := sorted(same)):
        yield Problem(
            "models/model.safetensors", f"differs in {', '.join(differ[:5])}", "write both from one state dict"
        )


def learns(trial: Trial) -> Iterator[Problem]:
    """A tiny training runs to its end, its losses are finite, and a fixed batch is learnt."""
    if isinstance(trial.first, Exception):
        yield _raised(trial.first)
        return
    if len(trial.first) < 2 or not all_finite(trial.first):
        yield Problem("configs/train", f"losses were {trial.first}", "two finite ones at least are wanted")
    workflow = trial.workflow("train", trial.work / "fit")
    workflow.initialize()
    method = workflow.parser.get_parsed_content("module").method
    batch = next(iter(workflow.parser.get_parsed_content("train::dataloader")))
    optimizer = torch.optim.AdamW(method.parameters(), lr=1e-3)
    losses = []
    for _ in range(_FIT_STEPS):
        loss = method(batch, generator=torch.Generator().manual_seed(0)).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    if not losses[-1] < losses[0]:
        message = f"the loss of one batch went from {losses[0]:.4g} to {losses[-1]:.4g} in {_FIT_STEPS} steps"
        yield Problem("configs/train", message, "look at the objective and its gradient")


def resumes(trial: Trial) -> Iterator[Problem]:
    """Stopped inside an epoch and resumed, it goes on with the losses it would have had."""
    whole = trial.losses
    before = trial.train(trial.work / "stopped", stop=True)
    after = trial.train(trial.work / "resumed", checkpoint=trial.work / "stopped" / "stopped.ckpt")
    step = first_difference(whole, before + after)
    if step is not None:
        message = f"stopped after step {len(before)} and resumed, the losses differ from step {step + 1} on"
        yield Problem("configs/train", message, "keep sampler order and random states in the checkpoint")


def outputs(trial: Trial) -> Iterator[Problem]:
    """Every recipe writes what the metadata declare."""
    results = {"train": trial.trained, "evaluate": trial.run("evaluate"), "inference": trial.run("inference")}
    for name, patterns in trial.settings["outputs"].items():
        for pattern in patterns:
            written = [path for path in results[name].glob(pattern) if path.stat().st_size > 0]
            if not written:
                yield Problem(f"configs/{name}", f"writes no {pattern}", "write it, or mend medmae_check::outputs")


def deterministic(trial: Trial) -> Iterator[Problem]:
    """The same seed gives the same losses, bit for bit."""
    whole = trial.losses
    step = first_difference(whole, trial.train(trial.work / "again"))
    if step is not None:
        message = f"two runs of one seed differ from step {step + 1} on"
        yield Problem("configs/train", message, "draw only from generators that are seeded")


def repacks(trial: Trial) -> Iterator[Problem]:
    """Zipped and unpacked, it still passes the static checks."""
    made = shutil.make_archive(
        str(trial.work / "packed"), "zip", root_dir=trial.bundle.parent, base_dir=trial.bundle.name
    )
    for finding in errors(check_static(unpack(made, trial.work / "unpacked"))):
        yield Problem(finding.path, f"after zipping: {finding.message}", finding.remedy)


def elsewhere(trial: Trial) -> Iterator[Problem]:
    """All of that ran from another working directory, and left nothing there."""
    for path in sorted(trial.elsewhere.iterdir()):
        yield Problem(path.name, "was written into the working directory", "write below output_dir")


def read_only(trial: Trial) -> Iterator[Problem]:
    """All of that ran from a read-only copy, and changed nothing in it."""
    after = trial.snapshot()
    for path in sorted({*trial.before, *after}):
        if trial.before.get(path) != after.get(path):
            name = Path(path).relative_to(trial.bundle).as_posix()
            yield Problem(name, "was written into the bundle", "write below output_dir")


DYNAMIC = (
    DynamicCheck(16, "properties", properties),
    DynamicCheck(17, "network fits metadata", network_shape),
    DynamicCheck(18, "weights load", weights),
    DynamicCheck(19, "twin weights", twin),
    DynamicCheck(20, "learns", learns),
    DynamicCheck(21, "resumes", resumes),
    DynamicCheck(22, "writes its outputs", outputs),
    DynamicCheck(23, "deterministic", deterministic),
    DynamicCheck(24, "exports", exports),
    DynamicCheck(25, "zip and back", repacks),
    DynamicCheck(26, "another working directory", elsewhere),
    DynamicCheck(27, "read-only bundle", read_only),
)


def check_dynamic(
    bundle: Bundle,
    *,
    make_data: MakeData,
    checks: tuple[DynamicCheck, ...] = DYNAMIC,
    progress: Callable[[str], None] | None = None,
) -> list[Finding]:
    """Runs a bundle that passed the static checks at the tiny size that its metadata declare.

    Args:
        bundle: As it was checked.
        make_data: Makes synthetic data; ``data_prep.tiny.make``.
        checks: Which ones, in their order.
        progress: Told the name of each check before it runs.
    """
    with tempfile.TemporaryDirectory(prefix="medmae-check-") as temporary:
        work = Path(temporary).resolve()
        settings = (bundle.metadata or {}).get("medmae_check")
        if not isinstance(settings, dict) or not {"data", "outputs", "exports"} <= settings.keys():
            remedy = "declare data, outputs, exports and tiny overrides, as docs/check.md says"
            missing = Problem("configs/metadata.json", "has no medmae_check by which to try the bundle out", remedy)
            return [found(16, "properties", missing)]
        trial = Trial(given=bundle, settings=settings, work=work, make_data=make_data)
        try:
            return [finding for check in checks for finding in _one(check, trial, progress)]
        finally:
            trial.close()


def _one(check: DynamicCheck, trial: Trial, progress: Callable[[str], None] | None) -> list[Finding]:
    if progress:
        progress(f"{check.number} {check.name}")
    with quietly(trial.work / "log.txt"), contextlib.chdir(trial.elsewhere), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return check(trial)


def _bytes_differ(first: torch.Tensor, second: torch.Tensor) -> bool:
    """NaN equals itself here: whether values are finite is another check's business."""
    return (
        first.shape != second.shape
        or first.dtype != second.dtype
        or not torch.allclose(first, second, rtol=0, atol=0, equal_nan=True)
    )


def _raised(error: BaseException) -> Problem:
    """The innermost cause: MONAI wraps in long messages what a recipe raised."""
    while error.__cause__ is not None:
        error = error.__cause__
    text = " ".join(str(error).split())
    return Problem("configs", f"{type(error).__name__}: {text[:300]}", "run it by hand with medmae run --debug")
