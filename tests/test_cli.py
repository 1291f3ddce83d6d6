"""The command: what it prints, what it writes, how it refuses."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from support import tables

import odeopt as oo
from odeopt.cli import main


def test_list(capsys):
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    lines = [line for line in out.splitlines() if line.startswith("  ")]
    assert all(re.match(r"  \w+ +\S+.*\S", line) for line in lines)
    names = {line.split()[0] for line in lines}
    assert names >= {*(set(oo.flows.__all__) - {"buffered"}), *tables.OPTIMIZERS, "rosenbrock", "rk4"}
    assert not names & {"buffered", "scheduled", "from_config", "finite_sum", "Splitting"}  # made of others, or not yet
    assert main(["list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["optimizers"]["gd"].startswith("theta <- theta - lr grad L(theta)")
    assert found["schemes"]["rk4"] == "RK4, of order 4"


def test_version(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"odeopt {oo.__version__}\n"


def test_everything_that_is_listed_can_be_described(capsys):
    main(["list", "--json"])
    for title, names in json.loads(capsys.readouterr().out).items():
        for name in names:
            if name in ("logistic_regression", "least_squares", "tanh_network"):  # data from an extra
                continue
            assert main(["describe", f"{title}.{name}"]) == 0, name
            assert main(["describe", f"{title}.{name}", "--json"]) == 0, name
    assert capsys.readouterr().err == ""


def test_describe(capsys):
    assert main(["describe", "adam", "--lr", "0.5"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("optimizers.adam(lr=0.001, beta1=0.9, beta2=0.999, eps=1e-08, ")
    assert str(oo.optimizers.adam(lr=0.5).describe()) in out
    assert main(["describe", "flows.heavy_ball", "--damping", "2"]) == 0
    assert "with damping = 2\n" in capsys.readouterr().out
    assert main(["describe", "rk4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["order"] == 4


def test_settings_with_shapes_and_members(capsys):
    assert main(["compare", "shampoo", "rosenbrock", "--shape", "1,2", "--steps", "5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["settings"]["shape"] == [1, 2]
    assert main(["compare", "gd", "quadratic", "--lr", "0.01,0.02", "--steps", "5", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["max_error"]) == 2


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
        (["compare", "adam", "rosenbrock", "--beta", "0.1"], "did you mean '--beta1' or '--beta2'"),
        (["compare", "adam", "rosenbrock", "--lr"], "--lr: expected one argument"),
        (["compare", "adam", "rosenbrock", "--lr=1,a"], "lr must be numbers"),
        (["compare", "adam", "rosenbrock", "--steps", f"{10**30}"], "steps must be at most"),
        (["compare", "muon", "rosenbrock", "--shape", "3,4"], "shape|theta"),
        (["compare", "adam", "finite_sum"], "problem must be one of"),
        (
            ["convergence", "heavy_ball", "rk4", "quadratic", "--damping", "1", "--steps", "1"],
            "steps must hold at least two",
        ),
        (
            ["convergence", "heavy_ball", "rk4", "quadratic", "--damping", "1", "--t-end", "-1"],
            "t_end must be positive",
        ),
        (["describe", "adm"], "did you mean 'adam'"),
        (["describe", "flow.adam"], "room must be one of .* did you mean 'flows'"),
        (["describe", "flows.heavyball"], "flow must be one of .* did you mean 'heavy_ball'"),
        (["describe", "rk4", "--lr", "1"], "unknown argument '--lr'"),
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


WORDS = [
    "list",
    "describe",
    "compare",
    "convergence",
    "adam",
    "flows.adam",
    "rk4",
    "rosenbrock",
    "heavy_ball",
    "--lr",
    "--lr=",
    "-1",
    "nan",
    "1,2",
    ",",
    "--steps",
    "0",
    "--steps=x",
    "--damping",
    "--json",
    "--out",
    "a.gif",
    "--",
    "'",
    "--shape",
    "10",
    "--t-end",
    "inf",
    "--start",
    "settled",
    ".",
]


def test_no_input_ends_in_a_traceback(capsys, tmp_path, monkeypatch):
    """Random words: argparse exits, or main returns a status; nothing is raised."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for _ in range(150):
        arguments = [str(word) for word in rng.choice([*WORDS, "", "drift kick"], rng.integers(0, 6))]
        try:
            status = main(arguments)
        except SystemExit as ended:
            status = ended.code
        assert status in (0, 1, 2), arguments
    assert "Traceback" not in capsys.readouterr().err


def test_a_closed_pipe_and_an_interrupt_are_no_errors(monkeypatch, capsys):
    command = [sys.executable, "-c", "import sys; from odeopt.cli import main; sys.exit(main(['list']))"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("odeopt.commands.show.names", interrupted)
    assert main(["list"]) == 130
    assert capsys.readouterr().err == "odeopt: interrupted\n"


SWEEP = """
optimizer = "{optimizer}"
problem = "rosenbrock"
steps = {steps}
path = "folder"
[grid]
lr = [1e-4, 1e-3]
"""


def test_a_sweep_goes_on_with_the_configuration_that_ran(capsys, monkeypatch, tmp_path):
    """One that was refused before anything ran is replaced; one of another sweep in the folder is not."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "config.toml"
    for optimizer, steps, status in (("momentm", 20, 2), ("momentum", 20, 0), ("momentum", 21, 2)):
        file.write_text(SWEEP.format(optimizer=optimizer, steps=steps))
        assert main(["sweep", "config.toml"]) == status
    capsys.readouterr()
    assert main(["sweep", "--resume", "folder", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["cells"], found["failed"], found["best"]["cell"]) == (2, 0, {"lr": 1e-3})


def test_doctor(capsys):
    assert main(["doctor", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["packages"]["numpy"] == np.__version__
    assert set(facts["engines"]) == {"numpy", "floats", "numba", "jax"}
    assert main(["doctor"]) == 0
    assert re.search(r"^floats +runs as floats, within 0e\+00 of plain steps", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize("fault", ["raises", "is wrong"])
def test_doctor_finds_an_engine_that_fails(capsys, monkeypatch, fault):
    def faulty(*given, backend, **rest):
        run = oo.simulate(*given, backend="numpy")
        if backend == "floats":
            if fault == "raises":
                raise RuntimeError("no such instruction")
            run.theta[-1] += 1e-6
        return run

    monkeypatch.setattr("odeopt.commands.doctor.simulate", faulty)
    assert main(["doctor"]) == 1
    assert re.search("^floats +(FAILS: RuntimeError: no such instruction|WRONG)", capsys.readouterr().out, re.MULTILINE)
