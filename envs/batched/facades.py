"""Batched worlds as an agent meets them, and as Gymnasium's vector environment.

N worlds, S distinct sentences, T words, A last actions.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from minigrid.core.actions import Actions
from torch import Tensor

from envs.batched import BatchedBabyAI, LevelBank, TileAtlas
from envs.batched.visits import Begun, Ended
from envs.errors import EnvError
from envs.grammar import MAX_WORDS, tokenize
from envs.observation import Observation, observation_space


class View(NamedTuple):
    """What the agents see, on the device.

    Attributes:
        image: uint8 (N, 7, 7, 3), as minigrid lays it out.
        sentence: int64 (N,), rows of `InstructedWorlds.tokens`.
        last_actions: uint8 (N, A), newest first, 1 + action, 0 before the episode's first.
    """

    image: Tensor
    sentence: Tensor
    last_actions: Tensor


class Outcome(NamedTuple):
    """One step of all worlds.

    Attributes:
        view: what is seen next; of a world that ended, its next episode's first view.
        reward: float64 (N,).
        terminated, truncated: bool (N,).
        final: what is seen where an episode ended, before the next began; else as `view`.
        length: int64 (N,), steps of the episode so far.
    """

    view: View
    reward: Tensor
    terminated: Tensor
    truncated: Tensor
    final: View
    length: Tensor


class InstructedWorlds:
    """Batched worlds with the sentence's tokens and the last actions; same-step reset.

    Args:
        bank: the levels that episodes draw from.
        num_envs: N worlds side by side.
        device: where they live.
        seed: decides which levels are drawn.
        last_actions: how many of its last actions A an agent is shown.
        shares: of each of the bank's tasks, in the episodes that begin; see `BatchedBabyAI`.
        pixels: arrays, and `observation_space`, have minigrid's RGB view of 56 x 56 pixels as
            `image`. A `View` stays symbolic, 64 times smaller: `atlas.render(view.image)` draws it.

    Attributes:
        atlas: what draws views if `pixels`, else None.
        tokens: int64 (S, T), the words of each of the bank's sentences, 0 after the last.
        view: what the agents see now.
    """

    view: View
    render_mode = None  # worlds on tensors draw no pictures: film on minigrid

    def __init__(
        self,
        bank: LevelBank,
        num_envs: int,
        *,
        device: str | torch.device = "cpu",
        seed: int = 0,
        last_actions: int = 4,
        shares: Sequence[float] = (),
        pixels: bool = False,
    ):
        if last_actions < 0:
            raise EnvError(f"last_actions is {last_actions}; type 0 or more")
        self.num_envs, self.num_last = num_envs, last_actions
        self.device = torch.device(device)
        self.bank = bank.to(self.device)
        self.tokens = token_table(bank.sentences).to(self.device)
        self.observation_space = observation_space(last_actions, pixels)
        self.atlas = TileAtlas(device=self.device) if pixels else None
        self.action_space = spaces.Discrete(len(Actions))
        self._shares = shares
        self.reset(seed)

    def reset(self, seed: int) -> View:
        """Every world begins an episode on a level that the seed decides."""
        self.seed = seed
        self.worlds = BatchedBabyAI(
            self.bank, self.num_envs, device=self.device, seed=seed, shares=self._shares
        )
        last = torch.zeros(self.num_envs, self.num_last, dtype=torch.uint8, device=self.device)
        return self._look(last)

    def step(self, action: Tensor) -> Outcome:
        """One action (N,) int64 a world; nothing comes back to the host."""
        step = self.worlds.step(action)
        over = step.terminated | step.truncated
        done = (action + 1).to(torch.uint8)[:, None]
        last = torch.cat([done, self.view.last_actions], dim=1)[:, : self.num_last]
        image = self.worlds.drawn() if self.atlas else step.image
        self.view = View(image, step.sentence, last * ~over[:, None])
        final = View(step.final_image, step.final_sentence, last)
        return Outcome(self.view, step.reward, step.terminated, step.truncated, final, step.length)

    def step_numpy(self, actions: np.ndarray) -> Outcome:
        """`step` with actions that come from the host, where to look at them costs nothing.

        Raises:
            EnvError: for another shape than (N,), what is no whole number, or is not in 0..6.
        """
        given = np.asarray(actions)
        if given.dtype.kind not in "iu" or given.shape != (self.num_envs,):
            raise EnvError(
                f"actions are {given.dtype} {given.shape}; expected whole numbers "
                f"({self.num_envs},): type np.asarray(actions, dtype=np.int64), one a world"
            )
        if not ((given >= 0) & (given < len(Actions))).all():
            raise EnvError(
                f"actions are from {given.min()} to {given.max()}; expected 0 to "
                f"{len(Actions) - 1}: type action_space.sample() for random ones"
            )
        return self.step(torch.as_tensor(given.astype(np.int64), device=self.device))

    def state(self) -> dict[str, Any]:
        """What `set_state` needs to go on exactly."""
        last = self.view.last_actions.clone()
        return {"seed": self.seed, "worlds": self.worlds.state(), "last_actions": last}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from where `state` was taken, on the same bank."""
        self.reset(state["seed"])
        self.worlds.set_state(state["worlds"])
        self._shares = self.worlds.shares
        self._read_bank()
        self._look(state["last_actions"].to(self.device))

    def let_in(self, levels: LevelBank) -> None:
        """New levels join the bank and as many of its oldest leave; see `BatchedBabyAI.let_in`."""
        self.worlds.let_in(levels)
        self._read_bank()
        self._look(self.view.last_actions)

    def set_shares(self, shares: Sequence[float]) -> None:
        """Episodes that begin from now on are drawn by these; see `BatchedBabyAI`."""
        self.worlds.set_shares(shares)
        self._shares = shares

    def begun(self) -> Begun:
        """Episodes begun since `reset`, and those on a fresh level; waits for the device."""
        return self.worlds.visits.begun()

    def ended(self) -> list[Ended]:
        """Episodes of each task that have ended since then, where there are shares; waits, too."""
        return self.worlds.visits.ended()

    def to_numpy(self, view: View, rows: np.ndarray | None = None) -> Observation:
        """The observations of `envs.make_env`, with a leading axis; of some worlds where given."""
        picked = view if rows is None else View(*(part[torch.as_tensor(rows)] for part in view))
        tokens = self.tokens[picked.sentence]
        instruction = np.zeros((len(tokens), MAX_WORDS), np.int64)
        instruction[:, : tokens.shape[1]] = tokens.cpu().numpy()
        image = self.atlas.render(picked.image) if self.atlas else picked.image
        # A copy: the next step may reuse the worlds' tensors.
        observation = {"image": image.cpu().numpy().copy(), "instruction": instruction}
        if self.num_last:
            observation["last_actions"] = picked.last_actions.cpu().numpy().astype(np.int64)
        return observation

    def _read_bank(self) -> None:
        """The worlds' bank may have other levels now, and other sentences."""
        self.bank = self.worlds.bank
        self.tokens = token_table(self.bank.sentences).to(self.device)

    def _look(self, last: Tensor) -> View:
        seen = self.worlds.observe()
        image = self.worlds.drawn() if self.atlas else seen.image
        self.view = View(image, seen.sentence, last)
        return self.view


def token_table(sentences: list[str]) -> Tensor:
    """Words of each sentence as ids, int64 (S, T), 0 after the last; T is the longest's length."""
    rows = [torch.tensor(tokenize(sentence)) for sentence in sentences]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)


class BatchedVectorEnv(VectorEnv):
    """`InstructedWorlds` for any library that takes Gymnasium's vector environments.

    Observations are those of `envs.make_env`, batched. A world that ends is reset in the same step;
    its last observation is `info["final_obs"][world]`, as of Gymnasium's own environments.
    """

    def __init__(self, worlds: InstructedWorlds):
        self.worlds, self.num_envs = worlds, worlds.num_envs
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP, "render_modes": []}
        self.single_observation_space = self.worlds.observation_space
        self.single_action_space = self.worlds.action_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Every world begins an episode, as gymnasium says."""
        super().reset(seed=seed)
        drawn = int(self.np_random.integers(2**31)) if seed is None else seed
        return self.worlds.to_numpy(self.worlds.reset(drawn)), {}

    def step(
        self, actions: np.ndarray
    ) -> tuple[Observation, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Acts in every world, as gymnasium says."""
        outcome = self.worlds.step_numpy(actions)
        terminated, truncated = (part.cpu().numpy().copy() for part in outcome[2:4])
        reward = outcome.reward.cpu().numpy().copy()
        info: dict[str, Any] = {}
        ended = np.flatnonzero(terminated | truncated)
        final = self.worlds.to_numpy(outcome.final, ended)
        for row, world in enumerate(ended):
            last = {name: value[row] for name, value in final.items()}
            ending = {"final_obs": last, "final_info": {"is_success": bool(reward[world] > 0)}}
            info = self._add_info(info, ending, int(world))
        observation = self.worlds.to_numpy(outcome.view)
        return observation, reward, terminated, truncated, info
