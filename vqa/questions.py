"""CLEVR questions in their official form, also from the public generator's dialect.

A question is a dict with `question`, `image_index`, `image_filename` and, where the file has them,
`answer`, `program`, `question_family_index` (0-89), `question_index` and `split`. Our
generator marks with `easy` what it asks for the curriculum alone; official readers ignore it.
"""

from pathlib import Path
from sys import intern
from typing import Any

from film_rl.errors import did_you_mean
from vqa.errors import DataError
from vqa.execute import Program, check_program
from vqa.layout import question_file
from vqa.records import read_records
from vqa.scenes import COLORS, MATERIALS, MOST_OBJECTS, SHAPES, SIZES, check_record

Question = dict[str, Any]

# In the order of the reference's answer vocabulary, whose ids are 4 more.
ANSWERS = tuple(
    sorted(["yes", "no", *map(str, range(MOST_OBJECTS + 1)), *COLORS, *MATERIALS, *SHAPES, *SIZES])
)
CATEGORIES = ("count", "exist", "compare numbers", "query attribute", "compare attribute")
# The official number of the first family of each template file.
FIRST_FAMILY = {
    "compare_integer": 0,
    "comparison": 9,
    "three_hop": 25,
    "single_and": 31,
    "same_relate": 36,
    "single_or": 64,
    "one_hop": 72,
    "two_hop": 78,
    "zero_hop": 84,
}
FAMILIES = 90
# What an official question may hold beside what every question must.
OPTIONAL = {"question_index": int, "split": str, "easy": bool}


def load_questions(path: Path | str, split: str | None = None) -> list[Question]:
    """The questions of a file, or of a split of an official folder, checked and in official form.

    Equal nodes of programs are one and the same dict, which saves two thirds of the memory.

    Raises:
        DataError: the file is damaged, or a question is not a CLEVR question.
    """
    file = Path(path) if split is None else question_file(Path(path), split)
    known: dict[Any, dict[str, Any]] = {}
    questions = []
    for index, record in enumerate(read_records(file, "questions")):
        try:
            questions.append(_official(record, known))
        except ValueError as error:
            raise DataError(f"{file}, question {index}: {error}") from None
    return questions


def question_type(program: Program) -> str:
    """The function that gives the answer: count, exist, query_color, equal_integer, ..."""
    return str(program[-1]["function"])


def category(program: Program) -> str:
    """Which of the five CATEGORIES of the FiLM paper's table 1 a program belongs to."""
    last = question_type(program)
    if last in {"equal_integer", "less_than", "greater_than"}:
        return "compare numbers"
    if last.startswith(("query_", "equal_")):
        return last.partition("_")[0].replace("equal", "compare") + " attribute"
    return last


def _official(record: Any, known: dict[Any, dict[str, Any]]) -> Question:
    check_record(record, {"question": str, "image_index": int, "image_filename": str})
    if not record["question"].strip(" \t\n?.,;"):
        raise ValueError(f"the question is empty: {record['question']!r:.60}")
    if Path(record["image_filename"]).name != record["image_filename"]:
        raise ValueError(f"image_filename is {record['image_filename']!r}, expected a bare name")
    question = {key: record[key] for key in ("question", "image_index")}
    question["image_filename"] = intern(record["image_filename"])
    for key, kind in OPTIONAL.items():
        if key in record:
            check_record(record, {key: kind})
            question[key] = intern(record[key]) if kind is str else record[key]
    if "answer" in record:
        question["answer"] = _answer(record["answer"])
    if "program" in record:
        question["program"] = _program(record["program"], known)
    if "question_family_index" in record:
        question |= _family(record)
    return question


def _answer(answer: Any) -> str:
    if isinstance(answer, bool):
        answer = "yes" if answer else "no"
    words = str(answer)
    if words not in ANSWERS:
        raise ValueError(
            f"the answer {answer!r} is none of CLEVR's {len(ANSWERS)}: {', '.join(ANSWERS)}"
            f"{did_you_mean(words, ANSWERS)}"
        )
    return ANSWERS[ANSWERS.index(words)]


def _program(program: Any, known: dict[Any, dict[str, Any]]) -> Program:
    if not isinstance(program, list):
        raise ValueError(f"the program is {program!r:.60}, expected a list of nodes")
    official = []
    for node in program:
        check_record(node, {"inputs": list})
        function = node.get("function", node.get("type"))
        values = node.get("value_inputs", node.get("side_inputs", []))
        key = str((function, node["inputs"], values))
        if key not in known:
            known[key] = {"function": function, "inputs": node["inputs"], "value_inputs": values}
        official.append(known[key])
    check_program(official)
    return official


def _family(record: Question) -> dict[str, int]:
    """The official family number; nothing for a template file that CLEVR does not have."""
    check_record(record, {"question_family_index": int})
    family = record["question_family_index"]
    if "template_filename" in record:
        check_record(record, {"template_filename": str})
        template = Path(record["template_filename"]).stem
        if template not in FIRST_FAMILY:
            return {}
        family += FIRST_FAMILY[template]
    if not 0 <= family < FAMILIES:
        raise ValueError(f"question_family_index is {family}, expected 0 to {FAMILIES - 1}")
    return {"question_family_index": family}
