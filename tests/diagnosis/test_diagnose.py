"""Known answers of the ratios, each disease from a log made to have it, and logs that are damaged."""

from __future__ import annotations

import json

import numpy as np
import pytest
from support.sick_logs import EIGENVALUES, HEALTHY, SICK, D, Log

import odeopt as oo
from odeopt.diagnosis.case import Case
from odeopt.diagnosis.examinations import EXAMINATIONS, bad_batch
from odeopt.diagnosis.reading import read
from odeopt.diagnosis.records import of_log
from odeopt.diagnosis.traits import traits


def test_gains_of_momentum_are_those_of_its_geometric_series():
    """|Q(1)| = 1/(1 - b), |Q(-1)| = 1/(1 + b), rms 1/sqrt(1 - b^2), limit 2(1 + b)."""
    found = traits(oo.optimizers.momentum(lr=0.1, beta=0.8))
    assert np.allclose([found.drift, found.flip, found.noise, found.limit], [5, 1 / 1.8, 1 / 0.6, 3.6], rtol=1e-9)


@pytest.mark.parametrize(("kind", "s"), [("same", 1.0), ("independent", 0.0), ("alternating", None)])
def test_agreement_is_1_for_equal_and_0_for_independent_gradients(kind, s):
    beta, n, d = 0.8, 2000, 40
    rng = np.random.default_rng(0)
    g = {
        "same": np.ones((n, d)),
        "independent": rng.standard_normal((n, d)),
        "alternating": (-1.0) ** np.arange(n)[:, None] * np.ones(d),
    }[kind]
    m, updates = np.zeros(d), []
    for row in g:
        m = beta * m + row
        updates.append(0.1 * np.linalg.norm(m))
    log = {"loss": np.ones(n), "lr": np.full(n, 0.1), "grad_norm": np.linalg.norm(g, axis=1), "update_norm": updates}
    case = Case(of_log(log), traits(oo.optimizers.momentum(lr=0.1, beta=beta)), None, None)
    found = np.median(case.agreement[100:])
    drift, noise, flip = 25, 1 / 0.36, 1 / 1.8**2
    expected = (flip - noise) / (drift - noise) if s is None else s
    # |m|^2/|g|^2 of d independent coordinates has a relative spread sqrt(2/d) each, 1900 rows 9 of which agree
    tolerance = 1e-9 if kind != "independent" else 4 * noise / (drift - noise) * np.sqrt(4 / d / (1900 / 9))
    assert abs(found - expected) < tolerance


def test_load_of_a_quadratic_is_exact():
    log = Log(optimizer="momentum", lr=0.4, cooldown=0.0)
    case = Case(of_log(log.columns()), traits(log.opt()), D, None)
    assert np.allclose(case.load, 0.4 * EIGENVALUES[-1] / 3.8, rtol=1e-9)


@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_a_divergence_tells_the_curvature(beta):
    """Iterates of the optimizer on lambda = 1 at 1.5 times its limit: the advice is half of the limit."""
    limit = 2 * (1 + beta)
    opt = oo.optimizers.momentum(lr=1.5 * limit, beta=beta)
    run = oo.simulate(opt, oo.problems.quadratic((1.0, 1.0), angle=0), 40)
    loss = np.append(run.loss, np.inf)
    found = oo.diagnose({"loss": loss, "lr": np.full(len(loss), opt.lr)}, opt)
    assert found.faults[0].name == "overflow"
    assert np.isclose(found.change["lr"], limit / 2, rtol=1e-3)


@pytest.mark.parametrize("log", HEALTHY, ids=str)
def test_healthy_logs_are_not_accused(log):
    assert log.diagnosis().faults == ()


@pytest.mark.parametrize(("name", "log"), [(name, log) for name, logs in SICK.items() for log in logs], ids=str)
def test_diseases_are_named_first_or_second(name, log):
    assert name in [fault.name for fault in log.diagnosis().faults[:2]]


def test_stuck():
    n = 100
    log = {"loss": np.full(n, 2.3), "grad_norm": np.full(n, 1e-4), "weight_norm": np.full(n, 5.0)}
    found = oo.diagnose(log)
    assert [fault.name for fault in found.faults] == ["stuck"]
    assert found.faults[0].numbers["|g| |theta|/L"].value == pytest.approx(5e-4 / 2.3)
    assert oo.diagnose({**log, "grad_norm": np.ones(n)}).faults == ()


def test_every_examination_has_a_disease_that_it_names():
    assert {each.name for each in EXAMINATIONS} == {*SICK, "stuck"}


def test_bad_batches_are_found_where_they_are():
    log = Log(bad=(150, 260)).columns()
    out = bad_batch.standing_out(log["grad_norm"])
    assert sorted(np.argsort(out)[-2:].tolist()) == [150, 260]


def test_advice_mends_the_log():
    """The change, made.  eps = 1 would not do: beside this noise plain momentum is better than Adam."""
    for sick in (Log(eps=100.0), Log(weight_decay=9.0), Log(lr=3e-4)):
        change = sick.diagnosis().change
        mended = Log(**{**vars(sick), **change})
        assert mended.columns()["loss"][-20:].mean() < sick.columns()["loss"][-20:].mean()


def monitored(path, log: Log, tail: str = ""):
    """The file that a monitor writes."""
    columns = log.columns()
    settings = {"lr": log.lr, "betas": [log.beta1, log.beta2], "eps": log.eps, "weight_decay": log.weight_decay}
    header = {"kind": "header", "format": "odeopt-monitor", "version": 1, "samples": 1000}
    header |= {"optimizer": {"name": "AdamW", "library": "torch", "settings": settings}, "groups": [{"parameters": D}]}
    lines = [header]
    for k in range(log.steps):
        at = {name: float(values[k]) for name, values in columns.items()}
        lines.append(
            {
                "kind": "step", "step": k, "loss": at["loss"], "batch": 1, "groups": [{"lr": at["lr"]}],
                "grad": at["grad_norm"], "update": at["update_norm"], "theta": at["weight_norm"],
            }
        )  # fmt: skip
        lines.append(
            {
                "kind": "gauge", "step": k, "sharpness": {"value": at["sharpness"]},
                "noise_scale": {"signal": at["signal"], "noise": at["noise"]},
            }
        )  # fmt: skip
    path.write_text("\n".join(map(json.dumps, lines)) + tail)
    return path


def test_a_monitors_file_says_what_its_columns_say(tmp_path):
    log = Log(weight_decay=9.0)
    found = oo.diagnose(monitored(tmp_path / "run.jsonl", log, '\n{"kind": "step", "ste'))
    assert [f.name for f in found.findings] == [f.name for f in log.diagnosis().findings]
    assert found.faults[0].name == "decay-limited"


def test_sources_agree(tmp_path):
    pandas = pytest.importorskip("pandas")
    log = {name: values.round(9).tolist() for name, values in Log(eps=1.0, steps=60).columns().items()}
    table = pandas.DataFrame(log)
    table.to_csv(tmp_path / "run.csv")
    (tmp_path / "run.jsonl").write_text(table.to_json(orient="records", lines=True, double_precision=15))
    texts = {
        str(oo.diagnose(source, Log(eps=1.0).opt(), parameters=D))
        for source in (log, table, tmp_path / "run.csv", str(tmp_path / "run.jsonl"))
    }
    assert len(texts) == 1


@pytest.mark.parametrize("seed", range(30))
def test_damaged_logs_are_read_or_refused_in_words(seed):
    """Columns missing, NaN, infinite, negative, shuffled, cut to a few rows; no other error than ValueError."""
    rng = np.random.default_rng(seed)
    log = {name: values.copy() for name, values in Log(steps=60).columns().items()}
    for name in rng.choice([*log], size=rng.integers(0, 6), replace=False):
        del log[name]
    for values in log.values():
        rows = rng.random(len(values)) < rng.choice([0.0, 0.2, 0.9, 1.0], p=[0.4, 0.3, 0.2, 0.1])
        values[rows] = rng.choice([np.nan, np.inf, -1.0, 0.0, 1e300, 1e-320])
    order = rng.permutation(60)[: rng.choice([1, 2, 5, 25, 60])]
    log = {name: values[order] for name, values in log.items()}
    if "loss" not in log or ("step" in log and not np.isfinite(log["step"]).any()):
        with pytest.raises(ValueError, match="source must"):
            oo.diagnose(log, Log().opt(), parameters=D)
        return
    found = oo.diagnose(log, Log().opt(), parameters=D)
    assert str(found)
    assert set(found.untold).isdisjoint(f.name for f in found.findings)
    assert found._repr_html_().startswith("<table>")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ({"step": [1]}, "must have a column loss"),
        ({"loss": []}, "from 1 to"),
        ({"loss": [1.0], "lr": [1.0, 2.0]}, "columns of one length"),
        ({"loss": 3.0}, "must have values"),
        ({"loss": [1.0], "step": ["x"]}, "a step in some row"),
        ("nowhere.jsonl", "a file that exists"),
    ],
)
def test_bad_sources(source, text):
    with pytest.raises(ValueError, match=text):
        oo.diagnose(source)


def test_a_wrong_version_is_refused(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"kind": "header", "format": "odeopt-monitor", "version": 9}\n')
    with pytest.raises(ValueError, match="version 1"):
        read(tmp_path / "a.jsonl")


def test_what_cannot_be_told_is_listed():
    assert set(oo.diagnose({"loss": np.ones(50)}).untold) == {e.name for e in EXAMINATIONS} - {"overflow"}
    lion = oo.diagnose(Log().columns(), oo.optimizers.lion())
    assert "filter of gradients" in lion.untold["near the edge"]


def test_columns_by_other_names():
    log = Log(steps=30).columns()
    log["mine"] = log.pop("loss")
    assert of_log(log, {"loss": "mine"}).known("loss")
    with pytest.raises(ValueError, match="must name columns of source"):
        of_log(log, {"loss": "yours"})


def test_to_dict_is_plain():
    assert json.loads(json.dumps(Log(eps=1.0).diagnosis().to_dict()))["findings"][0]["name"] == "eps too large"
