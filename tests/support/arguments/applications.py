"""Symbols, tests, words, pictures."""

from __future__ import annotations

import numpy as np
from support.arguments.attack import Row, row
from support.arguments.kinds import COUNT, NAME, NOTHING, POSITIVE, SEED, SWITCH, WORK, WORK_0
from support.arguments.samples import CLIFF, GD, PROBLEM, axes, conforms, made

from odeopt import optimizers

ROWS: dict[str, Row] = {
    **{
        f"symbolic.{name}.field": row(
            lambda: dict(problem=PROBLEM),
            call=lambda f=make, **k: f().field(**k),
            problem=NOTHING,
        )
        for name, make in [
            ("HighResolution", lambda: made().fast),
            ("ModifiedEquation", lambda: made().fast.modified),
        ]
    },
    "symbolic.eliminate_velocity": row(lambda: dict(opt=optimizers.heavy_ball()), opt=NOTHING),
    "symbolic.memoryless_limit": row(lambda: dict(opt=GD), opt=NOTHING),
    "symbolic.modified_equation": row(lambda: dict(opt=GD), opt=NOTHING, order=NOTHING),
    "testing.check_optimizer": row(
        lambda: dict(opt=GD, problem=PROBLEM), call=conforms, opt=NOTHING, order=POSITIVE, problem=NOTHING
    ),
    "word2vec.corpus": row(
        lambda: dict(documents=[["a", "b", "a"]], min_count=1), documents=NOTHING, min_count=NOTHING
    ),
    "word2vec.train": row(
        lambda: dict(text=made().text, dim=2, epochs=1, batch=4, threshold=1.0),
        text=NOTHING,
        model=NOTHING,
        opt=NOTHING,
        dim=WORK,
        epochs=WORK_0,
        window=WORK,
        batch="huge",
        threshold=POSITIVE,
        clock=NOTHING,
        rng=SEED,
        checkpoint=NAME,
        progress=SWITCH,
    ),
    "word2vec.SkipGram": row(negatives=COUNT, shared=WORK, power="zero"),
    "word2vec.CBOW": row(shared=WORK, power="zero"),
    "word2vec.Vectors": row(lambda: dict(words=("a",), vectors=np.eye(1)), words=NOTHING, vectors=NOTHING),
    "word2vec.Vectors.similarity": row(
        lambda: dict(a="a", b="b"), call=lambda **k: made().vectors.similarity(**k), a=NOTHING, b=NOTHING
    ),
    "word2vec.Vectors.most_similar": row(
        lambda: dict(word="a", count=1), call=lambda **k: made().vectors.most_similar(**k), word=NOTHING, count=COUNT
    ),
    "word2vec.Vectors.agreement": row(
        lambda: dict(pairs=[("a", "b", 1.0), ("a", "c", 2.0), ("b", "c", 3.0)]),
        call=lambda **k: made().vectors.agreement(**k),
        pairs=NOTHING,
    ),
    "word2vec.Corpus.kept": row(
        lambda: dict(threshold=0.1), call=lambda **k: made().text.kept(**k), threshold=POSITIVE
    ),
    "word2vec.Corpus.noise": row(lambda: dict(power=0.5), call=lambda **k: made().text.noise(**k), power="zero"),
    **{
        f"plots.{name}": row(
            lambda name=name, argument=argument, key=key: {argument: getattr(made(), key), "ax": axes(name)},
            **{argument: NOTHING},
            ax=NOTHING,
        )
        for name, argument, key in [
            ("comparison", "cmp", "compared"),
            ("convergence", "result", "converged"),
            ("edge_gauge", "gauge", "gauge"),
            ("batch_sharpness", "result", "steep"),
            ("bench", "result", "bench"),
            ("diagnosis", "result", "diagnosis"),
            ("heatmap", "result", "heatmap"),
            ("marginal", "result", "marginal"),
            ("rod_flow", "flow", "rods"),
            ("central_flow", "flow", "central"),
            ("edge_comparison", "result", "at_edge"),
            ("energy", "result", "energy"),
            ("ensemble", "run", "many"),
            ("following", "result", "followed"),
            ("path", "run", "run"),
            ("schedule_bound", "result", "bound"),
            ("loss_forecast", "result", "forecast"),
            ("loss_prediction", "result", "prediction"),
            ("sharpness", "result", "sharp"),
            ("stability_chart", "chart", "chart"),
            ("stability_region", "region", "region"),
            ("trajectory", "run", "run"),
            ("work_precision", "result", "priced"),
        ]
    },
    "plots.density": row(lambda: dict(law=CLIFF, p=np.ones(4), ax=axes("density")), law=NOTHING, p=NOTHING, ax=NOTHING),
    "plots.landscape": row(
        lambda: dict(problem=PROBLEM, ax=axes("landscape")),
        problem=NOTHING,
        ax=NOTHING,
        xlim=NOTHING,
        ylim=NOTHING,
        around=NOTHING,
        levels=WORK,
    ),
}
