"""The rules of the house that a machine can check, read from the source itself."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("film_rl", "vqa", "envs", "agents", "experiments")
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))

# DESIGN: imports only point down this list.
MAY_IMPORT = {
    "film_rl": {"torch"},
    "film_rl/analysis": {"film_rl", "torch", "numpy", "matplotlib", "sklearn", "threadpoolctl"},
    "film_rl/run": {"film_rl", "torch", "numpy", "safetensors", "rich", "filelock", "accelerate"},
    "vqa": {"film_rl", "torch", "numpy", "PIL", "rich", "filelock", "matplotlib", "torchvision"},
    "envs": {"minigrid", "gymnasium", "torch", "numpy"},
    "envs/batched": {"minigrid", "gymnasium", "torch", "numpy", "safetensors"},
    "envs/demonstrations": {"minigrid", "gymnasium", "torch", "numpy", "filelock"},
    "agents": {
        "film_rl", "envs", "stable_baselines3", "torch", "numpy", "gymnasium",
        "matplotlib", "PIL", "imageio", "tyro",
    },
    "experiments": {
        "film_rl", "envs", "agents", "vqa", "torch", "numpy", "PIL", "tyro", "rich",
        "stable_baselines3", "sb3_contrib", "envpool", "matplotlib",
        *(path.stem for path in (ROOT / "experiments").glob("*.py")),
    },
}  # fmt: skip

# What could run code from a file, or a string.
BANNED_CALLS = {
    "eval", "exec", "compile", "__import__", "torch.load", "torch.save", "torch.package",
    "numpy.load", "np.load", "yaml.load", "os.system", "joblib.load", "runpy.run_path",
}  # fmt: skip
# The original FiLM code's checkpoints are pickles: this file alone may read them, weights only.
READS_WEIGHTS = ROOT / "vqa" / "original.py"
BANNED_MODULES = {"pickle", "cloudpickle", "dill", "marshal", "shelve", "joblib", "yaml"}


def room_of(path: Path) -> str:
    folder = path.relative_to(ROOT).parent.as_posix()
    return max((room for room in MAY_IMPORT if f"{folder}/".startswith(f"{room}/")), key=len)


def imported(tree: ast.AST) -> set[str]:
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole path"
            modules.add(node.module)
    return modules


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_only_point_down(path):
    room = room_of(path)
    tops = {module.partition(".")[0] for module in imported(ast.parse(path.read_text()))}
    own = room.partition("/")[0]
    assert tops - sys.stdlib_module_names - {own} <= MAY_IMPORT[room]
    if room == "film_rl":  # the core does without what training needs
        assert not any(m.startswith("film_rl.run") for m in imported(ast.parse(path.read_text())))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_source_loads_what_could_run_code(path):
    tree = ast.parse(path.read_text())
    assert not {module.partition(".")[0] for module in imported(tree)} & BANNED_MODULES
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            weights_only = "weights_only=True" in [ast.unparse(k) for k in node.keywords]
            allowed = {"torch.load"} if path == READS_WEIGHTS and weights_only else set()
            assert ast.unparse(node.func) not in BANNED_CALLS - allowed, f"line {node.lineno}"
            for keyword in node.keywords:
                value = ast.unparse(keyword.value)
                forbidden = {("allow_pickle", "True"), ("weights_only", "False"), ("shell", "True")}
                assert (keyword.arg, value) not in forbidden, f"line {node.lineno}"


def test_the_ban_finds_what_it_bans(tmp_path):
    for line in ("import pickle", "from cloudpickle import loads", "x = eval(y)", "torch.load(f)",
                 "np.load(f, allow_pickle=True)", "run(c, shell=True)"):  # fmt: skip
        (tmp_path / "bad.py").write_text(line)
        with pytest.raises(AssertionError):
            test_no_source_loads_what_could_run_code(tmp_path / "bad.py")


def test_one_file_may_load_weights_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "original.py"
    path.write_text("torch.load(f, weights_only=True)")
    with pytest.raises(AssertionError):  # another file may not
        test_no_source_loads_what_could_run_code(path)
    monkeypatch.setattr(sys.modules[__name__], "READS_WEIGHTS", path)
    test_no_source_loads_what_could_run_code(path)
    for line in ("torch.load(f)", "torch.load(f, weights_only=False)", "torch.save(x, f)",
                 "torch.load(f, weights_only=flag)", "import pickle"):  # fmt: skip
        path.write_text(line)
        with pytest.raises(AssertionError):
            test_no_source_loads_what_could_run_code(path)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_file_is_one_idea_and_a_function_fits_a_screen(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 60, node.name


def test_every_folder_of_tests_mirrors_a_room():
    for path in (ROOT / "tests").rglob("test_*.py"):
        folder = path.relative_to(ROOT / "tests").parent
        assert folder == Path() or (ROOT / folder).is_dir(), path
