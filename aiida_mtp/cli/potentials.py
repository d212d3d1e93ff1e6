"""The potentials of VASP and Quantum ESPRESSO that AiiDA has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


def check_potcars(family: str, elements: tuple[str, ...], folder: Path | None) -> list[str]:
    """Look for VASP's potentials of elements; a family that is not there is read from a folder.

    Returns
    -------
    list[str]
        A line for the family, and for each element whose potential has to be named.

    Raises
    ------
    InputError
        If there is no family, or none of an element's potentials in it.
    """
    from aiida.plugins import DataFactory

    PotcarData: Any = DataFactory('vasp.potcar')
    group = PotcarData.get_potcar_group(family)
    if group is None and folder is not None:
        description = 'read by aiida-mtp setup'
        PotcarData.upload_potcar_family(str(folder), family, description, stop_if_existing=False)
        group = PotcarData.get_potcar_group(family)
    if group is None:
        raise InputError(
            f'no family of potentials {family!r}; give --potcar-folder with the POTCARs of VASP'
        )
    names = {element: sorted(PotcarData.get_full_names(family, element)) for element in elements}
    missing = [element for element, found in names.items() if not found]
    if missing:
        raise InputError(f'family {family} has no potential of {", ".join(missing)}')
    return [f'potentials {family}: {group.count()} of them'] + [
        f'  {element}: name one of {", ".join(found)}, such as '
        f'dft: {{settings: {{potential_mapping: {{{element}: {found[0]}}}}}}}'
        for element, found in names.items()
        if element not in found
    ]


def check_pseudos(family: str, elements: tuple[str, ...]) -> list[str]:
    """Look for the pseudopotentials of elements.

    Returns
    -------
    list[str]
        A line for the family, and one where it recommends no cutoffs.

    Raises
    ------
    InputError
        If there is no family, or none of an element in it.
    """
    from aiida_mtp.workchains.espresso import pseudo_family

    group = pseudo_family(family)
    missing = sorted(set(elements) - set(group.elements))
    if missing:
        raise InputError(f'family {family} has no pseudopotential of {", ".join(missing)}')
    lines = [f'pseudopotentials {family}: {group.count()} of them']
    if not hasattr(group, 'get_cutoffs') or not group.get_cutoff_stringencies():
        lines.append(
            '  they recommend no cutoffs; say dft: {settings: {cutoff: …, density_cutoff: …}}'
        )
    return lines
