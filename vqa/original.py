"""Checkpoints of the original FiLM code (github.com/ethanjperez/film), read without running code.

They hold two networks: a "program generator" (GRU and generator of gamma and beta) and an
"execution engine" (stem, blocks, classifier). Here both become one `QuestionAnswerer`.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from film_rl.run import UserError
from vqa.config import Conditioning, Placement, VQAConfig, paper
from vqa.model import QuestionAnswerer

State = dict[str, Tensor]

PLACEMENTS: dict[str, Placement] = {
    "block-input": "before_conv1",
    "conv": "after_conv2",
    "bn": "after_norm",
    "relu": "after_relu2",
    "block-output": "after_residual",
}
# What this program's network always has; a checkpoint made with another value is refused.
FIXED = {
    "generator": {
        "encoder_type": "gru",
        "decoder_type": "linear",
        "rnn_num_layers": 1,
        "output_batchnorm": False,
        "bidirectional": False,
    },
    "network": {
        "stem_batchnorm": True,
        "module_num_layers": 1,
        "module_input_proj": 1,
        "module_batchnorm_affine": False,
        "classifier_downsample": "maxpoolfull",
        "classifier_batchnorm": True,
    },
}


@dataclass(frozen=True)
class Original:
    """A network of the original code.

    Attributes:
        model: the network, in evaluation mode.
        config: its options.
        question_ids: the id of each question token.
        answers: the answer of each output; the first four are special tokens.
    """

    model: QuestionAnswerer
    config: VQAConfig
    question_ids: dict[str, int]
    answers: list[str]


def load(path: Path) -> Original:
    """Load a .pt file that the original code saved; its weights only, no code in it is run.

    Raises:
        UserError: the file is missing, damaged, holds more than plain data and tensors, or a
            network that this program cannot build.
    """
    checkpoint = read_weights(path)
    try:
        generator, network, vocab = (
            dict(checkpoint[name])
            for name in ("program_generator_kwargs", "execution_engine_kwargs", "vocab")
        )
        config = _config(generator, network)
        question_ids, answer_ids = vocab["question_token_to_idx"], vocab["answer_token_to_idx"]
        model = QuestionAnswerer(config, generator["encoder_vocab_size"], len(answer_ids))
        given = _generator_weights(checkpoint["program_generator_state"], generator, config)
        given |= _network_weights(checkpoint["execution_engine_state"], network)
        # Files older than torch 0.4.1 do not count batches, and nothing here needs the count.
        counts = {k: v for k, v in model.state_dict().items() if k.endswith("num_batches_tracked")}
        model.load_state_dict(counts | given)
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise UserError(f"{path}: not a FiLM checkpoint of the original code ({error})") from error
    return Original(
        model.eval(), config, dict(question_ids), sorted(answer_ids, key=answer_ids.get)
    )


def read_weights(path: Path) -> dict[str, Any]:
    """The dict in a file that `torch.save` wrote, of tensors and plain data; runs no code in it.

    Raises:
        UserError: the file is missing, damaged, or holds more than that.
    """
    if not path.is_file():
        raise UserError(f"there is no file {path}")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what a damaged or malicious file raises has no common class
        raise UserError(
            f"{path} is no checkpoint that can be read without running code from it: it is damaged "
            f"or holds more than tensors and plain data ({type(error).__name__})"
        ) from None
    if not isinstance(checkpoint, dict):
        raise UserError(f"{path} holds a {type(checkpoint).__name__}; expected a dict")
    return checkpoint


def _config(generator: dict[str, Any], network: dict[str, Any]) -> VQAConfig:
    """The options of the two networks in this program's terms."""
    for part, options in (("generator", generator), ("network", network)):
        for name, expected in FIXED[part].items():
            if (value := options.get(name, expected)) != expected:
                raise ValueError(f"{name}={value!r}; this program's network has {expected!r}")
    if network["use_coords"] > 1 or len(network["classifier_fc_layers"]) != 1:
        raise ValueError(
            f"use_coords={network['use_coords']}, classifier_fc_layers="
            f"{network['classifier_fc_layers']}; expected 0 or 1, and one hidden layer"
        )
    if network.get("stem_padding") not in (None, network["stem_kernel_size"] // 2, 1):
        raise ValueError(f"stem_padding={network['stem_padding']} is not this program's")
    channels, height, _ = network["feature_dim"]
    conditioning, placement, film_blocks = _conditioning(network)
    gamma_fn = generator.get("gamma_option", "linear")
    return replace(
        paper(),
        inputs=_inputs(network),
        image_size=height,
        feature_channels=channels,
        stem_channels=network["module_dim"],
        stem_layers=network["stem_num_layers"],
        stem_kernel_size=network["stem_kernel_size"],
        channels=network["module_dim"],
        blocks=network["num_modules"],
        kernel_size=network["module_kernel_size"],
        conditioning=conditioning,
        gamma_fn="identity" if gamma_fn == "linear" else gamma_fn,
        placement=placement,
        film_blocks=film_blocks,
        residual=bool(network["module_residual"]),
        norm="batch" if network["module_batchnorm"] else "none",
        coords=network["use_coords"] == 1,
        word_dim=generator["wordvec_dim"],
        sentence_dim=generator["hidden_dim"],
        classifier_channels=network["classifier_proj_dim"],
        classifier_hidden=network["classifier_fc_layers"][0],
    )


def _inputs(network: dict[str, Any]) -> Any:
    kernel, stride = network["stem_kernel_size"], network["stem_stride"]
    if (kernel, stride) == (4, 2):
        return "pixels"
    if stride == 1:
        return "features"
    raise ValueError(f"stem_kernel_size={kernel}, stem_stride={stride}; expected 4, 2 or odd, 1")


def _conditioning(
    network: dict[str, Any],
) -> tuple[Conditioning, Placement, tuple[bool, ...] | None]:
    """How and where the question acts. The pattern is one 0 or 1 a block; empty is all."""
    method = network["condition_method"]
    if method == "concat":
        return "concat", "after_norm", None
    method = "bn" if method == "cbn" else method.removesuffix("-film").removesuffix("-fac")
    flags = network["condition_pattern"]
    flags = flags.split(",") if isinstance(flags, str) and flags else flags
    pattern = tuple(int(flag) == 1 for flag in flags) or None
    use = bool(network["use_gamma"]), bool(network["use_beta"])
    kinds: dict[tuple[bool, bool], Conditioning] = {
        (True, True): "film",
        (False, True): "bias",
        (True, False): "scale",
    }
    if use not in kinds:
        raise ValueError("use_gamma=0 and use_beta=0 leave nothing for the question to do")
    if pattern is not None and not any(pattern):
        return "none", PLACEMENTS[method], None
    return kinds[use], PLACEMENTS[method], pattern


def _generator_weights(state: State, options: dict[str, Any], config: VQAConfig) -> State:
    """The GRU's weights by their new names, and the rows of the linear map that are in use."""
    if config.conditioning == "none":
        return {}
    weights = {"network.encoder.embedding.weight": state["encoder_embed.weight"]}
    for name, tensor in state.items():
        if name.startswith("encoder_rnn."):
            weights[name.replace("encoder_rnn", "network.encoder.gru")] = tensor
    channels = config.channels
    for name in ("weight", "bias"):
        rows = state[f"decoder_linear.{name}"].unflatten(0, (config.blocks, -1))
        gamma, beta = rows[:, :channels].clone(), rows[:, channels : 2 * channels]
        if name == "bias":
            gamma += _bias_shift(options)
        used = [gamma] * (config.conditioning != "bias") + [beta] * (config.conditioning != "scale")
        blocks = torch.cat(used, dim=1)[torch.tensor(config.film_blocks or [True] * config.blocks)]
        weights[f"network.generator.linear.{name}"] = blocks.flatten(0, 1)
    return weights


def _bias_shift(options: dict[str, Any]) -> float:
    """What turns f(x) + baseline, the original's gamma, into f(1 + delta)."""
    baseline = float(options.get("gamma_baseline", 1))
    if options.get("gamma_option", "linear") == "linear":
        return baseline - 1
    if baseline != 0:
        raise ValueError(
            f"gamma_option={options['gamma_option']!r} with gamma_baseline={baseline}; expected 0, "
            "which is the paper's restriction of gamma"
        )
    return -1.0


def _network_weights(state: State, options: dict[str, Any]) -> State:
    """The weights of stem, blocks and classifier by their new names."""
    last = "9" if options.get("classifier_dropout") else "8"
    classifier = {"0": "conv", "1": "conv_norm", "5": "hidden", "6": "hidden_norm", last: "answers"}
    block = {"input_proj": "conv1", "conv1": "conv2", "bn1": "norm"}
    weights = {}
    for name, tensor in state.items():
        part, layer, kind = name.split(".")
        if part == "stem":
            weights[f"network.stem.layers.{layer}.{kind}"] = tensor
        elif part == "classifier":
            weights[f"classifier.{classifier[layer]}.{kind}"] = tensor
        else:
            weights[f"network.blocks.{part}.{block[layer]}.{kind}"] = tensor
    return weights
