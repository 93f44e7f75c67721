import numpy as np
import pytest
from imageio_ffmpeg import count_frames_and_secs
from PIL import Image
from stable_baselines3 import DQN, PPO

from agents import FiLMExtractor, FiLMPolicy, Task, record_video
from agents.finish import finish
from agents.frame import ACTIONS, FrameArtist, Moment
from agents.plots import learning_curve
from envs import make_env
from film_rl.analysis.style import ORANGE
from film_rl.run import UserError


def moments(count: int) -> list[Moment]:
    rng = np.random.default_rng(0)
    return [
        Moment(
            world=rng.integers(0, 255, (64, 64, 3), dtype=np.uint8),
            view=rng.integers(0, 255, (56, 56, 3), dtype=np.uint8),
            sentence="go to the red ball",
            caption=f"step {index}",
            scores=np.full(7, 1 / 7, np.float32),
            action=index % 7,
            value=index / count,
            film=[(rng.normal(1, 1, 4), rng.normal(0, 1, 4))],
        )
        for index in range(count)
    ]


def test_a_frame_shows_the_action_taken_and_hides_the_future():
    artist = FrameArtist(moments(6), [0, 3], "action probabilities")
    frame = artist.frame(2)
    assert frame.shape == (540, 960, 3)
    colors = [bar.get_facecolor() for bar in artist.bars]
    assert colors.index(max(colors)) == 2  # orange has the most red
    strip, _ = artist.strips[0]
    assert strip.get_array().mask[:, 3:].all()
    assert not strip.get_array().mask[:, :3].any()
    assert len(artist.curve.get_xdata()) == 3
    assert len(ACTIONS) == 7
    assert ORANGE.startswith("#e6")


def test_frames_can_be_drawn_in_any_order():
    artist = FrameArtist(moments(4), [0], "action probabilities")
    first = artist.frame(0)
    artist.frame(3)
    assert np.array_equal(artist.frame(0), first)


def test_a_value_that_was_never_learned_is_called_so():
    imitated = moments(3)
    for moment in imitated:
        moment.value = 0.0
    for given, title in ((imitated, "value (not learned)"), (moments(3), "value")):
        artist = FrameArtist(given, [0], "action probabilities")
        assert artist.curve.axes.get_title() == title


def test_long_sentences_are_broken_and_of_many_blocks_three_are_shown():
    many = moments(3)
    for moment in many:
        moment.film = moment.film * 6
        moment.sentence = "go to the red ball and " * 9
    artist = FrameArtist(many, [0], "action probabilities")
    artist.frame(2)
    assert len(artist.strips) == 6
    bounds = artist.sentence.get_window_extent()
    assert bounds.x0 > 0
    assert bounds.x1 < 960


def test_an_agent_without_film_is_filmed_without_it(tmp_path):
    env = make_env("go to the red ball")
    agent = PPO("MultiInputPolicy", env, n_steps=8, batch_size=8)
    paths = record_video(agent, "go to the red ball", str(tmp_path), episodes=1, max_frames=2)
    assert paths["video"].stat().st_size > 0
    with pytest.raises(UserError, match="at least 1"):
        record_video(agent, "go to the red ball", tmp_path, episodes=0)


@pytest.mark.parametrize("algorithm", ["ppo", "dqn"])
def test_a_film_is_an_mp4_a_gif_and_a_sheet_of_the_same_frames(algorithm, tmp_path):
    env = make_env("go to the red ball", room_size=5, distractors=1)
    if algorithm == "ppo":
        agent = PPO(FiLMPolicy, env, n_steps=8, batch_size=8, seed=0)
    else:
        film = {"features_extractor_class": FiLMExtractor}
        agent = DQN("MultiInputPolicy", env, policy_kwargs=film, buffer_size=10, seed=0)
    task = Task(("go to the red ball",), room_size=5, distractors=1)
    paths = record_video(agent, task, tmp_path / "videos", episodes=2, max_frames=9)
    frames, _ = count_frames_and_secs(paths["video"])
    assert 9 <= frames <= 13  # the last one of an episode stays a little
    with Image.open(paths["gif"]) as gif:
        assert gif.n_frames <= frames  # repeated frames may be one long one
        assert gif.size == (720, 405)
    with Image.open(paths["contact_sheet"]) as sheet:
        assert sheet.width == 1920


def test_a_level_of_many_rooms_can_be_filmed_too(tmp_path):
    agent = PPO(FiLMPolicy, make_env("BabyAI-BossLevel-v0"), n_steps=8, batch_size=8, seed=0)
    paths = record_video(agent, "BabyAI-BossLevel-v0", tmp_path, episodes=1, max_frames=3)
    assert count_frames_and_secs(paths["video"])[0] == 5


def test_a_finished_run_has_a_summary_whose_files_exist(tiny, trained):
    run, learner = trained
    finish(tiny, run, learner, seconds=2.0)
    summary = run.summary()
    expected = {
        "success_rate", "success_ci95", "episodes", "timesteps", "wall_seconds",
        "steps_per_second", "device", "seed", "files",
    }  # fmt: skip
    assert expected <= summary.keys()
    assert summary["timesteps"] == 640
    assert summary["steps_per_second"] == 320
    assert summary["success_rate"] == summary["sampled"]["overall"]["success_rate"]
    for file in summary["files"].values():
        assert (run.path / file).stat().st_size > 0
    with Image.open(learning_curve(run, "title")) as curve:
        assert curve.size == (1100, 700)
