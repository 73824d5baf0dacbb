"""What a synthesis must beat: tables of grey values and a regression on small neighbourhoods, without any network."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.ndimage import uniform_filter
from sklearn.base import RegressorMixin
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.tree import DecisionTreeRegressor

from medmae.data.evenly import evenly
from medmae.evaluate.synthesis.case_scores import SynthesisCases
from medmae.evaluate.synthesis.task import Task

TABLE, JOINT, PATCH = "table", "joint", "patch"
_CASES, _VOXELS = 20, 200_000  # at most, of which a regression is fitted: seconds on one core
_LEAF = 200  # voxels behind an entry of a table, so that no entry is noise
_MEANS = ((5, 5, 5), (5, 9, 9), (9, 17, 17))  # windows around a voxel: slices, rows, columns
_CHUNK = 1 << 18  # voxels predicted at once
DESCRIPTIONS = {
    TABLE: f"a table of grey values: mean target of the one source that tells it best ({_LEAF} voxels an entry)",
    JOINT: f"a joint table: mean target of the grey values of all that is given ({_LEAF} voxels an entry)",
    PATCH: "gradient-boosted trees on each voxel given, its 6 neighbours, and the means of 3 windows around it",
}
Maps = Callable[[np.ndarray], list[np.ndarray]]


@dataclass(frozen=True, kw_only=True)
class _Regression:
    """A fitted baseline: ``maps`` turns what is given, ``(S, C, H, W)``, into features ``(S, H, W)`` each."""

    regressor: RegressorMixin
    maps: Maps

    def __call__(self, given: np.ndarray) -> np.ndarray:
        """The target ``(S, H, W)`` float32; where nothing is given it is 0, as inference leaves it."""
        made = np.zeros(given[:, 0].shape, dtype=np.float32)
        maps, inside = self.maps(given), np.flatnonzero(given.any(axis=1))
        for start in range(0, len(inside), _CHUNK):
            voxels = inside[start : start + _CHUNK]
            made.flat[voxels] = self.regressor.predict(_features(maps, voxels))
        return made


@dataclass(kw_only=True)
class Baselines:
    """Regressions from what is given to what is made, fitted on training subjects alone when a task first asks.

    Args:
        train: The training split.
        subjects: Whose pairs; None takes all.
    """

    train: SynthesisCases
    subjects: Collection[str] | None = None
    fitted_on: dict[str, int] = field(default_factory=dict, init=False)
    _known: dict[tuple[tuple[str, ...], str], dict[str, _Regression]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        tasks = self.train.tasks()
        self._tasks = [t for t in tasks if self.subjects is None or t.row["subject"] in self.subjects]

    @property
    def names(self) -> tuple[str, ...]:
        """Which there are; none where no training subject has a pair."""
        if not self._tasks:
            return ()
        return (TABLE, JOINT, PATCH) if self._tasks[0].any_to_any else (TABLE, PATCH)

    def __call__(self, task: Task, image: np.ndarray) -> dict[str, np.ndarray | None]:
        """What each makes of a case, ``(S, H, W)`` float32 by name; None where no training case tells.

        Args:
            task: What is made of what.
            image: As the network sees it, ``(S, C, H, W)`` in [0, 1].
        """
        key = task.sources, task.target
        if key not in self._known:
            self._known[key] = self._fit(task)
        given = image[:, task.given]
        return {name: found(given) if (found := self._known[key].get(name)) else None for name in self.names}

    def _fit(self, task: Task) -> dict[str, _Regression]:
        able = [t for t in self._tasks if t.target == task.target and set(task.sources) <= set(t.sources)]
        self.fitted_on[task.way] = min(len(able), _CASES)
        if not able:
            return {}
        chosen = [replace(able[i], sources=task.sources) for i in evenly(len(able), _CASES).tolist()]
        samples = [self._sample(t, count=_VOXELS // len(chosen), seed=i) for i, t in enumerate(chosen)]
        greys, patches, real = (np.concatenate(parts) for parts in zip(*samples, strict=True))
        trees = HistGradientBoostingRegressor(random_state=0).fit(patches, real)
        found = {TABLE: _best_table(greys, real), PATCH: _Regression(regressor=trees, maps=_neighbourhoods)}
        return found | {JOINT: _Regression(regressor=_table(greys, real), maps=_greys)}

    def _sample(self, task: Task, *, count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Grey values ``(N, C)``, features of neighbourhoods ``(N, F)`` and target ``(N,)`` of voxels of one case."""
        volumes = self.train.read(task)
        given = volumes.image[:, task.given]  # (S, C, H, W)
        inside = np.flatnonzero(given.any(axis=1))
        voxels = np.random.default_rng(seed).choice(inside, min(count, len(inside)), replace=False)
        return (
            _features(_greys(given), voxels),
            _features(_neighbourhoods(given), voxels),
            volumes.real.ravel()[voxels],
        )


def _best_table(greys: np.ndarray, real: np.ndarray) -> _Regression:
    """Of the tables of each contrast alone ``(N, C)`` the one with the least error."""
    tables = [_table(column[:, None], real) for column in greys.T]
    best = int(np.argmax([table.score(greys[:, i, None], real) for i, table in enumerate(tables)]))
    return _Regression(regressor=tables[best], maps=lambda given: [given[:, best]])


def _table(greys: np.ndarray, real: np.ndarray) -> DecisionTreeRegressor:
    return DecisionTreeRegressor(min_samples_leaf=_LEAF, random_state=0).fit(greys, real)


def _greys(given: np.ndarray) -> list[np.ndarray]:
    return list(np.moveaxis(given, 1, 0))


def _neighbourhoods(given: np.ndarray) -> list[np.ndarray]:
    maps = []
    for contrast in _greys(given):
        padded = np.pad(contrast, 1, mode="edge")
        maps += [contrast, *(uniform_filter(contrast, window) for window in _MEANS)]
        for axis in range(3):
            for start in (0, 2):
                box = [slice(1, -1)] * 3
                box[axis] = slice(start, start + contrast.shape[axis])
                maps.append(padded[tuple(box)])
    return maps


def _features(maps: list[np.ndarray], voxels: np.ndarray) -> np.ndarray:
    """``(N, F)`` of flat indices ``(N,)``."""
    where = np.unravel_index(voxels, maps[0].shape)
    return np.stack([values[where] for values in maps], axis=1)
