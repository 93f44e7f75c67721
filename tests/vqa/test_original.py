"""Checkpoints of the original code, made here in its layout, answer as its equations say."""

import pickle
import re

import pytest
import torch
from torch.nn import functional as F

from film_rl.run import UserError
from vqa.original import load

DIM, HIDDEN, WORDS, ANSWERS = 6, 7, 11, 9
TOKENS = torch.tensor([[1, 4, 5, 2, 0], [1, 6, 10, 9, 2]])


def random_state(*shapes):
    """Tensors by name; variances positive."""
    state = {}
    for name, *shape in shapes:
        tensor = torch.randn(shape) * 0.3
        state[name] = tensor.abs() + 0.5 if name.endswith("running_var") else tensor
    return state


def norm(name, channels, affine=True):
    kinds = ["running_mean", "running_var"] + ["weight", "bias"] * affine
    return [(f"{name}.{kind}", channels) for kind in kinds]


def linear(name, *shape):
    return [(f"{name}.weight", *shape), (f"{name}.bias", shape[0])]


def original_checkpoint(**options):
    """What `torch.save` was given by the original code, with the options that film.sh sets."""
    network = {
        "feature_dim": (3, 16, 16), "stem_batchnorm": True, "stem_num_layers": 2,
        "stem_kernel_size": 4, "stem_stride": 2, "stem_padding": 1, "module_dim": DIM,
        "module_residual": True, "module_batchnorm": True, "module_batchnorm_affine": False,
        "module_num_layers": 1, "module_input_proj": 1, "module_kernel_size": 3,
        "module_dropout": 0, "num_modules": 3, "classifier_proj_dim": 8,
        "classifier_downsample": "maxpoolfull", "classifier_fc_layers": (5,),
        "classifier_batchnorm": True, "classifier_dropout": 0, "use_gamma": True,
        "use_beta": True, "use_coords": 1, "condition_method": "bn-film",
        "condition_pattern": [1, 1, 1], "debug_every": float("inf"),
    }  # fmt: skip
    generator = {
        "encoder_vocab_size": WORDS, "wordvec_dim": 4, "hidden_dim": HIDDEN, "rnn_num_layers": 1,
        "output_batchnorm": False, "bidirectional": False, "encoder_type": "gru",
        "decoder_type": "linear", "gamma_option": "linear", "gamma_baseline": 1, "num_modules": 3,
        "parameter_efficient": True,
    }  # fmt: skip
    for name, value in options.items():
        (generator if name in generator else network)[name] = value
    ee, coords = [], 2 * (network["use_coords"] > 0)
    pixels = network["stem_stride"] == 2
    inputs = network["feature_dim"][0] + (0 if pixels else coords)
    kernel = network["stem_kernel_size"]
    for layer in range(network["stem_num_layers"]):
        ee += linear(f"stem.{3 * layer}", DIM, DIM if layer else inputs, kernel, kernel)
        ee += norm(f"stem.{3 * layer + 1}", DIM)
    concat = network["condition_method"] == "concat"
    for k in range(3):
        conditioned = not concat and network["condition_pattern"][k]
        size = network["module_kernel_size"]
        ee += linear(f"{k}.input_proj", DIM, DIM + coords, 1, 1)
        ee += linear(f"{k}.conv1", DIM, DIM + 2 * DIM * concat, size, size)
        ee += norm(f"{k}.bn1", DIM, affine=not conditioned) if network["module_batchnorm"] else []
    ee += linear("classifier.0", 8, DIM + coords, 1, 1) + norm("classifier.1", 8)
    ee += linear("classifier.5", 5, 8) + norm("classifier.6", 5)
    ee += linear(f"classifier.{8 + (network['classifier_dropout'] > 0)}", ANSWERS, 5)
    efficient = generator["parameter_efficient"]
    pg = [("encoder_embed.weight", WORDS, 4)]
    pg += linear("decoder_linear", 3 * (2 * DIM if efficient else 4 * DIM + 6), HIDDEN)
    for kind, width in (("ih", 4), ("hh", HIDDEN)):
        pg += [(f"encoder_rnn.weight_{kind}_l0", 3 * HIDDEN, width)]
        pg += [(f"encoder_rnn.bias_{kind}_l0", 3 * HIDDEN)]
    words = ["<NULL>", "<START>", "<END>", "<UNK>", *"abcdefg"]
    vocab = {
        "question_token_to_idx": {word: i for i, word in enumerate(words)},
        "answer_token_to_idx": {word: i for i, word in enumerate([*words[:4], *"01234"])},
        "question_idx_to_token": dict(enumerate(words)),
    }
    return {
        "args": {"model_type": "FiLM"}, "program_generator_kwargs": generator,
        "program_generator_state": random_state(*pg), "execution_engine_kwargs": network,
        "execution_engine_state": random_state(*ee), "baseline_kwargs": None,
        "baseline_state": None, "baseline_type": None, "vocab": vocab, "best_val_acc": 0.5,
        "val_accs": [0.1, 0.5], "model_t": 11000,
    }  # fmt: skip


def coordinates(x):
    across = torch.linspace(-1, 1, x.shape[3]).expand(x.shape[0], 1, x.shape[2], -1)
    down = torch.linspace(-1, 1, x.shape[2])[:, None].expand(x.shape[0], 1, -1, x.shape[3])
    return torch.cat([x, across, down], 1)


def original_answers(checkpoint, x, tokens):
    """Logits by the original's equations, written from its description."""
    pg, ee = checkpoint["program_generator_state"], checkpoint["execution_engine_state"]
    network, generator = (
        checkpoint["execution_engine_kwargs"],
        checkpoint["program_generator_kwargs"],
    )
    maybe = coordinates if network["use_coords"] else lambda x: x

    def conv(x, name, stride=1, padding=0):
        return F.conv2d(x, ee[f"{name}.weight"], ee[f"{name}.bias"], stride, padding)

    def bn(x, name):
        stats = (ee[f"{name}.{kind}"] for kind in ("running_mean", "running_var"))
        return F.batch_norm(x, *stats, ee.get(f"{name}.weight"), ee.get(f"{name}.bias"))

    gru = torch.nn.GRU(4, HIDDEN, batch_first=True)
    gru.load_state_dict({k.removeprefix("encoder_rnn."): v for k, v in pg.items() if "rnn" in k})
    z = torch.cat([gru(F.embedding(row[row > 0], pg["encoder_embed.weight"])[None])[1][0]
                   for row in tokens])  # fmt: skip
    film = F.linear(z, pg["decoder_linear.weight"], pg["decoder_linear.bias"])
    film = film.reshape(len(z), 3, -1)[:, :, : 2 * DIM, None, None]
    functions = {"linear": lambda g: g, "sigmoid": torch.sigmoid, "tanh": torch.tanh}
    gamma = functions[generator["gamma_option"]](film[:, :, :DIM]) + generator["gamma_baseline"]
    beta = film[:, :, DIM:]
    gamma = gamma if network["use_gamma"] else torch.ones_like(gamma)
    beta = beta if network["use_beta"] else torch.zeros_like(beta)
    stride = network["stem_stride"]
    x = maybe(x) if stride == 1 else x
    for layer in range(network["stem_num_layers"]):
        x = bn(conv(x, f"stem.{3 * layer}", stride, 1), f"stem.{3 * layer + 1}").relu()
    method = network["condition_method"]
    for k in range(3):
        on = method != "concat" and network["condition_pattern"][k]

        def act(x, *places, k=k, on=on):
            return gamma[:, k] * x + beta[:, k] if on and method in places else x

        x = act(x, "block-input-film")
        r = conv(maybe(x), f"{k}.input_proj").relu()
        y = r
        if method == "concat":
            tiled = torch.cat([gamma[:, k], beta[:, k]], 1).expand(-1, -1, *r.shape[2:])
            y = torch.cat([r, tiled], 1)
        y = act(conv(y, f"{k}.conv1", 1, network["module_kernel_size"] // 2), "conv-film")
        y = bn(y, f"{k}.bn1") if network["module_batchnorm"] else y
        y = act(act(y, "bn-film", "cbn").relu(), "relu-film", "relu-fac")
        x = act(r + y if network["module_residual"] else y, "block-output-film")
    x = bn(conv(maybe(x), "classifier.0"), "classifier.1").relu().amax((2, 3))
    x = bn(F.linear(x, ee["classifier.5.weight"], ee["classifier.5.bias"]), "classifier.6").relu()
    last = 8 + (network["classifier_dropout"] > 0)
    return F.linear(x, ee[f"classifier.{last}.weight"], ee[f"classifier.{last}.bias"])


FEATURES = {
    "feature_dim": (5, 4, 4), "stem_num_layers": 1, "stem_kernel_size": 3, "stem_stride": 1,
    "stem_padding": None,
}  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [
        {},
        FEATURES,
        FEATURES | {"use_coords": 0},
        {"condition_method": "cbn"},
        {"condition_method": "block-input-film"},
        {"condition_method": "conv-film"},
        {"condition_method": "relu-fac"},
        {"condition_method": "block-output-film"},
        {"condition_method": "concat", "condition_pattern": []},
        {"condition_pattern": [1, 0, 1]},
        {"use_gamma": False},
        {"use_beta": False},
        {"gamma_option": "sigmoid", "gamma_baseline": 0},
        {"gamma_option": "tanh", "gamma_baseline": 0},
        {"gamma_baseline": 0},
        {"parameter_efficient": False},
        {"module_residual": False},
        {"module_batchnorm": False},
        {"module_kernel_size": 1},
        {"classifier_dropout": 0.5},
    ],
    ids=str,
)
def test_a_loaded_network_answers_like_the_original(options, tmp_path):
    checkpoint = original_checkpoint(**options)
    torch.save(checkpoint, tmp_path / "best.pt")
    original = load(tmp_path / "best.pt")
    x = torch.rand(2, *checkpoint["execution_engine_kwargs"]["feature_dim"])
    with torch.no_grad():
        expected = original_answers(checkpoint, x, TOKENS)
        torch.testing.assert_close(original.model(x, TOKENS), expected)
    assert original.answers[4:] == list("01234")
    assert original.question_ids["<END>"] == 2


def test_a_file_of_a_newer_torch_with_batch_counts_is_read_too(tmp_path):
    checkpoint = original_checkpoint()
    checkpoint["execution_engine_state"]["stem.1.num_batches_tracked"] = torch.tensor(7)
    torch.save(checkpoint, tmp_path / "best.pt")
    state = load(tmp_path / "best.pt").model.state_dict()
    assert state["network.stem.layers.1.num_batches_tracked"] == 7


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"encoder_type": "lstm"}, "encoder_type='lstm'"),
        ({"classifier_downsample": "maxpool2"}, "classifier_downsample='maxpool2'"),
        ({"use_coords": 2}, "use_coords=2"),
        ({"gamma_option": "sigmoid"}, "gamma_baseline=1"),
        ({"condition_method": "film"}, "film"),
        ({"use_gamma": False, "use_beta": False}, "nothing for the question to do"),
        ({"stem_stride": 3}, "stem_stride=3"),
    ],
)
def test_a_network_that_cannot_be_built_is_refused(options, words, tmp_path):
    torch.save(original_checkpoint(**options), tmp_path / "best.pt")
    with pytest.raises(UserError, match=re.escape(words)):
        load(tmp_path / "best.pt")


def test_weights_of_another_network_are_refused(tmp_path):
    checkpoint = original_checkpoint()
    del checkpoint["execution_engine_state"]["1.conv1.weight"]
    torch.save(checkpoint, tmp_path / "best.pt")
    with pytest.raises(UserError, match=r"(?s)best\.pt.*blocks\.1\.conv2\.weight"):
        load(tmp_path / "best.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(UserError, match="holds a list"):
        load(tmp_path / "list.pt")
    with pytest.raises(UserError, match="there is no file"):
        load(tmp_path / "worst.pt")


class Malicious:
    """Unpickled by a careless program, it writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def test_a_malicious_file_is_refused_and_not_run(tmp_path):
    checkpoint = {**original_checkpoint(), "args": Malicious(tmp_path / "ran")}
    torch.save(checkpoint, tmp_path / "bad.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(checkpoint["args"]))
    (tmp_path / "cut.pt").write_bytes((tmp_path / "bad.pt").read_bytes()[:-100])
    for name in ("bad.pt", "plain.pt", "cut.pt"):
        with pytest.raises(UserError, match=f"{name} is no checkpoint that can be read"):
            load(tmp_path / name)
    assert not (tmp_path / "ran").exists()
