"""Pictures of result objects: compute first, then plot.

Every function takes a result and `ax=None` and returns its artists.  It shows nothing and does not change rcParams.
"""

from odeopt.plots.diagnosis import diagnosis
from odeopt.plots.edge import central_flow, edge_comparison
from odeopt.plots.energy import energy
from odeopt.plots.ensembles import ensemble
from odeopt.plots.gauges import batch_sharpness, edge_gauge
from odeopt.plots.landscapes import landscape, path
from odeopt.plots.laws import density
from odeopt.plots.orders import convergence, work_precision
from odeopt.plots.rods import rod_flow
from odeopt.plots.runs import comparison, following, trajectory
from odeopt.plots.schedules import loss_forecast, loss_prediction, schedule_bound
from odeopt.plots.stability import sharpness, stability_chart, stability_region
from odeopt.plots.sweeps import heatmap, marginal
from odeopt.plots.trials import bench
from odeopt.util.door import suggesting

__all__ = [
    "batch_sharpness",
    "bench",
    "central_flow",
    "comparison",
    "convergence",
    "density",
    "diagnosis",
    "edge_comparison",
    "edge_gauge",
    "energy",
    "ensemble",
    "following",
    "heatmap",
    "landscape",
    "loss_forecast",
    "loss_prediction",
    "marginal",
    "path",
    "rod_flow",
    "schedule_bound",
    "sharpness",
    "stability_chart",
    "stability_region",
    "trajectory",
    "work_precision",
]

suggesting(__name__, __all__)
