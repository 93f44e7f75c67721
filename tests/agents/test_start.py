"""Beginning with another run's weights: what is taken, what is not, and that both are told."""

import dataclasses
import json
import shutil

import pytest
import torch

from agents.config import AgentConfig
from agents.learner import check_start, make_learner, untrained_agent
from agents.start import start_from
from agents.training import train
from envs import WORDS
from film_rl.run import Checkpointer, RunFolder, Team, UserError, read_origin, seed_everything
from tests.agents.test_training import final_state
from tests.kill_and_resume import assert_same, kill
from tests.vqa.toy import TOY
from vqa.config import VQAConfig
from vqa.tokens import QuestionVocabulary
from vqa.training import make_learner as make_answerer

QUESTIONS = ["Is the red ball behind the green thing?", "What is to the left of the box?"]
KNOWN = ("ball", "behind", "box", "green", "left", "of", "red", "the", "to")  # by both
ENCODER = "features_extractor.network.encoder"
# A question answerer whose core is in part the tiny agent's: its blocks mix cells with 3x3 only.
ALIKE = dataclasses.replace(
    TOY, channels=8, word_dim=8, sentence_dim=8, coords=False, norm="none", stem_channels=8
)


@pytest.fixture(scope="module")
def start(tiny_tensor) -> AgentConfig:
    return dataclasses.replace(tiny_tensor, seed=5)


def answerer(config: VQAConfig, path) -> RunFolder:
    """A run of the question answerer, as far as a start needs it: its weights and its words."""
    run = RunFolder.create(path, config)
    vocabulary = QuestionVocabulary.from_questions(QUESTIONS)
    learner = make_answerer(config, len(vocabulary), 2)
    learner.join(Team())
    vocabulary.save(run.path / "vocab.json")
    Checkpointer(run.checkpoints).save(7, {"learner": learner.state()})
    return run


def fresh(config: AgentConfig):
    seed_everything(config.seed)
    return untrained_agent(config, "cpu").policy


def test_an_agent_of_the_same_network_begins_where_the_other_one_ended(start, trained_tensor):
    run, learner = trained_tensor
    policy = fresh(start)
    told = start_from(policy, run.path)
    assert not told.left
    assert not told.unused
    assert_same(policy.state_dict(), learner.policy.state_dict())
    assert len(told.taken) == len(list(policy.named_parameters()))


def test_of_another_network_that_is_taken_which_fits(start, trained_tensor):
    other = dataclasses.replace(start, last_actions=2, blocks=3)
    policy, before = fresh(other), fresh(other).state_dict()
    there, told = trained_tensor[1].policy.state_dict(), start_from(policy, trained_tensor[0].path)
    for name, tensor in policy.state_dict().items():
        fits = name in there and there[name].shape == tensor.shape
        assert torch.equal(tensor, there[name] if fits else before[name])
        own = name.removeprefix("pi_").removeprefix("vf_")
        assert (own in told.taken) == fits == (own not in told.left)
    assert told.left["features_extractor.network.blocks.2.conv1.weight"].startswith("that run has")
    assert told.left["features_extractor.head.weight"] == "128 x 1040 there, 128 x 800 here"


def test_an_agent_takes_the_film_core_of_a_question_answerer(start, tmp_path):
    run = answerer(ALIKE, tmp_path / "clevr")
    policy, before = fresh(start), fresh(start).state_dict()
    told, after = start_from(policy, run.path), policy.state_dict()
    there = Checkpointer(run.checkpoints).load().state["learner"]["model"]
    core = "features_extractor.network"
    parts = ("encoder.gru.weight_hh_l0", "generator.linear.weight", "blocks.0.conv1.weight",
             "blocks.1.conv2.bias")  # fmt: skip
    for part in parts:
        assert torch.equal(after[f"{core}.{part}"], there[f"network.{part}"])
    assert told.left[f"{core}.blocks.0.conv2.weight"] == "8 x 8 x 3 x 3 there, 8 x 8 x 1 x 1 here"
    assert told.left["action_net.weight"] == "that run has no such tensor"
    assert all(torch.equal(after[name], before[name]) for name in told.left)
    assert "features_extractor.classifier.answers.weight" in told.unused


def test_of_other_words_those_are_taken_that_both_know(start, tmp_path):
    run = answerer(ALIKE, tmp_path / "clevr")
    policy, before = fresh(start), fresh(start).state_dict()
    told = start_from(policy, run.path)
    name = f"{ENCODER}.embedding.weight"
    assert told.taken[name].endswith(f"9 of 32 words that it knows: {' '.join(KNOWN)}")
    there = Checkpointer(run.checkpoints).load().state["learner"]["model"]
    ids = QuestionVocabulary.load(run.path / "vocab.json").ids
    rows = policy.state_dict()[name]
    assert torch.equal(rows[0], before[name][0])
    for row, word in enumerate(WORDS, start=1):
        theirs = there["network.encoder.embedding.weight"]
        assert torch.equal(rows[row], theirs[ids[word]] if word in KNOWN else before[name][row])


def test_a_run_that_shares_nothing_is_refused_before_anything_is_written(start, tmp_path):
    different = dataclasses.replace(TOY, system="lstm", sentence_dim=6)
    run = answerer(different, tmp_path / "clevr")
    config = dataclasses.replace(start, init_from=str(run.path))
    with pytest.raises(UserError, match=r"nothing that fits(.|\n)*0 of \d+ tensors(.|\n)*gru"):
        check_start(config)
    assert [path.name for path in tmp_path.iterdir()] == ["clevr"]


def test_words_of_another_size_or_all_unknown_are_not_taken(start, tmp_path):
    run = answerer(ALIKE, tmp_path / "clevr")
    name, vocabulary = f"{ENCODER}.embedding.weight", run.path / "vocab.json"
    narrow = answerer(dataclasses.replace(ALIKE, word_dim=6), tmp_path / "narrow")
    told = start_from(fresh(start), narrow.path)
    assert told.left[name] == "17 x 6 there, 33 x 8 here"
    ids = json.loads(vocabulary.read_text())["question_token_to_idx"]
    strange = {f"x{token}": index for token, index in ids.items()}
    vocabulary.write_text(json.dumps({"question_token_to_idx": strange}))
    told = start_from(fresh(start), run.path)
    assert told.left[name] == "that run knows other words, and none of these"
    vocabulary.write_text("{}")
    with pytest.raises(UserError, match="has no 'question_token_to_idx'"):
        start_from(fresh(start), run.path)


def test_what_is_no_run_to_start_from_is_refused(start, tmp_path):
    policy = fresh(start)
    with pytest.raises(UserError, match="is not a run folder"):
        start_from(policy, tmp_path / "nowhere")
    run = RunFolder.create(tmp_path / "new", start)
    with pytest.raises(UserError, match=r"--init-from .* has no checkpoint yet; train it first"):
        start_from(policy, run.path)
    Checkpointer(run.checkpoints).save(1, {"learner": {"something": 1}})
    with pytest.raises(UserError, match="neither an agent nor a question answerer"):
        start_from(policy, run.path)


def test_a_start_is_told_recorded_and_resumed_without_the_run_it_came_from(
    start, trained_tensor, tmp_path
):
    source = shutil.copytree(trained_tensor[0].path, tmp_path / "source")
    config = dataclasses.replace(start, init_from=str(source))
    runs = [RunFolder.create(tmp_path / name, config) for name in ("whole", "killed")]
    with runs[0]:
        learner, _ = train(config, runs[0])
    kill(train, runs[1], config, "torch.optim:Adam.step", 9)
    origin = read_origin(runs[1])
    assert origin == read_origin(runs[0])
    table = str(check_start(config))
    assert f"weights of {source} after 640 steps" in table
    assert all(name in table for name in origin["taken"])
    assert origin["tensors_sha256"] == Checkpointer(trained_tensor[0].checkpoints).load().sha256
    shutil.rmtree(source)
    with runs[1]:
        train(config, runs[1])
    assert_same(final_state(runs[1]), final_state(runs[0]))
    before = make_learner(start, runs[0]).policy.state_dict()
    assert not any(torch.equal(before[k], v) for k, v in learner.policy.state_dict().items())
