"""A sweep is a folder of runs, done by one process or by several that share the folder.

runs/<sweep>/
    sweep.json              the configuration that all runs vary
    <name>/                 a run folder each; a name may have parts: no-residual/0
        workers.jsonl       who began it or took it up, and when
        summary.json        when it is finished
        failed.json         when its numbers became NaN; remove it to have it tried again

A worker locks the run it does, so no two do the same one. The lock ends with its process, however
that ends, and the run goes on from its checkpoint at the next worker.
"""

import json
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

from filelock import FileLock

from film_rl.run.config import config_from_json, config_to_json, differences
from film_rl.run.errors import InUseError, NonFiniteError, UserError
from film_rl.run.files import alone_with, read_json, to_json, write_atomically
from film_rl.run.folder import RunFolder, this_process

C = TypeVar("C")  # a configuration dataclass

SECONDS_BETWEEN_LOOKS = 2.0


class Sweep(Generic[C]):
    """The runs of a sweep; those that the folder lacks are added.

    Args:
        path: the folder, as the user types it.
        base: the configuration that all runs vary.
        configs: the configuration of each run by its name, in the order in which to do them.
        free: the fields that may differ from those the folder was begun with, because what a run
            computes does not depend on them.

    Attributes:
        runs: the run folder of each name.

    Raises:
        UserError: the folder was begun with other configurations (with the fields in which they
            differ), is no sweep's, or cannot be written.
    """

    def __init__(
        self, path: str | Path, base: C, configs: Mapping[str, C], free: Collection[str] = ()
    ) -> None:
        self.path, self.base, self.free = Path(path), base, free
        self.configs = dict(configs)
        self.runs = {name: RunFolder(self.path / name) for name in self.configs}
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with FileLock(self.path / ".lock"):
                self._begin()
        except OSError as error:
            raise UserError(
                f"cannot write the folder {path}: {error.strerror}; choose another with --run"
            ) from error

    def work(
        self, do: Callable[[RunFolder, C], object], say: Callable[[str], object] = print
    ) -> None:
        """Do, one after another, the runs that nobody has finished; return when all are.

        Each time the first one that no other worker is doing. Where others do all that is left,
        wait for them, and take up what one of them leaves unfinished. A run whose numbers become
        NaN has failed, and the others go on; any other error ends the work and leaves the sweep
        as it is, to be gone on with.

        Args:
            do: does the run in its locked folder, from its checkpoint where it has one, and
                writes its summary.
            say: hears what happens, a line each time.
        """
        told: list[str] = []
        while left := self.left():
            with ExitStack() as stack:
                name = self._take(left, stack)
                if name is not None:
                    self._do(name, do, say)
                    continue
            busy = [f"{name} ({self.runs[name].owner()})" for name in left]
            if busy != told:
                say(f"waiting for what others do: {', '.join(busy)}; Ctrl-C leaves it to them")
                told = busy
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def alone(self) -> FileLock:
        """A context in which no other worker is: for what each writes when all runs are done."""
        return alone_with(self.path / "report")

    def left(self) -> list[str]:
        """The runs without an outcome, in order."""
        return [name for name in self.runs if not self._has_outcome(name)]

    def outcome(self, name: str) -> dict[str, Any] | None:
        """What a run ended with: its summary, or `failed` with a message; None while it has not."""
        run = self.runs[name]
        summary = run.summary()
        if summary is None and self._failure(run).exists():
            return dict(read_json(self._failure(run)))
        return summary

    def _begin(self) -> None:
        """Compare with what the folder was begun with; then add what it lacks."""
        file = self.path / "sweep.json"
        if not file.exists():
            there = sorted(p.name for p in self.path.iterdir() if not p.name.startswith("."))
            if there:
                raise UserError(
                    f"{self.path} is not a sweep's folder (it has {there[0]} and no sweep.json); "
                    "choose another --run"
                )
            write_atomically(file, to_json(config_to_json(self.base)))
        self._compare(file, self.base)
        for name, run in self.runs.items():
            if run.config_path.exists():
                self._compare(run.config_path, self.configs[name])
        for name, run in self.runs.items():
            if not run.config_path.exists():
                RunFolder.create(run.path, self.configs[name])

    def _compare(self, file: Path, given: C) -> None:
        saved = config_from_json(type(given), read_json(file), str(file))
        # What is free may differ.
        saved = replace(saved, **{name: getattr(given, name) for name in self.free})  # type: ignore[type-var]
        if changes := differences(saved, given):
            listed = "\n  ".join(changes)
            raise UserError(
                f"{file.parent} was begun with another configuration; type what it was begun with, "
                f"or choose another --run:\n  {listed}"
            )

    def _has_outcome(self, name: str) -> bool:
        run = self.runs[name]
        return (run.path / "summary.json").exists() or self._failure(run).exists()

    def _failure(self, run: RunFolder) -> Path:
        return run.path / "failed.json"

    def _take(self, names: list[str], stack: ExitStack) -> str | None:
        """Lock the first of these runs that is free, until the stack is left; its name."""
        for name in names:
            try:
                stack.enter_context(self.runs[name])
            except InUseError:
                continue
            if not self._has_outcome(name):
                return name
            stack.close()  # somebody has finished it meanwhile
        return None

    def _do(
        self, name: str, do: Callable[[RunFolder, C], object], say: Callable[[str], object]
    ) -> None:
        run, done = self.runs[name], len(self.runs) - len(self.left())
        line = {"worker": this_process(), "began": datetime.now(UTC).isoformat(timespec="seconds")}
        with (run.path / "workers.jsonl").open("a", encoding="utf-8") as workers:
            workers.write(json.dumps(line) + "\n")
        say(f"{name}: {done} of {len(self.runs)} runs are done, now this one")
        try:
            do(run, self.configs[name])
        except NonFiniteError as error:
            write_atomically(self._failure(run), to_json({"failed": str(error)}))
            say(f"{name} failed, the others go on: {error}")
            return
        assert self._has_outcome(name), "`do` writes the summary"
