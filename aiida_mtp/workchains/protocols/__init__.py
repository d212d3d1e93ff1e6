"""Named sets of inputs, in YAML."""

from __future__ import annotations

from copy import deepcopy
from importlib.resources import files
from typing import Any

import yaml

from aiida_mtp.core.errors import InputError


def protocol_names(process: str) -> dict[str, str]:
    """Return the protocols of a work chain, each with its description."""
    return {name: entry['description'] for name, entry in _document(process)['protocols'].items()}


def protocol_inputs(
    process: str,
    protocol: str | None = None,
    overrides: dict[str, Any] | None = None,
    *,
    backend: str = 'ase',
) -> dict[str, Any]:
    """Return the inputs of a protocol as a nested mapping.

    Parameters
    ----------
    process
        Name of the YAML file.
    protocol
        By default the one the file names as its default.
    overrides
        Values in place of the protocol's, as nested as those.
    backend
        The DFT backend the settings are for.

    Raises
    ------
    InputError
        If there is no such protocol, or an override has no counterpart in it.
    """
    document = _document(process)
    name = protocol or document['default_protocol']
    if name not in document['protocols']:
        known = ', '.join(document['protocols'])
        raise InputError(f'no protocol {name!r}; there are {known}')
    inputs = deepcopy(document['default_inputs'])
    specific = {k: v for k, v in document['protocols'][name].items() if k != 'description'}
    open_keys = document.get('open_keys', [])
    inputs = _merged(inputs, specific, open_keys)
    if backend != 'ase':  # one of another package has its defaults in its own settings class
        own = document.get('backends', {}).get(backend, {})
        inputs['dft']['settings'] = {**own.get('default', {}), **own.get(name, {})}
        inputs['final_settings'] = None
    return _merged(inputs, overrides or {}, open_keys)


def _document(process: str) -> dict[str, Any]:
    text = files(__name__).joinpath(f'{process}.yaml').read_text(encoding='utf-8')
    document: dict[str, Any] = yaml.safe_load(text)
    return document


def _merged(
    base: dict[str, Any], layer: dict[str, Any], open_keys: list[str], where: str = ''
) -> dict[str, Any]:
    """Lay one mapping over another; only below `open_keys` may it bring new keys."""
    merged = dict(base)
    for key, value in layer.items():
        path = f'{where}.{key}' if where else key
        free = any(path.startswith(f'{opened}.') for opened in open_keys)
        if key not in base and not free:
            raise InputError(
                f'override {path!r} unknown; {where or "the protocol"} has {_list(base)}'
            )
        if (
            isinstance(value, dict)
            and isinstance(base.get(key), dict)
            and not _other_code(value, base[key])
        ):
            merged[key] = _merged(base[key], value, open_keys, path)
        else:
            merged[key] = deepcopy(value)
    return merged


def _list(mapping: dict[str, Any]) -> str:
    return ', '.join(mapping) or 'no keys'


def _other_code(layer: dict[str, Any], base: dict[str, Any]) -> bool:
    """Whether settings are for another calculator: those of one code mean nothing to another."""
    return 'calculator' in layer and layer['calculator'] != base.get('calculator')


def quickstart_screen(dft: str) -> dict[str, Any]:
    """Return elements, protocol and overrides of the quickstart with this kind of DFT."""
    wanted: dict[str, Any] = _document('quickstart')[dft]
    return wanted


def screen_settings(screen: dict[str, Any]) -> dict[str, Any]:
    """Return the DFT settings of labels that a screen's protocol and overrides give."""
    inputs = protocol_inputs('screen', screen['protocol'], screen['overrides'])
    settings: dict[str, Any] = inputs['dft']['settings']
    return settings
