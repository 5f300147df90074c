"""Vectors of real pairs as tables and files, and runs of methods on them: settings are chosen on pairs kept for that, and what
is reported is measured on others."""

import hashlib
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from measure import credit


def vectors(table, name):
    """One vector per row as a matrix."""
    return table.column(name).combine_chunks().flatten().flatten().to_numpy().reshape(table.num_rows, -1)


def with_vectors(table, chosen, rejected):
    for name, values in (("chosen_embedding", chosen), ("rejected_embedding", rejected)):
        n, width = values.shape
        flat = pa.array(np.ascontiguousarray(values, dtype=np.float32).reshape(-1))
        inner = pa.ListArray.from_arrays(pa.array(np.arange(n + 1, dtype=np.int32) * width), flat)
        column = pa.ListArray.from_arrays(pa.array(np.arange(n + 1, dtype=np.int32)), inner)
        at = table.schema.get_field_index(name)
        table = table.append_column(name, column) if at < 0 else table.set_column(at, name, column)
    return table


def scaled(table, by):
    """Numbers of deviation 1, by the training vectors' mean and deviation."""
    both = np.concatenate([vectors(by, "chosen_embedding"), vectors(by, "rejected_embedding")])
    mean, deviation = both.mean(0), both.std(0) + 1e-6
    sides = [(vectors(table, f"{side}_embedding") - mean) / deviation for side in ("chosen", "rejected")]
    return with_vectors(table, *sides)


def with_column(table, name, values):
    at = table.schema.get_field_index(name)
    return table.append_column(name, values) if at < 0 else table.set_column(at, name, values)


def short(name):
    return name.replace(" ", "-").replace(",", "").lower()


class Pairs:
    """Pairs to learn from (`table`, the file `data`), to choose settings on (`valid`, `check`) and to report on (`held`, `test`).
    `candidates` has, by study, the settings that a method may be given; where there is one, nothing is chosen."""

    kind, seeds, candidates, first_seed = "", range(0), {}, 0
    check = None

    def __init__(self, bench, table, held, valid=None):
        self.bench, self.table, self.held, self.valid = bench, table, held, valid
        self.data, self.test = self.write("train-scaled", table), self.write("bench-scaled", held)
        if valid is not None:
            self.check = self.write("valid-scaled", valid)
        self.chosen = {}

    def write(self, name, table):
        path = self.bench.path(self.kind, f"{name}.parquet")
        pq.write_table(table, path)
        return path

    def train(self, data, model="init:embeddings"):
        """How a model is made of settings."""

        def make(name, settings):
            self.bench.model(name, data, sets=settings, model=model)
            return self.bench.path("models", name)

        return make

    def scores(self, name, settings, make, pairs):
        digest = hashlib.sha256(json.dumps([self.kind, settings]).encode()).hexdigest()[:8]
        name = f"{self.kind}-{name}-{digest}"
        return self.bench.score(name, make(name, settings), pairs)

    def runs(self, study, methods, make=None, good=credit, keep=None, test=None, check=None):
        """Score tables of every method over seeds. `methods` has, by name, what each adds to a candidate's settings: one list, or
        several to choose from. `good` is what the choice goes by, the larger mean over the pairs that `keep` holds."""
        make = make or self.train(self.data)
        only = lambda scores: scores.where(keep) if keep else scores
        found = {}
        for name, alternatives in methods.items():
            options = [[*base, *more] for base in self.candidates[study] for more in alternatives]
            best, title = options[0], f"{study}-{short(name)}"
            if len(options) > 1:
                worth = [
                    float(good(only(self.scores(title, [*o, f"seed={self.first_seed}"], make, check or self.check)).margins()).mean())
                    for o in options
                ]
                best = options[int(np.argmax(worth))]
                self.chosen.setdefault(study, {})[name] = {
                    "settings": best, "tried": len(options), "validation": max(worth), "others": sorted(worth)}
            found[name] = [only(self.scores(title, [*best, f"seed={seed}"], make, test or self.test)) for seed in self.seeds]
        return found

    def column(self, name):
        """Of the pairs reported on, by their keys."""
        keys = zip(self.held["id"].to_pylist(), self.held["language"].to_pylist())
        return dict(zip(keys, self.held[name].to_pylist()))
