"""Faults 35 and 36: nowhere to write, which is told before the work, and not enough memory for it."""

import errno
import os
import resource
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from medmae.data.volumes.folder import VolumeFolder
from medmae.data.volumes.grid import Grid
from medmae.errors import DataError, ExitCode
from medmae.methods.edge_mae import edge_mae_tiny
from medmae.nn.checkpointing import checkpoint_activations
from medmae.training import ResumableLoader, fit
from medmae.training.guard import require_writable
from medmae.training.memory import memory
from medmae.training.out_of_memory import (
    NotEnoughMemoryError,
    explaining_out_of_memory,
    inference_advice,
    is_out_of_memory,
    training_advice,
)
from medmae.training.sizes import Sizes
from tests.evaluate.test_infer import inference, write_head
from tests.faults.children import start, without_memory
from tests.training.toys import Blobs, module, trainer


@contextmanager
def limited(what, value):
    """Lowers a limit of this process for the block; root is bound by it, too."""
    soft, hard = resource.getrlimit(what)
    resource.setrlimit(what, (value, hard))
    try:
        yield
    finally:
        resource.setrlimit(what, (soft, hard))


# ------------------------------------------------------------------------------------------------ 35: nowhere to write
@contextmanager
def file_in_the_way(folder, monkeypatch):
    (folder / "out").write_text("mine")
    yield folder / "out", r"out is a file, not a folder"


@contextmanager
def file_as_parent(folder, monkeypatch):
    (folder / "parent").write_text("mine")
    yield folder / "parent" / "out", r"parent is a file, not a folder"


@contextmanager
def parent_that_cannot_be_made(folder, monkeypatch):
    yield Path("/proc/nowhere/out"), r"it cannot be made in /proc: "


@contextmanager
def disk_without_space(folder, monkeypatch):
    with limited(resource.RLIMIT_FSIZE, 0):  # a real write that really fails
        yield folder / "out", r"File too large"


@contextmanager
def read_only_disk(folder, monkeypatch):
    real = os.open

    def refuse(path, flags, *rest, **options):
        if flags & os.O_CREAT and str(path).startswith(str(folder)):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
        return real(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", refuse)
    yield folder / "out", r"Read-only file system"


PLACES = [file_in_the_way, file_as_parent, parent_that_cannot_be_made, disk_without_space, read_only_disk]


@pytest.mark.parametrize("place", PLACES)
def test_fault_35_a_folder_that_cannot_be_written_is_refused_before_training_starts(tmp_path, monkeypatch, place):
    learner = module()
    monkeypatch.setattr(learner, "training_step", lambda *_: pytest.fail("training started"))
    made = trainer(tmp_path)
    with place(tmp_path, monkeypatch) as (folder, reason):
        made._default_root_dir = str(folder)
        with pytest.raises(DataError, match=rf"cannot write there \(.*{reason}.*\); nothing was done") as caught:
            fit(trainer=made, module=learner, train_loader=ResumableLoader(dataset=Blobs(4), batch_size=2))
    assert caught.value.path == folder
    assert caught.value.exit_code == ExitCode.REFUSED


@pytest.mark.parametrize("place", PLACES)
def test_fault_35_a_folder_that_cannot_be_written_is_refused_before_inference_starts(tmp_path, monkeypatch, place):
    write_head(tmp_path / "a.nii.gz")
    monkeypatch.setattr(VolumeFolder, "__getitem__", lambda *_: pytest.fail("inference started"))
    with place(tmp_path, monkeypatch) as (folder, reason), pytest.raises(DataError, match=reason):
        inference(tmp_path / "a.nii.gz", folder, output="features").run()


def test_fault_35_a_missing_parent_is_made_and_the_probe_leaves_nothing(tmp_path):
    folders = [tmp_path / "new" / "parent" / "run", tmp_path / "checkpoints"]
    require_writable(*folders)
    assert all(folder.is_dir() and not list(folder.iterdir()) for folder in folders)


# -------------------------------------------------------------------------------------------------- 36: out of memory
def allocate_too_much(*_, **__):
    """What PyTorch really says on this machine."""
    return torch.empty(2**50)


def numpy_too_much():
    return np.empty(2**50)


@contextmanager
def explained(method, *, batch_size=20, **options):
    with explaining_out_of_memory(
        method=method, batch_size=batch_size, advice=lambda: training_advice(method, batch_size=batch_size, **options)
    ):
        yield


@pytest.mark.parametrize("how", [allocate_too_much, numpy_too_much])
def test_fault_36_the_end_of_memory_is_told_with_batch_tokens_and_settings_that_need_less(how):
    method = edge_mae_tiny()
    with (
        pytest.raises(
            NotEnoughMemoryError,
            match=r"out of memory \(.*batch_size, tokens of a sample = \(20, 64\).*"
            r"--batch_size 10 --accumulate 2, as many samples a step.*--recompute true",
        ) as caught,
        explained(method),
    ):
        how()
    assert caught.value.exit_code == ExitCode.REFUSED
    assert is_out_of_memory(caught.value.__cause__)


@pytest.mark.parametrize(
    ("error", "ends"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), True),
        (
            RuntimeError("[enforce fail at x] DefaultCPUAllocator: not enough memory: you tried"),
            True,
        ),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"), True),
        (MemoryError(), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("CUDA error: out of memory"), False),
    ],
)
def test_fault_36_the_end_of_memory_is_known_by_all_its_names(error, ends):
    assert is_out_of_memory(error) == ends
    with pytest.raises(NotEnoughMemoryError if ends else type(error)), explained(edge_mae_tiny()):
        raise error


def test_fault_36_each_setting_comes_with_what_the_cost_model_expects_of_it(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    method = edge_mae_tiny()
    advice = training_advice(method, batch_size=512, accumulate=3)
    sizes = Sizes.of(method)
    wanted = [
        memory(sizes, batch=256),
        memory(sizes, batch=512, checkpointing=True),
        memory(sizes, batch=512, precision="bf16-mixed"),
        memory(sizes, batch=512),
    ]
    assert "--batch_size 256 --accumulate 6" in advice[0]
    for line, cost in zip(advice, wanted, strict=True):
        assert f"(about {cost.total / 2**20:,.0f} MiB)" in line
    assert len({line.rpartition("(")[2] for line in advice}) == 4


@pytest.mark.parametrize(("batch_size", "advised"), [(15, "--batch_size 5 --accumulate 6"), (7, "1 --accumulate")])
def test_fault_36_a_smaller_batch_keeps_the_samples_of_a_step_so_that_the_run_can_be_resumed(batch_size, advised):
    assert advised in training_advice(edge_mae_tiny(), batch_size=batch_size, accumulate=2)[0]


def test_fault_36_bfloat16_is_not_advised_on_a_cpu_that_emulates_it(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "bf16" not in " ".join(training_advice(edge_mae_tiny(), batch_size=8))


def test_fault_36_what_is_done_already_is_not_advised():
    method = edge_mae_tiny()
    checkpoint_activations(method)
    (only,) = training_advice(method, batch_size=1, precision="bf16-mixed")
    assert only.startswith("a smaller method")
    assert "batch_size" not in " ".join(inference_advice(batch_size=1))


def test_fault_36_a_method_or_precision_without_a_cost_model_is_advised_without_figures():
    advice = training_advice(edge_mae_tiny(), batch_size=8, precision="16-mixed")
    assert "MiB" not in advice[0]
    method = edge_mae_tiny()
    method.decoder = torch.nn.Identity()
    assert not any("MiB" in line for line in training_advice(method, batch_size=8))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="knows this process's memory from Linux only")
def test_fault_36_a_training_step_that_really_runs_out_of_memory_is_explained(tmp_path):
    process = start(without_memory, tmp_path, 2048)
    process.join(timeout=600)
    assert process.exitcode == 0
    ended = (tmp_path / "ended").read_text()
    assert ended.startswith("NotEnoughMemoryError: ")
    assert "--batch_size 1024 --accumulate 2" in ended


@pytest.mark.parametrize(("limit", "is_memory"), [(2**40, True), (resource.RLIM_INFINITY, False)])
def test_fault_36_kernels_that_cannot_be_made_are_memory_where_there_is_a_limit(monkeypatch, limit, is_memory):
    monkeypatch.setattr(resource, "getrlimit", lambda what: (limit, resource.RLIM_INFINITY))
    assert is_out_of_memory(RuntimeError("could not create a primitive")) == is_memory


def test_fault_36_inference_without_memory_stops_at_once_and_keeps_only_what_is_whole(tmp_path, monkeypatch):
    for name in ("a", "b", "c"):
        write_head(tmp_path / f"{name}.nii.gz")
    run = inference(tmp_path, tmp_path / "out", output="features")
    forward, seen = run.network.forward, []

    def second_fails(images):
        seen.append(len(images))
        return forward(images) if len(seen) < 2 else allocate_too_much()

    monkeypatch.setattr(run.network, "forward", second_fails)
    with pytest.raises(NotEnoughMemoryError, match=r"= \(16, 64\).*try batch_size 8; or a device with more memory"):
        run.run()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a_desc-features.npz"]
    assert len(seen) == 2


@pytest.mark.parametrize("failing", [1, 2])
def test_fault_36_a_reconstruction_never_stands_without_its_mask_nor_the_mask_alone(tmp_path, monkeypatch, failing):
    write_head(tmp_path / "a.nii.gz")
    write, calls = Grid.write_nifti, []

    def fail_once(self, *arguments, **options):
        calls.append(arguments)
        if len(calls) == failing:
            raise MemoryError
        write(self, *arguments, **options)

    monkeypatch.setattr(Grid, "write_nifti", fail_once)
    with pytest.raises(NotEnoughMemoryError, match=r"out of memory \(MemoryError\)"):
        inference(tmp_path / "a.nii.gz", tmp_path / "out", output="reconstruction").run()
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_fault_36_a_gpu_without_memory_is_explained():
    method = edge_mae_tiny().cuda()
    with pytest.raises(NotEnoughMemoryError, match=r"CUDA out of memory.*batch_size 10"), explained(method):
        torch.empty(2**50, device="cuda")
