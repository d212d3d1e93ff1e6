#!/bin/sh
# Makes sure of the Debian packages the installation needs: as root it installs what is missing, as a
# user it says in one line how to.  usage: system.sh [gpaw]
set -eu
missing=""
have() { dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }
need() { # need PACKAGE COMMAND...: the package, unless the command succeeds
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}
python=${PYTHON:-python3}
need python3 command -v "$python"
need python3-venv "$python" -c 'import venv, ensurepip'
if [ "${1:-}" = gpaw ]; then
    need g++ command -v g++
    need python3-dev "$python" -c 'import os, sysconfig; os.stat(os.path.join(sysconfig.get_paths()["include"], "Python.h"))'
    for package in libxc-dev libopenblas-dev libfftw3-dev; do
        have $package || missing="$missing $package"
    done
fi
if [ -n "$missing" ]; then
    if [ "$(id -u)" != 0 ]; then
        echo "missing system packages; install them with: sudo apt-get install$missing" >&2
        exit 1
    fi
    echo "installing system packages:$missing"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of packages
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Python 3.11 or newer is needed; $python is $("$python" --version 2>&1); set PYTHON" >&2
    exit 1
}
