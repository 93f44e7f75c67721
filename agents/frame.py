"""Pictures of an agent at work: the world, its view, the sentence, its decision, its FiLM.

Shape suffixes: H W pixels, T frames, C feature maps.
"""

import textwrap
from dataclasses import dataclass
from itertools import product

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray
from PIL import Image

from film_rl.analysis.style import BLUE, GREY, ORANGE

Picture = NDArray[np.uint8]

ACTIONS = ("left", "right", "forward", "pick up", "drop", "toggle", "done")
LONGEST_LINE = 120  # characters
INCHES, DPI = (12.0, 6.75), 80  # 960 x 540 pixels
UPPER_PART = 0.64  # of the height


@dataclass
class Moment:
    """What one frame shows.

    Attributes:
        world, view: pictures (H, W, 3) of the whole world and of the agent's 7x7 view.
        sentence: what the agent reads.
        caption: episode, step and how it went.
        scores: the probabilities of the seven actions, or the Q-values of an agent without any.
        action: the one taken, None at the end of an episode.
        value: the agent's estimate of the discounted reward to come.
        film: (gamma_C, beta_C) of each FiLM-ed block.
    """

    world: Picture
    view: Picture
    sentence: str
    caption: str
    scores: NDArray[np.float32]
    action: int | None
    value: float
    film: list[tuple[NDArray[np.float32], NDArray[np.float32]]]


class FrameArtist:
    """Draws the frames of a film, some 50 a second: what does not move is drawn only once.

    Args:
        moments: all of the film, in order.
        starts: the indices at which an episode begins.
        scores_title: what the seven bars are.
    """

    def __init__(self, moments: list[Moment], starts: list[int], scores_title: str):
        self.moments, self.starts = moments, starts
        self.figure = Figure(figsize=INCHES, dpi=DPI)
        self.canvas = FigureCanvasAgg(self.figure)
        self.moving: list[Artist] = []
        self._texts()
        top = self.figure.add_gridspec(
            1, 4, left=0.03, right=0.97, top=0.82, bottom=0.45, wspace=0.35
        )
        self.world = self._picture(self.figure.add_subplot(top[0]), moments[0].world, "world")
        self.view = self._picture(
            self.figure.add_subplot(top[1]), moments[0].view, "what the agent sees"
        )
        self._decision(self.figure.add_subplot(top[2]), scores_title)
        self._value(self.figure.add_subplot(top[3]))
        self._film()
        height = round(INCHES[1] * DPI)
        self.rows = height if moments[0].film else round(UPPER_PART * height)
        self.canvas.draw()
        self.still = self.canvas.copy_from_bbox(self.figure.bbox)

    def frame(self, index: int) -> Picture:
        """The frame of one moment, (540, 960, 3); without FiLM its upper part alone."""
        now = self.moments[index]
        self.sentence.set_text(textwrap.fill(f"“{now.sentence}”", LONGEST_LINE))
        self.sentence.set_fontsize(20 if len(now.sentence) < 60 else 11)
        self.caption.set_text(now.caption)
        self.world.set_data(now.world)
        self.view.set_data(now.view)
        for number, bar in enumerate(self.bars):
            bar.set_width(now.scores[number])
            bar.set_color(ORANGE if number == now.action else BLUE)
        self.curve.set_data(range(index + 1), [m.value for m in self.moments[: index + 1]])
        self.dot.set_data([index], [now.value])
        for strip, values_CT in self.strips:
            shown_CT = values_CT.copy()
            shown_CT[:, index + 1 :] = np.nan  # the future is blank
            strip.set_data(shown_CT)
        self.canvas.restore_region(self.still)
        for artist in self.moving:
            self.figure.draw_artist(artist)
        return np.asarray(self.canvas.buffer_rgba())[: self.rows, :, :3].copy()

    def _texts(self) -> None:
        self.sentence = self.figure.text(0.5, 0.935, "", ha="center", va="center", weight="bold")
        self.caption = self.figure.text(0.5, 0.88, "", ha="center", va="center", fontsize=12)
        self.moving += [self.sentence, self.caption]

    def _picture(self, axes: Axes, image: Picture, title: str) -> AxesImage:
        axes.set_title(title, fontsize=12)
        axes.axis("off")
        shown = axes.imshow(image, animated=True)
        self.moving.append(shown)
        return shown

    def _decision(self, axes: Axes, title: str) -> None:
        scores = np.stack([moment.scores for moment in self.moments])
        self.bars = axes.barh(ACTIONS, np.zeros(len(ACTIONS)), animated=True)
        self.moving += self.bars
        axes.set_xlim(min(0.0, float(scores.min())), max(1.0, float(scores.max())))
        axes.invert_yaxis()
        axes.set_title(title, fontsize=12)
        axes.set_xlabel("orange: the action taken", fontsize=9)
        axes.tick_params(labelsize=10)
        axes.spines[["top", "right"]].set_visible(False)

    def _value(self, axes: Axes) -> None:
        values = [moment.value for moment in self.moments]
        (self.curve,) = axes.plot([], [], color=BLUE, animated=True)
        (self.dot,) = axes.plot([], [], "o", color=ORANGE, animated=True)
        self.moving += [self.curve, self.dot]
        axes.set_ylim(min(-0.1, *values), max(1.1, *values))
        # Values begin at exactly 0 and stay there where only actions are learned, as by imitation.
        axes.set_title("value" if any(values) else "value (not learned)", fontsize=12)
        axes.spines[["top", "right"]].set_visible(False)
        self._time_axis(axes)

    def _film(self) -> None:
        """gamma and beta of each block over time: a row a feature map, a column a frame."""
        self.strips: list[tuple[AxesImage, NDArray[np.float32]]] = []
        blocks = len(self.moments[0].film)
        shown = sorted({0, blocks // 2, blocks - 1}) if blocks else []  # more would be too narrow
        for column, (block, which) in enumerate(product(shown, (0, 1))):
            grid = self.figure.add_gridspec(
                1, 2 * len(shown), left=0.05, right=0.95, top=0.33, bottom=0.1, wspace=0.35
            )
            axes = self.figure.add_subplot(grid[column])
            name = ("gamma", "beta")[which]
            axes.set_title(f"block {block + 1} of {blocks}: {name}", fontsize=10)
            axes.set_ylabel("feature map" if column == 0 else "", fontsize=9)
            self._strip(axes, block, which)

    def _strip(self, axes: Axes, block: int, which: int) -> None:
        values_CT = np.stack([moment.film[block][which] for moment in self.moments], axis=1)
        neutral = 1 - which  # gamma 1 and beta 0 change nothing
        reach = max(1.0, float(np.abs(values_CT - neutral).max()))
        strip = axes.imshow(
            values_CT,
            aspect="auto",
            cmap="PuOr",
            vmin=neutral - reach,
            vmax=neutral + reach,
            interpolation="none",
            animated=True,
        )
        bar = self.figure.colorbar(strip, ax=axes, fraction=0.08, pad=0.03)
        bar.ax.tick_params(labelsize=8)
        self._time_axis(axes)
        self.strips.append((strip, values_CT))
        self.moving.append(strip)

    def _time_axis(self, axes: Axes) -> None:
        axes.set_xlim(-0.5, len(self.moments) - 0.5)
        axes.set_xlabel("frame (lines: a new episode)", fontsize=9)
        axes.tick_params(labelsize=8)
        for start in self.starts[1:]:
            line = axes.axvline(start - 0.5, color=GREY, linewidth=0.8, zorder=3, animated=True)
            self.moving.append(line)


def contact_sheet(frames: list[Picture], columns: int = 3, rows: int = 4) -> Image.Image:
    """Up to columns x rows frames, evenly spaced in time, at two thirds of their size."""
    count = min(columns * rows, len(frames))
    chosen = np.linspace(0, len(frames) - 1, count).round().astype(int)
    height, width = (2 * side // 3 for side in frames[0].shape[:2])
    sheet = Image.new("RGB", (width * columns, height * -(-count // columns)), "white")
    for place, index in enumerate(chosen):
        small = Image.fromarray(frames[index]).resize((width, height), Image.Resampling.LANCZOS)
        sheet.paste(small, (place % columns * width, place // columns * height))
    return sheet
