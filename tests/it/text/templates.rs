//! Chat templates: whole styles and the language they are written in, against transformers.

use std::collections::{BTreeMap, BTreeSet};

use rmbench::text::chat::{ChatTemplate, TemplateContext, TemplateError};
use serde_json::Value;

use super::{fixtures, json};

/// Expressions that transformers renders and we refuse with an error, never with another text. No template
/// of a model is known to need them.
const REFUSED_HERE: [&str; 38] = [
    // Tables of Unicode that the standard library lacks.
    "{{ 'ß'.casefold() }}",
    "{{ '²'.isdigit() }}",
    "{{ '½'.isdigit() }}",
    "{{ '½'.isnumeric() }}",
    "{{ '½'.isdecimal() }}",
    "{{ '٣'.isdecimal() }}",
    "{{ '一'.isnumeric() }}",
    "{{ '²'.isdecimal() }}",
    // Rare methods and forms.
    "{{ 'Ab Cd'.istitle() }}",
    "{{ 'Ab cd'.istitle() }}",
    "{{ 'a b'.isidentifier() }}",
    "{{ 'a_b'.isidentifier() }}",
    "{{ 'é'.encode('utf-8') | length }}",
    "{{ '{!r}'.format('a') }}",
    "{{ '%s-%d' % ('a', 3) }}",
    "{{ '%s' % 'a' }}",
    "{{ '%5.1f|' % 2.25 }}",
    "{{ '%03d' % 7 }}",
    "{{ +3 }}",
    "{{ namespace({'a': 1}, b=2).b }}",
    "{{ '\\ud83d' | length }}",
    "{% macro m(a) %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, c=3) }}",
    // Filters and tests for web pages.
    "{{ word | wordcount }}",
    "{{ 'a-b c_d é!' | wordcount }}",
    "{{ word | center(11) }}",
    "{{ 'the quick brown fox' | truncate(9) }}",
    "{{ 'the quick brown fox' | truncate(9, true) }}",
    "{{ 'the quick brown fox' | truncate(11, false, '..', 0) }}",
    "{{ 'short' | truncate(9) }}",
    "{{ 'the quick brown fox jumps' | wordwrap(10) }}",
    "{{ '<i>x</i> y' | striptags }}",
    "{{ 'a b&c/é' | urlencode }}",
    "{{ 7 | filesizeformat }}",
    "{{ numbers | pprint }}",
    "{{ range is callable }}",
    "{{ word is callable }}",
    "{{ tool.get is callable }}",
    "{{ numbers | random | string | length }}",
];

/// What comes out in another way: here `x.items` is the entry of that name, for Jinja it is the method;
/// and there is no `lipsum`.
const DIFFERENT_HERE: [&str; 3] = [
    "{{ lipsum is defined }}",
    "{{ tool.parameters.properties.deep.items.type }}",
    "{{ tool.parameters.properties.lake.items is defined }}",
];

/// What fails in Python (comparing kinds, iterating over none, …) and renders here.
const RENDERED_ANYWAY: [&str; 8] = [
    "{{ 'a' * 2.0 }}",
    "{{ x < 1 }}",
    "{{ nothing < 1 }}",
    "{{ 'a' < 1 }}",
    "{{ [3, 'a'] | sort }}",
    "{{ numbers | map('string') | tojson }}",
    "{{ namespace(a=1) | tojson }}",
    "{% set ns = namespace(_a=1) %}",
];

/// Cases of a fixture, sorted by how they came out.
#[derive(Default)]
struct Outcome {
    refused: BTreeSet<String>,
    different: BTreeSet<String>,
    rendered_anyway: BTreeSet<String>,
    /// Every case that is not as in transformers.
    report: Vec<String>,
    n: usize,
}

impl Outcome {
    fn add(&mut self, name: String, case: &Value, found: Result<String, TemplateError>) {
        self.n += 1;
        let text = |key: &str| case[key].as_str();
        let fails = text("fails").is_some();
        let (equal, class) = match &found {
            Ok(_) if fails => (false, &mut self.rendered_anyway),
            Ok(found) => (text("expected") == Some(found), &mut self.different),
            Err(TemplateError::Refused(message)) => (text("refused") == Some(message), &mut self.different),
            Err(_) => (fails, &mut self.refused),
        };
        if !equal {
            self.report.push(format!("{name}\n  found    {found:?}\n  expected {case}"));
            class.insert(name);
        }
    }

    /// Everything is equal but what is known not to be.
    fn check(&self, [refused, different, rendered_anyway]: [&[&str]; 3]) {
        let known = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<String>>();
        let as_known =
            [(&self.refused, refused), (&self.different, different), (&self.rendered_anyway, rendered_anyway)]
                .iter()
                .all(|(found, names)| **found == known(names));
        assert!(as_known, "{} of {} differ:\n{}", self.report.len(), self.n, self.report.join("\n"));
    }
}

#[test]
fn the_template_language_is_the_one_of_transformers() {
    let fixture = json("chat/expressions.json");
    let messages = fixture["messages"].as_array().unwrap();
    let context = TemplateContext {
        variables: serde_json::from_value(fixture["variables"].clone()).unwrap(),
        date: Some(fixture["now"].as_str().unwrap().parse().unwrap()),
        ..TemplateContext::default()
    };
    let mut outcome = Outcome::default();
    for case in fixture["sections"].as_object().unwrap().values().flat_map(|cases| cases.as_array().unwrap()) {
        let source = case["source"].as_str().unwrap();
        let found = ChatTemplate::new(source, &context).and_then(|template| template.render_json(messages, false));
        outcome.add(source.to_owned(), case, found);
    }
    assert!(outcome.n > 900);
    outcome.check([&REFUSED_HERE, &DIFFERENT_HERE, &RENDERED_ANYWAY]);
}

#[test]
fn styles_of_model_templates_render_what_transformers_renders() {
    let fixture = json("chat/cases.json");
    let (mut outcome, mut styles) = (Outcome::default(), BTreeSet::new());
    for case in fixture["cases"].as_array().unwrap() {
        let (style, conversation) = (case["template"].as_str().unwrap(), case["conversation"].as_str().unwrap());
        styles.insert(style);
        let source = std::fs::read_to_string(fixtures().join(format!("chat/templates/{style}.jinja"))).unwrap();
        let mut variables: BTreeMap<String, Value> =
            serde_json::from_value(case.get("variables").cloned().unwrap_or_else(|| serde_json::json!({}))).unwrap();
        for list in ["tools", "documents"].into_iter().filter(|list| case[*list] == true) {
            variables.insert(list.to_owned(), fixture[list].clone());
        }
        let context = TemplateContext {
            special_tokens: serde_json::from_value(fixture["special_tokens"][style].clone()).unwrap(),
            variables,
            date: (case["strftime_now"] != "absent").then(|| fixture["now"].as_str().unwrap().parse().unwrap()),
        };
        let messages = fixture["conversations"][conversation].as_array().unwrap();
        let found = ChatTemplate::new(&source, &context)
            .and_then(|template| template.render_json(messages, case["add_generation_prompt"] == true));
        outcome.add(format!("{style}: {conversation}"), case, found);
    }
    assert!(styles.len() > 40 && outcome.n > 1400, "{} styles, {} cases", styles.len(), outcome.n);
    outcome.check([&[], &[], &["command_r_rag: pair", "hermes: pair"]]);
}
