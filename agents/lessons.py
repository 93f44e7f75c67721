"""What a teacher says to do, frame by frame, and minibatches of it.

F frames, E episodes, S sentences of W words, T steps of B streams, A last actions.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from agents.config import ImitationConfig
from envs.batched.facades import View, token_table
from envs.demonstrations.data import last_actions


class Lesson(NamedTuple):
    """A minibatch.

    Attributes:
        view: what was seen, each field (T, B, ...); `sentence` is a row of `tokens`.
        tokens: int64 (S, W), the words of the distinct sentences.
        start: bool (T, B), where memory begins anew.
        advice: int64 (T, B), what the teacher says to do.
        counts: bool (T, B); False where the beginning of the episode was not seen.
    """

    view: View
    tokens: Tensor
    start: Tensor
    advice: Tensor
    counts: Tensor

    def to(self, device: torch.device) -> "Lesson":
        """The minibatch on a device."""
        view, *others = self
        moved = [part.to(device) for part in others]
        return Lesson(View(*(part.to(device) for part in view)), *moved)


@dataclass(frozen=True)
class Lessons:
    """Episodes one after another; episode e has the frames first[e] to first[e + 1] - 1.

    Attributes:
        image: uint8 (F, 7, 7, 3), what was seen.
        advice: uint8 (F,), the action that the teacher would take.
        taken: uint8 (F,), the one that was taken: another one, where the teacher only looked on.
        first: int64 (E + 1,).
        sentence: int64 (E,), which of the sentences the episode is about.
        sentences: the distinct ones.
    """

    image: Tensor
    advice: Tensor
    taken: Tensor
    first: Tensor
    sentence: Tensor
    sentences: list[str]

    @property
    def num_frames(self) -> int:
        """How many views there are."""
        return len(self.image)

    @property
    def num_episodes(self) -> int:
        """How many episodes there are."""
        return len(self.sentence)

    def chosen(self, which_E: Tensor) -> "Lessons":
        """Some of the episodes: bool (E,)."""
        which_F = which_E.repeat_interleave(self.first.diff())
        lengths = self.first.diff()[which_E]
        return Lessons(
            image=self.image[which_F],
            advice=self.advice[which_F],
            taken=self.taken[which_F],
            first=F.pad(lengths.cumsum(0), (1, 0)),
            sentence=self.sentence[which_E],
            sentences=self.sentences,
        )

    def digest(self) -> str:
        """Tells these lessons from others: SHA-256 of the sentences and of what was said when."""
        found = hashlib.sha256("\n".join(self.sentences).encode())
        for part in (self.advice, self.first, self.sentence):
            found.update(part.contiguous().numpy().data)
        return found.hexdigest()


def joined(parts: Sequence[Lessons]) -> Lessons:
    """All episodes of some lessons."""
    if len(parts) == 1:
        return parts[0]  # a million demonstrations are not copied
    sentences = sorted({sentence for part in parts for sentence in part.sentences})
    place = {sentence: index for index, sentence in enumerate(sentences)}
    moved = [torch.tensor([place[s] for s in part.sentences])[part.sentence] for part in parts]
    lengths = torch.cat([part.first.diff() for part in parts])
    return Lessons(
        image=torch.cat([part.image for part in parts]),
        advice=torch.cat([part.advice for part in parts]),
        taken=torch.cat([part.taken for part in parts]),
        first=F.pad(lengths.cumsum(0), (1, 0)),
        sentence=torch.cat(moved),
        sentences=sentences,
    )


class Course:
    """Minibatches of lessons, pass after pass; number n is a function of the seed and n.

    With a memory the episodes of a pass are shuffled and laid end to end; that long row is cut into
    B equal streams, and a minibatch has the next T steps of every stream (truncated backpropagation
    through time: the memory is handed on, its gradient is not). What a stream has of an episode
    whose beginning it lacks counts for nothing. Without a memory the frames are shuffled, T = 1.
    What is left over at the end of a pass, less than a minibatch, waits for the next one.

    The lessons stay in the main memory, however many they are; minibatches go to the device.

    Args:
        lessons: the episodes.
        config: whose `batch_size` is T * B (less where the lessons are fewer), `segment` T,
            `last_actions` A, and whose `memory` and `seed` are meant here.
        device: of the minibatches.
        number: of the course; each shuffles in its own way.

    Attributes:
        tokens: int64 (S, W), the words of each sentence.
        steps: T.
        streams: B.
    """

    def __init__(
        self, lessons: Lessons, config: ImitationConfig, device: torch.device, number: int = 0
    ) -> None:
        self.lessons, self.device = lessons, device
        self.last_actions = config.last_actions
        self.remembers = config.memory != "none"
        self.seed = [config.seed, number]
        self.tokens = token_table(lessons.sentences)
        episodes = torch.arange(lessons.num_episodes)
        self.episode_F = episodes.repeat_interleave(lessons.first.diff())
        self.steps = min(config.segment, lessons.num_frames) if self.remembers else 1
        self.streams = max(1, min(config.batch_size, lessons.num_frames) // self.steps)
        self._pass, self._rows, self._counts = -1, torch.empty(0), torch.empty(0)

    def __len__(self) -> int:
        """Minibatches of a pass."""
        return self.lessons.num_frames // (self.steps * self.streams)

    def __getitem__(self, number: int) -> Lesson:
        """Minibatch `number` of the endless sequence."""
        passes, place = divmod(number, len(self))
        if passes != self._pass:
            self._begin(passes)
        at = slice(place * self.steps, (place + 1) * self.steps)
        rows_TB = self._rows[at]
        start_TB = self._begins(rows_TB)
        start_TB[0] |= place == 0
        lessons, episode_TB = self.lessons, self.episode_F[rows_TB]
        present, sentence_TB = lessons.sentence[episode_TB].unique(return_inverse=True)
        age_TB = rows_TB - lessons.first[episode_TB]
        last_TBA = last_actions(lessons.taken, rows_TB, age_TB, self.last_actions)
        view = View(lessons.image[rows_TB], sentence_TB, last_TBA)
        tokens, advice = self.tokens[present], lessons.advice[rows_TB].long()
        return Lesson(view, tokens, start_TB, advice, self._counts[at]).to(self.device)

    def _begin(self, number: int) -> None:
        """Shuffle for a pass."""
        draws = torch.Generator().manual_seed(_mixed([*self.seed, number]))
        order = self._episodes(draws) if self.remembers else self._frames(draws)
        length = len(self) * self.steps
        streams_BL = order[: self.streams * length].view(self.streams, length)
        self._pass, self._rows = number, streams_BL.T.contiguous()
        begins_LB = self._begins(self._rows)
        self._counts = begins_LB.cumsum(0) > 0 if self.remembers else torch.ones_like(begins_LB)

    def _frames(self, draws: torch.Generator) -> Tensor:
        """All frames in any order."""
        return torch.randperm(self.lessons.num_frames, generator=draws)

    def _episodes(self, draws: torch.Generator) -> Tensor:
        """All frames, episode after episode, these in any order."""
        shuffled = torch.randperm(self.lessons.num_episodes, generator=draws)
        length_E = self.lessons.first.diff()[shuffled]
        # Frame i of what comes out is as far into its episode as it is from that one's place here.
        place_E = length_E.cumsum(0) - length_E
        shift_E = self.lessons.first[:-1][shuffled] - place_E
        frames = torch.arange(self.lessons.num_frames)
        return frames + shift_E.repeat_interleave(length_E)

    def _begins(self, rows: Tensor) -> Tensor:
        """Whether these frames are the first ones of their episodes."""
        return rows == self.lessons.first[self.episode_F[rows]]


def _mixed(numbers: list[int]) -> int:
    """One seed out of several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)
