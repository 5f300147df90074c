"""What the analyses of votes, properties and hidden states stand on: weighted rank correlation (SciPy), weighted L1
logistic regression, Ledoit-Wolf covariance with Mahalanobis distances, ROC areas (scikit-learn).

Writes tests/fixtures/people.json. Run (seconds):  python tests/reference/people.py
"""

import warnings

from fixture_files import FIXTURES, one_thread, versions, write_json

one_thread()

import numpy as np  # noqa: E402
from scipy import stats  # noqa: E402
from sklearn.covariance import LedoitWolf  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.metrics import roc_auc_score  # noqa: E402


def spearman():
    rng = np.random.default_rng(31)
    out = []
    for n, ties in [(12, False), (60, True)]:
        x = rng.integers(0, 6, n).astype(float) if ties else rng.normal(size=n)
        y = np.round(x + rng.normal(size=n), 0 if ties else 6)
        weights = rng.integers(0, 4, n)
        rho = stats.spearmanr(np.repeat(x, weights), np.repeat(y, weights)).statistic
        out.append({"x": x.tolist(), "y": y.tolist(), "weights": weights.tolist(), "rho": float(rho)})
    return out


def lasso():
    rng = np.random.default_rng(32)
    out = []
    for n, k, penalty in [(200, 6, 10.0), (120, 4, 2.0), (80, 8, 25.0)]:
        x = rng.normal(size=(n, k)) * rng.uniform(0.3, 3, k)
        y = (rng.random(n) < 1 / (1 + np.exp(-(1.1 * x[:, 0] - 0.7 * x[:, 1])))).astype(float)
        weights = rng.integers(0, 3, n).astype(float)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = LogisticRegression(penalty="l1", C=1 / penalty, fit_intercept=False, solver="liblinear", tol=1e-13,
                                       max_iter=200000).fit(x, y, sample_weight=weights)
        out.append({"width": k, "x": x.ravel().tolist(), "y": y.tolist(), "weights": weights.tolist(),
                    "penalty": penalty, "coefficients": model.coef_[0].tolist()})
    return out


def mahalanobis():
    rng = np.random.default_rng(33)
    out = []
    for n, d in [(60, 4), (25, 40), (200, 12)]:
        mix = rng.normal(size=(d, d))
        points = rng.normal(size=(n, d)) @ mix + rng.normal(size=d)
        others = rng.normal(size=(7, d)) @ mix * 1.5
        fit = LedoitWolf().fit(points)
        out.append({"points": points.tolist(), "others": others.tolist(), "shrinkage": float(fit.shrinkage_),
                    "distances": fit.mahalanobis(others).tolist()})
    return out


def areas():
    rng = np.random.default_rng(34)
    out = []
    for n, ties in [(40, False), (90, True)]:
        positive = rng.random(n) < 0.4
        score = rng.integers(0, 5, n).astype(float) if ties else rng.normal(size=n) + positive
        weights = rng.integers(0, 4, n).astype(float)
        out.append({"score": score.tolist(), "positive": positive.astype(int).tolist(), "weights": weights.tolist(),
                    "area": float(roc_auc_score(positive, score, sample_weight=weights))})
    return out


if __name__ == "__main__":
    write_json(FIXTURES / "people.json", {
        "meta": {"versions": versions("scipy", "scikit-learn"), "script": "tests/reference/people.py"},
        "spearman": spearman(), "lasso": lasso(), "mahalanobis": mahalanobis(), "areas": areas(),
    })
