"""Makes EMT take its time, and fail at random, in every process of ``mtp-dft``.

This folder on ``PYTHONPATH`` is enough. ``SLOW_EMT_SECONDS`` is how long a structure takes at
least, ``SLOW_EMT_RATE`` the fraction of runs that fail and ``SLOW_EMT_RUNS`` the folder where runs
are counted.
"""

import os
import sys

if any('aiida_mtp.core.dft.worker' in word for word in sys.orig_argv):
    import hashlib
    import random
    import time
    from pathlib import Path

    from ase.calculators.emt import EMT

    _calculate = EMT.calculate

    def _first_call(atoms):
        """Begin a run; its luck depends on the structure and on how often it was tried."""
        numbers = atoms.numbers.tobytes() + atoms.cell.array.tobytes() + atoms.positions.tobytes()
        key = hashlib.sha256(numbers).hexdigest()[:24]
        folder = Path(os.environ['SLOW_EMT_RUNS'])
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / key).open('ab') as runs:
            runs.write(b'.')
            runs.flush()
            n_runs = runs.tell()
        time.sleep(float(os.environ.get('SLOW_EMT_SECONDS', '0')))
        luck = random.Random(f'{key} {n_runs}').random()  # noqa: S311
        if luck < float(os.environ.get('SLOW_EMT_RATE', '0')):
            raise RuntimeError('bad luck')

    def calculate(self, atoms=None, *args, **kwargs):
        if atoms is not None and not hasattr(self, 'begun'):
            self.begun = True
            _first_call(atoms)
        return _calculate(self, atoms, *args, **kwargs)

    EMT.calculate = calculate
