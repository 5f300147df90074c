"""Statistics as scipy and scikit-learn compute them.

Writes tests/fixtures/stats.json. Run (seconds):  python tests/reference/scipy_stats.py
"""

import json
import math
import warnings

from fixture_files import FIXTURES, one_thread, versions, write_json

one_thread()

import numpy as np  # noqa: E402
from scipy import stats  # noqa: E402
from sklearn.metrics import cohen_kappa_score  # noqa: E402


def own_wilson(successes, n, z):
    p = successes / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return centre - half, centre + half


def wilson():
    out = []
    for level in (0.90, 0.95, 0.99):
        z = stats.norm.ppf(0.5 + level / 2)
        for successes, n in [(0, 1), (1, 1), (0, 10), (10, 10), (1, 2), (7, 10), (50, 100), (523, 1000), (999, 1000),
                             (3300, 6623), (1, 100000)]:
            interval = stats.binomtest(successes, n).proportion_ci(confidence_level=level, method="wilson")
            low, high = own_wilson(successes, n, z)
            assert abs(interval.low - max(low, 0.0)) < 1e-12 and abs(interval.high - min(high, 1.0)) < 1e-12
            out.append({"successes": successes, "n": n, "level": level, "z": z,
                        "low": float(interval.low), "high": float(interval.high)})
    return out


def number(value):
    """JSON has no NaN: undefined is null."""
    value = float(value)
    return value if math.isfinite(value) else None


def kappa():
    rng = np.random.default_rng(3)
    a = rng.integers(0, 3, 60)
    noisy = np.where(rng.random(60) < 0.3, rng.integers(0, 3, 60), a)
    cases = [
        ("agreement", [0, 1, 2, 0, 1, 2], [0, 1, 2, 0, 1, 2]),
        ("opposite", [0, 0, 1, 1], [1, 1, 0, 0]),
        ("below_chance", [0, 1, 2, 0, 1, 2], [1, 2, 0, 2, 0, 1]),
        ("worked", [0, 0, 1, 1, 2, 2, 2, 0], [0, 1, 1, 1, 2, 0, 2, 0]),
        ("noisy", a.tolist(), noisy.tolist()),
        ("two_of_three_labels", [0, 0, 1, 1, 0, 1], [0, 1, 1, 1, 0, 0]),
        ("one_rater_constant", [0, 1, 2, 1], [1, 1, 1, 1]),
        ("both_constant_same", [2, 2, 2], [2, 2, 2]),
        ("both_constant_different", [0, 0, 0], [1, 1, 1]),
        ("single_item", [1], [1]),
        ("single_item_disagree", [0], [2]),
    ]
    out = []
    for name, first, second in cases:
        scores = {}
        for weights in (None, "linear", "quadratic"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                scores[weights or "unweighted"] = number(
                    cohen_kappa_score(first, second, labels=[0, 1, 2], weights=weights))
        out.append({"name": name, "a": first, "b": second, "labels": [0, 1, 2], **scores})
    return out


def correlations():
    rng = np.random.default_rng(11)
    x = rng.normal(size=30)
    cases = [
        ("line", [1, 2, 3, 4, 5], [2, 4, 6, 8, 10]),
        ("falling", [1, 2, 3, 4, 5], [5, 4, 3, 2, 1]),
        ("swap", [1, 2, 3, 4, 5], [1, 3, 2, 4, 5]),
        ("ties_in_x", [1, 1, 2, 2, 3, 3], [1, 2, 3, 4, 5, 6]),
        ("ties_in_both", [1, 1, 2, 2, 3, 3, 3], [2, 2, 2, 1, 5, 5, 4]),
        ("monotone_not_linear", [1, 2, 3, 4, 5, 6], [1, 8, 27, 64, 125, 216]),
        ("two_points", [1, 2], [4, 3]),
        ("constant_y", [1, 2, 3, 4], [7, 7, 7, 7]),
        ("one_point", [1], [1]),
        ("noise", x.tolist(), (0.6 * x + rng.normal(size=30)).tolist()),
        ("many_ties", rng.integers(0, 4, 40).tolist(), rng.integers(0, 3, 40).tolist()),
        ("large_offset", (x + 1e6).tolist(), (0.5 * x - 1e6 + rng.normal(size=30)).tolist()),
    ]
    out = []
    for name, a, b in cases:
        entry = {"name": name, "x": [float(v) for v in a], "y": [float(v) for v in b]}
        for kind, function in (("pearson", stats.pearsonr), ("spearman", stats.spearmanr), ("kendall_b", stats.kendalltau)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    result = function(a, b)
                    entry[kind], entry[f"{kind}_p"] = number(result.statistic), number(result.pvalue)
                except ValueError:
                    entry[kind], entry[f"{kind}_p"] = None, None
        entry["kendall_c"] = number(stats.kendalltau(a, b, variant="c").statistic) if len(a) > 1 else None
        entry["ranks_x"] = stats.rankdata(a).tolist()
        out.append(entry)
    return out


def mcnemar():
    out = []
    for b, c in [(0, 0), (1, 0), (0, 1), (5, 5), (6, 4), (10, 2), (2, 10), (0, 20), (37, 21), (500, 430), (1200, 1100)]:
        p = float(stats.binomtest(b, b + c, 0.5).pvalue) if b + c else 1.0
        if b + c:  # the two-sided exact test is twice the smaller tail
            assert abs(p - min(1.0, 2 * stats.binom.cdf(min(b, c), b + c, 0.5))) < 1e-12
        out.append({"only_first_right": b, "only_second_right": c, "p": p,
                    "midp": p - float(stats.binom.pmf(min(b, c), b + c, 0.5)) if b != c else None})
    return out


def quantiles():
    """numpy's default (linear) quantiles, as used for percentile bootstrap intervals."""
    rng = np.random.default_rng(5)
    out = []
    for values in ([3.0], [1.0, 2.0], [4.0, 1.0, 3.0, 2.0], rng.normal(size=25).tolist()):
        levels = [0.0, 0.025, 0.05, 0.25, 0.5, 0.75, 0.95, 0.975, 1.0]
        out.append({"values": values, "levels": levels, "quantiles": np.quantile(values, levels).tolist()})
    return out


if __name__ == "__main__":
    write_json(FIXTURES / "stats.json", {
        "meta": {"versions": versions("scipy", "scikit-learn"), "script": "tests/reference/scipy_stats.py",
                 "null": "undefined (NaN or refused by the library)"},
        "wilson": wilson(), "cohen_kappa": kappa(), "correlation": correlations(), "mcnemar_exact": mcnemar(),
        "quantile_linear": quantiles(),
        "normal_quantile": [{"p": p, "z": float(stats.norm.ppf(p))} for p in (0.5, 0.9, 0.95, 0.975, 0.995, 0.9995, 0.025)],
    })
    loaded = json.loads((FIXTURES / "stats.json").read_text())
    print({key: len(value) for key, value in loaded.items()})
