"""A folder of demonstrations: its manifest, and making what is missing.

    <folder>/manifest.json           what they are of, how many, the shards with their checksums
             shards/000000.safetensors ...

A shard is a function of the source and its number, and only shards that are needed whatever the
others hold are begun: the folder does not depend on the number of workers, nor on kills. Shards are
whole, so the last may hold more demonstrations than were asked for; only those asked for are read.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock
from minigrid.envs.babyai.core import verifier

from envs.batched import storage
from envs.demonstrations.shard import FILE, Summary, make_shard, read_shard, shard_path
from envs.demonstrations.source import Source
from envs.errors import EnvError
from envs.workers import mapped

OBSERVATION = "minigrid's symbolic view, uint8 (7, 7, 3)"


@dataclass(frozen=True)
class Folder:
    """A folder as its manifest describes it.

    Attributes:
        path: where it is.
        source: what the demonstrations are of.
        demonstrations: how many may be read.
        shards: what holds them; none if the folder has been begun and not finished yet.
        minigrid: version of the package that made them.
        observation: what the bot saw.
        done_actions: whether minigrid's verifier waited for "done" (BABYAI_DONE_ACTIONS).
    """

    path: Path
    source: Source
    demonstrations: int = 0
    shards: tuple[Summary, ...] = ()
    minigrid: str = version("minigrid")
    observation: str = OBSERVATION
    done_actions: bool = bool(verifier.use_done_actions)

    @classmethod
    def open(cls, path: str | Path) -> "Folder":
        """Reads the manifest.

        Raises:
            EnvError: there is none, it is damaged, or the demonstrations were made by another
                version of this program or of minigrid, or with other observations.
        """
        path = Path(path)
        try:
            facts = json.loads((path / "manifest.json").read_bytes())
            known = _check_format(path, facts)
            shards = tuple(Summary(**shard) for shard in known.pop("shards"))
            folder = cls(path, Source.from_json(known.pop("source")), shards=shards, **known)
        except (FileNotFoundError, NotADirectoryError):
            raise EnvError(
                f"{path} is no folder of demonstrations; experiments/babyai_demos.py makes one"
            ) from None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            if isinstance(error, EnvError):
                raise
            raise EnvError(
                f"{path / 'manifest.json'} is damaged ({error}); remove it and type the command "
                "that made the folder again: whole shards are kept"
            ) from None
        folder.check_made_as(cls(path, folder.source))
        return folder

    def check_made_as(self, expected: "Folder") -> None:
        """Raises EnvError unless both were made by the same minigrid and look the same."""
        for name in ("minigrid", "observation", "done_actions"):
            there, here = getattr(self, name), getattr(expected, name)
            if there != here:
                raise EnvError(
                    f"the demonstrations in {self.path} were made with {name} {there}; here it is "
                    f"{here}: make them again in another folder"
                )

    def save(self) -> None:
        """Writes the manifest."""
        facts: dict[str, Any] = {"format": FILE.format, "version": FILE.version}
        facts |= {name: value for name, value in vars(self).items() if name != "path"}
        facts |= {"source": self.source.to_json(), "shards": [s._asdict() for s in self.shards]}
        storage.write(self.path / "manifest.json", (json.dumps(facts, indent=1) + "\n").encode())

    @property
    def skipped(self) -> dict[str, int]:
        """How many levels became no demonstration, by the reason."""
        whys = sorted({why for shard in self.shards for why in shard.skipped})
        return {why: sum(shard.skipped.get(why, 0) for shard in self.shards) for why in whys}

    @property
    def bytes(self) -> int:
        """Of all shards, on the disk."""
        return sum(shard_path(self.path, shard.number).stat().st_size for shard in self.shards)


def make_demonstrations(
    path: str | Path,
    source: Source,
    count: int,
    *,
    workers: int = 1,
    progress: Callable[[int], object] = lambda done: None,
) -> Folder:
    """Makes the demonstrations that a folder lacks.

    Args:
        path: the folder; it is made, or goes on where it was.
        source: what they are of.
        count: how many there shall be, at least.
        workers: processes; the folder does not depend on them.
        progress: hears how many there are.

    Raises:
        EnvError: for a folder of others or of other things, a damaged shard, a task that there is
            not, or one that the bot fails in.
        OSError: there is no place on the disk; what has been written is whole.
    """
    if count < 1:
        raise EnvError(f"{count} demonstrations; expected 1 or more")
    source.make_env().close()  # a mistake is found before anything is written
    path = Path(path)
    _check_place(path)
    (path / "shards").mkdir(parents=True, exist_ok=True)
    with FileLock(path / ".lock"):  # who comes second waits, and finds them made
        folder = _begun(path, source)
        if folder.demonstrations >= count:
            progress(count)
            return folder
        for leftover in (path / "shards").glob(".*.tmp"):
            leftover.unlink()
        shards = _complete(path, source, count, workers, progress)
        folder = replace(folder, demonstrations=count, shards=tuple(shards))
        folder.save()
    return folder


def _check_place(path: Path) -> None:
    """Raise an EnvError where the folder holds something else."""
    there = sorted(p.name for p in path.glob("[!.]*"))
    if there and not {"manifest.json", "shards"} & {*there}:
        raise EnvError(f"{path} holds no demonstrations but {there[0]}: type another folder")


def _begun(path: Path, source: Source) -> Folder:
    if not (path / "manifest.json").exists():
        Folder(path, source).save()
    folder = Folder.open(path)
    if folder.source != source:
        raise EnvError(
            f"{path} holds demonstrations of {folder.source}; asked for are those of {source}: "
            "type another folder"
        )
    return folder


def _complete(
    path: Path, source: Source, count: int, workers: int, progress: Callable[[int], object]
) -> list[Summary]:
    """The shards that hold so many demonstrations, made where they are not there yet."""
    shards: list[Summary] = []
    while (lacking := count - _total(shards)) > 0:
        numbers = range(len(shards), len(shards) + -(-lacking // source.shard))
        there = [n for n in numbers if shard_path(path, n).exists()]
        new = [read_shard(path, source, n).summary for n in there]
        progress(min(count, _total(shards + new)))
        jobs = [(path, source, number) for number in numbers if number not in there]
        with closing(mapped(make_shard, jobs, workers)) as made:
            for _, shard in made:
                new.append(shard)
                progress(min(count, _total(shards + new)))
        shards += sorted(new)
    return shards


def _total(shards: Sequence[Summary]) -> int:
    return sum(shard.demonstrations for shard in shards)


def _check_format(path: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """The manifest without what says which format it has."""
    given = (facts.pop("format"), facts.pop("version"))
    if given != (FILE.format, FILE.version):
        raise EnvError(
            f"{path} has {given[0]}, version {given[1]}; this program reads {FILE.format}, version "
            f"{FILE.version}: make the demonstrations again in another folder"
        )
    return facts
