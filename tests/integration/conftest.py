"""The hull of the small screen that runs on a cluster, found without one."""

import pytest


@pytest.fixture(scope='session')
def undisturbed_hull(aiida_profile, executables, tmp_path_factory):  # noqa: ARG001 - loaded
    """Return the phases and energies that the screen finds in this process, without services."""
    from aiida.engine import run_get_node
    from aiida.orm import Computer, InstalledCode
    from cluster_screen import ELEMENTS, OVERRIDES, stable

    from aiida_mtp.workchains.screen import MtpScreenWorkChain

    computer = Computer(
        label='undisturbed',
        hostname='localhost',
        transport_type='core.local',
        scheduler_type='core.direct',
        workdir=str(tmp_path_factory.mktemp('undisturbed')),
    ).store()
    computer.configure(safe_interval=0.0, use_login_shell=False)
    computer.set_minimum_job_poll_interval(0.1)
    engine, dft = (
        InstalledCode(
            label=name,
            computer=computer,
            filepath_executable=str(executables / name),
            default_calc_job_plugin=plugin,
        ).store()
        for name, plugin in (('mtp-engine', 'mtp.relax'), ('mtp-dft', 'mtp.dft'))
    )
    local = {
        **OVERRIDES,
        'engine': {'options': {}},
        'dft': {'settings': OVERRIDES['dft']['settings']},
    }
    builder = MtpScreenWorkChain.get_builder_from_protocol(
        list(ELEMENTS),
        engine_code=engine,
        dft_code=dft,
        protocol='fast',
        backend='ase',
        overrides=local,
    )
    _, screen = run_get_node(builder)
    assert screen.is_finished_ok, screen.exit_message
    found = stable(screen)
    assert len(found) > 3  # EMT orders the system
    return found
