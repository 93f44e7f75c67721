"""Put 10,000 generated questions beside official ones, and measure how fast they are made.

    python experiments/clevr_statistics.py --official CLEVR_v1.0/questions/CLEVR_val_questions.json
    python experiments/clevr_statistics.py --speed

Claim: generated questions have the lengths, programs, types, families and answers of CLEVR's.
Writes docs/results/clevr_statistics.json and docs/media/clevr_statistics.png; with 1,000 official
questions that takes less than half a minute on one core. No picture of a scene is drawn: that each
object shows 200 pixels is checked on masks of object ids, cast without light or colour.

--speed measures, on one core, questions generated and programs executed a second, and writes
docs/results/clevr_question_speed.json.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import cli

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "media" / "clevr_statistics.png"
RESULT = ROOT / "docs" / "results" / "clevr_statistics.json"
SPEED = ROOT / "docs" / "results" / "clevr_question_speed.json"
REPEATS = 5


@dataclass(frozen=True)
class Options:
    """What to compare with, and how much."""

    official: Path | None = None
    """A file of official questions, of any length; programs it lacks are read from the English."""
    images: int = 1000
    """Generated scenes, with ten questions each."""
    seed: int = 0
    """Of scenes and questions."""
    speed: bool = False
    """Measure speed instead."""


def main() -> None:
    """Compare, or measure."""
    options = cli.parse(Options, __doc__ or "")
    with cli.exit_status():
        from film_rl.run import UserError

        if options.images < 1:
            raise UserError(f"--images {options.images}; expected 1 or more")
        if options.speed:
            measure_speed(options)
        elif options.official is None:
            raise UserError("no questions to compare with; type --official FILE, or --speed")
        else:
            compare(options, options.official)


def compare(options: Options, file: Path) -> None:
    """Write the figures and the picture."""
    from vqa.generate import generate_questions
    from vqa.question_pictures import question_shares
    from vqa.question_statistics import compared, read_questions
    from vqa.scene_generator import generate_scenes

    official = read_questions(file)
    scenes = generate_scenes(options.images, options.seed)
    generated = generate_questions(scenes, options.seed)
    what = f"{len(generated):,} generated questions beside {len(official):,} official ones"
    figures = compared(official, generated)
    write(RESULT, row(what, command(options, f"--official {file.name}"), figures))
    question_shares(PICTURE, figures, what)
    for name, apart in figures["distances"].items():
        print(f"{name}: {apart}")
    print(f"{RESULT}\n{PICTURE}")


def measure_speed(options: Options) -> None:
    """Write questions generated and programs executed a second, each the median of repeats."""
    import torch

    from vqa.execute import execute_many
    from vqa.generate import generate_questions
    from vqa.scene_generator import generate_scenes

    torch.set_num_threads(1)
    scenes = generate_scenes(options.images, options.seed)
    questions = generate_questions(scenes, options.seed)
    programs = [question["program"] for question in questions]
    theirs = [scenes[question["image_index"]] for question in questions]
    speeds = {
        "questions generated a second about scenes of 3 to 10 objects: text, program and answer, "
        "in balance": seconds(lambda: generate_questions(scenes, options.seed)),
        "programs checked and executed a second, ten on each scene": seconds(
            lambda: execute_many(programs, theirs)
        ),
    }
    rows = []
    for what, taken in speeds.items():
        figures = {"one core": round(len(questions) / taken)}
        rows.append(row(f"{what}; median of {REPEATS}", command(options, "--speed"), figures))
    write(SPEED, rows)
    print(f"{[one['figures'] for one in rows]}\n{SPEED}")


def seconds(work: Callable[[], object]) -> float:
    """How long it takes, the median of repeats."""
    taken = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return median(taken)


def command(options: Options, mode: str) -> str:
    """What to type to measure the same again."""
    numbers = {"images": options.images, "seed": options.seed}
    changed = [f"--{k} {v}" for k, v in numbers.items() if v != getattr(Options, k)]
    return " ".join(["python experiments/clevr_statistics.py", mode, *changed])


def row(what: str, command: str, figures: dict[str, Any]) -> dict[str, Any]:
    """Measured figures, with what makes them again."""
    import torch

    from film_rl.run.device import describe_device

    return {
        "what": what,
        "command": command,
        "hardware": describe_device(torch.device("cpu")),
        "date": datetime.now(UTC).date().isoformat(),
        "figures": figures,
        "measured": True,
    }


def write(path: Path, content: object) -> None:
    """As JSON that a person can read."""
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
