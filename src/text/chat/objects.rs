//! Values of templates that are neither text, number, list nor map.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr, Tuple, Value, from_args};
use minijinja::{Error, ErrorKind, State};

use crate::text::python;

/// What `range(…)` gives: a sequence that prints as Python's does.
#[derive(Debug)]
pub struct Range {
    start: i64,
    end: i64,
    step: i64,
}

/// More than any template counts to; a check that a typing error cannot fill the memory.
const LONGEST_RANGE: usize = 100_000;

impl Range {
    pub fn value(first: i64, end: Option<i64>, step: Option<i64>) -> Result<Value, Error> {
        let (start, end) = end.map_or((0, first), |end| (first, end));
        let range = Self { start, end, step: step.unwrap_or(1) };
        let wrong = |problem: &str| Err(Error::new(ErrorKind::InvalidOperation, problem.to_owned()));
        match range.step {
            0 => wrong("the step of a range must not be zero"),
            _ if range.count() > LONGEST_RANGE => wrong("the range is too long"),
            _ => Ok(Value::from_object(range)),
        }
    }

    fn count(&self) -> usize {
        let (span, step) = (i128::from(self.end) - i128::from(self.start), i128::from(self.step));
        usize::try_from((span + step - step.signum()) / step).unwrap_or(0)
    }
}

impl Object for Range {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let index = key.as_usize().filter(|index| *index < self.count())?;
        Some(Value::from(self.start + self.step * i64::try_from(index).ok()?))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.count())
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            1 => write!(f, "range({}, {})", self.start, self.end),
            step => write!(f, "range({}, {}, {step})", self.start, self.end),
        }
    }
}

/// Which side of a map's entries a view shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    Keys,
    Values,
    Items,
}

/// What `dict.keys()`, `dict.values()` and `dict.items()` give: something to iterate over, but no list.
#[derive(Debug)]
pub struct DictView {
    map: DynObject,
    view: View,
}

impl DictView {
    pub fn of(map: &DynObject, view: View) -> Value {
        Value::from_object(Self { map: map.clone(), view })
    }
}

impl Object for DictView {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let view = self.view;
        let pairs: Vec<(Value, Value)> = self.map.try_iter_pairs().into_iter().flatten().collect();
        Enumerator::Iter(Box::new(pairs.into_iter().map(move |(key, value)| match view {
            View::Keys => key,
            View::Values => value,
            View::Items => Value::from(Tuple::from([key, value])),
        })))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items: Vec<Value> = Value::from_dyn_object(self.clone()).try_iter().into_iter().flatten().collect();
        write!(f, "dict_{}({})", format!("{:?}", self.view).to_lowercase(), python::repr(&Value::from(items)))
    }
}

/// What `cycler(…)` gives.
#[derive(Debug)]
pub struct Cycler {
    items: Vec<Value>,
    /// How often it has moved on.
    moves: AtomicUsize,
}

impl Cycler {
    pub fn value(items: Vec<Value>) -> Result<Value, Error> {
        if items.is_empty() {
            return Err(Error::new(ErrorKind::InvalidOperation, "a cycler needs at least one item"));
        }
        Ok(Value::from_object(Self { items, moves: AtomicUsize::new(0) }))
    }

    fn item(&self, moves: usize) -> Value {
        self.items[moves % self.items.len()].clone()
    }
}

impl Object for Cycler {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        (key.as_str() == Some("current")).then(|| self.item(self.moves.load(Ordering::Relaxed)))
    }

    fn call_method(self: &Arc<Self>, _: &mut State<'_, '_>, name: &str, args: &[Value]) -> Result<Value, Error> {
        let () = from_args(args)?;
        match name {
            "next" => Ok(self.item(self.moves.fetch_add(1, Ordering::Relaxed))),
            "reset" => {
                self.moves.store(0, Ordering::Relaxed);
                Ok(Value::from(()))
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}
