"""Many jobs in several processes, which end when the one that made them does."""

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from envs.errors import EnvError

T = TypeVar("T")


def mapped(make: Callable[..., T], jobs: Sequence[tuple], workers: int) -> Generator[tuple[int, T]]:
    """`make(*job)` of every job with the job's place, in the order in which they are done.

    Args:
        make: a function at the top of a module, since processes are given its name.
        jobs: its arguments.
        workers: processes; with one, or for one job, all is done in this one.

    Raises:
        EnvError: `workers` is below 1, or a process died.
        Exception: what `make` raised.
    """
    if workers < 1:
        raise EnvError(f"{workers} workers; expected 1 or more")
    if min(workers, len(jobs)) <= 1:
        for place, job in enumerate(jobs):
            yield place, make(*job)
        return
    team = _Team(make, min(workers, len(jobs)))
    try:
        waiting = iter(enumerate(jobs))
        idle, done = list(team.pipes), 0
        while done < len(jobs):
            for pipe, job in zip(idle, waiting, strict=False):
                team.send(pipe, job)
            idle = [pipe for pipe in wait(team.pipes) if isinstance(pipe, Connection)]
            for pipe in idle:
                done += 1
                yield team.receive(pipe)
    finally:
        team.end()


class _Team:
    """Processes that wait for jobs, each at its pipe."""

    def __init__(self, make: Callable, workers: int):
        spawn = multiprocessing.get_context("spawn")  # a fork of a process with threads may hang
        self.pipes: dict[Connection, Any] = {}
        with interrupts_held_back():
            for _ in range(workers):
                ours, theirs = spawn.Pipe()
                process = spawn.Process(target=work, args=(theirs, make), daemon=True)
                process.start()
                theirs.close()  # so that the pipe ends when the process does
                self.pipes[ours] = process

    def send(self, pipe: Connection, job: tuple[int, tuple]) -> None:
        try:
            pipe.send(job)
        except BrokenPipeError:
            raise self._death(pipe) from None

    def receive(self, pipe: Connection) -> tuple[int, Any]:
        try:
            place, result, error = pipe.recv()
        except (EOFError, ConnectionResetError):
            raise self._death(pipe) from None
        if error is not None:
            raise error
        return place, result

    def end(self) -> None:
        for pipe, process in self.pipes.items():
            process.kill()
            process.join()
            pipe.close()

    def _death(self, pipe: Connection) -> EnvError:
        process = self.pipes[pipe]
        process.join()
        advice = (
            "if -9, perhaps for want of memory: type a smaller --workers; the same command goes on"
        )
        if process.exitcode == 1:
            advice = (
                "it may have had no chance to begin: a script that starts processes does so below "
                "if __name__ == '__main__':, because each of them imports the script"
            )
        return EnvError(f"a process ended with exit code {process.exitcode} ({advice})")


def work(pipe: Connection, make: Callable) -> None:
    """The process: does the jobs that come."""
    threading.Thread(target=end_with_parent, daemon=True).start()
    with suppress(EOFError, OSError):  # the pipe's, when nobody is at its other end any more
        while True:
            place, job = pipe.recv()
            pipe.send((place, *_tried(make, job)))


def _tried(make: Callable, job: tuple) -> tuple[Any, Exception | None]:
    try:
        return make(*job), None
    except Exception as error:  # whatever it is, the user shall see it
        error.add_note(f"in a process that was at work:\n{traceback.format_exc()}")
        return None, error


def end_with_parent() -> None:
    """In a thread of a process: ends it when the one that made it is over, however that ended."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextmanager
def interrupts_held_back() -> Iterator[None]:
    """A process started inside never gets Ctrl-C; this one gets it afterwards."""
    resource_tracker.ensure_running()  # to start it, as a process's start does, ends the holding
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
