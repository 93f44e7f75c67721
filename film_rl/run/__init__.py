"""What every training run needs: folder, exact-resume checkpoints, metrics, device, progress."""

from film_rl.run.checkpoint import Checkpoint, Checkpointer
from film_rl.run.config import config_from_json, config_to_json, differences
from film_rl.run.device import (
    PRECISIONS,
    autocast,
    choose_device,
    choose_precision,
    describe_device,
    keep_freed_memory,
)
from film_rl.run.errors import InUseError, NonFiniteError, UserError
from film_rl.run.folder import RunFolder
from film_rl.run.metrics import Metrics
from film_rl.run.origin import read_origin, write_origin
from film_rl.run.progress import Progress
from film_rl.run.seeding import rng_state, seed_everything, separate_rng, set_rng_state
from film_rl.run.signals import Interrupted, StopRequest
from film_rl.run.sweep import Sweep
from film_rl.run.team import Team

__all__ = [
    "PRECISIONS",
    "Checkpoint",
    "Checkpointer",
    "InUseError",
    "Interrupted",
    "Metrics",
    "NonFiniteError",
    "Progress",
    "RunFolder",
    "StopRequest",
    "Sweep",
    "Team",
    "UserError",
    "autocast",
    "choose_device",
    "choose_precision",
    "config_from_json",
    "config_to_json",
    "describe_device",
    "differences",
    "keep_freed_memory",
    "read_origin",
    "rng_state",
    "seed_everything",
    "separate_rng",
    "set_rng_state",
    "write_origin",
]
