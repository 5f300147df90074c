"""Losses and gradients of every objective, worked from the formulas by PyTorch in f64, and by TRL where it has them.

Writes tests/fixtures/objectives.json. Run (seconds):  python tests/reference/objectives.py

Formulas are written as the papers write them (log of probabilities, no stable forms), so that they share nothing with
the code under test. `trl` cases come from TRL's own functions, called without a trainer around them.
"""

import os
from types import SimpleNamespace

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")

from fixture_files import FIXTURES, one_thread, versions, write_json  # noqa: E402

one_thread()

import numpy as np  # noqa: E402
import objectives_policies  # noqa: E402
import torch  # noqa: E402
from scipy.optimize import brentq  # noqa: E402
from scipy.stats import gaussian_kde  # noqa: E402

torch.set_default_dtype(torch.float64)
S = torch.sigmoid
RNG = np.random.default_rng(20250905)
CASES = []


def case(objective, labels, rewards, loss, source="formula"):
    """`loss` maps rewards [s] (or [s, a]) to one loss per label; the gradient is that of their weighted sum."""
    x = torch.tensor(rewards, requires_grad=True)
    losses = torch.stack(list(loss(x))) if source == "formula" else loss(x)
    weights = torch.linspace(0.5, 1.5, losses.numel())
    (losses * weights).sum().backward()
    CASES.append(
        {
            "objective": objective,
            "source": source,
            "labels": labels,
            "rewards": rewards,
            "losses": losses.detach().tolist(),
            "gradient": x.grad.tolist(),
        }
    )


def draw(n, scale=1.5):
    return np.round(RNG.normal(0, scale, n), 3).tolist()


def pairs(n, **columns):
    return [
        {"n_chosen": 1, "n_rejected": 1, **{key: values[i] for key, values in columns.items()}} for i in range(n)
    ]


def each(n, loss):
    return lambda x: [loss(x[2 * i], x[2 * i + 1], i) for i in range(n)]


N = 5
rewards = lambda: draw(2 * N)
win = lambda c, r, m=0.0: -torch.log(S(c - r - m))
margins = [0.5, 2.0, 0.0, 1.25, 3.0]
soft = [0.5, 0.9, 1.0, 0.65, 0.75]
votes = [[3, 0], [2, 1], [1, 1], [4, 1], [5, 2]]
share = [a / (a + b) for a, b in votes]

plain = pairs(N)
case({"name": "bt"}, plain, rewards(), each(N, lambda c, r, i: win(c, r)))
case({"name": "log-exp"}, plain, rewards(), each(N, lambda c, r, i: torch.log(1 + torch.exp(r - c))))
case({"name": "context-bt"}, plain, rewards(), each(N, lambda c, r, i: win(c, r)))
for scale in (1.0, 0.3):
    name = {"name": "bt-margin", "margin-scale": scale}
    case(name, pairs(N, margin=margins), rewards(), each(N, lambda c, r, i: win(c, r, scale * margins[i])))
    name = {"name": "bt-votes", "margin-scale": scale}
    case(name, pairs(N, vote_share=share), rewards(), each(N, lambda c, r, i: win(c, r, scale * (2 * share[i] - 1))))
    signed = [-m if i % 2 else m for i, m in enumerate(margins)]
    name = {"name": "bt-scaled", "margin-scale": scale}
    case(name, pairs(N, margin=signed), rewards(), each(N, lambda c, r, i: scale * abs(signed[i]) * win(c, r)))
mixed = lambda q: each(N, lambda c, r, i: q[i] * win(c, r) + (1 - q[i]) * win(r, c))
case({"name": "bt-soft"}, pairs(N, probability=soft), rewards(), mixed(soft))
case({"name": "bt-soft"}, pairs(N, vote_share=share), rewards(), mixed(share))
smoothed = [0.9 * q + 0.1 * (1 - q) for q in soft]
case({"name": "bt-soft", "label-smoothing": 0.1}, pairs(N, probability=soft), rewards(), mixed(smoothed))
for e in (0.1, 0.3):
    case({"name": "bt-smooth", "label-smoothing": e}, plain, rewards(), mixed([1 - e] * N))
    robust = lambda c, r, i: ((1 - e) * win(c, r) - e * win(r, c)) / (1 - 2 * e)
    case({"name": "bt-robust", "flip-rate": e}, plain, rewards(), each(N, robust))
centred = lambda c, r, i: win(c, r) + 0.05 * (c + r) ** 2
case({"name": "bt-centered", "centering": 0.05}, plain, rewards(), each(N, centred))
for gamma in (2.0, 0.5):
    focal = lambda c, r, i: -((1 - S(c - r)) ** gamma) * torch.log(S(c - r))
    case({"name": "focal", "gamma": gamma}, plain, rewards(), each(N, focal))
hinge = lambda c, r, i: torch.maximum(torch.zeros(()), 2.0 - (c - r))
case({"name": "hinge", "target": 2.0}, plain, rewards(), each(N, hinge))
case({"name": "margin-mse", "target": 2.0}, plain, rewards(), each(N, lambda c, r, i: (c - r - 2.0) ** 2))

tie = [True, False, False, True, False]
tied = pairs(N, probability=[0.5 if t else 1.0 for t in tie])
for theta in (1.35, 3.0):
    won = lambda c, r: torch.exp(c) / (torch.exp(c) + theta * torch.exp(r))
    drawn = lambda c, r: (theta**2 - 1) * torch.exp(c + r) / (
        (torch.exp(c) + theta * torch.exp(r)) * (theta * torch.exp(c) + torch.exp(r))
    )
    rk = lambda c, r, i: -torch.log(drawn(c, r) if tie[i] else won(c, r))
    case({"name": "rao-kupper", "theta": theta}, tied, rewards(), each(N, rk))
for nu in (0.5, 2.0):
    z = lambda c, r: torch.exp(c) + torch.exp(r) + nu * torch.exp((c + r) / 2)
    dv = lambda c, r, i: -torch.log((nu * torch.exp((c + r) / 2) if tie[i] else torch.exp(c)) / z(c, r))
    case({"name": "davidson", "nu": nu}, tied, rewards(), each(N, dv))

# Lists: the ranks of strict and of partial rankings, and lists without ranks.
LISTS = [
    {"n_chosen": 1, "n_rejected": 3, "ranks": [0, 1, 2, 3]},
    {"n_chosen": 2, "n_rejected": 2, "ranks": [0, 0, 1, 2]},
    {"n_chosen": 1, "n_rejected": 2},
    {"n_chosen": 2, "n_rejected": 3},
    {"n_chosen": 1, "n_rejected": 1},
]


def on_lists(loss):
    def losses(x):
        start = 0
        for label in LISTS:
            k, m = label["n_chosen"], label["n_rejected"]
            yield loss(x[start : start + k + m], label.get("ranks", [0] * k + [1] * m), k)
            start += k + m

    return losses


def plackett_luce(x, ranks, k):
    total = torch.zeros(())
    for i, rank in enumerate(ranks):
        below = [x[j] for j, other in enumerate(ranks) if other > rank]
        total = total - torch.log(torch.exp(x[i]) / (torch.exp(x[i]) + sum(torch.exp(b) for b in below)))
    return total


def k_wise(x, ranks, k):
    terms = [win(x[i], x[j]) for i, a in enumerate(ranks) for j, b in enumerate(ranks) if a < b]
    return torch.stack(terms).mean()


n_lists = sum(label["n_chosen"] + label["n_rejected"] for label in LISTS)
case({"name": "listmle"}, LISTS, draw(n_lists), on_lists(plackett_luce))
case({"name": "k-wise"}, LISTS, draw(n_lists), on_lists(k_wise))
multi = lambda x, ranks, k: torch.stack([win(c, r) for c in x[:k] for r in x[k:]]).mean()
case({"name": "multi-pair"}, LISTS, draw(n_lists), on_lists(multi))
group = lambda x, ranks, k: -torch.log(torch.exp(x[:k]).sum() / torch.exp(x).sum())
case({"name": "group-contrast"}, LISTS, draw(n_lists), on_lists(group))

point = lambda y: {"n_chosen": 1, "n_rejected": 0, "ratings": [y]}
bce = lambda r, y: -y * torch.log(S(r)) - (1 - y) * torch.log(1 - S(r))
ys = [1.0, 0.0, 0.3, 1.0]
labels = [point(y) for y in ys] + pairs(1)
case(
    {"name": "bce"},
    labels,
    draw(6),
    lambda x: [bce(x[i], y) for i, y in enumerate(ys)] + [(bce(x[4], 1.0) + bce(x[5], 0.0)) / 2],
)
labels = [point(2.5), point(-1.0), {"n_chosen": 1, "n_rejected": 2, "ratings": [3.0, None, 0.5]}, point(0.0)]
case(
    {"name": "mse"},
    labels,
    draw(6),
    lambda x: [(x[0] - 2.5) ** 2, (x[1] + 1) ** 2, ((x[2] - 3) ** 2 + (x[4] - 0.5) ** 2) / 2, x[5] ** 2],
)
# Three attributes, of which some are missing.
labels = [
    {"n_chosen": 1, "n_rejected": 0, "ratings": [1.0, None, 3.0]},
    {"n_chosen": 1, "n_rejected": 1, "ratings": [0.0, 2.0, -100.0, None, None, 4.0]},
]
case(
    {"name": "mse"},
    labels,
    [draw(3) for _ in range(3)],
    lambda x: [
        ((x[0, 0] - 1) ** 2 + (x[0, 2] - 3) ** 2) / 2,
        (x[1, 0] ** 2 + (x[1, 1] - 2) ** 2 + (x[2, 2] - 4) ** 2) / 3,
    ],
)

labels = [
    {"n_chosen": 1, "n_rejected": 1, "n_further": 2},
    {"n_chosen": 1, "n_rejected": 1, "other_prompt": True},
    {"n_chosen": 1, "n_rejected": 1},
]
case(
    {"name": "mapl", "intra": 0.7, "inter": 0.4},
    labels,
    draw(8),
    lambda x: [
        win(x[0], x[1]) - 0.4 * torch.log(S((x[2] - x[3]) - (x[0] - x[1]))),
        0.7 * win(x[4], x[5]),
        win(x[6], x[7]),
    ],
)
unlabelled = {"n_chosen": 1, "n_rejected": 0}
labels = [
    {"n_chosen": 1, "n_rejected": 1, "threshold": 0.2},
    {**unlabelled, "threshold": 0.2},
    {**unlabelled, "threshold": 0.2},
    unlabelled,
]
case(
    {"name": "sspo"},
    labels,
    [0.4, 1.1, 1.5, -0.9, 2.0],
    lambda x: [win(x[0], x[1]), -torch.log(S(x[2] - 0.2)), -torch.log(S(-(x[3] - 0.2))), 0 * x[4]],
)
for name in ("more", "dial", "lm-beside", "rationale", "token-head", "individual"):
    further = 1 if name == "rationale" else 0
    labels = [{"n_chosen": 1, "n_rejected": 1, "n_further": further} for _ in range(3)]
    size = 2 + further
    case({"name": name}, labels, draw(3 * size), lambda x: [win(x[size * i], x[size * i + 1]) for i in range(3)])


def trl_cases():
    import trl
    from trl import RewardTrainer
    from trl.experimental.cpo import CPOTrainer

    def reward_trainer(centering, margin):
        def losses(x):
            # One pair at a time: the trainer returns the mean over a batch.
            accelerator = SimpleNamespace(gather=lambda t: t, gather_for_metrics=lambda t: t)
            keys = ("num_tokens", "min_reward", "mean_reward", "max_reward", "accuracy", "margin")
            for i in range(N):
                trainer = SimpleNamespace(
                    model=SimpleNamespace(training=False),
                    args=SimpleNamespace(center_rewards_coefficient=centering),
                    accelerator=accelerator,
                    _total_train_tokens=0,
                    _tp_size=1,
                    _metrics={"eval": {key: [] for key in keys}},
                )
                logits = x[2 * i : 2 * i + 2].unsqueeze(-1)
                inputs = {"margin": torch.tensor([margins[i]])} if margin else {}
                model = lambda **_: SimpleNamespace(logits=logits)
                yield RewardTrainer.compute_loss(trainer, model, inputs)

        return lambda x: torch.stack(list(losses(x)))

    def cpo(loss_type, smoothing):
        self = SimpleNamespace(
            accelerator=SimpleNamespace(device="cpu"),
            beta=1.0,
            label_smoothing=smoothing,
            loss_type=loss_type,
            simpo_gamma=0.0,
            cpo_alpha=0.0,
            alpha=0.0,
        )
        return lambda x: CPOTrainer.cpo_loss(self, x[0::2], x[1::2])[0]

    version = f"trl {trl.__version__}"
    case({"name": "bt"}, plain, rewards(), reward_trainer(None, False), version)
    case({"name": "bt-margin"}, pairs(N, margin=margins), rewards(), reward_trainer(None, True), version)
    case({"name": "bt-centered", "centering": 0.03}, plain, rewards(), reward_trainer(0.03, False), version)
    case({"name": "bt-smooth", "label-smoothing": 0.2}, plain, rewards(), cpo("sigmoid", 0.2), version)
    case({"name": "hinge", "target": 1.0}, plain, rewards(), cpo("hinge", 0.0), version)


trl_cases()
objectives_policies.add(case, RNG)
# Numbers of its own: those of the other cases stay what they are.
case({"name": "cloud"}, pairs(3), [0.7, -0.2, 1.4, 1.9, -0.6, 0.3], each(3, lambda c, r, _: win(c, r)))


def crossing():
    chosen, rejected = [0.9, 1.4, 0.2, 2.1, 1.1, 0.7], [-0.3, 0.4, -1.2, 0.1, 0.6]
    a, b = gaussian_kde(chosen), gaussian_kde(rejected)
    at = brentq(lambda x: (a(x) - b(x))[0], np.mean(rejected), np.mean(chosen), xtol=1e-15)
    return {"chosen": chosen, "rejected": rejected, "threshold": at}


META = {"versions": versions("scipy", "trl"), "script": "tests/reference/objectives.py"}
write_json(FIXTURES / "objectives.json", {"meta": META, "cases": CASES, "crossing": crossing()})
