"""Training learns, repeats itself bit for bit, and goes on from a kill as if there were none."""

import os
import re
import signal
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from film_rl.run import Checkpointer, Interrupted, NonFiniteError, RunFolder, UserError
from tests.kill_and_resume import ROOT, assert_same, kill, records
from tests.vqa.toy import ANSWERS, TOY, VOCABULARY, toy_split, train_toy
from vqa.baselines import train_baseline
from vqa.batches import batch_of, question_table
from vqa.learner import Learner, accuracy, learning_rate, predict
from vqa.training import Split, make_learner, restore_trained, train


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[RunFolder, Learner]:
    """A run that was never interrupted."""
    run = RunFolder.create(tmp_path_factory.mktemp("runs") / "whole", TOY)
    with run:
        learner, _ = train_toy(TOY, run)
    return run, learner


def final_state(run: RunFolder) -> dict:
    """All of the last checkpoint but the time it took, and the metrics."""
    checkpoint = Checkpointer(run.checkpoints).load()
    state = {k: v for k, v in checkpoint.state.items() if k not in ("seconds", "metrics")}
    return {"step": checkpoint.step, "state": state, "metrics": records(run)}


def test_it_learns_what_the_question_alone_does_not_tell(whole):
    _, learner = whole
    held_out = toy_split(50, seed=2)
    blind = train_baseline(TOY, toy_split(40, seed=0).table, VOCABULARY, len(ANSWERS))
    assert accuracy(learner, held_out.images, held_out.table) > 0.95
    assert accuracy(blind, held_out.images, held_out.table) < 0.75


def test_a_penalty_draws_gamma_and_beta_to_the_identity(whole, tmp_path):
    def distance(learner: Learner) -> float:
        tokens = toy_split(20, seed=1).table.tokens.long()
        pairs = learner.model.condition(tokens)
        return sum(((gamma - 1) ** 2 + beta**2).mean().item() for gamma, beta in pairs)

    config = replace(TOY, film_penalty=1.0)
    with RunFolder.create(tmp_path / "penalty", config) as run:
        learner, _ = train_toy(config, run)
    assert distance(learner) < 0.3 * distance(whole[1])


@pytest.mark.parametrize(
    ("target", "number"),
    [
        ("vqa.learner:Learner.update", 9),  # before the first checkpoint, in the easy phase
        ("torch.optim:Adam.step", 40),  # in the middle of an epoch
        ("os:fsync", 8),  # in a save, its files half written
        ("film_rl.run.checkpoint:write_atomically", 2),  # after the rename, before LAST moves
    ],
)
def test_a_killed_run_ends_bit_for_bit_like_one_never_killed(target, number, whole, tmp_path):
    run = RunFolder.create(tmp_path / "killed", TOY)
    kill(train_toy, run, TOY, target, number)
    with run:
        train_toy(TOY, run)
    assert_same(final_state(run), final_state(whole[0]))


def test_workers_change_nothing(whole, tmp_path):
    config = replace(TOY, workers=2)
    with RunFolder.create(tmp_path / "workers", config) as run:
        train_toy(config, run)
    assert_same(final_state(run), final_state(whole[0]))


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_stops_and_the_run_goes_on_exactly(signum, whole, tmp_path, monkeypatch):
    run = RunFolder.create(tmp_path / "stopped", TOY)
    real, calls = Learner.update, []

    def signalling(learner, batch, rate):
        calls.append(rate)
        if len(calls) == 23:
            os.kill(os.getpid(), signum)
        return real(learner, batch, rate)

    monkeypatch.setattr(Learner, "update", signalling)
    with run, pytest.raises(Interrupted) as stopped:
        train_toy(TOY, run)
    assert stopped.value.signum == signum
    assert Checkpointer(run.checkpoints).load().step == 23
    with run:
        train_toy(TOY, run)
    assert len(calls) == TOY.steps
    assert_same(final_state(run), final_state(whole[0]))


def test_a_number_that_is_not_finite_stops_training_before_it_spreads(tmp_path, monkeypatch):
    run = RunFolder.create(tmp_path / "nan", TOY)
    real = Learner.loss
    calls = []

    def poisoned(learner, batch):
        calls.append(len(batch.answers))
        loss, logits_QA = real(learner, batch)
        return loss * (float("nan") if len(calls) == 18 else 1.0), logits_QA

    monkeypatch.setattr(Learner, "loss", poisoned)
    with run, pytest.raises(NonFiniteError, match=r"at step 17.*crash.*--learning-rate"):
        train_toy(TOY, run)
    assert Checkpointer(run.checkpoints).load().step == 15
    dump = Checkpointer(run.path / "crash").load().state
    assert len(dump["batch"]["answers"]) == calls[-1]


def test_patience_stops_and_keeps_the_best(tmp_path):
    config = replace(TOY, patience=2, eval_every=5, learning_rate=0.0, warmup=0)
    with RunFolder.create(tmp_path / "patient", config) as run:
        train_toy(config, run)
    evaluated = [record for record in records(run) if "val/accuracy" in record]
    scores = [record["val/accuracy"] for record in evaluated]
    best = max(range(len(scores)), key=scores.__getitem__)
    assert len(scores) == best + 3 < config.steps / config.eval_every
    fresh = make_learner(config, VOCABULARY, len(ANSWERS))
    assert restore_trained(config, fresh, run) == evaluated[best]["step"]
    held_out = toy_split(20, seed=1)
    assert accuracy(fresh, held_out.images, held_out.table) == pytest.approx(max(scores))


def test_a_trained_network_is_restored_from_its_run(whole):
    run, learner = whole
    fresh = make_learner(TOY, VOCABULARY, len(ANSWERS))
    assert restore_trained(TOY, fresh, run) == TOY.steps
    held_out = toy_split(20, seed=1)
    answers = [predict(one, held_out.images, held_out.table) for one in (fresh, learner)]
    assert torch.equal(*answers)
    with pytest.raises(UserError, match="not of this configuration"):
        restore_trained(TOY, make_learner(replace(TOY, blocks=3), VOCABULARY, 2), run)
    with pytest.raises(UserError, match="no checkpoint yet"):
        restore_trained(TOY, fresh, RunFolder(run.path.parent / "none"))


def test_probabilities_come_in_the_order_of_the_questions(whole):
    _, learner = whole
    split = toy_split(30, seed=5)
    probabilities = predict(learner, split.images, split.table)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(120))
    order = torch.randperm(90)
    again = predict(learner, split.images, split.table.take(order))
    torch.testing.assert_close(again, probabilities[order])


@settings(derandomize=True, deadline=None)
@given(st.integers(1, 500), st.integers(0, 50), st.sampled_from([0.0, 0.3, 1.0]))
def test_the_learning_rate_rises_stays_and_falls(steps, warmup, fall):
    rates = [learning_rate(step, steps, 2.0, warmup, fall) for step in range(steps)]
    assert all(0 < rate <= 2.0 for rate in rates)
    peak = rates.index(max(rates))
    assert rates[:peak] == sorted(rates[:peak])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    if not fall and steps > warmup:
        assert rates[-1] == 2.0


def test_a_gradient_step_clips_and_decays():
    config = replace(TOY, clip=1e-3, weight_decay=0.5)
    learner = make_learner(config, VOCABULARY, len(ANSWERS))
    split = toy_split(4, seed=0)
    learner.update(batch_of(split.images, split.table, torch.arange(12)), 1e-3)
    norm = nn.utils.get_total_norm([p.grad for p in learner.model.parameters()])
    assert norm == pytest.approx(1e-3, rel=1e-3)
    assert learner.optimizer.param_groups[0]["weight_decay"] == 0.5


def test_training_data_without_answers_is_refused(tmp_path):
    split = toy_split(2, seed=0)
    unanswered = Split(split.images, question_table([{}], [[1]], [0], ANSWERS))
    run = RunFolder.create(tmp_path / "run", TOY)
    learner = make_learner(TOY, VOCABULARY, len(ANSWERS))
    with run, pytest.raises(UserError, match="training needs questions"):
        train(TOY, unanswered, split, learner, run)


def test_every_logged_metric_is_explained(whole):
    text = (ROOT / "docs" / "metrics.md").read_text()
    explained = set(re.findall(r"`([a-z_/]+)`", text[text.index("## CLEVR") :]))
    assert {name for record in records(whole[0]) for name in record} | {"time"} == explained
