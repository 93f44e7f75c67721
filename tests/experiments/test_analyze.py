"""analyze.py on small trained runs of both kinds, and on nonsense."""

import importlib
import json
import shutil
import sys
from pathlib import Path

import pytest
from PIL import Image

from agents.config import AgentConfig
from agents.training import train
from film_rl.run import RunFolder
from tests.experiments.helpers import EXPERIMENTS, called, refused
from tests.experiments.test_clevr_scripts import SMALL as SMALL_ANSWERER

SMALL_AGENT = AgentConfig(
    instr=("go to the {color} {object}",),
    room_size=5,
    distractors=1,
    steps=128,
    envs=4,
    rollout=16,
    batch_size=32,
    channels=8,
    sentence_dim=8,
    levels=32,
)
PICTURES = {
    "statistics": ["statistics"], "scatter": ["scatter"], "tsne": ["tsne"],
    "where": ["where", "gradients"], "interpolation": ["interpolation"],
    "arithmetic": ["arithmetic"], "noise": ["noise"], "mean": ["mean"], "off": ["off"],
}  # fmt: skip
FEW = ("--questions", "20", "--episodes", "6", "--device", "cpu")


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    """A folder with a small run of each kind."""
    folder = tmp_path_factory.mktemp("work")
    result = called("clevr_train", *SMALL_ANSWERER, "--run", "runs/clevr_train", cwd=folder)
    assert result.returncode == 0, result.stderr
    with RunFolder.create(folder / "runs" / "babyai_ppo", SMALL_AGENT) as run:
        train(SMALL_AGENT, run)
    return folder


@pytest.fixture
def analyze(work, monkeypatch):
    """The script, run in this process; the status it ends with."""
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    monkeypatch.chdir(work)
    module = importlib.import_module("analyze")

    def run(*words: str) -> int:
        monkeypatch.setattr(sys, "argv", ["analyze.py", *words])
        try:
            module.main()
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    return run


@pytest.fixture(scope="module", params=["babyai_ppo", "clevr_train"])
def analyzed(work, request) -> tuple[Path, str]:
    """The folder of all analyses of a run, and what was printed."""
    result = called("analyze", "--run", f"runs/{request.param}", *FEW, cwd=work)
    assert result.returncode == 0, result.stderr
    return work / "runs" / request.param / "analysis", result.stdout


def figures_of(folder: Path, what: str) -> dict:
    return json.loads((folder / f"{what}.json").read_text())


def test_every_analysis_gives_numbers_and_pictures_for_both_kinds_of_run(analyzed):
    folder, printed = analyzed
    left_out = {what for what in PICTURES if f"\n{what}: left out" in printed}
    assert left_out <= {"arithmetic"}  # few questions may lack the words of the paper's sum
    for what in PICTURES.keys() - left_out:
        figures = figures_of(folder, what)
        assert figures["what"] == what
        assert "Perez et al. 2018" in figures["paper"]["source"]
        assert f"\n{what}\n" in printed
        for picture in PICTURES[what]:
            with Image.open(folder / f"{picture}.png") as image:
                assert len(image.convert("L").getcolors()) > 10


def test_figures_agree_with_one_another(analyzed):
    folder, _ = analyzed
    noise, mean, off = (figures_of(folder, what) for what in ("noise", "mean", "off"))
    assert noise["plain"] == mean["plain"] == off["plain"] == noise["gamma"][0] == noise["both"][0]
    harms = [row["harm"] for row in off["maps"]]
    assert harms == sorted(harms, reverse=True)
    assert len(harms) == 2 * 8
    found = figures_of(folder, "statistics")
    counts = found["all"]["beta"]["histogram"]["counts"]
    assert sum(counts) == found["conditions"] * 2 * 8
    for example in figures_of(folder, "where")["examples"]:
        for rows in example["winners"].values():
            assert 0 <= sum(map(sum, rows)) <= 1 + 1e-4


def test_what_is_measured_is_the_accuracy_of_the_run(analyze):
    """All held-out questions, those of summary.json."""
    run = Path("runs/clevr_train")
    assert analyze("--run", str(run), "--what", "mean", "--device", "cpu") == 0
    accuracy = json.loads((run / "summary.json").read_text())["accuracy"]
    assert figures_of(run / "analysis", "mean")["plain"] == pytest.approx(accuracy)


def test_one_map_and_one_sentence_are_looked_at_where_the_user_says_so(analyze, capsys):
    run, folder = "runs/babyai_ppo", Path("runs/babyai_ppo/analysis")
    assert analyze("--run", run, "--what", "off", "--block", "2", "--map", "3", *FEW) == 0
    (row,) = figures_of(folder, "off")["maps"]
    assert (row["block"], row["map"]) == ("block 2", 3)
    assert row["harm"] == pytest.approx(figures_of(folder, "off")["plain"] - row["measured"])
    assert analyze("--run", run, "--what", "scatter", "tsne", "--by", "red", *FEW) == 0
    assert set(figures_of(folder, "scatter")["labels"]) == {"with “red”", "without “red”"}
    assert len(figures_of(folder, "scatter")["maps"]) == 6
    ends = ("go to the red ball", "open the blue door")
    strip = ("--what", "interpolation", "--between", *ends, "--steps", "3")
    assert analyze("--run", run, *strip, *FEW) == 0
    found = figures_of(folder, "interpolation")
    assert found["between"] == list(ends)
    assert found["t"] == [0, 0.5, 1]
    assert all(sum(row) == pytest.approx(1, abs=1e-4) for row in found["probabilities"])
    formula = "go to the red ball + go to the blue key - go to the blue ball = go to the red key"
    assert analyze("--run", run, "--what", "arithmetic", "--formula", formula, *FEW) == 0
    found = figures_of(folder, "arithmetic")
    assert found["formula"] == formula
    assert found["analogies"]["analogies"] == 6 * 5 * 3 * 2
    assert "Perez et al. 2018" in capsys.readouterr().out


def test_figures_become_rows_beside_the_published_ones(analyze, tmp_path, capsys):
    rows = tmp_path / "rows.json"
    shutil.copy(EXPERIMENTS.parent / "docs" / "results" / "paper.json", rows)
    what = ("--what", "statistics", "mean", "noise", "tsne", "--results", str(rows))
    assert analyze("--run", "runs/clevr_train", *what, *FEW) == 0
    part = [row for row in json.loads(rows.read_text()) if row["part"] == "what gamma and beta do"]
    mine = [row for row in part if "12 images" in (row["data"] or "")]
    assert len(mine) == 5
    # The lines are those of the document.
    assert {row["what"] for row in mine} == {row["what"] for row in part}
    mean = figures_of(Path("runs/clevr_train/analysis"), "mean")
    (row,) = [row for row in mine if row["what"].startswith("beta replaced")]
    assert row["paper"] == -1.0
    points = 100 * (mean["beta"] - mean["plain"])
    assert row["figures"]["points"] == pytest.approx(points, abs=0.06)
    assert analyze("--run", "runs/babyai_ppo", *what[:2], *what[-2:], *FEW) == 2
    assert "a run of an agent" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("run", "options", "words"),
    [
        ("babyai_ppo", ("--block", "3"), ("--block 3", "block 1, block 2")),
        ("clevr_train", ("--map", "9"), ("--map 9", "1 to 8")),
        ("babyai_ppo", ("--map", "0"), ("--map 0",)),
        ("clevr_train", ("--steps", "1"), ("--steps 1",)),
        ("babyai_ppo", ("--by", "color"), ("did you mean 'colour'",)),
        ("babyai_ppo", ("--formula", "go to the red bal = x"), ("^", "ball")),
        ("babyai_ppo", ("--formula", "go to the red ball +"), ("cannot read the formula",)),
        ("clevr_train", ("--between", "How many zebras?", "How many?"), ("zebras",)),
        ("babyai_pp", (), ("babyai_pp is not a run folder", "runs/babyai_ppo")),
        ("babyai_ppo", ("--what", "statistic"), ("statistics",)),
    ],
)
def test_nonsense_is_refused(run, options, words, analyze, capsys):
    assert analyze("--run", f"runs/{run}", *options, *FEW) == 2
    told = capsys.readouterr()
    for word in words:
        assert word in told.err + told.out


def test_a_run_that_nothing_steers_is_refused(work, tmp_path, capsys, analyze):
    unsteered = [("clevr_train", {"system": one}) for one in ("none", "concat", "multihop", "lstm")]
    for how in ("none", "concat"):
        unsteered += [(name, {"conditioning": how}) for name in ("babyai_ppo", "clevr_train")]
    for number, (name, change) in enumerate(unsteered):
        config = json.loads((work / "runs" / name / "config.json").read_text())
        run = tmp_path / str(number)
        run.mkdir()
        (run / "config.json").write_text(json.dumps({**config, **change}))
        assert analyze("--run", str(run)) == 2
        assert "--conditioning film" in capsys.readouterr().err
    (tmp_path / "config.json").write_text('{"something": "else"}')
    assert analyze("--run", str(tmp_path)) == 2
    assert "neither a run of an agent" in capsys.readouterr().err


def test_one_sentence_has_no_map_and_the_rest_goes_on(work, capsys, analyze):
    """The same network, whose task is one sentence."""
    run = work / "runs" / "one"
    shutil.copytree(work / "runs" / "babyai_ppo", run)
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, "instr": ["go to the red ball"]}))
    assert analyze("--run", "runs/one", *FEW) == 0
    told = capsys.readouterr().out
    for what in ("tsne", "interpolation", "arithmetic"):
        assert f"{what}: left out" in told
    assert "\nmean\n" in told
    assert analyze("--run", "runs/one", "--what", "tsne", *FEW) == 2
    assert "1 sentences" in capsys.readouterr().err


def test_a_run_without_a_checkpoint_is_refused(work, tmp_path):
    (tmp_path / "new").mkdir()
    shutil.copy(work / "runs/babyai_ppo/config.json", tmp_path / "new")
    refused(called("analyze", "--run", "new", cwd=tmp_path), "no checkpoint yet", "--resume")
