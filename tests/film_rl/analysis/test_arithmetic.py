"""Sums and differences of sentences."""

from itertools import permutations, product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from film_rl import FiLMGenerator
from film_rl.analysis.arithmetic import (
    Formula,
    analogies_found,
    analogy,
    combined,
    distances,
    parse_formula,
)

COLORS, SHAPES = ("red", "blue", "green"), ("ball", "key", "box")
CONDITION = {word: vector for word, vector in zip(COLORS + SHAPES, torch.eye(6), strict=True)}


def pair(gamma, beta):
    return (torch.tensor([gamma]), torch.tensor([beta]))


def test_gammas_and_betas_are_added_and_taken_away_block_by_block():
    a = [pair([1.0, 2.0], [0.0, -1.0]), pair([3.0], [4.0])]
    b = [pair([5.0, 0.0], [1.0, 1.0]), pair([1.0], [0.5])]
    c = [pair([2.0, 2.0], [3.0, 0.0]), pair([-1.0], [2.0])]
    (first, second) = analogy(a, b, c)
    assert [p.tolist() for p in first] == [[[4.0, 0.0]], [[-2.0, 0.0]]]
    assert [p.tolist() for p in second] == [[[5.0]], [[2.5]]]
    (half, _) = combined([(0.5, a)])
    assert [p.tolist() for p in half] == [[[0.5, 1.0]], [[0.0, -0.5]]]


def test_an_analogy_is_exact_where_the_generator_is_linear_in_colour_and_shape():
    generator = FiLMGenerator(condition_dim=6, num_features=[4, 7]).double()

    def film_of(color, shape):
        return generator((CONDITION[color] + CONDITION[shape]).double()[None])

    quadruples = product(permutations(COLORS, 2), permutations(SHAPES, 2))
    for (color, other_color), (shape, other_shape) in quadruples:
        guess = analogy(
            film_of(color, other_shape),
            film_of(other_color, shape),
            film_of(other_color, other_shape),
        )
        for found, true in zip(guess, film_of(color, shape), strict=True):
            torch.testing.assert_close(found, true)


def test_terms_that_do_not_fit_together_are_refused():
    with pytest.raises(ValueError, match="nothing to combine"):
        combined([])
    with pytest.raises(ValueError, match="the same in all"):
        combined([(1, [pair([1.0], [1.0])]), (1, [pair([1.0, 2.0], [1.0, 2.0])])])
    with pytest.raises(ValueError, match="the same in all"):
        combined([(1, [pair([1.0], [1.0])]), (1, [])])


WORDS = ["how", "many", "left-handed", "cubes?", "C=D", "1+1"]
SENTENCE = st.lists(st.sampled_from(WORDS), min_size=1)


@given(
    terms=st.lists(st.tuples(st.sampled_from([1, -1]), SENTENCE), min_size=1, max_size=4),
    target=st.none() | SENTENCE,
)
def test_a_formula_is_read_as_it_is_written(terms, target):
    words = tuple((sign, " ".join(sentence)) for sign, sentence in terms)
    formula = Formula(words, " ".join(target) if target else None)
    assert parse_formula(str(formula)) == formula
    assert parse_formula(f"  + {formula}".replace("+ - ", "- ")) == formula


@pytest.mark.parametrize("text", ["", "+", "go to - ", "a + + b", "a = b = c", "a + b ="])
def test_a_formula_without_a_sentence_is_refused(text):
    with pytest.raises(ValueError, match="cannot read the formula"):
        parse_formula(text)


def test_distance_counts_gamma_and_beta_of_all_blocks():
    to = [pair([1.0, 0.0], [0.0, 0.0]), pair([2.0], [0.0])]
    others = [
        (torch.tensor([[1.0, 0.0], [1.0, 3.0]]), torch.zeros(2, 2)),
        (torch.tensor([[2.0], [2.0]]), torch.tensor([[0.0], [4.0]])),
    ]
    assert distances(to, others).tolist() == [0, 5]


def test_every_analogy_is_found_where_the_generator_is_linear_in_colour_and_shape():
    generator = FiLMGenerator(condition_dim=6, num_features=[4, 7]).double()
    words = list(product(COLORS, SHAPES))
    z = torch.stack([CONDITION[color] + CONDITION[shape] for color, shape in words]).double()
    colors, shapes = zip(*words, strict=True)
    found = analogies_found(generator(z), colors, shapes)
    assert found == {"analogies": 9 * 4, "nearest": 1, "chance": 1 / 6}
    at_random = [(torch.randn(9, 50), torch.randn(9, 50))]
    assert analogies_found(at_random, colors, shapes)["nearest"] < 0.7
    with pytest.raises(ValueError, match="expected one"):
        analogies_found(at_random, colors, ["ball"] * 9)
    with pytest.raises(ValueError, match="no analogy"):
        analogies_found(at_random, ["red"] * 9, [str(n) for n in range(9)])
