import os
from pathlib import Path

import pytest

DEFAULT_SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "data" / "clevr"


@pytest.fixture(scope="session")
def clevr_samples() -> Path:
    """The folder of real CLEVR samples (CLEVR_v1.0, CLEVR-Humans, vocab.json)."""
    folder = Path(os.environ.get("FILM_RL_CLEVR_SAMPLES", DEFAULT_SAMPLES))
    if not folder.is_dir():
        pytest.skip(f"no real CLEVR samples at {folder} (FILM_RL_CLEVR_SAMPLES)")
    return folder
