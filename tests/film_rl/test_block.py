"""The FiLM-ed residual block and its coordinates."""

from typing import get_args

import numpy as np
import pytest
import torch

from film_rl import FiLMedResBlock
from film_rl.block import Norm, Placement, append_coordinates, coordinate_maps
from tests.film_rl import reference
from tests.film_rl.helpers import as_arrays, lived_in

NORMS, PLACEMENTS = get_args(Norm), get_args(Placement)


def film_params(block, batch=2):
    return [torch.randn(batch, block.film_features, dtype=torch.float64) for _ in range(2)]


def test_coordinates_run_from_minus_one_to_one_x_along_the_width_and_y_along_the_height():
    maps = coordinate_maps(torch.zeros(2, 7, 3, 5))
    assert maps.shape == (2, 2, 3, 5)
    for row in range(3):
        assert maps[1, 0, row].tolist() == [-1, -0.5, 0, 0.5, 1]
    for column in range(5):
        assert maps[1, 1, :, column].tolist() == [-1, 0, 1]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_appended_coordinates_have_the_dtype_and_layout_of_the_features(layout, dtype):
    x = torch.randn(2, 4, 3, 5, dtype=dtype).to(memory_format=layout)
    out = append_coordinates(x)
    assert out.dtype == dtype
    assert out.is_contiguous(memory_format=layout)
    assert torch.equal(out[:, :4], x)
    assert torch.equal(out[:, 4:], coordinate_maps(x))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("placement", PLACEMENTS)
def test_every_placement_and_norm_equals_numpy(norm, placement):
    block = lived_in(FiLMedResBlock(3, 4, norm=norm, placement=placement))
    x = torch.randn(2, 3, 5, 6, dtype=torch.float64)
    gamma, beta = film_params(block)
    expected = reference.block(
        as_arrays(block), x.numpy(), (gamma.numpy(), beta.numpy()), norm, placement
    )
    np.testing.assert_allclose(block(x, gamma, beta).detach().numpy(), expected, atol=1e-10)


@pytest.mark.parametrize("conditioning", ["film", "concat", "none"])
@pytest.mark.parametrize("residual", [True, False])
@pytest.mark.parametrize("coords", [True, False])
@pytest.mark.parametrize("kernel_size", [1, 5])
def test_every_conditioning_with_and_without_residual_and_coordinates_equals_numpy(
    conditioning, residual, coords, kernel_size
):
    block = lived_in(
        FiLMedResBlock(
            3,
            4,
            kernel_size=kernel_size,
            residual=residual,
            coords=coords,
            conditioning=conditioning,
        )
    )
    x = torch.randn(2, 3, 5, 6, dtype=torch.float64)
    pair = film_params(block) if block.film_features else []
    expected = reference.block(
        as_arrays(block),
        x.numpy(),
        [p.numpy() for p in pair],
        "batch",
        "after_norm",
        residual,
        coords,
        concat=conditioning == "concat",
    )
    np.testing.assert_allclose(block(x, *pair).detach().numpy(), expected, atol=1e-10)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_each_placement_modulates_another_place(placement):
    x = torch.randn(2, 4, 5, 6)
    gamma, beta = torch.randn(2, 2, 4)
    outputs = {}
    for place in PLACEMENTS:
        torch.manual_seed(1)
        outputs[place] = FiLMedResBlock(4, 4, placement=place)(x, gamma, beta)
    others = [outputs[place] for place in PLACEMENTS if place != placement]
    assert not any(torch.allclose(outputs[placement], other) for other in others)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_the_identity_modulation_leaves_the_block_without_norm_as_it_would_be_unconditioned(
    placement,
):
    filmed = FiLMedResBlock(3, 4, norm="none", placement=placement)
    plain = FiLMedResBlock(3, 4, norm="none", conditioning="none")
    plain.load_state_dict(filmed.state_dict())
    x, C = torch.randn(2, 3, 5, 6), filmed.film_features
    assert torch.equal(filmed(x, torch.ones(2, C), torch.zeros(2, C)), plain(x))


def test_the_number_of_modulated_features_is_that_of_the_place():
    for placement in PLACEMENTS:
        block = FiLMedResBlock(3, 4, placement=placement)
        assert block.film_features == (3 if placement == "before_conv1" else 4)
    assert FiLMedResBlock(3, 4, placement="before_conv1", conditioning="concat").film_features == 4
    assert FiLMedResBlock(3, 4, conditioning="none").film_features == 0


@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_the_norm_has_its_own_scale_and_shift_exactly_where_film_gives_none(norm):
    for conditioning, count in [("film", 0), ("concat", 2), ("none", 2)]:
        block = FiLMedResBlock(3, 4, norm=norm, conditioning=conditioning)
        assert len(list(block.norm.parameters())) == count


@pytest.mark.parametrize("norm", ["layer", "none"])
def test_without_batch_statistics_training_evaluation_and_other_samples_change_nothing(norm):
    block = FiLMedResBlock(3, 4, norm=norm)
    x, gamma, beta = torch.randn(5, 3, 5, 6), torch.randn(5, 4), torch.randn(5, 4)
    training, evaluation = block.train()(x, gamma, beta), block.eval()(x, gamma, beta)
    assert torch.equal(training, evaluation)
    torch.testing.assert_close(training[:1], block(x[:1], gamma[:1], beta[:1]))


def test_with_batch_statistics_training_and_evaluation_differ():
    block = FiLMedResBlock(3, 4, norm="batch")
    x, gamma, beta = torch.randn(5, 3, 5, 6), torch.randn(5, 4), torch.randn(5, 4)
    assert not torch.allclose(block.train()(x, gamma, beta), block.eval()(x, gamma, beta))


def test_a_hook_on_the_film_layer_sees_what_is_modulated_before_and_after():
    block, seen = FiLMedResBlock(3, 4, placement="after_residual"), []
    block.film.register_forward_hook(lambda module, inputs, out: seen.append((*inputs, out)))
    gamma, beta = torch.randn(2, 2, 4)
    out = block(torch.randn(2, 3, 5, 6), gamma, beta)
    ((before, seen_gamma, seen_beta, after),) = seen
    assert all(map(torch.equal, (seen_gamma, seen_beta, after), (gamma, beta, out)))
    assert torch.equal(reference_film(before, gamma, beta), after)


def reference_film(x, gamma, beta):
    return gamma[:, :, None, None] * x + beta[:, :, None, None]


def test_the_block_leaves_its_inputs_as_they_are():
    block = FiLMedResBlock(3, 4)
    inputs = torch.randn(2, 3, 5, 6), torch.randn(2, 4), torch.randn(2, 4)
    before = [t.clone() for t in inputs]
    block(*inputs)
    assert all(map(torch.equal, inputs, before))


def test_even_kernels_and_unknown_options_are_refused():
    with pytest.raises(
        ValueError, match=r"kernel_size=4 is even.*expected an odd number, such as 5"
    ):
        FiLMedResBlock(3, 4, kernel_size=4)
    with pytest.raises(
        ValueError,
        match=r"norm='bacth' is unknown; expected one of 'batch', 'layer', 'none'; did you mean",
    ):
        FiLMedResBlock(3, 4, norm="bacth")
    with pytest.raises(
        ValueError, match=r"placement='after_conv' is unknown.*did you mean 'after_conv2'\?"
    ):
        FiLMedResBlock(3, 4, placement="after_conv")
    with pytest.raises(
        ValueError,
        match=r"conditioning='FiLM' is unknown; expected one of 'film', 'concat', 'none'",
    ):
        FiLMedResBlock(3, 4, conditioning="FiLM")


def test_a_block_says_when_gamma_and_beta_are_missing_or_too_many():
    x, gamma = torch.randn(2, 3, 5, 6), torch.randn(2, 4)
    with pytest.raises(ValueError, match="conditioning='film' takes x, gamma and beta"):
        FiLMedResBlock(3, 4)(x)
    with pytest.raises(ValueError, match="conditioning='concat' takes x, gamma and beta"):
        FiLMedResBlock(3, 4, conditioning="concat")(x, gamma)
    with pytest.raises(ValueError, match="conditioning='none' takes x alone"):
        FiLMedResBlock(3, 4, conditioning="none")(x, gamma, gamma)
