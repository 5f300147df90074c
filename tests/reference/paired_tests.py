"""Paired tests and adjusted p as statsmodels and scipy compute them.

Writes tests/fixtures/paired_tests.json. Run (seconds):  python tests/reference/paired_tests.py
"""

import json
import platform
from importlib.metadata import version

import numpy as np
from fixture_files import FIXTURES, write_json
from scipy import stats
from statsmodels.stats.contingency_tables import SquareTable, cochrans_q
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.inter_rater import cohens_kappa
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint


def mcnemar():
    out = []
    for b, c in [(1, 0), (5, 5), (6, 4), (10, 2), (2, 10), (0, 20), (37, 21), (500, 430), (1200, 1100)]:
        found = statsmodels_mcnemar([[7, b], [c, 9]], exact=True)
        out.append({"b": b, "c": c, "p": float(found.pvalue),
                    # mid-p: the observed table counts half on both sides
                    "mid_p": float(2 * (stats.binom.cdf(min(b, c), b + c, 0.5) - 0.5 * stats.binom.pmf(min(b, c), b + c, 0.5)))})
    return out


def wilson():
    out = []
    for k, n, level in [(0, 10, 0.95), (7, 10, 0.9), (523, 1000, 0.95), (2868, 2869, 0.99)]:
        low, high = proportion_confint(k, n, alpha=1 - level, method="wilson")
        out.append({"successes": k, "n": n, "level": level, "low": max(float(low), 0.0), "high": min(float(high), 1.0)})
    return out


def cochran():
    rng = np.random.default_rng(17)
    out = []
    for n, k in [(12, 3), (60, 5), (300, 23)]:
        difficulty = rng.normal(size=(n, 1))
        right = (difficulty + 0.8 * rng.normal(size=(n, k)) + np.linspace(0.6, -0.1, k) > 0).astype(int)
        found = cochrans_q(right)
        by_item = np.bincount(right.sum(axis=1), minlength=k + 1)
        out.append({"right": right.sum(axis=0).tolist(), "by_item": by_item.tolist(),
                    "statistic": float(found.statistic), "df": int(found.df), "p": float(found.pvalue)})
    return out


def stuart_maxwell():
    tables = [
        [[20, 10, 5], [3, 30, 15], [0, 5, 40]],
        [[821, 62, 9], [47, 402, 4], [3, 8, 2]],
        [[11, 4, 0, 2], [6, 9, 3, 1], [2, 7, 14, 5], [1, 0, 2, 8]],
        [[40, 13], [5, 22]],
    ]
    out = []
    for table in tables:
        found = SquareTable(np.array(table, dtype=float), shift_zeros=False).homogeneity(method="stuart_maxwell")
        out.append({"table": np.array(table).ravel().tolist(), "k": len(table),
                    "statistic": float(found.statistic), "df": int(found.df), "p": float(found.pvalue)})
    return out


def kappa():
    rng = np.random.default_rng(4)
    tables = [rng.integers(1, 60, size=(k, k)) + np.diag(rng.integers(20, 200, size=k)) for k in (2, 3, 3, 5)]
    return [{"table": t.ravel().tolist(), "k": len(t), "kappa": float(cohens_kappa(t).kappa)} for t in tables]


def adjusted():
    rng = np.random.default_rng(8)
    cases = [[0.01, 0.04, 0.03, 0.005], [0.5], [0.02, 0.02, 0.02], rng.uniform(size=30).tolist(),
             (rng.uniform(size=300) ** 3).tolist()]
    return [{"p": p, "holm": multipletests(p, method="holm")[1].tolist(),
             "bh": multipletests(p, method="fdr_bh")[1].tolist()} for p in cases]


def tails():
    chi2 = [{"x": x, "df": df, "p": float(stats.chi2.sf(x, df))}
            for df in (1, 2, 3, 8, 22, 300) for x in (0.01, 0.7, 3.84, 21.5, 95.0, 310.0)]
    student = [{"df": df, "level": q, "t": float(stats.t.ppf(q, df))}
               for df in (1, 2.5, 7, 21.7, 199, 2868) for q in (0.6, 0.95, 0.975, 0.9995)]
    return chi2, student


if __name__ == "__main__":
    chi2, student = tails()
    write_json(FIXTURES / "paired_tests.json", {
        "meta": {"versions": {"python": platform.python_version(),
                              **{name: version(name) for name in ("numpy", "scipy", "statsmodels")}},
                 "script": "tests/reference/paired_tests.py"},
        "mcnemar": mcnemar(), "wilson": wilson(), "cochran": cochran(), "stuart_maxwell": stuart_maxwell(),
        "kappa": kappa(), "adjusted": adjusted(), "chi2": chi2, "student": student,
    })
    loaded = json.loads((FIXTURES / "paired_tests.json").read_text())
    print({key: len(value) for key, value in loaded.items()})
