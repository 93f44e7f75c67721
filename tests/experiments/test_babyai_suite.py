"""BabyAI's table: every level by every method, from sweeps that go on and rows that stay."""

import json
import re
import shlex
import sys
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import agents.finish
from agents.config import AgentConfig
from agents.evaluation import wilson_interval
from agents.task import Task
from agents.video import record_video
from envs import level_ids
from film_rl.run import UserError
from tests.experiments.helpers import EXPERIMENTS, called, refused
from vqa.config import VQAConfig

sys.path.insert(0, str(EXPERIMENTS))
import babyai_generalisation
from agent_sweep import chosen, levels_of
from babyai_conditioning import WAYS, lines_of
from babyai_conditioning import Options as Ways
from babyai_generalisation import GO, HELD_OUT, PART, trials_of
from babyai_imitation_curve import Options as Curve
from babyai_levels import LEVELS, NINETEEN
from babyai_methods import METHODS
from babyai_rows import FIELDS, complete, read_rows, suite_table, unmeasured
from babyai_starts import ANEW
from babyai_suite import Options, jobs_of
from equal_size import TOLERANCE, of_equal_size, parameters
from paper_rows import STUDIES
from paper_rows import read_rows as read_studies
from published import PUBLISHED
from row_tables import tables

TINY = "--steps 256 --envs 2 --batch-size 40 --levels 32 --channels 4 --eval-episodes 3 --seeds 1"
DOCUMENT = EXPERIMENTS.parent / "docs" / "babyai.md"


def told_by(name: str, words: str, folder: Path) -> str:
    """What `python experiments/NAME.py WORDS` prints when all goes well."""
    result = called(name, *shlex.split(words), cwd=folder)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def suite(tmp_path_factory) -> Path:
    """A folder with a sweep of one run, runs/suite, and its rows.json."""
    folder = tmp_path_factory.mktemp("suite")
    words = f"--tasks GoToObj {TINY} --run runs/suite --results rows.json"
    with pytest.MonkeyPatch.context() as patch:  # a film of one episode in the place of six
        patch.setattr(agents.finish, "record_video", partial(record_video, episodes=1))
        told_by("babyai_suite", words, folder)
    return folder


def measured(level: str = "GoToLocal", seed: int = 0, **changed) -> dict:
    """A row that looks measured."""
    figures = {
        "engine": "tensor", "seed": seed, "success_rate": 0.75, "success_ci95": [0.5, 0.9],
        "argmax_rate": 0.5, "argmax_ci95": [0.25, 0.75], "episodes": 507, "unsolvable": 5,
        "training_episodes": 36266, "timesteps": 1000, "wall_seconds": 12.3,
        "curve": [[10, 0.5]], "hardware": "cpu", "date": "2026-11-21", "commit": "abc",
        "measured": True,
    }  # fmt: skip
    return {**unmeasured(level, "ppo"), **figures, **changed}


def test_a_run_becomes_a_row_with_the_figures_of_its_summary(suite):
    (row,) = [row for row in json.loads((suite / "rows.json").read_text()) if row["measured"]]
    summary = json.loads((suite / "runs/suite/GoToObj/ppo/0/summary.json").read_text())
    assert (row["level"], row["method"], row["engine"]) == ("BabyAI-GoToObj-v0", "ppo", "tensor")
    assert row["success_rate"] == summary["sampled"]["overall"]["success_rate"]
    assert row["argmax_rate"] == summary["argmax"]["overall"]["success_rate"]
    assert (row["episodes"], row["unsolvable"], row["demonstrations"]) == (3, 0, None)
    low, high = wilson_interval(round(3 * row["success_rate"]), 3)
    assert row["success_ci95"] == pytest.approx([low, high])
    assert row["wall_seconds"] == summary["wall_seconds"]
    assert row["training_episodes"] == summary["training_episodes"] > 0
    assert row["hardware"] == summary["device"]
    assert row["date"]


def test_each_level_has_its_curve_and_its_film_and_all_have_one_picture(suite):
    run = suite / "runs/suite/GoToObj/ppo/0"
    for file in ("plots/learning_curve.png", "videos/rollout.mp4"):
        assert (run / file).stat().st_size > 0
    with Image.open(suite / "runs/suite/curves.png") as picture:
        assert len(picture.convert("RGB").getcolors(maxcolors=2**24)) > 10


def test_a_row_s_command_finds_its_run_there_and_does_not_train_again(suite):
    (row,) = [row for row in json.loads((suite / "rows.json").read_text()) if row["measured"]]
    words = row["command"].removeprefix("python experiments/babyai_suite.py")
    where = "--seeds 1 --run runs/suite --results again.json"
    told = told_by("babyai_suite", f"{words} {where}", suite)
    assert "1 runs in runs/suite, 0 left" in told
    assert f"{row['success_rate']:.1%} [" in told
    assert json.loads((suite / "again.json").read_text()) == json.loads(
        (suite / "rows.json").read_text()
    )


def test_a_method_that_imitates_makes_its_demonstrations_and_finds_them_again(tmp_path):
    words = "--tasks GoToObj --methods bc --demonstrations 40 --updates 10 --eval-episodes 3"
    words += " --seeds 1 --channels 4 --run runs/suite --results rows.json"
    told_by("babyai_suite", words, tmp_path)
    (row,) = [row for row in json.loads((tmp_path / "rows.json").read_text()) if row["measured"]]
    assert (row["method"], row["engine"], row["demonstrations"]) == ("bc", "minigrid", 40)
    assert (row["training_episodes"], row["timesteps"], row["curve"]) == (None, None, [])
    for word in ["--demonstrations", "40", "--updates", "10", "--channels", "4"]:
        assert word in row["command"].split()
    manifest = tmp_path / "demos/babyai-gotoobj-v0/manifest.json"
    made = manifest.stat().st_mtime_ns
    assert "1 runs in runs/suite, 0 left" in told_by("babyai_suite", words, tmp_path)
    assert manifest.stat().st_mtime_ns == made


@given(
    st.lists(st.tuples(st.sampled_from([*LEVELS]), st.integers(0, 3), st.floats(0, 1)), max_size=20)
)
def test_the_newest_row_of_each_training_is_kept_and_every_level_and_method_stands(trained):
    rows = [measured(level, seed, success_rate=rate) for level, seed, rate in trained]
    kept = complete(rows)
    assert complete(kept) == kept
    newest = {(level, seed): rate for level, seed, rate in trained}
    found = {
        (row["level"].removeprefix("BabyAI-").removesuffix("-v0"), row["seed"]): row["success_rate"]
        for row in kept
        if row["measured"]
    }
    assert found == newest
    pairs = {(row["level"], row["method"]) for row in kept}
    assert pairs == {(level.id, method) for level in LEVELS.values() for method in METHODS}
    left = {(row["level"], row["method"]) for row in kept if not row["measured"]}
    assert left == pairs - {(LEVELS[level].id, "ppo") for level, _ in newest}


def test_a_table_tells_seeds_side_by_side_beside_the_published_figures():
    rows = [measured(seed=0), measured(seed=1, success_rate=0.5, unsolvable=0, wall_seconds=9.0)]
    lines = suite_table(rows).splitlines()
    (line,) = [line for line in lines if line.startswith("| GoToLocal")]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    success = "75.0% [50.0%, 90.0%] of 507 (5 more unsolvable); 50.0% [50.0%, 90.0%] of 507"
    assert cells[2:5] == [success, "50.0%, 50.0%", "36,266 episodes"]
    assert cells[5:8] == [
        "99% after 903 to 1,114 thousand episodes", "99% after 381 thousand episodes", "12, 9",
    ]  # fmt: skip
    assert cells[9] == "cpu; seeds 0, 1; 2026-11-21"
    assert [line for line in lines if "PutNext |" in line] == [
        "| PutNext | minigrid has no such level | | | | | | | | |"
    ]


def test_what_a_level_lacks_stands_in_one_line_with_one_command():
    (line,) = [one for one in suite_table(complete([measured()])).splitlines() if "GoToSeq" in one]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[1] == ", ".join(f"`{method}`" for method in METHODS)
    assert cells[2] == "not measured"
    assert cells[8] == (
        f"`python experiments/babyai_suite.py --tasks GoToSeq --methods {' '.join(METHODS)}`"
    )


@pytest.mark.parametrize("name", LEVELS)
def test_what_learns_from_reward_is_judged_on_its_level_whatever_it_learns_first(name):
    level = LEVELS[name]
    for method in METHODS.values():
        config = method.config(level)
        if method.learns_from == "reward":
            assert str(Task.of_config(config)) == level.id
            assert config.curriculum in ((), (LEVELS.get(level.after, level).id, level.id))
    assert bool(METHODS["ppo-gru"].config(level).curriculum) == (level.after is not None)


def test_the_levels_are_those_of_the_paper_and_all_but_one_are_minigrid_s():
    assert [level.name for level in NINETEEN] == list(PUBLISHED)
    assert len(NINETEEN) == 19
    assert {level.id for level in LEVELS.values()} <= set(level_ids())
    assert {level.id for level in NINETEEN} - set(level_ids()) == {"BabyAI-PutNext-v0"}


def test_every_row_of_the_document_is_whole_and_says_how_to_measure_it():
    rows = read_rows()
    assert complete(rows) == rows
    for row in rows:
        assert row.keys() == set(FIELDS)
        script, *words = shlex.split(row["command"])[1:]
        assert (EXPERIMENTS.parent / script).is_file()
        assert row["level"].removeprefix("BabyAI-").removesuffix("-v0") in words
        if row["measured"]:
            low, high = wilson_interval(
                round(row["episodes"] * row["success_rate"]), row["episodes"]
            )
            assert row["success_ci95"] == pytest.approx([low, high])
            assert row["episodes"] + row["unsolvable"] >= 512
            assert row["hardware"]
            assert row["date"]
            assert row["training_episodes"] or row["demonstrations"]


def test_what_is_typed_holds_for_every_run_and_what_is_not_is_the_level_s():
    options = Options(tasks=("GoToLocal", "BabyAI-PickupLoc-v0"), envs=64, seed=5, seeds=2)
    jobs = jobs_of(options)
    found = [(level.name, config.seed, config.steps) for (level, _, _), config in jobs.items()]
    steps = [LEVELS[name].steps for name in ("GoToLocal", "PickupLoc")]
    names = ["GoToLocal", "PickupLoc"]
    assert found == [(n, seed, s) for seed in (5, 6) for n, s in zip(names, steps, strict=True)]
    assert {config.envs for config in jobs.values()} == {64}
    assert options.command("babyai_suite", "--tasks", "GoTo") == (
        "python experiments/babyai_suite.py --tasks GoTo --envs 64"
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: levels_of(["GoToLocl"]), "--tasks GoToLocl.*did you mean 'GoToLocal'"),
        (lambda: levels_of(["PutNext"]), "--tasks PutNext: there is no such one"),
        (lambda: chosen(["pppo"], METHODS, "--methods"), "--methods pppo.*did you mean 'ppo'"),
        (lambda: Options(envs=3).over(VQAConfig()), "--envs: VQAConfig has no such option"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_there_is(make, message):
    with pytest.raises(UserError, match=message):
        make()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--seeds 0", "--seeds 0; expected 1 or more"),
        ("--tasks GoToObj --batch-size 7", "GoToObj/ppo/0: --batch-size 7"),
        ("--tasks GoToObj --updates 9", "--updates: ppo learns from no demonstrations"),
        ("--tasks GoToObj --methods bc --steps 9", "--steps: ImitationConfig has no such option"),
        ("--methods bc --demonstrations -1", "--demonstrations -1: expected"),
        ("--results there.json", "not a file of BabyAI's rows"),
    ],
)
def test_nonsense_is_refused_before_anything_is_made(words, message, tmp_path):
    (tmp_path / "there.json").write_text("[1]")
    refused(called("babyai_suite", *shlex.split(words), cwd=tmp_path), message)
    assert [path.name for path in tmp_path.iterdir()] == ["there.json"]


def test_ways_of_conditioning_get_equally_many_parameters():
    lines = lines_of(Ways(tasks=("GoToLocal",)))
    assert [line.what for line in lines] == list(WAYS.values())
    assert [line.config.conditioning for line in lines] == list(WAYS)
    sizes = [parameters(line.config) for line in lines]
    assert all(abs(size / sizes[0] - 1) <= TOLERANCE for size in sizes)
    assert [line.figures["parameters"] for line in lines] == sizes
    assert lines[0].config.channels == AgentConfig.channels
    with pytest.raises(UserError, match="type more --channels"):
        of_equal_size(AgentConfig(level="BabyAI-GoToObj-v0"), 10)


def test_every_way_and_every_test_has_its_row_in_the_document():
    found = {(row["part"], row["what"]) for row in read_studies(STUDIES)}
    ways = {(f"conditioning {task}", title) for task in Ways.tasks for title in WAYS.values()}
    task = Task.of_config(AgentConfig(instr=(GO,), hold_out=HELD_OUT))
    tests = {(PART, name) for name in trials_of(task)}
    starts = {("starts GoToLocal", name) for name in (ANEW, "clevr", "untrained")}
    imitated = {
        (f"imitation {task}", f"{number:,} demonstrations")
        for task in ("GoToLocal", "PickupLoc", "PutNextLocal")
        for number in Curve.numbers
    }
    assert found >= ways | tests | starts | imitated
    marked = set(re.findall(r"<!-- table: (babyai_studies_\w+) -->", DOCUMENT.read_text()))
    assert marked == tables(STUDIES).keys()


def test_conditioning_ends_with_rows_and_a_picture(tmp_path):
    words = f"--tasks GoToObj --ways film none {TINY} --run runs/c --results rows.json"
    told = told_by("babyai_conditioning", words, tmp_path)
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [row["what"] for row in rows] == ["FiLM", "no conditioning"]
    sizes = [row["figures"]["parameters"] for row in rows]
    assert abs(sizes[1] / sizes[0] - 1) <= TOLERANCE
    for row, way in zip(rows, ("film", "none"), strict=True):
        summary = json.loads((tmp_path / f"runs/c/GoToObj/{way}/0/summary.json").read_text())
        assert row["figures"]["sampled"] == round(100 * summary["success_rate"], 1)
        words = row["command"].split()
        for word in f"GoToObj {way} --levels 32 --steps 256".split():
            assert word in words
    assert "picture: runs/c/curves.png" in told
    assert (tmp_path / "runs/c/curves.png").stat().st_size > 0


def test_starts_are_compared_with_the_agent_begun_anew(suite, tmp_path):
    (run,) = suite.glob("runs/suite/GoToObj/ppo/0")
    words = f"--tasks GoToObj --starts same={run} {TINY} --run runs/s --results rows.json"
    told = told_by("babyai_starts", words, tmp_path)
    assert "GoToObj, same: weights of" in told
    assert "0 of" not in told.split("same: weights of")[1].splitlines()[0]
    anew, same = json.loads((tmp_path / "rows.json").read_text())
    assert (anew["what"], same["what"]) == (ANEW, "same")
    assert "--starts same=runs/0" in same["command"]
    assert "--starts" not in anew["command"]
    origins = [tmp_path / f"runs/s/GoToObj/{name}/0/start.json" for name in (ANEW, "same")]
    assert [origin.exists() for origin in origins] == [False, True]
    assert (tmp_path / "runs/s/curves.png").stat().st_size > 0


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ("clevr", "--starts clevr: expected a name of its own and a run"),
        ("=runs/x", "--starts =runs/x: expected a name of its own and a run"),
        (f"'{ANEW}=runs/x'", "expected a name of its own and a run"),
        ("clevr=runs/nothing", "runs/nothing"),
    ],
)
def test_a_start_that_is_none_is_refused(start, message, tmp_path):
    words = shlex.split(f"--tasks GoToObj {TINY} --starts {start} --results rows.json")
    refused(called("babyai_starts", *words, cwd=tmp_path), message)
    assert not list(tmp_path.iterdir())


def test_generalisation_ends_with_a_row_a_test(tmp_path, monkeypatch):
    for name in ("MORE_DISTRACTORS", "BIGGER_ROOMS"):
        monkeypatch.setattr(babyai_generalisation, name, (10,))
    clauses = {"two clauses": "go to the {color} {object} and go to the red ball"}
    monkeypatch.setattr(babyai_generalisation, "TWO_CLAUSES", clauses)
    told_by("babyai_generalisation", f"{TINY} --run runs/g --results rows.json", tmp_path)
    rows = json.loads((tmp_path / "rows.json").read_text())
    figures = json.loads((tmp_path / "runs/g/0/generalisation.json").read_text())
    assert [row["what"] for row in rows] == list(figures)
    assert len(rows) == 5
    for row in rows:
        of = row["figures"]
        assert of["sampled"] == round(100 * figures[row["what"]]["sampled"]["success_rate"], 1)
        assert of["95% from"] <= of["sampled"] <= of["to"]
        assert of["episodes"] == 3
    assert (tmp_path / "runs/g/tests.png").stat().st_size > 0
