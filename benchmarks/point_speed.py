"""Farthest points, nearest neighbours and Chamfer distances at 1k to 64k points, beside libraries built for them.

    python benchmarks/point_speed.py ours OUT.csv
    python benchmarks/point_speed.py peers OUT.csv    # in an environment with fpsample, open3d and scipy
    python benchmarks/point_speed.py step OUT.csv     # which share of a training step its patches are

Each figure is the median of three runs of one thread on one cloud, in a process of its own, whose memory above that of
an empty one is told. Peers run without torch in their process, where they need none.
"""

from __future__ import annotations

import csv
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SIZES = (1024, 4096, 16384, 65536)
CENTRES, NEIGHBOURS = 512, 32
OURS = ("farthest", "nearest", "chamfer")
PEERS = ("fpsample", "fpsample_buckets", "open3d_fps", "scipy_knn", "open3d_knn", "scipy_chamfer", "open3d_chamfer")


def cloud(count: int, seed: int = 0) -> np.ndarray:
    """Points of a sphere with noise."""
    points = np.random.default_rng(seed).normal(size=(count, 3))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def ours(name: str, count: int) -> Callable[[], Any]:
    """One of this project's."""
    import torch

    from medmae.objectives.chamfer import chamfer_l2
    from medmae.tokens.points import farthest, nearest

    torch.set_num_threads(1)
    one, other = (torch.from_numpy(cloud(count, seed))[None] for seed in (0, 1))
    return {
        "farthest": lambda: farthest(one, count=CENTRES),
        "nearest": lambda: nearest(one[:, :CENTRES], one, count=NEIGHBOURS),
        "chamfer": lambda: chamfer_l2(one, other),
    }[name]


def peer(name: str, count: int) -> Callable[[], Any]:
    """One of other libraries'."""
    one, other = cloud(count, 0), cloud(count, 1)
    if name.startswith("fpsample"):
        import fpsample

        if name == "fpsample":
            return lambda: fpsample.fps_sampling(one, CENTRES, start_idx=0)
        return lambda: fpsample.bucket_fps_kdline_sampling(one, CENTRES, h=5, start_idx=0)
    if name.startswith("scipy"):
        from scipy.spatial import cKDTree

        if name == "scipy_knn":
            return lambda: cKDTree(one).query(one[:CENTRES], k=NEIGHBOURS)
        return lambda: (cKDTree(one).query(other)[0] ** 2).mean() + (cKDTree(other).query(one)[0] ** 2).mean()
    import open3d as o3d

    clouds = [o3d.geometry.PointCloud(o3d.utility.Vector3dVector(each.astype(np.float64))) for each in (one, other)]
    if name == "open3d_fps":
        return lambda: clouds[0].farthest_point_down_sample(CENTRES)
    if name == "open3d_chamfer":
        return lambda: [
            np.square(np.asarray(a.compute_point_cloud_distance(b))).mean() for a, b in (clouds, clouds[::-1])
        ]

    def search() -> None:
        tree = o3d.geometry.KDTreeFlann(clouds[0])
        for point in one[:CENTRES]:
            tree.search_knn_vector_3d(point.astype(np.float64), NEIGHBOURS)

    return search


def measured(name: str, count: int) -> None:
    """Prints seconds of the processor, and MiB."""
    run = (ours if name in OURS else peer)(name, count)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = timed(run)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{seconds:.4f},{(after - before) / 1024:.0f}")


def step() -> list[dict[str, Any]]:
    """Shares of a step of 4 clouds of 2,048 points that its patches take, looked for and brought."""
    import torch

    from medmae.methods.mae3d import mae3d_base, mae3d_small
    from medmae.methods.point_mae import point_mae_base, point_mae_small

    torch.set_num_threads(1)
    return [_share(build) for build in (point_mae_small, point_mae_base, mae3d_small, mae3d_base)]


def _share(build: Callable[..., Any]) -> dict[str, Any]:
    import torch

    from medmae.tokens.points import PointPatches

    sizes = {"count": 32, "size": 64}
    method = build(num_points=2048, num_patches=32, patch_points=64)
    points = torch.stack([torch.from_numpy(cloud(2048, seed)).T for seed in range(4)])
    rows = points.transpose(1, 2)
    brought = {"members": PointPatches.cut(rows, **sizes).members}
    times = {
        "looking": timed(lambda: PointPatches.cut(rows, **sizes)),
        "bringing": timed(lambda: PointPatches.of(brought, rows, **sizes)),
        "step": timed(lambda: method({"points": points, **brought}).loss.backward()),
    }
    whole = times["step"] - times["bringing"]
    shares = {f"{name}_share": times[name] / (whole + times[name]) for name in ("looking", "bringing")}
    row = {"method": build.__name__, **{name: round(value, 4) for name, value in {**times, **shares}.items()}}
    print(*row.values(), flush=True)
    return row


def timed(run: Callable[[], Any]) -> float:
    """Median seconds of the processor of three runs, after one."""
    run()
    seconds = []
    for _ in range(3):
        started = time.process_time()
        run()
        seconds.append(time.process_time() - started)
    return float(np.median(seconds))


def main() -> None:
    """See the head of this file."""
    what, out = sys.argv[1], Path(sys.argv[2])
    if what == "one":
        measured(sys.argv[2], int(sys.argv[3]))
        return
    rows: list[dict[str, Any]] = step() if what == "step" else []
    for name in OURS if what == "ours" else PEERS if what == "peers" else ():
        for count in SIZES:
            done = subprocess.run([sys.executable, __file__, "one", name, str(count)], capture_output=True, text=True)
            seconds, mib = done.stdout.strip().split(",") if done.returncode == 0 else ("", "")
            rows.append({"what": name, "points": count, "cpu_seconds": seconds, "mib": mib})
            print(*rows[-1].values(), done.stderr[-200:], flush=True)
    with out.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
