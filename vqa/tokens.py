"""From CLEVR questions to ids, exactly as the reference preprocessing numbers them.

Ids 0 to 3 are `<NULL>` (padding), `<START>`, `<END>` and `<UNK>`; then the tokens in sorted order.
Case counts, and two spaces in a row have the empty token between them: 130 of the official val
questions hold it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from film_rl.language import PAD, Vocabulary
from film_rl.run.files import read_json, to_json, write_atomically
from vqa.errors import DataError
from vqa.execute import FUNCTIONS
from vqa.questions import ANSWERS

NULL, START, END, UNKNOWN = SPECIAL = ("<NULL>", "<START>", "<END>", "<UNK>")
LONGEST = 100  # tokens; the official questions have at most 43 and those of humans 46
# Of programs the reference knows the function and its value in one token; never equal_object.
PROGRAM_TOKENS = tuple(
    sorted(
        f"{name}[{value}]" if value else name
        for name, function in FUNCTIONS.items()
        for value in function.values or ("",)
        if name != "equal_object"
    )
)


def tokenize(question: str) -> list[str]:
    """Split at single spaces, `;` and `,` as tokens of their own, `?` and `.` left out."""
    for mark in ";,":
        question = question.replace(mark, f" {mark}")
    for mark in "?.":
        question = question.replace(mark, "")
    return question.split(" ")


class QuestionVocabulary(Vocabulary):
    """The ids of question tokens.

    Args:
        tokens: the tokens after the four special ones, each once, in the order of their ids.
    """

    def __init__(self, tokens: Iterable[str]) -> None:
        super().__init__([*SPECIAL[1:], *tokens], tokenize)

    @classmethod
    def from_questions(cls, questions: Iterable[str], threshold: int = 1) -> Self:
        """The vocabulary of the tokens that occur at least `threshold` times."""
        return cls(_frequent(questions, threshold))

    @classmethod
    def from_ids(cls, ids: Mapping[str, int]) -> Self:
        """The vocabulary of a mapping from tokens to ids, such as a checkpoint's.

        Raises:
            ValueError: the ids are not 0, 1, ... or do not begin with the four special tokens.
        """
        tokens = sorted(ids, key=lambda token: ids[token])
        if tuple(tokens[:4]) != SPECIAL or [ids[token] for token in tokens] != [*range(len(ids))]:
            raise ValueError(
                f"the ids begin with {[(token, ids[token]) for token in tokens[:5]]}; expected "
                f"{', '.join(SPECIAL)} as 0 to 3, and each number up to {len(ids) - 1} once"
            )
        return cls(tokens[4:])

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """The question tokens of a `vocab.json` of the reference.

        Raises:
            UserError: the file is missing or is no such vocabulary.
        """
        content = read_json(Path(path))
        ids = content.get("question_token_to_idx") if isinstance(content, dict) else None
        if not isinstance(ids, dict) or not all(type(index) is int for index in ids.values()):
            raise DataError(f"{path}: has no 'question_token_to_idx' with the ids of the tokens")
        try:
            return cls.from_ids(ids)
        except ValueError as error:
            raise DataError(f"{path}: {error}") from None

    def save(self, path: Path | str) -> None:
        """Write a `vocab.json` as the reference does, with program and answer tokens."""
        programs, answers = [*SPECIAL, *PROGRAM_TOKENS], [*SPECIAL, *ANSWERS]
        content = {
            "question_token_to_idx": self.ids,
            "program_token_to_idx": {token: index for index, token in enumerate(programs)},
            "answer_token_to_idx": {token: index for index, token in enumerate(answers)},
        }
        write_atomically(Path(path), to_json(content))

    @property
    def ids(self) -> dict[str, int]:
        """The id of every token, padding and the other special ones included."""
        return {token: index for index, token in enumerate([NULL, *self.words])}

    def expand(self, questions: Iterable[str], threshold: int = 1) -> Self:
        """This vocabulary, and after it the new tokens that occur at least `threshold` times."""
        new = [token for token in _frequent(questions, threshold) if token not in self]
        return type(self)([*self.words[len(SPECIAL) - 1 :], *new])

    def encode(
        self, sentence: str, length: int | None = None, *, allow_unknown: bool = False
    ) -> list[int]:
        """The ids of `<START>`, the tokens and `<END>`, then 0 up to `length` where it is given.

        Args:
            sentence: a question.
            length: of the result; at most LONGEST.
            allow_unknown: encode unknown tokens as `<UNK>`.

        Raises:
            ValueError: a token is unknown; the question is empty; it is too long.
        """
        if not sentence.strip(" \t\n?.,;"):
            raise ValueError(f"the question {sentence!r} is empty; expected a sentence")
        tokens = [START, *tokenize(sentence), END]
        if len(tokens) > (length or LONGEST):
            raise ValueError(
                f"the question '{sentence:.40}...' has {len(tokens)} tokens with {START} and "
                f"{END}; expected at most {length or LONGEST}"
            )
        unknown = [token for token in tokens if token not in self]
        if unknown and not allow_unknown:
            raise ValueError(self._unknown(unknown[0], sentence))
        ids = [self._id_of.get(token, self._id_of[UNKNOWN]) for token in tokens]
        return ids + [PAD] * ((length or 0) - len(ids))

    def encode_all(
        self, questions: Sequence[dict[str, Any]], source: str = "", *, allow_unknown: bool = False
    ) -> list[list[int]]:
        """The ids of each question, in the official form.

        Args:
            questions: official questions.
            source: the file they are from, for the message of an error.
            allow_unknown: encode unknown tokens as `<UNK>`.

        Raises:
            DataError: a question cannot be encoded, naming its index.
        """
        ids = []
        for index, question in enumerate(questions):
            try:
                ids.append(self.encode(question["question"], allow_unknown=allow_unknown))
            except ValueError as error:
                raise DataError(f"{source or 'questions'}, question {index}: {error}") from None
        return ids


def _frequent(questions: Iterable[str], threshold: int) -> list[str]:
    counts = Counter(token for question in questions for token in tokenize(question))
    return sorted(token for token, count in counts.items() if count >= threshold)
