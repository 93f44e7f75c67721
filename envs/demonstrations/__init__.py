"""Episodes of minigrid's bot: made in bulk, kept in checksummed shards, verified by replay."""

from envs.demonstrations.data import Demonstrations
from envs.demonstrations.folder import Folder, make_demonstrations
from envs.demonstrations.source import Source

__all__ = ["Demonstrations", "Folder", "Source", "make_demonstrations"]
