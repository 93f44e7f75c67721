import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from agents.config import ImitationConfig
from agents.imitation import fit, foretold, imitate
from agents.learner import load_agent, untrained_agent
from agents.lessons import Course, Lessons
from envs.grammar import MAX_WORDS
from film_rl.run import NonFiniteError, RunFolder

TINY = ImitationConfig(
    level="BabyAI-GoToRedBallGrey-v0",
    channels=8,
    sentence_dim=8,
    memory_dim=64,
    segment=4,
    batch_size=64,
    updates=120,
    learning_rate=3e-3,
    entropy=0.0,
    eval_every=1000,
    precision="float32",
)
SENTENCES = ["go to the red ball", "go to the blue key"]


def lessons_of_rule(episodes=300) -> Lessons:
    """Views of one kind of cell each: do what the kind says, or 2 minus that, by the sentence."""
    draws = np.random.default_rng(episodes)
    lengths = draws.integers(1, 7, episodes)
    kind = draws.integers(0, 3, lengths.sum()).astype(np.uint8)
    image = np.zeros((len(kind), 7, 7, 3), np.uint8)
    image[..., 0] = kind[:, None, None]
    sentence = draws.integers(len(SENTENCES), size=episodes)
    told = np.repeat(sentence, lengths)
    advice = torch.from_numpy(np.where(told == 0, kind, 2 - kind).astype(np.uint8))
    first = F.pad(torch.from_numpy(lengths).cumsum(0), (1, 0))
    return Lessons(
        torch.from_numpy(image), advice, advice, first, torch.from_numpy(sentence), SENTENCES
    )


def test_a_rule_is_learned_from_what_was_done_and_holds_in_episodes_never_seen(
    tmp_path, monkeypatch
):
    learned, unseen = lessons_of_rule(), lessons_of_rule(100)
    monkeypatch.setattr("agents.imitation.read_lessons", lambda _config: (learned, unseen))
    run = RunFolder.create(tmp_path / "run", TINY)
    with run:
        agent, seconds = imitate(TINY, run)
    assert seconds > 0
    assert foretold(agent, Course(unseen, TINY, agent.device))["val/agreement"] > 0.97
    again, _ = load_agent(run)
    for name, parameter in agent.policy.state_dict().items():
        assert torch.equal(again.policy.state_dict()[name], parameter)


@pytest.mark.parametrize("memory", ["none", "gru", "lstm"])
def test_a_minibatch_has_the_gradient_of_its_episodes_one_by_one(memory):
    """The agent is shown each episode alone, frame by frame, as SB3 hands observations over."""
    config = dataclasses.replace(TINY, memory=memory, last_actions=2)
    lessons = lessons_of_rule(40)
    torch.manual_seed(0)
    agent = untrained_agent(config, config.device)
    for parameter in agent.policy.action_net.parameters():
        torch.nn.init.normal_(parameter)  # SB3 starts it near 0, where all gradients are small
    course = Course(lessons, config, agent.device)
    lesson = course[0]
    found, _ = fit(agent, lesson, agent.policy.fresh(course.streams))
    found.surprise.backward()
    parameters = dict(agent.policy.named_parameters())
    gradients = {k: p.grad.clone() for k, p in parameters.items() if p.grad is not None}
    agent.policy.zero_grad(set_to_none=True)
    alone = []
    for stream in range(course.streams):
        state = agent.policy.fresh(1)
        for step in range(course.steps):
            if lesson.start[step, stream]:
                state = agent.policy.fresh(1)
            seen = _observed(lesson, step, stream)
            thought = agent.policy.look(seen, state, torch.tensor([False]))
            state = thought.state
            if lesson.counts[step, stream]:
                alone.append(-thought.log_prob[0, lesson.advice[step, stream]])
    assert len(alone) == lesson.counts.sum()
    torch.stack(alone).mean().backward()
    torch.testing.assert_close(torch.stack(alone).mean(), found.surprise)
    assert sum(gradient.abs().sum() for gradient in gradients.values()) > 1
    for name, gradient in gradients.items():
        torch.testing.assert_close(parameters[name].grad, gradient, rtol=1e-3, atol=1e-5)


def _observed(lesson, step, stream) -> dict[str, torch.Tensor]:
    """One frame of a minibatch as SB3 hands it over."""
    words = lesson.tokens[lesson.view.sentence[step, stream]]
    return {
        "image": lesson.view.image[step, stream][None].float(),
        "instruction": F.pad(words, (0, MAX_WORDS - len(words)))[None].float(),
        "last_actions": lesson.view.last_actions[step, stream][None].float(),
    }


def test_a_number_that_is_not_finite_stops_training_before_it_spreads(tmp_path, monkeypatch):
    config = dataclasses.replace(TINY, learning_rate=1e30, updates=20)
    learned = lessons_of_rule(50)
    monkeypatch.setattr("agents.imitation.read_lessons", lambda _config: (learned, learned))
    run = RunFolder.create(tmp_path / "run", config)
    with run, pytest.raises(NonFiniteError, match="--learning-rate"):
        imitate(config, run)
    assert (run.path / "crash" / "LAST").exists()
