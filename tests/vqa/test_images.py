"""The cache of pictures: their bytes, whole after any interruption, and never stale."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vqa.cache import BLOCK, BlockCache
from vqa.errors import DataError
from vqa.images import cached_images, images_on, read_image

NUMBER = 2 * BLOCK + 5


def picture(path: Path, seed: int, mode: str = "RGBA", size: tuple[int, int] = (24, 16)) -> Path:
    noise = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 4), np.uint8)
    noise[..., 3] = 255
    Image.fromarray(noise).convert(mode).save(path)
    return path


@pytest.fixture
def files(tmp_path) -> list[Path]:
    return [picture(tmp_path / f"{index:03}.png", index) for index in range(NUMBER)]


def bicubic(path: Path, size: int) -> np.ndarray:
    """A picture resized by the kernel's formula (Keys 1981, a = -1/2), widened when shrinking."""

    def kernel(t):
        t = abs(t)
        near = 1.5 * t**3 - 2.5 * t**2 + 1
        far = -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
        return np.where(t < 1, near, np.where(t < 2, far, 0))

    def weights(before: int) -> np.ndarray:
        scale = before / size
        wide = max(scale, 1)
        middle = (np.arange(size)[:, None] + 0.5) * scale
        weight = kernel((np.arange(before) + 0.5 - middle) / wide)
        return weight / weight.sum(1, keepdims=True)

    def rounded(x):
        return np.clip(np.floor(x + 0.5), 0, 255)

    with Image.open(path) as image:
        pixels_HW3 = np.asarray(image)[..., :3].astype(float)
    across = rounded(np.einsum("wv,hvc->hwc", weights(pixels_HW3.shape[1]), pixels_HW3))
    return rounded(np.einsum("gh,hwc->cgw", weights(pixels_HW3.shape[0]), across))


@pytest.mark.parametrize("size", [8, 16, 40])
def test_a_picture_is_resized_by_the_bicubic_kernel(tmp_path, size):
    path = picture(tmp_path / "a.png", 0)
    error = np.abs(read_image(path, size).astype(int) - bicubic(path, size))
    assert error.max() <= 1
    assert error.mean() < 0.01


def test_the_real_pictures_are_read(clevr_samples):
    files = sorted((clevr_samples / "CLEVR_v1.0" / "images" / "val").glob("*.png"))
    image_3HW = read_image(files[0])
    assert image_3HW.shape == (3, 224, 224)
    assert image_3HW.dtype == np.uint8
    with Image.open(files[0]) as image:
        assert image.mode == "RGBA"
    error = np.abs(image_3HW.astype(int) - bicubic(files[0], 224))
    assert error.max() <= 1


def test_the_cache_holds_each_picture_at_its_index(files, tmp_path):
    images = cached_images(files, tmp_path / "cache", size=12)
    assert images.dtype == torch.uint8
    assert images.shape == (NUMBER, 3, 12, 12)
    for index, file in enumerate(files):
        assert np.array_equal(images[index], read_image(file, 12))
    assert (tmp_path / "cache" / "images.u8").stat().st_size == images.numel()


def test_writing_into_the_images_does_not_change_the_cache(files, tmp_path):
    cached_images(files, tmp_path / "cache", size=12).zero_()
    assert np.array_equal(
        cached_images(files, tmp_path / "cache", size=12)[0], read_image(files[0], 12)
    )


@pytest.fixture
def built(monkeypatch) -> list[int]:
    """The blocks that were built, as they are."""
    blocks = []
    build = BlockCache._build

    def recorded(self, block):
        blocks.append(block)
        return build(self, block)

    monkeypatch.setattr(BlockCache, "_build", recorded)
    return blocks


def test_a_whole_cache_is_not_built_again(files, tmp_path, built):
    first = cached_images(files, tmp_path / "cache", size=12)
    assert sorted(built) == [0, 1, 2]
    assert torch.equal(cached_images(files, tmp_path / "cache", size=12), first)
    assert sorted(built) == [0, 1, 2]


def cut_data(cache):
    os.truncate(cache / "images.u8", 100)


def flip_a_byte(cache):
    with (cache / "images.u8").open("r+b") as file:
        file.seek(BLOCK * 3 * 12 * 12 + 7)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


def cut_journal(cache):
    os.truncate(cache / "blocks.jsonl", (cache / "blocks.jsonl").stat().st_size - 20)


def garble_journal(cache):
    lines = (cache / "blocks.jsonl").read_bytes().splitlines()
    (cache / "blocks.jsonl").write_bytes(
        b"\n".join([lines[1], b"\xff\x00", b"[]", b"{}", lines[3]])
    )


@pytest.mark.parametrize(
    ("damage", "rebuilt"),
    [
        (cut_data, [0, 1, 2]),
        (flip_a_byte, [1]),
        (cut_journal, [2]),
        (garble_journal, [1]),
        (lambda cache: (cache / "images.u8").unlink(), [0, 1, 2]),
        (lambda cache: (cache / "blocks.jsonl").unlink(), [0, 1, 2]),
    ],
)
def test_a_damaged_cache_is_mended_where_it_is_damaged(files, tmp_path, built, damage, rebuilt):
    cache = tmp_path / "cache"
    whole = cached_images(files, cache, size=12).clone()
    damage(cache)
    built.clear()
    assert torch.equal(cached_images(files, cache, size=12), whole)
    assert sorted(built) == rebuilt
    built.clear()
    assert torch.equal(cached_images(files, cache, size=12), whole)
    assert built == []


def test_a_changed_picture_is_read_again(files, tmp_path, built):
    cached_images(files, tmp_path / "cache", size=12)
    built.clear()
    picture(files[BLOCK], seed=1000)
    images = cached_images(files, tmp_path / "cache", size=12)
    assert built == [1]
    assert np.array_equal(images[BLOCK], read_image(files[BLOCK], 12))


def test_another_size_and_more_pictures_are_another_cache(files, tmp_path, built):
    few = files[: BLOCK + 1]
    cached_images(few, tmp_path / "cache", size=12)
    built.clear()
    more = cached_images(files, tmp_path / "cache", size=12)
    assert sorted(built) == [1, 2]
    assert np.array_equal(more[-1], read_image(files[-1], 12))
    assert cached_images(few, tmp_path / "cache", size=16).shape == (BLOCK + 1, 3, 16, 16)


KILLED = """
import os, signal, sys, time
from pathlib import Path
from vqa.cache import BlockCache
from vqa.images import cached_images

folder, build = Path(sys.argv[1]), BlockCache._build


def dies(self, block):
    if block == 5:
        while not (self.journal.exists() and self.journal.stat().st_size):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    return build(self, block)


BlockCache._build = dies
cached_images(sorted(folder.glob("*.png")), folder / "cache", size=8)
"""


def test_a_killed_build_is_completed(tmp_path, built):
    files = [picture(tmp_path / f"{index:03}.png", index) for index in range(6 * BLOCK)]
    killed = subprocess.run([sys.executable, "-c", KILLED, tmp_path], check=False)
    assert killed.returncode == -signal.SIGKILL
    images = cached_images(files, tmp_path / "cache", size=8)
    assert all(
        np.array_equal(image, read_image(f, 8)) for image, f in zip(images, files, strict=True)
    )
    assert 1 <= len(built) <= 5
    assert 5 in built


def test_progress_is_shown(files, tmp_path, capsys):
    cached_images(files, tmp_path / "cache", size=8)
    assert f"{NUMBER}/{NUMBER}" in capsys.readouterr().err
    cached_images(files, tmp_path / "cache", size=8)
    assert capsys.readouterr().err == ""


def truncated(path):
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (Path.unlink, "No such file or directory"),
        (truncated, r"cannot be read \(.*truncated"),
        (lambda path: path.write_text("no picture"), "is no PNG or JPEG picture"),
        (lambda path: path.write_bytes(b""), "is no PNG or JPEG picture"),
        (lambda path: picture(path, 0, size=(16, 24)), "is 16x24, expected 24x16"),
        (lambda path: picture(path, 0, mode="L"), "has mode L, expected RGB or RGBA"),
        (lambda path: picture(path, 0, mode="I;16"), "has mode I;16, expected RGB or RGBA"),
    ],
)
def test_a_picture_that_cannot_be_used_is_named_with_its_index(files, tmp_path, spoil, message):
    spoil(files[BLOCK + 3])
    with pytest.raises(DataError, match=rf"067.png, image {BLOCK + 3}: {message}"):
        cached_images(files, tmp_path / "cache", size=8)
    picture(files[BLOCK + 3], 0)
    assert np.array_equal(
        cached_images(files, tmp_path / "cache", size=8)[BLOCK + 3], read_image(files[BLOCK + 3], 8)
    )


def test_a_first_picture_that_cannot_be_used_is_named_too(files, tmp_path):
    files[0].write_text("no picture")
    with pytest.raises(DataError, match=r"000.png, image 0: is no PNG"):
        cached_images(files, tmp_path / "cache", size=8)
    with pytest.raises(DataError, match="a cache of no images"):
        cached_images([], tmp_path / "cache")


def test_damaged_bytes_are_a_picture_or_an_error_that_names_the_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged")
    original = picture(folder / "whole.png", 0).read_bytes()

    @settings(deadline=None, derandomize=True, max_examples=300)
    @given(st.integers(0, len(original) - 1), st.binary(max_size=8), st.booleans())
    def read(at, new, cut):
        tail = b"" if cut else original[at + len(new) :]
        (folder / "damaged.png").write_bytes(original[:at] + new + tail)
        try:
            assert read_image(folder / "damaged.png", 8).shape == (3, 8, 8)
            message = ""
        except DataError as error:
            message = str(error)
        assert message == "" or str(folder / "damaged.png") in message

    read()


def test_images_stay_where_they_are_without_a_gpu():
    images = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
    assert images_on(images, "cpu") is images
