"""Recording an agent: mp4, gif and a contact sheet."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import imageio
import numpy as np
import torch
from PIL import Image
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import ActorCriticPolicy

from agents.evaluation import Acting, Observation, World, sampling_from
from agents.extractor import InstructionExtractor
from agents.frame import FrameArtist, Moment, Picture, contact_sheet
from agents.policy import Arrays, FiLMPolicy
from agents.task import EVALUATION_SEED, Task, TaskLike, as_task
from film_rl.film import FiLMParams
from film_rl.run import UserError

FRAMES_PER_SECOND = 4
FRAMES_AT_THE_END = 3  # an episode's last frame stays a little
GIF_WIDTH = 720
WORLD_PIXELS = 280


def record_video(
    agent: BaseAlgorithm,
    task: TaskLike,
    folder: str | Path,
    *,
    episodes: int = 6,
    max_frames: int = 300,
    deterministic: bool = False,
    seed: int = EVALUATION_SEED,
) -> dict[str, Path]:
    """Film fresh episodes: the world, the agent's view, the sentence, its decision and its FiLM.

    Args:
        agent: a PPO, A2C or DQN of Stable-Baselines3, or a `DevicePPO` with memory, trained on
            `envs.make_env`'s observations; FiLM is shown where its features extractor is one of
            ours.
        task: a level id, one or several sentences, or a `Task`.
        folder: where `rollout.mp4`, `rollout.gif` and `contact_sheet.png` are written.
        episodes: how many; fewer where `max_frames` is reached first.
        max_frames: bound on the length.
        deterministic: take the likeliest action instead of sampling.
        seed: of the first world, and of the sampled actions.

    Returns:
        The three paths, by `video`, `gif` and `contact_sheet`.

    Raises:
        UserError: the agent was trained on other observations, or is sb3-contrib's; or there is
            nothing to film.
    """
    if episodes < 1 or max_frames < 1:
        raise UserError(
            f"episodes = {episodes}, max_frames = {max_frames}; at least 1 each is needed"
        )
    if hasattr(agent.policy, "lstm_actor"):
        raise UserError(
            f"{type(agent).__name__} of sb3-contrib cannot be filmed; agents.evaluate measures it, "
            "and DevicePPO with memory can be"
        )
    task = as_task(task, agent)
    moments, starts = _play(agent, task, episodes, max_frames, deterministic, seed)
    title = "action probabilities" if _has_probabilities(agent) else "Q-values"
    return write_film(moments, starts, title, Path(folder))


def write_film(
    moments: list[Moment], starts: list[int], title: str, folder: Path
) -> dict[str, Path]:
    """Draws the frames and writes `rollout.mp4`, `rollout.gif` and `contact_sheet.png`.

    Args:
        moments: what the frames show.
        starts: at which of them an episode begins.
        title: what the bars of the actions are.
        folder: it is made where it is missing.

    Returns:
        The three paths, by `video`, `gif` and `contact_sheet`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    artist = FrameArtist(moments, starts, title)
    ends = {*(start - 1 for start in starts), len(moments) - 1}
    frames = []
    for index in range(len(moments)):
        frames += [artist.frame(index)] * (FRAMES_AT_THE_END if index in ends else 1)
    paths = {
        "video": folder / "rollout.mp4",
        "gif": folder / "rollout.gif",
        "contact_sheet": folder / "contact_sheet.png",
    }
    with imageio.get_writer(paths["video"], fps=FRAMES_PER_SECOND, macro_block_size=1) as video:
        for frame in frames:
            video.append_data(frame)
    _write_gif(frames, paths["gif"])
    contact_sheet(frames).save(paths["contact_sheet"])
    return paths


def _play(
    agent: BaseAlgorithm,
    task: Task,
    episodes: int,
    max_frames: int,
    deterministic: bool,
    seed: int,
) -> tuple[list[Moment], list[int]]:
    """The moments of all episodes, and at which of them an episode begins."""
    moments: list[Moment] = []
    starts: list[int] = []
    with closing(task.make(render_mode="rgb_array")) as env, sampling_from(seed, agent):
        for episode in range(episodes):
            starts.append(len(moments))
            for moment in _episode(agent, env, seed + episode, episode + 1, deterministic):
                moments.append(moment)
                if len(moments) == max_frames:
                    return moments, starts
    return moments, starts


def _episode(
    agent: BaseAlgorithm, env: World, seed: int, number: int, deterministic: bool
) -> Iterator[Moment]:
    """The moments of one episode, one a step and one more for how it ended."""
    observation, _ = env.reset(seed=seed)
    level = env.unwrapped
    tile = WORLD_PIXELS // max(level.width, level.height)
    step, over, reward, act = 0, False, 0.0, Acting(agent, deterministic)
    while True:
        shown = {name: part[None] for name, part in observation.items()}
        scores, value, film = _inside(agent, shown, act.state)
        (action,) = act(shown, np.zeros(1))
        how = ("done" if reward > 0 else "failed") if over else "under way"
        yield Moment(
            world=square(level.get_frame(highlight=True, tile_size=tile)),
            view=level.get_frame(tile_size=WORLD_PIXELS // 7, agent_pov=True),
            sentence=level.mission,
            caption=f"episode {number}, step {step}: {how}",
            scores=scores,
            action=None if over else int(action),
            value=value,
            film=film,
        )
        if over:
            return
        observation, reward, terminated, truncated, _ = env.step(int(action))
        step, over = step + 1, terminated or truncated


def square(world: Picture) -> Picture:
    """The picture in the middle of a white square: worlds of one film may differ in size."""
    canvas = np.full((WORLD_PIXELS, WORLD_PIXELS, 3), 255, np.uint8)
    height, width = world.shape[:2]
    top, left = (WORLD_PIXELS - height) // 2, (WORLD_PIXELS - width) // 2
    canvas[top : top + height, left : left + width] = world
    return canvas


def _has_probabilities(agent: BaseAlgorithm) -> bool:
    return isinstance(agent.policy, ActorCriticPolicy)


@torch.no_grad()
def _inside(
    agent: BaseAlgorithm, shown: Observation, state: Arrays | None
) -> tuple[Any, float, list[Any]]:
    """Action probabilities (or Q-values), value, and each block's (gamma_C, beta_C)."""
    policy = agent.policy
    batch, _ = policy.obs_to_tensor(shown)
    if isinstance(policy, FiLMPolicy) and policy.memory:
        extractor = policy.features_extractor
        start = torch.zeros(1, dtype=torch.bool, device=policy.device)
        thought = policy.look(batch, policy.recall(state, 1), start)
        scores, value = thought.log_prob[0].exp().cpu().numpy(), float(thought.value)
    elif _has_probabilities(agent):
        extractor = policy.features_extractor
        scores = policy.get_distribution(batch).distribution.probs[0].cpu().numpy()
        value = float(policy.predict_values(batch))
    else:
        extractor = policy.q_net.features_extractor
        scores = policy.q_net(batch)[0].cpu().numpy()
        value = float(scores.max())
    film_params: FiLMParams = []
    if isinstance(extractor, InstructionExtractor):
        film_params, sentence = extractor.condition(batch["instruction"].long())
        if extractor.attends_to:
            film_params, _ = extractor.attend(film_params, sentence, policy.recall(state, 1))
    film = [tuple(p[0].float().cpu().numpy() for p in pair) for pair in film_params]
    return scores, value, film


def _write_gif(frames: list[Picture], path: Path) -> None:
    """All frames at a smaller size in one palette: small enough for a README.

    The palette covers the colours of frames from all over the film, rare ones too: a red ball is
    few pixels, and must not turn brown.
    """
    height, width = frames[0].shape[:2]
    size = (GIF_WIDTH, GIF_WIDTH * height // width)
    small = [Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS) for frame in frames]
    some = np.vstack([np.asarray(image) for image in small[:: max(1, len(small) // 12)]])
    palette = Image.fromarray(some).quantize(256, Image.Quantize.MAXCOVERAGE)
    quantized = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in small]
    quantized[0].save(
        path,
        save_all=True,
        append_images=quantized[1:],
        duration=1000 // FRAMES_PER_SECOND,
        loop=0,
    )
