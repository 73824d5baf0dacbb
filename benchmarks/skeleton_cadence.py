"""How much of a walk's cadence is left in what a network gets: stretched to a number of frames, or at a rate.

    python benchmarks/skeleton_cadence.py

120 simulated walkers of 3 to 6 s, whose cadence is known; ridge regression on each description, five folds. And how
far the proxy of ``medmae prep skeleton --value-from cadence`` is off. It takes seconds; one seed.
"""

from __future__ import annotations

import numpy as np
import torch
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from data_prep.tiny.skeletons import RATE, Walker, walk
from medmae.data.skeletons.cadence import walk_of
from medmae.data.skeletons.cut import SkeletonCut
from medmae.data.skeletons.layouts import NTU_25
from medmae.evaluate.classify.plain_features import plain_features
from medmae.methods.skeleton_mae import skeleton_mae_small
from medmae.nn.skeletons import SKELETON

WALKERS, FRAMES = 120, 48
CUTS = {"stretched": SkeletonCut(frames=FRAMES), "15 frames a second": SkeletonCut(frames=FRAMES, rate=15.0)}


def cut_all(walks: list[np.ndarray], cut: SkeletonCut) -> Tensor:
    """``(N, 3, FRAMES, 25)``, as a test sees them."""
    found = []
    for positions in walks:
        row = {"count": len(positions), "rate": RATE, "centre": positions[0, NTU_25.centre_number].tolist()}
        part = cut.part(row, None)
        found.append(cut.read(positions, np.ones(positions.shape[:2]), part, row=row, layout=NTU_25)[0])
    return torch.stack(found)


@torch.no_grad()
def described(data: Tensor) -> dict[str, np.ndarray]:
    """What is said of the walks, without training."""
    torch.manual_seed(0)
    encoder = skeleton_mae_small(joints=25, parts=None).encoder
    apart = data[:, 2, :, NTU_25.joints.index("left_ankle")] - data[:, 2, :, NTU_25.joints.index("right_ankle")]
    found = {name: of(data).numpy() for name, of in plain_features(SKELETON).items()}
    found["spectrum of the distance of both ankles"] = np.abs(np.fft.rfft(apart.numpy() * np.hanning(FRAMES)))
    parts = [encoder.features({"skeleton": some}) for some in data.split(30)]
    return {**found, "untrained encoder": torch.cat(parts).numpy()}


def main() -> None:
    """Prints the errors in steps a minute."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    people = [Walker.of(1000 + number, limp=number % 2 == 1) for number in range(WALKERS)]
    seconds = [float(rng.uniform(3, 6)) for _ in people]
    walks = [
        walk(one, seconds=long, seed=number).astype(np.float32)
        for number, (one, long) in enumerate(zip(people, seconds, strict=True))
    ]
    true = np.array([one.cadence for one in people])
    print(f"same answer to all: {np.abs(true - true.mean()).mean():.2f}")
    proxies = [walk_of(one, np.ones(one.shape[:2], dtype=bool), rate=RATE, layout=NTU_25) for one in walks]
    off = [abs(found.cadence - own) for found, own in zip(proxies, true, strict=True) if found is not None]
    print(f"proxy: {np.mean(off):.2f} on average, {np.max(off):.2f} at most, of {len(off)}")
    for cut_name, cut in CUTS.items():
        for name, values in described(cut_all(walks, cut)).items():
            model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-2, 4, 13)))
            guess = cross_val_predict(model, values, true, cv=KFold(5, shuffle=True, random_state=0))
            explained = 1 - ((guess - true) ** 2).mean() / true.var()
            print(f"{cut_name}, {name}: {np.abs(guess - true).mean():.2f}, R2 {explained:.2f}")


if __name__ == "__main__":
    main()
