"""clevr_statistics.py as typed; what it writes into docs/ is tested with the documents."""

import pytest

from tests.experiments.helpers import refused, script


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), ("--official FILE", "--speed")),
        (("--official", "nowhere.json"), ("nowhere.json",)),
        (("--speed", "--images", "0"), ("--images 0",)),
    ],
)
def test_a_mistake_gets_a_message_and_status_2(arguments, words, tmp_path):
    refused(script("clevr_statistics", *arguments, cwd=tmp_path), *words)
