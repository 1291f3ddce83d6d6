"""The pages of the reference: their titles, what each is about, and which public names stand on it.

`tests/test_reference.py` fails if a public name of `odeopt` stands on no page, or on two.
"""

from __future__ import annotations

from typing import NamedTuple


class Topic(NamedTuple):
    """A page: names of a module, all of its public ones if none are listed.

    extra: what must be installed for it
    """

    title: str
    text: str
    module: str = "odeopt"
    names: str = ""
    extra: str = ""


TOPICS = {
    "runs": Topic(
        "Runs",
        "Take the steps of an optimizer, solve its flow, and compare the two.",
        names="simulate solve ivp compare follow load Trajectory Snapshot Comparison Following IVP Status",
    ),
    "parts": Topic(
        "Problems, flows and optimizers of your own",
        "The three objects from which everything follows, and the parts of a flow.",
        names="Problem Flow Optimizer flow push relax project Onset decreasing conserved from_step",
    ),
    "orders": Topic(
        "Orders and modified equations",
        "How closely an optimizer follows its flow, and which equation it follows more closely.",
        names="convergence work_precision modified_flow implicit_regularizer Convergence WorkPrecision "
        "ImplicitRegularizer",
    ),
    "stability": Topic(
        "Stability and tuning",
        "The largest stable step, and the best hyperparameters, of any optimizer on a quadratic.",
        names="stability_limit stability_region stability_chart transfer_function convergence_rate "
        "critical_beta tuned_gd tuned_momentum tuned_nesterov energy StabilityRegion StabilityChart "
        "Energy",
    ),
    "edge": Topic(
        "The edge of stability",
        "What training does where it oscillates: averaged paths, gauges and thresholds.",
        names="diagnose central_flow rod_flow compare_at_edge edge_gauge batch_sharpness sharpness Diagnosis "
        "CentralFlow RodFlow EdgeComparison EdgeGauge BatchSharpness Sharpness",
    ),
    "noise": Topic(
        "Noise and batch size",
        "Stochastic equations, ensembles, and what to change when batch, width or horizon change.",
        names="sde ensemble transfer batch_scaling scale_batch noise_ratio compare_batches batch_schedule Ensemble "
        "Transfer BatchScaling BatchComparison",
    ),
    "schedules": Topic(
        "Bounds and forecasts of schedules",
        "The bound of a schedule on convex losses, and forecasts of losses from recorded ones.",
        names="schedule_bound loss_forecast ScheduleBound LossForecast LossPrediction",
    ),
    "trials": Topic(
        "Which optimizer?",
        "Optimizers tuned with equal effort, and compared with intervals.",
        names="bench search_space Bench SearchSpace",
    ),
    "sweep": Topic(
        "Sweeps",
        "Thousands of runs from one call, which survive kills and restarts.",
        names="sweep Sweep",
    ),
    "samplers": Topic("odeopt.sweeps", "Cells for a sweep, and what a sweep shows.", "odeopt.sweeps"),
    "optimizers": Topic("odeopt.optimizers", "The named optimizers, and what wraps one.", "odeopt.optimizers"),
    "schedule_functions": Topic("odeopt.schedules", "Schedules of the learning rate.", "odeopt.optimizers.schedules"),
    "flows": Topic("odeopt.flows", "The differential equations of the optimizers.", "odeopt.flows"),
    "schemes": Topic("odeopt.schemes", "The numerical schemes for any flow.", "odeopt.schemes"),
    "problems": Topic("odeopt.problems", "Losses with known properties, and your own data.", "odeopt.problems"),
    "gradient_noise": Topic("odeopt.noise", "Problems whose gradient has noise.", "odeopt.noise"),
    "laws": Topic("odeopt.laws", "What noise does in the long run, without sampling.", "odeopt.laws"),
    "plots": Topic("odeopt.plots", "The plots behind `.plot()`.", "odeopt.plots"),
    "symbolic": Topic("odeopt.symbolic", "Equations as formulas of SymPy.", "odeopt.symbolic", extra="symbolic"),
    "solvers": Topic("odeopt.solvers", "SciPy's methods with guards.", "odeopt.solvers"),
    "torch": Topic("odeopt.frameworks.torch", "Into torch and back.", "odeopt.frameworks.torch", extra="torch"),
    "jax": Topic("odeopt.frameworks.jax", "Into JAX and optax and back.", "odeopt.frameworks.jax", extra="jax"),
    "keras": Topic("odeopt.frameworks.keras", "Into Keras and back.", "odeopt.frameworks.keras", extra="keras"),
    "numpy": Topic("odeopt.frameworks.numpy", "In a loop of your own.", "odeopt.frameworks.numpy"),
    "word2vec": Topic("odeopt.word2vec", "An application: Word2Vec by hand-written gradients.", "odeopt.word2vec"),
}
