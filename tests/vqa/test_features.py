"""Features of a pre-trained network: what it gives, kept whole, and learned from end to end."""

import sys
from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch
from torch import nn

from film_rl.run import RunFolder, UserError
from tests.vqa.toy import TOY
from vqa.check import check
from vqa.config import small
from vqa.features import DEVIATION, LAYERS, MEAN, Features, resnet101
from vqa.finish import assess, finish
from vqa.prepare import fresh_learner, open_split, to_split, training_data, vocabulary_of
from vqa.training import train
from vqa.write_folder import SplitRules, write_split

CPU = torch.device("cpu")


def small_network(seed: int = 0) -> nn.Module:
    """Colours of 8x8 squares, a few mixtures of them."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 6, 8, stride=8), nn.BatchNorm2d(6), nn.ReLU())


def bytes_of(number: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (number, 3, 16, 24), generator=generator, dtype=torch.uint8)


@pytest.fixture
def seen(monkeypatch) -> list[int]:
    """How many images the network was shown, call by call."""
    numbers, of = [], Features.of

    def recorded(self, images):
        numbers.append(len(images))
        return of(self, images)

    monkeypatch.setattr(Features, "of", recorded)
    return numbers


def test_the_cache_holds_what_the_network_makes_of_normalised_images(tmp_path):
    images, network = bytes_of(70), small_network()
    features = Features(network, CPU).cached(images, tmp_path)
    normal = torch.stack([(images[:, c] / 255 - MEAN[c]) / DEVIATION[c] for c in range(3)], dim=1)
    with torch.no_grad():
        expected = network.eval()(normal)
    assert features.dtype == torch.float16
    torch.testing.assert_close(features.float(), expected, rtol=1e-3, atol=1e-4)
    assert (tmp_path / "features.f16").stat().st_size == 2 * expected.numel()


def test_only_what_changed_is_read_again(tmp_path, seen):
    images = bytes_of(150)
    first = Features(small_network(), CPU).cached(images, tmp_path).clone()
    assert seen == [1, 64, 64, 22]
    seen.clear()
    assert torch.equal(Features(small_network(), CPU).cached(images, tmp_path), first)
    assert seen == [1]
    seen.clear()
    images[70, 0, 0, 0] ^= 255
    changed = Features(small_network(), CPU).cached(images, tmp_path)
    assert seen == [1, 64]
    assert (changed != first).flatten(1).any(1).nonzero().tolist() == [[70]]
    seen.clear()
    assert not torch.equal(Features(small_network(1), CPU).cached(images, tmp_path), first)
    assert seen == [1, 64, 64, 22]


def test_a_network_is_trained_on_features_and_evaluated(tmp_path):
    root = tmp_path / "data"
    for seed, split in enumerate(("train", "val")):
        rules = SplitRules(split, 6, seed, width=32, height=32, visible_pixels=0, per_image=4)
        write_split(root, rules, progress=lambda done: None)
    config = replace(
        TOY, data=str(root), cache=str(tmp_path), image_size=32, train_images=0, val_images=0,
        inputs="features", feature_channels=6, shift=0, steps=8, baseline_steps=2, stem_layers=1,
    )  # fmt: skip
    features = Features(small_network(), CPU)
    train_data, val_data, _ = training_data(config, features)
    assert train_data.scenes is None
    assert val_data.features.shape == (6, 6, 4, 4)
    assert torch.equal(val_data.features, features.of(val_data.images))
    vocabulary = vocabulary_of(train_data)
    train_split, val_split = (to_split(data, vocabulary) for data in (train_data, val_data))
    learner = fresh_learner(config, vocabulary)
    with RunFolder.create(tmp_path / "run", config) as run:
        train(config, train_split, val_split, learner, run)
        held_out = (val_data, val_split)
        summary = finish(config, run, learner, vocabulary, train_split, held_out, {})
    assert all((run.path / file).is_file() for file in summary["files"].values())
    figures, predicted = assess(learner, *held_out)
    assert figures == summary["evaluation"]
    assert len(predicted) == len(val_data) > 0
    with pytest.raises(UserError, match="have 6 channels, not 1024; type --feature-channels 6"):
        open_split(replace(config, feature_channels=1024), root, "val", 0, features)


def test_one_network_makes_the_features_of_all_splits(tmp_path, monkeypatch):
    loaded = []

    def load(weights):
        loaded.append(small_network())
        return loaded[-1]

    monkeypatch.setattr("vqa.prepare.resnet101", load)
    config = replace(
        TOY, cache=str(tmp_path), image_size=32, train_images=4, val_images=2, first=0.5,
        inputs="features", feature_channels=6,
    )  # fmt: skip
    train_data, val_data, first = training_data(config)
    assert [len(data.features) for data in (train_data, val_data, first)] == [4, 2, 1]
    assert len(loaded) == 1


@pytest.mark.parametrize("missing", [None, "made for another torch"])
def test_without_torchvision_the_message_says_what_to_type(missing, monkeypatch, tmp_path):
    monkeypatch.delitem(sys.modules, "torchvision.models", raising=False)
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    if missing:
        (tmp_path / "torchvision.py").write_text(f"raise RuntimeError({missing!r})")
        monkeypatch.syspath_prepend(tmp_path)
    else:
        monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(UserError, match=r"pip install torchvision .*--inputs pixels"):
        check(replace(small(), inputs="features", shift=0))


@pytest.mark.skipif(not find_spec("torchvision"), reason="torchvision is not installed")
def test_the_real_network_gives_the_paper_s_features(tmp_path):
    from torchvision.models import resnet101 as whole  # noqa: PLC0415

    torch.manual_seed(0)
    network = whole(weights=None)
    images = torch.randint(0, 256, (2, 3, 224, 224), dtype=torch.uint8)
    torch.save(network.state_dict(), tmp_path / "untrained.pth")
    with pytest.raises(UserError, match="larger than 65,504"):
        Features(resnet101(tmp_path / "untrained.pth"), CPU).of(images)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the running statistics become those of these images
    network.train()(images / 255)
    network.eval()
    torch.save(network.state_dict(), tmp_path / "w.pth")
    features = Features(resnet101(tmp_path / "w.pth"), CPU)
    given = features.of(images)
    assert given.shape == (2, 1024, 14, 14)
    x = (images / 255 - torch.tensor(MEAN)[:, None, None]) / torch.tensor(DEVIATION)[:, None, None]
    with torch.no_grad():
        for name in LAYERS:
            x = getattr(network, name)(x)
    torch.testing.assert_close(given.float(), x, rtol=1e-2, atol=1e-2)
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(UserError, match=r"other.pth: not the weights of torchvision's ResNet-101"):
        resnet101(tmp_path / "other.pth")
    with pytest.raises(UserError, match="there is no file"):
        resnet101(tmp_path / "none.pth")
