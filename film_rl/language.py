"""From a sentence to the condition z: words to ids, and a GRU over them.

Shapes: B batch, T words, D condition; every row holds its ids first, then padding.
"""

import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches

import torch
from torch import Tensor, nn

PAD = 0


def lower_case_words(sentence: str) -> list[str]:
    """Split a sentence into its runs of letters, in lower case: BabyAI's rule."""
    return re.findall("[a-z]+", sentence.lower())


class Vocabulary:
    """The ids of known words: 0 is padding, the words are 1, 2, ... in the given order.

    Args:
        words: the known words, each once.
        tokenize: splits a sentence into words.

    Attributes:
        words: the known words; the id of words[i] is i + 1.

    Raises:
        ValueError: a word is given twice.
    """

    def __init__(
        self, words: Iterable[str], tokenize: Callable[[str], list[str]] = lower_case_words
    ) -> None:
        self.words = tuple(words)
        self.tokenize = tokenize
        self._id_of = {word: index for index, word in enumerate(self.words, start=PAD + 1)}
        if len(self._id_of) < len(self.words):
            twice = sorted({word for word in self.words if self.words.count(word) > 1})
            raise ValueError(f"each word has one id, but these are given more than once: {twice}")

    def __len__(self) -> int:
        """Count the ids, padding included: the vocab_size of a `SentenceEncoder`."""
        return len(self.words) + 1

    def __contains__(self, word: object) -> bool:
        return word in self._id_of

    def encode(self, sentence: str, length: int | None = None) -> list[int]:
        """Return the ids of the sentence's words, padded with 0 to `length` where it is given.

        Raises:
            ValueError: a word is not in the vocabulary, or there are more than `length` words.
        """
        words = self.tokenize(sentence)
        for word in words:
            if word not in self._id_of:
                raise ValueError(self._unknown(word, sentence))
        if length is not None and len(words) > length:
            raise ValueError(
                f"{sentence!r} has {len(words)} words and length={length}; "
                f"expected length={len(words)} or more"
            )
        ids = [self._id_of[word] for word in words]
        return ids + [PAD] * ((length or 0) - len(ids))

    def decode(self, ids: Iterable[int]) -> str:
        """Return the words of the ids, joined by spaces, without the padding.

        Raises:
            ValueError: an id belongs to no word.
        """
        words = [int(index) - PAD - 1 for index in ids if index != PAD]
        if words and not 0 <= min(words) <= max(words) < len(self.words):
            raise ValueError(
                f"ids {[index + PAD + 1 for index in words]}; expected 0 (padding) to "
                f"{len(self.words)}, the vocabulary's last word"
            )
        return " ".join(self.words[index] for index in words)

    def _unknown(self, word: str, sentence: str) -> str:
        close = get_close_matches(word, self.words, n=1, cutoff=0.0)
        hint = f"; the closest is {close[0]!r}" if close else ""
        return f"{word!r} in {sentence!r} is not among the {len(self.words)} known words{hint}"


class SentenceEncoder(nn.Module):
    """Read a sentence with a GRU: z is its state at the last word.

    The state does not depend on the padding, nor on the other sentences; without words it is 0.
    Perez et al. 2018, section 2.2 (unidirectional, without attention).

    Args:
        vocab_size: number of ids, padding included.
        embedding_dim: size of a word's embedding.
        hidden_dim: size of the GRU's state, and of z.
        bidirectional: a second GRU reads the words backwards, each has half of `hidden_dim`.
        attention: z is instead sum_t softmax_t(q . h_t / sqrt(D)) h_t over the words' states h,
            the query q a linear function of the last state.
        asker_dim: z is instead sum_t softmax_t(k . h_t) h_t, k a linear function of a vector of
            this size that somebody else gives: `attend`. Hui et al. 2020, "BabyAI 1.1", `attgru`.

    Attributes:
        output_dim: size D of z.

    Raises:
        ValueError: `hidden_dim` is odd, so that two directions cannot share it; the words have two
            askers.
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_dim: int = 64,
        hidden_dim: int = 64,
        *,
        bidirectional: bool = False,
        attention: bool = False,
        asker_dim: int = 0,
    ) -> None:
        super().__init__()
        if attention and asker_dim:
            raise ValueError(
                f"attention=True and asker_dim={asker_dim}: the words are attended to by the "
                "sentence's own state or by somebody else; leave one of them out"
            )
        if bidirectional and hidden_dim % 2:
            raise ValueError(
                f"hidden_dim={hidden_dim} is odd; with bidirectional=True each direction has half "
                f"of it: give {hidden_dim + 1}"
            )
        self.output_dim = hidden_dim
        width = hidden_dim // 2 if bidirectional else hidden_dim
        self.embedding = nn.Embedding(vocab_size, embedding_dim)
        self.gru = nn.GRU(embedding_dim, width, batch_first=True)
        self.backward_gru = (
            nn.GRU(embedding_dim, width, batch_first=True) if bidirectional else None
        )
        self.query = nn.Linear(hidden_dim, hidden_dim) if attention else None
        self.key = nn.Linear(asker_dim, hidden_dim) if asker_dim else None

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """Map ids (B, T), 0 only at the end of a row, to the condition z (B, D).

        Where somebody else asks, z is what 0 asks for.
        """
        states_BTD, z_BD, is_word_BT = self._states(tokens_BT)
        if self.key is not None:
            return self.attend(states_BTD, is_word_BT, z_BD.new_zeros(1, self.key.in_features))
        if self.query is not None:
            root = z_BD.shape[1] ** 0.5
            z_BD = _weighted(states_BTD, is_word_BT, self.query(z_BD), root)
        return z_BD * is_word_BT.any(dim=1, keepdim=True)

    def words(self, tokens_BT: Tensor) -> tuple[Tensor, Tensor]:
        """The states (B, T, D) of words, and which of them are words: bool (B, T)."""
        states_BTD, _, is_word_BT = self._states(tokens_BT)
        return states_BTD, is_word_BT

    def attend(self, states_BTD: Tensor, is_word_BT: Tensor, asker_BS: Tensor) -> Tensor:
        """The condition z (B, D) that an asker gets of the `words` of a sentence.

        Raises:
            ValueError: nobody was to ask.
        """
        if self.key is None:
            raise ValueError("this encoder was made with asker_dim=0; give the asker's size")
        query_BD = self.key(asker_BS).expand(len(states_BTD), -1)
        z_BD = _weighted(states_BTD, is_word_BT, query_BD)
        return z_BD * is_word_BT.any(dim=1, keepdim=True)

    def _states(self, tokens_BT: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """States after each word (B, T, D), after the last (B, D), and which are words (B, T)."""
        is_word_BT = tokens_BT != PAD
        length_B1 = is_word_BT.sum(dim=1, keepdim=True)
        states_BTD, z_BD = self._read(self.gru, tokens_BT, length_B1)
        if self.backward_gru is not None:
            # The words of each row in reverse, its padding left in place. Doing it twice undoes it.
            step_T = torch.arange(tokens_BT.shape[1], device=tokens_BT.device)
            reverse_BT = torch.where(is_word_BT, length_B1 - 1 - step_T, step_T)
            reversed_BT = tokens_BT.gather(1, reverse_BT)
            back_BTD, back_BD = self._read(self.backward_gru, reversed_BT, length_B1)
            z_BD = torch.cat([z_BD, back_BD], dim=1)
            states_BTD = torch.cat([states_BTD, _at(back_BTD, reverse_BT)], dim=2)
        return states_BTD, z_BD, is_word_BT

    def _read(self, gru: nn.GRU, tokens_BT: Tensor, length_B1: Tensor) -> tuple[Tensor, Tensor]:
        # Gathering the state at the last word, not packing, leaves the lengths on the device.
        states_BTD = gru(self.embedding(tokens_BT))[0]
        last_B1 = (length_B1 - 1).clamp(min=0)
        return states_BTD, _at(states_BTD, last_B1)[:, 0]


def _weighted(
    states_BTD: Tensor, is_word_BT: Tensor, query_BD: Tensor, divisor: float = 1.0
) -> Tensor:
    """sum_t softmax_t(query . state_t / divisor) state_t over a row's words, (B, D)."""
    score_BT = torch.einsum("bd,btd->bt", query_BD, states_BTD) / divisor
    # The lowest finite number: -inf would make a sentence without words NaN.
    score_BT = score_BT.masked_fill(~is_word_BT, torch.finfo(score_BT.dtype).min)
    return torch.einsum("bt,btd->bd", score_BT.softmax(dim=1), states_BTD)


def _at(states_BTD: Tensor, index_BN: Tensor) -> Tensor:
    """Take the states of each row at its own indices: (B, T, D), (B, N) -> (B, N, D)."""
    return states_BTD.gather(1, index_BN[:, :, None].expand(-1, -1, states_BTD.shape[2]))
