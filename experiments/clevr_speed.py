"""Measure training: the presets `paper` and `fast` against a plain port of the original's loop.

    python experiments/clevr_speed.py
    python experiments/clevr_speed.py --device cuda

Claim: on two CPU cores that multiply bf16, `fast` trains at least three times as many questions a
second as the original's loop does; on a GPU of the H200's class an epoch of 700,000 questions takes
at most 60 seconds. The three take turns on the same generated questions; images are random bytes,
which cost the same. The port is plain_film.py: batch 64, float32, padded questions.

Writes docs/results/clevr_training_speed.json. It takes about five minutes on two idle cores.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import cli

if TYPE_CHECKING:
    import torch

    from vqa.config import VQAConfig
    from vqa.training import Split

RESULT = Path(__file__).parent.parent / "docs" / "results" / "clevr_training_speed.json"
EPOCH = 700_000  # questions of CLEVR's training split
IMAGES = 1_000  # so many that a batch of 64 questions is about 64 images
WHAT = "training of the paper's network on pixels: {}; medians of repeats in turn"
COMMAND = "python experiments/clevr_speed.py"
ON_CPU = 160  # questions in a batch of `fast`

Trainer = Callable[[int], int]
"""Does the step of this number; how many questions it had."""


@dataclass(frozen=True)
class Options:
    """What to measure on."""

    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    threads: int = 2
    """CPU threads of PyTorch."""
    questions: int = 0
    """Questions in a batch of `fast`; 0: its own 1,024 on a GPU, 160 on a CPU."""
    repeats: int = 3
    """Turns, of 1 step each on a CPU and of 20 on a GPU, after one that warms up."""


def main() -> None:
    """Measure, and write the row of this device."""
    options = cli.parse(Options, __doc__ or "")
    with cli.exit_status():
        import torch

        from film_rl.run import UserError, choose_device
        from film_rl.run.device import describe_device
        from vqa.config import fast, paper

        for name in ("threads", "repeats"):
            if getattr(options, name) < 1:
                raise UserError(f"--{name} {getattr(options, name)}; expected 1 or more")
        if options.questions and options.questions < fast().share:
            raise UserError(f"--questions {options.questions}; expected {fast().share} or more")
        device = choose_device(options.device)
        torch.set_num_threads(options.threads)
        cuda = device.type == "cuda"
        size = options.questions or (fast().batch_size if cuda else ON_CPU)
        theirs, ours = (
            replace(preset, device=str(device), threads=options.threads, batch_size=questions)
            for preset, questions in ((paper(), paper().batch_size), (fast(), size))
        )
        trainers = contestants(theirs, ours, made_split(IMAGES, theirs.image_size), device)
        figures = compared(trainers, options.repeats, steps=20 if cuda else 1)
        write(cuda, options, figures, describe_device(device))


def made_split(images: int, image_size: int) -> "Split":
    """Ten questions about each of some generated scenes; the images are noise."""
    import torch

    from vqa.batches import question_table
    from vqa.generate import generate_questions
    from vqa.questions import ANSWERS
    from vqa.scene_generator import generate_scenes
    from vqa.tokens import QuestionVocabulary
    from vqa.training import Split

    questions = generate_questions(generate_scenes(images, seed=0, visible_pixels=0), seed=0)
    vocabulary = QuestionVocabulary.from_questions(q["question"] for q in questions)
    tokens = vocabulary.encode_all(questions, "generated questions")
    rows = [question["image_index"] for question in questions]
    noise = torch.randint(0, 256, (images, 3, image_size, image_size), dtype=torch.uint8)
    return Split(noise, question_table(questions, tokens, rows, ANSWERS))


def contestants(
    paper: "VQAConfig", fast: "VQAConfig", split: "Split", device: "torch.device"
) -> dict[str, Trainer]:
    """The three ways to train, by name."""
    from plain_film import PlainFiLM, PlainLearner

    from vqa.batches import Batches
    from vqa.questions import ANSWERS
    from vqa.training import make_learner

    vocab_size = int(split.table.tokens.max()) + 1
    split = split.to(device)
    plain = PlainLearner(PlainFiLM(paper, vocab_size, len(ANSWERS)), device)

    def original(batches: Batches) -> Trainer:
        def train(step: int) -> int:
            batch = batches[step]
            plain.update(batch)
            return len(batch.answers)

        return train

    def ours(config: "VQAConfig") -> Trainer:
        learner = make_learner(config, vocab_size, len(ANSWERS))
        batches = Batches(split.images, split.table, config)

        def train(step: int) -> int:
            batch = batches[step]
            learner.update(batch, config.learning_rate)
            return len(batch.answers)

        return train

    return {
        "original": original(Batches(split.images, split.table, paper)),
        "paper": ours(paper),
        "fast": ours(fast),
    }


def compared(trainers: dict[str, Trainer], repeats: int, steps: int) -> dict[str, Any]:
    """Samples a second of each, how often the first's that is, and an epoch in seconds."""
    speeds: dict[str, list[float]] = {name: [] for name in trainers}
    sizes = {}
    for turn in range(repeats + 1):
        for name, train in trainers.items():
            # A step ends with its loss on the host: nothing is left to wait for.
            start = time.perf_counter()
            questions = sum(train(turn * steps + step) for step in range(steps))
            speeds[name].append(questions / (time.perf_counter() - start))
            sizes[name] = round(questions / steps)
            print(f"turn {turn}: {name} {speeds[name][-1]:.2f} samples/s", flush=True)
    typical = {name: median(measured[1:]) for name, measured in speeds.items()}
    first = typical[next(iter(typical))]
    return {
        name: {
            "samples a second": round(speed, 2),
            "times the original": round(speed / first, 2),
            "seconds an epoch": round(EPOCH / speed),
            "questions a batch": sizes[name],
        }
        for name, speed in typical.items()
    }


def rows_so_far() -> list[dict[str, Any]]:
    """The rows of CPU and GPU, measured or not yet."""
    if RESULT.exists():
        return list(json.loads(RESULT.read_text(encoding="utf-8")))
    places = (("two CPU cores", ""), ("one GPU of the H200's class", " --device cuda"))
    return [
        {
            "what": WHAT.format(place),
            "command": COMMAND + device,
            "hardware": place,
            "date": None,
            "figures": {},
            "measured": False,
        }
        for place, device in places
    ]


def write(cuda: bool, options: Options, figures: dict[str, Any], hardware: str) -> None:
    """Put the row of this device into the file; that of the other stays as it is."""
    rows = rows_so_far()
    numbers = {name: getattr(options, name) for name in ("threads", "questions", "repeats")}
    changed = [f" --{k} {v}" for k, v in numbers.items() if v != getattr(Options, k)]
    rows[cuda] |= {
        "command": "".join([COMMAND, " --device cuda" * cuda, *changed]),
        "hardware": hardware,
        "date": datetime.now(UTC).date().isoformat(),
        "figures": figures,
        "measured": True,
    }
    RESULT.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print(f"fast: {figures['fast']['times the original']} times the original\n{RESULT}")


if __name__ == "__main__":
    main()
