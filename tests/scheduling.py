"""Which worker runs which tests: whole files, and all that use the cluster as if they were one.

There is one cluster, and a worker that waits for it does nothing else.
"""

from xdist.scheduler import LoadFileScheduling


class OneForTheCluster(LoadFileScheduling):
    """Scheduling by files, in which one worker alone uses the cluster."""

    def _split_scope(self, nodeid):
        file = super()._split_scope(nodeid)
        text = (self.config.rootpath / file).read_text()
        return 'cluster' if 'pytest.mark.needs_cluster' in text else file
