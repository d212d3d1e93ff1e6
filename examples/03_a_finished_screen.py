# %% [markdown]
# # A finished screen, looked into
#
# What a screen leaves behind: the hull, what was dropped and why, how wrong the potentials were,
# what may have been missed, what all of it cost. A small one of Cu-Pt is run first, with
# effective-medium theory (EMT), a toy, in the place of DFT. For a screen of yours, leave the first
# cells out: `screen = load_node(PK)`.

# %%
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
from aiida import load_profile
from aiida.common.log import override_log_level
from aiida.engine import run_get_node
from aiida.orm import Computer, InstalledCode
from aiida.storage.sqlite_temp import SqliteTempBackend
from rich.console import Console

from aiida_mtp.cli.lineage import lineage, lineage_tree
from aiida_mtp.cli.why import lines_of, why
from aiida_mtp.core.structures import StructureBatch
from aiida_mtp.workchains.screen import MtpScreenWorkChain

# %% [markdown]
# ## A screen
#
# A profile that lives as long as this notebook, this machine as a computer, and the two executables
# as codes.

# %%
options = {'runner.poll.interval': 1}  # s: no broker tells when a step has ended
load_profile(SqliteTempBackend.create_profile('example', options=options))
scratch = TemporaryDirectory()
computer = Computer('here', 'localhost', '', 'core.local', 'core.direct', scratch.name).store()
computer.configure(safe_interval=0.0, use_login_shell=False)
computer.set_minimum_job_poll_interval(0.1)


def executable(name: str, plugin: str) -> InstalledCode:
    """Return an executable of this environment as a code."""
    path = str(Path(sys.executable).parent / name)
    code = InstalledCode(computer, path, label=name, default_calc_job_plugin=plugin)
    return code.store()


# %% [markdown]
# Cells run the work chain here; a screen of many hours is given to the daemon by `submit`.

# %%
builder = MtpScreenWorkChain.get_builder_from_protocol(
    ['Cu', 'Pt'],
    executable('mtp-engine', 'mtp.relax'),
    executable('mtp-dft', 'mtp.dft'),
    protocol='fast',
    overrides={
        'prototypes': {'fcc': 4, 'bcc': 3, 'hcp': 4, 'aflow': 0},
        'dft': {'settings': {'calculator': 'emt'}},
        'final_settings': None,
        'stage_1': {'max_initial': 60, 'max_labels': 60, 'train': {'radial_basis_size': 5}},
        'stage_2': {'level': 8, 'max_labels': 60, 'train': {'radial_basis_size': 5}},
        'final': {'tolerance': 0.001, 'audit': 10, 'shaken': 1},
    },
)
with override_log_level():
    _, screen = run_get_node(builder)
print(screen.process_state.value, screen.exit_status)

# %% [markdown]
# ## The hull
#
# `hull` holds all that DFT relaxed, `stable` the phases on the hull.

# %%
hull = screen.outputs.hull.get_batch()
for phase in screen.outputs.stable['phases']:
    print(f'{phase["formula"]:>6} {1e3 * phase["formation_energy"]:8.1f} meV/atom  {phase["id"]}')

# %%
x = hull.compositions[:, hull.species.index('Pt')] / hull.n_atoms
energies = np.asarray(hull.columns['formation_energy'])
on_hull = np.flatnonzero(hull.columns['e_above_hull'] < 1e-6)
on_hull = on_hull[np.argsort(x[on_hull])]
figure, axes = plt.subplots(figsize=(6, 3.6))
axes.plot(x, 1e3 * energies, 'o', color='0.6', label='relaxed by DFT')
axes.plot(x[on_hull], 1e3 * energies[on_hull], 'o-', color='C0', label='stable')
axes.set(xlabel='mole fraction of Pt', ylabel='formation energy (meV/atom)')
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# ## What was dropped
#
# Each structure has one reason, and they add up to all. The numbers are kept too, so that a
# structure can be asked for: it is told what each stage knew of it at that moment.

# %%
for stage in ('stage_1', 'stage_2'):
    counts = screen.outputs[stage].retained_report['reasons']
    print(stage, ', '.join(f'{n} {reason}' for reason, n in counts.items()))
steps = Counter(screen.outputs.final.verdict.get_array('step').tolist())
print('final  ', ', '.join(f'{n} {step}' for step, n in steps.items()))

# %%
verdict = screen.outputs.stage_1.verdict
candidates = screen.outputs.stage_1.structures.get_batch()
dropped = np.flatnonzero(verdict.get_array('reason') == 'above_hull')
nearest = dropped[np.argmin(verdict.get_array('e_above_hull')[dropped])]
print('\n'.join(lines_of(why(screen, candidates.ids[nearest]))))

# %% [markdown]
# ## How wrong the potentials were
#
# Each structure that DFT relaxed was first predicted by both stages. Energies are compared as
# formation energies, each counted from the elements of its own kind.


# %%
def formation_energies(batch: StructureBatch, ids: Sequence[str]) -> np.ndarray:
    """Return formation energies of some structures, eV/atom, from the lowest elements of a set."""
    fractions = batch.compositions / batch.n_atoms[:, None]
    pure = [batch.energies_per_atom[fractions[:, k] == 1.0].min() for k in range(2)]
    found = dict(zip(batch.ids, batch.energies_per_atom - fractions @ pure, strict=True))
    return np.array([found.get(key, np.nan) for key in ids])


for stage in ('stage_1', 'stage_2'):
    predicted = formation_energies(screen.outputs[stage].structures.get_batch(), hull.ids)
    errors = 1e3 * (predicted - energies)
    errors = errors[np.isfinite(errors)]
    trained = screen.outputs[stage].potential.errors
    print(
        f'{stage}: error of {len(errors)} predictions {np.sqrt((errors**2).mean()):.1f} meV/atom; '
        f'of the training set {1e3 * trained["energy_rmse"]:.1f}, '
        f'left out of it {1e3 * trained["energy_rmse_validation"]:.1f}'
    )

# %% [markdown]
# ## What may have been missed

# %%
report = screen.outputs.final.report.get_dict()
print(f'to be expected below the hull: {report["expected_missed"]:.2g} structures')
print(f'with 95 % confidence no more than {report["bound"]}')

# %% [markdown]
# ## What it cost
#
# DFT calculations, beside the candidates it would have been asked about otherwise.

# %%
n_candidates = len(screen.outputs.candidates)
labels = screen.outputs.stage_2.training_set.get_batch()
more = len(screen.outputs.final.labels)
print(f'{n_candidates} candidates: {len(labels)} labels to learn from, {more} to be sure of those')
print(f'near the hull, {len(hull)} relaxations')
seconds = {'labels': labels.column('seconds'), 'relaxations': hull.column('seconds')}
for name, values in seconds.items():
    print(f'{name}: {np.nansum(np.asarray(values, dtype=float)):.1f} s of "DFT"')

# %% [markdown]
# ## Where a number comes from

# %%
terminal = Console(width=140, force_jupyter=False)
terminal.print(lineage_tree(lineage(screen, 'CuPt'), everything=False))

# %%
scratch.cleanup()
