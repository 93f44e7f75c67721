"""New levels join the bank between two steps, and nobody under way notices."""

import random

import numpy as np
import pytest
import torch

from envs import EnvError, make_env
from envs.batched import BatchedBabyAI, LevelBank
from envs.batched.draw import draw_levels
from envs.batched.facades import InstructedWorlds
from envs.batched.parity import Actor
from envs.batched.record import Row
from envs.grammar import tokenize
from tests.kill_and_resume import assert_same

NOISE = (0.0, 0.2, 0.4, 1.0)  # the bot ends episodes in many ways that need computing
SEED, WORLDS, LEVELS, LIMIT = 3, 12, 6, 24  # LIMIT: steps of an episode, so that many begin
TASKS = [  # each three have grids of one size; what a step must compute differs between them
    ("GoToLocal", "PutNextLocal", "PickupLoc"),
    ("PutNextS5N2Carrying", "OpenRedDoor", "MoveTwoAcrossS5N2"),
    ("OpenDoor", "KeyInBox", "BossLevel"),
    ("BossLevel", "GoTo", "Open"),
]


def names(task: str, start: int) -> list[tuple[str, int]]:
    return [(f"BabyAI-{task}-v0", start + index) for index in range(LEVELS)]


def begun(name: tuple[str, int]):
    """minigrid's environment at the beginning of a level, and what it shows there."""
    env = make_env(name[0]).unwrapped
    first, _ = env.reset(seed=name[1])
    env.max_steps = LIMIT
    return env, first


def bank(levels: list[tuple[str, int]]) -> LevelBank:
    return LevelBank.from_minigrid([begun(name)[0] for name in levels])


class SideBySide:
    """Worlds on tensors, and minigrid's environments that stand on the same levels."""

    def __init__(self, levels: list[tuple[str, int]], path: str):
        self.levels = levels
        self.worlds = BatchedBabyAI(bank(levels), WORLDS, seed=SEED)
        if path == "accelerator":
            self.worlds._start_over = self.worlds._start_all
        self.draws = random.Random(0)
        self.number, self.seen = np.zeros(WORLDS, np.int64), []
        self.envs, self.actors = [None] * WORLDS, [None] * WORLDS
        for world in range(WORLDS):
            self.begin(world)

    def begin(self, world: int):
        episode = torch.tensor([self.number[world]])
        level = draw_levels(SEED, torch.tensor([world]), episode, len(self.levels))
        self.seen.append(self.levels[int(level)])
        env, first = begun(self.seen[-1])
        seen = self.worlds.observe()
        np.testing.assert_array_equal(seen.image[world].numpy(), first["image"])
        assert seen.direction[world] == first["direction"]
        assert self.worlds.bank.sentences[seen.sentence[world]] == env.mission
        self.envs[world] = env
        self.actors[world] = Actor(env, NOISE[world % len(NOISE)], self.draws)

    def step(self):
        actions = [actor() for actor in self.actors]
        step = self.worlds.step(torch.tensor(actions))
        for world, (env, action) in enumerate(zip(self.envs, actions, strict=True)):
            view, *result, _ = env.step(action)
            theirs = [step.reward[world], step.terminated[world], step.truncated[world]]
            assert result == [one.item() for one in theirs]
            np.testing.assert_array_equal(step.final_image[world].numpy(), view["image"])
            assert step.final_direction[world] == view["direction"]
            assert self.worlds.bank.sentences[step.final_sentence[world]] == env.mission
            if result[1] or result[2]:
                self.number[world] += 1
                self.begin(world)

    def let_in(self, levels: list[tuple[str, int]]):
        before = self.worlds.observe()
        self.worlds.let_in(bank(levels))
        self.levels = (self.levels + levels)[-len(self.levels) :]
        after = self.worlds.observe()
        assert torch.equal(before.image, after.image)
        assert torch.equal(before.direction, after.direction)


@pytest.mark.parametrize("path", ["cpu", "accelerator"])
@pytest.mark.parametrize("tasks", TASKS)
def test_worlds_go_on_as_minigrids_when_levels_change(tasks, path):
    levels = [names(task, start) for start, task in zip((0, 100, 200), tasks, strict=True)]
    both = SideBySide(levels[0], path)
    for coming in (levels[1], levels[2][:2], levels[2][2:]):
        for _ in range(LIMIT // 2):
            both.step()
        both.let_in(coming)
    for _ in range(2 * LIMIT):
        both.step()
    assert both.levels == levels[2]
    assert set(levels[2]) & set(both.seen)
    assert both.worlds.visits.begun() == (len(both.seen), len(set(both.seen)))


@pytest.fixture(scope="module")
def banks() -> list[LevelBank]:
    """Of other sentences each."""
    return [bank(names(task, 0)) for task in TASKS[0]]


def walk(worlds: InstructedWorlds, steps: int, seed: int) -> list:
    draws = torch.Generator().manual_seed(seed)
    return [worlds.step(torch.randint(7, (WORLDS,), generator=draws)) for _ in range(steps)]


def test_tokens_are_those_of_the_new_sentences(banks):
    worlds = InstructedWorlds(banks[0], WORLDS)
    for coming in (banks[1].part(slice(2)), banks[2].part(slice(5))):
        walk(worlds, 5, 0)
        missions = [worlds.bank.sentences[index] for index in worlds.view.sentence]
        worlds.let_in(coming)
        assert [worlds.bank.sentences[index] for index in worlds.view.sentence] == missions
        assert len(worlds.tokens) == len(worlds.bank.sentences)
        for row, sentence in zip(worlds.tokens.tolist(), worlds.bank.sentences, strict=True):
            assert [word for word in row if word] == tokenize(sentence)
    said = {*missions, *worlds.bank.missions}
    assert worlds.bank.sentences == sorted(said)


def test_a_state_taken_after_levels_changed_goes_on_exactly(banks):
    worlds = InstructedWorlds(banks[0], WORLDS, seed=SEED)
    walk(worlds, 15, 0)
    worlds.let_in(banks[1].part(slice(4)))
    walk(worlds, 15, 1)
    state = worlds.state()
    restored = InstructedWorlds(worlds.bank, WORLDS)
    restored.set_state(state)
    assert_same(restored.state(), state)
    for one in (worlds, restored):
        one.let_in(banks[2].part(slice(3)))
    for mine, other in zip(walk(worlds, 50, 2), walk(restored, 50, 2), strict=True):
        assert_same(mine.view._asdict(), other.view._asdict())
        assert torch.equal(mine.reward, other.reward)
    assert_same(restored.state(), worlds.state())
    assert restored.begun() == worlds.begun()


def test_a_state_of_other_levels_is_refused_and_changes_nothing(banks):
    worlds, other = (InstructedWorlds(one, WORLDS).worlds for one in banks[:2])
    before = worlds.state()
    for state, message in (
        ({**before, "sentences": ["", *before["sentences"][1:]]}, "no sentence"),
        ({**other.state(), "sentences": other.bank.sentences}, "no sentence"),
        ({**before, "visits": before["visits"][1:]}, "visits"),
        ({name: value for name, value in before.items() if name != "left"}, "left"),
    ):
        with pytest.raises(EnvError, match=message):
            worlds.set_state(state)
        assert_same(worlds.state(), before)


def test_what_no_level_can_join_is_refused(banks):
    worlds = BatchedBabyAI(banks[0], WORLDS)
    with pytest.raises(EnvError, match="8 x 8 and of 22 x 22"):
        worlds.let_in(bank(names("GoTo", 0)))
    with pytest.raises(EnvError, match="autoreset"):
        BatchedBabyAI(banks[0], 2, autoreset=False).let_in(banks[1])
    with pytest.raises(EnvError, match="holds no level"):
        BatchedBabyAI(banks[0].part(slice(0)), 2)


@pytest.mark.parametrize("number", [0, 1, LEVELS, LEVELS + 3])
def test_the_bank_keeps_its_size_and_its_newest_levels(banks, number):
    coming = bank(2 * names("PickupLoc", 0)).part(slice(number))
    worlds = BatchedBabyAI(banks[0], WORLDS)
    worlds.let_in(coming)
    assert worlds.bank.missions == (banks[0].missions + coming.missions)[-LEVELS:]
    assert (worlds.bank.record[Row.MAX_STEPS] == LIMIT).all()
