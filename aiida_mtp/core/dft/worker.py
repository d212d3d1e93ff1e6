"""A process that computes one structure after the other; `run` starts it.

It reads lines of JSON: first what all structures share, then one structure each. A result goes
into its file first; then it is answered with a line. When the input ends, because the process that
started it has no more work or is no more, it ends at once, with all that it started.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from aiida_mtp.core.dft.compute import Task, compute
from aiida_mtp.core.dft.settings import DftSettings


def main() -> None:
    """Serve until the input ends."""
    # What libraries print, also from C, goes to stderr: stdout is for answers.
    answers = os.fdopen(os.dup(1), 'w', encoding='utf-8')
    os.dup2(2, 1)
    shared = json.loads(sys.stdin.readline())
    task = Task.make(shared['task'], DftSettings.from_mapping(shared['settings']))
    jobs: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(jobs,), daemon=True).start()

    def answer(**values: Any) -> None:
        answers.write(json.dumps(values) + '\n')
        answers.flush()

    answer(ready=True)
    while True:
        result = compute(task, json.loads(jobs.get()))
        try:
            result.write(Path(shared['folder']), task.name)
        except OSError as error:
            answer(fatal=error.strerror or str(error), errno=error.errno)
            continue
        answer(status=result.status, message=result.message, seconds=result.seconds)


def _listen(jobs: queue.Queue[str]) -> None:
    """Pass on the input; when it ends, end the process and its children."""
    for line in sys.stdin:
        jobs.put(line)
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(0)


if __name__ == '__main__':
    main()
