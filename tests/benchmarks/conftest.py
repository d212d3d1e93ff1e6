"""The benchmarks as modules; their tests are the same runs, scaled down."""

import sys
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def on_the_path(monkeypatch):
    monkeypatch.setattr(sys, 'path', [str(Path(__file__).parents[2] / 'benchmarks'), *sys.path])


@pytest.fixture(autouse=True)
def own_results(on_the_path, monkeypatch, tmp_path):  # noqa: ARG001 - it must be first
    """Keep the measured pages of the documentation as they are."""
    import results

    monkeypatch.setattr(results, 'FOLDER', tmp_path)
    return tmp_path
