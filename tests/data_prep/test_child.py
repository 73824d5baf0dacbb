from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from medmae.child import ChildError, run_in_child
from medmae.data.open_files import allowed_files
from medmae.errors import DataError

WORK = """
import os, re, signal, sys, threading, time
from medmae.errors import DataError

def double(task):
    print("a library that talks")
    return {"twice": 2 * task["number"], "process": os.getpid()}

def where(task):
    return {"folder": os.getcwd(), "process": os.getpid()}

def refuse(task):
    raise DataError("bad tile", path="a.svs", field="x", value=(1, 2), remedy="mend it")

def fail(task):
    raise MemoryError("no room")

def lack(task):
    import no_such_package

def crash(task):
    os.kill(os.getpid(), signal.SIGSEGV)

def leave(task):
    print("last words", file=sys.stderr)
    os._exit(7)

def leave_quietly(task):
    threading.Timer(0.2, os._exit, [0]).start()
    return {}

def hang(task):
    time.sleep(600)

def loop(task):
    while True:
        pass

def hang_in_c(task):
    with open(task["started"] + ".part", "w") as file:
        file.write(str(os.getpid()))
    os.rename(task["started"] + ".part", task["started"])
    re.match("(a+)+$", "a" * 60 + "b")  # more steps than there are seconds, and no other thread runs meanwhile

def wait(task):
    time.sleep(2.5)
    return {}
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs a function of the module above in a child."""
    (tmp_path / "child_work.py").write_text(WORK)
    monkeypatch.syspath_prepend(tmp_path)

    def call(function, task=None, *, limit_s=60.0):
        return run_in_child(f"child_work:{function}", task or {}, path="slide.svs", limit_s=limit_s)

    return call


def test_the_work_is_done_in_another_process_and_comes_back(run):
    answer = run("double", {"number": 21})
    assert answer["twice"] == 42
    assert answer["process"] != os.getpid()


def test_a_data_error_comes_back_whole(run):
    with pytest.raises(DataError, match=r"^a\.svs: bad tile \[x = '\(1, 2\)'\] -> mend it$"):
        run("refuse")


def test_other_errors_come_back_by_name(run):
    with pytest.raises(ChildError, match=r"^MemoryError: no room$"):
        run("fail")
    with pytest.raises(ModuleNotFoundError) as caught:
        run("lack")
    assert caught.value.name == "no_such_package"
    with pytest.raises(ChildError, match="code 7: last words"):
        run("leave")


def test_a_crash_is_told_with_the_signal(run):
    with pytest.raises(DataError, match=r"^slide\.svs: the process that read it was killed \[signal = 'SIGSEGV'\]"):
        run("crash")


def test_a_hang_is_ended_by_the_limit(run):
    begin = time.monotonic()
    with pytest.raises(DataError, match="not finished after 2 s"):
        run("hang", limit_s=2)
    assert time.monotonic() - begin < 20


def test_an_endless_loop_is_ended_by_what_it_has_worked(run):
    run("double", {"number": 1})  # whose process has all that it imports
    begin = time.monotonic()
    with pytest.raises(DataError, match="not finished after 1 s"):
        run("loop", limit_s=1)
    assert time.monotonic() - begin >= 1


def test_what_only_waits_for_its_turn_is_given_time(run):
    run("double", {"number": 1})
    assert run("wait", limit_s=1) == {}


def test_a_process_with_more_than_a_thousand_open_files_has_a_child_too(run):
    allowed_files()  # as every training does
    kept = [os.open(os.devnull, os.O_RDONLY) for _ in range(1_100)]  # maps of shards, mostly
    try:
        run("leave_quietly")  # a child of before
        time.sleep(0.5)
        assert run("double", {"number": 1})["twice"] == 2
    finally:
        for number in kept:
            os.close(number)


def test_nothing_of_the_task_is_pickled_or_passed_as_an_argument(run, monkeypatch):
    seen = []
    real = subprocess.Popen

    def remember(command, **options):
        seen.append(command)
        return real(command, **options)

    run("leave_quietly")  # so that the next task needs another process
    time.sleep(1)
    monkeypatch.setattr(subprocess, "Popen", remember)
    run("double", {"number": 1})
    assert seen == [[sys.executable, "-m", "medmae.child"]]


def test_one_child_works_on_many_tasks_and_its_successor_on_those_after_a_crash(run):
    first, second = (run("double", {"number": number})["process"] for number in (1, 2))
    assert first == second
    with pytest.raises(DataError):
        run("crash")
    assert run("double", {"number": 3})["process"] != first


def test_the_child_stands_where_its_parent_stands_now(run, tmp_path, monkeypatch):
    child = run("double", {"number": 1})["process"]
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert run("where") == {"folder": str(tmp_path / "elsewhere"), "process": child}


def test_a_child_that_hangs_in_c_ends_with_a_parent_that_was_killed(tmp_path):
    (tmp_path / "child_work.py").write_text(WORK)
    started = tmp_path / "started"
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; from medmae.child import run_in_child; sys.path.insert(0, sys.argv[1]);"
            "run_in_child('child_work:hang_in_c', {'started': sys.argv[2]}, path='slide.svs', limit_s=600)",
            str(tmp_path),
            str(started),
        ]
    )
    assert _within(60, started.exists)
    child = int(started.read_text())
    assert _runs(child)
    parent.kill()
    parent.wait()
    ended = _within(30, lambda: not _runs(child))
    if not ended:
        os.kill(child, signal.SIGKILL)
    assert ended


def test_where_the_kernel_kills_no_orphan_a_thread_looks(tmp_path):
    script = (
        "import sys, time; from medmae import orphans; orphans._kernel_kills = lambda: False; orphans._LOOK_S = 0.01;"
        "orphans.end_with_parent(); print('ready', flush=True); time.sleep(600)"
    )
    starter = (
        "import subprocess, sys; one = subprocess.Popen([sys.executable, '-c', sys.argv[1]], stdout=subprocess.PIPE);"
        "one.stdout.readline(); print(one.pid)"
    )
    child = int(subprocess.run([sys.executable, "-c", starter, script], capture_output=True, check=True).stdout)
    assert _within(30, lambda: not _runs(child))


def test_a_child_outlives_the_thread_that_asked_for_it_first(run):
    with pytest.raises(ChildError):
        run("leave")  # so that the next task needs another process
    found = []
    thread = threading.Thread(target=lambda: found.append(run("double", {"number": 1})["process"]))
    thread.start()
    thread.join()
    time.sleep(0.2)
    assert run("double", {"number": 2})["process"] == found[0]


def _runs(process):
    """Whether it does, and is no zombie that nobody has waited for."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _within(seconds, happens):
    end = time.monotonic() + seconds
    while not happens() and time.monotonic() < end:
        time.sleep(0.05)
    return happens()
