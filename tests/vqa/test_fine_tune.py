"""Fine-tuning goes on from a trained network, changes what it is asked to, and resumes exactly."""

import json
import shutil
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch

from film_rl.run import Checkpointer, RunFolder, UserError, read_origin
from tests.kill_and_resume import assert_same, kill
from tests.vqa.test_training import final_state
from tests.vqa.tiny import TINY, train_run, trained_run
from vqa.check import check
from vqa.config import VQAConfig
from vqa.fine_tune import OWN, begin, check_start, continued, with_new_words
from vqa.learner import predict
from vqa.prepare import load_answerer, to_split, training_data
from vqa.questions import load_questions
from vqa.tokens import QuestionVocabulary


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> RunFolder:
    """A run trained on palette A."""
    folder = tmp_path_factory.mktemp("base")
    splits = {"train_split": "trainA", "val_split": "valA"}
    return trained_run(replace(TINY, **splits, cache=str(folder / "data")), folder / "base")


@pytest.fixture(scope="module")
def on_b(base) -> VQAConfig:
    """FiLM's parts tuned on the first images of valB, the rest of which is held out."""
    splits = {"train_split": "valB", "val_split": "valB", "train_images": 4, "val_skip": 4}
    return replace(
        continued(base.config(VQAConfig), base.path), **splits, tune="film", weight_decay=0.1
    )


@pytest.fixture(scope="module")
def tuned(on_b, base) -> RunFolder:
    """That run, never interrupted."""
    return trained_run(on_b, base.path.parent / "tuned")


def weights(run: RunFolder) -> dict[str, torch.Tensor]:
    return Checkpointer(run.checkpoints).load().state["learner"]["model"]


def same(before: torch.Tensor, after: torch.Tensor) -> bool:
    """Whether nothing changed; new words aside."""
    return torch.equal(before, after[: len(before)] if before.ndim else after)


def of_film(name: str) -> bool:
    return name.startswith(("network.encoder.", "network.generator."))


def test_the_visual_network_is_frozen_to_the_last_bit_its_batch_statistics_too(base, tuned):
    before, after = weights(base), weights(tuned)
    frozen = {name for name in before if not of_film(name)}
    assert any(name.endswith("running_var") for name in frozen)
    assert all(torch.equal(before[name], after[name]) for name in frozen)
    assert not any(same(before[name], after[name]) for name in before.keys() - frozen)


def test_all_of_it_is_tuned_when_asked(base, on_b, tmp_path):
    run = trained_run(replace(on_b, tune="all", steps=2), tmp_path / "all")
    before, after = weights(base), weights(run)
    assert not any(same(before[name], after[name]) for name in before)


def test_a_fine_tuning_says_where_it_comes_from(base, tuned):
    origin = read_origin(tuned)
    manifest = json.loads((base.checkpoints / "step_000000000012" / "manifest.json").read_text())
    assert origin["run"] == str(base.path)
    assert origin["step"] == TINY.steps
    assert origin["tensors_sha256"] == manifest["files"]["tensors.safetensors"]
    assert read_origin(base) is None


def test_known_words_keep_their_ids_and_rows_and_new_ones_are_near_0(base, on_b, tmp_path):
    data = training_data(on_b)[0]
    known = QuestionVocabulary.load(base.path / "vocab.json")
    asked = data.questions[0]
    said = [*["how many Zebras are there"] * 3, "how many zebus are there"]
    changed = replace(data, questions=[{**asked, "question": text} for text in said])
    run = RunFolder.create(tmp_path / "new", replace(on_b, word_threshold=2))
    learner, vocabulary, origin = begin(replace(on_b, word_threshold=2), changed, run)
    assert vocabulary.words[: len(known.words)] == known.words
    assert "Zebras" in vocabulary
    assert "zebus" not in vocabulary
    assert origin["new_words"] == len(vocabulary) - len(known)
    old, new = weights(base)["network.encoder.embedding.weight"], learner.model.state_dict()
    rows = new["network.encoder.embedding.weight"]
    assert torch.equal(rows[: len(known)], old)
    assert 0 < rows[len(known) :].abs().max() < 0.06


def test_new_rows_have_the_deviation_of_the_paper():
    embedding = torch.nn.ModuleDict({"words": torch.nn.Embedding(2000, 8)})
    state = {"words.weight": torch.ones(1000, 8)}
    grown = with_new_words(state, embedding, 1000, seed=0)["words.weight"]
    assert torch.equal(grown[:1000], state["words.weight"])
    assert grown[1000:].std().item() == pytest.approx(0.01, rel=0.05)
    assert abs(grown[1000:].mean().item()) < 0.001


def test_before_the_first_step_it_answers_as_the_network_it_starts_from(base, on_b, tmp_path):
    learner, config, vocabulary = load_answerer(base, "cpu")
    data = training_data(config)[0]  # all of whose words the network knows
    run = RunFolder.create(tmp_path / "begun", on_b)
    begun = begin(on_b, training_data(on_b)[0], run)
    splits = [to_split(data, words) for words in (vocabulary, begun.vocabulary)]
    answers = [
        predict(one, split.images, split.table)
        for one, split in zip((learner, begun.learner), splits, strict=True)
    ]
    assert torch.equal(*answers)


@pytest.mark.parametrize(("target", "number"), [("torch.optim:Adam.step", 3), ("os:fsync", 14)])
def test_a_killed_fine_tuning_ends_bit_for_bit_like_one_never_killed(
    target, number, on_b, tuned, tmp_path
):
    run = RunFolder.create(tmp_path / "killed", on_b)
    kill(train_run, run, on_b, target, number)
    with run:
        train_run(on_b, run)
    assert_same(final_state(run), final_state(tuned))
    assert read_origin(run) == read_origin(tuned)


def test_a_resumed_one_does_without_the_run_it_started_from(base, on_b, tuned, tmp_path):
    shutil.copytree(base.path, tmp_path / "base")
    config = replace(on_b, start=str(tmp_path / "base"))
    run = RunFolder.create(tmp_path / "killed", config)
    kill(train_run, run, config, "torch.optim:Adam.step", 8)
    shutil.rmtree(tmp_path / "base")
    with run:
        train_run(config, run)
    assert_same(final_state(run), final_state(tuned))


def test_a_fine_tuned_run_is_loaded_and_fine_tuned_like_any_other(tuned, tmp_path):
    learner, config, vocabulary = load_answerer(tuned, "cpu")
    assert config.tune == "film"
    assert learner.model.network.encoder.embedding.num_embeddings == len(vocabulary)
    again = replace(
        continued(tuned.config(VQAConfig), tuned.path),
        train_split="valA",
        val_split="valB",
        steps=1,
    )
    origin = read_origin(trained_run(again, tmp_path / "again"))
    assert origin["run"] == str(tuned.path)


def test_palettes_are_what_their_splits_are_called_and_share_no_cache(base, on_b):
    forbidden = {"A": {"cube": "red", "cylinder": "blue"}, "B": {"cube": "blue", "cylinder": "red"}}
    a, b = training_data(base.config(VQAConfig)), training_data(on_b)
    for palette, data in (("A", a[0]), ("A", a[1]), ("B", b[1])):
        things = [thing for scene in _scenes(data) for thing in scene["objects"]]
        assert all(forbidden[palette].get(thing["shape"]) != thing["color"] for thing in things)
    assert b[0].image_indices == [0, 1, 2, 3]
    assert b[1].image_indices == [4, 5, 6]
    assert all(q["image_index"] >= 4 for q in b[1].questions)


def _scenes(data):
    if data.scenes is not None:
        return data.scenes
    file = Path(data.source.replace("questions", "scenes"))
    return json.loads(file.read_text())["scenes"]


def test_a_share_of_the_training_images_is_the_first_ones_with_all_their_questions(base):
    config = base.config(VQAConfig)
    whole, half = (training_data(replace(config, train_share=share))[0] for share in (1.0, 0.5))
    assert len(half.images) == 3
    assert torch.equal(half.images, whole.images[:3])
    assert half.questions == [q for q in whole.questions if q["image_index"] < 3]
    assert half.questions == load_questions(whole.source)[: len(half.questions)]


def test_what_cannot_be_started_from_is_refused(base, on_b, tmp_path):
    with pytest.raises(UserError, match="nowhere is not a run folder"):
        check_start(replace(on_b, start="nowhere"))
    with pytest.raises(UserError, match="is another network: it has channels 8, not 16"):
        check_start(replace(on_b, channels=16))
    empty = RunFolder.create(tmp_path / "empty", TINY)
    with pytest.raises(UserError, match="no checkpoint yet"):
        check_start(replace(on_b, start=str(empty.path)))
    unfilmed = replace(TINY, conditioning="none", steps=1, cache=on_b.cache)
    blind = trained_run(unfilmed, tmp_path / "blind")
    with pytest.raises(UserError, match="has no FiLM"):
        check_start(replace(continued(blind.config(VQAConfig), blind.path), tune="film"))
    check_start(on_b)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tune": "film"}, "type --start RUN"),
        ({"word_threshold": 2}, "type --start RUN"),
        ({"train_split": "trianA"}, "no split 'trianA' can be generated.*did you mean 'trainA'"),
        ({"train_split": "valB", "val_split": "valB"}, "type --train-images 1000 --val-skip 1000"),
        ({"train_split": "valB", "val_split": "valB", "val_skip": 5}, "training takes 6 images"),
        ({"train_share": 0.0}, "--train-share 0.0; expected above 0"),
        ({"val_skip": -1}, "--val-skip -1"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(changes, message):
    with pytest.raises(UserError, match=message):
        check(replace(TINY, **changes))


def test_what_a_fine_tuning_may_choose_are_options(base):
    options = {field.name for field in fields(VQAConfig)}
    assert options >= OWN
    assert not {"channels", "blocks", "placement", "image_size", "gamma_fn"} & OWN
