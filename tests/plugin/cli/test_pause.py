"""A process that does not hear that it should pause."""

import pytest

from aiida_mtp.cli import control

pytestmark = pytest.mark.usefixtures('aiida_profile')


@pytest.fixture
def deaf(monkeypatch):
    """A process that is between two tasks when first asked to pause, and how often it was asked."""
    from aiida.engine import ProcessState
    from aiida.engine.daemon import client
    from aiida.engine.processes import control as engine
    from aiida.orm import WorkChainNode

    process = WorkChainNode()
    process.set_process_state(ProcessState.WAITING)
    process.store()
    said = []

    def pause(_, *, timeout):
        assert timeout > 0
        # plumpy: whoever is about to pause need not be told again
        if said[-1:] == ['play']:
            process.pause()
        said.append('pause')

    monkeypatch.setattr(engine, 'pause_processes', pause)
    monkeypatch.setattr(engine, 'play_processes', lambda _, **__: said.append('play'))
    monkeypatch.setattr(client, 'get_daemon_client', lambda: type('', (), {'is_daemon_running': 1}))
    monkeypatch.setattr(control, 'INTERVAL', 0)
    return process, said


def test_it_is_told_to_go_on_before_it_is_asked_again(deaf):
    process, said = deaf
    assert [paused.pk for paused in control.pause(process)] == [process.pk]
    assert process.paused
    assert said == ['pause', 'play', 'pause']
