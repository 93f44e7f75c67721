"""The bot's demonstrations as lessons, and the task that they are of."""

from dataclasses import replace

from agents.config import ImitationConfig
from agents.learner import check_agent
from agents.lessons import Lessons
from envs import level_ids
from envs.demonstrations import Demonstrations, Folder, Source
from film_rl.run import UserError, choose_device, choose_precision

HELD_OUT = 20
"""One demonstration in so many is not learned from."""


def completed(config: ImitationConfig) -> ImitationConfig:
    """The configuration with what it leaves to the demonstrations: their task and their number.

    Raises:
        UserError: a number is out of range; the device or precision is not to be had.
        EnvError: there are no such demonstrations, or they are of another task, version or
            observation.
    """
    check_agent(config)
    choose_precision(config.precision, choose_device(config.device))
    if not config.demos:
        raise UserError(
            "give the folder of the demonstrations, such as --demos demos/GoToLocal; "
            "experiments/babyai_demos.py makes one"
        )
    for name in ("hold_out", "mixture", "curriculum"):
        if getattr(config, name):
            option = f"--{name.replace('_', '-')}"
            raise UserError(f"{option}: the demonstrations say what the task is; leave it out")
    if config.rounds >= config.updates:
        raise UserError(f"--rounds {config.rounds}: expected fewer than --updates {config.updates}")
    if config.rounds and config.view == "pixels":
        raise UserError("--rounds: the bot looks on in symbols; type --view symbols")
    folder = Folder.open(config.demos)
    if not config.instr and not config.level:
        config = _of_task(config, folder.source)
    folder.source.check_worlds(source_of(config))
    config = replace(config, demonstrations=config.demonstrations or folder.demonstrations)
    if not 2 <= config.demonstrations <= folder.demonstrations:
        raise UserError(
            f"--demonstrations {config.demonstrations}: {config.demos} has "
            f"{folder.demonstrations:,}; expected 2 or more of them, one of which is held out"
        )
    return config


def read_lessons(config: ImitationConfig) -> tuple[Lessons, Lessons]:
    """What is learned from, and the last twentieth, which shows how unseen ones are foretold.

    Raises:
        EnvError: as `completed`; a shard is damaged.
    """
    demos = Demonstrations.load(config.demos, config.demonstrations)
    demos.sources[0].check_worlds(source_of(config))
    learned = len(demos) - max(1, len(demos) // HELD_OUT)
    return _lessons(demos.part(slice(learned))), _lessons(demos.part(slice(learned, None)))


def source_of(config: ImitationConfig) -> Source:
    """What demonstrations of a configuration's task are of."""
    return Source(config.instr or str(config.level), config.room_size, config.distractors)


def _lessons(demos: Demonstrations) -> Lessons:
    """The same frames; nothing is copied."""
    return Lessons(
        image=demos.image,
        advice=demos.action,
        taken=demos.action,
        first=demos.first,
        sentence=demos.sentence,
        sentences=demos.missions,
    )


def _of_task(config: ImitationConfig, source: Source) -> ImitationConfig:
    """The configuration with the task of a folder."""
    level = source.task[0] if source.task[0] in level_ids() else None
    instr = () if level else tuple(source.task)
    return replace(
        config,
        instr=instr,
        level=level,
        room_size=source.room_size,
        distractors=source.distractors,
    )
