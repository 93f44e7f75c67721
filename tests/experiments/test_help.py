"""Every script explains itself at once."""

import subprocess
import sys

import pytest

from tests.experiments.helpers import EXPERIMENTS

OPTION_OF = {
    "analyze": "--run",
    "babyai_conditioning": "--ways",
    "babyai_demos": "--demonstrations",
    "babyai_evaluate": "--run",
    "babyai_generalisation": "--seeds",
    "babyai_imitate": "--demos",
    "babyai_imitation_curve": "--numbers",
    "babyai_ppo": "--run",
    "babyai_starts": "--starts",
    "babyai_suite": "--methods",
    "babyai_video": "--run",
    "babyai_zero_shot": "--episodes",
    "benchmark": "--worlds",
    "clevr_ablations": "--variant",
    "clevr_ask": "--run",
    "clevr_cogent": "--amounts",
    "clevr_data_efficiency": "--shares",
    "clevr_evaluate": "--run",
    "clevr_generate": "--palette",
    "clevr_humans": "--word-threshold",
    "clevr_render": "--fit",
    "clevr_speed": "--questions",
    "clevr_statistics": "--official",
    "clevr_systems": "--systems",
    "clevr_train": "--start",
    "clevr_zero_shot": "--run",
    "parity": "--steps",
    "report": "--add",
}


def test_no_script_is_left_out():
    scripts = [path for path in EXPERIMENTS.glob("*.py") if "__main__" in path.read_text()]
    assert {path.stem for path in scripts} == OPTION_OF.keys()


@pytest.mark.parametrize("name", OPTION_OF)
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
    assert OPTION_OF[name] in result.stdout
    assert result.stdout.endswith("asked for help\n")
