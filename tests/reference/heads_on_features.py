"""Heads fitted to features, by scikit-learn, SciPy and the formulas written out.

Run:  python tests/reference/heads_on_features.py
Writes tests/fixtures/heads_on_features.json:
 pairs  feature vectors of 160 pairs
 cpm    StandardScaler over both sides, LogisticRegression without intercept for both penalties and three C
 pal    margins and losses of model A for given prototypes, mixtures and projection
 user   the vector of a further user, by scipy.optimize.minimize
 orchestrator  the optimum by scipy.optimize.minimize
 power  a law a N^-b + c fitted to noisy losses by scipy.optimize.least_squares
"""

import numpy as np
from scipy.optimize import least_squares, minimize
from scipy.special import expit, log_softmax, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from fixture_files import FIXTURES, versions, write_json


def softplus(x):
    return np.logaddexp(0.0, x)


def cpm(chosen, rejected):
    scaler = StandardScaler().fit(np.concatenate([chosen, rejected]))
    differences = scaler.transform(chosen) - scaler.transform(rejected)
    # scikit-learn wants two classes: every other pair the other way round, which is the same without intercept.
    sign = np.where(np.arange(len(differences)) % 2 == 0, 1.0, -1.0)
    found = []
    for penalty in ("l2", "l1"):
        for c in (0.01, 0.5, 20.0):
            model = LogisticRegression(penalty=penalty, C=c, fit_intercept=False, tol=1e-12, max_iter=100000,
                                       solver="newton-cg" if penalty == "l2" else "liblinear")
            model.fit(differences * sign[:, None], sign > 0)
            found.append({"penalty": penalty, "c": c, "weights": model.coef_[0].tolist()})
    return {"mean": scaler.mean_.tolist(), "deviation": scaler.scale_.tolist(), "fits": found}


def pal(rng, chosen, rejected):
    n, d, width, k = 12, chosen.shape[1], 3, 2
    projection, prototypes = rng.normal(size=(width, d)), rng.normal(size=(k, width))
    mixtures, scale = rng.normal(size=(n, k)), 1.3
    ideal = softmax(mixtures, axis=1) @ prototypes
    c, r = chosen[:n] @ projection.T, rejected[:n] @ projection.T
    distance = np.linalg.norm(r - ideal, axis=1) - np.linalg.norm(c - ideal, axis=1)

    def cosine(x):
        return np.sum(x * ideal, axis=1) / np.linalg.norm(x, axis=1) / np.linalg.norm(ideal, axis=1)

    similarity = np.exp(min(scale, np.log(100))) * (cosine(c) - cosine(r))
    return {"projection": projection.tolist(), "prototypes": prototypes.tolist(), "mixtures": mixtures.tolist(),
            "scale": scale, "distance": distance.tolist(), "cosine": similarity.tolist(),
            "logistic": softplus(-distance).tolist(), "hinge": np.maximum(0, 1 - distance).tolist()}


def user(rng):
    offsets, seen, ridge = rng.normal(size=25), rng.normal(size=(25, 4)), 0.7
    cost = lambda u: softplus(-(offsets + seen @ u)).sum() + ridge / 2 * u @ u  # noqa: E731
    gradient = lambda u: -(expit(-(offsets + seen @ u))[:, None] * seen).sum(0) + ridge * u  # noqa: E731
    best = minimize(cost, np.zeros(4), jac=gradient, method="BFGS", options={"gtol": 1e-12, "maxiter": 10000})
    return {"offsets": offsets.tolist(), "seen": seen.tolist(), "ridge": ridge, "vector": best.x.tolist()}


def orchestrator(rng):
    n, k, d, ridge = 60, 3, 2, 0.05
    prompts, chosen = rng.normal(size=(n, d)), rng.normal(size=(n, k))
    target = softmax(chosen, axis=1)

    def unpack(x):
        return x[: k * d].reshape(k, d), x[k * d:]

    def cost(x):
        g, b = unpack(x)
        return -(target * log_softmax(prompts @ g.T + b, axis=1)).sum(1).mean() + ridge / 2 * (g**2).sum()

    best = minimize(cost, np.zeros(k * d + k), method="BFGS", options={"gtol": 1e-10, "maxiter": 100000})
    g, b = unpack(best.x)
    shares = softmax(prompts @ g.T + b, axis=1)
    return {"prompts": prompts.tolist(), "chosen": chosen.tolist(), "ridge": ridge, "shares": shares.tolist(),
            "loss": float(-(target * np.log(shares)).sum(1).mean())}


def power(rng):
    n = np.array([500, 1000, 2000, 4000, 8000, 16000, 64000], float)
    loss = (9.0 * n**-0.3 + 0.35) * np.exp(0.01 * rng.normal(size=len(n)))
    start = [np.log(5.0), 0.4, 0.3]

    def residuals(x):
        return (np.exp(x[0]) * n ** -x[1] + x[2]) / loss - 1

    best = least_squares(residuals, start, xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=100000)
    return {"n": n.tolist(), "loss": loss.tolist(), "a": float(np.exp(best.x[0])), "b": float(best.x[1]),
            "c": float(best.x[2])}


if __name__ == "__main__":
    rng = np.random.default_rng(23)
    chosen, rejected = rng.normal(size=(160, 5)) * [1, 4, 0.2, 9, 1] + [0, 3, 0, 50, 1], rng.normal(size=(160, 5))
    rejected = rejected * [1, 4, 0.2, 9, 1] + [-0.4, 3.5, 0, 49, 1]
    write_json(FIXTURES / "heads_on_features.json", {
        "versions": versions("scipy", "scikit-learn"), "chosen": chosen.tolist(), "rejected": rejected.tolist(),
        "cpm": cpm(chosen, rejected), "pal": pal(rng, chosen, rejected), "user": user(rng),
        "orchestrator": orchestrator(rng), "power": power(rng)})
