"""AiiDA where it has never been used: its folder is the test's own."""

import os
import subprocess
import sys
from pathlib import Path

BIN = Path(sys.executable).parent


def run(folder, *words, code=0):
    """Run a command of this environment with a folder of AiiDA's own, from elsewhere."""
    path = os.pathsep.join(x for x in os.environ['PATH'].split(os.pathsep) if Path(x) != BIN)
    answer = subprocess.run(
        words,
        env={**os.environ, 'AIIDA_PATH': str(folder), 'PATH': path},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == code, answer.stderr
    return answer.stderr if code else answer.stdout


def python(folder, code):
    words = 'from aiida_mtp.cli.root import load\nfrom aiida_mtp.cli.profile import *\n'
    return run(folder, sys.executable, '-W', 'error', '-c', words + code)
