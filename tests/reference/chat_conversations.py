"""Invented conversations, functions and documents for `chat_templates.py`; nothing to run."""

LAKE = {"type": "function", "function": {
    "name": "lake_depth", "description": "Depth of a lake – in metres.",
    "parameters": {"type": "object", "properties": {
        "lake": {"type": "string", "description": "Name of the lake, e.g. \"Bodensee\" or בִּיכָּל"},
        "unit": {"type": "string", "enum": ["m", "ft"], "description": "Unit", "default": "m"}},
        "required": ["lake"]}}}
BOATS = {"type": "function", "function": {
    "name": "boats", "description": "Boats in the harbour's list.\nNewest first.",
    "parameters": {"type": "object", "properties": {
        "sizes": {"type": "array", "items": {"type": "number"}, "description": "Sizes < 10 & > 2"},
        "colour": {"type": ["string", "null"], "description": " Colour ", "default": None},
        "owner": {"type": "object", "properties": {"name": {"type": "string"}, "old": {"type": "boolean", "default": False}},
                  "required": ["name"], "description": "Who owns it"},
        "limit": {"type": "integer", "description": "How many", "default": 3}},
        "required": ["sizes"]}}}
NOW = {"type": "function", "function": {
    "name": "now", "description": "The time.", "parameters": {"type": "object", "properties": {}}}}
TOOLS = [LAKE, BOATS, NOW]

DOCUMENTS = [{"title": "Seen", "text": "Der See ist tief."}, {"title": "Boats <old>", "text": "Two lines\nof 'text' & \"quotes\"."}]


def call(name, arguments, id="abc123XYZ"):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def result(content, id="abc123XYZ", name="lake_depth"):
    return {"role": "tool", "name": name, "tool_call_id": id, "content": content}


def user(content):
    return {"role": "user", "content": content}


def assistant(content, **more):
    return {"role": "assistant", "content": content, **more}


def system(content):
    return {"role": "system", "content": content}


QUESTION = user("How deep is the lake?")

CONVERSATIONS = {
    "user_only": [user("Is the lake deep?")],
    "pair": [user("Name a fruit."), assistant("A pear.")],
    "system": [system("Speak like a sailor. "), user("Hello"), assistant("Ahoy!")],
    "multi_turn": [
        user("  Two <b>spaces</b> & \"quotes\" before\nand a newline after\n"),
        assistant("\n\nI see 'them'.  "),
        user("{{ not_a_variable }} {% nor a tag %}\t[INST] <|im_end|>"),
        assistant("C:\\temp \\n \\u00e9 100% {}"),
        user("Thanks!"),
    ],
    "multilingual": [
        user("ماذا تشرب القطة؟ 数一数。"),
        assistant("חלב 🥛 दूध น้ำ, Cafe\u0301 \u200f하나\u00a0둘\u3000三\u2028x"),
    ],
    "empty": [user(""), assistant(" ")],
    "system_multi_turn": [system("\nBe brief.\n"), user("one"), assistant("1"), user("two"), assistant("2")],
    "two_users": [user("a"), user("b")],
    "assistant_first": [assistant("I begin."), user("Fine.")],
    "thinking": [
        user("Add 2 and 2."),
        assistant("<think>\nTwo and two.\n</think>\n\nFour."),
        user("And 3?"),
        assistant("<think>\n\nFour and three.\n</think>\n\nSeven."),
    ],
    "system_only": [system("Wait.")],
    "late_system": [user("a"), system("Now rhyme /no_think"), assistant("b")],
    "critic": [user("a"), {"role": "critic", "content": "Not good."}],
    "line_ends": [user("one\r\ntwo\rthree\r\n\r\nfour"), assistant("five\r\n")],
    # What only some models take.
    "parts": [
        {"role": "system", "content": [{"type": "text", "text": " Look well. "}]},
        user([{"type": "image"}, {"type": "text", "text": " What is this? "}, {"type": "text", "text": "Tell."}]),
        assistant([{"type": "text", "text": "A boat."}]),
    ],
    "unknown_part": [user([{"type": "smell", "text": "x"}])],
    "reasoning": [
        QUESTION, assistant("Ten metres.", reasoning_content="\nLakes are deep.\n"),
        user("Sure?"), assistant("Yes.", reasoning_content="Think again."),
    ],
    # Older names of the same field, and fields that are null.
    "reasoning_alias": [QUESTION, assistant("Ten metres.", thinking="Deep.", tool_calls=None), user("Sure?"),
                        assistant("Yes.", reasoning="Again.")],
    "call": [QUESTION, assistant(None, tool_calls=[call("lake_depth", {"lake": "Blauer See", "unit": "m"})]),
             result("{\"depth\": 10.5}"), assistant("It is 10.5 metres deep.")],
    "call_open": [system("Use functions."), QUESTION, assistant("Let me look.", tool_calls=[call("lake_depth", {"lake": "אגם"})]),
                  result("10 \"metres\"")],
    "calls": [QUESTION, assistant("", tool_calls=[
        call("lake_depth", {"lake": "<A & B>"}, "111111111"),
        call("boats", {"sizes": [1, 2.0, 3e20], "owner": {"name": "Zoë", "old": False}, "colour": None}, "222222222")]),
        result("10", "111111111"), result("[]", "222222222", "boats"), user("And?"), assistant("Ten, no boats.")],
    "call_text": [QUESTION, assistant("", tool_calls=[call("now", "{\"zone\":\"UTC\"}", "short")]),
                  result("12:00", "short", "now")],
    "call_thinking": [QUESTION, assistant(None, thinking="Look it up.", tool_calls=[call("lake_depth", {})]),
                      result({"depth": [1, 2]}), assistant("Done.", thinking="Now answer.")],
    "result_alone": [user("a"), result("b")],
}
