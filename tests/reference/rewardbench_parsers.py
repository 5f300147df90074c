"""What RewardBench's own parsers read, by running them: every reply of the verdict corpus and some more.

The functions are taken out of a checkout of allenai/reward-bench (05a9005), whose modules would import every vendor's
client; nothing of it is copied. Writes tests/fixtures/rewardbench_parsers.jsonl, one reply per line.

    python tests/reference/rewardbench_parsers.py PATH/TO/reward-bench
"""

import ast
import json
import re
import sys
from pathlib import Path

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"

# Protocols of the corpus by the parser that RewardBench has for them.
PROTOCOLS = {"brackets": "pairwise", "ranking": "rewardbench-2-ranking", "rating": "ratings",
             "result": "prometheus-relative", "output": "offset-bias", "word": "atla", "con-j": "con-j"}

MORE = {
    "word": ["**Result:** A", "**Result:**B", "**Result:** Both", "**Result:**\n\nA.", "Result: A", "**Result:** **A**",
             "**Result:** ... **Result:** B", "**Result:** A_1", "**Result:**\u3000A", "**result:** A", "**Result:** a"],
    "con-j": [
        '{"原因": "好", "更好的回答": "1"}', '{"更好的回答": 2}', '{"更好的回答": "２"}', '```json\n{"更好的回答": "1"}\n```',
        '```json\n{"better_answer": "1"}\n```', '{"更好的回答": "A"}', '{"更好的回答": 1.0}', '{"更好的回答": null}',
        '{"a": {"b": 1}, "更好的回答": "2"}', "更好的回答是2", "2 是更好的回答", "回答 1 比回答 2 好", "答案没有数字", "1 和 2 都不是",
        "better answer: Answer 2", '"better_answer" : "second, 2"', "betterAnswer=１", "没有", "", "我选择 2。回答很好。",
        '{"更好的回答": "1"} {"更好的回答": "2"}', '{"更好的回答": "x"} 更好的回答: 2', '{"更好的回答": "1"', "最佳答案：２", "更好答 案 1",
        '{"更好的回答": 10}', "回答", "回答10", "20 回答", '{"更好的回答": ["1"]}', '{"更好的回答": true}',
    ],
    "rating": ["8/10", "10", "100", "9.", "**8**", "7 out of 10", "7.5", "-3", "x9", "_9", "9 ", "é9", "10/10\n", "０9", "①", "1 0"],
    "brackets": ["[[B]] rather than [[A]]", "[[C]]", "[A]", "[[a]]", ""],
    "ranking": ["[[D]] or [[C]]", "[[E]]", "[[B]] [[A]]"],
    "result": ["[RESULT] A", "[RESULT] B\n", "[RESULT] A.", "A", "B [RESULT]", "no [RESULT] B", "[RESULT]A"],
    "output": ["Output (b) is better than Output (a)", "output (a)", "Output(b)", "Output (b)"],
}


def functions(path, names):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    wanted = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in names]
    assert {node.name for node in wanted} == set(names), names
    space = {"re": re, "json": json, "OPENAI_MODEL_LIST": ["m"], "ANTHROPIC_MODEL_LIST": [], "GEMINI_MODEL_LIST": [],
             "TOGETHER_MODEL_LIST": [], "API_ERROR_OUTPUT": "$ERROR$", "ratings_prompt": "{prompt}{completion}",
             "ratings_prompt_ties": "{prompt}{completion}"}
    exec(compile(ast.Module(wanted, []), str(path), "exec"), space)
    return space


def main():
    root = Path(sys.argv[1]) / "rewardbench"
    first = functions(root / "generative.py", ["process_judgement", "con_j_evaluate"])
    second = functions(root / "generative_v2.py", ["process_judgement", "get_single_rating"])

    def rating(reply):
        second["chat_completion"] = lambda **_: reply
        found, _ = second["get_single_rating"]("q", "a", "m")
        return None if found == -1 else found

    def letter(found):
        return "ABCD".index(found) if found in {"A", "B", "C", "D"} else None

    def v1(modifier):
        def read(reply):
            try:
                return letter(first["process_judgement"](reply, modifier))
            except IndexError:  # an empty reply of Prometheus
                return None
        return read

    readers = {"brackets": v1(None), "ranking": lambda reply: letter(second["process_judgement"](reply, None)),
               "rating": rating, "result": v1("prometheus"), "output": v1("offsetbias"), "word": v1("Atla"),
               "con-j": v1("Con-J")}
    corpus = [json.loads(line) for line in (FIXTURES / "verdicts.jsonl").read_text(encoding="utf-8").splitlines()]
    rows = []
    for parser, protocol in PROTOCOLS.items():
        replies = [case["reply"] for case in corpus if case["protocol"] == protocol] + MORE.get(parser, [])
        for reply in dict.fromkeys(replies):
            rows.append({"parser": parser, "reply": reply, "read": readers[parser](reply)})
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (FIXTURES / "rewardbench_parsers.jsonl").write_text(text, encoding="utf-8")
    print(len(rows), "replies,", sum(row["read"] is not None for row in rows), "read")


if __name__ == "__main__":
    main()
