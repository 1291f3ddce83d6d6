"""torch, Keras and optax themselves, fed with recorded gradients: our settings in their words.

`path(like, name, settings, gradients, theta0, schedule, wrappers)` is the iterates (n+1, d) of the library's own
optimizer; `wrappers` are ours, spelled here as the library spells them.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import partial
from unittest import mock

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_ENABLE_X64", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")


@contextmanager
def keras_in(kind):
    """Keras in this precision, its new layers too: their policy is kept from the first layer on, whatever floatx is."""
    import keras

    floatx, policy = keras.config.floatx(), keras.config.dtype_policy()
    keras.config.set_floatx(kind)
    keras.config.set_dtype_policy(kind)
    try:
        yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(policy)


def _betas(s):
    return (s["beta1"], s["beta2"])


TORCH = {
    "gd": lambda s: ("SGD", {}),
    "momentum": lambda s: ("SGD", {"momentum": s["beta"], "dampening": s.get("dampening", 0.0)}),
    "nesterov": lambda s: ("SGD", {"momentum": s["beta"], "nesterov": True}),
    "rmsprop": lambda s: (
        "RMSprop",
        {"alpha": s["rho"], "eps": s["eps"], "momentum": s.get("momentum", 0.0), "centered": s.get("centred", False)},
    ),
    "adagrad": lambda s: ("Adagrad", {"eps": s["eps"], "initial_accumulator_value": s["accumulator"]}),
    "adadelta": lambda s: ("Adadelta", {"rho": s["rho"], "eps": s["eps"]}),
    "adam": lambda s: ("Adam", {"betas": _betas(s), "eps": s["eps"]}),
    "adamw": lambda s: ("AdamW", {"betas": _betas(s), "eps": s["eps"], "weight_decay": s["weight_decay"]}),
    "amsgrad": lambda s: ("Adam", {"betas": _betas(s), "eps": s["eps"], "amsgrad": True}),
    "nadam": lambda s: ("NAdam", {"betas": _betas(s), "eps": s["eps"], "momentum_decay": s["psi"]}),
    "radam": lambda s: ("RAdam", {"betas": _betas(s), "eps": s["eps"]}),
    "adamax": lambda s: ("Adamax", {"betas": _betas(s), "eps": s["eps"]}),
    "adafactor": lambda s: (
        "Adafactor",
        {"beta2_decay": -s["decay"], "eps": (s["eps"], s["floor"]), "d": s["clip"]},
    ),
    "muon": lambda s: ("Muon", {"momentum": s["beta"], "weight_decay": s["weight_decay"], "eps": s["eps"]}),
    "asgd": lambda s: ("ASGD", {"lambd": s["lambd"], "alpha": s["alpha"], "t0": s["t0"]}),
    "rprop": lambda s: (
        "Rprop",
        {"etas": (s["eta_minus"], s["eta_plus"]), "step_sizes": (s["min_step"], s["max_step"])},
    ),
}


def _torch_clip(parameter, wrappers):
    import torch

    if "clip_norm" in wrappers:
        torch.nn.utils.clip_grad_norm_([parameter], wrappers["clip_norm"]["limit"])
    if "clip_value" in wrappers:
        torch.nn.utils.clip_grad_value_([parameter], wrappers["clip_value"]["limit"])


def torch_path(name, settings, gradients, theta0, schedule, wrappers):
    import torch

    kind, arguments = TORCH[name](settings)
    if "l2" in wrappers:
        arguments["weight_decay"] = wrappers["l2"]["weight_decay"]
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)  # NAdam keeps its product of momenta in the default dtype
    try:
        parameter = torch.nn.Parameter(torch.tensor(theta0))
        library = getattr(torch.optim, kind)([parameter], lr=settings["lr"], **arguments)
        path = [theta0]
        for k, g in enumerate(gradients):
            if schedule is not None:
                library.param_groups[0]["lr"] = settings["lr"] * float(schedule(k))
            parameter.grad = torch.tensor(g)
            _torch_clip(parameter, wrappers)
            library.step()
            path.append(parameter.detach().numpy().copy())
    finally:
        torch.set_default_dtype(default)
    return np.array(path)


def _keras_moments(s):
    return {"beta_1": s["beta1"], "beta_2": s["beta2"], "epsilon": s["eps"]}


KERAS = {
    "gd": lambda s: ("SGD", {}),
    "momentum": lambda s: ("SGD", {"momentum": s["beta"]}),
    "nesterov": lambda s: ("SGD", {"momentum": s["beta"], "nesterov": True}),
    "rmsprop": lambda s: (
        "RMSprop",
        {"rho": s["rho"], "epsilon": s["eps"], "momentum": s.get("momentum", 0.0), "centered": s.get("centred", False)},
    ),
    "adagrad": lambda s: ("Adagrad", {"epsilon": s["eps"], "initial_accumulator_value": s["accumulator"]}),
    "adadelta": lambda s: ("Adadelta", {"rho": s["rho"], "epsilon": s["eps"]}),
    "adam": lambda s: ("Adam", _keras_moments(s)),
    "adamw": lambda s: ("AdamW", {**_keras_moments(s), "weight_decay": s["weight_decay"]}),
    "amsgrad": lambda s: ("Adam", {**_keras_moments(s), "amsgrad": True}),
    "nadam": lambda s: ("Nadam", _keras_moments(s)),
    "adamax": lambda s: ("Adamax", _keras_moments(s)),
    "adafactor": lambda s: (
        "Adafactor",
        {"beta_2_decay": -s["decay"], "epsilon_1": s["eps"], "epsilon_2": s["floor"], "clip_threshold": s["clip"]},
    ),
    "muon": lambda s: (
        "Muon",
        {
            "momentum": s["beta"],
            "weight_decay": s["weight_decay"] or None,
            "epsilon": s["eps"],
        },
    ),
    "lamb": lambda s: ("Lamb", _keras_moments(s)),
    "lion": lambda s: (
        "Lion",
        {"beta_1": s["beta1"], "beta_2": s["beta2"], "weight_decay": s["weight_decay"] or None},
    ),
}


KERAS_WORDS = {
    "decoupled": lambda w: {"weight_decay": w["weight_decay"]},
    "clip_norm": lambda w: {"global_clipnorm": w["limit"]},
    "clip_value": lambda w: {"clipvalue": w["limit"]},
}


def keras_path(name, settings, gradients, theta0, schedule, wrappers):
    import jax
    import keras

    keras.backend.set_floatx("float64")
    kind, arguments = KERAS[name](settings)
    for word, given in wrappers.items():
        arguments |= KERAS_WORDS[word](given)
    library = getattr(keras.optimizers, kind)(learning_rate=settings["lr"], **arguments)
    variable = keras.Variable(theta0, dtype="float64")
    library.build([variable])

    def mean(x, axis=None, keepdims=False):
        return jax.numpy.mean(keras.ops.convert_to_tensor(x), axis, keepdims=keepdims)

    def norm(x, ord=None, axis=None, keepdims=False):
        return jax.numpy.linalg.norm(keras.ops.convert_to_tensor(x), ord, axis, keepdims)

    def update(state, slots, g):
        with mock.patch.multiple(keras.src.ops, mean=mean, norm=norm):  # theirs are in float32 on jax
            return library.stateless_apply(slots, [g], state)

    update = jax.jit(update)
    state, slots, path = [variable.value], [v.value for v in library.variables], [theta0]
    where = library.variables.index(library._learning_rate)
    for k, g in enumerate(gradients):
        if schedule is not None:
            slots[where] = jax.numpy.asarray(settings["lr"] * float(schedule(k)), dtype=slots[where].dtype)
        state, slots = update(state, slots, g)
        path.append(np.asarray(state[0]))
    return np.array(path)


def _optax_moments(s):
    return {"b1": s["beta1"], "b2": s["beta2"], "eps": s["eps"]}


def _optax_mixture(s):
    """beta3 and alpha, constant or by the schedules of the paper at the end of a step."""
    if not s["warm_up"]:
        return {"b3": s["beta3"], "alpha": s["alpha"]}
    half_life = np.log(0.5) / np.log([s["beta1"], s["beta3"]]) - 1

    def grown(count):
        import jax

        return jax.numpy.minimum((count + 1.0) / s["warm_up"], 1.0)

    return {
        "b3": lambda count: 0.5 ** (1 / ((1 - grown(count)) * half_life[0] + grown(count) * half_life[1] + 1)),
        "alpha": lambda count: s["alpha"] * grown(count),
    }


CONTRIB = ("muon", "ademamix", "adopt", "schedule_free_sgd", "schedule_free_adamw")
OPTAX = {
    "gd": lambda s: ("sgd", {}),
    "momentum": lambda s: ("sgd", {"momentum": s["beta"]}),
    "nesterov": lambda s: ("sgd", {"momentum": s["beta"], "nesterov": True}),
    "rmsprop": lambda s: (
        "rmsprop",
        {
            "decay": s["rho"],
            "eps": s["eps"],
            "momentum": s.get("momentum") or None,
            "centered": s.get("centred", False),
        },
    ),
    "adagrad": lambda s: ("adagrad", {"eps": s["eps"], "initial_accumulator_value": s["accumulator"]}),
    "adadelta": lambda s: ("adadelta", {"rho": s["rho"], "eps": s["eps"]}),
    "adam": lambda s: ("adam", _optax_moments(s)),
    "adamw": lambda s: ("adamw", {**_optax_moments(s), "weight_decay": s["weight_decay"]}),
    "amsgrad": lambda s: ("amsgrad", _optax_moments(s)),
    "nadam": lambda s: ("nadam", _optax_moments(s)),
    "radam": lambda s: ("radam", _optax_moments(s)),
    "adamax": lambda s: ("adamax", _optax_moments(s)),
    "lion": lambda s: ("lion", {"b1": s["beta1"], "b2": s["beta2"], "weight_decay": s["weight_decay"]}),
    "adafactor": lambda s: ("adafactor", s),
    "muon": lambda s: ("muon", {"beta": s["beta"], "weight_decay": s["weight_decay"], "eps": s["eps"]}),
    "lamb": lambda s: ("lamb", {**_optax_moments(s), "weight_decay": s["weight_decay"]}),
    "lars": lambda s: (
        "lars",
        {
            "momentum": s["beta"],
            "weight_decay": s["weight_decay"],
            "trust_coefficient": s["trust"],
            "eps": s["eps"],
        },
    ),
    "rprop": lambda s: (
        "rprop",
        {
            "eta_minus": s["eta_minus"],
            "eta_plus": s["eta_plus"],
            "min_step_size": s["min_step"],
            "max_step_size": s["max_step"],
        },
    ),
    "signsgd": lambda s: ("sign_sgd", {}),
    "schedule_free_sgd": lambda s: ("schedule_free_sgd", {"b1": s["weight"]}),
    "schedule_free_adamw": lambda s: (
        "schedule_free_adamw",
        {"b1": s["weight"], "b2": s["beta2"], "eps": s["eps"], "weight_decay": s["weight_decay"]},
    ),
    "signum": lambda s: ("signum", {"beta": s["beta"]}),
    "adabelief": lambda s: ("adabelief", {**_optax_moments(s), "eps_root": s["eps_root"]}),
    "ademamix": lambda s: ("ademamix", {**_optax_moments(s), **_optax_mixture(s)}),
    "adan": lambda s: (
        "adan",
        {"b1": s["beta1"], "b2": s["beta3"], "b3": s["beta2"], "eps": s["eps"], "eps_root": s["eps_root"]},
    ),
    "adopt": lambda s: ("adopt", {**_optax_moments(s), "clip_value_fn": lambda count: count ** s["power"]}),
    "normalized_gd": lambda s: ("normalized", {"eps": s["eps"]}),
}


def optax_path(name, settings, gradients, theta0, schedule, wrappers):
    import jax
    import optax
    import optax.contrib

    kind, arguments = OPTAX[name](settings)
    factors = np.ones(len(gradients)) if schedule is None else np.asarray(schedule(np.arange(len(gradients))))
    rates = jax.numpy.asarray(settings["lr"] * factors)
    rate = (lambda count: rates[count]) if schedule is not None else settings["lr"]
    if kind == "adafactor":
        transform = _optax_adafactor(rate, **arguments)
    elif kind == "normalized":
        transform = optax.chain(optax.normalize_by_update_norm(**arguments), optax.scale_by_learning_rate(rate))
    else:
        transform = getattr(optax.contrib if kind in CONTRIB else optax, kind)(rate, **arguments)
    if "clip_norm" in wrappers:
        transform = optax.chain(optax.clip_by_global_norm(wrappers["clip_norm"]["limit"]), transform)
    if "decoupled" in wrappers:  # after the direction, before the rate
        w = wrappers["decoupled"]["weight_decay"]
        direction = optax.scale_by_rms(decay=arguments["decay"], eps=arguments["eps"])
        transform = optax.chain(direction, optax.add_decayed_weights(w), optax.scale_by_learning_rate(rate))
    if "lookahead" in wrappers:
        return _optax_lookahead(transform, gradients, theta0, **wrappers["lookahead"])

    @jax.jit
    def run(theta, gradients):
        def step(carry, g):
            theta, state = carry
            update, state = transform.update(g, state, theta)
            theta = optax.apply_updates(theta, update)
            return (theta, state), theta

        return jax.lax.scan(step, (theta, transform.init(theta)), gradients)[1]

    path = run(jax.numpy.asarray(theta0), jax.numpy.asarray(gradients))
    return np.concatenate([theta0[None], np.asarray(path)])


def _optax_adafactor(rate, decay, eps, floor, clip, **other):
    """The chain of optax.adafactor from its own links: there the decay is rounded to float32."""
    import optax

    def weight(count, exponent):
        return 1 - (count + 1.0) ** -exponent

    return optax.chain(
        optax.scale_by_factored_rms(decay_rate=decay, min_dim_size_to_factor=2, epsilon=eps, decay_rate_fn=weight),
        optax.clip_by_block_rms(clip),
        optax.scale_by_learning_rate(rate, flip_sign=False),
        optax.scale_by_param_block_rms(floor),
        optax.scale(-1),
    )


def _optax_lookahead(transform, gradients, theta0, alpha, every):
    import jax
    import optax

    around = optax.lookahead(transform, sync_period=every, slow_step_size=alpha)

    @jax.jit
    def run(params, gradients):
        def step(carry, g):
            params, state = carry
            update, state = around.update(g, state, params)
            params = optax.apply_updates(params, update)
            return (params, state), params.fast

        return jax.lax.scan(step, (params, around.init(params)), gradients)[1]

    params = optax.LookaheadParams.init_synced(jax.numpy.asarray(theta0))
    return np.concatenate([theta0[None], np.asarray(run(params, jax.numpy.asarray(gradients)))])


PYTORCH_OPTIMIZER = {
    "mars": lambda s: (
        "MARS",
        {"betas": _betas(s), "gamma": s["gamma"], "eps": s["eps"], "optimize_1d": True, "weight_decay": 0.0},
    ),
    "qhm": lambda s: ("QHM", {"momentum": s["beta"], "nu": s["weight"]}),
}


def pytorch_optimizer_path(name, settings, gradients, theta0, schedule, wrappers):
    import pytorch_optimizer.base.optimizer
    import torch

    base = pytorch_optimizer.base.optimizer.BaseOptimizer
    exact = staticmethod(partial(base.apply_ams_bound, exp_avg_sq_eps=0.0))  # else G + 1e-15 is under the root
    exacts = staticmethod(partial(base.apply_ams_bound_foreach, exp_avg_sq_eps=0.0))
    kind, arguments = PYTORCH_OPTIMIZER[name](settings)
    parameter = torch.nn.Parameter(torch.tensor(theta0))
    library = getattr(pytorch_optimizer, kind)([parameter], lr=settings["lr"], **arguments)
    path = [theta0]
    for k, g in enumerate(gradients):
        if schedule is not None:
            library.param_groups[0]["lr"] = settings["lr"] * float(schedule(k))
        parameter.grad = torch.tensor(g)
        with mock.patch.multiple(base, apply_ams_bound=exact, apply_ams_bound_foreach=exacts):
            library.step()
        path.append(parameter.detach().numpy().copy())
    return np.array(path)


PATHS = {
    "torch": torch_path,
    "keras": keras_path,
    "optax": optax_path,
    "pytorch_optimizer": pytorch_optimizer_path,
}


def path(like, name, settings, gradients, theta0, schedule=None, wrappers=None):
    """The iterates as vectors; a matrix, of settings["shape"], is one for the library."""
    shape = settings.get("shape") or theta0.shape
    gradients, theta0 = gradients.reshape(-1, *shape), theta0.reshape(shape)
    found = PATHS[like](name, settings, gradients, theta0, schedule, wrappers or {})
    return found.reshape(len(found), -1)
