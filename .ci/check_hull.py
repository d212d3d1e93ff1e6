"""Checks that the quickstart has found what is known of Al-Ni, within 30 meV/atom."""

from aiida import load_profile, orm

EXPECTED = {'AlNi': ('B2', -0.66), 'AlNi3': ('L1_2', -0.43)}

load_profile('aiida-mtp')
query = orm.QueryBuilder().append(
    orm.WorkChainNode, filters={'attributes.process_label': 'MtpScreenWorkChain'}
)
screen = query.first(flat=True)
stable = {phase['formula']: phase for phase in screen.outputs.stable['phases']}
for formula, (name, energy) in EXPECTED.items():
    found = stable[formula]['formation_energy']
    print(f'{formula} ({name}): {found:.3f} eV/atom, expected {energy:.2f} within 0.03')
    if abs(found - energy) > 0.03:
        raise SystemExit(1)
