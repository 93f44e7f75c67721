"""Held-out sentences are never trained on, and can be told by the parameters of others."""

import dataclasses
import json

import pytest
import torch

from agents import Task
from agents.config import AgentConfig
from agents.evaluation import evaluate
from agents.learner import check, load_agent
from agents.levels import level_bank
from agents.task import task_for
from agents.training import train
from agents.zero_shot import (
    by_arithmetic,
    film_of,
    held_out_triples,
    measure,
    seen_triples,
    told_by,
)
from envs import EnvError, expand, tokenize
from film_rl.run import RunFolder, UserError
from tests.experiments.helpers import refused, script

HOLD_OUT = ("red key", "blue ball")


@pytest.fixture(scope="module")
def held_out(tmp_path_factory, tiny_tensor) -> RunFolder:
    """A run that never heard of red keys and blue balls; too short to learn anything."""
    config = dataclasses.replace(
        tiny_tensor, instr=("go to the {color} {object}",), hold_out=HOLD_OUT, levels=64
    )
    check(config)
    run = RunFolder.create(tmp_path_factory.mktemp("runs") / "held-out", config)
    with run:
        train(config, run)
    return run


def test_no_level_of_training_says_what_is_held_out(held_out):
    config = held_out.config(AgentConfig)
    missions = set(level_bank(config, held_out).missions)
    assert len(missions) > 10
    assert not missions & {"go to the red key", "go to the blue ball"}
    assert missions <= set(Task.of_config(config).sentences)


def test_the_held_out_task_is_the_rest():
    task = Task(("go to the {color} {object}",), hold_out=HOLD_OUT)
    assert set(task.held_out().names) == {"go to the red key", "go to the blue ball"}
    assert sorted(task.sentences + task.held_out().names) == sorted(expand(task.names))
    assert str(task) == "go to the {color} {object}, without red key, blue ball"


def test_a_sentence_typed_for_a_trained_agent_may_be_one_held_out(held_out):
    config = held_out.config(AgentConfig)
    assert task_for(config).hold_out == HOLD_OUT
    assert task_for(config, instr=("go to the red key",)).hold_out == ()


def test_the_parameters_are_the_sum_and_others_stay_as_they_are(held_out):
    agent, config = load_agent(held_out, "cpu")
    extractor, triples = film_of(agent), held_out_triples(Task.of_config(config))

    def read(*sentences: str):
        tokens = torch.zeros(len(sentences), 6, dtype=torch.int64)
        for row, sentence in zip(tokens, sentences, strict=True):
            row[: len(tokenize(sentence))] = torch.tensor(tokenize(sentence))
        return extractor.read(tokens)

    three = triples["go to the red key"]
    with torch.no_grad():
        parts = [read(one)[0] for one in three]
        plain = read("go to the red ball")
        with told_by(extractor, by_arithmetic(extractor, triples)):
            told = read("go to the red key", "go to the red ball")
        after = read("go to the red ball")
    for which in (0, 1):
        expected = parts[0][which] + parts[1][which] - parts[2][which]
        torch.testing.assert_close(told[0][which][:1], expected)
        torch.testing.assert_close(told[0][which][1:], plain[0][which])
        assert torch.equal(plain[0][which], after[0][which])


def test_measured_plainly_is_what_an_evaluation_says_and_nothing_is_left_behind(held_out):
    agent, config = load_agent(held_out, "cpu")
    task = Task.of_config(config)
    rows = measure(agent, task, episodes=12)
    assert list(rows) == [
        f"{which}, {how}"
        for which in ("seen", "held out")
        for how in ("told plainly", "by arithmetic", "told another")
    ]
    assert film_of(agent).reader is None
    again = evaluate(agent, task.held_out(), 12, engine="tensor").to_json()
    assert rows["held out, told plainly"]["sampled"] == again
    assert rows["held out, told plainly"]["sentences"] == 2
    assert rows["seen, told plainly"]["sentences"] == len(seen_triples(task)) == 16


def test_the_script_writes_table_picture_and_figures(held_out, tmp_path):
    words = ("--run", str(held_out.path), "--episodes", "8", "--results", "paper.json")
    result = script("babyai_zero_shot", *words, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "go to the red key = go to the red box + go to the green key" in result.stdout
    figures = json.loads((held_out.path / "zero_shot.json").read_text())
    assert figures["hold_out"] == list(HOLD_OUT)
    assert len(figures["rows"]) == 6
    assert (held_out.path / "plots" / "zero_shot.png").stat().st_size > 10_000
    (row,) = json.loads((tmp_path / "paper.json").read_text())
    rates = [one["sampled"]["overall"]["success_rate"] for one in figures["rows"].values()]
    assert [*row["figures"].values()] == [round(100 * rate, 1) for rate in rates]


def test_an_agent_without_held_out_sentences_or_film_is_refused(trained, tiny, tmp_path):
    run, _ = trained
    refused(script("babyai_zero_shot", "--run", str(run.path), cwd=tmp_path), "--hold-out")
    refused(script("babyai_zero_shot", "--run", "none", cwd=tmp_path), "none is not a run folder")
    unfilmed = dataclasses.replace(tiny, conditioning="none", steps=64)
    blind = RunFolder.create(tmp_path / "blind", unfilmed)
    with blind:
        train(unfilmed, blind)
    with pytest.raises(UserError, match="no FiLM parameters"):
        film_of(load_agent(blind, "cpu")[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hold_out": ("rde key",)}, "did you mean 'red'"),
        ({"hold_out": ("green ball",)}, "none of the 2 sentences"),
        ({"instr": (), "level": "BabyAI-GoToLocal-v0", "hold_out": HOLD_OUT}, "makes its own"),
    ],
)
def test_what_cannot_be_held_out_is_refused_before_anything_runs(tiny, changes, message):
    with pytest.raises((UserError, EnvError), match=message):
        check(dataclasses.replace(tiny, **changes))
