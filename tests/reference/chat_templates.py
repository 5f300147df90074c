"""Chat templates in the styles of the common model families and the strings transformers renders from them.

The templates in tests/fixtures/chat/templates/ are written for this repository (in the manner of a model's, not
copied from it). Writes tests/fixtures/chat/cases.json. Run (10 s):  python tests/reference/chat_templates.py
"""

import datetime

from fixture_files import FIXTURES, one_thread, versions, write_json

one_thread()

import jinja2  # noqa: E402
from chat_conversations import BOATS, CONVERSATIONS, DOCUMENTS, LAKE, TOOLS  # noqa: E402
from tokenizers import Tokenizer, models  # noqa: E402
from transformers import PreTrainedTokenizerFast  # noqa: E402
from transformers.utils import chat_template_utils  # noqa: E402

HERE = FIXTURES / "chat"
CLOCK = datetime.datetime(2025, 3, 1, 12, 30, 45)

SIGNS = {"bos_token": "<s>", "eos_token": "</s>"}
IM = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
LLAMA = {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}
COHERE = {"bos_token": "<BOS_TOKEN>", "eos_token": "<|END_OF_TURN_TOKEN|>"}
TOKENS = {
    "chatml": IM, "qwen15": IM, "qwen25": IM, "qwen3": IM, "think": IM, "yi": IM, "smollm3": IM, "dbrx": IM, "phi4": IM,
    "llama3": LLAMA, "llama31": LLAMA, "nemotron_reward": LLAMA, "llama4": {"bos_token": "<|begin_of_text|>"},
    "gemma": {"bos_token": "<bos>", "eos_token": "<eos>"}, "gemma3": {"bos_token": "<bos>", "eos_token": "<eos>"},
    "command_r": COHERE, "command_r_tool_use": COHERE, "command_r_rag": COHERE, "aya": COHERE,
    "deepseek_v2": {"bos_token": "<｜begin▁of▁sentence｜>", "eos_token": "<｜end▁of▁sentence｜>"},
    "deepseek_v3": {"bos_token": "<｜begin▁of▁sentence｜>", "eos_token": "<｜end▁of▁sentence｜>"},
    "plain": {"eos_token": "<|end|>"}, "openchat": {"bos_token": "<s>", "eos_token": "<|end_of_turn|>"},
    "exaone": {"bos_token": "[BOS]", "eos_token": "[|endofturn|]"}, "harmony": {"eos_token": "<|return|>"},
    "granite": {"eos_token": "<|end_of_text|>"}, "nemotron": {"bos_token": "<extra_id_7>"},
}

# Conversations that need more than texts of user, assistant and system; tried with and without functions.
WITH_TOOLS = ["user_only", "system", "call", "call_open", "calls", "call_text", "call_thinking"]
TOOL_STYLES = ["llama31", "qwen25", "qwen3", "mistral_v3", "command_r_tool_use", "nemotron", "granite", "smollm3", "hermes",
               "harmony", "features"]
# Styles that cannot do without.
ALWAYS = {"hermes": {"tools": TOOLS}, "command_r_rag": {"documents": DOCUMENTS}}
RICH = ["parts", "unknown_part", "reasoning", "reasoning_alias", "call", "call_open", "calls", "call_text", "call_thinking",
        "result_alone"]
# Styles that look at more of a message than role and content.
RICH_STYLES = [*TOOL_STYLES, "llama4", "gemma3", "mistral_tekken", "deepseek_v3", "jamba", "minicpm", "aya", "nemotron_reward", "think"]

# (template, conversation, add_generation_prompt, further variables, clock)
EXTRA = [
    *((style, conversation, conversation == "system", {"date_string": "26 Jul 2024"}, "frozen")
      for style in ("llama3", "llama31", "aya") for conversation in ("pair", "system")),
    *(("llama3", conversation, conversation == "system", {}, "absent") for conversation in ("pair", "system")),
    *((style, "user_only", True, {"enable_thinking": flag}, "frozen") for style in ("think", "qwen3", "smollm3")
      for flag in (False, True)),
    ("smollm3", "thinking", False, {"enable_thinking": False}, "frozen"),
    ("smollm3", "pair", False, {"xml_tools": [LAKE]}, "frozen"),
    ("llama31", "call", False, {"tools": TOOLS, "tools_in_user_message": False}, "frozen"),
    ("llama31", "call", False, {"custom_tools": [LAKE], "builtin_tools": ["lake_depth", "shell", "search"]}, "frozen"),
    ("llama31", "system_only", True, {"tools": [BOATS]}, "frozen"),
    ("granite", "pair", True, {"documents": DOCUMENTS, "controls": ["citations", "länge"]}, "frozen"),
    ("granite", "pair", True, {"documents": DOCUMENTS, "tools": [LAKE]}, "frozen"),
    *(("command_r_rag", conversation, True, {"documents": DOCUMENTS, "citation_mode": mode}, "frozen")
      for conversation in ("user_only", "system") for mode in ("accurate", "fast")),
    ("aya", "user_only", True, {"documents": DOCUMENTS}, "frozen"),
    ("harmony", "pair", False, {"effort": "high", "identity": "You are nobody."}, "frozen"),
    ("jamba", "pair", True, {"begin_mark": "((", "end_mark": "))"}, "frozen"),
    ("chatml", "pair", False, {"eos_token": "[over]", "messages_seen": 3}, "frozen"),
    ("llama2", "pair", False, {"bos_token": "[begin]"}, "frozen"),
]


class FrozenClock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return CLOCK


def render(name, conversation, generation, variables, clock):
    """The text, the words of `raise_exception`, or that Python fails on this conversation."""
    source = (HERE / "templates" / f"{name}.jinja").read_text(encoding="utf-8")
    here = chat_template_utils._compile_jinja_template(source).environment.globals
    kept = here.pop("strftime_now") if clock == "absent" else None
    # An empty vocabulary is enough: only the special tokens' texts reach the renderer.
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.BPE()), chat_template=source, **TOKENS.get(name, SIGNS))
    case = {"template": name, "conversation": conversation}
    if generation:
        case["add_generation_prompt"] = True
    # The lists that occur in many cases are written down once.
    named = {key: variables[key] for key, usual in (("tools", TOOLS), ("documents", DOCUMENTS)) if variables.get(key) is usual}
    case |= {key: True for key in named}
    if variables.keys() - named.keys():
        case["variables"] = {key: value for key, value in variables.items() if key not in named}
    if clock == "absent":
        case["strftime_now"] = "absent"
    try:
        case["expected"] = tokenizer.apply_chat_template(
            CONVERSATIONS[conversation], tokenize=False, add_generation_prompt=generation, **variables)
    except jinja2.exceptions.TemplateError as error:
        raised = type(error) is jinja2.exceptions.TemplateError
        case |= {"refused": str(error)} if raised else {"fails": type(error).__name__}
    except Exception as error:  # Python's own: a text and a list do not add up, …
        case["fails"] = type(error).__name__
    finally:
        if kept:
            here["strftime_now"] = kept
    return case


def wanted(name):
    if name == "rare":
        yield "pair", False, {}
        return
    for conversation, messages in CONVERSATIONS.items():
        if conversation in RICH and name not in RICH_STYLES:
            continue
        yield conversation, False, ALWAYS.get(name, {})
        if messages[-1]["role"] != "assistant" or conversation in ("pair", "system", "thinking"):
            yield conversation, True, ALWAYS.get(name, {})
    if name in ALWAYS:
        yield "pair", False, {}
    elif name in TOOL_STYLES:
        for conversation in WITH_TOOLS:
            yield conversation, CONVERSATIONS[conversation][-1]["role"] != "assistant", {"tools": TOOLS}


if __name__ == "__main__":
    chat_template_utils.datetime = FrozenClock
    names = sorted(path.stem for path in (HERE / "templates").glob("*.jinja"))
    cases = [render(name, *case, "frozen") for name in names for case in wanted(name)]
    cases += [render(*case) for case in EXTRA]
    write_json(HERE / "cases.json", {
        "meta": {"versions": versions("jinja2"), "script": "tests/reference/chat_templates.py",
                 "renderer": "tokenizer.apply_chat_template(tokenize=False): messages, add_generation_prompt (false unless given), "
                             "tools = none, documents = none, the special tokens and the variables are given to the template",
                 "strftime_now": "formats `now`; absent: the function is not defined",
                 "refused": "the words of raise_exception", "fails": "the error that Python gives"},
        "now": CLOCK.isoformat(), "tools": TOOLS, "documents": DOCUMENTS,
        "special_tokens": {name: TOKENS.get(name, SIGNS) for name in names},
        "conversations": CONVERSATIONS, "cases": cases})
    count = {key: sum(key in case for case in cases) for key in ("expected", "refused", "fails")}
    print(f"{len(names)} templates, {len(cases)} cases: {count}; {(HERE / 'cases.json').stat().st_size / 1000:.0f} kB")
    # A style that fails on plain conversations is a mistake in the style, a few are known.
    print("fails:", sorted({(case["template"], case["conversation"]) for case in cases if "fails" in case and case["conversation"] not in RICH}))
