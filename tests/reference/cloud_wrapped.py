"""A tiny checkpoint laid out as CLoud's published ones, with the critiques and rewards that transformers gives.

Writes tests/fixtures/cloud_wrapped/: config.json that names the model inside (`../implicit/policy`) and says nothing of its
shape, tensors below `reward_base_model.` and `reward_head.` in two files with an index, the tokenizer; and `expected.json`:
for invented questions and answers the greedy critique that goes on in the user's last turn, what the head reads at that
turn's end, and, with fixed critiques, the same. The order of things is that of zankner/CLoud@fac417e, `cloud/model.py`
(`predict_reward`, "teacher"); the words are ours.

    python tests/reference/cloud_wrapped.py
"""

import shutil

from fixture_files import FIXTURES, one_thread, readable, versions, write_json

one_thread()

import torch  # noqa: E402
from implicit import ROOT, load  # noqa: E402
from invented_texts import SENTENCES  # noqa: E402
from transformers import AutoTokenizer, PretrainedConfig, PreTrainedModel  # noqa: E402

OUT = FIXTURES / "cloud_wrapped"
OPENING = "What follows says how correct and how useful the answer is:"
TURN_END, MOST = "<|eot_id|>", 24


class WrapperConfig(PretrainedConfig):
    def __init__(self, feedback_method="teacher", base_model_name_or_path="../implicit/policy", **more):
        self.feedback_method, self.base_model_name_or_path = feedback_method, base_model_name_or_path
        super().__init__(**more)


class Head(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.dense, self.out_proj = torch.nn.Linear(width, width), torch.nn.Linear(width, 1)

    def forward(self, state):
        return self.out_proj(torch.tanh(self.dense(state)))


class CLoudRewardModel(PreTrainedModel):
    config_class = WrapperConfig

    def __init__(self, config, inside):
        super().__init__(config)
        self.reward_base_model = inside
        self.reward_head = Head(inside.config.hidden_size)
        self.all_tied_weights_keys = {}


def model(tokenizer):
    wrapped = CLoudRewardModel(WrapperConfig(), load("policy"))
    draw = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in wrapped.reward_head.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=draw) * 0.3)
        # Greedy critiques are of letters and end now and then: what cannot be written, or only in parts, is never the best.
        rows = wrapped.reward_base_model.lm_head.weight
        for token in range(rows.shape[0]):
            text = tokenizer.decode([token])
            if not (text.isascii() and text.isprintable()) or token in tokenizer.all_special_ids:
                rows[token] = 0
        rows[tokenizer.convert_tokens_to_ids(TURN_END)] = rows[tokenizer.convert_tokens_to_ids("V")] * 1.05
    return wrapped.eval()


def reward(wrapped, ids):
    with torch.no_grad():
        state = wrapped.reward_base_model(torch.tensor([ids]), output_hidden_states=True).hidden_states[-1][0, -1]
        return wrapped.reward_head(state.float()).item()


def main():
    tokenizer = AutoTokenizer.from_pretrained(ROOT / "policy")
    wrapped = model(tokenizer)
    shutil.rmtree(OUT, ignore_errors=True)
    wrapped.save_pretrained(OUT, max_shard_size="60KB")
    for name in ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json"]:
        if (ROOT / "policy" / name).is_file():
            shutil.copy(ROOT / "policy" / name, OUT / name)
    end = tokenizer.convert_tokens_to_ids(TURN_END)
    texts = [text for _, text in SENTENCES if "<" not in text and "[" not in text]
    rows = []
    for i in range(0, len(texts) - 2, 3):
        question, answer, fixed = texts[i : i + 3]
        turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}, {"role": "user", "content": OPENING}]
        begin = tokenizer.apply_chat_template(turns, tokenize=False).removesuffix(TURN_END)
        ids = tokenizer(begin, add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            whole = wrapped.reward_base_model.generate(
                torch.tensor([ids]), max_new_tokens=MOST, do_sample=False, repetition_penalty=1.01, eos_token_id=end, pad_token_id=end)[0].tolist()
        critique = tokenizer.decode([token for token in whole[len(ids) :] if token != end]).strip()
        closed = lambda text: tokenizer(begin + text + TURN_END, add_special_tokens=False)["input_ids"]
        rows.append({"question": question, "answer": answer, "prompt_tokens": len(ids), "critique": critique,
                     "ended": whole[-1] == end, "reward": reward(wrapped, closed(critique)), "fixed": fixed,
                     "fixed_reward": reward(wrapped, closed(fixed))})
        print(rows[-1])
    assert any(row["ended"] for row in rows) and not all(row["ended"] for row in rows)
    assert len({row["critique"] for row in rows}) > 2
    write_json(OUT / "expected.json", {"versions": versions(), "opening": OPENING, "most": MOST, "rows": rows})
    readable(*OUT.iterdir())


main()
