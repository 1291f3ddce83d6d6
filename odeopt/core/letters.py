r"""The symbols of variables, parameters and the gradient: how a name is typeset.

>>> symbol("tau1").latex, symbol("eps").latex, symbol("rate").latex
('\\tau_{1}', '\\varepsilon', '\\mathrm{rate}')
"""

from __future__ import annotations

import re

from odeopt.core.notation import Spelling
from odeopt.core.symbols import Operand, Symbol, as_symbol, atom

_GREEK = {"alpha", "beta", "gamma", "delta", "epsilon", "eta", "theta", "kappa", "lambda", "mu", "rho", "sigma", "tau"}
_LATEX = {"eps": r"\varepsilon", "grad": r"\nabla L", "zeta": r"\zeta"}


def symbol(name: str) -> Symbol:
    """The symbol of a variable or parameter; Greek names and trailing digits are typeset in LaTeX."""
    match = re.fullmatch(r"([A-Za-z]+?)_?(\d*)", name)
    letters, digits = match.groups() if match else (name, "")
    if letters in _LATEX:
        latex = _LATEX[letters]
    elif letters in _GREEK:
        latex = rf"\{letters}"
    else:
        latex = letters if len(letters) == 1 else rf"\mathrm{{{letters.replace('_', chr(92) + '_')}}}"
    return atom(name, f"{latex}_{{{digits}}}" if digits else latex)


def unprintable(*names: str) -> Symbol:
    """f(names), the stand-in for a formula that cannot be run on symbols."""
    inside = [symbol(name) for name in dict.fromkeys(names)]
    return atom("f", "f")(*inside)


class GradientSymbol(Symbol):
    """The symbol of the gradient, with the Hessian product and noise variance that formulas may use."""

    def hvp(self, theta: Operand, p: Operand) -> Symbol:
        """H(theta) p."""
        return atom("H", "H")(theta) * as_symbol(p)

    def variance(self, theta: Operand) -> Symbol:
        """The diagonal of the noise covariance."""
        return atom("diag Sigma", r"\operatorname{diag}\Sigma")(theta)

    def scale(self, theta: Operand) -> Symbol:
        """The noise itself, as the coefficient of its standard form stands for it."""
        return symbol("zeta")(theta)

    def mean_sign(self, a: Symbol, b: Symbol) -> Symbol:
        """E sign(a + b)."""
        return atom("E sign", r"\operatorname{E}\operatorname{sign}")(a + b)


def sign_noise(a: Symbol, b: Symbol) -> Symbol:
    """What sign(a + b) fluctuates by."""
    return symbol("noise")((a + b).applied("sign"))


GRADIENT = GradientSymbol(Spelling("grad L", r"\nabla L"))
