"""A trained agent as the microscope sees it: its instructions, its view, its success.

Shapes: B samples, E episodes, S sentences (of a state: size of the memory's), T words, W H K the
view's x, y and codes, D features, A actions.
"""

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO
from torch import Tensor

from agents.evaluation import (
    Observation,
    begun_on_tensors,
    only_solvable,
    open_worlds,
    play_bank,
    sampling_from,
)
from agents.extractor import InstructionExtractor, as_pictures
from agents.frame import ACTIONS
from agents.learner import config_of, load_agent
from agents.task import EVALUATION_SEED, Task
from envs import parse_instruction, tokenize
from envs.grammar import COLORS, KINDS, MOVABLE, clauses, descriptions
from film_rl.analysis.subject import Example, Subject
from film_rl.analysis.where import parts_of
from film_rl.film import FiLMParams
from film_rl.run import RunFolder, UserError

VERBS = {"GoTo": "go to", "Pickup": "pick up", "Open": "open", "PutNext": "put next"}
TILE = 16  # pixels along a cell of a picture
SEARCHED = 512  # episodes searched for sentences, and for first views with the target in sight


def agent_subject(run: RunFolder, episodes: int, examples: int, device: str) -> Subject:
    """The policy of a run, its task's instructions, and fresh episodes to measure success on.

    Args:
        run: of an agent.
        episodes: of each measurement, always the same ones, with sampled actions.
        examples: first views to show maps of: of fresh episodes that begin with the target in
            sight.
        device: auto, cpu, cuda or cuda:N.

    Raises:
        UserError: the run is not one of a FiLM-ed agent, or has no checkpoint yet.
    """
    how = config_of(run).conditioning
    if how in ("none", "concat"):
        raise UserError(
            f"{run.path}: no gamma and beta steer its network (--conditioning {how}); give a run "
            "of babyai_ppo.py with --conditioning film, bias, scale, gate or gated_attention"
        )
    agent, config = load_agent(run, device)
    if config.sentence == "attention":
        raise UserError(
            f"{run.path}: its gamma and beta change from step to step (--sentence attention); give "
            "a run with --sentence gru"
        )
    extractor = agent.policy.features_extractor
    task = Task.of_config(config)
    sentences = _sentences(task)
    film_params = _read(extractor, sentences)
    views, seen = _first_views(task, examples)
    return Subject(
        network=extractor.network,
        sentences=sentences,
        film=film_params,
        labels=labels(sentences),
        training=film_params,
        read=lambda typed: _read(extractor, [str(parse_instruction(one)) for one in typed]),
        measure=_Success(agent, task, episodes),
        measured=f"success in {episodes:,} fresh episodes",
        examples=views,
        shown=_read(extractor, [example.sentence for example in views]),
        scores=lambda which, film: _scores(agent, [seen[index] for index in which], film),
        choices=ACTIONS,
        parts=parts_of(extractor.network),
        formula=_formula([*(view.sentence for view in views), *sentences], sentences),
    )


def labels(sentences: Sequence[str]) -> dict[str, list[str]]:
    """Of each instruction the verbs, and the colour and the object of what it names first."""
    trees = [parse_instruction(sentence) for sentence in sentences]
    verbs = [dict.fromkeys(VERBS[type(one).__name__] for one in clauses(tree)) for tree in trees]
    first = [next(descriptions(tree)) for tree in trees]
    return {
        "verb": [", ".join(of) for of in verbs],
        "colour": [descr.color or "any" for descr in first],
        "object": [descr.kind for descr in first],
    }


def _formula(targets: Sequence[str], sentences: Sequence[str]) -> str | None:
    """The first sum of sentences that should be one of the targets: a colour and an object moved.

    go to the blue ball = go to the blue key + go to the red ball - go to the red key
    """
    known = set(sentences)
    for sentence, color, kind in product(targets, COLORS, KINDS):
        old = next(descriptions(parse_instruction(sentence)))
        if old.color in (None, color) or old.kind == kind:
            continue
        other = sentence.replace(str(old), str(replace(old, color=color)), 1)
        kinds = [one.replace(f" {old.kind}", f" {kind}", 1) for one in (sentence, other)]
        if {other, *kinds} <= known:
            return f"{kinds[0]} + {other} - {kinds[1]} = {sentence}"
    return None


class _Success:
    """Share of some fresh episodes that succeed; the levels are made once.

    Each episode's instruction is read once, at its beginning: noise on gamma and beta lasts as long
    as the episode.
    """

    def __init__(self, agent: PPO, task: Task, episodes: int) -> None:
        self.agent, self.seeds = agent, range(EVALUATION_SEED, EVALUATION_SEED + episodes)
        with open_worlds(task, episodes) as worlds:
            self.bank, self.first = only_solvable(*begun_on_tensors(worlds, self.seeds))

    @torch.no_grad()
    def __call__(self) -> float:
        policy, device = self.agent.policy, self.agent.device
        extractor = policy.features_extractor
        film_params = extractor.read(torch.from_numpy(self.first["instruction"]).to(device))
        state_ES = policy.fresh(len(self.bank))

        def act(shown: Observation, running: np.ndarray) -> np.ndarray:
            image, last_BA = _seen(extractor, shown, device)
            rows_B = torch.from_numpy(running).to(device)
            features_BD = extractor.features(image, film_params, rows_B, last_BA)
            start_B = torch.zeros_like(rows_B, dtype=torch.bool)
            thought = policy.judge(features_BD[None], state_ES[rows_B], start_B[None])
            state_ES[rows_B] = thought.state
            return thought.log_prob[0].exp().multinomial(1)[:, 0].cpu().numpy()

        with sampling_from(self.seeds[0], self.agent):
            done = list(play_bank(act, self.bank, self.first))
        return sum(episode.success for episode in done) / len(done)


def _seen(
    extractor: InstructionExtractor, shown: Observation, device: torch.device
) -> tuple[Tensor, Tensor | None]:
    """Observations as the extractor takes them: codes or pictures, last actions or None."""
    image = torch.from_numpy(shown["image"]).to(device)
    image = as_pictures(image) if extractor.pixels else image.long()
    if not extractor.num_actions:
        return image, None
    return image, torch.from_numpy(shown["last_actions"]).long().to(device)


def _sentences(task: Task) -> list[str]:
    """All instructions of a task of sentences; of a level, those of some of its episodes."""
    if not task.is_level:
        return sorted({str(parse_instruction(one)) for one in task.sentences})
    with closing(task.make()) as world:
        return sorted({_mission(world, seed) for seed in range(SEARCHED)})


def _mission(world: Any, seed: int) -> str:
    world.reset(seed=seed)
    return str(world.unwrapped.mission)


@torch.no_grad()
def _read(extractor: InstructionExtractor, sentences: Sequence[str]) -> FiLMParams:
    """gamma and beta of each block for each sentence, in float32 on the CPU."""
    ids = [tokenize(sentence) for sentence in sentences]
    tokens_ST = torch.zeros(len(ids), max(map(len, ids)), dtype=torch.int64)
    for row_T, words in zip(tokens_ST, ids, strict=True):
        row_T[: len(words)] = torch.tensor(words)
    film_params = extractor.read(tokens_ST.to(next(extractor.parameters()).device))
    return [(gamma.float().cpu(), beta.float().cpu()) for gamma, beta in film_params]


def _scores(agent: PPO, seen: Sequence[Observation], film_params: FiLMParams) -> Tensor:
    """The scores (B, A) of the actions, before any softmax, in float32."""
    extractor, device = agent.policy.features_extractor, agent.device
    together = {name: np.stack([one[name] for one in seen]) for name in seen[0]}
    image, last_BA = _seen(extractor, together, device)
    on_device = [(gamma.to(device), beta.to(device)) for gamma, beta in film_params]
    features_BD = extractor.flat(extractor.network.modulate(image, on_device), last_BA)
    policy, first = agent.policy, torch.ones(len(seen), dtype=torch.bool, device=device)
    (out_BD,), _ = policy.remember(features_BD[None], policy.fresh(len(seen)), first[None])
    scores_BA: Tensor = policy.action_net(policy.mlp_extractor(out_BD)[0])
    return scores_BA


def _first_views(task: Task, number: int) -> tuple[list[Example], list[Observation]]:
    """First views with the named thing in sight; others only where there are not enough."""
    with closing(task.make()) as world:
        episodes = range(EVALUATION_SEED, EVALUATION_SEED + SEARCHED)
        in_sight: list[tuple[Example, Observation]] = []
        others: list[tuple[Example, Observation]] = []
        for seed in episodes:
            observation, _ = world.reset(seed=seed)
            level = world.unwrapped
            picture = level.get_frame(tile_size=TILE, agent_pov=True)
            (in_sight if _target_in_sight(level) else others).append(
                (Example(level.mission, np.asarray(picture, np.uint8)), observation)
            )
            if len(in_sight) == number:
                break
    chosen = [*in_sight, *others][:number]
    return [example for example, _ in chosen], [observation for _, observation in chosen]


def _target_in_sight(level: Any) -> bool:
    """Whether the agent sees something that fits what its instruction names first."""
    target = next(descriptions(parse_instruction(level.mission)))
    kinds = MOVABLE if target.kind == "object" else (target.kind,)
    return any(
        thing.type in kinds and target.color in (None, thing.color) and level.agent_sees(*cell)
        for cell, thing in _things(level)
    )


def _things(level: Any) -> Iterator[tuple[tuple[int, int], Any]]:
    """What lies in the cells of a world, and where."""
    for x in range(level.width):
        for y in range(level.height):
            if thing := level.grid.get(x, y):
                yield (x, y), thing
