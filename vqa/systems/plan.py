"""In which order to run many programs at once: level by level, equal functions together.

A node's level is one above the highest of its inputs'; the scene's is 0, and its input an image.
What two programs about one image have in common is one node, so it is run once. A level's values
are its own nodes, function by function, and after them those of the level before that a later level
still needs.

Shapes are those of `vqa.systems.executor`; here all are lists of numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from vqa.programs import ARITY, SCENE


@dataclass
class Level:
    """One step of a plan.

    Attributes:
        groups: (function, number of nodes), one after another.
        inputs: rows of the level before, or of the images: for each group the first inputs of all
            its nodes, then the second ones; after all groups, what is carried on.
        carried: how many of them are carried on.
        answers: rows of this level that answer a question.
    """

    groups: list[tuple[int, int]] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    carried: int = 0
    answers: list[int] = field(default_factory=list)


@dataclass
class Plan:
    """How to run programs.

    Attributes:
        levels: from the scenes upwards.
        questions: which question each answer is for, in the order of the levels' answers.
    """

    levels: list[Level] = field(default_factory=list)
    questions: list[int] = field(default_factory=list)


def make_plan(programs: Sequence[Sequence[int]], images: Sequence[int]) -> Plan:
    """Plan to run programs, each on its image; those that are not whole are left out.

    Args:
        programs: ids of functions in prefix order, 0 after the end.
        images: the row of each program's image.
    """
    nodes = _Nodes()
    roots = [nodes.root(ids, image) for ids, image in zip(programs, images, strict=True)]
    return nodes.plan(roots)


class _Nodes:
    """The distinct nodes of programs, each after its inputs."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], int] = {}
        self._nodes: list[tuple[int, ...]] = []  # function and inputs; of a scene, the image
        self._level: list[int] = []
        self._needed: list[int] = []  # the highest level that reads it

    def root(self, ids: Sequence[int], image: int) -> int | None:
        """The root's node of a program; None if the ids are not one whole program."""
        stack: list[int] = []
        whole = list(ids[: ids.index(0)] if 0 in ids else ids)
        for function in reversed(whole):
            arity = ARITY[function]
            if len(stack) < arity:
                return None
            inputs = [stack.pop() for _ in range(arity)]
            stack.append(self._add((function, *(inputs if arity else (image,)))))
        return stack[0] if len(stack) == 1 else None

    def _add(self, node: tuple[int, ...]) -> int:
        index = self._known.setdefault(node, len(self._nodes))
        if index == len(self._nodes):
            inputs = () if node[0] == SCENE else node[1:]
            level = 1 + max((self._level[i] for i in inputs), default=-1)
            self._nodes.append(node)
            self._level.append(level)
            self._needed.append(level)
            for i in inputs:
                self._needed[i] = max(self._needed[i], level)
        return index

    def plan(self, roots: Sequence[int | None]) -> Plan:
        """The order of all nodes; each root is the question of its place."""
        asking: dict[int, list[int]] = {}
        for question, root in enumerate(roots):
            if root is not None:
                asking.setdefault(root, []).append(question)
        by_level: list[dict[int, list[int]]] = [{} for _ in range(max(self._level, default=-1) + 1)]
        for index, (node, number) in enumerate(zip(self._nodes, self._level, strict=True)):
            by_level[number].setdefault(node[0], []).append(index)
        plan = Plan()
        row_of: dict[int, int] = {}
        for number, of_function in enumerate(by_level):
            level = self._level_of(of_function, row_of)
            members = [index for _, indices in sorted(of_function.items()) for index in indices]
            carried = [index for index in row_of if self._needed[index] > number]
            level.carried = len(carried)
            level.inputs += [row_of[index] for index in carried]
            for row, index in enumerate(members):
                level.answers += [row] * len(asking.get(index, []))
                plan.questions += asking.get(index, [])
            row_of = {index: row for row, index in enumerate(members + carried)}
            plan.levels.append(level)
        return plan

    def _level_of(self, of_function: dict[int, list[int]], row_of: dict[int, int]) -> Level:
        """The nodes of a level, and where their inputs lie in the level before."""
        level = Level()
        for function, indices in sorted(of_function.items()):
            level.groups.append((function, len(indices)))
            for place in range(1, 1 + ARITY[function]):
                level.inputs += [row_of[self._nodes[index][place]] for index in indices]
            if function == SCENE:
                level.inputs += [self._nodes[index][1] for index in indices]
        return level
