"""What Perez et al. 2018 found when they looked into their network, trained on CLEVR.

Sections 4.2 (statistics, t-SNE, where features come from), 4.3 (noise, means), 4.5 (arithmetic,
interpolation); scatters and single maps switched off are not in the paper.

`figures` are as published; `note` says them in a sentence, for a picture.
"""

from typing import Any

SOURCE = "Perez et al. 2018, CLEVR"
FINDINGS: dict[str, dict[str, Any]] = {
    "statistics": {
        "figures": {
            "gamma": {"negative": 0.36, "min": -15, "max": 19},
            "beta": {"negative": 0.76, "min": -9, "max": 16},
        },
        "note": "gamma 36% negative, from -15 to 19, with a peak at 0; beta 76% negative, from "
        "-9 to 16",
    },
    "tsne": {
        "note": "of six blocks, in the first questions about the same attribute lie together, in "
        "the last those that do the same with it",
    },
    "where": {
        "note": "features pooled for the answer come from on or near the objects that the question "
        "or the answer is about, less exactly where the answer is wrong",
    },
    "arithmetic": {
        "figures": {"share where it applies": 1 / 3, "plain": 0.715, "by arithmetic": 0.807},
        "note": "on the third of CoGenT's ValB where it applies, accuracy rises from 71.5% to "
        "80.7%",
    },
    "interpolation": {
        "note": "between two questions the predicted number often goes from one answer to the "
        "other without turning back",
    },
    "noise": {"note": "noise on gamma hurts more than noise on beta"},
    "mean": {
        "figures": {"gamma": -0.654, "beta": -0.010},
        "note": "gamma at its training mean costs 65.4 points of accuracy, beta at its mean 1.0",
    },
}


def found(what: str) -> str:
    """The paper's finding about an analysis as a sentence; nothing where there is none."""
    finding = FINDINGS.get(what)
    return f"{SOURCE}: {finding['note']}." if finding else ""
