"""What a training run of the question answerer can be asked for. Free of torch: `--help` is quick.

A preset is a function that returns a configuration; every option can still be changed by itself.
"""

from dataclasses import dataclass
from typing import Literal

Conditioning = Literal["film", "bias", "scale", "gate", "concat", "none"]
Placement = Literal["before_conv1", "after_conv2", "after_norm", "after_relu2", "after_residual"]
GammaFn = Literal["identity", "sigmoid", "tanh", "exp"]
GeneratorKind = Literal["linear", "mlp", "recurrent"]
Tuned = Literal["all", "film"]


@dataclass(frozen=True)
class VQAConfig:
    """One training run of the question answerer. The model options span the paper's tables 2, 3."""

    data: str | None = None
    """A folder in CLEVR's official format (images/, questions/); without it data are generated."""
    train_split: str = "train"
    """The split to train on: train, CoGenT's trainA ... Generated data have those of CoGenT too."""
    val_split: str = "val"
    """The held-out split: val, CoGenT's valA or valB ..."""
    cache: str = "runs/clevr-data"
    """Where generated data and prepared images are kept; data already there are used again."""
    image_size: int = 96
    """Pixels along a side of the square images that the network sees."""
    train_images: int = 10_000
    """Images to train on; with --data at most this many of the folder's (0: all)."""
    val_images: int = 1_000
    """Held-out images, like train_images."""
    val_skip: int = 0
    """Held-out images to pass over first: where training uses the first ones of the same split."""
    train_share: float = 1.0
    """Share of the training images to use, the first ones, with all their questions."""
    max_objects: int = 6
    """Most objects in a generated scene; the least is 3, CLEVR's most is 10."""
    per_image: int = 10
    """Questions generated about one image."""
    easy_per_image: int = 6
    """Further questions generated about each training image, only easy ones (see --easy)."""

    system: str = "film"
    """What answers: film, concat, bias, scale, gate, none, prior, lstm, cnn_lstm, sa, rn, mac,
    pg_ee, cbn or multihop (table 1; docs/clevr.md tells what each is)."""
    inputs: Literal["pixels", "features"] = "pixels"
    """Learn the stem from pixels, or read features of a pre-trained network."""
    stem_channels: int = 48
    """Feature maps of the stem."""
    stem_layers: int = 3
    """Convolutions of the stem; from pixels each halves height and width."""
    stem_kernel_size: int = 3
    """Kernel size of a stem that reads features (from pixels it is 4)."""
    feature_channels: int = 1024
    """Feature maps of the pre-trained network (with --inputs features)."""
    feature_weights: str | None = None
    """A file of torchvision's ResNet-101 weights; downloaded when not given."""
    channels: int = 48
    """Feature maps of every residual block."""
    blocks: int = 3
    """Residual blocks (table 3); of sa its glimpses, of mac its steps."""
    kernel_size: int = 3
    """Kernel size of the blocks' second convolution; 1 sees each cell alone."""
    conditioning: Conditioning = "film"
    """How the question acts: film, bias (gamma := 1), scale (beta := 0), gate, concat, none."""
    gamma_fn: GammaFn = "identity"
    """What gamma is passed through: identity, sigmoid, tanh or exp."""
    generator: GeneratorKind = "linear"
    """What makes gamma and beta of what was read: linear, mlp (one hidden layer) or recurrent."""
    placement: Placement = "after_norm"
    """Where in a block FiLM acts."""
    film_blocks: tuple[bool, ...] | None = None
    """Which blocks the question acts on, such as True True True False; all when not given."""
    residual: bool = True
    """Add a block's input to its output."""
    norm: Literal["batch", "layer", "none"] = "batch"
    """Normalisation in the blocks."""
    coords: bool = True
    """Tell the convolutions where each cell is."""
    word_dim: int = 64
    """Size of a word's embedding."""
    sentence_dim: int = 128
    """Size of the network that reads the question."""
    sentence_layers: int = 1
    """LSTMs on top of one another, in the systems that read with LSTMs as CLEVR's authors do."""
    classifier_channels: int = 128
    """Feature maps before the global max-pooling."""
    classifier_hidden: int = 256
    """Hidden units of the classifier."""

    start: str | None = None
    """A finished or stopped run whose network to fine-tune; the other options are then its own, but
    for the curriculum, which is left out."""
    tune: Tuned = "all"
    """What --start tunes: all, or film, only what makes gamma and beta (the rest is frozen)."""
    word_threshold: int = 1
    """A word that --start does not know is learned if the questions have it so many times."""

    steps: int = 5_600
    """Gradient steps to train for; 0: --epochs says how long."""
    epochs: int = 80
    """Passes over the training questions, where --steps is 0."""
    seed: int = 0
    """Seed of the data, the network and the batches."""
    batch_size: int = 160
    """Questions a gradient step."""
    share: int = 10
    """At most so many questions of one image share a batch, and one pass of the stem."""
    first: float = 0.12
    """Share of the training, at its start, on further images, of one or two objects and with easy
    questions: three for ten training images. Only generated data have them."""
    easy: float = 0.28
    """Share after that with the further, easy questions: query, exist and count about one set of
    objects, without relations between objects. Only generated data have them."""
    learning_rate: float = 5e-3
    """Adam's step size after the warm-up."""
    warmup: int = 200
    """Steps over which the learning rate rises from 0."""
    fall: float = 0.5
    """Last share of the training, over which the learning rate falls to 0."""
    weight_decay: float = 1e-5
    """Adam's L2 penalty. FiLM overfits without it."""
    film_penalty: float = 0.0
    """Weight in the loss of the mean of (gamma - 1)^2 + beta^2 over the conditioned blocks."""
    clip: float = 5.0
    """Largest norm of the gradient; 0: any."""
    shift: int = 2
    """Training images are moved by up to so many pixels in x and y."""
    patience: int = 0
    """Stop after so many evaluations without a better accuracy, and keep the best; 0: never."""

    baseline_steps: int = 2_400
    """Gradient steps of the question-only baseline trained beside; 0: no baseline."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    threads: int = 2
    """CPU threads of PyTorch. Figures repeat exactly only with the same number."""
    precision: Literal["auto", "float32", "bf16"] = "auto"
    """bf16 where the hardware is good at it (auto), or as asked for."""
    workers: int = 0
    """Processes that prepare batches; the batches are the same for any number."""
    log_every: int = 50
    """Steps between two records of the training loss."""
    eval_every: int = 1_000
    """Steps between two evaluations on held-out images (at most 5,000 questions each)."""
    checkpoint_every: int = 1_000
    """Steps between two checkpoints."""


def small() -> VQAConfig:
    """Generated data and a small network: under ten minutes on two CPU cores, no download."""
    return VQAConfig()


def paper() -> VQAConfig:
    """The network and training of Perez et al. 2018, from pixels (section 2.2)."""
    return VQAConfig(
        image_size=224,
        train_images=0,
        val_images=0,
        max_objects=10,
        stem_channels=128,
        stem_layers=4,
        channels=128,
        blocks=4,
        word_dim=200,
        sentence_dim=4096,
        classifier_channels=512,
        classifier_hidden=1024,
        steps=0,
        epochs=80,
        batch_size=64,
        share=1,
        first=0.0,
        easy=0.0,
        easy_per_image=0,
        learning_rate=3e-4,
        warmup=0,
        fall=0.0,
        clip=0.0,
        shift=0,
        patience=10,
        baseline_steps=0,
        precision="float32",
        eval_every=10_938,
        checkpoint_every=2_000,
    )


def fast() -> VQAConfig:
    """The paper's network, trained as today's hardware likes it: large batches, shared stem."""
    return VQAConfig(
        **{
            **vars(paper()),
            "epochs": 20,
            "batch_size": 1024,
            "share": 10,
            "learning_rate": 1e-3,
            "warmup": 500,
            "fall": 0.3,
            "clip": 5.0,
            "precision": "auto",
            "eval_every": 684,
            "checkpoint_every": 684,
        }
    )


PRESETS = {"small": small, "paper": paper, "fast": fast}
