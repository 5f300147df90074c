"""What objectives keep beside the model, worked from the formulas by PyTorch and NumPy in f64: DIAL's critic, MORE's
weights, the vectors of users.

Writes tests/fixtures/companions.json. Run (seconds):  python tests/reference/companions.py
"""

from itertools import combinations

from fixture_files import FIXTURES, one_thread, versions, write_json

one_thread()

import numpy as np  # noqa: E402
import torch  # noqa: E402

torch.set_default_dtype(torch.float64)
RNG = np.random.default_rng(20261126)


def drawn(*shape):
    return torch.tensor(np.round(RNG.normal(0, 0.8, shape), 3))


def critic():
    """f has two hidden layers with GELU. Of the model: 0.25 * (mean f(h_source) - mean f(h_target)), gradient by h. Of the
    critic: the mean of (|grad f| - 1)^2 at given points, gradient by every parameter."""
    widths = [4, 6, 5, 1]
    params = {}
    for i, (a, b) in enumerate(zip(widths, widths[1:])):
        params[f"{i}.weight"], params[f"{i}.bias"] = drawn(b, a).requires_grad_(), drawn(b).requires_grad_()

    def f(x):
        for i in range(3):
            x = x @ params[f"{i}.weight"].T + params[f"{i}.bias"]
            if i < 2:
                x = 0.5 * x * (1 + torch.erf(x / 2**0.5))
        return x[:, 0]

    sources = [True, False, True, True, False]
    states = drawn(5, 4).requires_grad_()
    values = f(states)
    mask = torch.tensor(sources)
    term = 0.25 * (values[mask].mean() - values[~mask].mean())
    (by_states,) = torch.autograd.grad(term, states)
    points = drawn(6, 4).requires_grad_()
    (slopes,) = torch.autograd.grad(f(points).sum(), points, create_graph=True)
    penalty = ((slopes.norm(dim=1) - 1) ** 2).mean()
    # The last bias moves no slope.
    by_params = torch.autograd.grad(penalty, list(params.values()), allow_unused=True)
    as_list = lambda t: t.detach().tolist()
    return {
        "params": {name: as_list(p) for name, p in params.items()},
        "states": as_list(states), "sources": sources, "weight": 0.25, "term": term.item(), "by_states": as_list(by_states),
        "points": as_list(points), "penalty": penalty.item(),
        "by_params": {name: None if g is None else as_list(g) for name, g in zip(params, by_params)},
    }


def min_norm(vectors):
    """Exactly, by trying every support: the point of its affine hull nearest to 0, where that is inside."""
    n, found = len(vectors), []
    for size in range(1, n + 1):
        for support in map(list, combinations(range(n), size)):
            gram = vectors[support] @ vectors[support].T
            system = np.block([[gram, np.ones((size, 1))], [np.ones((1, size)), np.zeros((1, 1))]])
            shares = np.linalg.lstsq(system, np.append(np.zeros(size), 1.0), rcond=None)[0][:size]
            if (shares >= 0).all():
                whole = np.zeros(n)
                whole[support] = shares
                found.append((((whole @ vectors) ** 2).sum(), tuple(whole)))
    return np.array(min(found)[1])


def balance():
    """A linear head r = w.h, pairs of three groups. g_t is the gradient of group t's mean Bradley-Terry loss by w, scaled to
    length 1; lambda makes |sum lambda_t g_t| smallest on the simplex; the step's loss is T * sum lambda_t L_t."""
    groups = ["a", "b", "b", "c", "a", "b", "c"]
    differences, w = drawn(7, 3), drawn(3).requires_grad_()
    losses = -torch.log(torch.sigmoid(differences @ w))
    names = sorted(set(groups))
    means = [losses[[g == name for g in groups]].mean() for name in names]
    gradients = [torch.autograd.grad(mean, w, retain_graph=True)[0] for mean in means]
    units = np.array([(g / g.norm()).numpy() for g in gradients])
    best = min_norm(units)
    step = 3 * sum(float(share) * mean for share, mean in zip(best, means))
    (by_w,) = torch.autograd.grad(step, w, retain_graph=True)
    return {
        "groups": groups, "names": names, "gradients": {n: g.tolist() for n, g in zip(names, gradients)},
        "losses": losses.detach().tolist(), "pair_gradients": [torch.autograd.grad(l, w, retain_graph=True)[0].tolist() for l in losses],
        "lambda": best.tolist(), "loss": step.item(), "by_w": by_w.tolist(),
    }


def users():
    """r_u = r + u.(W h) of rows whose user is named, r of others; the gradients of a weighted sum by u and W."""
    states, projection, vectors = drawn(4, 5), drawn(2, 5).requires_grad_(), drawn(3, 2).requires_grad_()
    rows = [2, 0, None, 2]
    known = [i for i, row in enumerate(rows) if row is not None]
    extra = torch.zeros(4).index_put(
        (torch.tensor(known),), torch.stack([vectors[rows[i]] @ (projection @ states[i]) for i in known]))
    weights = torch.tensor([0.5, -1.0, 2.0, 1.5])
    by_projection, by_vectors = torch.autograd.grad((extra * weights).sum(), [projection, vectors])
    as_list = lambda t: t.detach().tolist()
    return {"states": as_list(states), "projection": as_list(projection), "vectors": as_list(vectors), "rows": rows,
            "extra": as_list(extra), "weights": as_list(weights), "by_projection": as_list(by_projection), "by_vectors": as_list(by_vectors)}


META = {"script": "tests/reference/companions.py", **versions()}
write_json(FIXTURES / "companions.json", {"meta": META, "critic": critic(), "balance": balance(), "users": users()})
