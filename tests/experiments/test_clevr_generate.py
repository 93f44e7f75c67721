"""clevr_generate.py as typed."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "experiments" / "clevr_generate.py"


def generate(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), "--processes", "1", *words]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_a_data_set_is_made_where_it_was_asked_for(tmp_path):
    size = ("--width", "32", "--height", "24", "--num-objects", "3", "5")
    done = generate(
        "--out", str(tmp_path), "--split", "valB", "--palette", "B", "--images", "3", *size
    )
    assert done.returncode == 0, done.stderr
    assert str(tmp_path) in done.stdout
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")}
    assert "scenes/CLEVR_valB_scenes.json" in files
    assert "questions/CLEVR_valB_questions.json" in files
    assert {f"images/valB/CLEVR_valB_00000{i}.png" for i in range(3)} <= files


def test_a_family_that_is_not_there_ends_with_status_2_and_no_folder(tmp_path):
    done = generate("--out", str(tmp_path / "new"), "--families", "90")
    assert done.returncode == 2
    assert "90" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "new").exists()
