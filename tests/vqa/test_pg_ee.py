"""PG+EE: programs as ids, the plan that runs many at once, and what happens to bad ones."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.vqa.toy import TOY, program, toy_split
from vqa.generate import generate_questions
from vqa.programs import ARITY, LONGEST, SCENE, prefix_ids, program_tensor
from vqa.scene_generator import generate_scenes
from vqa.systems.executor import Executor
from vqa.systems.pg_ee import ProgramAnswerer
from vqa.systems.plan import make_plan
from vqa.systems.seq2seq import ProgramGenerator
from vqa.tokens import PROGRAM_TOKENS

QUESTIONS = generate_questions(generate_scenes(4, seed=0, visible_pixels=0), seed=0)
PROGRAMS = [prefix_ids(question["program"]) for question in QUESTIONS]
IMAGES = [question["image_index"] for question in QUESTIONS]
CONFIG = replace(TOY, channels=3, classifier_channels=4)


def tree(ids, image):
    """A program as nested tuples, read by recursion; what is left over, and None where it ends."""
    if not ids or ids[0] == 0:
        return None, ids
    function, rest = ids[0], ids[1:]
    inputs = [image] if function == SCENE else []
    for _ in range(ARITY[function]):
        one, rest = tree(rest, image)
        if one is None:
            return None, rest
        inputs.append(one)
    return (function, *inputs), rest


def words(ids):
    return [PROGRAM_TOKENS[index - 1] for index in ids]


def test_a_program_is_written_root_first_as_the_reference_writes_it():
    nodes = [
        ("scene", [], []), ("filter_size", [0], ["large"]), ("unique", [1], []),
        ("relate", [2], ["left"]), ("scene", [], []), ("filter_color", [4], ["red"]),
        ("union", [3, 5], []), ("count", [6], []),
    ]  # fmt: skip
    named = [dict(zip(("function", "inputs", "value_inputs"), node, strict=True)) for node in nodes]
    assert words(prefix_ids(named)) == [
        "count", "union", "relate[left]", "unique", "filter_size[large]", "scene",
        "filter_color[red]", "scene",
    ]  # fmt: skip
    assert prefix_ids([]) == prefix_ids([{**named[0], "function": "equal_object"}]) == []


def test_every_generated_program_is_one_whole_tree_of_all_its_nodes():
    for question, ids in zip(QUESTIONS, PROGRAMS, strict=True):
        assert tree(ids, 0)[1] == []
        assert len(ids) == len(question["program"]) <= LONGEST
        assert words(ids)[0] == question["program"][-1]["function"]


def test_programs_become_a_table_with_nothing_for_what_has_none():
    table = program_tensor([{"program": program("red")}, {}])
    assert words(table[0].tolist()) == ["exist", "filter_color[red]", "scene"]
    assert table[1].tolist() == [0, 0, 0]
    assert program_tensor([{}]).shape == (1, 1)


def by_recursion(engine, images, ids, row):
    """The logits of one program on one image, module by module; zeros for what is not whole."""
    root, rest = tree(ids, row)
    if root is None or any(rest):
        return torch.zeros(engine.num_answers)

    def run(node):
        function, *inputs = node
        module = engine.functions[function - 1]
        if function == SCENE:
            return module(engine.enter(engine.stem(images[row : row + 1])).relu())
        return module(torch.cat([run(one) for one in inputs]))

    return engine.classifier(engine.flat(run(root)))[0]


@pytest.fixture(scope="module")
def engine():
    torch.manual_seed(0)
    return Executor(CONFIG, num_answers=5).eval().double()


BAD = [[], [0], [SCENE] * 2, PROGRAMS[0][:-1], [*PROGRAMS[0], SCENE], [ARITY.index(2)] * LONGEST]


def test_running_level_by_level_is_running_each_program_alone(engine):
    images = torch.rand(4, 3, 8, 8, dtype=torch.float64)
    programs = [*PROGRAMS, *BAD, [SCENE], PROGRAMS[0]]
    rows = [*IMAGES, *[1] * (len(BAD) + 1), 3]
    expected = [by_recursion(engine, images, *each) for each in zip(programs, rows, strict=True)]
    torch.testing.assert_close(engine(images, programs, rows), torch.stack(expected))


def test_gradients_by_levels_are_those_of_each_program_alone(engine):
    images = torch.rand(4, 3, 8, 8, dtype=torch.float64)
    weights = torch.randn(len(PROGRAMS), 5, dtype=torch.float64)
    alone = [by_recursion(engine, images, *each) for each in zip(PROGRAMS, IMAGES, strict=True)]
    gradients = []
    for logits in (engine(images, PROGRAMS, IMAGES), torch.stack(alone)):
        loss = (logits * weights).sum()
        gradients.append(torch.autograd.grad(loss, [*engine.parameters()], allow_unused=True))
    for ours, theirs in zip(*gradients, strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            torch.testing.assert_close(ours, theirs)


def test_a_batch_of_bad_programs_only_is_answered_with_guesses(engine):
    images = torch.rand(1, 3, 8, 8, dtype=torch.float64)
    assert not engine(images, BAD, [0] * len(BAD)).any()


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.lists(st.integers(1, len(ARITY) - 1), max_size=9), st.integers(0, 2))))
def test_a_plan_answers_whole_programs_and_runs_each_node_once(asked):
    programs, images = [ids for ids, _ in asked], [image for _, image in asked]
    plan = make_plan(programs, images)
    roots = [tree(ids, image) for ids, image in asked]
    whole = [root if root and not rest else None for root, rest in roots]
    assert sorted(plan.questions) == [q for q, root in enumerate(whole) if root]
    values, answers, run = list(range(3)), [], []
    for level in plan.levels:
        inputs = iter([values[row] for row in level.inputs])
        members = []
        for function, nodes in level.groups:
            columns = [[next(inputs) for _ in range(nodes)] for _ in range(ARITY[function] or 1)]
            members += [(function, *of_node) for of_node in zip(*columns, strict=True)]
        values = members + list(inputs)
        assert len(values) == len(members) + level.carried
        run += members
        answers += [values[row] for row in level.answers]
    assert len(run) == len(set(run))
    for question, answer in zip(plan.questions, answers, strict=True):
        assert answer == whole[question]


class _Dictated(nn.Module):
    """Logits that make a generator write given tokens."""

    def __init__(self, ids):
        super().__init__()
        self.ids, self.calls = ids, 0

    def forward(self, states):
        self.calls += 1
        token = self.ids[min(self.calls, len(self.ids)) - 1]
        wanted = nn.functional.one_hot(torch.tensor(token - 1), len(ARITY) - 1)
        return wanted.float().expand(len(states), 1, -1)


@pytest.mark.parametrize("ids", [PROGRAMS[0], PROGRAMS[7], [SCENE], [ARITY.index(1)]])
def test_writing_stops_where_the_program_is_whole_or_after_the_longest(ids):
    generator = ProgramGenerator(CONFIG, vocab_size=9)
    generator.function = _Dictated(ids)
    written = generator.generate(torch.tensor([[1, 4, 2], [1, 2, 0]]))
    assert written.shape == (2, LONGEST)
    whole = tree(ids, 0)[0] is not None
    expected = ids + [0] * (LONGEST - len(ids)) if whole else ids * LONGEST
    assert written.tolist() == [expected] * 2


def test_the_generators_loss_is_that_of_writing_one_token_after_another():
    generator = ProgramGenerator(CONFIG, vocab_size=9).eval()
    tokens, programs = torch.tensor([[1, 4, 2], [1, 2, 0]]), program_tensor(QUESTIONS[:2]).long()
    total, state, before = [], None, torch.zeros(2, dtype=torch.int64)
    z = generator.question(tokens)
    for right in programs.T:
        logits, state = generator._step(before[:, None], z, state)
        chances = logits[:, 0].log_softmax(1)
        total += [-chances[q, right[q] - 1] for q in range(2) if right[q]]
        before = right
    torch.testing.assert_close(generator.loss(tokens, programs), torch.stack(total).mean())


def test_figures_tell_how_many_programs_are_right_and_how_many_not_whole(monkeypatch):
    table = toy_split(2, seed=0).table
    model = ProgramAnswerer(CONFIG, vocab_size=9, num_answers=2)
    right = nn.functional.pad(table.programs.long(), (0, LONGEST - 3))
    right[0] = ARITY.index(1)  # goes on to the end
    right[1, 1] = ARITY.index(1)  # another function, but whole
    monkeypatch.setattr(model.generator, "generate", lambda tokens: right)
    figures = model.figures(table)
    assert figures["questions_with_program"] == 8
    assert figures["exactly_right"] == pytest.approx(6 / 8)
    assert figures["not_whole"] == pytest.approx(1 / 8)
