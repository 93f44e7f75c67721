"""Commands in rows, documents and scripts exist, with their options, and name no machine."""

import ast
import importlib
import re
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import tyro

from agents.config import AgentConfig
from film_rl.run import RunFolder
from tests.experiments.helpers import EXPERIMENTS
from vqa.config import VQAConfig, small
from vqa.fine_tune import continued
from vqa.sizes import preset_for

sys.path.insert(0, str(EXPERIMENTS))
from commands import answerer_options, on_run, typed
from paper_rows import read_rows

ROOT = EXPERIMENTS.parent
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
TEXTS = {path.name: path.read_text() for path in DOCUMENTS}
TEXTS |= {
    path.name: ast.get_docstring(ast.parse(path.read_text()), clean=False) or ""
    for path in sorted(EXPERIMENTS.glob("*.py"))
}
COMMAND = re.compile(r"^(?: {4})?((?:python|torchrun .*?--) experiments/.*)$", re.MULTILINE)
IN_TEXTS = [
    (name, command)
    for name, text in TEXTS.items()
    for command in COMMAND.findall(re.sub(r"\\\n\s+", "", text))
]


def parsed(command: str, monkeypatch) -> list:
    """The options of each script of a command, as the script itself reads them."""
    sweep = importlib.import_module("clevr_sweep").SweepOptions
    found = []
    for one in command.split(" && "):
        alone = re.sub("^torchrun .*? -- ", "python ", one)
        words = [word for word in shlex.split(alone, comments=True) if word != "--help"]
        assert words[0] == "python", one
        assert not any(word.startswith("/") for word in words), one
        assert (EXPERIMENTS.parent / words[1]).is_file(), one
        monkeypatch.setattr(sys, "argv", words[1:])
        module = importlib.import_module(Path(words[1]).stem)
        if issubclass(module.Options, sweep):
            found.append(module.read_options(module.Options, ""))
        elif module.__name__ == "clevr_train" and "--start" not in words:
            found.append(module.read_options())
        else:
            found.append(tyro.cli(module.Options, args=words[2:]))
        if hasattr(module, "lines_of"):
            assert module.lines_of(found[-1])
    return found


def test_every_row_of_the_paper_has_a_command_that_its_script_understands(monkeypatch):
    for row in read_rows():
        if row["command"]:
            parsed(row["command"], monkeypatch)
            assert not row["measured"] or " RUN" not in row["command"], row["what"]


@pytest.mark.parametrize(("name", "command"), IN_TEXTS)
def test_every_command_of_a_document_or_a_script_is_understood(name, command, monkeypatch):
    parsed(command, monkeypatch)


def test_commands_are_found_where_they_stand():
    scripts = {path.name for path in EXPERIMENTS.glob("*.py") if "__main__" in path.read_text()}
    assert scripts | {"README.md", "clevr.md", "paper.md"} <= {name for name, _ in IN_TEXTS}


@pytest.mark.parametrize("system", ["film", "mac", "lstm"])
@pytest.mark.parametrize("preset", ["small", "fast"])
def test_the_options_of_a_system_are_those_beside_its_own_preset(system, preset, monkeypatch):
    config = replace(preset_for(preset, system), steps=77)
    command = shlex.join(["python", "experiments/clevr_train.py", *answerer_options(config)])
    (read,) = parsed(command, monkeypatch)
    assert all(getattr(read, name) == value for name, value in vars(config).items())


def test_a_row_says_how_its_run_was_trained_and_not_where_it_lay(tmp_path, monkeypatch):
    trained = replace(small(), data=str(tmp_path / "CLEVR_v1.0"), seed=3)
    answerer = RunFolder.create(tmp_path / "here" / "a", trained)
    tuning = replace(continued(trained, answerer.path), tune="film", steps=9)
    command = on_run(RunFolder.create(tmp_path / "b", tuning), "clevr_zero_shot")
    assert str(tmp_path) not in command
    first, second, last = parsed(command, monkeypatch)
    assert (first.run, second.start, second.run) == (Path("runs/a"), "runs/a", Path("runs/b"))
    assert last.run == Path("runs/b")
    for name in vars(trained).keys() - {"data"}:
        assert getattr(first, name) == getattr(trained, name)
    assert (first.data, second.tune, second.steps) == ("CLEVR_v1.0", "film", 9)
    config = AgentConfig(instr=("go to the {color} {object}",), hold_out=("red key",), seed=2)
    agent = RunFolder.create(tmp_path / "c", config)
    read, _ = parsed(on_run(agent, "babyai_zero_shot"), monkeypatch)
    assert all(getattr(read, name) == value for name, value in vars(config).items())
    further = replace(config, hold_out=("blue box",), init_from=str(agent.path))
    command = on_run(RunFolder.create(tmp_path / "d", further), "babyai_zero_shot")
    first, second, _ = parsed(command, monkeypatch)
    assert (first.seed, first.run, second.init_from) == (2, Path("runs/c"), "runs/c")


def test_what_is_as_by_default_is_not_typed():
    assert typed(VQAConfig(), VQAConfig(), ()) == []
    assert typed(VQAConfig(residual=False), VQAConfig(), ()) == ["--no-residual"]
