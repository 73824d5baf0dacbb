"""Faults 29 to 35, 38 and 39: what a training survives, and how it ends when it does not."""

import json
import os
import signal
import time
import warnings
from contextlib import nullcontext

import pytest
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import CSVLogger
from torch.utils.data import Dataset

from medmae.errors import DataError, ExitCode
from medmae.methods.mae import mae_tiny
from medmae.training import Checkpoints, ResumableLoader, fit
from medmae.training.checkpoints import checkpoints
from medmae.training.finite import NotFiniteError
from medmae.training.resume import find_checkpoint, read_checkpoint
from tests.faults.children import interrupted, send, start, with_a_full_disk
from tests.faults.runs import Numbered, loader, run
from tests.training.toys import module, trainer


# ------------------------------------------------------------------------------------------------------- not finite
def test_fault_29_a_step_that_is_not_finite_is_skipped_counted_and_its_sample_named(tmp_path):
    with pytest.warns(UserWarning, match=r"step 1 is skipped.*6 \(case case-6\)"):
        _, learner = run(tmp_path, Numbered(nan=[6]), epochs=2)
    assert learner.guard.skipped == 2  # once in each epoch
    assert all(torch.isfinite(value).all() for value in learner.method.state_dict().values())
    record = json.loads((tmp_path / "not_finite" / "step-00000001.json").read_text())
    assert [sample["index"] for sample in record["samples"]] == [6]
    assert record["samples"][0]["finite_input"] is False
    assert record["parameters"] == []


def test_fault_29_a_skipped_step_changes_neither_weights_nor_the_optimiser(tmp_path):
    states = []
    for data in (Numbered(4), Numbered(8, nan=[5])):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made, learner = run(tmp_path / str(len(data)), data)
        states.append((learner.method.state_dict(), made.optimizers[0].state_dict()["state"]))
    (weights, moments), (weights_after, moments_after) = states
    assert all(torch.equal(weights[name], weights_after[name]) for name in weights)
    assert moments.keys() == moments_after.keys()
    assert all(torch.equal(moments[key]["exp_avg"], moments_after[key]["exp_avg"]) for key in moments)


def test_fault_29_a_gradient_that_is_not_finite_is_found_though_the_loss_is(tmp_path, monkeypatch):
    learner = module()
    weight = learner.method.encoder.norm.weight
    weight.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.warns(UserWarning, match="step 0 is skipped"):
        run(tmp_path, Numbered(4), learner=learner)
    record = json.loads((tmp_path / "not_finite" / "step-00000000.json").read_text())
    assert record["gradients"] == ["encoder.norm.weight"]
    assert learner.guard.skipped == 1


def test_fault_29_the_sample_is_named_also_where_only_a_part_of_the_hidden_tokens_is_decoded(tmp_path):
    learner = module(method=mae_tiny(image_size=64, in_channels=1, decode_share=0.5))
    with pytest.warns(UserWarning, match=r"step 1 is skipped.*6 \(case case-6\)"):
        run(tmp_path, Numbered(nan=[6]), learner=learner)


def test_fault_29_too_many_in_a_row_stop_the_run_with_exit_code_3_and_finite_checkpoints(tmp_path):
    data = Numbered(32, nan=range(8, 32))
    with pytest.raises(NotFiniteError, match=r"4 steps in a row.*case-20") as caught, pytest.warns(match="is skipped"):
        run(tmp_path, data, learner=module(skip_limit=3))
    assert caught.value.exit_code == ExitCode.NOT_FINITE == 3
    path, content = find_checkpoint("newest", folder=tmp_path / "checkpoints")
    assert path == checkpoints(tmp_path / "checkpoints")[0]
    assert all(torch.isfinite(value).all() for value in content["state_dict"].values())


# --------------------------------------------------------------------------------------------------- unreadable data
def test_fault_01_at_train_time_an_unreadable_sample_is_replaced_by_the_next_of_the_order_and_counted(tmp_path):
    batches = loader(Numbered(16, broken=[5]))
    with pytest.warns(UserWarning, match=r"5 \(case case-5\) is replaced.*truncated"):
        seen = [batch["index"].tolist() for batch in batches]
    assert seen[1] == [4, 6, 6, 7]
    assert list(batches.unreadable.reasons) == [5]


def test_fault_01_more_than_one_in_a_thousand_unreadable_samples_end_the_run(tmp_path):
    with (
        pytest.raises(DataError, match=r"too many samples.*case-5.*case-9.*\(2, 1\)"),
        pytest.warns(match="is replaced"),
    ):
        run(tmp_path, Numbered(16, broken=[5, 9]))


# ------------------------------------------------------------------------------------------------------ checkpoints
@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "garbage"])
def test_fault_30_a_damaged_checkpoint_is_passed_over_for_the_newest_whole_one_and_told(tmp_path, damage, capsys):
    run(tmp_path, Numbered())
    newest, older = checkpoints(tmp_path / "checkpoints")
    content = bytearray(newest.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 0xFF
    newest.write_bytes({"truncated": content[:-1000], "empty": b"", "garbage": b"<html>"}.get(damage, content))
    with pytest.raises(DataError, match=r"checkpoint (is damaged|cannot be read).*newest"):
        read_checkpoint(newest)
    capsys.readouterr()
    assert find_checkpoint("newest", folder=tmp_path / "checkpoints")[0] == older
    assert f"medmae: passed over: {newest}" in capsys.readouterr().err


def test_fault_30_half_a_checkpoint_is_tidied_away_when_training_goes_on(tmp_path):
    half = tmp_path / "checkpoints" / ".step-00000003.ckpt.x1y2.part"
    half.parent.mkdir()
    half.write_bytes(b"half")
    run(tmp_path, Numbered(8))
    assert not half.exists()
    assert checkpoints(half.parent)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 143), (signal.SIGUSR1, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)],
)
def test_fault_31_a_signal_ends_the_run_after_its_step_with_a_checkpoint_and_its_exit_code(tmp_path, number, code):
    assert send(start(interrupted, tmp_path, 1), number, tmp_path) == code
    (path,) = checkpoints(tmp_path / "checkpoints")
    assert read_checkpoint(path)["global_step"] == 3


@pytest.mark.slow
def test_fault_31_a_signal_amid_accumulation_waits_for_the_optimiser(tmp_path):
    assert send(start(interrupted, tmp_path, 4), signal.SIGTERM, tmp_path) == 143
    content = read_checkpoint(checkpoints(tmp_path / "checkpoints")[0])
    assert content["global_step"] == 1
    assert content["medmae"]["position"]["delivered"] == 16


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_fault_31_a_signal_before_the_first_step_ends_the_run_with_its_exit_code_too(tmp_path, number, code):
    class Early(Callback):
        def on_train_start(self, trainer, module):
            os.kill(os.getpid(), number)

    before = signal.signal(number, signal.default_int_handler)  # whoever runs the tests may ignore it
    try:
        with pytest.raises(SystemExit) as ended:
            run(tmp_path, Numbered(8), callbacks=[Early(), Checkpoints(folder=tmp_path / "checkpoints")])
    finally:
        signal.signal(number, before)
    assert ended.value.code == code


@pytest.mark.parametrize("broken", [(), range(16)])
def test_fault_31_what_comes_after_a_training_is_stopped_as_it_would_have_been_before(tmp_path, broken):
    numbers = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    with pytest.raises(DataError) if broken else nullcontext():
        run(tmp_path, Numbered(broken=broken))
    assert [signal.getsignal(number) for number in numbers] == before


# ---------------------------------------------------------------------------------------------- resuming otherwise
def test_fault_33_another_number_of_samples_a_step_is_refused_with_the_reason(tmp_path):
    run(tmp_path, Numbered(), epochs=2, max_steps=3)
    with pytest.raises(DataError, match=r"another number of samples a step.*\(4, 8\).*product"):
        run(tmp_path, loader(Numbered(), batch_size=8), epochs=2, checkpoint="newest", allow_changes=True)


def test_fault_33_half_the_batch_and_twice_the_accumulation_goes_on_at_the_same_sample(tmp_path):
    run(tmp_path, Numbered(), epochs=2, max_steps=3)
    seen = []
    batches = loader(Numbered(), batch_size=2)
    deliver = batches._deliver
    batches._deliver = lambda: (seen.append(batch["index"].tolist()) or batch for batch in deliver())
    run(tmp_path, batches, epochs=2, checkpoint="newest", accumulate_grad_batches=2)
    assert seen[:2] == [[12, 13], [14, 15]]


def test_fault_33_other_data_are_refused(tmp_path):
    run(tmp_path, Numbered(), epochs=2, max_steps=3)
    with pytest.raises(DataError, match="another order of samples"):
        run(tmp_path, Numbered(32), epochs=2, checkpoint="newest")


def test_fault_34_another_architecture_is_refused_with_the_tensors(tmp_path):
    from medmae.methods.edge_mae import edge_mae_tiny

    run(tmp_path, Numbered())
    other = module(method=edge_mae_tiny(depth=3))
    with pytest.raises(DataError, match=r"another architecture \(method\.encoder\.blocks\.2.*None then"):
        run(tmp_path, Numbered(), learner=other, checkpoint="newest", allow_changes=True)


def test_fault_34_other_settings_need_a_flag_and_are_printed(tmp_path, capsys):
    from medmae.training import OptimizerSpec

    run(tmp_path, Numbered())
    other = OptimizerSpec(base_lr=1e-3, scale_by_batch=False, weight_decay=0.0)
    with pytest.raises(DataError, match=r"optimizer\.base_lr: 0\.002 then, 0\.001 now.*allow_changes"):
        run(tmp_path, Numbered(), learner=module(optimizer=other), epochs=2, checkpoint="newest")
    run(tmp_path, Numbered(), learner=module(optimizer=other), epochs=2, checkpoint="newest", allow_changes=True)
    assert "optimizer.base_lr: 0.002 then, 0.001 now" in capsys.readouterr().err


def test_fault_34_a_longer_run_needs_no_flag(tmp_path):
    run(tmp_path, Numbered())
    made, _ = run(tmp_path, Numbered(), epochs=2, checkpoint="newest")
    assert made.global_step == 8


# --------------------------------------------------------------------------------------------------------- the disk
@pytest.mark.slow
def test_fault_35_a_full_disk_lets_the_training_go_on_and_loses_no_checkpoint(tmp_path):
    run(tmp_path, Numbered(), every_steps=2, epochs=1)
    before = {path.name: path.read_bytes() for path in checkpoints(tmp_path / "checkpoints")}
    process = start(with_a_full_disk, tmp_path)
    process.join(timeout=600)
    said = (tmp_path / "said").read_text()
    assert process.exitcode == 1
    assert said.count("training goes on, another try follows") == 2
    assert "DataError" in said
    assert "free space or mend the disk, then resume" in said
    assert {path.name: path.read_bytes() for path in (tmp_path / "checkpoints").iterdir()} == before


def test_fault_35_a_failed_save_is_tried_again(tmp_path, monkeypatch):
    made = trainer(tmp_path, callbacks=[Checkpoints(folder=tmp_path / "c", every_steps=1)], enable_checkpointing=True)
    save, calls = made.save_checkpoint, []

    def fail_twice(path, **options):
        calls.append(path)
        if len(calls) <= 2:
            raise OSError(28, "No space left on device")
        save(path, **options)

    monkeypatch.setattr(made, "save_checkpoint", fail_twice)
    with pytest.warns(UserWarning, match="No space left"):
        fit(trainer=made, module=module(), train_loader=loader(Numbered()))
    assert [path.name for path in checkpoints(tmp_path / "c")] == ["step-00000004.ckpt", "step-00000003.ckpt"]


# --------------------------------------------------------------------------------------------------------- workers
class Deadly(Dataset):
    """The worker that reads a certain sample dies, or hangs, as long as a file says so."""

    def __init__(self, *, at, how, marker, times):
        self.at, self.how, self.marker, self.times = at, how, marker, times

    def __len__(self):
        return 12

    def __getitem__(self, index):
        if index == self.at:
            deaths = len(self.marker.read_text()) if self.marker.exists() else 0
            if deaths < self.times:
                self.marker.write_text("x" * (deaths + 1))
                if self.how == "dies":
                    os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(600)
        return {"index": index}


@pytest.mark.slow
@pytest.mark.parametrize(("how", "timeout"), [("dies", 60.0), ("hangs", 2.0)])
def test_fault_38_workers_that_die_or_hang_are_started_anew_at_the_same_batch(tmp_path, how, timeout):
    data = Deadly(at=5, how=how, marker=tmp_path / "deaths", times=1)
    batches = ResumableLoader(dataset=data, batch_size=2, shuffle=False, num_workers=2, timeout=timeout)
    with pytest.warns(UserWarning, match="started anew at the same batch"):
        assert [batch["index"].tolist() for batch in batches] == [[i, i + 1] for i in range(0, 12, 2)]


@pytest.mark.slow
def test_fault_38_workers_that_die_twice_at_one_place_end_the_run_with_that_place(tmp_path):
    data = Deadly(at=5, how="dies", marker=tmp_path / "deaths", times=9)
    batches = ResumableLoader(dataset=data, batch_size=2, shuffle=False, num_workers=2)
    with pytest.raises(DataError, match=r"failed twice at the same place.*\(0, \d\)"), pytest.warns(match="anew"):
        list(batches)


# ---------------------------------------------------------------------------------------------------- determinism
def test_fault_39_two_runs_of_one_seed_have_the_same_losses(tmp_path):
    tables = []
    for name in ("first", "second"):
        logger = CSVLogger(tmp_path / name, name="", version="logs")
        run(tmp_path / name, loader(Numbered(), shuffle=True), epochs=2, logger=logger, log_every_n_steps=1)
        tables.append((tmp_path / name / "logs" / "metrics.csv").read_text())
    assert tables[0] == tables[1]


def test_the_table_of_metrics_reaches_across_a_restart(tmp_path):
    def logged(**options):
        logger = CSVLogger(tmp_path, name="", version="logs")
        run(tmp_path, Numbered(), epochs=2, logger=logger, log_every_n_steps=1, **options)
        lines = (tmp_path / "logs" / "metrics.csv").read_text().splitlines()
        return [line.split(",")[lines[0].split(",").index("step")] for line in lines[1:]]

    logged(max_steps=3)
    assert logged(checkpoint="newest") == [str(step) for step in range(8)]
