"""What a training run of the agent can be asked for. Free of torch: `--help` answers at once."""

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

Conditioning = Literal["film", "bias", "scale", "gate", "concat", "gated_attention", "none"]
MemoryKind = Literal["none", "gru", "lstm"]


@dataclass(frozen=True)
class FollowerConfig:
    """What every run of an instruction-following agent has, however it learns."""

    instr: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """A sentence to follow, such as "go to the red ball"; repeat it for several, or use the slots
    {color}, {object} and {location} for every combination. Each episode draws one."""
    level: str | None = None
    """A BabyAI level instead of sentences, such as BabyAI-GoToLocal-v0."""
    mixture: tuple[str, ...] = ()
    """Several levels and the share of the episodes that begin on each, such as
    BabyAI-GoToLocal-v0=0.7 BabyAI-PickupLoc-v0=0.3 (engine tensor)."""
    curriculum: tuple[str, ...] = ()
    """Levels to learn one after another, the next one when one is solved (engine tensor)."""
    advance_at: float = 0.95
    """Share of a level's last 1,000 episodes of training (with sampled actions) that must succeed
    for it to count as solved (with --curriculum)."""
    hold_out: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """A colour and an object that no sentence of training names together, such as "red key"; repeat
    it for several. Such things still lie about as distractors (envs/hold_out.py)."""
    room_size: int | None = None
    """Cells along a room's side, walls included (sentences only; 8 when not given)."""
    distractors: int | None = None
    """Objects beside those the sentence needs (sentences only; 7 when not given)."""
    last_actions: int = 32
    """How many of its last actions the agent sees; without any it turns in circles."""
    init_from: str | None = None
    """A run to begin with the weights of, wherever name and shape agree: an agent's, such as of an
    easier level, or a CLEVR question answerer's."""

    view: Literal["symbols", "pixels"] = "symbols"
    """What it sees of the world: object, colour and state of each cell, or a picture, 8 pixels a
    cell's side."""

    seed: int = 0
    """Seed of the network, the worlds and the actions."""
    network: Literal["ours", "babyai11"] = "ours"
    """What sees: this project's network, or BabyAI 1.1's (agents/babyai11.py)."""
    channels: int = 32
    """Feature maps of the policy's CNN."""
    blocks: int = 2
    """FiLM-ed residual blocks: the first per cell (1x1), the others 3x3."""
    sentence_dim: int = 64
    """Size of the GRU that reads the instruction."""
    sentence: Literal["gru", "attention"] = "gru"
    """What reads it: a GRU, once; or a GRU in both directions, whose words the memory attends to
    anew at each step."""
    conditioning: Conditioning = "film"
    """How the instruction steers the CNN: film, bias (gamma := 1), scale (beta := 0), gate (gamma a
    sigmoid, beta := 0), concat, gated_attention (one sigmoid gate behind the last block), none."""
    memory: MemoryKind = "none"
    """What carries over from step to step besides the last actions (not with --engine sb3)."""
    memory_dim: int = 128
    """Size of the memory."""
    segment: int = 20
    """Steps through which the memory's gradient flows. A minibatch is of whole segments: for PPO it
    divides --rollout and --batch-size. Without memory every step stands alone."""

    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    threads: int = 1
    """CPU threads of PyTorch. A second one makes an idle machine half as fast again, and a busy one
    slower. Figures repeat exactly only with the same number."""
    precision: Literal["auto", "float32", "bf16"] = "auto"
    """bf16 runs the CNN and GRU in bfloat16; then PPO's first ratio is 1 only to about 1e-2. auto
    is bf16 where the hardware multiplies it fast, else float32."""
    eval_episodes: int = 512
    """Fresh episodes of the evaluation at the end."""


@dataclass(frozen=True)
class AgentConfig(FollowerConfig):
    """One training run of an instruction-following agent with PPO."""

    engine: Literal["tensor", "sb3"] = "tensor"
    """tensor: worlds and PPO on the device; sb3: minigrid's worlds and stock PPO."""
    levels: int = 16_384
    """Levels of the bank that episodes draw from (engine tensor)."""
    refresh: int = 0
    """Steps after which a quarter of them gives way to new ones, which one more process makes
    meanwhile; training waits where it is too slow. 0 keeps the first levels."""

    steps: int = 600_000
    """Environment steps to train for."""
    envs: int = 512
    """Worlds stepped side by side."""

    learning_rate: float = 2.8e-3
    """Adam's step size at the start."""
    learning_rate_end: float = 0.1
    """The share of it that is left at the end; it falls linearly."""
    rollout: int = 20
    """Steps of each world between two updates."""
    batch_size: int = 512
    """Samples a minibatch."""
    epochs: int = 1
    """Passes over each rollout."""
    entropy: float = 0.01
    """Weight of the entropy bonus."""
    discount: float = 0.99
    """Discount of future rewards (gamma in reinforcement learning; not FiLM's)."""
    gae_lambda: float = 0.95
    """Lambda of generalised advantage estimation."""
    value_weight: float = 5.0
    """Weight of the value's loss."""
    value_clip: float = 0.0
    """How far a value may move from what it was in the rollout; 0 sets no bound."""
    normalize_advantage: bool = True
    """Give a rollout's advantages mean 0 and standard deviation 1."""
    reward_scale: float = 1.0
    """What rewards are multiplied by before anything is learned from them (engine tensor)."""
    time_limit: Literal["bootstrap", "end"] = "bootstrap"
    """What an episode out of time is worth: its last view's value, or, as at its end, nothing more
    (engine tensor)."""
    checkpoint_every: int = 50_000
    """Steps between two checkpoints."""


@dataclass(frozen=True)
class ImitationConfig(FollowerConfig):
    """One training run of an instruction-following agent on demonstrations of minigrid's bot."""

    demos: str = ""
    """The folder of the demonstrations (babyai_demos.py makes one). They say what the task is."""
    demonstrations: int = 0
    """How many of them to learn from: the first ones; 0 is all. A twentieth of these is not trained
    on, but shows how well unseen ones are foretold."""

    updates: int = 1_000
    """Gradient steps."""
    batch_size: int = 1_024
    """Frames of a minibatch; with a memory, of as many segments as fit."""
    learning_rate: float = 2e-3
    """Adam's step size at the start; it falls linearly to 0."""
    weight_decay: float = 0.01
    """Decoupled weight decay (AdamW)."""
    entropy: float = 0.01
    """Weight of the entropy bonus, as published; it keeps the agent from being too sure."""

    rounds: int = 0
    """Rounds of DAgger: each time the agent acts, and the bot says what it would have done."""
    round_episodes: int = 1_000
    """Episodes of each round."""

    eval_every: int = 250
    """Updates between two looks at the success in worlds of neither training nor evaluation."""
    val_episodes: int = 128
    """Episodes of such a look."""
    checkpoint_every: int = 250
    """Updates between two checkpoints."""
