# %% [markdown]
# # A potential that learns while it relaxes, without AiiDA
#
# The core of aiida-mtp is a library. Here it finds the hull of Cu-Pt among the smallest orderings
# of fcc and bcc, with effective-medium theory (EMT), a toy, in the place of DFT. A work chain does
# the same with DFT on a cluster, and remembers everything.

# %%
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from aiida_mtp.core.active.grade import build_active_set
from aiida_mtp.core.active.select import select
from aiida_mtp.core.dft.compute import Task
from aiida_mtp.core.dft.results import with_results
from aiida_mtp.core.dft.run import results_of, run
from aiida_mtp.core.dft.settings import DftSettings
from aiida_mtp.core.potential.model import initial_model
from aiida_mtp.core.relax.batch import relax
from aiida_mtp.core.relax.settings import RelaxSettings
from aiida_mtp.core.screening.hull import hull_of
from aiida_mtp.core.screening.perturbation import PerturbationSettings, perturbed
from aiida_mtp.core.screening.prototypes import make_prototypes
from aiida_mtp.core.screening.spec import PrototypeSpec
from aiida_mtp.core.structures import StructureBatch
from aiida_mtp.core.training.fit import train_new
from aiida_mtp.core.training.settings import TrainingSettings

SPECIES, LEVEL, CUTOFF = ('Cu', 'Pt'), 8, 5.0

# %% [markdown]
# ## Candidates

# %%
prototypes = make_prototypes(PrototypeSpec(SPECIES, fcc=4, bcc=4))
print(f'{len(prototypes)} prototypes, for example {prototypes.ids[-1]}: {prototypes.origins[-1]}')

# %% [markdown]
# ## "DFT"
#
# Each result is a file of its own as soon as it is there, so nothing is computed twice.


# %%
def label(structures: StructureBatch, task: str = 'static') -> StructureBatch:
    """Return the structures with energies, forces and stresses."""
    with TemporaryDirectory() as folder:
        what = Task.make(task, DftSettings(calculator='emt', fmax=0.005, smax=5e-4))
        run(structures, what, Path(folder), processes=2)
        return with_results(structures, results_of(structures, what, Path(folder)))


# %% [markdown]
# ## Learning
#
# The first training set are the most different of all prototypes, strained and rattled: those whose
# energies depend on the coefficients of the potential in the most different ways. Then all
# prototypes are relaxed. Where the grade says that the potential extrapolates, EMT is asked, and
# the potential is trained anew.

# %%
copies = perturbed(prototypes, PerturbationSettings(), seed=0)
untrained = initial_model(LEVEL, SPECIES, CUTOFF, min_dist=2.0, seed=0)
training = label(copies.take(select(untrained, copies.take([]), copies, limit=75).indices))
settings = RelaxSettings(scan_volume=True, threshold_break=10.0)
for step in range(8):
    trained = train_new(training, LEVEL, SPECIES, CUTOFF, TrainingSettings())
    active_set = build_active_set(trained.model, training)
    relaxed = relax(trained.model, prototypes, settings, active_set)
    new = relaxed.candidates
    counts = Counter(relaxed.structures.status)
    words = ', '.join(f'{n} {status}' for status, n in counts.items())
    error = 1e3 * trained.report.energy.rmse
    print(
        f'step {step}: {len(training)} labels, error {error:.1f} meV/atom; {words}; {len(new)} new'
    )
    if not len(new):
        break
    chosen = select(trained.model, training, new, limit=60).indices
    training = StructureBatch.concatenate([training, label(new.take(chosen))])

# %% [markdown]
# ## The hull
#
# What the potential puts within reach of its hull is relaxed with EMT. The hull is made of those
# energies alone.

# %%
found = hull_of(relaxed.structures)
near = label(relaxed.structures.take(found.e_above_hull < 0.02), 'relax')
hull = hull_of(near)
for row in hull.stable:
    print(f'{near.formulas[row]:>6}  {hull.formation_energies[row]:+.3f} eV/atom  {near.ids[row]}')
