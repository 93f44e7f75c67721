"""What FiLM is, and what its generator predicts."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from film_rl import FiLM, FiLMGenerator, film, film_penalty
from tests.film_rl import reference

truth = settings(derandomize=True, deadline=None, max_examples=40)
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


@st.composite
def modulations(draw, dtypes=(torch.float64,)):
    """x (B, C, ...) of rank 2 to 5, with gamma and beta (B, C)."""
    shape = draw(st.lists(st.integers(1, 4), min_size=2, max_size=5))
    dtype = draw(st.sampled_from(dtypes))
    rng = torch.Generator().manual_seed(draw(st.integers(0, 2**16)))
    return tuple(
        torch.randn(s, generator=rng, dtype=torch.float64).to(dtype)
        for s in (shape, shape[:2], shape[:2])
    )


@truth
@given(modulations(DTYPES))
def test_film_equals_a_loop_over_every_entry_for_any_rank_and_dtype(xgb):
    x, _, _ = xgb
    out = film(*xgb)
    expected = reference.film(*(t.double().numpy() for t in xgb))
    rounding = {"atol": 8 * torch.finfo(x.dtype).eps, "rtol": 8 * torch.finfo(x.dtype).eps}
    assert out.dtype == x.dtype
    np.testing.assert_allclose(out.double().numpy(), expected, **rounding)


@truth
@given(modulations(DTYPES))
def test_gamma_one_and_beta_zero_is_exactly_the_identity(xgb):
    x, gamma, beta = xgb
    assert torch.equal(film(x, torch.ones_like(gamma), torch.zeros_like(beta)), x)


@truth
@given(modulations(), st.floats(-3, 3), st.floats(-3, 3))
def test_without_beta_film_is_linear_in_x(xgb, a, b):
    x, gamma, beta = xgb
    y = x.flip(0, -1) ** 2
    zero = torch.zeros_like(beta)
    combined = film(a * x + b * y, gamma, zero)
    torch.testing.assert_close(combined, a * film(x, gamma, zero) + b * film(y, gamma, zero))


@truth
@given(modulations(), st.floats(-3, 3), st.floats(-3, 3))
def test_film_is_linear_in_gamma_and_beta_together(xgb, a, b):
    x, gamma, beta = xgb
    gamma2, beta2 = gamma.flip(1), beta.flip(0)
    combined = film(x, a * gamma + b * gamma2, a * beta + b * beta2)
    torch.testing.assert_close(combined, a * film(x, gamma, beta) + b * film(x, gamma2, beta2))


@truth
@given(modulations(), st.randoms(use_true_random=False))
def test_film_commutes_with_permuting_samples_and_features(xgb, random):
    x = xgb[0]
    rows = random.sample(range(x.shape[0]), x.shape[0])
    columns = random.sample(range(x.shape[1]), x.shape[1])
    permuted = film(*(t[rows][:, columns] for t in xgb))
    assert torch.equal(permuted, film(*xgb)[rows][:, columns])


@truth
@given(modulations())
def test_film_leaves_its_inputs_as_they_are(xgb):
    before = [t.clone() for t in xgb]
    film(*xgb)
    assert all(map(torch.equal, xgb, before))


def test_the_gradients_of_film_are_its_derivatives():
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    gamma, beta = torch.randn(2, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(film, (x, gamma, beta))


def test_gamma_and_beta_may_be_slices_of_one_larger_tensor():
    out_BX, x = torch.randn(2, 10), torch.randn(2, 3, 4, 4)
    gamma, beta = out_BX[:, 1:4], out_BX[:, 5:8]
    assert torch.equal(film(x, gamma, beta), film(x, gamma.clone(), beta.clone()))


@pytest.mark.parametrize(
    ("x", "gamma", "beta"),
    [
        ((2, 3, 4), (2, 4), (2, 3)),
        ((2, 3), (2, 3), (3,)),
        ((2, 3), (1, 3), (1, 3)),
        ((3,), (3,), (3,)),
    ],
)
def test_shapes_that_do_not_fit_are_named_with_the_expected_ones(x, gamma, beta):
    x, gamma, beta = torch.ones(x), torch.ones(gamma), torch.ones(beta)
    with pytest.raises(
        ValueError, match=r"expected x \(B, C, \.\.\.\) with gamma and beta both"
    ) as e:
        film(x, gamma, beta)
    for tensor in (x, gamma, beta):
        assert str(tuple(tensor.shape)) in str(e.value)


def test_a_hook_on_the_layer_sees_x_gamma_and_beta():
    layer, seen = FiLM(), []
    layer.register_forward_hook(lambda module, inputs, output: seen.append((*inputs, output)))
    x, gamma, beta = torch.randn(2, 3, 4), torch.randn(2, 3), torch.randn(2, 3)
    layer(x, gamma, beta)
    assert all(map(torch.equal, seen[0], (x, gamma, beta, film(x, gamma, beta))))
    assert list(layer.parameters()) == []


KINDS = {
    "linear": {},
    "mlp": {"kind": "mlp", "hidden_dim": 7},
    "mlp of the condition's size": {"kind": "mlp"},
    "recurrent": {"kind": "recurrent", "hidden_dim": 7},
}


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_the_generator_equals_numpy(options):
    generator = FiLMGenerator(5, [2, 4, 3], **options).double()
    weights = {name: p.detach().numpy() for name, p in generator.named_parameters()}
    z = torch.randn(6, 5, dtype=torch.float64)
    expected = reference.generate(weights, z.numpy(), [2, 4, 3])
    for pair, expected_pair in zip(generator(z), expected, strict=True):
        for tensor, array in zip(pair, expected_pair, strict=True):
            np.testing.assert_allclose(tensor.detach().numpy(), array, atol=1e-12)


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_the_gradients_of_the_generator_are_its_derivatives(options):
    generator = FiLMGenerator(3, [2, 1, 2], **options).double()
    z = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    names, parameters = zip(*generator.named_parameters(), strict=True)

    def outputs(z, *parameters):
        pairs = torch.func.functional_call(generator, dict(zip(names, parameters, strict=True)), z)
        return torch.cat([tensor for pair in pairs for tensor in pair], dim=1)

    assert torch.autograd.gradcheck(outputs, (z, *parameters))


def test_a_recurrent_generator_s_first_blocks_do_not_hear_of_the_later_ones():
    z = torch.randn(4, 5)
    long = FiLMGenerator(5, [2, 3, 4], kind="recurrent")
    short = FiLMGenerator(5, [2, 3], kind="recurrent")
    weights = {name: w[: 2 * (2 + 3)] for name, w in long.linear.state_dict().items()}
    short.linear.load_state_dict(weights)
    short.cell.load_state_dict(long.cell.state_dict())
    for pair, same in zip(short(z), long(z)[:2], strict=True):
        assert all(map(torch.equal, pair, same))


def test_a_linear_layer_of_zeros_predicts_the_identity():
    generator = FiLMGenerator(5, [2, 3])
    nn.init.zeros_(generator.linear.weight)
    nn.init.zeros_(generator.linear.bias)
    for gamma, beta in generator(torch.randn(4, 5)):
        assert torch.equal(gamma, torch.ones_like(gamma))
        assert torch.equal(beta, torch.zeros_like(beta))


@pytest.mark.parametrize(
    ("gamma_fn", "low", "high"),
    [("sigmoid", 0, 1), ("tanh", -1, 1), ("exp", 0, float("inf"))],
)
def test_a_restricted_gamma_is_the_function_of_the_free_one_and_stays_in_its_range(
    gamma_fn, low, high
):
    free = FiLMGenerator(5, [8]).double()
    restricted = FiLMGenerator(5, [8], gamma_fn=gamma_fn).double()
    restricted.load_state_dict(free.state_dict())
    z = 4 * torch.randn(64, 5, dtype=torch.float64)
    (free_gamma, free_beta), (gamma, beta) = free(z)[0], restricted(z)[0]
    assert free_gamma.min() < -1
    assert free_gamma.max() > 1
    assert low < gamma.min()
    assert gamma.max() < high
    assert torch.equal(gamma, getattr(torch, gamma_fn)(free_gamma))
    assert torch.equal(beta, free_beta)


def test_what_is_not_used_is_constant_and_has_no_weights():
    z = torch.randn(4, 5)
    no_gamma = FiLMGenerator(5, [2, 3], use_gamma=False, gamma_fn="sigmoid")
    no_beta = FiLMGenerator(5, [2, 3], use_beta=False)
    for (gamma, beta), C in zip(no_gamma(z), [2, 3], strict=True):
        assert torch.equal(gamma, torch.ones(4, C))
        assert beta.shape == (4, C)
        assert beta.std() > 0
    for (gamma, beta), C in zip(no_beta(z), [2, 3], strict=True):
        assert torch.equal(beta, torch.zeros(4, C))
        assert gamma.shape == (4, C)
        assert gamma.std() > 0
    assert no_gamma.linear.out_features == no_beta.linear.out_features == 2 + 3


def test_a_generator_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="leave nothing to predict"):
        FiLMGenerator(5, [2], use_gamma=False, use_beta=False)
    with pytest.raises(
        ValueError, match=r"gamma_fn='sigmiod' is unknown.*did you mean 'sigmoid'\?"
    ):
        FiLMGenerator(5, [2], gamma_fn="sigmiod")
    with pytest.raises(ValueError, match=r"kind='reccurent' is unknown.*mean 'recurrent'\?"):
        FiLMGenerator(5, [2], kind="reccurent")
    with pytest.raises(ValueError, match="hidden_dim=7, but a linear generator has no hidden"):
        FiLMGenerator(5, [2], hidden_dim=7)
    with pytest.raises(ValueError, match="one positive number of features per modulated block"):
        FiLMGenerator(5, [])
    with pytest.raises(ValueError, match="one positive number of features per modulated block"):
        FiLMGenerator(5, [2, 0])


def test_the_penalty_is_the_mean_squared_distance_from_the_identity():
    film_params = [(torch.randn(3, 2), torch.randn(3, 2)), (torch.randn(3, 5), torch.randn(3, 5))]
    terms = [
        (gamma[b, c].item() - 1) ** 2 + beta[b, c].item() ** 2
        for gamma, beta in film_params
        for b, c in np.ndindex(*gamma.shape)
    ]
    assert film_penalty(film_params).item() == pytest.approx(sum(terms) / len(terms))
    assert film_penalty([(torch.ones(3, 2), torch.zeros(3, 2))]) == 0
    assert film_penalty([]) == 0


def test_descending_the_penalty_leads_to_the_identity():
    gamma, beta = torch.randn(2, 3, 4, requires_grad=True)
    g, b = torch.autograd.grad(film_penalty([(gamma, beta)]), (gamma, beta))
    step = gamma.numel() / 2  # the penalty is a parabola: one Newton step
    torch.testing.assert_close(gamma - step * g, torch.ones(3, 4))
    torch.testing.assert_close(beta - step * b, torch.zeros(3, 4))
