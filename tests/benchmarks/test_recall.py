"""A small screen beside brute force, and the table of it."""

import pytest

from aiida_mtp.core.screening.verification import VerificationSettings


@pytest.mark.slow
def test_a_small_screen_finds_what_brute_force_does(codes, tmp_path):
    import recall
    from brute_force import truth_of
    from cluster_screen import stable

    name = 'Ni-Pt tiny'
    truth = truth_of(name, tmp_path)
    assert len(truth.phases) > 1  # EMT orders the system
    screen, _ = recall.run_screen(name, truth, 0, codes)
    found, expected = stable(screen), truth.stable
    assert found.keys() == expected.keys()
    for formula, energy in expected.items():
        # from the ideal prototype a relaxation can stay on a saddle that the screen has left
        assert -3e-3 < found[formula] - energy < 1e-3
    row = recall.judged(screen, truth)
    assert_each_look_is_anew(screen)
    assert row['missed'] == []
    assert row['found'] == row['n_stable'] == len(truth.phases)
    assert 0 < row['near'] <= 1
    assert all(depth < 3e-3 for depth in row['below'].values())
    assert row['spent']['training'] > 0
    assert all(0 <= share < 1 for share in row['lower'].values())
    assert row['relaxations'] < row['n_candidates']
    assert sum(row['spent'].values()) < row['brute_force']
    text = recall.page({f'{name}, seed 0': {'system': name, 'reference': 'emt', **row}})
    assert f'| {name} | EMT | 0 | {row["n_candidates"]} | {row["n_stable"]} |' in text
    assert 'Of 1 screens 1 have found every phase; in 1 no more are missing' in text


def assert_each_look_is_anew(screen):
    """Prototypes are relaxed by a potential from other random starts whenever they are again."""
    from aiida_mtp.workchains.final import IN_VAIN

    (final,) = (c for c in screen.called if c.process_label == 'MtpFinalWorkChain')
    called = {link.link_label: link.node for link in final.base.links.get_outgoing()}
    looks = [label for label in called if label.startswith('begun_0_') and label.endswith('_0')]
    assert len(looks) > 1  # what the first has found is learnt, and looked at again
    for number in range(2, len(looks) + 1):
        training = called[f'train_anew_{number - 1}']
        assert 'potential' not in training.inputs
        assert training.inputs.seed == 3 * (number - 1)  # each training has three starts
        relaxation = called[f'begun_0_{number}_0']
        assert relaxation.inputs.potential == training.outputs.potential
    settings = VerificationSettings.from_mapping(final.inputs.settings.get_dict())
    most = [most_expected(final, number) for number in range(2, len(looks) + 1)]
    assert all(number > settings.enough_to_look for number in most[:-1])
    assert most[-1] <= settings.enough_to_look or len(looks) > IN_VAIN  # it has added little
    assert final.outputs.report['expected_missed'] <= settings.expected_missed


def most_expected(final, number):
    """Return how many structures below the hull were to be expected at most after a look."""
    functions = sorted(final.called, key=lambda process: process.pk)
    looks = [row for row, one in enumerate(functions) if one.process_label == 'take_lower']
    begin, end, *_ = [*looks[number - 1 :], len(functions)]
    choices = [one for one in functions[begin:end] if one.process_label == 'choose_candidates']
    return max(one.outputs.report['expected_missed'] for one in choices)


def test_a_phase_that_a_lower_hull_has_beaten_counts_as_found(tmp_path):
    import numpy as np
    from brute_force import truth_of

    truth = truth_of('Ni-Pt tiny', tmp_path)
    stable = truth.relaxed.take(truth.hull.stable)
    one, *others = truth.phases
    assert truth.found(stable) == [one, *others]
    assert truth.beaten_by(stable) == {}
    rest = stable.take(np.array(stable.formulas) != one)
    assert truth.found(rest) == others
    compound = rest.compositions.all(axis=1)
    lower = rest.replaced(energies=rest.energies - 0.5 * rest.n_atoms * compound)
    assert truth.found(lower) == [one, *others]
    assert truth.beaten_by(lower).keys() == set(others)


def test_crystals_near_the_hull_are_counted_once(tmp_path):
    from brute_force import NEAR, truth_of

    truth = truth_of('Ni-Pt tiny', tmp_path)
    ids = [key for crystal in truth.near for key in crystal]
    assert len(ids) == len(set(ids)) > len(truth.near)  # some candidates relax to the same
    above = dict(zip(truth.relaxed.ids, truth.hull.e_above_hull, strict=True))
    assert all(above[key] < NEAR for key in ids)
