"""Episodes drawn by the shares of tasks: how often, of which levels, and from when on."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from envs import EnvError
from envs.batched import BatchedBabyAI, LevelBank
from envs.batched.draw import Shares
from envs.batched.record import Row
from tests.kill_and_resume import assert_same

TASKS = ("BabyAI-GoToObjS4-v0", "BabyAI-OpenRedDoor-v0", "BabyAI-PutNextS5N2Carrying-v0")
WORLDS, EPISODES = 1000, 60
EVEN = (0.5, 0.25, 0.25)


@pytest.fixture(scope="module")
def bank() -> LevelBank:
    """Levels of three tasks whose grids differ in size; of the second there are few."""
    made = LevelBank.generate(TASKS, 24)
    task = made.record[Row.TASK]
    assert task.tolist() == [index % 3 for index in range(24)]
    made.record[Row.MAX_STEPS] = 15  # so that many episodes end
    return made.part((task != 1) | (torch.arange(24) < 9))


def drawn(shares: Shares, seed: int = 0) -> torch.Tensor:
    worlds = torch.arange(WORLDS).repeat_interleave(EPISODES)
    return shares.draw(seed, worlds, torch.arange(EPISODES).repeat(WORLDS))


@settings(max_examples=30, deadline=None)
@given(
    weights=st.lists(st.integers(0, 20), min_size=2, max_size=5).filter(any),
    seed=st.integers(0, 2**62),
)
def test_each_task_has_its_share_however_many_levels_it_has(weights, seed):
    shares = [weight / sum(weights) for weight in weights]
    shares[-1] = 1 - sum(shares[:-1])
    tasks = torch.arange(len(shares)).repeat_interleave(torch.arange(1, len(shares) + 1))
    tasks = tasks[torch.randperm(len(tasks), generator=torch.Generator().manual_seed(1))]
    levels = drawn(Shares(tasks, [max(share, 0.0) for share in shares]), seed)
    number = WORLDS * EPISODES
    for task, share in enumerate(shares):
        count = torch.bincount(levels, minlength=len(tasks))[tasks == task]
        deviation = (number * share * (1 - share)) ** 0.5
        assert abs(int(count.sum()) - number * share) <= 6 * deviation
        each = number * share / len(count)  # levels of a task are drawn alike
        assert all(abs(int(one) - each) <= 6 * each**0.5 for one in count)


def test_a_draw_is_of_its_world_and_episode_alone():
    shares = Shares(torch.tensor([0, 1, 1, 0, 2]), EVEN)
    world = torch.tensor([7, 3, 7])
    episode = torch.tensor([1, 5, 0])
    together = shares.draw(3, world, episode)
    for row in range(3):
        alone = shares.draw(3, world[row : row + 1], episode[row : row + 1])
        assert alone.item() == together[row]
    assert not torch.equal(drawn(shares, 3), drawn(shares, 4))


@pytest.mark.parametrize(
    ("tasks", "shares", "message"),
    [
        ([0, 1], (0.5, 0.6), "whose sum is 1"),
        ([0, 1], (1.5, -0.5), "from 0 to 1"),
        ([0, 1, 2], (0.5, 0.5), "of 3 tasks"),
        ([0, 0], (0.5, 0.5), "task 1 has a share of the episodes and no level"),
    ],
)
def test_shares_that_cannot_be_are_refused(tasks, shares, message):
    with pytest.raises(EnvError, match=message):
        Shares(torch.tensor(tasks), shares)


def play(worlds: BatchedBabyAI, steps: int, seed: int) -> list:
    draws = torch.Generator().manual_seed(seed)
    actions = torch.randint(7, (steps, worlds.num_envs), generator=draws)
    return [worlds.step(action) for action in actions]


@pytest.mark.parametrize("path", ["cpu", "accelerator"])
def test_what_ended_is_counted_by_task_and_shares_change_for_new_episodes_alone(bank, path):
    worlds = BatchedBabyAI(bank, 64, shares=(1, 0, 0))
    if path == "accelerator":
        worlds._start_over = worlds._start_all
    assert not worlds._record[Row.TASK].any()
    before = torch.zeros(3, 2, dtype=torch.int64)
    for shares in ((1, 0, 0), (0, 1, 0), EVEN):
        worlds.set_shares(shares)
        for number in range(40):
            task = worlds._record[Row.TASK].clone()
            (step,) = play(worlds, 1, seed=number)
            over = step.terminated | step.truncated
            for which, success in zip(task[over], step.reward[over] > 0, strict=True):
                before[which] += torch.tensor([1, int(success)])
            now = worlds._record[Row.TASK]
            assert torch.equal(now[~over], task[~over])
            assert all(shares[which] for which in now[over])
    assert [list(counts) for counts in worlds.visits.ended()] == before.tolist()
    assert before[:, 0].all()
    assert 0 < before[:, 1].sum() < before[:, 0].sum()


def test_a_restored_state_goes_on_with_its_shares_and_counts(bank):
    one = BatchedBabyAI(bank, 16, seed=2, shares=(1, 0, 0))
    play(one, 30, seed=0)
    one.set_shares(EVEN)
    play(one, 30, seed=1)
    other = BatchedBabyAI(bank, 16, seed=2, shares=(0, 0, 1))
    other.set_state(one.state())
    assert_same(play(one, 60, seed=2), play(other, 60, seed=2))
    assert_same(one.state(), other.state())
    with pytest.raises(EnvError, match="the state's ended"):
        BatchedBabyAI(bank, 16, seed=2).set_state(one.state())


def test_shares_hold_for_levels_that_join_later(bank):
    worlds = BatchedBabyAI(bank, 64, shares=(0, 1, 0))
    worlds.let_in(LevelBank.generate(TASKS, 12, seed=1))
    play(worlds, 50, seed=0)
    assert (worlds._record[Row.TASK] == 1).all()
    assert worlds.bank.record[Row.TASK].unique().tolist() == [0, 1, 2]
