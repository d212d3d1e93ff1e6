"""With which potentials the final stage looks at prototypes again."""

from types import SimpleNamespace

import pytest
from aiida.common import AttributeDict

from aiida_mtp.workchains.final import MtpFinalWorkChain


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
