"""Standard errors of agreement, of correlations, of slopes with errors that are clustered two ways, and of item parameters, by
statsmodels, irrCAC, SciPy and krippendorff; what they lack, by the jackknife or by numerical derivatives in NumPy.

Writes tests/fixtures/languages.json. Run (seconds):  python tests/reference/languages.py
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
import statsmodels.formula.api as smf  # noqa: E402
from scipy import stats  # noqa: E402
from statsmodels.stats.inter_rater import cohens_kappa  # noqa: E402


def jackknife(n, statistic):
    """Standard error from leaving out one unit at a time."""
    values = np.array([statistic(np.delete(np.arange(n), i)) for i in range(n)])
    return float(math.sqrt((n - 1) / n * ((values - values.mean()) ** 2).sum()))


def agreement():
    rng = np.random.default_rng(31)
    out = []
    for n, share, noise in [(60, 0.6, 0.3), (200, 0.8, 0.25), (400, 0.7, 0.1), (25, 0.5, 0.4)]:
        a = (rng.random(n) < share).astype(int)
        b = np.where(rng.random(n) < noise, (rng.random(n) < share).astype(int), a)
        table = np.zeros((2, 2))
        np.add.at(table, (a, b), 1)
        kappa = cohens_kappa(table)
        gwet = irrCAC.raw.CAC(pd.DataFrame({"a": a, "b": b}), categories=[0, 1], digits=15).gwet()["est"]
        alpha = jackknife(n, lambda kept: krippendorff.alpha(np.array([a[kept], b[kept]]), level_of_measurement="nominal"))
        out.append({"n": n, "table": table.ravel().tolist(), "raw": float((a == b).std(ddof=1) / math.sqrt(n)),
                    # Fleiss, Cohen and Everitt divide by n.
                    "kappa": float(math.sqrt(kappa.var_kappa * n / (n - 1))), "ac1": float(gwet["se"]), "alpha_jackknife": alpha})
    return out


def correlations():
    rng = np.random.default_rng(32)
    out = []
    for n, slope, heavy in [(40, 0.8, False), (150, 0.5, False), (150, 1.5, True)]:
        x = rng.standard_t(4, n) if heavy else rng.normal(size=n)
        y = slope * x + rng.normal(size=n)
        found = stats.pearsonr(x, y)
        interval = found.confidence_interval(0.95)
        error = jackknife(n, lambda kept: stats.pearsonr(x[kept], y[kept]).statistic)
        out.append({"pairs": np.column_stack([x, y]).tolist(), "r": float(found.statistic), "low": float(interval.low),
                    "high": float(interval.high), "error_jackknife": error})
    return out


def slopes():
    """Languages × source items with an effect of each, some pairs absent."""
    rng = np.random.default_rng(33)
    out = []
    for languages, items, beta in [(8, 60, 0.05), (22, 100, 0.1), (6, 30, 0.0)]:
        x_of = rng.uniform(0, 2, languages)
        of_language, of_item = 0.05 * rng.normal(size=languages), 0.3 * rng.normal(size=items)
        rows = [(x_of[l], beta * x_of[l] + of_language[l] + of_item[i] + 0.4 * rng.normal(), l, i)
                for l in range(languages) for i in range(items) if rng.random() < 0.9]
        data = np.array(rows)
        groups = data[:, 2:].astype(int)
        fit = sm.OLS(data[:, 1], sm.add_constant(data[:, 0])).fit(cov_type="cluster", cov_kwds={"groups": groups})
        out.append({"rows": [[float(x), float(y), int(l), int(i)] for x, y, l, i in rows], "slope": float(fit.params[1]),
                    "error": float(fit.bse[1])})
    return out


def items():
    """Errors of (ln a, b) from the Hessian of the expected log posterior, by central differences."""
    rng = np.random.default_rng(34)
    out = []
    for persons, a, b in [(30, 1.0, 0.0), (80, 1.7, -0.8), (12, 0.6, 1.5)]:
        theta = rng.normal(size=persons)
        expected = 1 / (1 + np.exp(-a * (theta - b)))

        def value(point):
            z = math.exp(point[0]) * (theta - point[1])
            likelihood = -(expected * np.logaddexp(0, -z) + (1 - expected) * np.logaddexp(0, z)).sum()
            return likelihood - point[0] ** 2 / (2 * 0.25) - point[1] ** 2 / (2 * 4.0)

        at, h = np.array([math.log(a), b]), 1e-4
        unit = np.eye(2) * h
        hessian = np.array([[(value(at + unit[i] + unit[j]) - value(at + unit[i] - unit[j]) - value(at - unit[i] + unit[j])
                              + value(at - unit[i] - unit[j])) / (4 * h * h) for j in range(2)] for i in range(2)])
        ln_a, difficulty = np.sqrt(np.diag(np.linalg.inv(-hessian)))
        out.append({"theta": theta.tolist(), "a": a, "b": b, "ln_discrimination": float(ln_a), "difficulty": float(difficulty),
                    "information": float((a * a * expected * (1 - expected)).mean())})
    return out


def components():
    """Sums of squares by statsmodels' anova_lm of the additive model; components from their expectations."""
    rng = np.random.default_rng(35)
    out = []
    for runs, languages, n in [(4, 3, 40), (3, 6, 30)]:
        level = (1.2 * rng.normal(size=n)[:, None, None] + 0.4 * rng.normal(size=languages)[:, None]
                 + 0.6 * rng.normal(size=runs) + rng.normal(size=(n, languages, runs)))
        right = (level > -0.3).astype(int)
        rows = [(right[i, l, r], i, l, r) for i in range(n) for l in range(languages) for r in range(runs)]
        data = pd.DataFrame(rows, columns=["right", "item", "lang", "run"])
        table = sm.stats.anova_lm(smf.ols("right ~ C(item) + C(lang) + C(run)", data).fit())
        mean = table["mean_sq"]
        per = {"item": languages * runs, "lang": n * runs, "run": n * languages}
        found = [max(0.0, float(mean[f"C({name})"] - mean["Residual"]) / size) for name, size in per.items()]
        found.append(float(mean["Residual"]))
        out.append({"runs": runs, "languages": languages, "right": right.ravel().tolist(),
                    "shares": [value / sum(found) for value in found]})
    return out


if __name__ == "__main__":
    warnings.simplefilter("ignore", FutureWarning)
    write_json(FIXTURES / "languages.json", {
        "meta": {"versions": versions("scipy", "statsmodels", "krippendorff", "irrCAC", "pandas"),
                 "script": "tests/reference/languages.py"},
        "agreement": agreement(), "correlations": correlations(), "slopes": slopes(), "items": items(),
        "components": components(),
    })
