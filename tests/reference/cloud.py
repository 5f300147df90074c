"""CLoud's loss and gradients by PyTorch on tiny language models: a reward head at the end of critiques beside the output layer.

Writes tests/fixtures/cloud.json: for models of tests/fixtures/implicit a drawn head, pairs of critiques with prompts of their
own, rewards, the language-model loss (the mean over all tokens of both critiques, as zankner/CLoud's cross-entropy has it), and
every parameter's gradient of mean −log σ(r_w − r_l) + 1.25 · loss, as its sum and norm.

    python tests/reference/cloud.py
"""

from fixture_files import FIXTURES, one_thread, versions, write_json

one_thread()

import torch  # noqa: E402
from implicit import load  # noqa: E402
from invented_texts import SENTENCES  # noqa: E402
from transformers import AutoTokenizer  # noqa: E402

WEIGHT, PAIRS = 1.25, 5


def ids(tokenizer, prompt, critique):
    turns = [{"role": "user", "content": prompt}]
    begin = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=True)["input_ids"]
    whole = tokenizer.apply_chat_template([*turns, {"role": "assistant", "content": critique}], return_dict=True)["input_ids"]
    assert whole[: len(begin)] == begin
    return whole, len(begin)


def of_model(name, seed):
    tokenizer, model = AutoTokenizer.from_pretrained(FIXTURES / "implicit" / name), load(name)
    width = model.config.hidden_size
    draw = torch.Generator().manual_seed(seed)
    head = {"dense.weight": (width, width), "dense.bias": (width,), "out_proj.weight": (1, width), "out_proj.bias": (1,)}
    head = {name: (torch.randn(shape, generator=draw) * 0.3).requires_grad_() for name, shape in head.items()}
    texts = [text for _, text in SENTENCES if "<" not in text and "[" not in text]
    rows = [[texts[4 * i : 4 * i + 2], texts[4 * i + 2 : 4 * i + 4]] for i in range(PAIRS)]
    rewards, sums, count = [], 0.0, 0
    for row in rows:
        for prompt, critique in row:
            sequence, begin = ids(tokenizer, prompt, critique)
            out = model(torch.tensor([sequence]), output_hidden_states=True)
            state = out.hidden_states[-1][0, -1].float()
            inner = torch.tanh(head["dense.weight"] @ state + head["dense.bias"])
            rewards.append((head["out_proj.weight"] @ inner + head["out_proj.bias"])[0])
            log_prob = out.logits[0, begin - 1 : -1].float().log_softmax(-1)
            sums = sums - log_prob.gather(1, torch.tensor(sequence[begin:])[:, None]).sum()
            count += len(sequence) - begin
    pairs = torch.stack(rewards).view(-1, 2)
    lm = sums / count
    loss = -torch.nn.functional.logsigmoid(pairs[:, 0] - pairs[:, 1]).mean() + WEIGHT * lm
    loss.backward()
    named = {**{f"reward_head.{key}": value for key, value in head.items()}, **dict(model.named_parameters())}
    return {
        "head": {f"reward_head.{key}": {"shape": list(value.shape), "values": value.detach().flatten().tolist()} for key, value in head.items()},
        "pairs": [{"prompt_chosen": w[0], "chosen": w[1], "prompt_rejected": r[0], "rejected": r[1]} for w, r in rows],
        "rewards": pairs.detach().tolist(),
        "tokens": count,
        "lm": lm.item(),
        "loss": loss.item(),
        "gradients": {key: {"sum": value.grad.double().sum().item(), "norm": value.grad.double().norm().item()} for key, value in named.items()},
    }


write_json(FIXTURES / "cloud.json", {"versions": versions(), "models": {name: of_model(name, i) for i, name in enumerate(["policy", "tied"])}})
