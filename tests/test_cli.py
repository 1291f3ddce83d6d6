"""The command: what it prints, what it writes, how it refuses."""

from __future__ import annotations

import json
import re

import pytest
from support import tables

import odeopt as oo
from odeopt.cli import main


def test_list(capsys):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    for name in [*(set(oo.flows.__all__) - {"buffered"}), *tables.OPTIMIZERS]:
        assert f" {name}" in out
    for name in ("buffered", "scheduled", "from_config", "Splitting"):  # made of others, or not made yet
        assert f" {name}" not in out
    assert main(["list", "--json"]) == 0
    assert "adam" in json.loads(capsys.readouterr().out)["optimizers"]


def test_compare_writes_numbers_and_a_picture(capsys, tmp_path):
    out = tmp_path / "adam.png"
    assert main(["compare", "adam", "rosenbrock", "--lr", "0.01", "--steps", "50", "--out", str(out), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    direct = oo.compare(oo.optimizers.adam(lr=0.01), oo.problems.rosenbrock(), 50)
    assert facts["max_error"] == direct.max_error
    assert facts["settings"]["lr"] == 0.01
    assert out.read_bytes().startswith(b"\x89PNG")
    first = out.read_bytes()
    main(["compare", "adam", "rosenbrock", "--lr", "0.01", "--steps", "50", "--out", str(out)])
    assert out.read_bytes() == first
    assert [p.name for p in tmp_path.iterdir()] == ["adam.png"]


def test_compare_prints_the_equations(capsys):
    assert main(["compare", "momentum", "quadratic", "--lr=0.01", "--map", "naive", "--steps", "20"]) == 0
    out = capsys.readouterr().out
    assert "m'     = (grad L(theta) - m)/tau" in out
    assert "max error" in out


def test_convergence(capsys, tmp_path):
    arguments = ["convergence", "heavy_ball", "drift kick friction kick drift", "quadratic", "--damping", "2", "--json"]
    assert main([*arguments, "--out", str(tmp_path / "order.svg")]) == 0
    assert json.loads(capsys.readouterr().out)["order"] == pytest.approx(2, abs=0.1)
    assert (tmp_path / "order.svg").read_bytes().startswith(b"<?xml")


def test_convergence_with_its_own_steps_and_start(capsys):
    assert main(["convergence", "rmsprop", "heun", "quadratic", "--tau", "1", "--eps", "0.1", "--start", "settled",
                 "--steps", "100,200,400", "--json"]) == 0  # fmt: skip
    facts = json.loads(capsys.readouterr().out)
    assert len(facts["h"]) == 3
    assert facts["order"] == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "adm", "rosenbrock"], "optimizer must be one of .* did you mean 'adam'"),
        (["compare", "adam", "rosenbork"], "did you mean 'rosenbrock'"),
        (["compare", "adam", "rosenbrock", "--lr", "abc"], "lr must be numbers .* got 'abc'"),
        (["compare", "adam", "rosenbrock", "--lr", "nan"], "lr must be positive, from 1e-100 to 1e100, got nan"),
        (["compare", "adam", "rosenbrock", "--rate", "0.1"], "unknown argument '--rate', allowed are --lr"),
        (["compare", "adam", "rosenbrock", "--steps", "0"], "steps must be at least 1, got 0"),
        (["convergence", "heavy_ball", "rk4", "quadratic"], "heavy_ball needs --damping"),
        (["convergence", "gradient_flow", "Step", "quadratic"], "scheme must be one of"),
        (["convergence", "heavy_ball", "rk5", "quadratic", "--damping", "1"], "scheme must be one of"),
        (["convergence", "heavy_ball", "drift kick", "quadratic", "--damping", "1"], "without friction"),
        (["list", "--color"], "unknown argument '--color', allowed are none"),
    ],
)
def test_mistakes_are_named(capsys, arguments, message):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("odeopt: ")
    assert re.search(message, captured.err)


def test_unknown_picture_format_is_refused_before_the_work(capsys, tmp_path):
    with pytest.raises(SystemExit):
        main(["compare", "adam", "rosenbrock", "--out", str(tmp_path / "adam.gif")])
    assert "must be one of pdf, png, svg, got 'gif'" in capsys.readouterr().err
