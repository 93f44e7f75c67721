"""An agent under the microscope is the agent."""

import numpy as np
import pytest
import torch

from agents.config import AgentConfig
from agents.evaluation import begun_on_tensors, open_worlds
from agents.subject import agent_subject, labels
from agents.task import EVALUATION_SEED, Task
from envs import EnvError
from film_rl.analysis.interventions import changed
from film_rl.analysis.where import where
from film_rl.film import take


@pytest.fixture(scope="module")
def subject(trained):
    return agent_subject(trained[0], episodes=6, examples=2, device="cpu")


def test_its_scores_are_the_policy_s(subject, trained):
    run, agent = trained
    with open_worlds(Task.of_config(run.config(AgentConfig)), 20) as worlds:
        _, seen = begun_on_tensors(worlds, range(EVALUATION_SEED, EVALUATION_SEED + 20))
    observations, _ = agent.policy.obs_to_tensor(seen)
    distribution = agent.policy.get_distribution(observations).distribution.probs
    found = subject.scores([0, 1], subject.shown).softmax(dim=1)
    for row in found:  # each example is the first view of one of these episodes
        assert np.isclose(distribution.detach(), row.detach(), atol=1e-5).all(axis=1).any()


def test_its_examples_name_what_they_show_and_every_part_has_maps_of_the_view(subject):
    for example in subject.examples:
        assert example.sentence in subject.sentences
        assert example.picture.shape == (7 * 16, 7 * 16, 3)
    found = where(subject.parts, lambda: subject.scores([0, 1], subject.shown))
    assert list(found.winners) == ["stem", "block 1", "block 2"]
    assert all(maps.shape == (2, 7, 7) for maps in found.winners.values())


def test_success_is_of_the_same_episodes_each_time_and_hears_a_change(subject):
    plain = subject.measure()
    assert plain == subject.measure()
    asked = []

    def listen(film_params):
        asked.append(len(film_params[0][0]))
        return film_params

    with changed(subject.network, listen):
        assert subject.measure() == plain
    assert asked == [6]  # each episode's instruction is read once


def test_a_typed_sentence_steers_as_the_task_s_does(subject):
    typed = subject.read(["Go to the BLUE  key."])
    row = subject.sentences.index("go to the blue key")
    for found, expected in zip(typed, take(subject.film, torch.tensor([row])), strict=True):
        torch.testing.assert_close(found, expected)
    with pytest.raises(EnvError, match="did you mean 'key'"):
        subject.read(["go to the blue kye"])


def test_labels_are_verbs_and_the_first_thing_s_colour_and_kind():
    sentences = [
        "go to the red ball",
        "pick up a key behind you",
        "open the blue door, then put the grey box next to the red ball",
        "go to the green key and go to a ball",
    ]
    assert labels(sentences) == {
        "verb": ["go to", "pick up", "open, put next", "go to"],
        "colour": ["red", "any", "blue", "green"],
        "object": ["ball", "key", "door", "key"],
    }
