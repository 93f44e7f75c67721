"""Jobs in several processes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from envs import EnvError
from envs.workers import mapped


def square(number):
    if number < 0:
        raise OSError(28, "No space left on device", "file")
    return number * number


def dying():
    os.kill(os.getpid(), signal.SIGKILL)


def test_every_job_is_done_once_whoever_does_it():
    jobs = [(number,) for number in range(7)]
    for workers in (1, 2):
        done = list(mapped(square, jobs, workers))
        assert sorted(done) == [(place, place * place) for place in range(7)]
    assert list(mapped(square, [], 2)) == []
    with pytest.raises(EnvError, match="0 workers"):
        list(mapped(square, jobs, 0))


def test_a_script_that_its_processes_cannot_import_is_told_what_to_write(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from envs.batched import LevelBank\n"
        "LevelBank.generate('BabyAI-GoToObj-v0', 512, workers=2)\n"
    )
    root = Path(__file__).parents[2]
    ended = subprocess.run(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 1
    *_, last = ended.stderr.strip().splitlines()
    assert "exit code 1" in last
    assert "below if __name__ == '__main__':" in last


def test_a_mistake_in_a_process_is_raised_here_and_a_death_is_told():
    with pytest.raises(OSError, match="No space") as error:
        list(mapped(square, [(1,), (-1,), (2,)], 2))
    assert error.value.filename == "file"
    with pytest.raises(EnvError, match="exit code -9"):
        list(mapped(dying, [(), ()], 2))
