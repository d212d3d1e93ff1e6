"""Levenberg–Marquardt on the radial coefficients, the linear ones eliminated.

In each step all coefficients move together, with damping on the radial ones alone; then the linear
ones are solved for exactly at the new radial functions. This is variable projection in Kaufman's
form (Golub & Pereyra, Inverse Problems 19, R1 (2003)); the damping follows Nielsen.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from aiida_mtp.core.training.equations import solve_positive

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiida_mtp.core._typing import Floats
    from aiida_mtp.core.training.objective import Objective, State

FIRST_DAMPING = 1e-3
MAX_DAMPING = 1e8
WINDOW = 5  # steps over which the fall of the objective is judged
FLOOR = 1e-3  # smallest curvature that is damped, in units of the largest


def minimise(
    objective: Objective,
    start: State,
    max_iterations: int,
    tolerance: float,
    advance: Callable[[int], None] = lambda _: None,
    damping: float = FIRST_DAMPING,
) -> State:
    """Return the state of lowest objective found from a start.

    Parameters
    ----------
    max_iterations
        Most steps, including those that are not taken.
    tolerance
        The end is reached when the objective falls by less than this fraction of itself in
        several steps.
    advance
        Called with 1 for each step.
    damping
        Of the first step: less of it goes further at once where the start is close to the minimum.
    """
    state = objective.with_best_linear(start)
    recent = deque([state.value], maxlen=WINDOW + 1)
    growth = 2.0
    expansion: tuple[Floats, Floats] | None = None
    for _ in range(max_iterations):
        if expansion is None:
            state, matrix, vector = objective.expansion(state)
            expansion = matrix, vector
        trial, predicted = _step(objective, state, *expansion, damping)
        advance(1)
        gain = (state.value - trial.value) / predicted if predicted > 0 else -1.0
        if trial.value < state.value:
            state, expansion = trial, None
            damping *= max(0.1, 1.0 - (2.0 * gain - 1.0) ** 3)
            growth = 2.0
        else:  # worse, or not a number
            damping *= growth
            growth *= 2.0
        recent.append(state.value)
        fallen = recent[0] - recent[-1]
        settled = len(recent) > WINDOW and fallen <= tolerance * recent[0]
        if settled or damping > MAX_DAMPING:
            break
    return state


def _step(
    objective: Objective, state: State, matrix: Floats, vector: Floats, damping: float
) -> tuple[State, float]:
    """Return the state after one damped step, and the fall of the objective it promised."""
    n_radial = state.radial.size
    curvature = np.diag(matrix)[:n_radial]
    added = np.zeros(len(vector))
    added[:n_radial] = damping * np.maximum(curvature, FLOOR * curvature.max())
    step = solve_positive(matrix + np.diag(added), -vector)
    predicted = float((step * (added * step - vector)).sum())
    if not np.isfinite(predicted):
        return replace(state, loss=np.inf, value=np.inf), predicted
    moved = replace(
        state,
        radial=state.radial + step[:n_radial].reshape(state.radial.shape),
        linear=state.linear + step[n_radial:],
    )
    return objective.with_best_linear(moved), predicted
