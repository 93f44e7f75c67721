"""The two kinds of runs, an agent's and a question answerer's, and a script given the wrong one."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from film_rl.run import RunFolder

Kind = Literal["agent", "question answerer"]

NAMES: dict[Kind, str] = {
    "agent": "an agent (babyai_ppo.py, babyai_imitate.py)",
    "question answerer": "a question answerer (clevr_train.py)",
}
HAS: dict[Kind, str] = {"agent": "instr", "question answerer": "image_size"}  # no other kind does


def run_of(kind: Kind, path: str | Path, option: str = "--run") -> "RunFolder":
    """An existing run of a kind.

    Raises:
        UserError: there is none, or it is of another kind; which ones are beside it.
    """
    from film_rl.run import RunFolder, UserError

    run = RunFolder.existing(path)
    given = kind_of(run)
    if given != kind:
        beside = (RunFolder(p.parent) for p in sorted(run.path.parent.glob("*/config.json")))
        fitting = [str(one.path) for one in beside if kind_of(one) == kind]
        known = f"; the runs of that kind there are: {', '.join(fitting)}" if fitting else ""
        is_one = f"a run of {NAMES[given]}" if given else "no run of this program"
        raise UserError(f"{option} {path} is {is_one}; expected one of {NAMES[kind]}{known}")
    return run


def kind_of(run: "RunFolder") -> Kind | None:
    """What its configuration is of; None where that is something else."""
    from film_rl.run.files import read_json

    content = read_json(run.config_path)
    names = content if isinstance(content, dict) else {}
    return next((kind for kind, name in HAS.items() if name in names), None)
