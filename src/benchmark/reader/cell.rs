//! One value of one row, the same for every format.

use std::borrow::Cow;

use super::error::RowProblem;

/// A value. Text is borrowed from the batch where the format allows it and moved out where it is owned.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cell<'a> {
    Null,
    Text(Cow<'a, str>),
    Integer(i64),
    Number(f64),
    Bool(bool),
    List(Vec<Cell<'a>>),
    Struct(Vec<(Cow<'a, str>, Cell<'a>)>),
    /// A type that no part of preference data has, by name.
    Other(String),
}

/// What a column holds, as far as layouts depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    /// A whole number or a truth value.
    Integer,
    Number,
    TextList,
    /// One message or a list of messages.
    Messages,
    /// A list of message lists.
    MessagesList,
    /// Nothing but nulls seen, or something no layout uses.
    Other,
}

impl Kind {
    pub fn is_list(self) -> bool {
        matches!(self, Kind::TextList | Kind::Messages | Kind::MessagesList)
    }
}

/// A column's name and kind.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub name: String,
    pub kind: Kind,
}

/// What came of asking for the next row.
#[derive(Debug)]
pub(super) enum Advance {
    Row,
    /// The row is there but cannot be taken apart.
    Bad(RowProblem),
    End,
}

impl<'a> Cell<'a> {
    /// What the value is, for error messages.
    pub fn describe(&self) -> String {
        match self {
            Cell::Null => "no value".to_owned(),
            Cell::Text(_) => "text".to_owned(),
            Cell::Integer(_) => "a whole number".to_owned(),
            Cell::Number(_) => "a number".to_owned(),
            Cell::Bool(_) => "a truth value".to_owned(),
            Cell::List(_) => "a list".to_owned(),
            Cell::Struct(_) => "a record".to_owned(),
            Cell::Other(name) => format!("a value of type {name}"),
        }
    }

    pub fn mismatch(&self, expected: &'static str) -> RowProblem {
        match self {
            Cell::Null => RowProblem::Null,
            other => RowProblem::Type { expected, found: other.describe() },
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Cell::Null)
    }

    /// Text that is not blank.
    pub fn into_text(self) -> Result<Cow<'a, str>, RowProblem> {
        match self {
            Cell::Text(text) if text.trim().is_empty() => Err(RowProblem::Empty),
            Cell::Text(text) => Ok(text),
            other => Err(other.mismatch("text")),
        }
    }

    /// An identifier: text or a whole number.
    pub fn into_name(self) -> Result<Cow<'a, str>, RowProblem> {
        match self {
            Cell::Integer(number) => Ok(Cow::Owned(number.to_string())),
            // JSON written by pandas turns a column of whole numbers with gaps into 3.0.
            Cell::Number(number) if number.fract() == 0.0 && number.abs() < 9e15 => {
                Ok(Cow::Owned(format!("{number:.0}")))
            }
            Cell::Text(_) => self.into_text(),
            other => Err(other.mismatch("text or a whole number")),
        }
    }

    /// A finite number, also as a list of one (logits of shape [B, 1]) or as text (CSV); null and NaN, which is how
    /// pandas writes it, are `None`.
    pub fn into_number(self) -> Result<Option<f64>, RowProblem> {
        const EXPECTED: &str = "a finite number";
        match self {
            Cell::Null => Ok(None),
            Cell::Integer(number) => Ok(Some(number as f64)),
            Cell::Number(number) if number.is_nan() => Ok(None),
            Cell::Number(number) if number.is_finite() => Ok(Some(number)),
            Cell::Text(text) => match text.trim().parse::<f64>() {
                Ok(number) if number.is_nan() => Ok(None),
                Ok(number) if number.is_finite() => Ok(Some(number)),
                _ => Err(RowProblem::Type { expected: EXPECTED, found: "text".to_owned() }),
            },
            Cell::List(items) if items.len() == 1 => match items.into_iter().next() {
                Some(item @ (Cell::Integer(_) | Cell::Number(_) | Cell::Null)) => item.into_number(),
                _ => Err(RowProblem::Type { expected: EXPECTED, found: "a list".to_owned() }),
            },
            other => Err(other.mismatch(EXPECTED)),
        }
    }
}

impl From<serde_json::Value> for Cell<'static> {
    fn from(value: serde_json::Value) -> Self {
        use serde_json::Value;
        match value {
            Value::Null => Cell::Null,
            Value::Bool(truth) => Cell::Bool(truth),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => Cell::Integer(whole),
                (None, Some(real)) => Cell::Number(real),
                (None, None) => Cell::Other(number.to_string()),
            },
            Value::String(text) => Cell::Text(Cow::Owned(text)),
            Value::Array(items) => Cell::List(items.into_iter().map(Cell::from).collect()),
            Value::Object(fields) => {
                Cell::Struct(fields.into_iter().map(|(name, value)| (Cow::Owned(name), Cell::from(value))).collect())
            }
        }
    }
}
