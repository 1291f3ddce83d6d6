"""Torch modules without second derivatives, against twins that have them; DataLoaders; modules in single precision."""

from __future__ import annotations

import numpy as np
import pytest

import odeopt as oo
from odeopt.problems.differences import RoughGradient, product_by_differences

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
from torch.utils.checkpoint import checkpoint  # noqa: E402

from odeopt.frameworks.torch import problem  # noqa: E402

F, nn = torch.nn.functional, torch.nn
RNG = np.random.default_rng(0)
SEQUENCES, WORDS = RNG.normal(size=(5, 4, 2)), RNG.integers(0, 5, (5, 3))
V, Y = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 1))
FROM = "differences of torch's gradient"


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Attend(nn.Module):
    """With torch's own attention, or by its formula."""

    def __init__(self, own):
        super().__init__()
        self.q, self.k, self.v, self.out, self.own = *(nn.Linear(2, 2) for _ in range(3)), nn.Linear(2, 1), own

    def forward(self, x):
        q, k, v = self.q(x), self.k(x), self.v(x)
        if self.own:
            seen = F.scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]
        else:
            seen = torch.softmax(q @ k.transpose(1, 2) / 2**0.5, -1) @ v
        return self.out(torch.tanh(seen.mean(1)))


class Table(nn.Module):
    """Means of rows of a table, by EmbeddingBag, by a sparse Embedding or by a plain one."""

    def __init__(self, kind):
        super().__init__()
        self.kind, self.out = kind, nn.Linear(2, 1)
        self.rows = nn.EmbeddingBag(5, 2, mode="mean") if kind == "bag" else nn.Embedding(5, 2, sparse=kind == "sparse")

    def forward(self, x):
        found = self.rows(x)
        return self.out(torch.tanh(found if self.kind == "bag" else found.mean(1)))


class Again(nn.Module):
    """Two layers, the first of which is computed again in backward."""

    def __init__(self, how):
        super().__init__()
        self.first, self.out, self.how = nn.Sequential(nn.Linear(3, 3), nn.Tanh()), nn.Linear(3, 1), how

    def forward(self, x):
        if self.how == "plain":
            return self.out(self.first(x))
        reentrant = self.how == "reentrant"
        return self.out(checkpoint(self.first, x.requires_grad_() if reentrant else x, use_reentrant=reentrant))


class Square(torch.autograd.Function):
    """x^2, whose backward is no formula of torch's."""

    @staticmethod
    def forward(context, x):
        context.save_for_backward(x)
        return x**2

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context, g):
        return 2 * g * context.saved_tensors[0]


class Squared(nn.Module):
    def __init__(self, own):
        super().__init__()
        self.inner, self.square = nn.Linear(3, 1), Square.apply if own else lambda x: x**2

    def forward(self, x):
        return self.square(self.inner(x))


TWINS = {
    "attention": (lambda: Attend(True), lambda: Attend(False), SEQUENCES),
    "EmbeddingBag": (lambda: Table("bag"), lambda: Table("plain"), WORDS),
    "sparse embedding": (lambda: Table("sparse"), lambda: Table("plain"), WORDS),
    "checkpoint": (lambda: Again("new"), lambda: Again("plain"), V),
    "reentrant checkpoint": (lambda: Again("reentrant"), lambda: Again("plain"), V),
    "once differentiable": (lambda: Squared(True), lambda: Squared(False), V),
}


@pytest.mark.parametrize("name", TWINS)
def test_modules_without_second_derivatives(name):
    """Loss, gradient and samples as those of the twin to rounding, H p to eight digits."""
    make, make_twin, X = TWINS[name]
    module, twin = make(), make_twin()
    twin.load_state_dict(module.state_dict())
    rough, exact = (problem(m, F.mse_loss, (X, Y)) for m in (module, twin))
    assert f"gradient by torch, H p by {FROM}, looped over members" in repr(rough)
    assert FROM not in repr(exact)
    theta = exact.theta0 + 0.1 * RNG.standard_normal((3, exact.dim))
    p = RNG.standard_normal(exact.dim)
    np.testing.assert_allclose(rough.loss(theta), exact.loss(theta), rtol=1e-13)
    np.testing.assert_allclose(rough.grad(theta), exact.grad(theta), rtol=1e-11, atol=1e-13)
    truth = exact.hvp(theta, p)
    np.testing.assert_allclose(rough.hvp(theta, p), truth, rtol=0, atol=1e-8 * np.abs(truth).max())
    w = RNG.standard_normal(5)
    np.testing.assert_allclose(
        rough.samples.combined_grad(theta[0], w), exact.samples.combined_grad(theta[0], w), rtol=1e-11, atol=1e-13
    )
    assert oo.simulate(oo.optimizers.adam(lr=0.01), rough, 3).check().theta.shape == (4, rough.dim)


def test_steps_have_the_size_of_their_coordinates():
    """L = sum_j (theta_j/s_j)^4 + (theta_j/s_j)^2 with sizes from 1e-5 to 1e4: H is diagonal and known."""
    sizes = 10.0 ** np.arange(-5, 5)
    theta = sizes * np.linspace(0.5, 2.0, 10)
    grad = lambda at: (4 * (at / sizes) ** 3 + 2 * at / sizes) / sizes
    product = product_by_differences(grad)
    for j in range(10):
        p = np.eye(10)[j] / sizes[j]
        expected = (12 * (theta / sizes) ** 2 + 2) / sizes**2 * p
        if sizes[j] > 1:  # smaller ones are below the floor
            np.testing.assert_allclose(product(theta, p), expected, rtol=1e-8)
    np.testing.assert_array_equal(product(theta, 0 * p), 0 * p)


def test_a_kink_is_said():
    product = product_by_differences(lambda at: np.sign(at) + at)
    assert product(np.ones(2), np.ones(2)) == pytest.approx([1.0, 1.0])
    with pytest.warns(RoughGradient, match="derivatives by differences are rough: .* the function has a kink"):
        product(np.array([1.0, 1e-13]), np.array([0.0, 1.0]))


def test_a_gradient_of_few_digits_is_said():
    grad = lambda at: (at**3).astype(np.float16).astype(np.float64)
    with pytest.warns(RoughGradient, match="or is not computed in double precision"):
        product_by_differences(grad)(np.full(3, 0.7), np.array([1e-3, 1.0, 2.0]))


X, LABELS = RNG.normal(size=(10, 3)).astype(np.float32), RNG.integers(0, 2, 10)
DATA = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(LABELS))
LOADERS = {
    "in order": lambda: torch.utils.data.DataLoader(DATA, batch_size=4),
    "shuffled": lambda: torch.utils.data.DataLoader(DATA, batch_size=3, shuffle=True, drop_last=True),
    "one by one": lambda: torch.utils.data.DataLoader(DATA),
    "by a batch sampler": lambda: torch.utils.data.DataLoader(
        DATA, batch_sampler=torch.utils.data.BatchSampler(torch.utils.data.RandomSampler(DATA), 4, True)
    ),
    "batches as samples": lambda: torch.utils.data.DataLoader(
        [(torch.tensor(X[:4]), torch.tensor(LABELS[:4])), (torch.tensor(X[4:]), torch.tensor(LABELS[4:]))],
        batch_size=None,
    ),
}


@pytest.mark.parametrize("name", LOADERS)
def test_a_data_loader_is_its_whole_dataset_in_order(name):
    module = nn.Linear(3, 2)
    whole = problem(module, F.cross_entropy, (X, LABELS))
    made = problem(module, F.cross_entropy, LOADERS[name]())
    for mine, other in zip(made.samples.data, whole.samples.data, strict=True):
        np.testing.assert_array_equal(mine, other)
    np.testing.assert_array_equal(made.grad(made.theta0), whole.grad(whole.theta0))


class Endless(torch.utils.data.IterableDataset):
    def __iter__(self):
        while True:
            yield torch.zeros(3), 0


REFUSED = {
    "endless": (
        lambda: torch.utils.data.DataLoader(Endless(), batch_size=2),
        TypeError,
        "of a dataset with a length, got one of Endless",
    ),
    "words": (lambda: torch.utils.data.DataLoader(["a", "b"]), TypeError, "must be batches of tensors"),
    "dictionaries": (
        lambda: torch.utils.data.DataLoader([{"x": torch.ones(2)}] * 3),
        TypeError,
        "must be batches of tensors .*got a dict in one",
    ),
    "ragged": (
        lambda: torch.utils.data.DataLoader([(torch.ones(2), 0), (torch.ones(3), 1)]),
        ValueError,
        r"data\[0\] must have samples of one shape, got \(2,\), \(3,\)",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_loader_may_not_be(name):
    make, kind, message = REFUSED[name]
    with pytest.raises(kind, match=message):
        problem(nn.Linear(3, 2), F.cross_entropy, make())


def test_a_module_in_single_precision_is_computed_in_double():
    """To rounding as the same module and data in float64."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    made = problem(module, F.cross_entropy, (torch.tensor(X), torch.tensor(LABELS)))
    double = module.double()
    loss = F.cross_entropy(double(torch.tensor(X, dtype=torch.float64)), torch.tensor(LABELS))
    grads = torch.autograd.grad(loss, list(double.parameters()))
    np.testing.assert_allclose(made.grad(made.theta0), np.concatenate([g.ravel() for g in grads]), rtol=1e-12)


class Single(nn.Module):
    """Which asks for single precision itself."""

    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(3, 2)

    def forward(self, x):
        return self.inner(x + torch.zeros(3, dtype=torch.float32)).float() @ torch.ones(2, 2, dtype=torch.float32)


def test_a_module_that_insists_on_single_precision_is_told_how():
    with pytest.raises(TypeError, match="loss must be float64 .*give them dtype=x.dtype"):
        problem(Single(), F.cross_entropy, (X, LABELS))


def test_labels_that_the_loss_does_not_take():
    with pytest.raises(
        ValueError, match=r"for data of torch.float64 \(10, 3\), torch.bool \(10, 1\), but it raises: Subtr"
    ):
        problem(nn.Linear(3, 1), F.binary_cross_entropy_with_logits, (X, LABELS[:, None] > 0))
