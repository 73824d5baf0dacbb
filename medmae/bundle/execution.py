"""From a configuration to results: it is initialised, its settings are kept, it runs, and what can follow is told."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medmae.bundle.kept import keep_settings
from medmae.bundle.next_steps import Trained, next_commands
from medmae.bundle.quiet import quiet
from medmae.bundle.renamed import ARGUMENTS
from medmae.bundle.shipped import configs, find_config
from medmae.errors import SomeFailedError, mistake

Told = Callable[[Path, list[str]], None]
_PLACES = frozenset({"allow_changes", "bundle_root", "checkpoint", "model_dir", "output_dir"})


@dataclass(frozen=True, kw_only=True)
class Execution:
    """One run of a configuration.

    Args:
        workflow: Of MONAI's kind: initialises, runs and finalises; has a ``parser``.
        bundle: As it was typed.
        root: Its folder.
        config: Name of the configuration.
        options: What was typed for it, by id.
        elsewhere: Whether results go to another folder than by default.
        read: Gives what a configuration holds.
        told: Called at the end with the folder of results and commands that can follow.
    """

    workflow: Any
    bundle: str
    root: Path
    config: str
    options: Mapping[str, str] = field(default_factory=dict)
    elsewhere: bool
    read: Callable[[Path], Any]
    told: Told | None = None

    def execute(self) -> Path:
        """Runs it; the folder of results.

        Raises:
            ValueError: If a class does not take an argument, or misses one.
            SomeFailedError: At the end, if some cases were left out; the settings and what can follow are there then.
        """
        with quiet():
            self._build(self.workflow.initialize)
            place, training = self._place(), self._training()
            if self._is_first():
                keep_settings(self.workflow.parser.get(), place, name=self.config, command=self._typed(self.config))
            try:
                self.workflow.run()
                self.workflow.finalize()
            except Exception as error:
                if isinstance(mistake(error), SomeFailedError):
                    self._tell(place, training)
                raise
        self._tell(place, training)
        return place

    def tell_plan(self) -> Path:
        """Builds a training and tells what it would do; nothing is trained or written.

        Raises:
            ValueError: If it is no training.
        """
        parser = self.workflow.parser
        if "training" not in parser:
            raise ValueError("--dry-run is for a training, and this configuration has none: leave it out")
        with quiet():
            parser.parse(reset=True)
            self._build(lambda: parser.get_parsed_content("training"))
            training = self._training()
            if training is None:
                raise ValueError("--dry-run is for trainings of medmae, and this is another: leave it out")
            training.tell_plan()
            return self._place()

    def _build(self, make: Callable[[], object]) -> None:
        try:
            make()
        except RuntimeError as error:
            _refuse_arguments(error)
            raise

    def _place(self) -> Path:
        parser = self.workflow.parser
        return Path(parser.get_parsed_content("output_dir" if "output_dir" in parser else "bundle_root"))

    def _training(self) -> Any:  # noqa: ANN401 (medmae.recipes is as high as this room, and not imported here)
        """The training of medmae that was built, if it is one; nothing is built for this alone."""
        made: Any = self.workflow.parser.ref_resolver.resolved_content.get("training")
        if not hasattr(made, "data_for"):
            return None
        made.smaller = self._smaller()
        return made

    def _smaller(self) -> str | None:
        """The same at a small size, if the bundle has that: what is small by itself is left out."""
        if self.config != "train" or "demo" not in configs(self.root):
            return None
        own = self.read(find_config(self.root, "demo"))
        return shlex.join(self._typed("train,demo", without={*own, *_PLACES}))

    def _typed(self, config: str, *, without: frozenset[str] | set[str] = frozenset()) -> list[str]:
        options = [word for key, text in self.options.items() if key not in without for word in (f"--{key}", text)]
        return ["medmae", "run", self.bundle, config, *options]

    def _tell(self, place: Path, training: Trained | None) -> None:
        if self.told is None or not self._is_first():
            return
        follow: dict[str, Any] = {"bundle": self.bundle, "root": self.root, "read": self.read}
        follow |= {"config": self.workflow.parser.get(), "elsewhere": self.elsewhere}
        self.told(place, [] if training is None else next_commands(training, **follow))

    @staticmethod
    def _is_first() -> bool:
        """Of several processes that train together, one writes and tells."""
        return os.environ.get("LOCAL_RANK", "0") == "0"


def _refuse_arguments(error: BaseException) -> None:
    """Says in a line which argument a class does not take, or misses, where MONAI says that it was not made."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, TypeError):
        cause = cause.__cause__
    text = str(cause).replace(".__init__", "")
    found = re.match(r"(?:(\w+)\(\) )?(?:got an unexpected|missing|no such) .*?'(\w+)'", text)
    if found:
        hint = ARGUMENTS.get(found[2], "see its documentation for those that it takes")
        raise ValueError(f"{text}: {hint}") from error
