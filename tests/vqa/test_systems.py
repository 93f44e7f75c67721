"""Every system answers alike in any batch, learns what it can, and the blind ones stay blind."""

import re
from dataclasses import replace

import pytest
import torch

from film_rl.run import RunFolder, Team, UserError
from tests.kill_and_resume import ROOT, assert_same, kill
from tests.vqa.test_training import final_state
from tests.vqa.toy import ANSWERS, NAMES, TOY, VOCABULARY, toy_learner, toy_split, train_toy
from vqa.attention import look
from vqa.batches import batch_of
from vqa.config import PRESETS, VQAConfig
from vqa.evaluation import PUBLISHED, SOURCES, other_images
from vqa.learner import accuracy, predict
from vqa.model import QuestionAnswerer, lengths
from vqa.prepare import load_answerer
from vqa.sizes import PAPER, SMALL, preset_for
from vqa.systems import PARTICULAR, SYSTEMS, build_system
from vqa.tokens import PROGRAM_TOKENS, QuestionVocabulary
from vqa.training import Split, train

BLIND = [name for name, system in SYSTEMS.items() if not system.sees]
CHANGED = {
    "conditioning": "bias",
    "gamma_fn": "tanh",
    "generator": "mlp",
    "film_penalty": 0.5,
    "placement": "after_conv2",
    "film_blocks": (True, False),
    "residual": False,
    "norm": "none",
    "kernel_size": 1,
    "sentence_layers": 2,
}


WIDE = replace(
    TOY,
    stem_channels=16,
    channels=16,
    word_dim=16,
    sentence_dim=16,
    classifier_channels=32,
    classifier_hidden=32,
    batch_size=60,
    easy=0.0,
    shift=0,
    learning_rate=1.5e-2,
    warmup=10,
    eval_every=500,
    checkpoint_every=500,
)


def toy_of(system: str, **options) -> VQAConfig:
    return replace(WIDE, system=system, **options)


@pytest.fixture(scope="module", params=SYSTEMS)
def trained(request, tmp_path_factory):
    """Each system, trained on the toy task."""
    config = toy_of(request.param, steps=1 if request.param == "prior" else 150)
    run = RunFolder.create(tmp_path_factory.mktemp("runs") / request.param, config)
    before = {k: v.clone() for k, v in toy_learner(config).model.named_parameters()}
    with run:
        learner, _ = train_toy(config, run)
    return config, run, learner, before


def test_it_learns_what_it_can_and_blind_it_stays_blind(trained):
    config, _, learner, _ = trained
    held_out = toy_split(50, seed=2)
    right = accuracy(learner, held_out.images, held_out.table)
    swapped = predict(learner, held_out.images, other_images(held_out.table))
    if config.system in BLIND:
        assert torch.equal(swapped, predict(learner, held_out.images, held_out.table))
        assert right < 0.75
    elif config.system == "none":  # it sees the image and knows no question
        assert right < 0.75
    else:
        assert right == 1
        assert (swapped.argmax(1) == held_out.table.answers).float().mean() < 0.9


def test_training_reaches_every_parameter(trained):
    config, _, learner, before = trained
    unused = [
        f"engine.functions.{function}."
        for function, token in enumerate(PROGRAM_TOKENS)
        if not token.startswith(("scene", "exist", *(f"filter_color[{c}]" for c in NAMES)))
    ]
    for name, parameter in learner.model.named_parameters():
        same = torch.equal(parameter, before[name])
        assert same == (config.system == "pg_ee" and name.startswith(tuple(unused))), name


def test_the_trained_system_is_restored_from_its_run(trained):
    config, run, learner, _ = trained
    QuestionVocabulary(["red", "blue"]).save(run.path / "vocab.json")
    with pytest.raises(UserError, match="not of this configuration"):  # the toy has two answers
        load_answerer(run, "cpu")
    restored = toy_learner(config)
    restored.model.load_state_dict(learner.model.state_dict())
    split = toy_split(5, seed=4)
    answers = [predict(one, split.images, split.table) for one in (restored, learner)]
    assert torch.equal(*answers)


def test_an_answer_depends_on_neither_padding_nor_company(trained):
    _, _, learner, _ = trained
    split = toy_split(6, seed=3)
    probabilities = predict(learner, split.images, split.table)
    assert probabilities.shape == (len(split.table), len(ANSWERS))
    for row in (0, 5, 7):
        alone = predict(learner, split.images, split.table.take(torch.tensor([row])))
        torch.testing.assert_close(alone[0], probabilities[row])


def test_sharing_an_image_is_having_a_copy_of_it(trained):
    _, _, learner, _ = trained
    split = toy_split(4, seed=3)
    batch = batch_of(split.images, split.table, torch.tensor([0, 4, 3, 1, 2]))
    copies = batch._replace(images=batch.images[batch.rows], rows=torch.arange(5))
    with torch.inference_mode():
        torch.testing.assert_close(learner.logits(batch), learner.logits(copies))


def test_bf16_gives_about_the_same_answers(trained):
    _, _, learner, _ = trained
    split = toy_split(6, seed=3)
    exact = predict(learner, split.images, split.table)
    learner.precision = torch.bfloat16
    try:
        rounded = predict(learner, split.images, split.table)
        learner.update(batch_of(split.images, split.table, torch.arange(12)), 0.0)
    finally:
        learner.precision = torch.float32
    torch.testing.assert_close(rounded, exact, atol=0.1, rtol=0)


class _OthersToo(Team):
    """Of two processes the other has used every parameter, or none."""

    def __init__(self, share: float) -> None:
        self.share = share

    def average(self, tensors, weight) -> None:
        for tensor in tensors:
            tensor.mul_(0.5).add_(self.share / 2)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_parameter_has_a_gradient_where_some_process_used_it(share):
    learner, split = toy_learner(toy_of("pg_ee"), _OthersToo(share)), toy_split(4, seed=0)
    learner.update(batch_of(split.images, split.table, torch.arange(12)), 1e-3)
    idle = [p.grad is None for p in learner.model.parameters()]
    assert any(idle) == (share == 0)
    assert not all(idle)


@pytest.mark.parametrize("system", ["rn", "pg_ee"])  # it drops out at random; it reads programs
def test_a_killed_run_ends_bit_for_bit_like_one_never_killed(system, tmp_path):
    config = toy_of(system, steps=24, checkpoint_every=8)
    runs = [RunFolder.create(tmp_path / name, config) for name in ("whole", "killed")]
    kill(train_toy, runs[1], config, "vqa.learner:Learner.update", 14)
    for run in runs:
        with run:
            train_toy(config, run)
    assert_same(*(final_state(run) for run in runs))


def test_where_it_looked_is_shown_or_refused(trained):
    _, _, learner, _ = trained
    images, tokens = torch.rand(2, 3, 8, 8), torch.tensor([[1, 3, 2], [1, 4, 2]])
    if isinstance(learner.model, QuestionAnswerer):
        chances, maps = look(learner.model, images, tokens)
        assert list(maps) == ["stem", "block 1", "block 2", "pooled from"]
        logits = learner.model(images, tokens, None, lengths(tokens))
        torch.testing.assert_close(chances, logits.softmax(1))
    else:
        with pytest.raises(UserError, match="no FiLM-ed blocks"):
            look(learner.model, images, tokens)


def test_the_prior_gives_the_most_frequent_answer_to_each_type():
    split = toy_split(40, seed=0)
    config = toy_of("prior", steps=1)
    learner = toy_learner(config)
    learner.count(split.table)
    asked = split.table.answers[:120]  # those after are the easy ones
    expected = torch.stack([(asked == answer).sum() for answer in (0, 1)])
    row = split.table.programs[0, 0]
    assert torch.equal(learner.model.counts[row].long(), expected)
    assert torch.equal(learner.model.counts.sum(0).long(), 2 * expected)  # row 0 is all of them
    unknown = replace(split.table, programs=torch.zeros_like(split.table.programs))
    assert torch.equal(
        predict(learner, split.images, unknown), predict(learner, split.images, split.table)
    )


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("option", sorted(PARTICULAR))
def test_an_option_acts_or_is_refused(system, option):
    config = toy_of(system, **{option: CHANGED[option]})
    if option in SYSTEMS[system].has:
        plain = build_system(toy_of(system), VOCABULARY, 2)
        changed = build_system(config, VOCABULARY, 2)
        assert _description(plain) != _description(changed)
    else:
        with pytest.raises(UserError, match=f"--{option.replace('_', '-')}"):
            build_system(config, VOCABULARY, 2)


def _description(model) -> tuple:
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    placed = {
        name: value
        for module in model.modules()
        for name, value in vars(module).items()
        if name in ("film_at", "residual", "gamma_fn", "film_penalty")
    }
    return str(model), shapes, placed


def test_an_unknown_system_is_refused():
    with pytest.raises(UserError, match=r"--system flim is unknown.*did you mean 'film'\?"):
        build_system(toy_of("flim"), VOCABULARY, 2)


@pytest.mark.parametrize("system", [n for n, s in SYSTEMS.items() if s.needs_programs])
def test_questions_without_programs_are_refused_where_they_are_learned_from(system, tmp_path):
    config, split = toy_of(system), toy_split(10, seed=0)
    split.table.programs[7] = 0
    with (
        RunFolder.create(tmp_path / "run", config) as run,
        pytest.raises(UserError, match=r"question 7 .* --system film"),
    ):
        train(config, Split(split.images, split.table), split, toy_learner(config), run)


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_has_sizes_for_it(preset, system):
    config = preset_for(preset, system)
    assert config.system == system
    side = config.image_size
    with torch.device("meta"):
        model = build_system(config, vocab_size=93, num_answers=28).eval()
    assert sum(p.numel() for p in model.parameters()) < 100e6
    assert side >= 2 * 2**config.stem_layers


def test_published_rows_and_sizes_are_of_systems_that_exist():
    assert {s.published for s in SYSTEMS.values()} - {None} <= PUBLISHED.keys()
    assert PAPER.keys() | SMALL.keys() <= SYSTEMS.keys()
    assert SOURCES.keys() <= PUBLISHED.keys()
    described = VQAConfig.__doc__ and (ROOT / "vqa" / "config.py").read_text()
    listed = re.search(r'system: str = "film"\n    """What answers: (.*?)\(', described, re.S)
    assert set(re.findall(r"\w+", listed.group(1))) - {"or"} == set(SYSTEMS)
