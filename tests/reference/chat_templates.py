"""Chat templates in the styles of the common model families and the strings transformers renders from them.

The templates are written for this repository (not copied from a model). Writes tests/fixtures/chat/:
templates/<name>.jinja and cases.json. Run (seconds):  python tests/reference/chat_templates.py
"""

import datetime
import shutil

from fixture_files import FIXTURES, one_thread, versions, write_json

one_thread()

import jinja2  # noqa: E402
from tokenizers import Tokenizer, models  # noqa: E402
from transformers import PreTrainedTokenizerFast  # noqa: E402
from transformers.utils import chat_template_utils  # noqa: E402

HERE = FIXTURES / "chat"
NOW = datetime.datetime(2025, 3, 1, 12, 30, 45)

TEMPLATES = {}
TOKENS = {}


def template(name, text, **tokens):
    TEMPLATES[name], TOKENS[name] = text, tokens


# Default system prompt when the conversation brings none; every turn framed the same way.
template("chatml", """\
{%- if messages and messages[0]['role'] == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
{%- else %}
    {{- '<|im_start|>system\\nYou answer briefly and kindly.<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == 'user' or message.role == 'assistant' or (message.role == 'system' and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
""", eos_token="<|im_end|>", pad_token="<|endoftext|>")

# BOS, headers, trimmed content, a system header with a date: given, from the clock, or constant.
template("llama3", """\
{{- bos_token }}
{%- if not date_string is defined %}
    {%- if strftime_now is defined %}
        {%- set date_string = strftime_now("%d %b %Y") %}
    {%- else %}
        {%- set date_string = "01 Jan 2000" %}
    {%- endif %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set instruction = messages[0]['content'] | trim %}
    {%- set turns = messages[1:] %}
{%- else %}
    {%- set instruction = '' %}
    {%- set turns = messages %}
{%- endif %}
{{- '<|start_header_id|>system<|end_header_id|>\\n\\n' }}
{{- 'Date of today: ' + date_string + '\\n\\n' }}
{{- instruction ~ '<|eot_id|>' }}
{%- for message in turns %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
""", bos_token="<|begin_of_text|>", eos_token="<|eot_id|>")

# One line, no whitespace control; alternation enforced; the system text joins the last user turn.
template("mistral", """\
{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] + '\\n\\n' %}{% set rest = messages[1:] %}\
{% else %}{% set system = '' %}{% set rest = messages %}{% endif %}{{ bos_token }}{% for message in rest %}\
{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}\
{{ raise_exception('After the optional system message, turns must alternate user/assistant/user/...') }}{% endif %}\
{% if message['role'] == 'user' %}{% if loop.last or (loop.index == loop.length - 1 and rest[-1]['role'] == 'assistant') %}\
{{ '[INST] ' + system + message['content'] + ' [/INST]' }}{% else %}{{ '[INST] ' + message['content'] + ' [/INST]' }}{% endif %}\
{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'] | trim + eos_token }}\
{% else %}{{ raise_exception('Only user and assistant turns are known, not ' + message['role']) }}{% endif %}{% endfor %}
""", bos_token="<s>", eos_token="</s>")

# No system turn, the assistant is called model, content trimmed, line ends outside the blocks.
template("gemma", """\
{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('There is no system role') }}{% endif %}
{% for message in messages %}
{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}
{% endif %}
{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}
{{ '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}
{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}

""", bos_token="<bos>", eos_token="<eos>")

# Output with real line ends of the template text; the generation prompt sits inside the loop.
template("zephyr", """\
{% for message in messages %}
{% if message['role'] == 'user' %}
{{ '<|user|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'system' %}
{{ '<|system|>\\n' + message['content'] + eos_token }}
{% elif message['role'] == 'assistant' %}
{{ '<|assistant|>\\n' + message['content'] + eos_token }}
{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>' }}
{% endif %}
{% endfor %}
""", bos_token="<s>", eos_token="</s>")

template("plain", """\
{% for message in messages %}
{% if not loop.first %}{{ '\\n\\n' }}{% endif %}
{{ {'user': 'Human', 'assistant': 'Assistant'}.get(message.role, message.role | capitalize) }}: {{ message.content -}}
{% endfor %}
{%- if add_generation_prompt %}

{{ '\\n\\nAssistant:' -}}
{% endif %}
""", eos_token="<|end|>")

# Reasoning blocks: searched from behind, cut out of earlier turns, with string methods and a namespace.
template("think", """\
{%- set ns = namespace(last_user=-1, seen=0) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages | length - 1) - loop.index0 %}
    {%- if ns.last_user < 0 and message.role == "user" and message.content is string %}
        {%- set ns.last_user = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- set ns.seen = ns.seen + 1 %}
    {%- if message.role == "assistant" %}
        {%- set content = message.content %}
        {%- set thought = '' %}
        {%- if message.reasoning is defined and message.reasoning is not none %}
            {%- set thought = message.reasoning %}
        {%- elif '</think>' in message.content %}
            {%- set content = message.content.split('</think>')[-1].lstrip('\\n') %}
            {%- set thought = message.content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {%- if loop.index0 > ns.last_user and (loop.last or thought) %}
            {{- '<|im_start|>assistant\\n<think>\\n' + thought.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '<|im_start|>assistant\\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>' ~ message.role ~ '\\n' ~ message.content ~ '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
""", eos_token="<|im_end|>")

# The rest of the language that model templates use.
template("features", """\
{#- comments vanish -#}
{%- macro turn(role, text='') -%}
<{{ role | upper }}>{{ text }}</{{ role | upper }}>
{%- endmacro -%}
{{- bos_token if bos_token is defined else '(no bos)' }}{{ unk_token }}
tools: {{ 'given' if tools else 'not given' }}{% if tools is defined and tools is none %}, as none{% endif %}

json: {{ messages[0] | tojson }}
{{ {"b": [1, 2.5, true, none], "a": "é<&>'\\"\\n"} | tojson(indent=2) }}
{% for message in messages if message.role != 'system' %}
    {%- if loop.index > 3 %}{% break %}{% endif %}
    {%- if not message.content %}{% continue %}{% endif %}
    {%- generation %}{{ turn(message.role, message.content) }}{% endgeneration %}
{% endfor %}
roles: {{ messages | map(attribute='role') | join(', ') }}
users: {{ messages | selectattr('role', 'equalto', 'user') | list | length }}, others: {{ messages | rejectattr('role', 'equalto', 'user') | list | length }}
{% set first = messages | first -%}
{% set words = first.content.split() -%}
words: {{ words | length }} {{ words[:2] | join('|') }} {{ words[-1:] | join }} {{ first.content[:4] }} {{ first.content[::-1][:3] }}
methods: {% if first.content.strip().lower().startswith('is ') %}question{% endif %} {{ first.content.upper() }} {{ first.content.replace('a', '4') }} {{ first.content.title() }}
{% for key, value in first.items() -%}
{{ key }}={{ value | length }};
{%- endfor %}

numbers: {{ 7 // 2 }} {{ 7 / 2 }} {{ 7 % 4 }} {{ 2 ** 5 }} {{ 1.0 }} {{ -3 | abs }} {{ [3, 1, 2] | sort | first }} {{ range(2, 8, 3) | list }}
logic: {{ 'x' if 'x' in 'xyz' and not '' else 'y' }} {{ missing | default('fallback') }} {{ none or 'second' }}
{{- '\\ttab' ~ 1 }} {{ "it's" }} {{ 'say "hi"' }} {{ ('a', 'b') | last }} {{ {'k': 'v'}['k'] }} {{ first['role'] }} {{ first.get('name', 'nobody') }}
{% if messages[-1].role == 'assistant' and messages is iterable and first is mapping %}ends with an answer{% else %}open{% endif %}
{% set box = namespace(text='') %}{% for c in 'abc' %}{% set box.text = c + box.text %}{% endfor %}

{{ box.text }}{{ '{{ raw }}' }}{% raw %}{% not a tag %}{% endraw %}
{%- filter trim %}   filtered   {% endfilter %}
 {{ messages | tojson | length }}
""", bos_token="<s>", eos_token="</s>")

# How Python prints its values; no model template is known to depend on it.
template("rare", """\
{{ true }} {{ false }} {{ none }} {{ not '' }} {{ 1 < 2 <= 2 }} {{ 'a' ~ none ~ true }} {{ 1e20 }} {{ 0.1 + 0.2 }}
{{ [1, 'two', none, 3.0] }} {{ {'k': "it's", 'n': 1} }} {{ ('a',) }} {{ "%s has %d" | format(messages[0].role, 3) }}
{{ messages[0].content.split('') if false else 'ok' }} {{ 'ß'.upper() }} {{ 'a-b c'.title() }} {{ 'İ'.lower() | length }}
""", bos_token="<s>", eos_token="</s>")

CONVERSATIONS = {
    "user_only": [{"role": "user", "content": "Is the lake deep?"}],
    "pair": [{"role": "user", "content": "Name a fruit."}, {"role": "assistant", "content": "A pear."}],
    "system": [{"role": "system", "content": "Speak like a sailor. "}, {"role": "user", "content": "Hello"},
               {"role": "assistant", "content": "Ahoy!"}],
    "multi_turn": [
        {"role": "user", "content": "  Two <b>spaces</b> & \"quotes\" before\nand a newline after\n"},
        {"role": "assistant", "content": "\n\nI see 'them'.  "},
        {"role": "user", "content": "{{ not_a_variable }} {% nor a tag %}\t[INST] <|im_end|>"},
        {"role": "assistant", "content": "C:\\temp \\n \\u00e9 100% {}"},
        {"role": "user", "content": "Thanks!"},
    ],
    "multilingual": [
        {"role": "user", "content": "ماذا تشرب القطة؟ 数一数。"},
        {"role": "assistant", "content": "חלב 🥛 दूध น้ำ, Cafe\u0301 \u200f하나\u00a0둘\u3000三\u2028x"},
    ],
    "empty": [{"role": "user", "content": ""}, {"role": "assistant", "content": " "}],
    "system_multi_turn": [
        {"role": "system", "content": "\nBe brief.\n"}, {"role": "user", "content": "one"},
        {"role": "assistant", "content": "1"}, {"role": "user", "content": "two"}, {"role": "assistant", "content": "2"}],
    "two_users": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}],
    "assistant_first": [{"role": "assistant", "content": "I begin."}, {"role": "user", "content": "Fine."}],
    "thinking": [
        {"role": "user", "content": "Add 2 and 2."},
        {"role": "assistant", "content": "<think>\nTwo and two.\n</think>\n\nFour."},
        {"role": "user", "content": "And 3?"},
        {"role": "assistant", "content": "<think>\n\nFour and three.\n</think>\n\nSeven."},
    ],
}

# (template, conversation, add_generation_prompt, further variables, clock)
EXTRA = [
    ("llama3", "pair", False, {"date_string": "26 Jul 2024"}, "frozen"),
    ("llama3", "system", True, {"date_string": "26 Jul 2024"}, "frozen"),
    ("llama3", "pair", False, {}, "absent"),
    ("llama3", "system", True, {}, "absent"),
    ("think", "user_only", True, {"enable_thinking": False}, "frozen"),
    ("think", "user_only", True, {"enable_thinking": True}, "frozen"),
]


class FrozenClock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


def tokenizer_for(name):
    """An empty vocabulary is enough: only the special tokens' texts reach the renderer."""
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.BPE()), chat_template=TEMPLATES[name], **TOKENS[name])


def render(name, conversation, generation, variables, clock):
    compiled = chat_template_utils._compile_jinja_template(TEMPLATES[name])
    here = compiled.environment.globals
    kept = here.pop("strftime_now") if clock == "absent" else None
    result = {"expected": None, "error": None}
    try:
        result["expected"] = tokenizer_for(name).apply_chat_template(
            CONVERSATIONS[conversation], tokenize=False, add_generation_prompt=generation, **variables)
    except jinja2.exceptions.TemplateError as error:
        result["error"] = str(error)
    finally:
        if kept:
            here["strftime_now"] = kept
    return {"template": name, "conversation": conversation, "add_generation_prompt": generation,
            "variables": variables, "strftime_now": clock, **result}


if __name__ == "__main__":
    chat_template_utils.datetime = FrozenClock
    shutil.rmtree(HERE, ignore_errors=True)
    (HERE / "templates").mkdir(parents=True)
    for name, text in TEMPLATES.items():
        (HERE / "templates" / f"{name}.jinja").write_text(text, encoding="utf-8")
    wanted = [(name, conversation, generation, {}, "frozen")
              for name in TEMPLATES for conversation in CONVERSATIONS for generation in (False, True)
              if name != "rare" or (conversation == "pair" and not generation)]
    cases = [render(*case) for case in wanted + EXTRA]
    write_json(HERE / "cases.json", {
        "meta": {"versions": versions("jinja2"), "script": "tests/reference/chat_templates.py",
                 "renderer": "tokenizer.apply_chat_template(tokenize=False): messages, add_generation_prompt, "
                             "tools = none, documents = none, the special tokens and the variables are given to the template",
                 "strftime_now": "frozen: formats `now`; absent: the function is not defined"},
        "now": NOW.isoformat(), "special_tokens": TOKENS, "conversations": CONVERSATIONS, "cases": cases})
    failed = [case for case in cases if case["error"] is not None]
    print(f"{len(cases)} cases, {len(failed)} of them errors: {sorted({case['error'] for case in failed})}")
