"""Scenes are read as released, and refused where they contradict themselves."""

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vqa.records
from vqa.camera import relationships
from vqa.errors import DataError
from vqa.records import read_records
from vqa.scenes import check_scene, load_scenes


def scene() -> dict:
    things = [
        {"shape": "cube", "size": "large", "material": "metal", "color": "red",
         "3d_coords": [float(x), 2.0 - x, 0.7]}
        for x in range(3)
    ]  # fmt: skip
    coords_N3 = [each["3d_coords"] for each in things]
    return {
        "image_index": 7,
        "image_filename": "CLEVR_new_000007.png",
        "objects": things,
        "relationships": relationships(coords_N3),
    }


def changed(*path, to) -> dict:
    """The scene with one value, at the keys of `path`, replaced."""
    whole = part = scene()
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = to
    return whole


def written(folder, content) -> str:
    file = folder / "scenes.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


@pytest.mark.parametrize(("split", "number"), [("train", 500), ("val", 250)])
def test_the_real_scenes_are_read_as_they_are(clevr_samples, split, number):
    root = clevr_samples / "CLEVR_v1.0"
    scenes = load_scenes(root, split)
    assert len(scenes) == number
    file = root / "scenes" / f"CLEVR_{split}_scenes.json"
    assert scenes == json.loads(file.read_text())["scenes"] == load_scenes(file)


def test_directions_are_the_scenes_own():
    turned = scene()
    turned["directions"] = {key: [0.0, 0.0, 1.0] for key in ("left", "right", "front", "behind")}
    turned["relationships"] = {key: [[], [], []] for key in turned["directions"]}
    check_scene(turned)
    del turned["directions"]
    with pytest.raises(ValueError, match="disagrees"):
        check_scene(turned)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (changed("relationships", "front", to=[[], [], []]),
         r"relationships\['front'\] disagrees with 3d_coords"),
        (changed("objects", 1, "3d_coords", to=[-9.0, 2.0, 0.7]), "disagrees with 3d_coords"),
        (changed("relationships", "behind", 2, to=[1, 0]), r"relationships\['behind'\] disagrees"),
        (changed("relationships", to={}), r"given None"),
        (changed("relationships", to=None), "'relationships' is None, expected dict"),
        (changed("objects", 2, "color", to="gren"), "object 2 has color 'gren'.* mean 'green'"),
        (changed("objects", 2, "shape", to=3), "'shape' is 3, expected str"),
        (changed("objects", 0, "3d_coords", to=[0.0, 1.0]), "object 0 lies at .* 3 finite numbers"),
        (changed("objects", 0, "3d_coords", 2, to=float("nan")), "3 finite numbers"),
        (changed("objects", 0, "3d_coords", 2, to=10**400), "3 finite numbers"),
        (changed("objects", to=scene()["objects"] * 4), "12 objects; CLEVR counts to 10"),
        (changed("image_index", to=True), "'image_index' is True, expected int"),
        (scene() | {"directions": 5}, "is 5, expected a JSON object"),
        (scene() | {"directions": {"left": [1]}}, r"directions\['right'\] is None, expected 3"),
        ([], "expected a JSON object"),
    ],
)  # fmt: skip
def test_a_scene_that_cannot_be_used_is_refused_naming_file_and_index(tmp_path, broken, message):
    with pytest.raises(ValueError, match=message):
        check_scene(broken)
    file = written(tmp_path, {"info": {}, "scenes": [scene(), broken]})
    with pytest.raises(DataError, match=f"scenes.json, scene 1: .*{message}"):
        load_scenes(file)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not whole after 0 of its scenes .expected {, found the end of the file"),
        ("[1, 2]", "expected {, found \\["),
        ('{"info": {}}', r"it holds \['info'\], expected a list 'scenes'"),
        ('{"scenes": 3}', "expected \\[, found 3"),
        ('{"scenes": [{}', "scene 0"),
        ('{"scenes": [}', "not whole after 0 .*not JSON"),
        ("[" * 100_000, "expected {"),
        ('{"scenes": ' + "[" * 100_000, "recursion"),
    ],
)
def test_a_damaged_file_is_named_with_the_place(tmp_path, content, message):
    with pytest.raises(DataError, match=f"scenes.json.*{message}"):
        load_scenes(written(tmp_path, content))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"CLEVR_val_scenes.json: cannot be read .No such file"):
        load_scenes(tmp_path, "val")


def test_bytes_that_are_no_text_are_not_json(tmp_path):
    (tmp_path / "scenes.json").write_bytes(os.urandom(64) + b"\xff")
    with pytest.raises(DataError, match="not whole after 0"):
        load_scenes(tmp_path / "scenes.json")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


def places(value, at=()):
    """The path of every value within a JSON value."""
    yield at
    if isinstance(value, list):
        value = dict(enumerate(value))
    for key, inner in value.items() if isinstance(value, dict) else ():
        yield from places(inner, (*at, key))


@settings(deadline=None, derandomize=True, max_examples=400)
@given(st.sampled_from([path for path in places(scene()) if path]), json_values)
def test_any_value_in_any_place_of_a_scene_is_read_or_refused(tmp_path_factory, path, value):
    file = written(tmp_path_factory.getbasetemp(), {"scenes": [changed(*path, to=value)]})
    try:
        message, scenes = "", load_scenes(file)
    except DataError as error:
        message, scenes = str(error), []
    assert len(scenes) == 1 or f"{file}, scene 0" in message


@pytest.fixture(params=[1, 2, 7, 1 << 22])
def _chunk(request, monkeypatch):
    monkeypatch.setattr("vqa.records.CHUNK", request.param)


@pytest.mark.usefixtures("_chunk")
def test_records_come_whole_whatever_the_chunks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")

    @settings(deadline=None, derandomize=True, max_examples=30)
    @given(st.lists(json_values, max_size=3), json_values, st.booleans())
    def come_whole(values, other, indented):
        content = {"info": other, "scenes": values, "more": 12}
        file = written(folder, json.dumps(content, indent=1 if indented else None))
        assert list(read_records(file, "scenes")) == values

    come_whole()


@pytest.mark.usefixtures("_chunk")
def test_a_file_cut_anywhere_is_never_taken_for_a_whole_one(tmp_path):
    text = json.dumps({"info": {"split": "new"}, "scenes": [{"a": [1, 23]}, {}]})
    for end in range(len(text)):
        with pytest.raises(DataError, match="not whole"):
            list(read_records(written(tmp_path, text[:end]), "scenes"))


def test_a_long_file_that_is_not_json_is_not_read_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr("vqa.records.CHUNK", 10)
    monkeypatch.setattr("vqa.records.LONGEST", 100)
    file = written(tmp_path, '{"scenes": ["' + "x" * 1000)
    read = []
    real = vqa.records._Reader._read_on
    monkeypatch.setattr(vqa.records._Reader, "_read_on", lambda self: read.append(1) or real(self))
    with pytest.raises(DataError, match="not whole after 0"):
        load_scenes(file)
    assert 10 * len(read) < 200
