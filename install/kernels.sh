#!/bin/sh
# Compiles the kernels by a small round of learning, so that the first screen need not wait for them.
# usage: kernels.sh FOLDER-OF-THE-EXECUTABLES
set -eu
bin=$(cd "$1" && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"elements": ["Cu", "Pt"], "fcc": 3, "bcc": 2}' >spec.json
echo '{"calculator": "emt"}' >emt.json
{
    "$bin/mtp-engine" prototypes spec.json -o candidates.parquet
    "$bin/mtp-engine" init --level 6 --species Cu Pt --cutoff 5 -o start.mtp
    "$bin/mtp-engine" select --potential start.mtp --candidates candidates.parquet -o selected.parquet
    "$bin/mtp-dft" static selected.parquet emt.json -o labels.parquet
    "$bin/mtp-engine" train labels.parquet -o trained.almtp --level 6 --species Cu Pt --cutoff 5
    "$bin/mtp-engine" relax trained.almtp candidates.parquet -o relaxed.parquet --scan-volume
    "$bin/mtp-engine" select --potential trained.almtp --training labels.parquet --candidates candidates.parquet -o selected.parquet
} >log 2>&1 || {
    tail -n 1 log >&2
    exit 1
}
