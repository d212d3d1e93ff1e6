"""Candidates of the last stage, and what becomes of them when prototypes are relaxed anew."""

from dataclasses import replace

import numpy as np
import pytest

from aiida_mtp.core._arrays import strings
from aiida_mtp.core.screening.candidates import (
    Context,
    after_look,
    differences,
    elements_of,
    join_stages,
    look_again,
    merged,
    predictions,
    prototype_of,
    shaken,
    updated,
)
from aiida_mtp.core.screening.knowledge import DUPLICATE, PREDICTED, RELAXED, UNRELIABLE
from aiida_mtp.core.structures import StructureBatch

SPECIES = ('Al', 'Ni')
ELEMENTS = {'al': (('Al',), 4.05, 0.0), 'ni': (('Ni',), 3.52, 0.0)}


def crystals(energies, lattice=2.9):
    """Return compounds AlNi and the elements: name → energy per atom, or with a lattice constant.

    Each is a CsCl structure; with other lattice constants they are other crystals.
    """
    known = {name: (('Al', 'Ni'), lattice, e) for name, e in energies.items()}
    given = {
        name: (symbols, *(e if isinstance(e, tuple) else (a, e)))
        for name, (symbols, a, e) in (ELEMENTS | known).items()
    }
    cells, types, positions = [], [], []
    for symbols, a, _ in given.values():
        simple = len(symbols) == 2
        cells.append(np.eye(3) * a if simple else (np.ones((3, 3)) - np.eye(3)) * a / 2)
        types.append([SPECIES.index(symbol) for symbol in symbols])
        positions.append(np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]])[: len(symbols)] * a)
    return StructureBatch.build(
        SPECIES,
        types,
        positions,
        np.array(cells),
        ids=list(given),
        energies=[e * len(symbols) for symbols, _, e in given.values()],
        status=['converged'] * len(given),
    )


REFERENCES = crystals({}).replaced(ids=strings(['element-Al', 'element-Ni']))


def context(*asked, sigma=0.01):
    return Context(REFERENCES, {1: sigma, 2: sigma}, asked)


def joined(last, first=None, **more):
    return join_stages(crystals(last), crystals(first or last), context(**more))


def energies(batch):
    return {
        str(key): round(float(e), 9)
        for key, e in zip(batch.ids, batch.columns['formation_energy'], strict=True)
        if key not in ELEMENTS
    }


def statuses(batch):
    return dict(zip(batch.ids, batch.status, strict=True))


def copies(batch):
    pairs = zip(batch.ids, batch.columns['duplicate_of'], strict=True)
    return {str(key): str(other) for key, other in pairs if other}


def test_names_of_finds_tell_their_prototype():
    assert prototype_of('fcc-4-2:AlNi@3') == 'fcc-4-2:AlNi'
    assert prototype_of('fcc-4-2:AlNi') == 'fcc-4-2:AlNi'
    assert prototype_of('my@own') == 'my@own'
    assert prototype_of('@3') == '@3'


def test_the_last_stage_counts_and_crystals_are_counted_once():
    batch = joined({'a': -0.5, 'b': -0.4996}, {'a': -0.45, 'b': -0.45, 'c': (3.1, -0.3)})
    assert energies(batch) == {'a': -0.5, 'b': -0.4996, 'c': -0.3}
    assert copies(batch) == {'b': 'a'}
    assert statuses(batch) == {
        'a': PREDICTED, 'b': DUPLICATE, 'c': PREDICTED, 'al': RELAXED, 'ni': RELAXED
    }  # fmt: skip
    assert dict(zip(batch.ids, batch.columns['stage'], strict=True))['c'] == 1


def test_predictions_of_all_potentials_are_counted_from_the_same():
    """A potential that is off at an element says nothing else of the compounds."""
    batch = joined({'a': -0.5})
    elements = elements_of(batch)
    assert elements == {'Al': 0.0, 'Ni': 0.0}
    off = crystals({'a': -0.52})
    off = off.replaced(energies=np.where(off.ids == 'al', 0.03, off.energies))
    assert energies(predictions(off, elements)) == {'a': -0.52}
    assert energies(predictions(off.take(off.ids == 'a'), {'Al': -0.1, 'Ni': 0.0})) == {'a': -0.47}
    assert elements_of(updated(batch, predictions(off, elements))) == elements
    assert ids_of(predictions(off.replaced(status=strings(['volume'] * 3)), elements)) == []


def test_elements_are_those_of_the_last_stage():
    first = crystals({'a': -0.4})
    first = first.replaced(energies=first.energies - 1.0 * first.n_atoms)
    batch = join_stages(crystals({'a': -0.5}).take([0, 1]), first, context())
    assert elements_of(batch) == {'Al': 0.0, 'Ni': 0.0}
    failed = batch.replaced(energies=np.where(batch.ids == 'ni', np.nan, batch.energies))
    assert elements_of(failed) == {'Al': 0.0}


def ids_of(batch):
    return [str(key) for key in batch.ids]


def test_what_is_out_of_reach_is_not_looked_at_again():
    batch = joined({'low': -0.5, 'copy': -0.4999, 'high': (3.1, -0.25)})
    given = crystals({'low': np.nan, 'copy': np.nan, 'high': np.nan}, lattice=3.3)
    begun, current = look_again(batch, given, context(sigma=0.02).sigmas)
    assert ids_of(begun) == ['low', 'copy']
    assert ids_of(current) == ['low']
    assert np.array_equal(begun.cells[0], given.cells[given.index_of('low')])
    begun, current = look_again(batch, given, context(sigma=0.03).sigmas)
    assert ids_of(begun) == ['low', 'copy', 'high']
    assert ids_of(current) == ['low', 'high']
    lost = batch.replaced(
        status=strings([UNRELIABLE if s == PREDICTED else s for s in batch.status])
    )
    assert (
        'high' in look_again(lost, given, context(sigma=0.02).sigmas)[0].ids
    )  # it may end well this time


def test_a_find_is_looked_at_by_its_prototype():
    batch = joined({'low': -0.5})
    find = batch.take(batch.ids == 'low').replaced(ids=strings(['low@1']))
    begun, current = look_again(
        StructureBatch.concatenate([batch, find]), crystals({'low': np.nan}), context().sigmas
    )
    assert ids_of(begun) == ['low']
    assert ids_of(current) == ['low', 'low@1']


def test_of_hundreds_of_thousands_the_nearest_are_looked_at_again(monkeypatch):
    batch = joined({'high': (3.1, -0.45), 'low': -0.5, 'copy': -0.4999})
    given = crystals({'low': np.nan, 'copy': np.nan, 'high': np.nan})
    monkeypatch.setattr('aiida_mtp.core.screening.candidates.MOST', 2)
    begun, current = look_again(batch, given, context().sigmas)
    assert (ids_of(begun), ids_of(current)) == (['low', 'copy'], ['low'])


def test_shaken_copies_are_near_their_prototypes_and_others_each_time():
    given = crystals({'a': np.nan, 'b': (3.1, np.nan)}).take([2, 3])
    first, second = shaken(given, 2, seed=5)
    for one, most in ((first, 0.5), (second, 1.5)):
        assert ids_of(one) == ['a', 'b']
        moved = np.abs(one.positions - given.positions)
        assert 0 < moved.max() < most
    assert np.abs(second.cells - given.cells).max() > np.abs(first.cells - given.cells).max() > 0
    assert np.array_equal(shaken(given, 2, seed=5)[0].positions, first.positions)
    assert not np.array_equal(shaken(given, 2, seed=7)[0].positions, first.positions)
    assert shaken(given, 0, seed=5) == []


def test_of_all_a_prototype_leads_to_the_lowest_counts():
    batch = joined({'a': -0.4})
    begun = [crystals({'a': (lattice, e)}) for lattice, e in ((3.0, -0.45), (3.1, -0.47), (3.2, 0))]
    after = after_look(
        batch, StructureBatch.concatenate(begun), crystals({'a': -0.4}), 1, context()
    )
    assert energies(after) == {'a': -0.4, 'a@1': -0.47}
    assert after.cells[after.index_of('a@1')][0, 0] == pytest.approx(3.1)


def test_a_lower_minimum_is_a_candidate_of_its_own():
    batch = joined({'a': -0.4, 'b': (3.1, -0.5)})
    after = after_look(
        batch,
        begun=crystals({'a': (3.0, -0.45), 'b': (3.2, -0.3)}),
        current=crystals({'a': -0.41, 'b': (3.1, -0.52)}),
        number=1,
        context=context(),
    )
    assert energies(after) == {'a': -0.41, 'b': -0.52, 'a@1': -0.45}
    assert after.cells[after.index_of('a')][0, 0] == pytest.approx(2.9)
    assert after.cells[after.index_of('a@1')][0, 0] == pytest.approx(3.0)


def test_what_dft_has_answered_keeps_its_prediction():
    batch = joined({'a': -0.4, 'b': (3.1, -0.5)})
    after = after_look(
        batch,
        begun=crystals({'a': (3.0, -0.45), 'b': (3.1, -0.52)}),
        current=crystals({'a': -0.42, 'b': (3.1, -0.52)}),
        number=2,
        context=context('a', 'b'),
    )
    # errors are those of predictions made before the answer: these stay
    assert energies(after) == {'a': -0.4, 'b': -0.5, 'a@2': -0.45}
    assert prototype_of('a@2') == 'a'
    assert statuses(after)['a@2'] == PREDICTED
    again = after_look(
        after,
        begun=crystals({'a': (3.0, -0.45)}),
        current=crystals({'a': -0.42, 'b': (3.1, -0.52), 'a@2': (3.0, -0.45)}),
        number=3,
        context=context('a', 'b'),
    )
    assert energies(again) == energies(after)


def test_a_find_that_is_known_already_is_none():
    batch = joined({'a': -0.4, 'b': (3.0, -0.5)})
    after = after_look(
        batch,
        begun=crystals({'a': (3.0, -0.52), 'b': (3.0, -0.52)}),
        current=crystals({'a': -0.42, 'b': (3.0, -0.52)}),
        number=1,
        context=context('a', 'b'),
    )
    assert energies(after) == energies(batch)
    assert copies(after) == {}


def test_of_equals_those_stay_that_dft_was_asked_about():
    batch = joined({'a': (3.0, -0.40), 'asked': -0.5})
    after = after_look(
        batch,
        begun=crystals({'a': -0.5205, 'asked': -0.52}),
        current=crystals({'a': (3.0, -0.40), 'asked': -0.52}),
        number=1,
        context=context('asked'),
    )
    assert energies(after) == {'a': -0.4, 'asked': -0.5}  # what `a` leads to is known
    after = after_look(
        joined({'a': (3.0, -0.40), 'asked': -0.5}),
        begun=crystals({}),
        current=crystals({'a': -0.5205, 'asked': -0.52}),
        number=1,
        context=context('asked'),
    )
    assert copies(after) == {'a': 'asked'}
    assert energies(after)['asked'] == -0.5


def test_copies_stay_copies():
    batch = joined({'a': -0.5, 'copy': -0.4999})
    assert copies(batch) == {'copy': 'a'}
    after = after_look(
        batch,
        begun=crystals({'a': (3.1, -0.6), 'copy': -0.51}),
        current=crystals({'a': -0.51}),
        number=1,
        context=context(),
    )
    assert energies(after) == {'a': -0.51, 'copy': -0.4999, 'a@1': -0.6}
    assert copies(after) == {'copy': 'a'}


def test_what_could_not_be_believed_is_predicted_now():
    first = crystals({'a': -0.5})
    first = first.replaced(status=strings(['converged', 'converged', 'min_dist']))
    batch = join_stages(crystals({}), first, context())
    assert statuses(batch)['a'] == UNRELIABLE
    after = after_look(batch, crystals({'a': -0.3}), crystals({}), 1, context())
    assert statuses(after)['a'] == PREDICTED
    assert energies(after) == {'a': -0.3}


def test_newer_ones_take_the_places_of_others():
    batch, new = crystals({'a': -0.5, 'b': -0.4}), crystals({'b': -0.6, 'unknown': -1.0})
    after = updated(batch, new)
    assert ids_of(after) == ids_of(batch)
    assert after.energies_per_atom[after.index_of('b')] == pytest.approx(-0.6)


def test_what_differs_makes_the_whole_again():
    before = joined({'a': -0.5, 'copy': -0.4999, 'b': (3.1, -0.4), 'lost': (3.3, np.nan)})
    after = after_look(
        before,
        begun=crystals({'a': (3.2, -0.6)}),
        current=crystals({'a': -0.5, 'copy': (3.0, -0.51)}),
        number=1,
        context=context(),
    )
    few = differences(before, after)
    assert ids_of(few) == ['copy', 'a@1']  # no copy any more, and a find; all else is as it was
    whole = merged(before, few)
    assert ids_of(whole) == ids_of(after)
    assert energies(whole) == pytest.approx(energies(after), nan_ok=True)
    assert (statuses(whole), copies(whole)) == (statuses(after), copies(after))
    assert np.array_equal(whole.positions, after.positions)
    assert len(differences(after, whole)) == 0


def shifted(batch, name, by):
    """Move the second atom of a crystal along the diagonal of its cell."""
    row = batch.index_of(name)
    positions = batch.positions.copy()
    positions[batch.atoms_of(row)][1] += by
    return batch.replaced(positions=positions)


def test_what_is_led_elsewhere_than_where_it_was_asked_about_is_a_candidate():
    """A label says nothing of another crystal that the same prototype leads to now."""
    batch = joined({'a': -0.5, 'copy': -0.4999})
    assert copies(batch) == {'copy': 'a'}
    for by, names in ((0.01, {'a', 'copy'}), (0.6, {'a', 'copy', 'a@1'})):
        begun = shifted(crystals({'a': -0.52}), 'a', by)
        after = after_look(batch, begun, begun, 1, context('a'))
        assert energies(after).keys() == names
        assert energies(after)['a'] == -0.5
        again = after_look(after, begun, begun, 2, context('a'))
        assert energies(again) == energies(after)
    assert energies(after)['a@1'] == -0.52
    assert statuses(after)['a@1'] == PREDICTED
    asked = after_look(after, begun, begun, 2, context('a', 'a@1'))
    assert energies(asked) == energies(after)


def test_what_goes_where_dft_has_gone_is_known():
    batch = joined({'a': -0.5})
    begun = shifted(crystals({'a': -0.52}), 'a', 0.6)
    assert energies(after_look(batch, begun, begun, 1, context('a'))).keys() == {'a', 'a@1'}
    for by, names in ((0.55, {'a'}), (0.0, {'a', 'a@1'})):
        answers = shifted(crystals({'a': -0.53}), 'a', by)
        known = replace(context('a'), relaxed=answers.take(answers.ids == 'a'))
        assert energies(after_look(batch, begun, begun, 1, known)).keys() == names


def test_a_copy_of_what_dft_has_relaxed_is_none():
    """Whatever the potential thinks of its energy, and wherever it leads what was relaxed."""
    batch = joined({'a': -0.5, 'copy': -0.4999})
    assert copies(batch) == {'copy': 'a'}
    answers = crystals({'x': -0.53})
    for by, names in ((0.05, {'a', 'copy'}), (0.6, {'a', 'copy', 'a@1'})):
        begun = shifted(crystals({'a': -0.6}), 'a', by)
        known = replace(context(), relaxed=answers.take(answers.ids == 'x'))
        after = after_look(batch, begun, crystals({'a': -0.5}), 1, known)
        assert energies(after).keys() == names
        assert copies(after) == {'a': 'x', 'copy': 'x'}


def test_in_large_cells_copies_are_more_alike():
    answers = crystals({'x': -0.53})
    known = replace(context(), relaxed=answers.take(answers.ids == 'x'))
    small = shifted(crystals({'a': -0.6}), 'a', 0.12)
    cell = small.to_ase(small.index_of('a')).repeat((5, 1, 1))
    large = StructureBatch.from_ase([cell], SPECIES, ids=['a'], energies=[-6.0])
    large = large.replaced(status=strings(['converged']))
    for begun, names in ((small, {'a'}), (large, {'a', 'a@1'})):
        after = after_look(joined({'a': -0.5}), begun, crystals({'a': -0.5}), 1, known)
        assert energies(after).keys() == names
