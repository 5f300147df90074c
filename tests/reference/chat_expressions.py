"""Small pieces of the template language and the strings transformers renders from them.

Where the styles of `chat_templates.py` show that whole templates come out right, this covers the language
that templates are written in: white space, undefined values, Python's string methods, slices, loops, JSON.
Writes tests/fixtures/chat/expressions.json. Run (seconds):  python tests/reference/chat_expressions.py
"""

import datetime

from fixture_files import FIXTURES, one_thread, versions, write_json

one_thread()

import jinja2  # noqa: E402
from transformers.utils import chat_template_utils  # noqa: E402

NOW = datetime.datetime(2025, 3, 1, 12, 30, 45)

MESSAGES = [
    {"role": "system", "content": "Be <brief> & kind."},
    {"role": "user", "content": "  Is the LAKE deep?\n"},
    {"role": "assistant", "content": "Yes: ten metres, naïve Ωmega straße."},
]
VARIABLES = {
    "tool": {"name": "depth", "parameters": {"type": "object", "properties": {
        "lake": {"type": "string", "description": "It's \"the\" lake", "enum": ["a", "b"]},
        "deep": {"type": ["number", "null"], "default": 1.5, "items": {"type": "string"}}}, "required": ["lake"]}},
    "numbers": [3, 1, 2], "pairs": [{"k": "b", "v": 2, "in": {"x": 1}}, {"k": "a", "v": 1}, {"k": "B", "v": 2}],
    "empty": [], "nothing": None, "yes": True, "no": False, "half": 0.5, "word": "tea pot", "blank": "",
    "text": "one\ttwo\n three", "digits": "12", "accents": "Éclair ßeta ΟΔΟΣ İx ǆ", "long": "a-b-c-d",
}

WHITE_SPACE = [
    "  {% if yes %}\n  x\n  {% endif %}\n", "{{ 'a' }}   {% if yes %}b{% endif %}", "a\n   {%+ if yes %}b{% endif %}",
    "a\n   {%- if yes %}b{% endif +%}\n c", "{# c #}\nx", "  {# c #}  \nx", "{#- c -#}  x", "a {#- c #} b",
    "a {# c -#} \n b", "{% raw %}\n {{ x }} {% endraw %}\n y", "{%- raw -%} a {%- endraw -%} b",
    "{% raw %}a{% endraw %}\nb", "x\r\ny{% if yes %}\r\nz{% endif %}\r\n", "x\ry", "x\n", "x\n\n", "x\r\n",
    "x{% if yes %}{% endif %}\n", "{{ 'x' }}\n", "\t{% if yes %}\tx{% endif %}", "\xa0{% if yes %}x{% endif %}",
    "{% if yes -%}\n\n  x\n{%- endif %}", "a  {{- 'a' -}}  b", "{%if yes%}x{%endif%}", "{% set x =\n 1 %}\n{{ x }}",
    "{{ 'a' }}\n{{ 'b' }}", "{% if yes %}\n\n{% endif %}x", "a{% if yes %} \n b{% endif %}", "{{ '%}' }}",
    "{{ '}}' }}", "{% set x = '%}' %}{{ x }}", "{{ {'a': {'b': 1}} }}", "{{ {'a': {'b': 1}}['a']['b'] }}",
    "{# {% raw %} #}x", "a\n  {% for m in messages %}\n    {{ m.role }}\n  {% endfor %}\n  b",
    "{% if no %}\n a{% else %}\n b{% endif %}\n c", "  {{ 'x' }}  \n  {% set y = 1 %}  \n  z",
    "{%- set y = 1 -%}\n\n z", "  {#- c #}\n  {%- if yes %}\n x{% endif %}", "x {%- if yes -%} {%- endif -%} y",
    "{% if yes %}   \n{% endif %}|", "\n\n{% if yes %}\n\na\n\n{% endif %}\n\n", "{{ 'a\nb' }}", "{{ 'a\r\nb' }}",
    "a{#\n\n#}\nb", "{% raw %}{% if %}{% endraw %}", "}} %} #} { } {x", "{{ '{#' }}", "  {% raw %} a {% endraw %}",
    "a\n  {% raw -%} a {%- endraw %}\n", "{{ 1 }}{#- #}\n\n{{- 2 }}",
]

GENERATION = [
    "{% generation %}x{% endgeneration %}", "a {%- generation -%} x {%- endgeneration -%} b",
    "{% generation %}\nx\n{% endgeneration %}\ny", "  {% generation %}\n  x\n  {% endgeneration %}\n",
    "{%generation%}x{%endgeneration%}", "{{ '{% generation %}' }}", "{# {% generation %} #}x",
    "{% raw %}{% generation %}{% endraw %}",
    "{% generation %}{% set z = 1 %}{{ z }}{% endgeneration %}{{ z is defined }}",
    "{% set ns = namespace(n=0) %}{% generation %}{% set ns.n = 4 %}{% endgeneration %}{{ ns.n }}",
    "{% for m in messages %}{% generation %}{{ loop.index }}{{ m.role }}{% endgeneration %}{% endfor %}",
    "{% generation %}{% for m in messages %}{{ m.role }}{% endfor %}{% endgeneration %}",
    "{% macro f(x) %}<{{ x }}>{% endmacro %}{% generation %}{{ f(1) }}{% endgeneration %}",
    "{%+ generation +%}\nx{%+ endgeneration +%}\n", "{% set generation = 2 %}{{ generation }}",
    "{% if '{%' in 'a{%' %}y{% endif %}", "{%- if '%}' == '%}' %}{% generation %}x{% endgeneration %}{% endif %}",
    "{% generation %}{% if yes %}a{% endif %}{% endgeneration %}\n\nb",
]

UNDEFINED = [
    "[{{ x }}]", "{{ x.y }}", "[{{ messages[9] }}]", "{{ messages[9].role }}", "{{ x is defined }}",
    "{{ x is not defined }}", "{{ x is undefined }}", "{{ (x or 'd') }}", "{{ x | length }}", "{{ x + 'a' }}",
    "{{ 'a' ~ x }}", "{% for i in x %}a{% endfor %}ok", "{{ x == none }}", "{{ x | default('a') }}",
    "{{ nothing | default('a') }}", "{{ '' | default('a', true) }}", "[{{ x | trim }}]", "[{{ x | string }}]",
    "[{{ x | upper }}]", "{{ x | tojson }}", "{{ 'a' in x }}", "{{ 'a' not in x }}", "[{{ x | join }}]",
    "{{ x | list }}", "[{{ x | first }}]", "{{ not x }}", "{{ messages[0].nothing is defined }}",
    "{{ messages[0]['nothing'] is none }}", "{{ x is none }}", "{{ x is string }}", "{{ x is mapping }}",
    "{{ x is iterable }}", "{{ x is sequence }}", "{{ x is true }}", "{{ x is boolean }}", "[{{ x and 'a' }}]",
    "{{ x if x else 'n' }}", "[{{ 'a' if no }}]", "{{ ('a' if no) is defined }}", "{{ x.startswith('a') }}",
    "[{{ none.x }}]", "{{ none.x.y }}", "[{{ 'abc'.x }}]", "{{ x[0] }}", "{{ nothing[0] }}", "{{ x() }}",
    "{{ messages[0].content.nothing() }}", "{{ nothing }}", "{{ nothing ~ '' }}", "{{ 'a' + nothing }}",
    "{{ nothing | length }}", "{{ 1 + '1' }}", "{{ '1' + 1 }}", "{{ 'a' * 2.0 }}", "{{ x == '' }}", "{{ x != '' }}",
    "{{ x == y }}", "{{ x < 1 }}", "{{ nothing < 1 }}", "{{ 'a' < 1 }}", "{{ nothing == false }}", "{{ x | int }}",
    "{{ x is sameas none }}", "{{ none is none }}", "{{ nothing is defined }}", "{{ x ~ x }}|", "{{ [x] }}",
    "{{ {'a': x} }}", "{{ x | default }}|", "{{ messages[0].a.b is defined }}",
    "{{ tool.a is defined and tool.a.b }}", "{{ x | map('upper') | list }}", "{{ -x }}", "{{ x | abs }}",
    "{{ tool['name', ] }}|", "{{ x if x is defined }}|", "{% if x %}a{% elif not x %}b{% endif %}", "{{ x | e }}|",
    "{{ x | safe }}|", "{{ messages['0'] }}|", "{{ messages.0.role }}", "{{ messages | first | length }}",
    "{{ 'abc' in 5 }}", "{{ {} | first }}|", "{{ [] | last }}|",
]

STRINGS = [f"{{{{ {expression} }}}}" for expression in [
    "word.upper()", "word.lower()", "word.title()", "word.capitalize()", "'ÉCLAIR ß'.capitalize()", "word.swapcase()",
    "'ß'.casefold()", "accents.upper()", "accents.lower()", "accents.title()", "accents.swapcase()", "'ǆ'.title()",
    "\"they're bill's\".title()", "messages[1].content.strip()", "messages[1].content.lstrip()",
    "messages[1].content.rstrip()", "'xxaxbxx'.strip('x')", "'abcba'.strip('ab')", "'abcba'.lstrip('ab')",
    "'abcba'.rstrip('ab')", "'a\\n\\n'.rstrip('\\n')", "'\\x1c a \\x1f'.strip()", "'\\u00a0\\u3000a\\u2028'.strip()",
    "' a '.strip(none)", "'\\u200ba'.strip()", "word.split()", "text.split()", "text.split(none, 1)",
    "long.split('-')", "long.split('-', 1)", "long.split('-', maxsplit=2)", "long.split(sep='-', maxsplit=1)",
    "long.rsplit('-', 1)", "long.rsplit('-')", "' a  b '.rsplit(none, 1)", "' a  b '.split(' ')", "'abc'.split('')",
    "''.split()", "''.split('x')", "'</think>a</think>b'.split('</think>')[-1]",
    "'a</think>b'.split('</think>')[0].split('<think>')[-1]", "'a\\x1cb c'.split()", "long.partition('-')",
    "long.rpartition('-')", "'abc'.partition('x')", "'abc'.rpartition('x')",
    "'a\\nb\\r\\nc\\rd\\x0be\\x85f\\u2028g\\n'.splitlines()", "'a\\nb\\n'.splitlines(true)",
    "'a\\n\\nb'.splitlines(keepends=true)", "''.splitlines()", "word.startswith('tea')",
    "word.startswith(('x', 'tea'))", "word.startswith('pot', 4)", "word.startswith('t', 0, 1)",
    "word.endswith('pot')", "word.endswith(('a', 't'))", "word.endswith('a', 0, 3)", "word.startswith(['tea'])",
    "word.startswith('')", "word.replace('t', 'T')", "word.replace('t', 'T', 1)", "'aaa'.replace('', '-')",
    "'aaa'.replace('a', '', -1)", "'aaa'.replace('a', 'b', 0)", "word.find('pot')", "word.find('x')",
    "word.find('t', 1)", "word.find('t', 1, 3)", "'naïve'.find('v')", "word.rfind('t')", "word.index('p')",
    "word.index('x')", "word.rindex('t')", "word.count('t')", "word.count('t', 1)", "'aaaa'.count('aa')",
    "'abc'.count('')", "'-'.join(['a', 'b'])", "'-'.join('abc')", "'-'.join([1, 2])",
    "', '.join(tool.parameters.properties)", "'-'.join([])", "'-'.join(messages | map(attribute='role'))",
    "'abc'.center(9, '*')", "'abc'.center(8)", "'ab'.center(5, '.')", "'abc'.ljust(5) ~ '|'", "'abc'.rjust(5, '0')",
    "'-42'.zfill(6)", "'42'.zfill(4)", "'+1'.zfill(4)", "'unhappy'.removeprefix('un')",
    "'unhappy'.removesuffix('py')", "'unhappy'.removeprefix('x')", "'a\\tb'.expandtabs(4)",
    "'a\\tbc\\td'.expandtabs()", "'abc'.isalpha()", "'ab1'.isalnum()", "'12'.isdigit()", "'²'.isdigit()",
    "'½'.isdigit()", "'½'.isnumeric()", "'½'.isdecimal()", "'٣'.isdecimal()", "'一'.isnumeric()", "'²'.isdecimal()",
    "''.isdigit()", "'ab'.islower()", "'AB'.isupper()", "'A1'.isupper()", "'1'.isupper()", "'Ab Cd'.istitle()",
    "'Ab cd'.istitle()", "' \\n\\x1c'.isspace()", "''.isspace()", "'abc'.isascii()", "'é'.isascii()",
    "'a b'.isidentifier()", "'a_b'.isidentifier()", "'a\\n'.isprintable()", "'aé'.isprintable()",
    "'{} and {}'.format('a', 1)", "'{0}{1}{0}'.format('a', 'b')", "'{x:>4}|'.format(x='a')",
    "'{:.2f}'.format(3.14159)", "'{:05d}'.format(42)", "'{{}}'.format()", "'{!r}'.format('a')",
    "'{a[k]}'.format(a={'k': 1})", "'%s-%d' % ('a', 3)", "'%s' % 'a'", "'%5.1f|' % 2.25", "'%03d' % 7", "word[0]",
    "word[-1]", "word[1:3]", "word[:3]", "word[3:]", "word[::-1]", "word[::2]", "word[-3:]", "word[:-1]",
    "word[5:1:-1]", "word[10:]", "word[2:2]", "word[99]", "accents[0]", "accents[-2:]", "'naïve'[::-1]", "word * 2",
    "2 * 'ab'", "'-' * 0", "'-' * -1", "'a' 'b'", "'a' + 'b' ~ 1", "'a' in word", "'tea' in word", "'' in word",
    "'x' not in word", "word | length", "'naïve' | length", "'👍🏽' | length", "word | list", "word | first",
    "word | last", "word | reverse", "'b' > 'a'", "'B' < 'a'", "'é' > 'z'", "'a' == 'a'", "'\\d'", "'\\x41'",
    "'\\u00e9'", "'\\U0001F600'", "'\\101'", "'\\\\n'", "'\\''", '"\'"', "'\\t|'", "'\\a' | length", "'é\\n'",
    "'\\/'", "'\\0' | length", "word | trim", "'xax' | trim('x')", "'  a ' | trim", "word | upper", "word | title",
    "\"it's o'clock foo-bar (x) [y] <z>\" | title", "'éa-éb ßc' | title", "word | capitalize",
    "'ABC dEF' | capitalize", "accents | lower", "word | replace('t', 'T')", "word | replace('t', 'T', 1)",
    "word | replace('', '-')", "word | wordcount", "'a-b c_d é!' | wordcount", "word | center(11)",
    "'the quick brown fox' | truncate(9)", "'the quick brown fox' | truncate(9, true)",
    "'the quick brown fox' | truncate(11, false, '..', 0)", "'short' | truncate(9)",
    "'the quick brown fox jumps' | wordwrap(10)", "'a\\nb\\n\\nc' | indent", "'a\\nb\\n\\nc' | indent(2)",
    "'a\\nb\\n\\nc' | indent(2, true)", "'a\\nb\\n\\nc' | indent(2, first=true, blank=true)",
    "'a\\nb' | indent('> ')", "'a\\nb\\n' | indent(1)", "'a\\nb' | indent(width=3)", "'%s=%s' | format('a', 1)",
    "'%(a)s' | format(a=2)", "'<a b=\"c\">' | e", "'<i>x</i> y' | striptags", "'<' | escape", "('<' | safe) ~ '<'",
    "'<' | e | upper", "'a b&c/é' | urlencode", "word | string", "5 | string", "true | string", "none | string",
    "[1] | string", "'<' | forceescape", "'12' | int", "'1.9' | int", "'x' | int", "'x' | int(7)",
    "'ff' | int(0, 16)", "'0x1f' | int(base=16)", "3.9 | int", "'1e3' | float", "'x' | float", "'x' | float(2.0)",
    "' 12 ' | int", "true | int", "digits | int + 1", "word | batch(2) | list", "'abc' | list | join('+')",
    "'abc' | sort", "'bca' | unique | list", "'a,b' | replace(',', ', ') | upper", "'a' ~ 1 ~ 1.0 ~ true ~ none",
    "'%' ~ 'a'", "word.upper().lower().split(' ')[0].title()", "'a b'.split() | length", "('a' 'b').upper()",
    "'é'.encode('utf-8') | length", "'ab' | map('upper') | join", "'Hello' | lower | first | upper",
]]

NUMBERS = [f"{{{{ {expression} }}}}" for expression in [
    "7 // 2", "-7 // 2", "7 // -2", "7.5 // 2", "7 / 2", "6 / 2", "7 % 3", "-7 % 3", "7 % -3", "7.5 % 2", "-7.5 % 2",
    "2 ** 5", "2 ** -1", "2 ** 0.5", "-2 ** 2", "2 ** 3 ** 2", "1 / 0", "1 // 0", "1 % 0", "1.0", "1e3", "1.5e-7",
    "1e16", "1e15", "123456789012345678", "1_000", "0.1 + 0.2", "1 + 1.0", "3 - 5", "+3", "-3 | abs", "2.5 | round",
    "3.5 | round", "-2.5 | round", "2.567 | round(2)", "2.1 | round(0, 'ceil')", "2.9 | round(method='floor')",
    "42 | round", "1234.5 | round(-2)", "1 == 1.0", "true == 1", "true + 1", "1 < 2 < 3", "3 > 2 > 2",
    "1 < 2 == true", "not 1 == 2", "1 if 2 > 1 else 3", "numbers | sum", "numbers | max", "numbers | min",
    "numbers | sort", "numbers | sort(reverse=true)", "[0.5, 1] | sum", "5 is odd", "4 is even", "6 is divisibleby 3",
    "6 is divisibleby(4)", "1 is number", "1.0 is number", "true is number", "true is integer", "1 is integer",
    "1.0 is integer", "1.0 is float", "'1' is number", "10 - 2 - 3", "2 + 3 * 4", "(2 + 3) * 4", "7 // 2 * 2",
    "10 / 4 * 2", "'a' ~ 1 + 2", "1 ~ 2", "1 + 2 | string", "'x' ~ 3 | string ~ 'y'", "- 3 + 5", "1 is lt 2",
    "2 is ge 2", "3 is in [1, 3]", "3 in [1, 3]", "3 not in [1]", "0.5 in [0.5]", "1 in [true]", "half * 2", "1e400",
    "range(3) | list", "range(1, 7, 2) | list", "range(3, 0, -1) | list", "range(0)", "range(3)", "range(3)[1]",
    "range(4) | length", "1000000 * 1000000 * 1000000", "2 ** 100", "9007199254740993", "0.1", "100.0", "1e-4",
    "1e-5", "-0.0", "5 | float", "5 // 2.0", "3 | string | length", "1 if no", "7 | filesizeformat", "0x10", "0b11",
    "0o17", "1 is sameas 1", "1 is eq 1", "1 is ne 2", "1 is equalto 1", "2 is gt 1", "1 is true", "true is true",
    "false is false", "1 is boolean", "false is boolean", "[1, 2] | sum(start=10)", "pairs | sum(attribute='v')",
    "12.0 | int", "(1.0) | tojson", "1e100", "'{:,}'.format(1234567)", "3.0 == 3", "3.14 | string",
]]

COLLECTIONS = [f"{{{{ {expression} }}}}" for expression in [
    "[1, 'two', none, 3.0, true]", "{'k': \"it's\", 'n': 1}", "('a',)", "()", "[]", "{}", "(1, 2)",
    "[[1], {'a': [2]}]", "'quote\\'s'", "['quote\\'s', \"dq\\\"\", 'b\\'\"']",
    "['\\n\\t\\\\', 'é', '\\x00\\x7f', '\\u200b', '\\u2028', '👍']", "[1] + [2]", "[1] * 2", "[1, 2] == [1, 2]",
    "[1, 2] < [1, 3]", "(1, 2) == [1, 2]", "{'a': 1} == {'a': 1}", "{'a': 1, 'b': 2} == {'b': 2, 'a': 1}",
    "dict(a=1, b='x')", "dict({'a': 1}, b=2)", "dict([('a', 1)])", "dict()", "numbers[0]", "numbers[-1]",
    "numbers[1:]", "numbers[:-1]", "numbers[::-1]", "numbers[::2]", "numbers[-2:]", "numbers[5:]", "numbers[2:0:-1]",
    "numbers[:1] + numbers[1:]", "(1, 2, 3)[1:]", "messages[1:] | length", "messages[-1].role",
    "messages[-1]['role']", "messages[::-1] | map(attribute='role') | list", "tool.name", "tool['name']",
    "tool.get('name')", "tool.get('x')", "tool.get('x', 'd')", "tool.keys() | list", "tool.values() | list | length",
    "tool.items() | list | length", "tool.parameters.properties.items() | first | first", "tool | length",
    "'name' in tool", "'x' in tool", "tool.parameters.properties | list",
    "tool.parameters.properties.lake.enum | join('|')", "tool.parameters.properties.keys() | join(',')",
    "'type' in tool.parameters and tool.parameters.type == 'object'",
    "tool.parameters.properties | dictsort | map('first') | list", "{'b': 1, 'a': 2} | dictsort",
    "{'b': 1, 'a': 2} | dictsort(by='value')", "{'b': 1, 'A': 2} | dictsort(true)",
    "{'b': 1, 'a': 2} | dictsort(reverse=true)", "{'a': 1} | items | list", "{'a': {'b': 2}}.a.b",
    "{'a-b': 1}['a-b']", "{1: 'x'}[1]", "{'x': 1}.x", "{'a': 1, 'a': 2}", "{1: 2, none: 3, true: 4, 1.5: 5}",
    "numbers | join(', ')", "numbers | join", "['a', none, 1.0] | join('-')", "pairs | join(',', attribute='k')",
    "numbers | first", "numbers | last", "numbers | length", "numbers | count", "numbers | reverse | list",
    "numbers | list", "numbers | random | string | length", "empty | first is defined", "empty | join(',')",
    "[3, 'a'] | sort", "['b', 'A', 'c'] | sort", "['b', 'A', 'c'] | sort(case_sensitive=true)",
    "['b', 'A', 'c'] | sort(false, true)", "pairs | map(attribute='k') | list",
    "pairs | map(attribute='in.x', default='d') | list", "pairs | map(attribute='in.x') | list",
    "['a', 'b'] | map('upper') | list", "['a', 'b'] | map('replace', 'a', 'x') | list",
    "numbers | map('string') | join('/')", "[' a ', 'b '] | map('trim') | list", "['1', '2'] | map('int') | sum",
    "pairs | selectattr('v') | list | length", "pairs | selectattr('v', 'equalto', 2) | map(attribute='k') | list",
    "pairs | selectattr('v', 'eq', 2) | list | length", "pairs | selectattr('v', '==', 1) | list | length",
    "pairs | selectattr('in.x', 'defined') | list | length",
    "pairs | rejectattr('v', 'gt', 1) | map(attribute='k') | list", "pairs | selectattr('in') | list | length",
    "messages | selectattr('role', 'in', ['user', 'system']) | list | length",
    "messages | rejectattr('role', 'eq', 'system') | first | length", "numbers | select('odd') | list",
    "numbers | reject('odd') | list", "numbers | select('gt', 1) | list", "[1, none, 'a', ''] | select | list",
    "[1, none, 'a', ''] | reject | list", "[1, 'a'] | select('string') | list",
    "numbers | select('divisibleby', 3) | list", "['a', 'b'] | select('in', 'abc') | list",
    "pairs | groupby('v') | list | length", "pairs | groupby('v') | map(attribute='grouper') | list",
    "pairs | sort(attribute='k') | map(attribute='k') | list",
    "pairs | sort(attribute='v,k') | map(attribute='k') | list",
    "pairs | sort(attribute='v', reverse=true) | map(attribute='k') | list",
    "pairs | unique(attribute='v') | map(attribute='k') | list", "['a', 'A', 'b'] | unique | list",
    "['a', 'A', 'b'] | unique(case_sensitive=true) | list", "pairs | map(attribute='v') | max",
    "pairs | max(attribute='v')", "['b', 'A'] | min", "numbers | batch(2) | list", "numbers | batch(2, 'x') | list",
    "numbers | slice(2) | list", "[[1, 2], [3]] | sum(start=[])", "[1, 1, 2] | unique | list",
    "tool | attr('name')|string", "[1, [2, 3]] | tojson", "tool is mapping", "messages is sequence",
    "messages is iterable", "'a' is iterable", "'a' is sequence", "tool is iterable", "tool is sequence",
    "tool is string", "1 is iterable", "messages is mapping", "range(3) is sequence", "range is callable",
    "word is callable", "tool.get is callable", "'upper' is filter", "'nope' is filter", "'odd' is test",
    "word is lower", "'AB' is upper", "nothing is none", "word is escaped", "word is string and word is not mapping",
    "[] is sameas []", "nothing is sameas none", "1 is not none", "not nothing is none", "numbers.index(2)",
    "numbers.count(1)", "numbers.copy()", "tool.copy() | length", "numbers.append(4)", "tool.update({})",
    "numbers.pop()", "tool.pop('name')", "numbers.index(9)", "(1, 2).index(2)", "{'a': 1}.items()", "{'a': 1}.keys()",
    "{'a': 1}.values()", "{'a': none}.get('a', 'd')", "dict(a=1).a", "tool.parameters.properties.deep.items.type",
    "tool.parameters.properties.deep['items'].type", "tool.parameters.properties.lake.items is defined", "[] or 'e'",
    "{} or 'e'", "0 or 'e'", "'' or nothing", "[0] and 'f'", "not []", "not {}", "not 0.0", "[not x for x in []]",
    "numbers | map('nothing') | list", "word | nothing", "word is nothing", "nothing | items | list",
    "{'a': 1} | list", "{'a': 1, 'b': 2} | join(',')", "{'a': 1, 'b': 2} | first", "{'a': 1, 'b': 2} | last",
    "{'a': 1} | string", "{'b': 1, 'a': 2} | sort", "numbers | string", "[1,2,3][1]", "[1, 2,]", "{'a': 1,}",
    "numbers in [[3, 1, 2]]", "['a'] + ('b',) | list", "('b',) + ('c',)", "numbers | pprint", "joiner(', ')()",
    "cycler('a', 'b').next()", "lipsum is defined", "[('a', 1), ('b', 2)] | map('first') | list", "namespace(a=1).a",
    "namespace(a=1)['a']|default('d')", "namespace({'a': 1}, b=2).b", "namespace().x is defined",
]]

JSON = [f"{{{{ {expression} }}}}" for expression in [
    "tool | tojson", "tool | tojson(indent=2)", "tool | tojson(indent=4)", "tool | tojson(indent=0)",
    "tool | tojson(sort_keys=true)", "tool | tojson(separators=(',', ':'))",
    "tool | tojson(indent=2, separators=(',', ': '))", "messages | tojson", "messages[2] | tojson(ensure_ascii=true)",
    "messages[2] | tojson(true)", "messages[2] | tojson(false, 1)", "word | tojson", "none | tojson", "true | tojson",
    "1.0 | tojson", "1e20 | tojson", "1e-7 | tojson", "'<b>&\\'\"</b>' | tojson", "'\\u2028\\x7f\\x01\\\\' | tojson",
    "'👍🏽é' | tojson(ensure_ascii=true)", "{} | tojson(indent=2)", "[] | tojson(indent=2)",
    "[[], {}] | tojson(indent=1)", "{'b': {'d': 1, 'c': 2}, 'a': 0} | tojson(sort_keys=true, indent=1)",
    "(1, 2) | tojson", "{1: 2, none: 3, true: 4, 1.5: 5} | tojson", "[1, 2] | tojson(indent='\\t')",
    "[1, 2] | tojson(indent=none)", "2 ** 70 | tojson", "-0.0 | tojson", "1e400 | tojson", "x | tojson",
    "numbers | map('string') | tojson", "numbers | map('string') | list | tojson", "range(3) | tojson",
    "dict(a=1) | tojson", "namespace(a=1) | tojson", "tool.items() | list | tojson", "tool.items() | tojson",
    "tool.keys() | list | tojson", "'a' | tojson | tojson", "tool | tojson | length", "tool | tojson(x=1)",
    "('<' | e) | tojson", "tool.parameters.properties | items | list | tojson",
    "[1, 2] | tojson(separators=[';', '='])", "{'a': [1, {'b': none}]} | tojson(indent=3)", "'\\ud83d' | length",
    "messages | map(attribute='role') | list | tojson", "{'b': 1, 'a': 2} | dictsort | tojson",
    "[true, false, none] | tojson(indent=2)",
]]

STATEMENTS = [
    "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set x %}block {{ 1 }}{% endset %}[{{ x }}]",
    "{% set x | upper %}block{% endset %}{{ x }}",
    "{% set ns = namespace(a=[]) %}{% for i in range(3) %}{% set ns.a = ns.a + [i] %}{% endfor %}{{ ns.a }}",
    "{% set x = 1 %}{% for i in [1, 2] %}{% set x = x + i %}{% endfor %}{{ x }}",
    "{% set x = 1 %}{% if yes %}{% set x = 2 %}{% endif %}{{ x }}",
    "{% for i in [1, 2] %}{% set y = i %}{% endfor %}{{ y is defined }}",
    "{% for a, b in [(1, 2), [3, 4]] %}{{ a }}{{ b }};{% endfor %}",
    "{% for k, v in tool.items() %}{{ k }};{% endfor %}", "{% for k in tool %}{{ k }};{% endfor %}",
    "{% for k, v in tool | items %}{{ k }};{% endfor %}", "{% for c in word %}{{ c }}.{% endfor %}",
    "{% for x in empty %}a{% else %}none{% endfor %}",
    "{% for x in numbers if x > 1 %}{{ loop.index }}/{{ loop.length }}={{ x }}{{ ',' if not loop.last }}{% endfor %}",
    "{% for x in numbers %}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }};{% endfor %}",
    "{% for x in numbers %}{{ loop.previtem | default('-') }}<{{ x }}<{{ loop.nextitem | default('-') }} {% endfor %}",
    "{% for x in [1, 1, 2] %}{{ loop.changed(x) }}{% endfor %}",
    "{% for x in numbers %}{{ loop.cycle('a', 'b') }}{% endfor %}",
    "{% for x in numbers %}{% if loop.index == 2 %}{% break %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in numbers %}{% if loop.index == 2 %}{% continue %}{% endif %}{{ x }}{% endfor %}",
    "{% for x in [1, [2, [3]]] recursive %}{% if x is iterable %}({{ loop(x) }}){% else %}{{ x }}d{{ loop.depth }}{% endif %}{% endfor %}",
    "{% for a in [1, 2] %}{% set outer = loop %}{% for b in [1, 2] %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}",
    "{% for x in numbers %}{% for y in numbers %}{% break %}{% endfor %}{{ x }}{% endfor %}",
    "{% for x in range(10**1) %}{{ x }}{% endfor %}",
    "{% if no %}a{% elif nothing %}b{% elif yes %}c{% else %}d{% endif %}",
    "{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}{{ a is defined }}",
    "{% macro m(a, b='x') %}{{ a }}-{{ b }}{% endmacro %}{{ m(1) }} {{ m(1, 2) }} {{ m(b=3, a=4) }} {{ m() }}",
    "{% macro m(a, b='x') %}{{ a }}{{ b }}{% endmacro %}{{ m(1, 2, 3) }}",
    "{% macro m(a) %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, c=3) }}",
    "{% macro m() %}[{{ caller() }}]{% endmacro %}{% call m() %}in{% endcall %}",
    "{% macro m() %}[{{ caller(1) }}]{% endmacro %}{% call(x) m() %}in{{ x }}{% endcall %}",
    "{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(3) }}",
    "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}B{% endmacro %}{{ a() }}",
    "{% set g = 1 %}{% macro m() %}{{ g }}{% endmacro %}{% set g = 2 %}{{ m() }}",
    "{% macro m() %}{{ messages[0].role }}{% endmacro %}{{ m() }}", "{% for x in numbers %}{{ f(x) }}{% endfor %}",
    "{% macro m(x) %}\n  a{{ x }}\n{% endmacro %}\n[{{ m(1) }}]",
    "{% macro m(x) -%}\n  a{{ x }}\n{%- endmacro %}\n[{{ m(1) | trim }}]",
    "{% macro m(x) %}{% set ns.a = x %}{% endmacro %}{% set ns = namespace(a=0) %}{{ m(5) }}{{ ns.a }}",
    "{% set ns = namespace(a=0) %}{% macro m(x) %}{% set ns.a = x %}{% endmacro %}{{ m(5) }}{{ ns.a }}",
    "{% macro m(x=messages[0].role) %}{{ x }}{% endmacro %}{{ m() }}",
    "{% macro m() %}a{% endmacro %}{{ m() | upper }}{{ m() ~ 'b' }}{{ m() == 'a' }}{{ m() | length }}",
    "{% filter upper %}a{{ word }}{% endfilter %}", "{% filter indent(2) %}a\nb{% endfilter %}",
    "{% block x %}in block{% endblock %}", "{% do messages %}", "{% set ns.a = 1 %}",
    "{% set ns = namespace() %}{% set ns.a = 1 %}{{ ns.a }}{{ ns.b is defined }}", "{% set ns = namespace(_a=1) %}",
    "{% set messages = messages[1:] %}{{ messages | length }}",
    "{% if messages[0].role == 'system' %}{% set s = messages[0].content %}{% set rest = messages[1:] %}{% else %}{% set rest = messages %}{% endif %}{{ s }}{{ rest | length }}",
    "{% set x = [1, 2] if yes else [] %}{{ x }}", "{% set x = yes and no %}{{ x }}", "{% set x = (1, 2) %}{{ x[1] }}",
    "{% set x = {'a': 1} %}{{ x.a }}", "{% set (a, b) = [1, 2] %}{{ a }}", "{% include 'x' %}", "{% extends 'x' %}",
    "{% import 'x' as y %}", "{% autoescape true %}{{ '<' }}{% endautoescape %}", "{% if yes %}", "{% endif %}",
    "{{ 'a' ", "{% nonsense %}", "{{ 1 + }}", "{% for x in %}{% endfor %}", "{{ 'unclosed }}",
    "{{ raise_exception('No ' + messages[0].role + '!') }}",
    "{% if yes %}{{ raise_exception(\"It's 'quoted' é\") }}{% endif %}", "{{ raise_exception(none) }}",
    "{{ raise_exception(5) }}", "{{ raise_exception() }}",
    "{% macro m() %}{{ raise_exception('in macro') }}{% endmacro %}{% for x in numbers %}{{ m() }}{% endfor %}",
    "{% set x = raise_exception('in set') %}", "{{ raise_exception(message='by name') }}",
    "{{ 'ok' if yes else raise_exception('never') }}", "{{ raise_exception(['a', 1]) }}",
    "{% generation %}{{ raise_exception('in generation') }}{% endgeneration %}",
    "{{ (messages | map(attribute='role') | list) ~ raise_exception('later') }}",
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Roles must alternate') }}{% endif %}{% endfor %}",
    "{{ loop }}", "{% for x in numbers %}{{ loop.nothing }}{% endfor %}|",
    "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = message['content'] | trim %}{{ content }};{% endfor %}",
    "{%- for x in numbers -%} {{ x }} {%- endfor -%} ",
    "{% for x in numbers %}{{ x }}{% if not loop.last %}, {% endif %}{% endfor %}",
    "{% for message in messages | rejectattr('role', 'equalto', 'system') %}{{ loop.index }}{{ message.role }}{% endfor %}",
    "{% for i in range(messages | length - 1, -1, -1) %}{{ messages[i].role }} {% endfor %}",
    "{% for m in messages[::-1] %}{% set index = (messages | length - 1) - loop.index0 %}{{ index }}{% endfor %}",
    "{% for group in pairs | groupby('v') %}{{ group.grouper }}:{{ group.list | length }};{% endfor %}",
    "{% for grouper, list in pairs | groupby('v') %}{{ grouper }}:{{ list | length }};{% endfor %}",
    "{% for row in numbers | batch(2) %}{{ row }}{% endfor %}",
    "{% set j = joiner(', ') %}{% for x in numbers %}{{ j() }}{{ x }}{% endfor %}",
    "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}",
    "{% for x in numbers | sort %}{{ x }}{% endfor %}",
    "{% for k, v in tool.parameters.properties | dictsort %}{{ k }}:{{ v.type }};{% endfor %}",
    "{% set x = 'a' %}{% set y = x %}{% set x = 'b' %}{{ y }}",
    "{{ [1, 2] | map('string') | join(',') }}{% set m = [1, 2] | map('string') %}{{ m | join }}",
    "{% set content %}\n  x\n{% endset %}\n{{ content | trim }}|{{ content | length }}",
    "{% set a = {'x': 1} %}{% set a = dict(a, y=2) %}{{ a }}",
    "{% set x = namespace(v='a') %}{% set x.v = x.v ~ 'b' %}{{ x.v }}", "{{ 'a' if yes else 'b' if no else 'c' }}",
    "{{ ('a' if no else 'b') ~ 'c' }}", "{{ 'a' ~ ('b' if yes) ~ ('c' if no) }}",
    "{% if not (yes and no) or nothing %}t{% endif %}",
    "{% if messages[0]['role'] == 'system' and messages[0]['content'] is string %}t{% endif %}",
    "{% if 'tool_calls' in messages[0] %}t{% else %}f{% endif %}",
    "{% if messages[0].tool_calls %}t{% else %}f{% endif %}",
    "{% if word is string %}s{% elif word is iterable %}i{% endif %}",
]

DATES = [f"{{{{ strftime_now('{directives}') }}}}" for directives in [
    "%d %b %Y", "%B %d, %Y", "%Y-%m-%d", "%-d %B %Y", "%A, %d %B %Y", "%H:%M:%S", "%I:%M %p", "%j %U %W %w %u",
    "%y %C %G %V %g", "%c", "%x %X", "%D %F %T %R", "%r", "%e|%k|%l", "%P", "%n%t|", "%%", "%h", "%Z|%z|", "%f",
    "%-m/%-d/%y", "%-I %-H %-M %-j", "%S", "plain é %Y年%m月%d日", "", "%^a %^B", "%_d|%_m", "%#Z|", "%:z|", "%E", "%Q",
    "trailing %", "%10Y|%3d", "%Ey %Od",
]]


def grid():
    """Every kind of tag with every pair of white-space marks, between texts that begin and end in various ways."""
    blocks = {"if yes": "endif", "for x in numbers": "endfor", "generation": "endgeneration", "raw": "endraw", "set y": "endset",
              "macro m()": "endmacro", "filter upper": "endfilter"}
    marks = [(begin, end) for begin in ("", "-", "+") for end in ("", "-", "+")]
    for begin, end in marks:
        for before, after in (("", ""), ("\n  ", "\n"), ("x ", " \n x"), ("\t", "\n\n "), ("{{ 1 }}\n ", "  ")):
            for opening, closing in blocks.items():
                yield f"{before}{{%{begin} {opening} {end}%}}{after}b{before}{{%{end} {closing} {begin}%}}{after}|"
            yield f"{before}{{%{begin} set q = 1 {end}%}}{after}|"
            yield f"{before}{{#{begin} c {end}#}}{after}|"
            yield f"{before}{{{{{begin} 1 {end}}}}}{after}|"


SECTIONS = {"white_space": WHITE_SPACE, "generation": GENERATION, "undefined": UNDEFINED, "strings": STRINGS, "numbers": NUMBERS,
            "collections": COLLECTIONS, "json": JSON, "statements": STATEMENTS, "dates": DATES, "grid": list(grid())}


class FrozenClock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


def render(source):
    """What transformers makes of it: the text, the words of `raise_exception`, or that it fails."""
    try:
        compiled = chat_template_utils._compile_jinja_template(source)
        return {"source": source, "expected": compiled.render(messages=MESSAGES, **VARIABLES)}
    except jinja2.exceptions.TemplateError as error:
        raised = type(error) is jinja2.exceptions.TemplateError
        return {"source": source, "refused": str(error)} if raised else {"source": source, "fails": type(error).__name__}
    except Exception as error:  # Python's own: TypeError, ZeroDivisionError, …
        return {"source": source, "fails": type(error).__name__}


if __name__ == "__main__":
    chat_template_utils.datetime = FrozenClock
    sections = {name: [render(source) for source in sources] for name, sources in SECTIONS.items()}
    # Jinja knows no plus that closes a variable or `raw`.
    sections["grid"] = [case for case in sections["grid"] if "fails" not in case]
    write_json(FIXTURES / "chat" / "expressions.json", {
        "meta": {"versions": versions("jinja2"), "script": "tests/reference/chat_expressions.py",
                 "fails": "the error that Python gives; here any error will do"},
        "now": NOW.isoformat(), "messages": MESSAGES, "variables": VARIABLES, "sections": sections})
    print({name: (len(cases), sum("fails" in case for case in cases)) for name, cases in sections.items()})
