"""The benchmark measures what it says, side by side, and writes rows that say where and how."""

import importlib.util
import json
import sys

import pytest
import torch

from agents.learner import make_learner
from envs.batched import BatchedBabyAI, LevelBank
from tests.experiments.helpers import EXPERIMENTS, called, refused

sys.path.insert(0, str(EXPERIMENTS))
import benchmark
import random_actions
import time_to_success
from benchmark import Options, acting, compared, memory, planned, training, write
from random_actions import on_tensors
from recurrent_sb3 import recurrent_ppo
from speed_plots import draw
from time_to_success import Point, measured, reaches, typical

TINY = Options(worlds=3, envs=2, batch_size=8, channels=4, repeats=1, seconds=0.0)
ROW = {"what", "command", "hardware", "date", "figures", "measured"}


@pytest.fixture(autouse=True)
def few(monkeypatch, tmp_path):
    monkeypatch.setattr(benchmark, "RESULT", tmp_path / "rows.json")
    monkeypatch.setattr(benchmark, "LEVELS", 3)
    monkeypatch.setattr(random_actions, "STEPS", 2)


def rows() -> list[dict]:
    return json.loads(benchmark.RESULT.read_text())


def check_figures(figures: dict) -> None:
    ours, *others = figures.values()
    assert ours["steps a second"] > 0
    assert "times slower" not in ours
    for other in others:
        assert other["steps a second"] > 0
        assert other["times slower"] > 0


@pytest.mark.parametrize("level", ["BabyAI-GoToLocal-v0", "BabyAI-MiniBossLevel-v0"])
def test_all_worlds_act(level, capsys):
    options = Options(level=level, worlds=3, repeats=1, seconds=0.0)
    figures = acting(options, torch.device("cpu"))
    bank = LevelBank.generate(level, 3)
    assert figures["worlds on tensors"]["bytes a world"] == round(
        BatchedBabyAI(bank, 3).bytes_per_world
    )
    missing = importlib.util.find_spec("envpool") is None
    assert ("EnvPool: not installed" in capsys.readouterr().out) == missing
    if missing:
        assert figures.pop("EnvPool") == "not installed"
    assert len(figures) == (3 if missing else 4)
    check_figures(figures)


def test_a_play_steps_every_world():
    worlds = BatchedBabyAI(LevelBank.generate("BabyAI-GoToLocal-v0", 2), 2, autoreset=False)
    before = worlds.state()["record"]
    assert on_tensors(worlds)() == 4
    assert not torch.equal(before, worlds.state()["record"])


def test_both_learners_learn():
    figures = training(TINY)
    assert len(figures) == 2
    check_figures(figures)


def test_the_learners_differ_in_their_engine_only():
    ours, stock = (
        make_learner(benchmark.training_config(TINY, engine=engine)) for engine in ("tensor", "sb3")
    )
    for name in ("n_steps", "batch_size", "n_epochs", "n_envs", "gamma", "ent_coef", "vf_coef"):
        assert getattr(ours, name) == getattr(stock, name), name
    theirs = stock.policy.state_dict()
    assert theirs.keys() == ours.policy.state_dict().keys()
    for name, part in ours.policy.state_dict().items():
        assert torch.equal(part, theirs[name]), name


def test_both_learners_with_memory_learn():
    figures = benchmark.remembering(TINY)
    assert len(figures) == 2
    check_figures(figures)


def test_the_learners_with_memory_are_of_one_size_and_the_settings_are_the_same():
    config = benchmark.memory_config(Options(envs=12, channels=4))
    assert config.batch_size == 12 * 20  # of 512 samples, none are left over
    ours = make_learner(config)
    theirs = recurrent_ppo(config, ours)
    for name in ("n_steps", "batch_size", "n_epochs", "n_envs", "gamma", "ent_coef", "vf_coef"):
        assert getattr(ours, name) == getattr(theirs, name), name
    sizes = [sum(p.numel() for p in one.policy.parameters()) for one in (ours, theirs)]
    assert sizes[0] == sizes[1]


def test_players_take_turns_and_the_first_turn_does_not_count(monkeypatch):
    turns: list[str] = []
    speeds = iter([1, 1, 10, 4, 40, 5, 20, 10])

    def play(name: str) -> int:
        turns.append(name)
        return 1

    def measured(play, seconds):
        play()
        return float(next(speeds))

    monkeypatch.setattr(benchmark, "speed", measured)
    players = {name: lambda name=name: play(name) for name in ("a", "b")}
    figures = compared(players, repeats=3, seconds=0.0)
    assert turns == ["a", "b"] * 4
    assert figures == {
        "a": {"steps a second": 20},
        "b": {"steps a second": 5, "times slower": 4.0},
    }


def test_a_turn_lasts_as_long_as_asked(monkeypatch):
    clock = iter([0.0, 0.4, 0.8, 1.6])
    monkeypatch.setattr(benchmark.time, "perf_counter", lambda: next(clock))
    assert benchmark.speed(lambda: 8, 1.0) == pytest.approx(15)


def test_rows_say_what_how_and_where():
    for row in planned():
        assert set(row) == ROW
        assert not row["measured"]
        assert row["figures"] == {}
    assert len({row["what"] for row in planned()}) == len(planned())
    for row in planned():  # each would be replaced by its own command's
        assert ("2 threads" in row["what"]) == ("--threads 2" in row["command"])
    gpu = [row["command"] for row in planned() if "GPU" in row["what"]]
    assert gpu
    assert all("--device cuda" in command for command in gpu)


def test_a_row_takes_the_place_of_its_own_and_the_others_stay():
    figures = {"worlds on tensors": {"steps a second": 7}}
    what = benchmark.acting_on(Options.level)
    write(what, options=Options(repeats=5), cuda=False, figures=figures, hardware="a CPU")
    first, *rest = rows()
    assert rest == planned()[1:]
    assert set(first) == ROW
    assert first["command"].endswith("benchmark.py --repeats 5")
    assert (first["hardware"], first["figures"], first["measured"]) == ("a CPU", figures, True)
    options = Options(device="cuda", batch_size=1024)
    write(what, options=options, cuda=True, figures=figures, hardware="a GPU")
    assert rows()[0] == first
    assert [row["what"] for row in rows()] == [row["what"] for row in planned()]
    both = [row for row in rows() if row["measured"]]
    assert len(both) == 2
    assert both[1]["command"].endswith("--device cuda --batch-size 1024")
    write(what, options=Options(threads=2), cuda=False, figures=figures, hardware="a CPU")
    assert rows()[0] == first
    assert len(rows()) == len(planned())
    assert sum(row["measured"] for row in rows()) == 3
    other = benchmark.acting_on("BabyAI-BossLevel-v0")
    write(other, options=Options(), cuda=False, figures=figures, hardware="a CPU")
    assert len(rows()) == len(planned()) + 1


def test_many_worlds_fit_where_the_row_says():
    figures = memory()
    *_, total = figures.values()
    assert 0 < total < 1


CURVE = [Point(float(i), 10 * i, 100 * i, rate) for i, rate in enumerate([0, 0.95, 0.8, 0.9, 1, 1])]


def test_a_goal_is_reached_at_the_second_evaluation_in_a_row():
    assert reaches(CURVE, 0.9) == CURVE[4]
    assert reaches(CURVE, 0.99) == CURVE[5]
    assert reaches(CURVE[:5], 0.99) is None


def test_runs_that_never_reach_a_goal_are_the_slowest():
    three = typical([CURVE, CURVE[:4], CURVE], 0.9)
    assert (three["seconds"], three["episodes"], three["steps"]) == (4.0, 40, 400)
    assert three["runs that reach it"] == "2 of 3"
    assert typical([CURVE, CURVE[:4], CURVE[:4]], 0.9)["seconds"] is None


def test_success_is_measured_outside_the_clock(monkeypatch, tmp_path):
    monkeypatch.setattr(time_to_success, "EVERY", 100)
    monkeypatch.setattr(time_to_success, "EPISODES", 4)
    config = benchmark.replace(
        time_to_success.TASKS["go to the red ball"],
        levels=4, steps=256, envs=4, rollout=16, batch_size=32, channels=4, room_size=6,
    )  # fmt: skip
    row = measured(config, 2)
    assert row["figures"]["99% success"]["runs that reach it"].endswith(" of 2")
    assert len(row["curves"]) == 2
    for curve in row["curves"]:
        seconds, episodes, steps, rates = zip(*curve, strict=True)
        assert steps == (0, 128, 256)
        assert list(seconds) == sorted(seconds)
        assert list(episodes) == sorted(episodes)
        assert episodes[0] == 0 < episodes[-1]
        assert all(0 <= rate <= 1 for rate in rates)
    what = benchmark.learning_of("go to the red ball")
    write(what, options=Options(), cuda=False, hardware="a CPU", **row)
    (path,) = draw(rows(), tmp_path)
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--level", "BabyAI-GoToLocl-v0"), ("BabyAI-GoToLocl-v0", "BabyAI-GoToLocal-v0")),
        (("--level", "go to the red ball"), ("--level go to the red ball",)),
        (("--worlds", "0"), ("--worlds 0", "1 or more")),
        (("--repeats", "0"), ("--repeats 0", "1 or more")),
        (("--runs", "-1"), ("--runs -1", "0 or more")),
        (("--seconds", "-1"), ("--seconds -1",)),
        (("--batch-size", "7"), ("--batch-size 7", "does not divide")),
        (("--threads", "0"), ("--threads 0",)),
        (("--device", "cuda:99"), ("cuda:99",)),
    ],
)
def test_a_mistake_gets_a_message_and_status_2(arguments, words, tmp_path):
    refused(called("benchmark", *arguments, cwd=tmp_path), *words)
