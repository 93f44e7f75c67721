"""Train the toy task in a process of its own that kills itself at the n-th call of something.

python -m tests.vqa.killed RUN_FOLDER MODULE:FUNCTION N
"""

import sys
from pathlib import Path

from film_rl.run import RunFolder
from tests.agents.killed import kill_at_call
from tests.vqa.toy import train_toy
from vqa.config import VQAConfig

if __name__ == "__main__":
    folder, target, number = sys.argv[1:]
    kill_at_call(target, int(number))
    run = RunFolder(Path(folder))
    with run:
        train_toy(run.config(VQAConfig), run)
