"""With which potentials the final stage looks at prototypes again."""

from types import SimpleNamespace

import pytest
from aiida.common import AttributeDict

from aiida_mtp.core.screening.verification import VerificationSettings
from aiida_mtp.workchains.final import IN_VAIN, MtpFinalWorkChain


@pytest.mark.parametrize(('error', 'taken'), [(0.008, 'new'), (0.0149, 'new'), (0.02, 'old')])
def test_a_training_anew_that_has_failed_is_not_looked_with(error, taken):
    outputs = AttributeDict({'potential': 'new', 'report': {'energy': {'rmse': error}}})
    said = []
    chain = SimpleNamespace(
        ctx=AttributeDict({'potential': 'old', 'error': 0.01, 'look': 1}),
        report=said.append,
        _take_jobs=lambda: ([SimpleNamespace(outputs=outputs)], ''),
    )
    chain.inspect_training = lambda: MtpFinalWorkChain.inspect_training(chain)
    assert MtpFinalWorkChain.inspect_training_anew(chain) is None
    assert chain.ctx.potential == taken
    assert chain.ctx.error == (error if taken == 'new' else 0.01)
    expected = 'look 2 is with the potential there was: trained anew it has 20 meV/atom in place of'
    assert [text.startswith(expected) for text in said] == [True] * (taken == 'old')


@pytest.mark.parametrize(
    ('look', 'before', 'has_lowered', 'expected'),
    [(0, 0, False, 0), (1, 0, False, 1), (3, 1, False, 2), (3, 2, False, 3), (3, 2, True, 0)],
)
def test_looks_in_vain_are_counted_in_a_row(look, before, has_lowered, expected):
    chain = SimpleNamespace(
        ctx=AttributeDict({'look': look, 'in_vain': before}),
        _has_lowered_hull=lambda: has_lowered,
    )
    assert MtpFinalWorkChain._looks_in_vain(chain) == expected


@pytest.mark.parametrize(
    ('changes', 'expected'),
    [
        ({}, True),
        ({'in_vain': IN_VAIN - 1}, False),
        ({'is_last_look': True}, False),
        ({'looked_with': 'potential'}, False),
        ({'round': 4}, False),
    ],
)
def test_another_look_must_be_worth_it(changes, expected):
    context = {
        'look': 3, 'in_vain': 0, 'is_last_look': False, 'looked_with': 'another', 'round': 3,
        'potential': SimpleNamespace(uuid='potential'), **changes,
    }  # fmt: skip
    chain = SimpleNamespace(
        ctx=AttributeDict(context), inputs={'prototypes': None}, _has_lowered_hull=lambda: False
    )
    chain._settings = lambda: VerificationSettings(max_rounds=4)
    chain._looks_in_vain = lambda: MtpFinalWorkChain._looks_in_vain(chain)
    assert MtpFinalWorkChain.should_look_again(chain) is expected
