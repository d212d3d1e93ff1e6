"""mtp-engine convert."""

from reference.batches import assert_same, random_batch

from aiida_mtp.core.engine.main import main
from aiida_mtp.core.files import read_structures, write_structures


def test_there_and_back(tmp_path):
    batch = random_batch()
    names = [str(tmp_path / name) for name in ('a.parquet', 'b.cfg', 'c.parquet')]
    write_structures(names[0], batch)
    assert main(['convert', names[0], '-o', names[1]]) == 0
    assert main(['convert', names[1], '-o', names[2], '--species', *batch.species]) == 0
    found = read_structures(names[2])
    kept = {name: batch.columns[name] for name in ('grade', 'message')}
    as_text = {name: [str(x) for x in batch.columns[name]] for name in ('rank', 'is_new')}
    expected = batch.replaced(columns=kept).with_columns(**as_text)
    order = {name: expected.columns[name] for name in found.columns}
    # the stress goes through −V σ, which rounds
    assert_same(found.replaced(stresses=batch.stresses), expected.replaced(columns=order))
    assert abs(found.stresses - batch.stresses)[batch.stresses == batch.stresses].max() < 1e-14


def test_in_place(tmp_path):
    batch = random_batch()
    name = str(tmp_path / 'a.parquet')
    write_structures(name, batch)
    assert main(['convert', name, '-o', name, '--species', 'Cu', 'Al', 'Ni']) == 0
    assert read_structures(name).species == ('Cu', 'Al', 'Ni')
    assert read_structures(name).formulas == batch.formulas


def test_species_that_are_missing(tmp_path, capsys):
    name = str(tmp_path / 'a.cfg')
    write_structures(name, random_batch())
    assert main(['convert', name, '-o', str(tmp_path / 'b.cfg'), '--species', 'Al']) == 2
    assert 'only 1 species are named (Al)' in capsys.readouterr().err
    assert not (tmp_path / 'b.cfg').exists()


def test_joined(tmp_path, capsys):
    batch = random_batch()
    names = [str(tmp_path / name) for name in ('a.parquet', 'b.cfg', 'c.parquet')]
    for name in names[:2]:
        write_structures(name, batch)
    assert main(['convert', *names[:2], '-o', names[2]]) == 2
    assert 'b.cfg has no names of species, others have: give --species' in capsys.readouterr().err
    assert main(['convert', *names[:2], '-o', names[2], '--species', *batch.species]) == 0
    found = read_structures(names[2])
    assert found.formulas == batch.formulas * 2
