"""The gallery: every figure has its sentence, is the same bytes every time, and says what was measured."""

import inspect
import re
from concurrent.futures import Executor, Future

import numpy as np
import pytest
from matplotlib.figure import Figure
from support import tables
from support.scripts import FOLDER, SCRIPTS, load, script

import odeopt as oo

make = load(FOLDER / "make.py")


@pytest.fixture
def figure(request):
    """The module of the figure with the number that the test is parametrized by."""
    pytest.importorskip("sklearn", reason="some figures use its data")
    return load(script(request.param))


def test_each_number_is_used_once():
    numbers = [int(path.name[:2]) for path in SCRIPTS]
    assert len(set(numbers)) == len(numbers)
    assert min(numbers) == 1


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script_has_a_sentence_and_draw(path):
    pytest.importorskip("sklearn", reason="some figures use its data")
    module = load(path)
    assert 20 < len(make.caption(path)) < 200
    assert make.caption(path)[:-1] in " ".join(inspect.getdoc(module).split())
    assert not inspect.signature(module.draw).parameters
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 150


def test_gallery_lists_every_script():
    text = make.gallery()
    for path in SCRIPTS:
        assert f"[{path.name}](../{path.name})" in text
        assert f"]({path.stem}.png)" in text
        assert make.caption(path) in text


def test_gallery_in_the_repository_is_complete():
    assert (make.GALLERY / "README.md").read_text(encoding="utf-8") == make.gallery()
    pictures = {path.name for path in make.GALLERY.iterdir()} - {"README.md"}
    assert pictures == {f"{path.stem}.{kind}" for path in SCRIPTS for kind in make.KINDS}


@pytest.mark.parametrize("number", ["01", "10"])
def test_pictures_are_byte_stable(number, tmp_path):
    first, second = make.pictures(script(number)), make.pictures(script(number))
    assert first == second
    assert first["png"].startswith(b"\x89PNG")
    make.render(script(number), tmp_path)
    assert {path.suffix[1:]: path.read_bytes() for path in tmp_path.iterdir()} == first


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_picture_in_the_repository_fits_a_column(path):
    """The fonts are chosen for this width."""
    head = (make.GALLERY / f"{path.stem}.svg").read_text(encoding="utf-8")[:1000]
    inches = float(re.search(r'width="([\d.]+)pt"', head).group(1)) / 72
    assert inches == pytest.approx({"06_orders": 5.2}.get(path.stem, 7.0), abs=0.01)


@pytest.mark.long  # `make figures` draws them too
@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_draws_without_touching_rc_params(path):
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    assert make.pictures(path)["svg"]
    assert dict(mpl.rcParams) == before


def test_unknown_figure_is_refused():
    with pytest.raises(SystemExit, match="no figure '99'; there are 01_gd_is_euler"):
        make.chosen(["99"])
    assert make.chosen(["gd_is"]) == [script("01")]


def test_a_failure_is_an_exit_code(monkeypatch, tmp_path, capfd):
    broken = tmp_path / "01_broken.py"
    broken.write_text('"""It fails."""\n\n\ndef draw():\n    raise ArithmeticError("on purpose")\n', encoding="utf-8")
    monkeypatch.setattr(make, "scripts", lambda: [broken])
    monkeypatch.setattr(make, "GALLERY", tmp_path / "gallery")
    job = Future()
    with pytest.raises(ArithmeticError) as failure:
        make.render(broken, tmp_path)
    job.set_exception(failure.value)
    assert make.report([(broken, job)]) == ["01_broken"]
    assert "on purpose" in capfd.readouterr().err


def test_says_at_once_what_it_draws(monkeypatch, tmp_path, capfd):
    """Before it imports or draws anything, and when each figure begins and ends; in two processes."""
    monkeypatch.setattr(make, "gallery", lambda: "")
    monkeypatch.setattr(make, "GALLERY", tmp_path)
    begun = []
    monkeypatch.setattr(make, "ProcessPoolExecutor", lambda number, mp_context: begun.append(number) or Inline())
    assert make.main(["01_gd", "02_why"]) == 0
    assert begun == [2]
    lines = capfd.readouterr().out.splitlines()
    assert lines[0] == f"drawing 2 figures into {tmp_path}, 2 at a time"
    assert lines[1:3] == ["01_gd_is_euler ...", "02_why_momentum_accelerates ..."]
    assert sorted(re.sub(r" +[\d.]+ s$", "", line) for line in lines[3:]) == [path.stem for path in SCRIPTS[:2]]


class Inline(Executor):
    """Runs each job in this process, when it is submitted."""

    def submit(self, work, /, script):
        job = Future()
        job.set_result(work(script, make.GALLERY))
        return job


@pytest.mark.parametrize("figure", ["01"], indirect=True)
def test_euler_loses_stability_at_two(figure):
    z = np.linspace(1.9, 2.1, 81)
    assert figure.limit(z, figure.growth(z)) == pytest.approx(oo.stability_limit(oo.schemes.euler), abs=1e-4)


@pytest.mark.parametrize("figure", ["02"], indirect=True)
def test_momentum_needs_fewer_steps_but_more_time(figure):
    gd = oo.simulate(oo.optimizers.gd(lr=figure.LR), figure.PROBLEM, 900)
    ball = oo.simulate(oo.optimizers.heavy_ball(lr=figure.LR, beta=figure.BETA, map="midpoint"), figure.PROBLEM, 300)
    n, k = figure.steps_to(gd), figure.steps_to(ball)
    assert gd.loss[n - 1] > figure.GOAL * gd.loss[0] >= gd.loss[n]
    assert n > 3 * k
    assert ball.t[k] > 3 * gd.t[n]


@pytest.mark.parametrize("figure", ["03"], indirect=True)
def test_matched_flow_table(figure):
    """MATHS 0.1: naive, exact and half-step flow of Adam on Q; 2 % for the digits that are printed there."""
    found = figure.errors(oo.optimizers.adam, figure.PROBLEMS["quadratic (1, 20)"])
    np.testing.assert_allclose([cmp.max_error for cmp in found.values()], [4.11e-3, 1.30e-3, 4.2e-5], rtol=0.02)


@pytest.mark.parametrize("figure", ["04"], indirect=True)
def test_gain_is_lost_where_a_gradient_component_vanishes(figure):
    starts = np.array([[-1.0, 1.0], [-1.0, 0.5]])
    assert figure.balance(figure.ROSENBROCK, starts)[0] == 0
    assert figure.steps_to_flip(figure.ROSENBROCK, starts)[0] == 0
    bad, good = figure.gain(figure.ROSENBROCK, starts)
    assert 1.2 < bad < 1.6
    assert good > 50


@pytest.mark.parametrize("figure", ["05"], indirect=True)
def test_exponents_of_error_control(figure):
    problem, _ = figure.PROBLEMS["quadratic along its axes"]
    found = {name: figure.exponent(*pair) for name, pair in figure.curves(problem).items()}
    assert found["error per step"] == pytest.approx(-0.5, abs=1e-3)
    assert found["error per unit of time"] == pytest.approx(-1, abs=1e-3)
    assert found["RMSprop, rho = 0"] == pytest.approx(-1, abs=1e-3)
    assert found["RMSprop, rho = 0"] < found["RMSprop, rho = 0.9"] < found["RMSprop, rho = 0.99"] < 0


@pytest.mark.parametrize("figure", ["06"], indirect=True)
def test_young_memory_caps_the_order(figure):
    flow = figure.ADAM
    assert figure.order(flow, oo.schemes.rk4, oo.starts.aged(figure.AGE)) == pytest.approx(4, abs=0.2)
    assert figure.order(flow, oo.schemes.rk4, oo.starts.rest) == pytest.approx(3, abs=0.2)
    assert np.isnan(figure.order(oo.flows.gradient_flow(), oo.schemes.etd2rk, oo.starts.rest))


@pytest.mark.parametrize("figure", ["08"], indirect=True)
def test_constant_friction_of_seeds_5(figure):
    assert figure.rule(0.9, 0.1) == pytest.approx(0.9683772, abs=5e-8)
    assert figure.matched(0.01, 0.9, 0.1) == pytest.approx(0.9678178, abs=5e-8)
    assert figure.matched(0.01, 0.9, 0.1, "naive") == pytest.approx(figure.rule(0.9, 0.1), abs=1e-12)


@pytest.mark.parametrize("figure", ["10"], indirect=True)
def test_solver_meets_bessel(figure):
    flow = oo.solve(oo.flows.su_boyd_candes(), figure.PROBLEM, np.linspace(0, 10, 51))
    np.testing.assert_allclose(flow.theta[1:], figure.bessel(flow.t[1:]), atol=1e-9)
    assert np.all(flow.loss[1:] <= figure.bound(flow.t[1:]))


@pytest.mark.parametrize("figure", ["13"], indirect=True)
def test_every_optimizer_has_its_stability_chart(figure):
    """All but those whose step changes with time, or is not linear: they are refused, and say so."""
    for name in set(tables.OPTIMIZERS) - set(figure.CHARTS):
        with pytest.raises(ValueError, match="has no settled step|is not linear"):
            oo.stability_limit(getattr(oo.optimizers, name)(lr=0.1))


@pytest.mark.parametrize("figure", ["13"], indirect=True)
def test_limits_in_the_titles_of_the_charts(figure):
    limits = {
        "gd": 2,
        "momentum": 3.8,
        "heavy_ball": 3.8,
        "nesterov": 3.8 / 2.8,
        "adam": 38,
        "rmsprop": 2,
        "adagrad": 2,
    }
    ax = Figure().subplots()
    found = {name: figure.chart(ax, name, *figure.CHARTS[name])[1] for name in limits}
    assert found == pytest.approx(limits, rel=1e-3)  # between two rows of the chart


@pytest.mark.parametrize("figure", ["12"], indirect=True)
def test_modified_loss_leads_to_the_minimum_of_the_iterates(figure):
    """The iterates and the modified flow end in (3, 2), gradient flow in the next valley; measured 0.34 and 3.9."""
    run, plain, _, modified = figure.paths()
    for path in (run, modified):
        np.testing.assert_allclose(path.final, (3, 2), atol=1e-6)
    assert plain.final[1] < -1.8
    assert figure.distance(run, modified).max() < 0.4
    assert figure.coefficient(0.9, 0.9) == pytest.approx(0, abs=1e-12)
    assert figure.coefficient(0.9, 0.95) < 0 < figure.coefficient(0.9, 0.85)


@pytest.mark.parametrize("figure", ["22"], indirect=True)
def test_distances_of_soft_batches(figure):
    """Weighted, the plain mean, the article's two versions, against the big batch; 10 % for the digits in CLAIMS."""
    end = {name: {way: error[-1] for way, error in figure.errors(name).items()} for name in figure.OPTIMIZERS}
    assert max(ways["weighted"] for ways in end.values()) < 1e-14
    plain = [ways["plain"] for ways in end.values()]
    np.testing.assert_allclose(plain, [1.37e-3, 1.58e-3, 2.01e-3], rtol=0.1)
    np.testing.assert_allclose([end["gd"]["replaced"], end["gd"]["added"]], [4.0e-3, 7.7], rtol=0.1)
    np.testing.assert_allclose([ways["repair"] for ways in end.values()], [0.333, 0.448, 0.031], rtol=0.1)
    first = {name: figure.errors(name, updates=1)["single"][0] for name in figure.OPTIMIZERS}  # four even micro-batches
    assert all(1e-13 < error < 1e-7 for error in first.values())


@pytest.mark.parametrize("figure", ["23"], indirect=True)
def test_further_gradients_pay_for_stability_and_not_in_noise(figure):
    """A quarter of the gradients, one start, about the figure's steps; measured 1.4, .14, .02; 1.4, 5.0, .33."""
    stable = figure.limits(Figure().subplots())
    assert stable["Heun"] == pytest.approx(stable["Euler"] / 2, rel=1e-12)
    assert stable["RKC1(10)"] > 9 * stable["Euler"]
    found = {}
    for batch, sizes in ((None, (2.8, 5.6, 128, 0.18)), (figure.BATCH, (1.4, 2, 1.4, 0.09))):
        for name, h in zip(("SGD (Euler)", "Heun", "RKC1(10)", "Adam"), sizes, strict=True):
            _, loss = figure.training(figure.METHODS[name], h, figure.network(batch), (0,), gradients=250)
            found[batch, name] = figure.late(loss)[0]
    ratio = {(b, name): value / found[b, "SGD (Euler)"] for (b, name), value in found.items()}
    assert ratio[None, "Heun"] > 1.2
    assert ratio[None, "RKC1(10)"] < 0.25
    assert ratio[figure.BATCH, "Heun"] > 1.2
    assert ratio[figure.BATCH, "RKC1(10)"] > 3
    assert max(ratio[None, "Adam"], ratio[figure.BATCH, "Adam"]) < 0.6


@pytest.mark.slow
@pytest.mark.parametrize("figure", ["23"], indirect=True)
def test_the_steps_are_set_by_stability_or_by_noise(figure):
    """Best steps over Euler's, on all digits and on batches."""
    best = {
        batch: {name: figure.best(figure.METHODS[name], figure.network(batch)) for name in ("SGD (Euler)", "RKC1(10)")}
        for batch in (None, figure.BATCH)
    }
    assert best[None]["RKC1(10)"] > 20 * best[None]["SGD (Euler)"]
    assert best[figure.BATCH]["RKC1(10)"] < 3 * best[figure.BATCH]["SGD (Euler)"]


@pytest.mark.parametrize("figure", ["24"], indirect=True)
def test_recorded_costs_are_linear_over_three_decades(figure):
    found = figure.recorded()
    assert set(found) == {(what, means) for what in figure.TITLES for means in figure.LOOKS}
    for sizes, seconds in found.values():
        a, b = figure.fitted(sizes, seconds)
        assert sizes[-1] == pytest.approx(1000 * sizes[0])
        np.testing.assert_allclose(a + b * sizes, seconds, rtol=0.8)  # twice as dear beyond the caches
        assert b * sizes[-1] > 10 * a


@pytest.mark.parametrize("figure", ["25"], indirect=True)
def test_the_step_gives_the_published_central_flow(figure):
    """Through the edge, which is reached at step 46; measured 1e-12 of the way over 120 steps."""
    step, published = figure.flows(figure.GD, steps=55)
    assert step.oscillating[-1] == 1
    assert figure.apart(step, published).max() < 1e-9


@pytest.mark.parametrize("figure", ["26"], indirect=True)
def test_who_is_nearest_at_the_edge(figure):
    found = figure.shares(figure.recorded()[0])
    for networks in found.values():
        assert len(networks) >= 3
    for cell in found["gd"].values():
        assert min(cell, key=lambda model: np.nan_to_num(np.median(cell[model]), nan=np.inf)) == "rod flow"
    for cell in found["momentum"].values():
        assert np.nanmin([np.median(seeds) for seeds in cell.values()]) > 0.09
    nearer = figure.gains(found)
    assert np.median(nearer["rod flow"]) > 2.5
    assert np.median(nearer["central, order 2"]) > np.median(nearer["central flow"]) > 1.1


@pytest.mark.parametrize("figure", ["27"], indirect=True)
def test_mean_losses_are_predicted_but_for_momentum(figure):
    found = figure.errors(figure.FIGURE_26["recorded"]()[0])
    middle = lambda model, name: np.median([abs(row[1]) for row in found[model] if row[0] == name])
    for model in ("central flow", "rod flow"):
        assert max(middle(model, "gd"), middle(model, "rmsprop")) < 0.03
        assert 0.1 < middle(model, "momentum") < middle("own flow", "momentum")


@pytest.mark.parametrize("figure", ["28"], indirect=True)
def test_an_oscillation_dies_where_sharpening_is_fast(figure):
    assert figure.excursion(1e-3) == (pytest.approx(0.0046, rel=0.05), True)
    assert figure.excursion(0.05)[1]  # x = 1e-16 after 3,000 steps, and the next burst comes
    assert not figure.excursion(0.2)[1]
    assert run_on(figure.valley(0.05, figure.START), 3000, 3400) > 0.1


def run_on(problem, first, last):
    """The largest |x| between two steps of gradient descent."""
    return np.abs(oo.simulate(oo.optimizers.gd(0.1), problem, last).theta[first:, 0]).max()


@pytest.mark.parametrize("figure", ["28"], indirect=True)
def test_a_catapult_lands_far_below_the_edge_and_its_central_flow_on_it(figure):
    opt = oo.optimizers.gd(1.5)
    thrown, central = oo.simulate(opt, figure.CATAPULT, 16), oo.central_flow(opt, figure.CATAPULT, 5)
    assert thrown.loss.max() > 10 * thrown.loss[0]
    assert np.max(central.loss) == central.loss[0]
    assert figure.over_the_limit(thrown.final, 1.5) < 0.2
    assert figure.over_the_limit(central.theta[-1], 1.5) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("figure", ["31"], indirect=True)
def test_no_optimizer_wins_beyond_chance(figure):
    """And nobody has fewer than three rivals, where seven were tuned alike."""
    result = oo.load(figure.RECORDED)
    assert [result.winner(name) for name in result.problems] == [None, None, None]
    assert [int(found.may_win.sum()) for found in result.standings] == [7, 4, 4]


@pytest.mark.parametrize("figure", ["32"], indirect=True)
def test_training_ends_below_the_limit_of_large_beta(figure):
    """Measured ends over limits: 1.04, 0.75, 0.58; a step of the rates is 2 %."""
    found = figure.swept(betas=[0.0, 0.5, 0.9])
    view = found.heatmap("lr", "beta", make=oo.optimizers.momentum, sharpness=figure.curvature(figure.VALLEY.minimizer))
    end = figure.ends(view)
    assert end[0] == pytest.approx(view.limit[0], rel=0.06)
    np.testing.assert_allclose(end, 0.0021, rtol=0.08)
    assert (end[1:] < [0.8 * view.limit[1], 0.7 * view.limit[2]]).all()
