#!/bin/sh
# Makes sure of the Debian packages the installation needs: as root it installs what is missing, as a
# user it says in one line how to.  usage: system.sh [gpaw]
set -eu
python=${PYTHON:-python3}
missing=""
need() { # need PACKAGE COMMAND...: the package, unless the command succeeds
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}
links() { # links LIBRARY HEADER: whether a program can use the library
    echo "#include <$2>
int main() { return 0; }" | g++ -x c++ - -o /dev/null -l"$1"
}
need python3 command -v "$python"
need python3-venv "$python" -c 'import venv, ensurepip'
need procps command -v ps # how AiiDA sees whether a job runs
# icet and GPAW come as sources
need g++ command -v g++
need python3-dev "$python" -c 'import os, sysconfig; os.stat(os.path.join(sysconfig.get_paths()["include"], "Python.h"))'
if [ "${1:-}" = gpaw ]; then
    need libxc-dev links xc xc.h
    need libopenblas-dev links openblas cblas.h
    need libfftw3-dev links fftw3 fftw3.h
fi
if [ -n "$missing" ]; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "missing system packages; install them with: sudo apt-get install$missing" >&2
        exit 1
    fi
    echo "installing system packages:$missing"
    export DEBIAN_FRONTEND=noninteractive
    log=$(mktemp)
    # shellcheck disable=SC2086 # a list of packages
    if ! { apt-get update && apt-get install -y --no-install-recommends $missing; } >"$log" 2>&1; then
        tail -n 5 "$log" >&2
        exit 1
    fi
    rm "$log"
fi
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Python 3.11 or newer is needed, $python is $("$python" --version 2>&1); name another: make PYTHON=python3.12" >&2
    exit 1
}
