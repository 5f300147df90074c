"""Agreement, clustering, correlations, permutation tests, calibration, selective accuracy and logistic fits by
scikit-learn, SciPy, statsmodels, krippendorff and irrCAC; what they lack, by its formula in NumPy.

Writes tests/fixtures/analyses.json. Run (seconds):  python tests/reference/analyses.py
"""

import math
import warnings

from fixture_files import FIXTURES, one_thread, versions, write_json

one_thread()

import irrCAC.raw  # noqa: E402
import krippendorff  # noqa: E402
import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import statsmodels.api as sm  # noqa: E402
from scipy import optimize, stats  # noqa: E402
from scipy.cluster.hierarchy import leaves_list, linkage  # noqa: E402
from scipy.spatial.distance import squareform  # noqa: E402
from sklearn.calibration import calibration_curve  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.metrics import brier_score_loss, cohen_kappa_score, log_loss  # noqa: E402


def number(value):
    return float(value) if math.isfinite(float(value)) else None


def agreement():
    rng = np.random.default_rng(2)
    out = []
    for k, n, noise in [(2, 30, 0.2), (2, 200, 0.4), (3, 60, 0.3), (2, 50, 0.05), (3, 15, 0.9)]:
        a = (rng.random(n) < 0.8).astype(int) if k == 2 else rng.integers(0, k, n)
        b = np.where(rng.random(n) < noise, rng.integers(0, k, n), a)
        table = np.zeros((k, k))
        np.add.at(table, (a, b), 1)
        cac = irrCAC.raw.CAC(pd.DataFrame({"a": a, "b": b}), categories=list(range(k)), digits=15)
        gwet = cac.gwet()["est"]["coefficient_value"]
        bp = cac.bp()["est"]["coefficient_value"]  # Brennan-Prediger is PABAK for two raters
        raw = float((a == b).mean())
        assert abs(bp - (k * raw - 1) / (k - 1)) < 1e-9
        out.append({"labels": k, "table": table.ravel().tolist(), "raw": raw,
                    "kappa": number(cohen_kappa_score(a, b, labels=list(range(k)))), "pabak": float(bp), "ac1": float(gwet),
                    "alpha": float(krippendorff.alpha(np.array([a, b]), level_of_measurement="nominal",
                                                      value_domain=list(range(k))))})
    return out


def alpha_of_many():
    rng = np.random.default_rng(4)
    out = []
    for raters, units, k, missing in [(5, 40, 2, 0.0), (8, 60, 2, 0.4), (4, 30, 3, 0.3)]:
        truth = rng.integers(0, k, units)
        labels = np.where(rng.random((raters, units)) < 0.3, rng.integers(0, k, (raters, units)), truth).astype(float)
        labels[rng.random((raters, units)) < missing] = np.nan
        counts = [[int((labels[:, u] == v).sum()) for v in range(k)] for u in range(units)]
        out.append({"labels": k, "counts": counts,
                    "alpha": float(krippendorff.alpha(labels, level_of_measurement="nominal"))})
    return out


def trees():
    rng = np.random.default_rng(6)
    out = []
    for n in (2, 3, 5, 12, 40):
        points = rng.normal(size=(n, 3))
        d = np.linalg.norm(points[:, None] - points[None], axis=-1)
        d = (d + d.T) / 2
        np.fill_diagonal(d, 0)
        z = linkage(squareform(d, checks=False), "average")
        out.append({"n": n, "distances": d.ravel().tolist(), "merges": z.ravel().tolist(),
                    "leaves": leaves_list(z).tolist()})
    return out


def permutations():
    rng = np.random.default_rng(8)
    out = []
    for groups in ([0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 2, 2, 2], [0, 1, 1, 1, 1]):
        values = rng.normal(size=len(groups)) + 0.8 * np.array(groups)

        def eta(labels):
            total = ((values - values.mean()) ** 2).sum()
            parts = [values[labels == g] for g in np.unique(labels)]
            return sum(len(p) * (p.mean() - values.mean()) ** 2 for p in parts) / total

        def statistic(labels):
            return eta(np.asarray(labels))

        # SciPy's "pairings" test permutes the labels against the values; exact over all n! orders.
        test = stats.permutation_test((np.array(groups),), statistic, permutation_type="pairings", n_resamples=np.inf,
                                      alternative="greater", vectorized=False)
        f = stats.f_oneway(*[values[np.array(groups) == g] for g in sorted(set(groups))]).statistic
        k, n = len(set(groups)), len(groups)
        assert abs(eta(np.array(groups)) - f * (k - 1) / (f * (k - 1) + n - k)) < 1e-12
        out.append({"values": values.tolist(), "groups": groups, "eta_squared": float(eta(np.array(groups))),
                    "p": float(test.pvalue)})
    return out


def calibration():
    rng = np.random.default_rng(10)
    out = []
    for n, scale, slope in [(300, 1.0, 1.0), (500, 3.0, 0.3), (60, 0.4, 2.0), (400, 20.0, 0.05)]:
        quality = rng.normal(size=n) * scale
        wins = rng.random(n) < 1 / (1 + np.exp(-slope * quality))
        margin = np.where(wins, quality, -quality)  # chosen minus rejected
        p = 1 / (1 + np.exp(-np.concatenate([margin, -margin])))
        y = np.concatenate([np.ones(n), np.zeros(n)])
        case = {"margins": margin.tolist()}
        for bins in (5, 10, 20):
            at = np.clip(np.ceil(p * bins).astype(int), 1, bins) - 1
            gaps, ece, debiased, rel, res = [], 0.0, 0.0, 0.0, 0.0
            for b in range(bins):
                here = at == b
                if not here.any():
                    continue
                m, conf, freq = here.sum(), p[here].mean(), y[here].mean()
                gaps.append(abs(conf - freq))
                ece += abs(p[here].sum() - y[here].sum()) / len(p)
                debiased += m / len(p) * ((conf - freq) ** 2 - (freq * (1 - freq) / (m - 1) if m > 1 else 0))
                rel += m / len(p) * (conf - freq) ** 2
                res += m / len(p) * (freq - y.mean()) ** 2
            freq, conf = calibration_curve(y, p, n_bins=bins, strategy="uniform")
            # scikit-learn closes left edges; no p lies on an edge here, so both agree.
            assert np.allclose(sorted(gaps), sorted(np.abs(freq - conf)), atol=1e-12)
            case[f"bins_{bins}"] = {"ece": ece, "ace": float(np.mean(gaps)), "mce": float(max(gaps)),
                                    "debiased": math.sqrt(max(debiased, 0.0)), "reliability": rel, "resolution": res}
        case["brier"] = float(brier_score_loss(y, p))
        case["log_loss"] = float(np.logaddexp(0, -margin).mean())
        # scikit-learn clips p where it rounds to 1, so large margins are only compared with the formula.
        assert np.abs(margin).max() > 30 or abs(case["log_loss"] - log_loss(y, p)) < 1e-12
        fit = sm.Logit(y, np.concatenate([margin, -margin])[:, None]).fit(disp=0, tol=1e-14, maxiter=200)
        direct = optimize.minimize_scalar(lambda a: np.logaddexp(0, -a * margin).sum(), bracket=(0, slope), tol=1e-14)
        assert abs(direct.x - fit.params[0]) < 1e-6 * max(1, abs(direct.x)), (direct.x, fit.params[0])
        case["slope"] = float(fit.params[0])
        out.append(case)
    return out


def selective():
    rng = np.random.default_rng(12)
    out = []
    for n, ties in [(20, False), (101, False), (40, True)]:
        confidence = rng.integers(0, 8, n).astype(float) if ties else rng.random(n)
        right = (rng.random(n) < 0.5 + 0.05 * confidence).astype(float)
        # Equals in confidence share the mean of their group.
        expected = pd.Series(right).groupby(confidence).transform("mean").to_numpy()
        order = np.argsort(-confidence, kind="stable")
        cumulative = np.cumsum(expected[order]) / np.arange(1, n + 1)
        out.append({"confidence": confidence.tolist(), "right": right.tolist(), "aurc": float(np.mean(1 - cumulative)),
                    "coverages": [0.5, 0.8, 1.0],
                    "accuracy": [float(np.interp(c * n, np.arange(0, n + 1), np.concatenate([[0], np.cumsum(expected[order])])) / (c * n))
                                 for c in (0.5, 0.8, 1.0)]})
    return out


def logistic():
    rng = np.random.default_rng(14)
    out = []
    for n, k in [(80, 2), (200, 3)]:
        x = np.column_stack([np.ones(n), rng.normal(size=(n, k - 1))])
        y = (rng.random(n) < 1 / (1 + np.exp(-(0.4 + x[:, 1])))).astype(float)
        fit = sm.Logit(y, x).fit(disp=0, tol=1e-14, maxiter=200)
        ridge = optimize.minimize(lambda b: np.logaddexp(0, x @ b).sum() - y @ (x @ b) + 0.7 / 2 * b @ b, np.zeros(k),
                                  jac=lambda b: x.T @ (1 / (1 + np.exp(-x @ b)) - y) + 0.7 * b, method="BFGS",
                                  options={"gtol": 1e-10})
        out.append({"x": x.ravel().tolist(), "width": k, "y": y.tolist(), "coefficients": fit.params.tolist(),
                    "ridge": 0.7, "ridge_coefficients": ridge.x.tolist()})
    return out


def lasso():
    rng = np.random.default_rng(16)
    n, k = 150, 8
    x = rng.normal(size=(n, k))
    y = (rng.random(n) < 1 / (1 + np.exp(-(1.2 * x[:, 0] - 0.8 * x[:, 1])))).astype(float)
    out = {"x": x.ravel().tolist(), "width": k, "y": y.tolist(), "fits": []}
    for penalty in (1.0, 5.0, 10.0):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = LogisticRegression(penalty="l1", C=1 / penalty, fit_intercept=False, solver="liblinear", tol=1e-12,
                                       max_iter=100000).fit(x, y)
        out["fits"].append({"penalty": penalty, "coefficients": model.coef_[0].tolist()})
    return out


def rank_correlations():
    rng = np.random.default_rng(18)
    out = []
    for n, ties in [(2, False), (10, False), (40, True)]:
        x = rng.integers(0, 5, n).astype(float) if ties else rng.normal(size=n)
        y = x + rng.normal(size=n)
        out.append({"x": x.tolist(), "y": y.tolist(), "pearson": number(stats.pearsonr(x, y).statistic),
                    "spearman": number(stats.spearmanr(x, y).statistic), "kendall": number(stats.kendalltau(x, y).statistic)})
    return out


def item_response():
    """Joint posterior mode of the 2PL by SciPy's L-BFGS, from the objective written out."""
    rng = np.random.default_rng(20)
    persons, items = 25, 15
    theta, b, a = rng.normal(size=persons), rng.normal(size=items) * 1.2, np.exp(0.3 * rng.normal(size=items))
    p = 1 / (1 + np.exp(-a * (theta[:, None] - b)))
    right = rng.random((persons, items)) < p
    seen = rng.random((persons, items)) < 0.85
    sign = np.where(right, 1.0, -1.0)

    def negative(x):
        theta, b, ln_a = x[:persons], x[persons:persons + items], x[persons + items:]
        z = sign * np.exp(ln_a) * (theta[:, None] - b)
        return (np.logaddexp(0, -z) * seen).sum() + (theta**2).sum() / 2 + (b**2).sum() / 8 + (ln_a**2).sum() / 0.5

    found = optimize.minimize(negative, np.zeros(persons + 2 * items), method="L-BFGS-B",
                              options={"ftol": 1e-15, "gtol": 1e-9, "maxfun": 10**7, "maxiter": 10**5})
    answers = [[int(i), int(j), int(right[i, j])] for i, j in np.argwhere(seen)]
    own = [[float(found.x[i]), int(right[i, 0])] for i in range(persons) if seen[i, 0]]
    a0, b0 = math.exp(found.x[persons + items]), found.x[persons]

    def shifted(d):
        return sum(np.logaddexp(0, -(1 if y else -1) * a0 * (t - b0 - d)) for t, y in own) + d * d / 2

    d = optimize.minimize_scalar(shifted, bracket=(-1, 1), tol=1e-12).x
    curvature = 1 + sum(a0**2 * q * (1 - q) for q in (1 / (1 + math.exp(-a0 * (t - b0 - d))) for t, _ in own))
    return {"persons": persons, "items": items, "answers": answers, "objective": -float(found.fun),
            "ability": found.x[:persons].tolist(), "difficulty": found.x[persons:persons + items].tolist(),
            "discrimination": np.exp(found.x[persons + items:]).tolist(),
            "shift": {"a": a0, "b": float(b0), "answers": own, "shift": float(d), "error": float(curvature**-0.5)}}


if __name__ == "__main__":
    write_json(FIXTURES / "analyses.json", {
        "meta": {"versions": versions("scipy", "scikit-learn", "statsmodels", "krippendorff", "irrCAC", "pandas"),
                 "script": "tests/reference/analyses.py"},
        "agreement": agreement(), "alpha_of_many": alpha_of_many(), "trees": trees(), "permutations": permutations(),
        "calibration": calibration(), "selective": selective(), "logistic": logistic(), "lasso": lasso(),
        "correlations": rank_correlations(), "item_response": item_response(),
    })
