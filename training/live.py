"""The run's log as DVCLive keeps it, for `dvc plots` and editors while a run is under way. Nothing leaves the machine.

`training.fit` knows nothing of it: it calls back after every epoch.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

try:
    from dvclive import Live
except ModuleNotFoundError:  # a rented machine without DVC teaches all the same, and the run keeps its own log
    Live = None

__all__ = ["FOLDER", "live_log"]

FOLDER = "dvclive"
LOSSES = ("box", "class", "distribution")
OTHERS = ("rate", "seconds_a_crop")
EpochLog = Callable[[int, Mapping[str, object]], None]


@contextmanager
def live_log(out: Path) -> Iterator[EpochLog]:
    """A log below the run's folder `out`; an interrupted run's goes on. None is kept where DVCLive is not installed.

    It gives what `training.fit.fit` calls with the number of an epoch, from 0, and its row.
    """
    # With a token in the environment or in DVC's settings it would report to a service.
    os.environ["DVC_STUDIO_OFFLINE"] = "true"
    if Live is None:
        yield lambda _epoch, _row: None
        return
    with Live(str(out / FOLDER), resume=True, save_dvc_exp=False, dvcyaml=False) as live:

        def log(epoch: int, row: Mapping[str, object]) -> None:
            # The step is the run's own, so that a row lost to a kill shifts none after it.
            live.step = epoch
            for name in LOSSES:
                live.log_metric(f"loss/{name}", float(str(row[name])))
            for name in OTHERS:
                live.log_metric(name, float(str(row[name])))
            live.next_step()

        yield log
