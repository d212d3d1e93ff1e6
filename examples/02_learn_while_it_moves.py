# %% [markdown]
# # Molecular dynamics with a potential that learns on the fly
#
# bcc lithium, 128 atoms at 300 K. A moment tensor potential moves the atoms. Where its
# extrapolation grade says that it is asked about something new, the reference is asked instead, and
# the potential is trained anew. The reference here is a pair functional of the kind of
# Finnis and Sinclair's, a stand-in for DFT that answers in milliseconds.

# %%
import warnings
from collections.abc import Sequence

import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.md.langevin import Langevin
from ase.neighborlist import neighbor_list

from aiida_mtp.core.active.active_set import Mode
from aiida_mtp.core.active.grade import build_active_set
from aiida_mtp.core.calculator import CloserThanTrained, MtpCalculator
from aiida_mtp.core.structures import StructureBatch
from aiida_mtp.core.training.fit import train_further, train_new
from aiida_mtp.core.training.settings import TrainingSettings

LEVEL, CUTOFF, N_STEPS, TEMPERATURE = 10, 5.0, 400, 300.0
LEARN_ABOVE = 2.0  # extrapolation grade

# %% [markdown]
# ## The reference
#
# The energy of an atom is a sum of repulsions minus the root of a density, both smooth at 5 Å.


# %%
class Reference(Calculator):
    """A pair functional with the lattice constant and stiffness of an alkali metal."""

    implemented_properties = ['energy', 'forces']  # noqa: RUF012 as ASE declares it
    n_calls = 0

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ('energy',),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Compute energy and forces."""
        super().calculate(atoms, properties, system_changes)
        self.n_calls += 1
        i, j, r, vector = neighbor_list('ijdD', self.atoms, CUTOFF)
        cut, d_cut = (1 - r / CUTOFF) ** 3, -3 / CUTOFF * (1 - r / CUTOFF) ** 2
        repulsion, density = 6.0 * np.exp(-2.2 * (r - 2.5)), 12.0 * np.exp(-1.2 * (r - 2.5))
        d_repulsion = repulsion * (d_cut - 2.2 * cut)
        d_density = density * (d_cut - 1.2 * cut)
        rho = np.bincount(i, density * cut, len(self.atoms))
        energy = 0.5 * (repulsion * cut).sum() - np.sqrt(rho).sum()
        slope = d_repulsion - 0.5 * d_density * (1 / np.sqrt(rho[i]) + 1 / np.sqrt(rho[j]))
        forces = np.zeros((len(self.atoms), 3))
        np.add.at(forces, i, slope[:, None] * vector / r[:, None])
        self.results = {'energy': energy, 'forces': forces}


reference = Reference()


def label(frames: list[Atoms]) -> StructureBatch:
    """Ask the reference."""
    energies, forces = [], []
    for frame in frames:
        frame.calc = reference
        energies.append(frame.get_potential_energy())
        forces.append(frame.get_forces())
    ids = [f'call-{reference.n_calls}-{k}' for k in range(len(frames))]
    return StructureBatch.from_ase(frames, energies=energies, forces=forces, ids=ids)


# %% [markdown]
# ## Before the first step
#
# The stand-in has its own lattice constant. A few small, strained and rattled cells teach the
# potential what a crystal is.


# %%
def energy_per_atom(a: float) -> float:
    """Return the energy of the perfect crystal."""
    crystal = bulk('Li', 'bcc', a=a)
    crystal.calc = reference
    return crystal.get_potential_energy()


constants = np.linspace(3.0, 4.2, 61)
lattice_constant = constants[np.argmin([energy_per_atom(a) for a in constants])]
reference.n_calls = 0
random = np.random.default_rng(0)
first = []
for strain in np.linspace(-0.03, 0.03, 6):
    cell = bulk('Li', 'bcc', a=lattice_constant * (1 + strain), cubic=True) * 2
    cell.rattle(0.08, seed=int(random.integers(1000)))
    first.append(cell)
training = label(first)
settings = TrainingSettings(n_starts=2, max_iterations=40, n_folds=0)
trained = train_new(training, LEVEL, ('Li',), CUTOFF, settings)
active_set = build_active_set(trained.model, training, Mode.NEIGHBORHOOD)
print(f'bcc with a = {lattice_constant:.2f} Å; {len(training)} labels to begin with')

# %% [markdown]
# ## Dynamics
#
# Grades are those of the worst atom: in a large cell one neighbourhood may be new while all others
# are known.

# %%
atoms = bulk('Li', 'bcc', a=lattice_constant, cubic=True) * 4
atoms.calc = MtpCalculator(trained.model, active_set)
spread = np.sqrt(2 * TEMPERATURE * units.kB * atoms.get_masses()[:, None])  # half goes to bonds
atoms.set_momenta(spread * random.normal(size=(len(atoms), 3)))
dynamics = Langevin(
    atoms,
    2.0 * units.fs,
    temperature_K=TEMPERATURE,
    friction=0.02 / units.fs,
    fixcm=False,
    rng=np.random.default_rng(1),
)
warnings.simplefilter('ignore', CloserThanTrained)  # it is graded, and learnt
errors = []
for step in range(N_STEPS):
    dynamics.run(1)
    if atoms.calc.get_property('grade', atoms) > LEARN_ABOVE:
        new = label([atoms.copy()])
        training = StructureBatch.concatenate([training, new])
        trained = train_further(training, trained.model, settings)
        active_set = build_active_set(trained.model, training, Mode.NEIGHBORHOOD)
        atoms.calc = MtpCalculator(trained.model, active_set)
    if step % 40 == 39:
        calls = reference.n_calls
        exact = atoms.copy()
        exact.calc = reference
        off = exact.get_forces() - atoms.get_forces()
        reference.n_calls = calls  # only to check
        errors.append(float(np.sqrt((off**2).mean())))
        print(
            f'step {step + 1}: {atoms.get_temperature():.0f} K, {calls} reference calls, '
            f'error of the forces {1e3 * errors[-1]:.1f} meV/Å'
        )

# %%
saved = 1 - reference.n_calls / N_STEPS
print(f'{N_STEPS} steps with {reference.n_calls} reference calls: {100 * saved:.0f} % saved')
