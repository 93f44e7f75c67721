"""clevr_statistics.py as typed; what it writes into docs/ is tested with the documents."""

import subprocess
import sys

import pytest

from tests.experiments.helpers import EXPERIMENTS, refused, script


def test_help_answers_without_waiting_for_torch():
    name = EXPERIMENTS / "clevr_statistics.py"
    code = (
        "import runpy, sys\n"
        f"sys.argv, sys.path[0] = ['x', '--help'], {str(EXPERIMENTS)!r}\n"
        "try:\n"
        f"    runpy.run_path({str(name)!r}, run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    assert end.code == 0\n"
        "    assert 'torch' not in sys.modules and 'numpy' not in sys.modules\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "--official" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), ("--official FILE", "--speed")),
        (("--official", "nowhere.json"), ("nowhere.json",)),
        (("--speed", "--images", "0"), ("--images 0",)),
    ],
)
def test_a_mistake_gets_a_message_and_status_2(arguments, words, tmp_path):
    refused(script("clevr_statistics", *arguments, cwd=tmp_path), *words)
