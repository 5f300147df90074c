//! Methods of texts, lists and dictionaries that templates call, as Python has them.

use minijinja::value::{Kwargs, Tuple, Value, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State};
use minijinja_contrib::pycompat;

use super::objects::{DictView, View};
use crate::text::python::strings::{self, Side};
use crate::text::python::{self, title};

/// A call's arguments by the names of the parameters, given by position or by name; undefined where absent.
pub fn bind<const N: usize>(positional: &[Value], named: &Kwargs, names: [&str; N]) -> Result<[Value; N], Error> {
    if positional.len() > N {
        return Err(Error::from(ErrorKind::TooManyArguments));
    }
    let mut bound = [const { Value::UNDEFINED }; N];
    for (index, name) in names.into_iter().enumerate() {
        let by_name: Option<Value> = named.get(name)?;
        if let Some(value) = by_name.or_else(|| positional.get(index).cloned()) {
            bound[index] = value;
        }
    }
    named.assert_all_used()?;
    Ok(bound)
}

/// [`bind`] for a method, whose arguments come in one list.
fn of_method<const N: usize>(arguments: &[Value], names: [&str; N]) -> Result<[Value; N], Error> {
    let (positional, named): (&[Value], Kwargs) = from_args(arguments)?;
    bind(positional, &named, names)
}

/// True where an argument is left out, or Python's `None` in its place.
fn absent(value: &Value) -> bool {
    value.is_undefined() || value.is_none()
}

fn wrong(problem: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, problem.into())
}

fn text(value: &Value) -> Result<&str, Error> {
    value.as_str().ok_or_else(|| wrong(format!("a text is needed, found {}", value.kind())))
}

fn optional_text(value: &Value) -> Result<Option<&str>, Error> {
    if absent(value) { Ok(None) } else { text(value).map(Some) }
}

pub fn optional_int(value: &Value) -> Result<Option<i64>, Error> {
    if absent(value) { Ok(None) } else { i64::try_from(value.clone()).map(Some) }
}

/// How often to cut at most; negative numbers mean no limit.
fn limit(value: &Value) -> Result<Option<usize>, Error> {
    Ok(optional_int(value)?.and_then(|n| usize::try_from(n).ok()))
}

fn width(value: &Value) -> Result<usize, Error> {
    let width = optional_int(value)?.ok_or_else(|| Error::from(ErrorKind::MissingArgument))?;
    Ok(usize::try_from(width).unwrap_or(0))
}

fn list<'a>(items: impl IntoIterator<Item = &'a str>) -> Value {
    items.into_iter().map(Value::from).collect()
}

/// The callback for methods that minijinja itself does not know.
pub fn call(state: &mut State, value: &Value, name: &str, arguments: &[Value]) -> Result<Value, Error> {
    let found = match value.kind() {
        ValueKind::String => of_text(value.as_str().unwrap_or_default(), name, arguments)?,
        ValueKind::Map => of_map(value, name, arguments)?,
        ValueKind::Seq => of_sequence(value, name, arguments)?,
        _ => None,
    };
    match found {
        Some(result) => Ok(result),
        None => pycompat::unknown_method_callback(state, value, name, arguments),
    }
}

fn of_text(own: &str, name: &str, arguments: &[Value]) -> Result<Option<Value>, Error> {
    let side = if name.starts_with('r') { Side::Right } else { Side::Left };
    Ok(Some(match name {
        "strip" | "lstrip" | "rstrip" => {
            let [characters] = of_method(arguments, ["chars"])?;
            let characters = optional_text(&characters)?;
            Value::from(strings::strip(own, characters, name != "rstrip", name != "lstrip"))
        }
        "split" | "rsplit" => {
            let [separator, cuts] = of_method(arguments, ["sep", "maxsplit"])?;
            let separator = optional_text(&separator)?;
            if separator == Some("") {
                return Err(wrong("empty separator"));
            }
            let split = if side == Side::Left { strings::split } else { strings::rsplit };
            list(split(own, separator, limit(&cuts)?))
        }
        "splitlines" => {
            let [keep_ends] = of_method(arguments, ["keepends"])?;
            list(strings::split_lines(own, keep_ends.is_true()))
        }
        "partition" | "rpartition" => {
            let [separator] = of_method(arguments, ["sep"])?;
            let parts = strings::partition(own, text(&separator)?, side);
            Value::from(Tuple::from(parts.map(Value::from)))
        }
        "removeprefix" | "removesuffix" => {
            let [part] = of_method(arguments, ["part"])?;
            let part = text(&part)?;
            let cut = if name == "removeprefix" { own.strip_prefix(part) } else { own.strip_suffix(part) };
            Value::from(cut.unwrap_or(own))
        }
        "startswith" | "endswith" => {
            let [part, start, end] = of_method(arguments, ["part", "start", "end"])?;
            let within = strings::slice(own, optional_int(&start)?, optional_int(&end)?);
            let fits = |part: &str| {
                within.is_some_and(
                    |(_, own)| if name == "startswith" { own.starts_with(part) } else { own.ends_with(part) },
                )
            };
            Value::from(any_of(&part, fits)?)
        }
        "find" | "rfind" | "index" | "rindex" => {
            let [what, start, end] = of_method(arguments, ["sub", "start", "end"])?;
            let within = strings::slice(own, optional_int(&start)?, optional_int(&end)?);
            match strings::find(within, text(&what)?, side) {
                Some(at) => Value::from(at),
                None if name.ends_with("find") => Value::from(-1),
                None => return Err(wrong("substring not found")),
            }
        }
        "count" => {
            let [what, start, end] = of_method(arguments, ["sub", "start", "end"])?;
            let within = strings::slice(own, optional_int(&start)?, optional_int(&end)?);
            let what = text(&what)?;
            Value::from(within.map_or(0, |(_, own)| own.matches(what).count()))
        }
        "join" => {
            let [items] = of_method(arguments, ["items"])?;
            let items: Vec<Value> = items.try_iter()?.collect();
            let texts: Vec<&str> = items.iter().map(text).collect::<Result<_, _>>()?;
            Value::from(texts.join(own))
        }
        "center" | "ljust" | "rjust" => {
            let [columns, fill] = of_method(arguments, ["width", "fillchar"])?;
            let fill = optional_text(&fill)?.map_or(Some(' '), |fill| fill.chars().next());
            let fill = fill.ok_or_else(|| wrong("the fill character must be one character"))?;
            Value::from(match (name, width(&columns)?) {
                ("center", columns) => strings::center(own, columns, fill),
                ("ljust", columns) => strings::justify(own, columns, fill, Side::Left),
                (_, columns) => strings::justify(own, columns, fill, Side::Right),
            })
        }
        "zfill" => {
            let [columns] = of_method(arguments, ["width"])?;
            Value::from(strings::zero_fill(own, width(&columns)?))
        }
        "expandtabs" => {
            let [size] = of_method(arguments, ["tabsize"])?;
            Value::from(strings::expand_tabs(own, limit(&size)?.unwrap_or(8)))
        }
        "title" | "capitalize" | "swapcase" => {
            let [] = of_method(arguments, [])?;
            Value::from(match name {
                "title" => title::title(own),
                "capitalize" => title::capitalize(own),
                _ => title::swapcase(own),
            })
        }
        "isspace" | "isprintable" => {
            let [] = of_method(arguments, [])?;
            Value::from(match name {
                "isspace" => !own.is_empty() && own.chars().all(python::is_space),
                _ => own.chars().all(python::is_printable),
            })
        }
        "isdigit" | "isnumeric" | "isdecimal" => {
            let [] = of_method(arguments, [])?;
            // Which characters of other scripts count as digits, numerals or decimals takes a table; letters
            // may be numerals (一).
            let no_digit = |c: char| c.is_ascii() || (c.is_alphabetic() && name != "isnumeric");
            if !own.chars().all(no_digit) {
                return Err(wrong(format!("`{name}` is supported for ASCII texts only")));
            }
            Value::from(!own.is_empty() && own.bytes().all(|b| b.is_ascii_digit()))
        }
        _ => return Ok(None),
    }))
}

/// True if the test holds for a text, or for one of a tuple of texts.
fn any_of(given: &Value, fits: impl Fn(&str) -> bool) -> Result<bool, Error> {
    if !given.is_tuple() {
        return Ok(fits(text(given)?));
    }
    let parts: Vec<Value> = given.try_iter()?.collect();
    let parts: Vec<&str> = parts.iter().map(text).collect::<Result<_, _>>()?;
    Ok(parts.into_iter().any(fits))
}

fn of_map(own: &Value, name: &str, arguments: &[Value]) -> Result<Option<Value>, Error> {
    let Some(map) = own.as_object() else { return Ok(None) };
    let view = match name {
        "keys" => View::Keys,
        "values" => View::Values,
        "items" => View::Items,
        "copy" => {
            let [] = of_method(arguments, [])?;
            return Ok(Some(own.clone()));
        }
        _ => return Ok(None),
    };
    let [] = of_method(arguments, [])?;
    Ok(Some(DictView::of(map, view)))
}

fn of_sequence(own: &Value, name: &str, arguments: &[Value]) -> Result<Option<Value>, Error> {
    match name {
        "index" => {
            let [what] = of_method(arguments, ["value"])?;
            let at = own.try_iter()?.position(|item| item == what);
            at.map(|at| Some(Value::from(at))).ok_or_else(|| wrong("the value is not in the list"))
        }
        "copy" => {
            let [] = of_method(arguments, [])?;
            Ok(Some(own.clone()))
        }
        _ => Ok(None),
    }
}
