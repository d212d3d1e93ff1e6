"""Pictures of screens for papers (matplotlib) and, in `interactive`, for notebooks (plotly).

Both need ``pip install aiida-mtp[plots]``. What is drawn comes as arrays, sets of structures or
parts of a report; `aiida_mtp.cli.report.report_data` makes a report of the node of a screen.
"""

from aiida_mtp.plots.figures import (
    plot_funnel,
    plot_grades,
    plot_hull,
    plot_learning_curve,
    plot_parity,
)

__all__ = ['plot_funnel', 'plot_grades', 'plot_hull', 'plot_learning_curve', 'plot_parity']
