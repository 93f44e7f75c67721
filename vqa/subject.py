"""A trained question answerer as the microscope sees it.

Shapes: Q questions, T words, C channels, H height, W width, A answers.
"""

from collections.abc import Sequence
from functools import partial
from typing import TypeGuard

import torch
from torch import Tensor, nn

from film_rl.analysis.subject import Example, Subject
from film_rl.analysis.where import parts_of
from film_rl.film import FiLMParams
from film_rl.run import RunFolder, UserError, autocast
from vqa.batches import question_table
from vqa.config import VQAConfig
from vqa.dataset import Dataset
from vqa.learner import Learner, accuracy
from vqa.model import QuestionAnswerer, to_input
from vqa.pictures import SQUEEZED
from vqa.prepare import data_folder, held_out_data, load_answerer, to_split
from vqa.questions import ANSWERS, Question, category, load_questions, question_type
from vqa.systems import build_system
from vqa.tokens import QuestionVocabulary

AT_ONCE = 512  # questions read together
# The paper's example.
FORMULA = (
    "How many cyan spheres are there? + How many brown cubes are there? "
    "- How many brown spheres are there? = How many cyan cubes are there?"
)


def answerer_subject(run: RunFolder, questions: int, examples: int, device: str) -> Subject:
    """The network of a run, and held-out questions, evenly spread over their file, to look with.

    Args:
        run: of the question answerer.
        questions: how many held-out ones, and how many of the training's, at most.
        examples: how many of them to show maps of.
        device: auto, cpu, cuda or cuda:N.

    Raises:
        UserError: the run is not one of a FiLM-ed network, or has no checkpoint yet.
    """
    config = run.config(VQAConfig)
    with torch.device("meta"):
        steered = is_steered(build_system(config, vocab_size=4, num_answers=len(ANSWERS)))
    if not steered:
        raise UserError(
            f"{run.path}: no generator of gamma and beta steers its network (--system "
            f"{config.system}, --conditioning {config.conditioning}); give a run of clevr_train.py "
            "with --conditioning film, bias, scale or gate"
        )
    learner, config, vocabulary = load_answerer(run, device)
    model = learner.model
    assert is_steered(model)
    held_out = held_out_data(config)
    split = to_split(held_out, vocabulary)
    index_Q = torch.tensor(_spread(len(held_out), questions))
    table = split.table.take(index_Q)
    asked = [held_out.questions[index] for index in index_Q.tolist()]
    shown = [int(index_Q[place]) for place in _spread(len(asked), examples)]
    rows = held_out.rows[shown]
    film_of = partial(_film, learner, vocabulary)

    def scores(which: Sequence[int], film_params: FiLMParams) -> Tensor:
        images_QCHW = torch.as_tensor(split.images)[rows[list(which)]]
        on_device = [(g.to(learner.device), b.to(learner.device)) for g, b in film_params]
        features = model.network.modulate(to_input(images_QCHW, learner.device), on_device)
        logits_QA: Tensor = model.classifier(features)
        return logits_QA

    return Subject(
        network=model.network,
        sentences=[question["question"] for question in asked],
        film=film_of(asked),
        labels=_labels(asked),
        training=film_of(_trained_on(config, questions)),
        read=lambda typed: film_of([{"question": one} for one in typed], allow_unknown=False),
        measure=lambda: accuracy(learner, split.images, table),
        measured=f"accuracy on {len(asked):,} held-out questions",
        examples=[_example(held_out, index) for index in shown],
        shown=film_of([held_out.questions[index] for index in shown]),
        scores=scores,
        choices=ANSWERS,
        parts={**parts_of(model.network), "before the classifier": model.classifier.conv_norm},
        formula=FORMULA,
    )


def is_steered(model: nn.Module) -> TypeGuard[QuestionAnswerer]:
    """Whether one generator makes the gammas and betas of a model, in their own meaning."""
    if not isinstance(model, QuestionAnswerer) or model.network.generator is None:
        return False
    return model.network.config.conditioning != "concat"


@torch.no_grad()
def _film(
    learner: Learner,
    vocabulary: QuestionVocabulary,
    questions: Sequence[Question],
    *,
    allow_unknown: bool = True,
) -> FiLMParams:
    """gamma and beta of each block for each question, as in answering, in float32 on the CPU."""
    tokens = [vocabulary.encode(q["question"], allow_unknown=allow_unknown) for q in questions]
    table = question_table(questions, tokens, [0] * len(tokens), ANSWERS)
    model = learner.model
    assert isinstance(model, QuestionAnswerer)
    parts = []
    for index_Q in torch.arange(len(table)).split(AT_ONCE):
        some = table.take(index_Q)
        with autocast(learner.device, learner.precision):
            film_params = model.condition(some.tokens.long().to(learner.device), some.lengths)
        parts.append([(gamma.float().cpu(), beta.float().cpu()) for gamma, beta in film_params])
    return [
        (torch.cat([gamma for gamma, _ in block]), torch.cat([beta for _, beta in block]))
        for block in zip(*parts, strict=True)
    ]


def _trained_on(config: VQAConfig, most: int) -> list[Question]:
    """Questions of the training, but for the easy ones of the curriculum, evenly spread."""
    asked = load_questions(data_folder(config), config.train_split)
    asked = [question for question in asked if not question.get("easy")]
    return [asked[index] for index in _spread(len(asked), most)]


def _labels(questions: Sequence[Question]) -> dict[str, Sequence[str]]:
    """What each question asks for; nothing where a question has no program."""
    if not all(question.get("program") for question in questions):
        return {}
    programs = [question["program"] for question in questions]
    return {
        "category": [category(program) for program in programs],
        "type": [question_type(program) for program in programs],
    }


def _example(dataset: Dataset, index: int) -> Example:
    question = dataset.questions[index]
    picture = dataset.images[int(dataset.rows[index])].permute(1, 2, 0).numpy()
    return Example(question["question"], picture, SQUEEZED, question.get("answer"))


def _spread(number: int, most: int) -> list[int]:
    """At most `most` places among `number`, from the first to the last."""
    return torch.linspace(0, number - 1, min(number, most)).long().tolist()
