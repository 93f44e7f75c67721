"""Stems, each against numpy."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from film_rl import FeatureStem, GridStem, PixelStem
from tests.film_rl import reference
from tests.film_rl.helpers import as_arrays, lived_in


def test_four_pixel_layers_map_224_to_14():
    stem = PixelStem().eval()
    assert stem(torch.rand(1, 3, 224, 224)).shape == (1, 128, 14, 14)
    assert stem.channels == 128


def test_the_pixel_stem_equals_numpy():
    stem = lived_in(PixelStem(3, 4, num_layers=2))
    x = torch.rand(2, 3, 12, 8, dtype=torch.float64)
    expected = reference.conv_stem(as_arrays(stem), x.numpy(), stride=2, padding=1)
    np.testing.assert_allclose(stem(x).detach().numpy(), expected, atol=1e-10)


def test_a_pixel_stem_without_norm_answers_alike_in_training_and_evaluation():
    stem, x = PixelStem(3, 4, num_layers=2, norm=False), torch.rand(2, 3, 12, 8)
    assert stem(x).shape == (2, 4, 3, 2)
    assert torch.equal(stem.train()(x), stem.eval()(x))


def test_a_pixel_stem_of_2x2_reads_each_tile_by_itself():
    stem = PixelStem(3, 4, num_layers=3, norm=False, kernel_size=2)
    x = torch.rand(2, 3, 24, 16)
    tiles = x.unfold(2, 8, 8).unfold(3, 8, 8).permute(0, 2, 3, 1, 4, 5).reshape(-1, 3, 8, 8)
    expected = stem(tiles).view(2, 3, 2, 4).permute(0, 3, 1, 2)
    torch.testing.assert_close(stem(x), expected)
    with pytest.raises(ValueError, match="kernel_size=3 does not halve"):
        PixelStem(kernel_size=3)


@pytest.mark.parametrize("coords", [True, False])
@pytest.mark.parametrize("num_layers", [1, 2])
def test_the_feature_stem_equals_numpy(coords, num_layers):
    stem = lived_in(FeatureStem(6, 4, num_layers=num_layers, coords=coords))
    x = torch.randn(2, 6, 5, 4, dtype=torch.float64)
    inputs = reference.with_coordinates(x.numpy()) if coords else x.numpy()
    expected = reference.conv_stem(as_arrays(stem), inputs, stride=1, padding=1)
    np.testing.assert_allclose(stem(x).detach().numpy(), expected, atol=1e-10)


def test_the_feature_stem_refuses_even_kernels():
    with pytest.raises(ValueError, match="kernel_size=2 is even"):
        FeatureStem(6, 4, kernel_size=2)


@settings(derandomize=True, deadline=None, max_examples=30)
@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=4),
    st.integers(0, 2),
    st.sampled_from([torch.uint8, torch.int64]),
    st.integers(0, 2**16),
)
def test_the_grid_stem_equals_numpy(num_values, num_layers, dtype, seed):
    stem = GridStem(num_values, channels=5, num_layers=num_layers).double()
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, num_values, size=(2, 4, 3, len(num_values)))
    expected = reference.grid_stem(as_arrays(stem), codes, num_values)
    out = stem(torch.as_tensor(codes).to(dtype))
    assert out.shape == (2, 5, 3, 4)
    np.testing.assert_allclose(out.detach().numpy(), expected, atol=1e-12)


def test_one_cell_of_the_grid_changes_one_cell_of_the_features_x_along_the_width():
    stem = GridStem(num_layers=2)
    codes = torch.randint(0, 11, (1, 7, 7, 3))
    other = codes.clone()
    other[0, 5, 2] = (codes[0, 5, 2] + 1) % 11  # x = 5, y = 2
    changed = (stem(codes) != stem(other)).any(dim=1)[0]
    assert changed.nonzero().tolist() == [[2, 5]]


def test_the_sum_of_the_codes_embeddings_starts_with_unit_variance():
    stem = GridStem((11, 11, 11), channels=512, num_layers=0)
    assert stem(torch.randint(0, 11, (8, 7, 7, 3))).var().item() == pytest.approx(1, rel=0.1)
    assert stem.embedding.num_embeddings == 33


@pytest.mark.parametrize("shape", [(2, 3, 7, 7), (7, 7, 3), (2, 7, 7, 1)])
def test_codes_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r"expected \(B, W, H, 3\)") as e:
        GridStem()(torch.zeros(shape, dtype=torch.uint8))
    assert str(shape) in str(e.value)
