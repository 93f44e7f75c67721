"""Every script of training and evaluation explains itself at once."""

import subprocess
import sys

import pytest

from tests.experiments.helpers import EXPERIMENTS

SCRIPTS = (
    "babyai_evaluate", "babyai_ppo", "babyai_video", "clevr_ask", "clevr_evaluate", "clevr_train",
)  # fmt: skip


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_answers_without_waiting_for_torch(name):
    code = (
        "import runpy, sys\n"
        f"sys.argv = [{name!r}, '--help']\n"
        f"sys.path.insert(0, {str(EXPERIMENTS)!r})\n"
        "try:\n"
        f"    runpy.run_path({str(EXPERIMENTS / name)!r} + '.py', run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    assert end.code == 0\n"
        "    assert 'torch' not in sys.modules and 'numpy' not in sys.modules\n"
        "    print('asked for help')"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "--run" in result.stdout
    assert result.stdout.endswith("asked for help\n")
