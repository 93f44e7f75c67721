"""New levels, made by one process in the background while training goes on."""

import multiprocessing
import threading
import time
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from agents.config import AgentConfig
from agents.levels import KEPT, level_part
from envs.batched.facades import InstructedWorlds
from envs.workers import end_with_parent, interrupts_held_back
from film_rl.run import RunFolder, StopRequest, UserError

PATIENCE = 0.2  # seconds between two looks at whether the user wants to stop


class LevelSupply:
    """Lets part n of the levels into the bank as soon as `n * refresh` steps have been taken.

    When that is depends on the number of steps alone: training waits for a part that is late.
    Part n + 1 is made meanwhile. The process ends with the one that made it, however that ends.

    Args:
        config: with `refresh` above 0.
        run: whose folder keeps the parts.
        parts: how many of them have joined the first bank already.

    Attributes:
        parts: the same, now.
        waited: seconds that training has waited for levels.
    """

    def __init__(self, config: AgentConfig, run: RunFolder, parts: int = 0):
        self.config, self.parts, self.waited = config, parts, 0.0
        self.folder = run.folder("levels")
        self._tidy()
        spawn = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
        self._pipe, theirs = spawn.Pipe()
        self._process = spawn.Process(target=work, args=(theirs, config, self.folder), daemon=True)
        with interrupts_held_back():
            self._process.start()
        theirs.close()  # so that the pipe ends when the process does
        self._order_next()

    def refresh(self, worlds: InstructedWorlds, steps: int, stop: StopRequest) -> None:
        """Between two updates: lets the next part in if it is due, unless a signal comes first.

        Raises:
            Exception: what went wrong in the process.
            UserError: the process died.
        """
        if steps < (self.parts + 1) * self.config.refresh or not self._made_next(stop):
            return
        self.parts += 1
        worlds.let_in(level_part(self.config, self.parts, self.folder))
        self._tidy()
        self._order_next()

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.join()
        self._pipe.close()
        self._tidy()

    def _order_next(self) -> None:
        if (self.parts + 1) * self.config.refresh < self.config.steps:
            try:
                self._pipe.send(self.parts + 1)
            except BrokenPipeError:
                raise self._death() from None

    def _made_next(self, stop: StopRequest) -> bool:
        """Waits for the part that was ordered; False if a signal came first."""
        began = time.monotonic()
        while not stop.signum and not self._pipe.poll(PATIENCE):
            pass
        self.waited += time.monotonic() - began
        try:
            error = None if stop.signum else self._pipe.recv()
        except (EOFError, ConnectionResetError):
            if not stop.signum:  # a signal to all processes ends that one first
                raise self._death() from None
        else:
            if error is not None:
                raise error
        return not stop.signum

    def _death(self) -> UserError:
        self._process.join()
        return UserError(
            f"the process that makes levels ended with exit code {self._process.exitcode} (if -9, "
            "perhaps for want of memory); go on with --resume from the last checkpoint"
        )

    def _tidy(self) -> None:
        """Removes parts that are of no use any more, and files cut off while they were written."""
        numbers = {int(path.stem): path for path in self.folder.glob("[0-9]*.safetensors")}
        outdated = [path for number, path in numbers.items() if 0 < number <= self.parts - KEPT]
        for path in [*outdated, *self.folder.glob(".*.tmp")]:
            path.unlink(missing_ok=True)


def work(pipe: Connection, config: AgentConfig, folder: Path) -> None:
    """The process: makes the parts whose numbers come, and answers None or what went wrong."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    with suppress(EOFError, OSError):  # the pipe's, when nobody is at its other end any more
        while True:
            number = pipe.recv()
            pipe.send(_error_of_making(number, config, folder))


def _error_of_making(number: int, config: AgentConfig, folder: Path) -> Exception | None:
    try:
        level_part(config, number, folder)
    except Exception as error:  # whatever it is, the user shall see it
        error.add_note(f"in the process that makes levels:\n{traceback.format_exc()}")
        return error
    return None
