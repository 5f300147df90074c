//! Filters, tests and functions of the template language, as Jinja and transformers define them.

use std::borrow::Cow;

use minijinja::value::{Kwargs, Rest, Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, filters, functions};

use super::methods::{bind, optional_int};
use super::objects::{Cycler, Range};
use crate::text::date::FrozenDate;
use crate::text::python::json::JsonStyle;
use crate::text::python::strings;
use crate::text::python::{self, title};

/// Marks an error that the template itself asked for.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Raised(pub String);

/// Teaches an environment what transformers' has. Without a date there is no `strftime_now`.
pub fn install(environment: &mut Environment<'static>, date: Option<FrozenDate>) {
    environment.set_unknown_method_callback(super::methods::call);
    environment.set_formatter(print);

    environment.add_filter("tojson", |value: &Value, more: Rest<Value>, named: Kwargs| tojson(value, &more, &named));
    environment.add_filter("trim", |text: Cow<'_, str>, characters: Option<Cow<'_, str>>| {
        strings::strip(&text, characters.as_deref(), true, true).to_owned()
    });
    environment.add_filter("capitalize", |text: Cow<'_, str>| title::capitalize(&text));
    environment.add_filter("string", |value: &Value| python::text(value));
    environment.add_filter("int", |value: &Value, more: Rest<Value>, named: Kwargs| int(value, &more, &named));
    environment.add_filter("float", |value: &Value, more: Rest<Value>, named: Kwargs| float(value, &more, &named));
    environment
        .add_filter("indent", |text: Cow<'_, str>, more: Rest<Value>, named: Kwargs| indent(&text, &more, &named));
    environment.add_filter("round", |value: Value, more: Rest<Value>, named: Kwargs| round(value, &more, &named));
    environment.add_filter("e", escape);
    environment.add_filter("escape", escape);
    environment.add_filter("forceescape", |value: &Value| escaped(&python::text(value)));
    environment.add_filter("attr", |value: &Value, name: &str| match value.kind() {
        // The entries of a map are no attributes.
        ValueKind::Map => Ok(Value::UNDEFINED),
        _ => value.get_attr(name),
    });
    environment.add_filter("sort", |state: &State, value: Value, more: Rest<Value>, named: Kwargs| {
        filters::sort(state, value, by_name(&more, &named, ["reverse", "case_sensitive", "attribute"])?)
    });
    environment.add_filter("dictsort", |value: &Value, more: Rest<Value>, named: Kwargs| {
        filters::dictsort(value, by_name(&more, &named, ["case_sensitive", "by", "reverse"])?)
    });
    // Jinja has none of these, but for `pprint`, which it does in another way.
    for name in ["split", "lines", "bool", "chain", "zip", "pprint"] {
        environment.remove_filter(name);
    }

    environment.add_test("sequence", |value: &Value| match value.kind() {
        // Whatever has a length and takes an index; slices of lists are iterators for minijinja.
        ValueKind::Seq | ValueKind::String | ValueKind::Map | ValueKind::Undefined => true,
        ValueKind::Iterable => value.len().is_some() && !python::prints_itself(value),
        _ => false,
    });

    environment.add_function("range", |first: i64, end: Option<i64>, step: Option<i64>| Range::value(first, end, step));
    environment.add_function("dict", |given: Option<Value>, named: Kwargs| dict(given, named));
    environment.add_function("joiner", minijinja_contrib::globals::joiner);
    environment.add_function("cycler", |Rest(items): Rest<Value>| Cycler::value(items));
    environment.add_function("raise_exception", |given: Rest<Value>, named: Kwargs| raise(&given, &named));
    if let Some(date) = date {
        environment.add_function("strftime_now", move |format: String| {
            date.strftime(&format).map_err(|e| Error::new(ErrorKind::InvalidOperation, e.to_string()))
        });
    }
}

/// Prints what is not text as Python does.
fn print(out: &mut Output, state: &mut State, value: &Value) -> Result<(), Error> {
    let own = matches!(value.kind(), ValueKind::Number | ValueKind::Seq | ValueKind::Iterable | ValueKind::Map);
    if own && !matches!(state.auto_escape(), AutoEscape::Html) {
        return Ok(out.write_str(&python::text(value))?);
    }
    minijinja::escape_formatter(out, state, value)
}

fn wrong(problem: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, problem.into())
}

/// Arguments by name, for filters of minijinja that take them in no other way.
fn by_name<const N: usize>(more: &[Value], named: &Kwargs, names: [&str; N]) -> Result<Kwargs, Error> {
    let bound = bind(more, named, names)?;
    let given = names.into_iter().zip(bound).filter(|(_, value)| !value.is_undefined());
    Ok(given.map(|(name, value)| (name.to_owned(), value)).collect())
}

/// `json.dumps` as transformers binds it: nothing escaped for HTML, not sorted, Unicode kept.
fn tojson(value: &Value, more: &[Value], named: &Kwargs) -> Result<String, Error> {
    let [ensure_ascii, indent, separators, sort_keys] =
        bind(more, named, ["ensure_ascii", "indent", "separators", "sort_keys"])?;
    let indent = match indent.as_str() {
        Some(text) => Some(text.to_owned()),
        None => optional_int(&indent)?.map(|n| " ".repeat(usize::try_from(n).unwrap_or(0))),
    };
    let mut style = JsonStyle::new(indent);
    style.ensure_ascii = ensure_ascii.is_true();
    style.sort_keys = sort_keys.is_true();
    if separators.kind() == ValueKind::Seq {
        let two = || wrong("`separators` takes two strings");
        let texts: Vec<Value> = separators.try_iter()?.collect();
        let texts: Option<Vec<String>> = texts.iter().map(|text| text.as_str().map(str::to_owned)).collect();
        let [item, key]: [String; 2] = texts.ok_or_else(two)?.try_into().map_err(|_| two())?;
        (style.item_separator, style.key_separator) = (item, key);
    }
    style.dumps(value).map_err(|e| Error::new(ErrorKind::BadSerialization, e.to_string()))
}

/// `raise_exception(message)`: the conversation is not one that the template takes.
fn raise(given: &[Value], named: &Kwargs) -> Result<Value, Error> {
    let [message] = bind(given, named, ["message"])?;
    if message.is_undefined() {
        return Err(Error::from(ErrorKind::MissingArgument));
    }
    let message = python::text(&message);
    Err(wrong(message.clone()).with_source(Raised(message)))
}

fn escaped(text: &str) -> Value {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&#39;"),
            '"' => out.push_str("&#34;"),
            c => out.push(c),
        }
    }
    Value::from_safe_string(out)
}

fn escape(value: &Value) -> Value {
    if value.is_safe() { value.clone() } else { escaped(&python::text(value)) }
}

/// `int(value, base)`, else the integer part of `float(value)`, else the default.
fn int(value: &Value, more: &[Value], named: &Kwargs) -> Result<Value, Error> {
    let [default, base] = bind(more, named, ["default", "base"])?;
    let default = if default.is_undefined() { Value::from(0) } else { default };
    let base = optional_int(&base)?.unwrap_or(10);
    Ok(match value.kind() {
        ValueKind::Undefined => return Err(Error::from(ErrorKind::UndefinedError)),
        ValueKind::Bool => Value::from(i64::from(value.is_true())),
        ValueKind::Number => match python::as_float(value) {
            Some(number) => whole(number).unwrap_or(default),
            None => value.clone(),
        },
        ValueKind::String => {
            let text = strings::strip(value.as_str().unwrap_or_default(), None, true, true);
            let read = integer(text, base).map(Value::from);
            read.or_else(|| text.parse().ok().and_then(whole)).unwrap_or(default)
        }
        _ => default,
    })
}

fn whole(number: f64) -> Option<Value> {
    // Beyond these an f64 has no exact integer of this width.
    (number.is_finite() && number.abs() < 1e36).then(|| Value::from(number.trunc() as i128))
}

fn integer(text: &str, base: i64) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let prefixed = |prefix: &str| digits.strip_prefix(prefix).or_else(|| digits.strip_prefix(&prefix.to_uppercase()));
    let digits = match base {
        16 => prefixed("0x"),
        8 => prefixed("0o"),
        2 => prefixed("0b"),
        _ => None,
    }
    .unwrap_or(digits);
    let base = u32::try_from(base).ok().filter(|base| (2..=36).contains(base))?;
    if digits.starts_with(['+', '-']) {
        return None;
    }
    i128::from_str_radix(digits, base).ok().map(|number| sign * number)
}

fn float(value: &Value, more: &[Value], named: &Kwargs) -> Result<Value, Error> {
    let [default] = bind(more, named, ["default"])?;
    let default = if default.is_undefined() { Value::from(0.0) } else { default };
    Ok(match value.kind() {
        ValueKind::Undefined => return Err(Error::from(ErrorKind::UndefinedError)),
        ValueKind::Bool => Value::from(if value.is_true() { 1.0 } else { 0.0 }),
        ValueKind::Number => f64::try_from(value.clone()).map_or(default, Value::from),
        ValueKind::String => {
            let text = strings::strip(value.as_str().unwrap_or_default(), None, true, true);
            text.parse::<f64>().map_or(default, Value::from)
        }
        _ => default,
    })
}

/// As minijinja's, but rounding up or down gives a float whatever it is given.
fn round(value: Value, more: &[Value], named: &Kwargs) -> Result<Value, Error> {
    let [precision, method] = bind(more, named, ["precision", "method"])?;
    let precision = optional_int(&precision)?.and_then(|n| i32::try_from(n).ok());
    let value = match method.as_str() {
        Some("ceil" | "floor") => Value::from(f64::try_from(value)?),
        _ => value,
    };
    filters::round(value, precision, method.as_str(), Kwargs::from_iter::<[(String, Value); 0]>([]))
}

fn indent(text: &str, more: &[Value], named: &Kwargs) -> Result<String, Error> {
    let [width, first, blank] = bind(more, named, ["width", "first", "blank"])?;
    let by = match width.as_str() {
        Some(text) => text.to_owned(),
        None => " ".repeat(usize::try_from(optional_int(&width)?.unwrap_or(4)).unwrap_or(0)),
    };
    Ok(strings::indent(text, &by, first.is_true(), blank.is_true()))
}

/// `dict(mapping_or_pairs, **entries)`.
fn dict(given: Option<Value>, named: Kwargs) -> Result<Value, Error> {
    let Some(pairs) = given.as_ref().filter(|given| given.kind() != ValueKind::Map) else {
        return functions::dict(given, named);
    };
    let mut entries = Vec::new();
    for pair in pairs.try_iter()? {
        let parts: Vec<Value> = pair.try_iter()?.collect();
        let [key, value]: [Value; 2] = parts.try_into().map_err(|_| wrong("a dict is made of pairs"))?;
        entries.push((key, value));
    }
    functions::dict(Some(Value::from_pairs(entries)), named)
}
