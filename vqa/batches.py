"""Batches that are a function of seed and step alone: any number of workers, any restart.

Shapes: N all questions, Q questions of a batch, B images of a batch, T words.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from film_rl.run import UserError
from vqa.config import VQAConfig
from vqa.programs import program_tensor

Images = Tensor | np.ndarray
NO_ANSWER = -1
FIRST, EASY, ALL = range(3)


@dataclass(frozen=True)
class QuestionTable:
    """Questions as tensors.

    Attributes:
        tokens: ids of the tokens, 0 at the end of a row.
        lengths: how many tokens each question has.
        answers: index of the answer; NO_ANSWER where it is not known.
        images: row of the question's image.
        stage: stage of the curriculum at which it is asked: FIRST, EASY or ALL.
        programs: functions of its program in prefix order (`vqa.programs`), 0 where there is none.
    """

    tokens: Tensor
    lengths: Tensor
    answers: Tensor
    images: Tensor
    stage: Tensor
    programs: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def take(self, index: Tensor) -> "QuestionTable":
        """The questions of these rows."""
        return QuestionTable(*(value[index] for value in vars(self).values()))


class Batch(NamedTuple):
    """Questions about images, bytes (B, 3, H, W); `rows` is the image of each question."""

    images: Tensor
    tokens: Tensor
    lengths: Tensor
    rows: Tensor
    answers: Tensor
    programs: Tensor


def question_table(
    questions: Sequence[dict[str, Any]],
    tokens: Sequence[Sequence[int]],
    images: Sequence[int],
    answers: Sequence[str],
) -> QuestionTable:
    """Put questions into tensors.

    Args:
        questions: in the official form.
        tokens: the ids of each question's tokens.
        images: the row of each question's image.
        answers: what the network can answer.
    """
    length_N = torch.tensor([len(ids) for ids in tokens])
    tokens_NT = np.zeros((len(tokens), int(length_N.max()) if len(tokens) else 0), np.int16)
    for row, ids in zip(tokens_NT, tokens, strict=True):
        row[: len(ids)] = ids
    ids_of = {answer: index for index, answer in enumerate(answers)}
    return QuestionTable(
        torch.from_numpy(tokens_NT),
        length_N,
        torch.tensor([ids_of.get(q.get("answer", ""), NO_ANSWER) for q in questions]),
        torch.tensor(images, dtype=torch.int64),
        torch.tensor([EASY if q.get("easy") else ALL for q in questions]),
        program_tensor(questions),
    )


def batch_of(images: Images, table: QuestionTable, index_Q: Tensor) -> Batch:
    """The questions of these rows, without needless padding, and their images, each once."""
    questions = table.take(index_Q)
    image_B, row_Q = questions.images.unique(return_inverse=True)
    return Batch(
        _take(images, image_B),
        questions.tokens[:, : int(questions.lengths.max())].long(),
        questions.lengths,
        row_Q,
        questions.answers,
        questions.programs.long(),
    )


class Batches(Dataset[Batch]):
    """Batch number `step` of a run. An epoch takes every question once, in a new order.

    The questions of an image are dealt into groups of at most `share`, the groups shuffled, and
    a batch is as many groups as make `batch_size` questions (a last, smaller batch is left out).
    The curriculum: in the `first` share of the steps the questions of the stage FIRST, in the next
    `easy` share those of EASY, then those of ALL. A stage without questions is no stage.

    Args:
        images: bytes (N, 3, H, W).
        table: the questions.
        config: seed, batch_size, share, first, easy, shift and how long to train.
        part: (r, n): every n-th group of each batch, from the r-th on; by default all. What is
            in a batch, and how its images are moved, is the same for any n.

    Attributes:
        steps: number of batches of the whole run.
        starts: at which step each stage of the curriculum begins.

    Raises:
        UserError: there is no question, one without an answer, or none of the stage ALL; the groups
            of a batch cannot be divided into n equal parts.
    """

    def __init__(
        self,
        images: Images,
        table: QuestionTable,
        config: VQAConfig,
        part: tuple[int, int] = (0, 1),
    ) -> None:
        if not len(table) or bool((table.answers == NO_ANSWER).any()):
            raise UserError("training needs questions, all with an answer that CLEVR knows")
        if not bool((table.stage == ALL).any()):
            raise UserError(
                f'all {len(table):,} questions are marked "easy" and would be asked at the start '
                "only; take the mark out of those to train on to the end"
            )
        self.images, self.table, self.config, self.part = images, table, config, part
        stage_N = table.stage.numpy()
        self._chosen = {stage: np.flatnonzero(stage_N == stage) for stage in (FIRST, EASY, ALL)}
        self.steps = config.steps or config.epochs * self._batches_per_epoch(ALL)
        self.starts: dict[int, int] = {}
        start = 0
        for stage, share in ((FIRST, config.first), (EASY, config.easy), (ALL, 1.0)):
            steps = round(share * self.steps) if len(self._chosen[stage]) else 0
            if steps and start < self.steps:
                self.starts[stage] = start
                check_division(config, part[1], self._num_groups(stage))
            start += steps
        self._groups: dict[tuple[int, int], list[np.ndarray]] = {}

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        stage = self.stage(step)
        epoch, number = divmod(step - self.starts[stage], self._batches_per_epoch(stage))
        groups = self._epoch(stage, epoch)
        size = self._groups_per_batch
        whole = groups[number * size : (number + 1) * size]
        first, every = self.part
        index_Q = torch.from_numpy(np.concatenate(whole[first::every]))
        batch = batch_of(self.images, self.table, index_Q)
        if not self.config.shift:
            return batch
        moves_2B = self._moves(step, np.concatenate(whole), index_Q)
        return batch._replace(images=shifted(batch.images, moves_2B))

    def stage(self, step: int) -> int:
        """The stage of the curriculum that a step belongs to."""
        return max(stage for stage, start in self.starts.items() if start <= step)

    def loader(self, start: int) -> DataLoader[Batch]:
        """The batches from step `start` to the end, prepared by the configured workers."""
        workers = 0 if isinstance(self.images, Tensor) and self.images.is_cuda else None
        return DataLoader(
            self,
            batch_size=None,
            sampler=range(start, self.steps),
            num_workers=self.config.workers if workers is None else workers,
            generator=torch.Generator(),  # else starting it would draw from the global one
        )

    def _moves(self, step: int, whole_Q: np.ndarray, index_Q: Tensor) -> Tensor:
        """How far down and right each image of the part is shown: drawn for the whole batch."""
        rng = np.random.default_rng([self.config.seed, 0, step])
        image_N = self.table.images.numpy()
        image_B = np.unique(image_N[whole_Q])
        moves_2B = rng.integers(-self.config.shift, self.config.shift + 1, (2, len(image_B)))
        return torch.from_numpy(moves_2B[:, np.isin(image_B, image_N[index_Q.numpy()])])

    @property
    def _groups_per_batch(self) -> int:
        return groups_per_batch(self.config)

    def _batches_per_epoch(self, stage: int) -> int:
        return max(1, self._num_groups(stage) // self._groups_per_batch)

    def _num_groups(self, stage: int) -> int:
        of_image = np.bincount(self.table.images.numpy()[self._chosen[stage]])
        return int((-(-of_image // self.config.share)).sum())

    def _epoch(self, stage: int, epoch: int) -> list[np.ndarray]:
        """The groups of one epoch in their order; those of the latest epoch are kept."""
        if (stage, epoch) not in self._groups:
            chosen = self._chosen[stage]
            rng = np.random.default_rng([self.config.seed, 1 + stage, epoch])
            image_N = self.table.images.numpy()[chosen]
            order = np.lexsort((rng.random(len(chosen)), image_N))
            starts = np.flatnonzero(np.diff(image_N[order], prepend=-1))
            place = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
            cuts = np.flatnonzero(place % self.config.share == 0)
            groups = np.split(chosen[order], cuts[1:])
            self._groups = {(stage, epoch): [groups[i] for i in rng.permutation(len(groups))]}
        return self._groups[stage, epoch]


def groups_per_batch(config: VQAConfig) -> int:
    """How many images, each with its questions, a batch has (an image may come twice)."""
    return max(1, config.batch_size // config.share)


def check_division(config: VQAConfig, parts: int, groups: int | None = None) -> None:
    """Raise a UserError where a batch, of `groups` at most, has no so many equal parts."""
    size = min(groups_per_batch(config), groups or config.batch_size)
    if size % parts:
        fitting = -(-size // parts) * parts * config.share
        raise UserError(
            f"a batch of {size} images (--batch-size {config.batch_size} questions, --share "
            f"{config.share} of an image) cannot be divided among {parts} processes; "
            f"type --batch-size {fitting}, or start another number of processes"
        )


def shifted(images_BCHW: Tensor, moves_2B: Tensor) -> Tensor:
    """Show what is so many pixels further down and right; what comes in is the nearest border."""
    B, C, H, W = images_BCHW.shape
    down_B11, right_B11 = moves_2B[:, :, None, None]
    y_BH1 = (torch.arange(H)[:, None] + down_B11).clamp(0, H - 1)
    x_B1W = (torch.arange(W) + right_B11).clamp(0, W - 1)
    cell_BHW = (y_BH1 * W + x_B1W).to(images_BCHW.device)
    cells = cell_BHW.flatten(1)[:, None].expand(-1, C, -1)
    return images_BCHW.flatten(2).gather(2, cells).reshape(B, C, H, W)


def _take(images: Images, index_B: Tensor) -> Tensor:
    if isinstance(images, Tensor):
        return images[index_B.to(images.device)]
    return torch.from_numpy(images[index_B.numpy()])
