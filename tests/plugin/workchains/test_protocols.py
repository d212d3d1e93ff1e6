"""Protocols give inputs that fit, and say what does not."""

import pytest
from aiida.orm import InstalledCode
from ase.build import bulk

from aiida_mtp.core.dft.settings import DftSettings
from aiida_mtp.core.errors import InputError
from aiida_mtp.core.structures import StructureBatch
from aiida_mtp.data.structures import StructureSetData
from aiida_mtp.workchains.backends import Job
from aiida_mtp.workchains.protocols import protocol_inputs, protocol_names, quickstart_screen
from aiida_mtp.workchains.screen import MtpScreenWorkChain

PROTOCOLS = ('fast', 'balanced', 'stringent')


@pytest.fixture
def codes_of_nothing(aiida_profile_clean, aiida_localhost):  # noqa: ARG001 - empty it
    code = InstalledCode(
        label='any',
        computer=aiida_localhost,
        filepath_executable='/bin/true',
        default_calc_job_plugin='mtp.dft',
    ).store()
    return {'engine_code': code, 'dft_code': code}


def test_names_and_descriptions():
    assert tuple(protocol_names('screen')) == PROTOCOLS
    assert all(text.endswith('.') for text in MtpScreenWorkChain.get_protocols().values())


@pytest.mark.parametrize('protocol', PROTOCOLS)
def test_every_protocol_fits_the_work_chain(codes_of_nothing, protocol):
    builder = MtpScreenWorkChain.get_builder_from_protocol(
        ['Al', 'Ni'], protocol=protocol, **codes_of_nothing
    )
    assert MtpScreenWorkChain.spec().inputs.validate(builder._inputs(prune=True)) is None
    inputs = protocol_inputs('screen', protocol)
    assert builder.stage_1.level.value == inputs['stage_1']['level']
    assert DftSettings.from_mapping(builder.dft.settings.get_dict()).calculator == 'gpaw'


def test_each_protocol_asks_for_more_than_the_one_before():
    fast, balanced, stringent = (protocol_inputs('screen', name) for name in PROTOCOLS)
    for stage in ('stage_1', 'stage_2'):
        levels = [inputs[stage]['level'] for inputs in (fast, balanced, stringent)]
        assert levels == sorted(set(levels))
    for name in ('fcc', 'bcc', 'hcp', 'aflow'):
        cells = [inputs['prototypes'][name] for inputs in (fast, balanced, stringent)]
        assert cells == sorted(cells)


@pytest.mark.parametrize('dft', ['gpaw', 'emt'])
def test_quickstart_screens_fit(codes_of_nothing, dft):
    screen = quickstart_screen(dft)
    builder = MtpScreenWorkChain.get_builder_from_protocol(
        screen['elements'],
        protocol=screen['protocol'],
        overrides=screen['overrides'],
        **codes_of_nothing,
    )
    assert MtpScreenWorkChain.spec().inputs.validate(builder._inputs(prune=True)) is None


def test_default_is_balanced_and_overrides_win():
    assert protocol_inputs('screen') == protocol_inputs('screen', 'balanced')
    inputs = protocol_inputs('screen', 'fast', {'stage_1': {'level': 14, 'relax': {'fmax': 0.01}}})
    assert inputs['stage_1']['level'] == 14
    assert inputs['stage_1']['relax']['fmax'] == 0.01
    assert inputs['stage_1']['relax']['scan_volume'] is True  # beside what is overridden
    assert protocol_inputs('screen', 'fast')['stage_1']['level'] == 8  # nothing is left behind


def test_settings_of_another_calculator_replace_those_of_the_protocol():
    inputs = protocol_inputs('screen', 'fast', {'dft': {'settings': {'calculator': 'emt'}}})
    assert inputs['dft']['settings'] == {'calculator': 'emt'}


@pytest.mark.parametrize(
    ('protocol', 'overrides', 'told'),
    [
        ('fats', None, "no protocol 'fats'; there are fast, balanced, stringent"),
        (None, {'stage_3': {}}, "override 'stage_3' unknown; the protocol has"),
        (None, {'stage_1': {'levle': 8}}, "override 'stage_1.levle' unknown; stage_1 has level"),
    ],
)
def test_what_is_unknown_is_named(protocol, overrides, told):
    with pytest.raises(InputError) as error:
        protocol_inputs('screen', protocol, overrides)
    assert told in str(error.value)


@pytest.mark.parametrize(
    ('elements', 'told'),
    [
        (['Al', 'Xx'], 'elements: Xx; give chemical symbols'),
        ([], 'elements: none'),
        (['Al', 'Ni', 'Al'], 'names one twice'),
    ],
)
def test_elements_that_are_none(codes_of_nothing, elements, told):
    with pytest.raises(InputError, match=told):
        MtpScreenWorkChain.get_builder_from_protocol(elements, **codes_of_nothing)


@pytest.mark.parametrize(
    ('dft', 'told'),
    [
        ({'settings': {'calculator': 'emt', 'cutof': 300}}, 'cutof'),
        ({'settings': {'calculator': 'vaps'}}, 'vaps'),
    ],
)
def test_dft_settings_are_judged_before_anything_runs(codes_of_nothing, dft, told):
    with pytest.raises(ValueError, match=told):
        MtpScreenWorkChain.get_builder_from_protocol(
            ['Al', 'Ni'], overrides={'dft': dft}, **codes_of_nothing
        )


def test_an_unknown_backend_is_named(codes_of_nothing):
    with pytest.raises(ValueError, match="no DFT backend 'castep'; there are ase"):
        MtpScreenWorkChain.get_builder_from_protocol(
            ['Al', 'Ni'], backend='castep', **codes_of_nothing
        )


def test_larger_structures_get_other_options(codes_of_nothing):
    small, large = bulk('Ni'), bulk('Ni', cubic=True) * (2, 2, 1)
    above = {8: {'queue_name': 'long'}, 4: {'max_wallclock_seconds': 600}}
    builder = MtpScreenWorkChain.get_builder_from_protocol(
        ['Ni'],
        **codes_of_nothing,
        overrides={'dft': {'options': {'queue_name': 'short'}, 'options_above': above}},
    )
    jobs = [
        Job(StructureSetData.from_batch(StructureBatch.from_ase(atoms)), 'static', builder.dft)
        for atoms in ([small], [large], [small, large])
    ]
    assert jobs[0].options == {'queue_name': 'short'}
    assert jobs[1].options == {'queue_name': 'long', 'max_wallclock_seconds': 600}
    assert jobs[2].options == jobs[1].options


@pytest.mark.parametrize('above', [{'many': {}}, {20: 'long'}])
def test_options_for_sizes_that_are_none(codes_of_nothing, above):
    with pytest.raises(ValueError, match=r'options_above: .*must be like 20'):
        MtpScreenWorkChain.get_builder_from_protocol(
            ['Ni'], **codes_of_nothing, overrides={'dft': {'options_above': above}}
        )


def test_a_backend_of_another_package_has_defaults_of_its_own():
    inputs = protocol_inputs('screen', 'fast', {'dft': {'settings': {'a': 1}}}, backend='my_dft')
    assert inputs['dft']['settings'] == {'a': 1}
    assert inputs['final_settings'] is None
