"""Learning-rate schedules of transformers, AdamW and gradient clipping of PyTorch, as numbers.

Writes tests/fixtures/optim.json. Run (seconds):  python tests/reference/adamw_schedules.py
"""

from fixture_files import FIXTURES, one_thread, versions, write_json

one_thread()

import torch  # noqa: E402
from transformers import get_scheduler  # noqa: E402

BASE_LR = 2e-3
STEPS = 21
LENGTHS = [(0, 10), (3, 10), (5, 20), (0, 20), (10, 10), (1, 17), (0, 1), (20, 30)]
SCHEDULES = [
    ("constant", {}),
    ("constant_with_warmup", {}),
    ("linear", {}),
    ("cosine", {}),
    ("cosine", {"num_cycles": 1.5}),
    ("cosine_with_restarts", {}),
    ("cosine_with_restarts", {"num_cycles": 3}),
    ("cosine_with_min_lr", {"min_lr": 2e-4}),
    ("cosine_with_min_lr", {"min_lr_rate": 0.25}),
    ("polynomial", {}),
    ("polynomial", {"lr_end": 1e-4, "power": 2.0}),
    ("inverse_sqrt", {}),
    ("inverse_sqrt", {"timescale": 4}),
    ("warmup_stable_decay", {"num_decay_steps": 4}),
    ("warmup_stable_decay", {"num_decay_steps": 4, "min_lr_ratio": 0.1, "decay_type": "linear"}),
    ("warmup_stable_decay", {"num_decay_steps": 4, "decay_type": "1-sqrt"}),
]


def schedules():
    out = []
    for name, options in SCHEDULES:
        for warmup, total in LENGTHS:
            if name == "warmup_stable_decay" and warmup + options["num_decay_steps"] > total:
                continue
            optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=BASE_LR)
            try:
                schedule = get_scheduler(name, optimizer, num_warmup_steps=warmup, num_training_steps=total,
                                         scheduler_specific_kwargs=dict(options))
                rates = []
                for _ in range(STEPS):
                    rates.append(float(schedule.get_last_lr()[0]))
                    optimizer.step()
                    schedule.step()
            except ZeroDivisionError:
                rates = None  # transformers divides by zero here
            out.append({"name": name, "options": options, "warmup": warmup, "total": total, "lr": rates})
    return out


ADAMW = [
    ("torch_default", dict(lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01), "constant"),
    ("trl_default", dict(lr=1e-4, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0), "linear"),
    ("openrlhf_like", dict(lr=9e-6, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.0), "cosine"),
    ("open_instruct_like", dict(lr=2e-5, betas=(0.9, 0.999), eps=1e-5, weight_decay=0.01), "linear"),
    ("large_steps", dict(lr=0.5, betas=(0.5, 0.7), eps=1e-3, weight_decay=0.3), "warmup"),
]


def adamw_run(options, schedule_name, dtype):
    """12 updates of one vector of 7 with given gradients (scales 1e-9 to 1e3, exact zeros, changing signs)."""
    generator = torch.Generator().manual_seed(7)
    start = torch.randn(7, generator=generator, dtype=torch.float64)
    scales = torch.tensor([1.0, 1e-3, 1e3, 1e-9, 0.0, 1.0, 1.0], dtype=torch.float64)
    gradients = torch.randn(12, 7, generator=generator, dtype=torch.float64) * scales
    gradients[:, 5] = gradients[:, 5].abs()
    gradients[3:, 6] = 0.0
    # A copy: `to` returns `start` itself where the dtype is the same, and updates would change it.
    parameter = torch.nn.Parameter(start.to(dtype, copy=True))
    optimizer = torch.optim.AdamW([parameter], foreach=False, fused=False, **options)
    warmup = {"constant": 0, "linear": 0, "cosine": 3, "warmup": 3}[schedule_name]
    kind = "constant_with_warmup" if schedule_name == "warmup" else schedule_name
    schedule = get_scheduler(kind, optimizer, num_warmup_steps=warmup, num_training_steps=12)
    rates, values = [], []
    for gradient in gradients:
        parameter.grad = gradient.to(dtype)
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        schedule.step()
        values.append(parameter.detach().double().tolist())
    state = optimizer.state[parameter]
    return {
        "start": start.to(dtype).double().tolist(), "gradients": gradients.to(dtype).double().tolist(), "lr": rates,
        "values": values, "exp_avg": state["exp_avg"].double().tolist(),
        "exp_avg_sq": state["exp_avg_sq"].double().tolist(), "step": int(state["step"]),
    }


def adamw():
    out = []
    for name, options, schedule in ADAMW:
        entry = {"name": name, **{k: list(v) if isinstance(v, tuple) else v for k, v in options.items()}}
        entry["float64"] = adamw_run(options, schedule, torch.float64)
        entry["float32"] = adamw_run(options, schedule, torch.float32)
        out.append(entry)
    return out


def clipping():
    cases = [
        ("above", [[3.0, 4.0], [12.0]], 1.0), ("below", [[0.03, -0.04], [0.0]], 1.0), ("exactly_at", [[0.6], [0.8]], 1.0),
        ("zero", [[0.0, 0.0], [0.0]], 1.0), ("just_above", [[1.0000005]], 1.0), ("huge", [[1e20, -1e20], [1.0]], 1.0),
        ("tiny_limit", [[1.0, 2.0, 2.0]], 1e-3), ("limit_zero", [[1.0, 2.0, 2.0]], 0.0),
        ("many", [[0.1 * (-1) ** i * i for i in range(6)], [2.5], [1.0, -1.0]], 0.5),
        ("missing_gradient", [[3.0], None, [4.0]], 2.0),
    ]
    out = []
    for name, gradients, limit in cases:
        parameters = []
        for gradient in gradients:
            parameter = torch.nn.Parameter(torch.zeros(len(gradient or [0.0]), dtype=torch.float64))
            parameter.grad = None if gradient is None else torch.tensor(gradient, dtype=torch.float64)
            parameters.append(parameter)
        norm = torch.nn.utils.clip_grad_norm_(parameters, limit)
        clipped = [None if p.grad is None else p.grad.tolist() for p in parameters]
        out.append({"name": name, "gradients": gradients, "max_norm": limit, "norm": norm.item(), "clipped": clipped})
    return out


if __name__ == "__main__":
    write_json(FIXTURES / "optim.json", {
        "meta": {"versions": versions(), "script": "tests/reference/adamw_schedules.py",
                 "schedules": "lr[k] is the rate of update k (0-based), base_lr for every case; null: division by zero",
                 "adamw": "values[k] after update k with lr[k]; clipping in float64 (coefficient max_norm / (norm + 1e-6))"},
        "base_lr": BASE_LR, "schedules": schedules(), "adamw": adamw(), "clip_grad_norm": clipping()})
    print(f"{(FIXTURES / 'optim.json').stat().st_size / 1000:.0f} kB")
