"""Ask a trained question answerer about an image, and see where it looked.

python experiments/clevr_ask.py --run runs/clevr-small --image X.png --question "How many red things are there?"
"""  # noqa: E501 - a command is one line

from dataclasses import dataclass
from pathlib import Path

import cli
from answerer import TrainedAnswerer


@dataclass(frozen=True, kw_only=True)
class Options(TrainedAnswerer):
    """Which network, what to ask, about which image."""

    image: Path
    """A PNG or JPEG picture, such as one of CLEVR's."""
    question: str
    """A question in CLEVR's English."""
    top: int = 5
    """How many answers to show."""
    out: Path | None = None
    """Where to draw; plots/asked.png in the run folder when not given. Systems without FiLM-ed
    blocks answer only."""


def main() -> None:
    """Answer, print the likeliest answers and draw where the network looked, if it is known."""
    options = cli.parse(Options, __doc__ or "")
    with cli.exit_status():
        import numpy as np
        import torch
        from PIL import Image

        from film_rl.run import UserError
        from vqa.attention import look
        from vqa.batches import question_table
        from vqa.images import read_image
        from vqa.learner import predict
        from vqa.model import QuestionAnswerer, to_input
        from vqa.pictures import looked_at
        from vqa.prepare import features_for
        from vqa.questions import ANSWERS

        if not 1 <= options.top <= len(ANSWERS):
            raise UserError(f"--top {options.top}; expected 1 to {len(ANSWERS)}")
        if options.out and options.out.suffix != ".png":
            raise UserError(f"--out {options.out} is no name of a picture; type --out asked.png")
        run, learner, config, vocabulary = options.load()
        if getattr(learner.model, "reads_programs", False):
            raise UserError(
                f"--system {config.system} reads programs, and a typed question has none; ask a "
                "network that reads words, such as one of --system film"
            )
        try:
            tokens = vocabulary.encode(options.question)
        except ValueError as error:
            raise UserError(str(error)) from None
        image = torch.from_numpy(read_image(options.image, config.image_size))[None]
        if features := features_for(config):
            image = features.of(image)
        asked = question_table([{}], [tokens], [0], ANSWERS)
        best = predict(learner, image, asked)[0].topk(options.top)
        for chance, index in zip(best.values.tolist(), best.indices.tolist(), strict=True):
            print(f"{chance:6.1%}  {ANSWERS[index]}")
        if not isinstance(learner.model, QuestionAnswerer):
            if options.out:
                raise UserError(f"--system {config.system} has no blocks to look into; no --out")
            return
        device = learner.device
        maps = look(learner.model, to_input(image, device), asked.tokens.long().to(device))[1]
        with Image.open(options.image) as file:
            picture = np.asarray(file.convert("RGB"))
        path = looked_at(
            options.out or run.folder("plots") / "asked.png",
            picture,
            options.question,
            ANSWERS[int(best.indices[0])],
            {name: values[0].cpu().numpy() for name, values in maps.items()},
        )
        print(f"where it looked: {path}")


if __name__ == "__main__":
    main()
