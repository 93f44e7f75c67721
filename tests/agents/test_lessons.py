import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.config import ImitationConfig
from agents.lessons import Course, Lessons, joined
from envs.grammar import tokenize

CPU = torch.device("cpu")
SENTENCES = ["go to the red ball", "go to the blue key", "pick up a box"]


def lessons_of(lengths, seed=0, sentences=SENTENCES) -> Lessons:
    """Episodes of these lengths; each frame's image tells its episode and its place there."""
    draws = torch.Generator().manual_seed(seed)
    frames = sum(lengths)
    image = torch.zeros(frames, 7, 7, 3, dtype=torch.uint8)
    image[:, 0, 0, 0] = torch.cat([torch.full((n,), e) for e, n in enumerate(lengths)])
    image[:, 0, 0, 1] = torch.cat([torch.arange(n) for n in lengths])
    advice, taken = torch.randint(7, (2, frames), generator=draws, dtype=torch.uint8)
    sentence = torch.randint(len(sentences), (len(lengths),), generator=draws)
    first = torch.tensor([0, *np.cumsum(lengths)])
    return Lessons(image, advice, taken, first, sentence, list(sentences))


def config_of(**options) -> ImitationConfig:
    return ImitationConfig(**{"batch_size": 12, "segment": 4, "last_actions": 3, **options})


def frames_of(lesson) -> list[tuple[int, int]]:
    """(episode, place) of all frames, step by step."""
    return [tuple(pair) for pair in lesson.view.image[..., 0, 0, :2].flatten(0, 1).tolist()]


LENGTHS = st.lists(st.integers(1, 30), min_size=1, max_size=12)


@settings(deadline=None)
@given(lengths=LENGTHS, memory=st.sampled_from(["none", "gru"]), seed=st.integers(0, 3))
def test_a_pass_has_every_frame_at_most_once_and_leaves_less_than_a_minibatch(
    lengths, memory, seed
):
    course = Course(lessons_of(lengths), config_of(memory=memory, seed=seed), CPU)
    for passes in range(2):
        lessons = [course[passes * len(course) + number] for number in range(len(course))]
        seen = [frame for lesson in lessons for frame in frames_of(lesson)]
        assert len(seen) == len(set(seen))
        assert sum(lengths) - len(seen) < course.steps * course.streams


@settings(deadline=None)
@given(lengths=LENGTHS, memory=st.sampled_from(["none", "gru"]))
def test_a_frame_comes_with_its_own_sentence_advice_and_last_actions(lengths, memory):
    lessons = lessons_of(lengths)
    course = Course(lessons, config_of(memory=memory), CPU)
    for number in range(len(course)):
        lesson = course[number]
        view = lesson.view
        for row, (episode, place) in enumerate(frames_of(lesson)):
            frame = int(lessons.first[episode]) + place
            done = lessons.taken[frame - place : frame].flip(0)[:3].tolist()
            newest_first = [action + 1 for action in done] + [0] * (3 - len(done))
            assert view.last_actions.flatten(0, 1)[row].tolist() == newest_first
            words = tokenize(lessons.sentences[lessons.sentence[episode]])
            assert lesson.tokens[view.sentence.flatten()[row], : len(words)].tolist() == words
            assert lesson.advice.flatten()[row] == lessons.advice[frame]


@settings(deadline=None)
@given(lengths=LENGTHS)
def test_streams_follow_episodes_frame_by_frame_and_say_where_one_begins(lengths):
    course = Course(lessons_of(lengths), config_of(memory="gru"), CPU)
    for passes in range(2):
        lessons = [course[passes * len(course) + number] for number in range(len(course))]
        images = torch.cat([lesson.view.image for lesson in lessons])[:, :, 0, 0]
        starts, counts = (torch.cat([getattr(n, k) for n in lessons]) for k in ("start", "counts"))
        for stream in range(course.streams):
            known = False
            for step, (episode, place, _) in enumerate(images[:, stream].tolist()):
                known |= place == 0
                assert starts[step, stream] == (place == 0 or step == 0)
                assert counts[step, stream] == known
                if place and step:
                    assert images[step - 1, stream, :2].tolist() == [episode, place - 1]


@pytest.mark.parametrize("memory", ["none", "gru"])
def test_a_minibatch_is_a_function_of_the_seed_and_its_number(memory):
    lessons = lessons_of([5, 9, 2, 30, 7])
    course, other = (Course(lessons, config_of(memory=memory), CPU) for _ in range(2))
    numbers = range(3 * len(course))
    forth = [frames_of(course[number]) for number in numbers]
    back = [frames_of(other[number]) for number in reversed(numbers)]
    assert forth == back[::-1]
    shuffled = [
        Course(lessons, config_of(memory=memory, seed=1), CPU),
        Course(lessons, config_of(), CPU, 1),
    ]
    assert all(forth != [frames_of(one[number]) for number in numbers] for one in shuffled)


def test_lessons_are_joined_and_chosen_episode_by_episode():
    one = lessons_of([3, 4], sentences=SENTENCES[:2])
    other = lessons_of([2, 5], seed=1, sentences=SENTENCES[:0:-1])
    both = joined([one, other])
    assert [one.sentences[s] for s in one.sentence] + [
        other.sentences[s] for s in other.sentence
    ] == [both.sentences[s] for s in both.sentence]
    assert both.first.tolist() == [0, 3, 7, 9, 14]
    again = both.chosen(torch.tensor([False, False, True, True]))
    for field in dataclasses.fields(Lessons):
        if field.name not in ("sentence", "sentences"):
            assert torch.equal(getattr(again, field.name), getattr(other, field.name))
