"""A sweep does every run once, whoever dies and however many work on it."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch

from film_rl.run import (
    Checkpointer,
    Interrupted,
    InUseError,
    NonFiniteError,
    RunFolder,
    Sweep,
    UserError,
    rng_state,
    seed_everything,
    set_rng_state,
)

ROOT = Path(__file__).parents[3]
STEPS = 6


@dataclass(frozen=True)
class Walk:
    """A random walk of some steps: what a training is to its checkpoints, and quick."""

    seed: int = 0
    scale: float = 1.0
    pause: float = 0.0
    die_at: int = -1


def do(run: RunFolder, config: Walk) -> None:
    """Go on with the walk from its checkpoint, with one at each step."""
    checkpointer = Checkpointer(run.checkpoints)
    seed_everything(config.seed)
    step, place = 0, torch.zeros(1)
    if checkpoint := checkpointer.load():
        step, place = checkpoint.step, checkpoint.state["place"]
        set_rng_state(checkpoint.state["rng"])
    while step < STEPS:
        if step == config.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        place = place + config.scale * torch.randn(1)
        if not torch.isfinite(place):
            raise NonFiniteError("the walk left for infinity")
        step += 1
        checkpointer.save(step, {"place": place, "rng": rng_state()})
        time.sleep(config.pause)
    run.write_summary({"place": place.item()})


def walks(seeds: int = 4, **changes) -> dict[str, Walk]:
    return {f"walk/{seed}": replace(Walk(**changes), seed=seed) for seed in range(seeds)}


def worker(path: Path, how: str) -> subprocess.Popen:
    """A process of its own that works on the sweep.

    Args:
        path: the sweep.
        how: `die walk/2`: it is killed in the middle of that run; `meet`: it ends no run before
            two are begun; `sleep`: it never gets beyond the first checkpoint.
    """
    words = ["-m", "tests.film_rl.run.test_sweep", str(path), how]
    return subprocess.Popen([sys.executable, *words], cwd=ROOT)


def workers_of(run: RunFolder) -> list[str]:
    lines = (run.path / "workers.jsonl").read_text().splitlines()
    return [json.loads(line)["worker"] for line in lines]


def places(sweep: Sweep) -> list[float]:
    return [sweep.outcome(name)["place"] for name in sweep.runs]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> list[float]:
    """Where the walks end in a sweep that nobody disturbs."""
    sweep = Sweep(tmp_path_factory.mktemp("sweep"), Walk(), walks())
    sweep.work(do)
    return places(sweep)


def test_a_sweep_whose_worker_is_killed_ends_like_one_never_killed(whole, tmp_path):
    killed = worker(tmp_path, "die walk/2")
    assert killed.wait(timeout=600) == -signal.SIGKILL
    sweep = Sweep(tmp_path, Walk(), walks())
    assert sweep.left() == ["walk/2", "walk/3"]
    assert Checkpointer(sweep.runs["walk/2"].checkpoints).load().step == STEPS // 2
    sweep.work(do)
    assert places(sweep) == whole
    first, here = f"process {killed.pid} on", f"process {os.getpid()} on"
    began = [[w.rpartition(" ")[0] for w in workers_of(run)] for run in sweep.runs.values()]
    assert began == [[first], [first], [first, here], [here]]


def test_two_workers_never_do_the_same_run_and_both_end_with_all_of_them(whole, tmp_path):
    both = [worker(tmp_path, "meet") for _ in range(2)]
    assert [process.wait(timeout=600) for process in both] == [0, 0]
    sweep = Sweep(tmp_path, Walk(), walks())
    assert places(sweep) == whole
    did = [workers_of(run) for run in sweep.runs.values()]
    assert [len(one) for one in did] == [1, 1, 1, 1]
    assert len({name for (name,) in did}) == 2


def test_a_worker_that_waits_takes_up_what_a_killed_one_leaves(whole, tmp_path):
    said = []

    def say(line: str) -> None:
        said.append(line)
        if line.startswith("waiting"):
            other.kill()

    other = worker(tmp_path, "sleep")
    try:
        while not (tmp_path / "walk/0/checkpoints/LAST").exists():
            time.sleep(0.05)
            assert other.poll() is None
        sweep = Sweep(tmp_path, Walk(), walks())
        with pytest.raises(InUseError, match=f"process {other.pid} on"), sweep.runs["walk/0"]:
            pass
        sweep.work(do, say)
    finally:
        other.kill()
        other.wait()
    assert f"waiting for what others do: walk/0 (process {other.pid} on" in " ".join(said)
    assert places(sweep) == whole
    assert [len(workers_of(run)) for run in sweep.runs.values()] == [2, 1, 1, 1]


def test_finished_runs_are_not_done_again_and_more_may_be_added(tmp_path):
    Sweep(tmp_path, Walk(), walks(2)).work(do)
    sweep, did = Sweep(tmp_path, Walk(), walks(3)), []
    sweep.work(lambda run, config: (did.append(config.seed), do(run, config)))
    assert did == [2]


def test_a_run_that_becomes_nan_has_failed_and_the_others_go_on(tmp_path):
    configs = {**walks(2), "bad/0": Walk(scale=float("inf")), "walk/2": Walk(seed=2)}
    sweep = Sweep(tmp_path, Walk(), configs)
    said = []
    sweep.work(do, said.append)
    assert sweep.left() == []
    assert sweep.outcome("bad/0") == {"failed": "the walk left for infinity"}
    assert "place" in sweep.outcome("walk/2")
    assert any("bad/0 failed" in line for line in said)
    sweep.work(do, pytest.fail)


def test_an_interrupted_run_stops_the_sweep_which_goes_on_later(whole, tmp_path):
    sweep = Sweep(tmp_path, Walk(), walks())

    def stopped(run: RunFolder, config: Walk) -> None:
        if config.seed == 1:
            raise Interrupted(signal.SIGINT)
        do(run, config)

    with pytest.raises(Interrupted):
        sweep.work(stopped)
    assert sweep.left() == ["walk/1", "walk/2", "walk/3"]
    sweep.work(do)
    assert places(sweep) == whole


def test_a_folder_begun_with_another_configuration_is_refused_with_what_differs(tmp_path):
    Sweep(tmp_path, Walk(), walks())
    with pytest.raises(UserError, match=r"another configuration.*\n  scale: 1.0 there, 2.0 given"):
        Sweep(tmp_path, Walk(scale=2.0), walks(scale=2.0))
    with pytest.raises(UserError, match=r"walk/0 was begun.*\n  pause: 0.0 there, 0.5 given"):
        Sweep(tmp_path, Walk(), walks(pause=0.5))
    Sweep(tmp_path, Walk(pause=0.5), walks(pause=0.5), free=("pause",))


def test_a_folder_of_something_else_is_refused_and_left_alone(tmp_path):
    RunFolder.create(tmp_path, Walk())
    with pytest.raises(UserError, match=r"not a sweep's folder \(it has config.json"):
        Sweep(tmp_path, Walk(), walks())
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write the folder"):
        Sweep(tmp_path / "file", Walk(), walks())
    assert not (tmp_path / "sweep.json").exists()


if __name__ == "__main__":
    path, how = Path(sys.argv[1]), sys.argv[2]

    def disturbed(run: RunFolder, config: Walk) -> None:
        while how == "meet" and len([*path.glob("walk/*/workers.jsonl")]) < 2:
            time.sleep(0.01)
        dies = how == f"die {run.path.relative_to(path)}"
        pause = 1_000.0 if how == "sleep" else 0.0
        do(run, replace(config, pause=pause, die_at=STEPS // 2 if dies else -1))

    Sweep(path, Walk(), walks()).work(disturbed)
