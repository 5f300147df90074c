"""Losses of policies' objectives from the formulas as the papers write them; imported by objectives.py.

A sequence is a row (lp, n, ref, whole, whole_n): its log-probability, tokens, log-probability by the reference, and the
first two with the prompt's tokens.
"""

import torch

S = torch.sigmoid
L = lambda x: -torch.log(S(x))
LP, N, REF, WHOLE, WHOLE_N = range(5)
FOUR = 4


def add(case, rng):
    def rows(n):
        tokens = rng.integers(3, 12, n)
        made = []
        for k in tokens:
            lp, ref = -1.3 * k + rng.normal(0, 2), -1.3 * k + rng.normal(0, 2)
            made.append([round(min(lp, -0.5), 3), float(k), round(min(ref, -0.5), 3),
                         round(min(lp, -0.5) - 7.25, 3), float(k + 6)])
        return made

    lr = lambda r: r[LP] - r[REF]
    m = lambda r: r[LP] / r[N]
    nll = lambda r: -r[LP] / r[N]
    pair = {"n_chosen": 1, "n_rejected": 1}

    def pairs(toml, loss, labels=None, width=2):
        labels = labels or [pair] * FOUR
        case(toml, labels, rows(width * FOUR), lambda x: [loss(x[width * i], x[width * i + 1], x, i) for i in range(FOUR)])

    def smoothed(x, e):
        return (1 - e) * L(x) + e * L(-x)

    for beta in (0.1, 0.5):
        gap = lambda w, l: beta * (lr(w) - lr(l))
        pairs({"name": "dpo", "beta": beta}, lambda w, l, x, i: L(gap(w, l)))
        pairs({"name": "cdpo", "beta": beta, "label-smoothing": 0.2}, lambda w, l, x, i: smoothed(gap(w, l), 0.2))
        pairs({"name": "rdpo", "beta": beta, "flip-rate": 0.2},
              lambda w, l, x, i: (0.8 * L(gap(w, l)) - 0.2 * L(-gap(w, l))) / 0.6)
        pairs({"name": "dpo-hinge", "beta": beta}, lambda w, l, x, i: torch.clamp(1 - gap(w, l), min=0))
        pairs({"name": "ipo-azar", "beta": beta},
              lambda w, l, x, i: (lr(w) / w[N] - lr(l) / l[N] - 1 / (2 * beta)) ** 2)
        pairs({"name": "ln-dpo", "beta": beta}, lambda w, l, x, i: L(beta * (lr(w) / w[N] - lr(l) / l[N])))
        exo = lambda z, e: (S(z) * (torch.log(S(z)) - torch.log(torch.tensor(1 - e)))
                            + S(-z) * (torch.log(S(-z)) - torch.log(torch.tensor(e))))
        pairs({"name": "exo", "beta": beta, "label-smoothing": 0.01}, lambda w, l, x, i: exo(gap(w, l), 0.01))
        pairs({"name": "nca", "beta": beta},
              lambda w, l, x, i: L(beta * lr(w)) + (L(-beta * lr(w)) + L(-beta * lr(l))) / 2)
        pairs({"name": "bco-pair", "beta": beta}, lambda w, l, x, i: L(beta * lr(w)) + L(-beta * lr(l)))
        pairs({"name": "apo-down", "beta": beta}, lambda w, l, x, i: S(beta * lr(w)) + 1 - S(gap(w, l)))
        pairs({"name": "sppo-hard", "beta": beta},
              lambda w, l, x, i: (lr(w) - 0.5 / beta) ** 2 + (lr(l) + 0.5 / beta) ** 2)
        pairs({"name": "bpo-ref", "beta": beta}, lambda w, l, x, i: L(gap(w, l)))
        pairs({"name": "dove", "beta": beta}, lambda w, l, x, i: L(gap(w, l)))
        pairs({"name": "dpo-anchor", "beta": beta, "anchor": 0.7, "anchor-delta": 0.2},
              lambda w, l, x, i: L(gap(w, l)) + 0.7 * L(beta * lr(w) - 0.2))
        pairs({"name": "cpo", "beta": beta}, lambda w, l, x, i: L(beta * (w[LP] - l[LP])) + nll(w))
        pairs({"name": "cpo", "beta": beta, "nll": 0.3, "nll-mean": "step"},
              lambda w, l, x, i: L(beta * (w[LP] - l[LP])) - 0.3 * w[LP] / x[0::2, N].mean())
        odds = lambda r: torch.log(torch.exp(m(r)) / (1 - torch.exp(m(r))))
        pairs({"name": "orpo", "beta": beta},
              lambda w, l, x, i: -w[WHOLE] / w[WHOLE_N] + beta * L(odds(w) - odds(l)))
        pairs({"name": "orpo", "beta": beta, "nll-of": "response"},
              lambda w, l, x, i: nll(w) + beta * L(odds(w) - odds(l)))
        z = lambda r, t: beta * (lr(r) - t)
        kto = lambda r, t, good: 1 - S(z(r, t)) if good else 1 - S(-z(r, t))
        pairs({"name": "kto", "beta": beta, "desirable": 1.2, "undesirable": 0.6},
              lambda w, l, x, i: 1.2 * kto(w, 0.3, True) + 0.6 * kto(l, 0.3, False), [pair | {"threshold": 0.3}] * FOUR)
    x = lambda w, l: 0.1 * (lr(w) - lr(l))
    probabilities = [0.5, 0.9, 1.0, 0.7]
    pairs({"name": "selfie"},
          lambda w, l, rows_, i: probabilities[i] * L(x(w, l)) + (1 - probabilities[i]) * L(-x(w, l)),
          [pair | {"probability": p} for p in probabilities])
    for tau in (0.05, 0.4):
        g = lambda w, l: S(x(w, l) / tau)
        pairs({"name": "discopop", "tau": tau},
              lambda w, l, _, i: (1 - g(w, l)) * L(x(w, l)) + g(w, l) * torch.exp(-x(w, l)))
    forward = lambda r: 1 - torch.exp(-lr(r))
    shannon = lambda r: torch.log(2 * torch.exp(lr(r)) / (torch.exp(lr(r)) + 1))
    alpha = lambda r: (torch.exp(lr(r)) ** -0.5 - 1) / -0.5
    for name, link in (("forward-kl", forward), ("jensen-shannon", shannon), ("alpha", alpha)):
        pairs({"name": "f-dpo", "divergence": name, "alpha": 0.5}, lambda w, l, _, i: L(0.1 * (link(w) - link(l))))
    pairs({"name": "rationale-dpo", "rationale": 0.4},
          lambda w, l, rows_, i: L(x(w, l)) + 0.4 * nll(rows_[3 * i + 2]), [pair | {"n_further": 1}] * FOUR, width=3)
    pairs({"name": "simpo", "beta": 2.0, "gamma": 0.5}, lambda w, l, _, i: L(2 * (m(w) - m(l)) - 0.5))
    power = lambda r: (1 - torch.exp(m(r)) ** -0.25) / 0.25
    pairs({"name": "alphapo", "beta": 2.0, "gamma": 1.0, "alpha": 0.25},
          lambda w, l, _, i: L(2 * (power(w) - power(l)) - 1))
    t = lambda w, l: torch.clamp(0.9 * torch.exp(0.4 * (m(w) - m(l)).abs()) - 1, max=1)
    pairs({"name": "arpo"}, lambda w, l, _, i: L(0.1 * w[LP] - t(w, l) * 0.1 * l[LP]) + nll(w))

    # Single responses beside pairs, good and bad.
    good, bad = {"n_chosen": 1, "n_rejected": 0, "ratings": [1.0]}, {"n_chosen": 1, "n_rejected": 0, "ratings": [0.0]}
    r = lambda row: 0.1 * lr(row)

    def mixed(toml, of_good, of_bad, **more):
        labels = [label | more for label in (good, bad, pair)]
        case(toml, labels, rows(4), lambda x: [of_good(x[0]), of_bad(x[1]), of_good(x[2]) + of_bad(x[3])])

    mixed({"name": "kto"}, lambda s: 1 - S(r(s) - 0.05), lambda s: 1 - S(0.05 - r(s)), threshold=0.5)
    mixed({"name": "bco", "undesirable": 0.8}, lambda s: L(r(s) - 0.05), lambda s: 0.8 * L(-(r(s) - 0.05)), threshold=0.05)
    mixed({"name": "apo-zero"}, lambda s: 1 - S(r(s)), lambda s: S(r(s)))
    mixed({"name": "ulma", "shift": 0.2}, nll, lambda s: L(-r(s) - 0.2))
    case({"name": "ulma", "shift": 0.2}, [good | {"ratings": [0.3]}, good], rows(2),
         lambda x: [(0.3 - r(x[0]) - 0.2) ** 2, nll(x[1])])
    drift = lambda s: 0.05 * (s[REF] - s[LP])
    mixed({"name": "pmpo", "desirable": 0.6, "undesirable": 0.4}, lambda s: -0.6 * s[LP] + drift(s),
          lambda s: 0.4 * s[LP] + drift(s))

    # The whole step at once.
    def sorted_(toml, u, v, e=0.0):
        def losses(x):
            w, l = x[0::2], x[1::2]
            z = 0.1 * (torch.sort(u(w, l))[0] - torch.sort(v(w, l))[0])
            return list(smoothed(z, e))

        case(toml, [pair] * FOUR, rows(2 * FOUR), losses)

    sorted_({"name": "aot"}, lambda w, l: w[:, LP] - l[:, LP], lambda w, l: w[:, REF] - l[:, REF])
    ratio = lambda s: s[:, LP] - s[:, REF]
    sorted_({"name": "aot-unpaired", "label-smoothing": 0.1}, lambda w, l: ratio(w), lambda w, l: ratio(l), 0.1)
    topics = [[1.0, 0.0], [0.6, 0.8], [0.8, 0.6], [0.0, 1.0]]

    def relative(x):
        u = torch.tensor(topics)
        for i in range(FOUR):
            weights = torch.softmax(-(1 - u @ u[i]) / 0.5, 0)
            gaps = [L(0.1 * weights[j] * (lr(x[2 * i]) - lr(x[2 * j + 1]))) for j in range(FOUR)]
            yield torch.stack(gaps).mean()

    case({"name": "rpo-cross"}, [pair | {"topic": topic} for topic in topics], rows(2 * FOUR), relative)

    # Three responses, and groups.
    ranked = [{"n_chosen": 1, "n_rejected": 2, "ranks": ranks} for ranks in ([0, 1, 2], [1, 0, 2], [2, 1, 0])]

    def triples(score, beta, gamma, link=None):
        link = link or (lambda gap: L(beta * gap - gamma))

        def losses(x):
            for i, label in enumerate(ranked):
                g, w, l = (x[3 * i + label["ranks"].index(rank)] for rank in range(3))
                yield link(score(w) - score(l)) + nll(g)

        return losses

    case({"name": "tpo", "beta": 0.05}, ranked, rows(9), triples(lambda s: s[LP], 0.05, 0.0))
    case({"name": "tpo", "beta": 2.0, "gamma": 0.5, "mean": True}, ranked, rows(9), triples(m, 2.0, 0.5))
    groups = [{"n_chosen": 2, "n_rejected": 1, "ratings": [3.0, 2.5, 1.0]},
              {"n_chosen": 1, "n_rejected": 3, "ratings": [4.0, 1.0, 0.0, 2.0]}]

    def group(score):
        def losses(x):
            start = 0
            for label in groups:
                n, y = label["n_chosen"] + label["n_rejected"], torch.tensor(label["ratings"])
                s = torch.exp(torch.stack([score(x[start + i], y[i] - y.mean()) for i in range(n)]))
                yield -torch.log(s[: label["n_chosen"]].sum() / s.sum())
                start += n

        return losses

    case({"name": "ampo"}, groups, rows(7), group(lambda s, y: m(s)))
    case({"name": "ampo", "rating-weight": 0.5, "beta": 0.2, "mean": False}, groups, rows(7),
         group(lambda s, y: 0.2 * s[LP] + 0.5 * y))
    pairs({"name": "sft"}, lambda w, l, _, i: nll(w))
    bco = lambda w, l: L(r(w) - 0.1) + L(-(r(l) - 0.1))
    pairs({"name": "mpo"}, lambda w, l, _, i: 0.8 * L(x(w, l)) + 0.2 * bco(w, l) + nll(w), [pair | {"threshold": 0.1}] * FOUR)
    pairs({"name": "mpo", "terms": "dpo:0.5,simpo:2", "of": {"simpo": {"gamma": 0.2}}},
          lambda w, l, _, i: 0.5 * L(x(w, l)) + 2 * L(2 * (m(w) - m(l)) - 0.2))
    # Cases that came later stand at the end, where they move no others.
    case({"name": "tpo", "beta": 0.05, "link": "hinge", "gamma": 0.3}, ranked, rows(9),
         triples(lambda s: s[LP], 0.05, 0.3, lambda gap: torch.clamp(1 - (0.05 * gap - 0.3), min=0)))
    case({"name": "tpo", "beta": 0.05, "link": "square", "mean": True}, ranked, rows(9),
         triples(m, 0.05, 0.0, lambda gap: (gap - 10) ** 2))
    case({"name": "tpo", "beta": 0.05, "label-smoothing": 0.2}, ranked, rows(9),
         triples(lambda s: s[LP], 0.05, 0.0, lambda gap: 0.8 * L(0.05 * gap) + 0.2 * L(-0.05 * gap)))
