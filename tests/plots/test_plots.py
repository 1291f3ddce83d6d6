"""Plots: they return their artists, use the axes that they are given, and leave no trace."""

import io
import subprocess
import sys
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.collections import Collection
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from support import tables
from support.schedules import annealed

import odeopt as oo

mpl.use("Agg")

from odeopt import plots
from odeopt.plots import style

PLANE = oo.problems.quadratic((1, 20))
LINE = oo.laws.langevin(oo.problems.double_well(), 0.1, (-2, 2), 40)
DISC = oo.laws.langevin(PLANE, 0.1, ((-2, 2), (-2, 2)), 10)
VALLEY = oo.problems.valley(d=3).at((-0.5, 0.3, 0.2))
SUM = oo.problems.least_squares((np.random.default_rng(0).normal(size=(5, 2)), np.arange(5)))


def compared(problem=PLANE, theta0=None, **settings):
    return oo.compare(oo.optimizers.adam(lr=0.05, **settings), problem, 20, theta0)


def fitted():
    return oo.convergence(oo.flows.gradient_flow(), oo.schemes.heun, PLANE, steps=(50, 100))


def worked():
    both = {"Euler": oo.schemes.euler, "RKC2(5)": oo.schemes.rkc2(5)}
    return oo.work_precision(oo.flows.gradient_flow(), both, PLANE, 40.0, steps=(10, 50, 500))


def charted(make=oo.optimizers.momentum):
    return oo.stability_chart(lambda beta: make(beta=beta), np.linspace(0, 0.9, 31), np.linspace(0.05, 3.0, 61))


def sharpened():
    opt = oo.optimizers.gd(lr=0.04)
    return oo.sharpness(oo.simulate(opt, VALLEY, 20), VALLEY, opt)


def gauged(**settings):
    return oo.edge_gauge(oo.simulate(oo.optimizers.gd(lr=0.04), VALLEY, 20, **settings))


def batched(opt=None):
    noisy = oo.noise.minibatches(SUM, 2)
    return oo.batch_sharpness(oo.simulate(opt or oo.optimizers.gd(lr=0.1), noisy, 8, rng=0), opt)


def swept():
    return oo.sweep(oo.optimizers.momentum, PLANE, {"lr": [0.02, 0.1, 0.5], "beta": [0.0, 0.9]}, steps=20)


def mapped():
    return swept().heatmap("lr", "beta", make=oo.optimizers.momentum, sharpness=20.0)


def benched():
    spaces = {name: oo.search_space(getattr(oo.optimizers, name), lr=(0.01, 0.05)) for name in ("gd", "adam")}
    return oo.bench(spaces, {"plane": PLANE, "valley": VALLEY}, 3, steps=9, seeds=2, rng=0)


CASES = {  # name: (the call, how many artists of which kind)
    "comparison in the plane": (lambda ax: plots.comparison(compared(), ax), 3),
    "comparison over time": (lambda ax: plots.comparison(compared(VALLEY), ax), 3),
    "comparison of an ensemble": (lambda ax: plots.comparison(compared(theta0=np.eye(2)), ax), 6),
    "convergence": (lambda ax: plots.convergence(fitted(), ax), 2),
    "work_precision": (lambda ax: plots.work_precision(worked(), ax), 2),
    "energy": (lambda ax: plots.energy(oo.energy(compared().iterates), ax), 1),
    "energy of an ensemble": (lambda ax: plots.energy(oo.energy(compared(theta0=np.eye(2)).flow), ax), 2),
    "edge_gauge": (lambda ax: plots.edge_gauge(gauged(), ax), 3),
    "edge_gauge of an ensemble": (lambda ax: plots.edge_gauge(gauged(theta0=np.eye(3)), ax), 7),
    "batch_sharpness": (lambda ax: plots.batch_sharpness(batched(), ax), 1),
    "batch_sharpness of momentum": (lambda ax: plots.batch_sharpness(batched(oo.optimizers.momentum(0.1)), ax), 3),
    "heatmap": (
        lambda ax: plots.heatmap(mapped(), ax),
        2,
    ),
    "marginal": (lambda ax: plots.marginal(swept().marginal("lr"), ax), 2),
    "bench": (lambda ax: plots.bench(benched(), ax), 4),
    "rod_flow": (lambda ax: plots.rod_flow(oo.rod_flow(oo.optimizers.gd(lr=0.1), PLANE, 20), ax), 2),
    "loss_forecast": (lambda ax: plots.loss_forecast(annealed(), ax), 4),
    "loss_prediction": (lambda ax: plots.loss_prediction(annealed().propose(40), ax), 2),
    "schedule_bound": (lambda ax: plots.schedule_bound(oo.schedule_bound(oo.schedules.linear(9), 9), ax), 2),
    "stability_region": (lambda ax: plots.stability_region(oo.stability_region(oo.schemes.rk4, points=41), ax), 2),
    "stability_chart": (lambda ax: plots.stability_chart(charted(), ax), 3),
    "sharpness": (lambda ax: plots.sharpness(sharpened(), ax), 2),
    "central flow": (lambda ax: plots.central_flow(oo.central_flow(oo.optimizers.gd(lr=0.04), VALLEY, 3), ax), 2),
    "comparison at the edge": (
        lambda ax: plots.edge_comparison(oo.compare_at_edge(oo.optimizers.gd(lr=0.04), VALLEY, 4), ax),
        11,
    ),
    "density of one coordinate": (lambda ax: plots.density(LINE, LINE.evolve(0.5, [1, 2]), ax), 2),
    "density in the plane": (lambda ax: plots.density(DISC, DISC.stationary(), ax), 1),
    "trajectory": (lambda ax: plots.trajectory(compared().iterates, ax), 1),
    "path": (lambda ax: plots.path(compared().iterates, ax), 1),
}


@pytest.fixture
def ax():
    return Figure().subplots()


@pytest.fixture
def no_window(monkeypatch):
    from matplotlib import pyplot

    def refuse(*args, **kwargs):
        raise AssertionError("a plot function called show")

    monkeypatch.setattr(pyplot, "show", refuse)
    yield
    pyplot.close("all")


@pytest.mark.parametrize("case", CASES)
def test_returns_artists_on_the_given_axes(case, ax):
    call, count = CASES[case]
    artists = call(ax)
    assert len(artists) == count
    for artist in artists:
        assert isinstance(artist, Line2D | Collection)
        assert artist.axes is ax
    assert ax.get_xlabel()
    assert ax.get_ylabel()


@pytest.mark.parametrize("case", CASES)
def test_makes_axes_and_leaves_no_trace(case, no_window):
    before = dict(mpl.rcParams)
    artists = CASES[case][0](None)
    assert tuple(artists[0].axes.figure.get_size_inches()) in (style.SCREEN, style.WIDE)
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("case", CASES)
def test_the_window_is_the_one_that_was_asked_for(case, ax, monkeypatch):
    """Every drawing passes xlim and ylim on; here each is called once more with them, by its own name."""
    seen = []
    for name in plots.__all__:
        drawing = getattr(plots, name)
        windowed = lambda *a, drawing=drawing, **k: seen.append(1) or drawing(*a, **k, xlim=(0.5, 2), ylim=(0.25, 3))
        monkeypatch.setattr(plots, name, windowed)
    CASES[case][0](ax)
    assert seen == [1]
    assert (ax.get_xlim(), ax.get_ylim()) == ((0.5, 2), (0.25, 3))


def test_iterates_are_joined_and_their_flow_is_seen_between_the_dots(ax):
    cmp = oo.compare(oo.optimizers.gd(lr=0.09), PLANE, 60)
    iterates, flow, _ = cmp.plot(ax)
    assert iterates.get_linestyle() == "-"
    assert iterates.get_linewidth() < flow.get_linewidth()
    np.testing.assert_array_equal(iterates.get_xydata(), cmp.iterates.theta)
    assert iterates.get_markevery() == 2
    slow, *_ = oo.compare(oo.optimizers.gd(lr=1e-4), PLANE, 300).plot(Figure().subplots(), xlim=(-1, 1))
    assert slow.get_markevery() > 4  # they hardly move
    levels = compared().plot(Figure().subplots(), levels=3, xlim=(-1, 1))[0].axes
    assert levels.get_xlim() == (-1, 1)
    still = oo.compare(oo.optimizers.gd(lr=0.1), PLANE, 5, [0.0, 0.0]).plot(Figure().subplots())
    assert len(still) == 3


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_a_hidden_curve_is_not_in_the_legend(ax):
    """Gradient descent's own flow is gradient flow and covers it."""
    oo.compare(oo.optimizers.gd(lr=0.05), PLANE, 20).plot(ax)
    assert legend(ax) == ["its flow, gradient flow", "Gradient descent"]
    other = Figure().subplots()
    compared().plot(other)
    assert legend(other)[:2] == ["gradient flow", "its flow"]


SWEEP = oo.optimizers.momentum(lr=np.array([1e-3, 3e-3, 3e-2]))


def test_a_sweep_is_drawn_by_steps_and_coloured_by_its_values(no_window):
    run = oo.simulate(SWEEP, VALLEY, 20)
    lines = run.plot()
    for line in lines:
        assert line.get_xdata() == pytest.approx(np.arange(21))
    assert lines[0].axes.get_xlabel() == "steps"
    assert len({line.get_color() for line in lines}) == 3
    bars = [ax for ax in lines[0].figure.axes if ax is not lines[0].axes]
    assert [ax.get_ylabel() for ax in bars] == ["lr"]
    assert bars[0].get_yscale() == "log"
    assert {line.get_color() for line in run.plot(color="red")} == {"red"}


def test_a_compared_sweep_has_one_clock(ax, no_window):
    cmp = oo.compare(SWEEP, VALLEY, 20)
    for line in cmp.plot(ax):
        assert line.get_xdata() == pytest.approx(np.arange(21))
    assert ax.get_xlabel() == "steps"
    assert len(ax.figure.axes) == 1  # a bar only beside axes of their own
    assert len(cmp.plot()[0].figure.axes) == 2
    plane = oo.compare(SWEEP, PLANE, 20).plot(Figure().subplots())
    assert len({line.get_color() for line in plane[:3]}) == 3


OWN = {
    "stability_region": "spectral radius",
    "stability_chart": "spectral radius",
    "density in the plane": "density over its maximum",
}


@pytest.mark.parametrize("case", OWN)
def test_shades_have_a_colour_bar_beside_axes_of_their_own(case, ax, no_window):
    figure = CASES[case][0](None)[0].axes.figure
    assert [other.get_ylabel() for other in figure.axes[1:]] == [OWN[case]]
    CASES[case][0](ax)
    assert len(ax.figure.axes) == 1


def test_what_axes_of_their_own_say(no_window):
    assert legend(charted().plot()[0].axes) == ["stability limit", "critical damping"]
    assert legend(sharpened().plot()[0].axes) == ["Gradient descent", "threshold"]
    assert compared().iterates.plot()[0].axes.get_title() == "Adam"
    ticks = fitted().plot()[0].axes.get_xticklabels()
    assert sorted(text.get_text() for text in ticks) == ["0.01", "0.02"]


def test_an_energy_without_quantities_is_drawn_empty(no_window):
    """Those of this flow need a minimizer that is not known."""
    unknown = oo.Problem(lambda x: (x**2).sum(-1), theta0=[1.0, 2.0])
    flow = oo.flow("theta", descent=oo.push("theta", lambda grad, theta: -grad(theta)),
                   quantities={"gap": oo.decreasing(lambda gap: gap)})  # fmt: skip
    result = oo.energy(oo.solve(flow, unknown, 1.0))
    assert result.omitted == ("gap",)
    assert result.plot(xlim=(0, 1)) == []
    assert len(result.to_dataframe()) == len(result.t)


def test_a_description_of_a_sweep_is_drawn_too(tmp_path, no_window):
    """Loaded, without the optimizer that was built by hand."""
    opt = oo.Optimizer(oo.flows.averaged_gradient(0.5), oo.schemes.rk4, np.array([0.01, 0.02]))
    lines = oo.load(oo.simulate(opt, VALLEY, 5).save(tmp_path / "run")).plot()
    assert lines[0].get_xdata() == pytest.approx(np.arange(6))


def test_plot_methods_of_results(ax):
    assert len(compared().plot(ax)) == 3
    assert len(fitted().plot(ax)) == 2
    assert len(worked().plot(ax)) == 2


def test_plot_methods_of_the_analysis(ax):
    assert len(charted().plot(ax)) == 3
    assert len(sharpened().plot(ax)) == 2
    assert len(oo.stability_region(oo.schemes.euler, points=11).plot(ax)) == 2


def test_landscape_shows_the_window(ax):
    contours = plots.landscape(PLANE, ax, xlim=(-2, 3), ylim=(-1, 1), levels=7)
    assert isinstance(contours, QuadContourSet)
    assert len(contours.levels) == 7
    assert (ax.get_xlim(), ax.get_ylim()) == ((-2, 3), (-1, 1))


def test_plane_needs_two_parameters(ax):
    with pytest.raises(ValueError, match="2 parameters for a landscape, got d = 3"):
        plots.landscape(VALLEY, ax)
    with pytest.raises(ValueError, match="2 parameters for a path, got d = 3"):
        plots.path(compared(VALLEY).iterates, ax)


def test_title_states_the_measured_error(ax):
    cmp = compared()
    plots.comparison(cmp, ax)
    title = ax.get_title(loc="center") or ax.get_title(loc="left")
    assert title == f"Adam follows its flow to {style.sci(cmp.max_error)} over 20 steps"


def test_title_of_a_run_that_ends_early(ax):
    cmp = oo.compare(oo.optimizers.gd(lr=1.0), PLANE, 400)
    plots.comparison(cmp, ax)
    assert ax.get_title().endswith("NOT_FINITE")
    assert max(np.abs(ax.axis())) < 20
    ax.figure.savefig(io.BytesIO())  # drawn without a warning


def test_title_of_a_run_that_leaves_its_flow(ax):
    plots.comparison(oo.compare(oo.optimizers.gd(lr=0.11), PLANE, 50), ax)
    assert ax.get_title() == "Gradient descent leaves its flow within 50 steps"


def test_a_diverged_scheme_is_marked(ax):
    lines = plots.work_precision(oo.work_precision(
        oo.flows.gradient_flow(), {"Euler": oo.schemes.euler}, PLANE, 2000.0, steps=(800, 22_000)
    ), ax)  # fmt: skip
    assert len(lines[0].get_xdata()) == 1
    crosses = [line for line in ax.lines if line.get_marker() == "x"]
    assert [len(line.get_xdata()) for line in crosses] == [1]


def vertices(contours):
    """All points of the lines of a contour set."""
    return np.concatenate([path.vertices for path in contours.get_paths()])


def test_the_boundary_of_eulers_region_is_a_circle(ax):
    _, edge = plots.stability_region(oo.stability_region(oo.schemes.euler), ax)
    np.testing.assert_allclose(np.hypot(*(vertices(edge) - [1, 0]).T), 1, atol=1e-3)


def test_lines_of_a_stability_chart(ax):
    """The limit 2 (1 + beta) as far as the chart goes, and critical damping beta = (1 - sqrt(z))^2."""
    chart = charted()
    _, limit, damping = plots.stability_chart(chart, ax)
    z, beta = limit.get_data()
    inside = 2 * (1 + beta) < 3
    np.testing.assert_allclose(z[inside], 2 * (1 + beta[inside]))
    assert np.all(np.isnan(z[~inside]))
    z, beta = vertices(damping).T
    np.testing.assert_allclose(beta, (1 - np.sqrt(z)) ** 2, atol=5e-3)
    assert limit.get_color() == style.colour("momentum")


def test_sharpness_beside_its_threshold(ax):
    result = sharpened()
    line, threshold = plots.sharpness(result, ax)
    np.testing.assert_array_equal(line.get_xydata(), np.stack([result.t, result.value], axis=-1))
    assert threshold.get_ydata() == pytest.approx(np.full(len(result.t), 50.0))


def test_gauges_beside_their_limits(ax):
    zeta, zeta_2, one = gauged().plot(ax)
    np.testing.assert_array_equal(zeta.get_ydata(), gauged().zeta)
    np.testing.assert_array_equal(zeta_2.get_ydata(), gauged().zeta_2)
    assert set(one.get_ydata()) == {1.0}
    _, small, large = batched(oo.optimizers.momentum(0.1, 0.5)).plot(Figure().subplots())
    assert small.get_ydata() == pytest.approx([10.0, 10.0])
    assert large.get_ydata() == pytest.approx([30.0, 30.0])


def test_the_two_losses_of_a_rod_flow(ax):
    flow = oo.rod_flow(oo.optimizers.gd(lr=0.1), PLANE, 20)
    mean, middle = flow.plot(ax)
    np.testing.assert_array_equal(mean.get_xydata(), np.stack([flow.t, flow.mean_loss], axis=-1))
    np.testing.assert_array_equal(middle.get_xydata(), np.stack([flow.t, flow.loss], axis=-1))


@pytest.mark.parametrize("least", [0.0, -100.0])
def test_losses_of_0_or_less_are_drawn_as_differences(ax, least):
    """Their ratios would put the worst one before the best."""
    known = benched()
    lower = {name: getattr(known, name) - known.loss.min() + least for name in ("tuning", "loss")}
    artists = plots.bench(replace(known, **lower), ax)
    assert ax.get_xscale() == "linear"
    assert "−" in ax.get_xlabel()
    for standing, marks in zip(known.standings, (artists[:2], artists[2:]), strict=True):
        drawn = sorted(line.get_xdata()[1] for line in marks)
        np.testing.assert_allclose(drawn, np.sort(standing.loss) - standing.loss.min(), atol=1e-12)


def test_dense_output_is_drawn_between_the_records(ax):
    flow = oo.flows.gradient_flow()
    coarse = oo.solve(flow, PLANE, np.array([0.0, 1.0]), dense_output=True)
    (line,) = plots.path(coarse, ax)
    t = np.linspace(0, 1, 201) ** 4
    np.testing.assert_allclose(line.get_xydata(), PLANE.flow_solution(t, PLANE.theta0), atol=1e-8)


def test_one_colour_per_optimizer():
    assert all(name in style.OPTIMIZERS for name in tables.OPTIMIZERS)
    assert len({style.colour(name) for name in style.OPTIMIZERS}) == len(style.OPTIMIZERS)
    lines = [
        plots.trajectory(oo.simulate(make(lr=0.01), problem, 5), Figure().subplots())[0]
        for make in (oo.optimizers.adam, oo.optimizers.gd)
        for problem in (PLANE, VALLEY)
    ]
    assert [line.get_color() for line in lines] == [style.colour(n) for n in ("adam", "adam", "gd", "gd")]


def test_every_scheme_has_a_style():
    named = [getattr(oo.schemes, name) for name in oo.schemes.__all__ if name[0].islower() and name[:3] != "rkc"]
    named = [scheme for scheme in named if not isinstance(scheme, oo.schemes.Splitting)]  # one family
    named += [oo.schemes.rkc1(7), oo.schemes.rkc2(7), oo.schemes.Splitting("memory drift")]
    styles = [style.scheme_style(scheme.name) for scheme in named]
    assert (style.GREY, ".") not in styles
    assert len(set(styles)) == len(styles)


def test_canvas_has_the_size_that_was_asked_for():
    figure, ax = style.canvas(width=style.DOUBLE, height=2.2)
    assert tuple(figure.get_size_inches()) == (style.DOUBLE, 2.2)
    assert ax.figure is figure


def test_context_ends():
    before = dict(mpl.rcParams)
    with style.context():
        assert mpl.rcParams["font.size"] == style.RC["font.size"]
    assert dict(mpl.rcParams) == before


def test_odeopt_does_not_import_matplotlib():
    code = "import sys, odeopt; sys.exit('matplotlib' in sys.modules or 'odeopt.plots' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
