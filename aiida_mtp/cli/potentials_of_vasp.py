"""The potentials of VASP that AiiDA has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiida_mtp.core.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


def check_potentials(family: str, elements: tuple[str, ...], folder: Path | None) -> list[str]:
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
