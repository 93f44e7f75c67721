"""The scripts as a user types them."""

import importlib
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


def script(name: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-W", "error", str(EXPERIMENTS / f"{name}.py"), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def called(name: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess:
    """The same in this process, which need not import torch once more."""
    with (
        pytest.MonkeyPatch.context() as patch,
        chdir(cwd),
        redirect_stdout(StringIO()) as out,
        redirect_stderr(StringIO()) as err,
    ):
        patch.setattr(sys, "argv", [f"{name}.py", *arguments])
        patch.syspath_prepend(str(EXPERIMENTS))
        status = 0
        try:
            importlib.import_module(name).main()
        except SystemExit as end:
            status = int(end.code or 0)
    return subprocess.CompletedProcess(sys.argv, status, out.getvalue(), err.getvalue())


def refused(result: subprocess.CompletedProcess, *words: str) -> None:
    """It ended with status 2 and a message, not with a traceback."""
    assert result.returncode == 2, result.stderr
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr + result.stdout
