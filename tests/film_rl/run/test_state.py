import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from film_rl.run.state import pack, unpack

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**130), 2**130)
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
)
tensors = st.sampled_from(
    [
        torch.arange(6).reshape(2, 3),
        torch.tensor([1.5, float("inf"), float("nan")]),
        torch.zeros(0, 3),
        torch.tensor(True),
        torch.randn(3, 3, dtype=torch.bfloat16).T,
    ]
)
arrays = st.sampled_from(
    [np.arange(4, dtype=np.uint32), np.zeros((2, 0)), np.float32(0.1), np.int64(-7), np.array(3.5)]
)
keys = st.text(max_size=4) | st.integers(0, 9) | st.just("!")
states = st.recursive(
    scalars | tensors | arrays,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(keys, inner, max_size=3)
    ),
    max_leaves=12,
)


def same(a, b) -> bool:
    """Equal in value and in type, down to the dtype of every array."""
    if type(a) is not type(b):
        return False
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a.nan_to_num(7), b.nan_to_num(7))
    if isinstance(a, np.ndarray | np.generic):
        return a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@settings(derandomize=True, deadline=None)
@given(states)
def test_any_nested_state_comes_back_the_same_through_json(state):
    stored, tree = pack(state)
    assert same(unpack(json.loads(json.dumps(tree)), stored), state)


def test_what_is_stored_does_not_change_with_the_original():
    original = torch.zeros(2)
    stored, tree = pack({"a": original, "b": original[:1]})
    original += 1
    assert unpack(tree, stored)["a"].tolist() == [0, 0]
    assert unpack(tree, stored)["b"].tolist() == [0]


def test_objects_that_only_pickle_could_save_are_refused_with_their_place():
    with pytest.raises(TypeError, match=r"state\.inner\.1: a object"):
        pack({"inner": [1, object()]})


def test_a_tree_that_names_a_missing_tensor_is_refused():
    with pytest.raises(ValueError, match="'gone' that is not in it"):
        unpack({"!": "tensor", "name": "gone"}, {})
    with pytest.raises(ValueError, match="unknown tag 'call'"):
        unpack({"!": "call", "name": "os.system"}, {})


def test_one_tensor_under_three_names_is_stored_once_and_comes_back_three_times():
    weight = torch.randn(4)
    stored, tree = pack({"a": weight, "b": weight, "c": weight[:2]})
    assert len(stored) == 2
    back = unpack(tree, stored)
    assert torch.equal(back["a"], weight)
    assert torch.equal(back["b"], weight)
    assert torch.equal(back["c"], weight[:2])
