"""The whole network: the sentence steers, and numpy agrees."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn

from film_rl import (
    FeatureStemConfig,
    FiLMedNetwork,
    GeneratorConfig,
    GridStemConfig,
    NetworkConfig,
    PixelStemConfig,
    SentenceConfig,
)
from film_rl.block import Norm, Placement, append_coordinates
from film_rl.network import Conditioning, distinct_cells
from tests.film_rl import reference
from tests.film_rl.helpers import as_arrays, lived_in

GRID = GridStemConfig((11, 6, 3), channels=6)
SENTENCE = SentenceConfig(vocab_size=9, embedding_dim=5, hidden_dim=8)
CONFIG = NetworkConfig(GRID, SENTENCE, channels=4, kernel_sizes=(1, 3), norm="layer")
TOKENS = torch.tensor([[1, 2, 3, 0], [4, 0, 0, 0], [5, 6, 7, 8]])
CODES = torch.randint(0, 3, (3, 7, 5, 3), generator=torch.Generator().manual_seed(0))
PAPER = NetworkConfig(FeatureStemConfig(), SentenceConfig(93, 200, 4096))


def parameters(*modules):
    return sum(p.numel() for module in modules for p in module.parameters())


def paper_classifier():
    """The classifier of the paper, behind the two coordinate maps."""
    return nn.Sequential(
        nn.Conv2d(128 + 2, 512, 1),
        nn.BatchNorm2d(512),
        nn.ReLU(),
        nn.AdaptiveMaxPool2d(1),
        nn.Flatten(),
        nn.Linear(512, 1024),
        nn.BatchNorm1d(1024),
        nn.ReLU(),
        nn.Linear(1024, 32),
    )


@pytest.mark.parametrize(
    ("stem", "x", "total"),
    [
        (FeatureStemConfig(), (2, 1024, 14, 14), 59_495_752),
        (PixelStemConfig(), (2, 3, 224, 224), 59_107_528),
    ],
)
def test_the_papers_network_has_the_papers_parameters(stem, x, total):
    with torch.device("meta"):
        network, classifier = FiLMedNetwork(replace(PAPER, stem=stem)), paper_classifier()
        features = network(torch.zeros(x), torch.ones(2, 46, dtype=torch.long))
        answers = classifier(append_coordinates(features))
    assert features.shape == (2, 128, 14, 14)
    assert answers.shape == (2, 32)
    assert parameters(network, classifier) == total
    assert parameters(network.encoder, network.generator) == 57_027_752


def numpy_network(config, weights):
    """The features of CODES and TOKENS, every block conditioned."""
    encoder, generator, stem = (
        reference.part(weights, name) for name in ("encoder", "generator", "stem")
    )
    z = np.array([reference.encode(encoder, row[row > 0].numpy()) for row in TOKENS])
    num_features = [config.channels] * len(config.kernel_sizes)
    if config.placement == "before_conv1":
        num_features[0] = config.stem.channels
    features = reference.grid_stem(stem, CODES.numpy(), config.stem.num_values)
    for index, pair in enumerate(reference.generate(generator, z, num_features)):
        features = reference.block(
            reference.part(weights, f"blocks.{index}"),
            features,
            pair,
            config.norm,
            config.placement,
            config.residual,
            config.coords,
            concat=config.conditioning == "concat",
        )
    return features


@pytest.mark.parametrize(
    "options",
    [
        *({"norm": n, "placement": p} for n in get_args(Norm) for p in get_args(Placement)),
        {"kernel_sizes": (5, 1, 3)},
        {"residual": False},
        {"coords": False},
        {"conditioning": "concat"},
        {"generator": GeneratorConfig("mlp", hidden_dim=7)},
        {"generator": GeneratorConfig("recurrent")},
        {"sentence": replace(SENTENCE, bidirectional=True, attention=True)},
    ],
    ids=str,
)
def test_the_whole_network_equals_numpy(options):
    config = replace(CONFIG, **options)
    network = lived_in(FiLMedNetwork(config))
    assert [b.conv2.kernel_size for b in network.blocks] == [(k, k) for k in config.kernel_sizes]
    expected = numpy_network(config, as_arrays(network))
    double = network(CODES, TOKENS).detach().numpy()
    single = network.float()(CODES, TOKENS).detach().numpy()
    np.testing.assert_allclose(double, expected, rtol=0, atol=1e-10)
    np.testing.assert_allclose(single, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("conditioning", get_args(Conditioning))
def test_the_sentence_matters_unless_the_network_is_unconditioned(conditioning):
    network = FiLMedNetwork(replace(CONFIG, conditioning=conditioning))
    features, other = network(CODES, TOKENS), network(CODES, TOKENS.roll(1, dims=0))
    change = (features - other).flatten(1).abs().amax(dim=1)
    assert (change == 0).all() if conditioning == "none" else (change > 1e-4).all()


def test_the_family_restricts_gamma_and_beta():
    def film_params(conditioning, **generator):
        config = replace(CONFIG, conditioning=conditioning, generator=GeneratorConfig(**generator))
        return FiLMedNetwork(config).condition(TOKENS)

    for gamma, beta in film_params("film") + film_params("concat"):
        assert gamma.std() > 0
        assert beta.std() > 0
    for gamma, beta in film_params("bias"):
        assert torch.equal(gamma, torch.ones_like(gamma))
        assert beta.std() > 0
    for gamma, beta in film_params("scale", gamma_fn="tanh") + film_params("gate"):
        assert torch.equal(beta, torch.zeros_like(beta))
        assert gamma.std() > 0
        assert -1 < gamma.min() < gamma.max() < 1
    assert all(gamma.min() > 0 for gamma, _ in film_params("gate"))
    assert film_params("none") == []


def test_the_family_has_no_weights_for_what_it_does_not_predict():
    outputs = {
        conditioning: FiLMedNetwork(replace(CONFIG, conditioning=conditioning))
        for conditioning in get_args(Conditioning)
        if conditioning != "none"
    }
    widths = {name: network.generator.linear.out_features for name, network in outputs.items()}
    both_blocks = {"film": 16, "bias": 8, "scale": 8, "gate": 8, "concat": 16}
    assert widths == both_blocks | {"gated_attention": 4}


@pytest.mark.parametrize("film_blocks", [None, (False, True)])
def test_gated_attention_multiplies_what_an_unconditioned_network_sees_and_that_is_all(film_blocks):
    """Chaplot et al. 2018: features * sigmoid(Linear(z)), where `gate` acts in every block."""
    config = replace(CONFIG, norm="none", conditioning="gated_attention", film_blocks=film_blocks)
    network = FiLMedNetwork(config)
    plain = FiLMedNetwork(replace(config, conditioning="none", film_blocks=None))
    missing, extra = plain.load_state_dict(network.state_dict(), strict=False)
    assert not missing
    assert {name.partition(".")[0] for name in extra} == {"encoder", "generator"}
    gate_BC = torch.sigmoid(network.generator.linear(network.encoder(TOKENS)))
    expected = plain(CODES, TOKENS) * gate_BC[:, :, None, None]
    torch.testing.assert_close(network(CODES, TOKENS), expected)


def test_gated_attention_may_act_behind_another_block_but_only_one():
    gated = replace(CONFIG, norm="none", conditioning="gated_attention", film_blocks=(True, False))
    network = FiLMedNetwork(gated)
    ((gamma, beta),) = network.condition(TOKENS)
    first = network.blocks[0](network.stem(CODES), torch.ones_like(gamma), beta)
    expected = network.blocks[1](first * gamma[:, :, None, None])
    torch.testing.assert_close(network(CODES, TOKENS), expected)
    with pytest.raises(ValueError, match="acts at one place; leave film_blocks out"):
        replace(gated, film_blocks=(True, True))


def test_an_unconditioned_network_has_neither_encoder_nor_generator():
    network = FiLMedNetwork(replace(CONFIG, conditioning="none"))
    assert parameters(network) == parameters(network.stem, network.blocks)
    assert network.encoder is network.generator is None


@pytest.mark.parametrize("film_blocks", [(True, False), (False, True)])
def test_a_block_without_film_is_as_in_the_unconditioned_network(film_blocks):
    network = FiLMedNetwork(replace(CONFIG, film_blocks=film_blocks))
    plain = FiLMedNetwork(replace(CONFIG, conditioning="none"))
    assert len(network.condition(TOKENS)) == 1
    for block, unconditioned, conditioned in zip(
        network.blocks, plain.blocks, film_blocks, strict=True
    ):
        same_names = list(block.state_dict()) == list(unconditioned.state_dict())
        assert same_names != conditioned
        assert (block.film_features > 0) == conditioned


def test_the_output_has_the_channels_it_says():
    for config in (CONFIG, replace(CONFIG, channels=3), replace(CONFIG, kernel_sizes=(5,))):
        network = FiLMedNetwork(config)
        assert network(CODES, TOKENS).shape == (3, network.output_channels, 5, 7)
    stem_only = FiLMedNetwork(replace(CONFIG, conditioning="none", kernel_sizes=()))
    assert stem_only(CODES, TOKENS).shape == (3, stem_only.output_channels, 5, 7)


def test_modulating_by_the_condition_is_the_forward_pass():
    network = FiLMedNetwork(CONFIG)
    features, film_params = network(CODES, TOKENS, return_film=True)
    assert torch.equal(features, network.modulate(CODES, network.condition(TOKENS)))
    assert torch.equal(features, network.modulate(CODES, film_params))


@pytest.mark.parametrize("placement", get_args(Placement))
@pytest.mark.parametrize("conditioning", get_args(Conditioning))
@pytest.mark.parametrize("film_blocks", [None, (False, True)])
def test_sentences_about_one_image_share_it_without_changing_the_answer(
    placement, conditioning, film_blocks
):
    network = lived_in(
        FiLMedNetwork(
            replace(
                CONFIG,
                norm="batch",
                placement=placement,
                conditioning=conditioning,
                film_blocks=film_blocks,
            )
        )
    )
    rows = torch.tensor([2, 0, 2])
    film_params = network.condition(TOKENS)
    shared = network.modulate(CODES, film_params, rows)
    assert torch.allclose(shared, network.modulate(CODES[rows], film_params))


def test_what_comes_before_the_first_film_layer_runs_once_an_image():
    network = FiLMedNetwork(CONFIG)
    seen = []
    for module in (network.stem, network.blocks[0].norm, network.blocks[0].film):
        module.register_forward_hook(lambda _module, _inputs, output: seen.append(len(output)))
    network.modulate(CODES[:1], network.condition(TOKENS), torch.zeros(3, dtype=torch.long))
    assert seen == [1, 1, 3]


@pytest.mark.parametrize("norm", get_args(Norm))
@pytest.mark.parametrize("coords", [False, True])
@pytest.mark.parametrize("conditioning", get_args(Conditioning))
@pytest.mark.parametrize("kernel_sizes", [(1, 3), (1, 1), (3, 3), (1, 1, 3, 1)])
def test_computing_equal_cells_once_changes_neither_features_nor_gradients(
    kernel_sizes, conditioning, coords, norm
):
    options = {"norm": norm, "coords": coords, "conditioning": conditioning}
    network = lived_in(FiLMedNetwork(replace(CONFIG, kernel_sizes=kernel_sizes, **options)))
    _same_cell_by_cell(network)


@pytest.mark.parametrize("placement", get_args(Placement))
@pytest.mark.parametrize("film_blocks", [(False, True), (True, False)])
def test_equal_cells_are_computed_once_wherever_film_acts(placement, film_blocks):
    options = {"placement": placement, "film_blocks": film_blocks, "coords": False, "norm": "none"}
    _same_cell_by_cell(lived_in(FiLMedNetwork(replace(CONFIG, **options))))


def _same_cell_by_cell(network):
    network = network.double()
    codes, sentence = CODES[[0, 1, 2, 0, 0]], torch.tensor([2, 0, 2, 2, 1])

    def gradients(features):
        network.zero_grad()
        (features * torch.arange(features.numel()).view_as(features).sin()).sum().backward()
        return [p.grad if p.grad is not None else torch.zeros(()) for p in network.parameters()]

    once = network.modulate_cells(codes, network.condition(TOKENS), sentence)
    expected = network.modulate(codes, network.condition(TOKENS[sentence]))
    torch.testing.assert_close(once, expected)
    torch.testing.assert_close(gradients(once), gradients(expected))


def test_without_views_there_are_no_features():
    network = FiLMedNetwork(replace(CONFIG, norm="none", coords=False))
    params, none = network.condition(TOKENS), torch.zeros(0, dtype=torch.long)
    assert network.modulate_cells(CODES[:0], params, none).shape == (0, 4, 5, 7)


@pytest.mark.parametrize("code", [-1, 256])
def test_a_code_that_could_be_taken_for_another_is_refused(code):
    codes = CODES.clone()
    codes[1, 2, 3, 0] = code
    with pytest.raises(ValueError, match=rf"codes from .*{code}.*; expected 0 to 255"):
        distinct_cells(codes, torch.zeros(3, dtype=torch.long))


@given(data=st.data(), views=st.integers(1, 5))
def test_the_distinct_cells_put_back_are_all_cells(data, views):
    codes = data.draw(arrays(np.int64, (views, 3, 4, 3), elements=st.integers(0, 255)))
    sentence = data.draw(arrays(np.int64, views, elements=st.integers(0, 2**20)))
    codes, sentence = torch.from_numpy(codes), torch.from_numpy(sentence)
    codes_UK, sentence_U, cells_BHW = distinct_cells(codes, sentence)
    assert torch.equal(codes_UK[cells_BHW], codes.transpose(1, 2))
    assert torch.equal(sentence_U[cells_BHW], sentence[:, None, None].expand(views, 4, 3))
    pairs = torch.cat([codes_UK, sentence_U[:, None]], dim=1)
    assert len(pairs.unique(dim=0)) == len(pairs) == cells_BHW.max() + 1


def test_another_sentences_film_params_make_the_network_follow_that_sentence():
    network = FiLMedNetwork(CONFIG)
    swapped = [(gamma.flip(0), beta.flip(0)) for gamma, beta in network.condition(TOKENS)]
    torch.testing.assert_close(network.modulate(CODES, swapped), network(CODES, TOKENS.flip(0)))


def test_policies_norm_answers_alike_in_training_and_evaluation():
    network = FiLMedNetwork(CONFIG)
    assert torch.equal(network.train()(CODES, TOKENS), network.eval()(CODES, TOKENS))


@pytest.mark.parametrize("conditioning", get_args(Conditioning))
def test_every_parameter_learns(conditioning):
    sentence = replace(SENTENCE, bidirectional=True, attention=True)
    network = FiLMedNetwork(replace(CONFIG, conditioning=conditioning, sentence=sentence))
    network(CODES, TOKENS).pow(2).sum().backward()
    assert [name for name, p in network.named_parameters() if not p.grad.any()] == []


def test_the_compiled_network_equals_the_eager_one():
    network = FiLMedNetwork(CONFIG).eval()
    z = network.encoder(TOKENS).detach()

    def behind_the_encoder(codes, z):  # torch.compile does not enter nn.GRU
        return network.modulate(codes, network.generator(z))

    compiled = torch.compile(behind_the_encoder, fullgraph=True, backend="aot_eager")
    expected = behind_the_encoder(CODES, z)
    torch.testing.assert_close(compiled(CODES, z), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("norm", get_args(Norm))
def test_bfloat16_autocast_stays_within_two_percent_of_float32(norm):
    network = FiLMedNetwork(replace(CONFIG, norm=norm)).eval()
    expected = network(CODES, TOKENS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = network(CODES, TOKENS)
    assert (out - expected).norm() < 0.02 * expected.norm()


def test_options_that_cannot_be_are_refused_when_the_config_is_made():
    refused = {
        r"conditioning='flim' is unknown.*did you mean 'film'\?": {"conditioning": "flim"},
        r"norm='batc' is unknown.*did you mean 'batch'\?": {"norm": "batc"},
        r"placement='after_nrm' is unknown.*did you mean 'after_norm'\?": {
            "placement": "after_nrm"
        },
        "kernel_size=2 is even": {"kernel_sizes": (3, 2)},
        r"film_blocks=\(True,\) has 1 entries; .* makes 2 blocks": {"film_blocks": (True,)},
        "no block is conditioned.*say conditioning='none'": {"film_blocks": (False, False)},
    }
    for message, options in refused.items():
        with pytest.raises(ValueError, match=message):
            replace(CONFIG, **options)
    with pytest.raises(ValueError, match=r"gamma_fn='expp' is unknown.*did you mean 'exp'\?"):
        GeneratorConfig(gamma_fn="expp")
    with pytest.raises(ValueError, match=r"kind='lin' is unknown.*did you mean 'linear'\?"):
        GeneratorConfig(kind="lin")


def test_the_wrong_number_of_film_params_is_refused():
    network = FiLMedNetwork(CONFIG)
    with pytest.raises(ValueError, match="has 1 pairs of gamma and beta; expected 2, one per cond"):
        network.modulate(CODES, network.condition(TOKENS)[:1])
