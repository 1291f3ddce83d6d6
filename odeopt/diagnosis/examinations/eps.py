"""eps beside sqrt(G): where eps is larger, Adam is momentum with the rate lr/eps."""

from __future__ import annotations

from odeopt.diagnosis.case import Case, middle
from odeopt.diagnosis.finding import Examination, Finding, Measured

HALF = 0.5  # the share of eps in sqrt(G) + eps
NEGLIGIBLE = 1e-3


def _find(case: Case) -> Finding | None:
    eps = case.of().setting("eps")
    if not case.of().adaptive or eps is None:
        return None
    size, error = middle(case.grad_rms[case.hot])
    share = eps / (size + eps)
    if not share > HALF:
        return None
    new = size * NEGLIGIBLE
    return Finding(
        "eps too large",
        True,
        f"eps = {eps:.3g} is {eps / size:.3g} times the gradient's root mean square {size:.3g}: updates are "
        f"{1 - share:.2g} of what they would be",
        {"eps/(rms g + eps)": Measured(share, share * (1 - share) * error / size, HALF)},
        case.span(case.hot),
        f"lower eps to {new:.1g}; updates grow by {1 / (1 - share):.3g}",
        "most coordinates have a gradient far above the root mean square",
        {"eps": new},
    )


EXAMINATION = Examination("eps too large", ("grad_norm", "lr", "opt", "parameters"), _find)
