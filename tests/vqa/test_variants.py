"""Each row of the paper's ablations changes what it says, at any depth."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.vqa.toy import TOY
from vqa.config import PRESETS, paper, small
from vqa.model import QuestionAnswerer
from vqa.sizes import preset_for
from vqa.systems import SYSTEMS, build_system, check_system
from vqa.variants import VARIANTS, run_name, variants_of

TOKENS = torch.tensor([[1, 5, 6, 2], [1, 7, 8, 2], [1, 4, 3, 2]])
DEPTH = replace(TOY, blocks=4)


def answerer(name: str, config=DEPTH) -> QuestionAnswerer:
    torch.manual_seed(0)
    model = build_system(VARIANTS[name].change(config), vocab_size=10, num_answers=4)
    assert isinstance(model, QuestionAnswerer)
    return model.eval()


def conditioned(name: str, config) -> tuple[bool, ...]:
    with torch.device("meta"):
        network = answerer(name, config).network.config
    return network.conditioned_blocks


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_of_every_preset_is_a_network(name, preset):
    with torch.device("meta"):
        build_system(VARIANTS[name].change(PRESETS[preset]()), vocab_size=93, num_answers=28)


def test_film_is_taken_from_the_last_blocks_as_in_the_papers_four():
    names = ("no-film-4", "no-film-3-4", "no-film-2-4", "no-film-1-4")
    kept = [conditioned(name, paper()) for name in names]
    assert kept == [(True,) * n + (False,) * (4 - n) for n in (3, 2, 1, 0)]
    assert [sum(conditioned(name, small())) for name in names] == [2, 1, 1, 0]


@given(blocks=st.integers(1, 12))
def test_at_any_depth_film_stays_in_the_first_blocks_and_ever_fewer(blocks):
    config = replace(small(), blocks=blocks)
    names = ("film", "no-film-4", "no-film-3-4", "no-film-2-4", "no-film-1-4")
    kept = [conditioned(name, config) for name in names]
    assert all(list(one) == sorted(one, reverse=True) for one in kept)
    numbers = [sum(one) for one in kept]
    assert numbers == sorted(numbers, reverse=True)
    assert numbers[0] == blocks
    assert numbers[-2:] == [1, 0]


def test_without_film_in_any_block_the_question_does_not_matter():
    image = torch.rand(1, 3, 16, 16).expand(3, -1, -1, -1)
    for name in VARIANTS:
        if not name.startswith("depth"):
            logits = answerer(name)(image, TOKENS)
            change = (logits - logits[0]).abs().max()
            assert change < 1e-5 if name == "no-film-1-4" else change > 1e-3, name


def test_gamma_and_beta_are_restricted_as_the_rows_say():
    gammas, betas = {}, {}
    for name in ("film", "beta-zero", "gamma-one", "gamma-sigmoid", "gamma-tanh", "gamma-exp"):
        pairs = answerer(name).condition(TOKENS)
        gammas[name] = torch.cat([gamma for gamma, _ in pairs])
        betas[name] = torch.cat([beta for _, beta in pairs])
    assert not betas["beta-zero"].any()
    assert (gammas["gamma-one"] == 1).all()
    for name, function in (("sigmoid", torch.sigmoid), ("tanh", torch.tanh), ("exp", torch.exp)):
        torch.testing.assert_close(gammas[f"gamma-{name}"], function(gammas["film"]))
        assert torch.equal(betas[f"gamma-{name}"], betas["film"])


def test_the_depths_are_the_papers():
    depths = [VARIANTS[name].change(small()).blocks for name in variants_of(["table 3"])]
    assert depths == [1, 2, 3, 4, 5, 6, 7, 8, 12]


def test_pixels_take_the_place_of_features_and_change_nothing_else():
    assert VARIANTS["raw-pixels"].change(small()) == small()
    features = replace(paper(), inputs="features", stem_layers=1)
    assert VARIANTS["raw-pixels"].change(features) == paper()


@pytest.mark.parametrize(
    ("config", "networks", "shared"),
    [
        (
            small(),
            28,
            {"depth-3": "film", "no-film-2-4": "no-film-3-4", "early-film": "no-film-3-4"},
        ),
        (paper(), 29, {"depth-4": "film", "early-film": "no-film-2-4"}),
    ],
    ids=["small", "paper"],
)
def test_variants_that_are_one_network_share_their_runs_and_no_others(config, networks, shared):
    names = {name: run_name(name, config) for name in VARIANTS}
    changed = {name: VARIANTS[name].change(config) for name in VARIANTS}
    assert all((names[a] == names[b]) == (changed[a] == changed[b]) for a in names for b in names)
    always = {
        "raw-pixels": "film", "linear-generator": "film",
        "beta-zero": "scale", "gamma-one": "bias", "no-film-1-4": "none",
    }  # fmt: skip
    assert {name: run for name, run in names.items() if run != name} == shared | always
    assert len(set(names.values())) == networks


@pytest.mark.parametrize("preset", ["small", "fast", "paper"])
def test_networks_of_table_1_are_trained_once(preset):
    base = PRESETS[preset]()
    for name in VARIANTS:
        run = run_name(name, base)
        if run in SYSTEMS:
            assert VARIANTS[name].change(base) == preset_for(preset, run)


def test_a_variant_changes_options_and_never_the_data_or_the_length_of_training():
    ours = {"data", "cache", "seed", "steps", "epochs", "batch_size", "device", "train_images"}
    for name, variant in VARIANTS.items():
        before, after = vars(small()), vars(variant.change(small()))
        assert not {option for option in ours if before[option] != after[option]}, name


def test_without_film_what_would_shape_it_is_left_out():
    shaped = replace(small(), placement="before_conv1", generator="mlp", film_penalty=0.1)
    without = VARIANTS["no-film-1-4"].change(shaped)
    check_system(without)
    assert without == VARIANTS["no-film-1-4"].change(small())
