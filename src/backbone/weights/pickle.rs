//! The part of Python's pickle that a state dict needs, and nothing that could run code.
//!
//! A pickle is a program for a small stack machine; its danger is that it may call whatever Python can
//! import. Here the only callables are the few of [`Global`], which build descriptions of tensors; any
//! other name ends the reading with an error that says it. Values live in one list and refer to each
//! other by number, so that neither depth nor sharing of hostile input costs more than its bytes.

use std::collections::HashMap;

use tch::Kind;

/// Number of a value.
pub type Id = usize;

/// A storage type's element type as PyTorch and libtorch call it; the latter only for those that are read.
pub type Element = (&'static str, usize, Option<Kind>);

/// Storage classes of `torch` by name: element type, its bytes, its kind.
const STORAGES: [(&str, Element); 12] = [
    ("FloatStorage", ("float32", 4, Some(Kind::Float))),
    ("HalfStorage", ("float16", 2, Some(Kind::Half))),
    ("BFloat16Storage", ("bfloat16", 2, Some(Kind::BFloat16))),
    ("DoubleStorage", ("float64", 8, Some(Kind::Double))),
    ("LongStorage", ("int64", 8, Some(Kind::Int64))),
    ("IntStorage", ("int32", 4, Some(Kind::Int))),
    ("ShortStorage", ("int16", 2, Some(Kind::Int16))),
    ("CharStorage", ("int8", 1, Some(Kind::Int8))),
    ("ByteStorage", ("uint8", 1, Some(Kind::Uint8))),
    ("BoolStorage", ("bool", 1, Some(Kind::Bool))),
    ("ComplexFloatStorage", ("complex64", 8, None)),
    ("ComplexDoubleStorage", ("complex128", 16, None)),
];

/// Axes a tensor can have here; libtorch allows more, models do not use them.
const MAX_AXES: usize = 16;

/// All that a state dict may name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Global {
    /// `collections.OrderedDict`
    OrderedDict,
    /// `torch._utils._rebuild_tensor_v2`
    RebuildTensor,
    /// `torch._utils._rebuild_parameter`
    RebuildParameter,
    Storage(Element),
}

impl Global {
    fn find(module: &str, name: &str) -> Result<Self, String> {
        let storage = || STORAGES.iter().find(|(known, _)| *known == name).map(|(_, element)| *element);
        Ok(match (module, name) {
            ("collections", "OrderedDict") => Global::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Global::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Global::RebuildParameter,
            ("torch", _) if let Some(element) = storage() => Global::Storage(element),
            _ => {
                return Err(format!(
                    "its pickle names `{module}.{name}`, which a plain dictionary of tensors has no use for and which \
                     could run code"
                ));
            }
        })
    }
}

/// A tensor as its pickle describes it; nothing is checked against the storage yet.
#[derive(Debug, Clone, PartialEq)]
pub struct PickledTensor {
    pub storage: Id,
    pub offset: i64,
    pub shape: Vec<i64>,
    pub strides: Vec<i64>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value<'p> {
    None,
    Int(i64),
    Text(&'p str),
    /// Something that no tensor is made of: a flag, a float, a large integer.
    Other,
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage {
        key: &'p str,
        element: Element,
        elements: i64,
    },
    Tensor(PickledTensor),
}

/// What a pickle says: all values, and which is the result.
pub struct Pickled<'p> {
    values: Vec<Value<'p>>,
    result: Id,
}

impl<'p> Pickled<'p> {
    pub fn result(&self) -> &Value<'p> {
        &self.values[self.result]
    }

    pub fn value(&self, id: Id) -> &Value<'p> {
        &self.values[id]
    }
}

/// Runs a pickle. Problems are sentences without the file's name.
pub fn read(bytes: &[u8]) -> Result<Pickled<'_>, String> {
    let mut machine =
        Machine { rest: bytes, values: Vec::new(), stack: Vec::new(), marks: Vec::new(), memo: HashMap::new() };
    loop {
        if let Some(result) = machine.step()? {
            return Ok(Pickled { values: machine.values, result });
        }
    }
}

struct Machine<'p> {
    rest: &'p [u8],
    values: Vec<Value<'p>>,
    stack: Vec<Id>,
    /// Heights of the stack at which marks stand.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
}

impl<'p> Machine<'p> {
    /// One operation; the result where it was the last.
    fn step(&mut self) -> Result<Option<Id>, String> {
        let operation = self.byte()?;
        match operation {
            b'.' => return self.pop().map(Some),
            0x80 => {
                self.byte()?;
            }
            0x95 => {
                self.take(8)?;
            }
            b'(' => self.marks.push(self.stack.len()),
            b'N' => self.push(Value::None),
            0x88 | 0x89 => self.push(Value::Other),
            b'J' => {
                let n = self.number::<4>()? as u32 as i32;
                self.push(Value::Int(n.into()));
            }
            b'K' | b'M' => {
                let n = if operation == b'K' { self.number::<1>()? } else { self.number::<2>()? };
                self.push(Value::Int(n as i64));
            }
            0x8a => {
                let n = usize::from(self.byte()?);
                let value = long(self.take(n)?);
                self.push(value);
            }
            b'G' => {
                self.take(8)?;
                self.push(Value::Other);
            }
            0x8c | b'X' | 0x8d => {
                let n = match operation {
                    0x8c => self.number::<1>()?,
                    b'X' => self.number::<4>()?,
                    _ => self.number::<8>()?,
                };
                self.text(n)?;
            }
            b')' => self.push(Value::Tuple(Vec::new())),
            b't' => {
                let items = self.above_mark()?;
                self.push(Value::Tuple(items));
            }
            0x85..=0x87 => {
                let items = self.pop_many(usize::from(operation - 0x84))?;
                self.push(Value::Tuple(items));
            }
            b']' => self.push(Value::List(Vec::new())),
            b'a' | b'e' => {
                let items = if operation == b'a' { self.pop_many(1)? } else { self.above_mark()? };
                self.append(items)?;
            }
            b'}' => self.push(Value::Dict(Vec::new())),
            b's' | b'u' => {
                let pairs = if operation == b's' { self.pop_many(2)? } else { self.above_mark()? };
                self.set(pairs)?;
            }
            b'q' | b'r' | 0x94 => {
                let key = match operation {
                    b'q' => self.number::<1>()?,
                    b'r' => self.number::<4>()?,
                    _ => self.memo.len() as u64,
                };
                let id = *self.stack.last().ok_or_else(damaged)?;
                self.memo.insert(key, id);
            }
            b'h' | b'j' => {
                let key = if operation == b'h' { self.number::<1>()? } else { self.number::<4>()? };
                self.stack.push(*self.memo.get(&key).ok_or_else(damaged)?);
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(Value::Global(Global::find(module, name)?));
            }
            0x93 => match *self.pop_many(2)? {
                [module, name] => match (&self.values[module], &self.values[name]) {
                    (Value::Text(module), Value::Text(name)) => self.push(Value::Global(Global::find(module, name)?)),
                    _ => return Err(damaged()),
                },
                _ => return Err(damaged()),
            },
            b'R' => self.call()?,
            // Attributes of a dictionary, such as the module versions that PyTorch leaves there.
            b'b' => {
                self.pop()?;
                if !matches!(self.top()?, Value::Dict(_)) {
                    return Err("its pickle sets attributes of something other than a dictionary".into());
                }
            }
            b'Q' => self.storage()?,
            other => {
                return Err(format!("its pickle has the operation {other:#04x}, which no dictionary of tensors needs"));
            }
        }
        Ok(None)
    }

    /// Calls one of the known callables with a tuple of arguments.
    fn call(&mut self) -> Result<(), String> {
        let (arguments, callable) = (self.pop()?, self.pop()?);
        let (Value::Global(global), Value::Tuple(arguments)) = (&self.values[callable], &self.values[arguments]) else {
            return Err("its pickle calls something that is not a function".into());
        };
        let result = match (global, arguments.as_slice()) {
            (Global::OrderedDict, []) => Value::Dict(Vec::new()),
            (Global::RebuildTensor, [storage, offset, shape, strides, ..]) => {
                let Value::Int(offset) = self.values[*offset] else { return Err(damaged()) };
                let (shape, strides) = (self.integers(*shape)?, self.integers(*strides)?);
                Value::Tensor(PickledTensor { storage: *storage, offset, shape, strides })
            }
            (Global::RebuildParameter, [tensor, ..]) => self.values[*tensor].clone(),
            _ => return Err("its pickle calls a known function in an unknown way".into()),
        };
        self.push(result);
        Ok(())
    }

    /// `("storage", class, key, device, number of elements)`: a reference to a record of the archive.
    fn storage(&mut self) -> Result<(), String> {
        let reference = self.pop()?;
        let Value::Tuple(parts) = &self.values[reference] else { return Err(damaged()) };
        let parts: Vec<&Value<'p>> = parts.iter().map(|&id| &self.values[id]).collect();
        let [Value::Text("storage"), Value::Global(Global::Storage(element)), Value::Text(key), _, Value::Int(n)] =
            parts[..]
        else {
            return Err("its pickle refers to something other than a storage".into());
        };
        let storage = Value::Storage { key, element: *element, elements: *n };
        self.push(storage);
        Ok(())
    }

    fn integers(&self, id: Id) -> Result<Vec<i64>, String> {
        let Value::Tuple(items) = &self.values[id] else { return Err(damaged()) };
        if items.len() > MAX_AXES {
            return Err(format!("its pickle has a tensor of {} axes", items.len()));
        }
        let integer = |&id: &Id| match self.values[id] {
            Value::Int(n) => Ok(n),
            _ => Err(damaged()),
        };
        items.iter().map(integer).collect()
    }

    fn append(&mut self, items: Vec<Id>) -> Result<(), String> {
        match self.top()? {
            Value::List(list) => list.extend(items),
            _ => return Err(damaged()),
        }
        Ok(())
    }

    fn set(&mut self, pairs: Vec<Id>) -> Result<(), String> {
        let (pairs, []) = pairs.as_chunks::<2>() else { return Err(damaged()) };
        match self.top()? {
            Value::Dict(dict) => dict.extend(pairs.iter().map(|&[key, value]| (key, value))),
            _ => return Err(damaged()),
        }
        Ok(())
    }

    fn push(&mut self, value: Value<'p>) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    /// Never below the last mark.
    fn pop(&mut self) -> Result<Id, String> {
        if self.stack.len() <= self.marks.last().copied().unwrap_or(0) {
            return Err(damaged());
        }
        self.stack.pop().ok_or_else(damaged)
    }

    fn pop_many(&mut self, n: usize) -> Result<Vec<Id>, String> {
        let mut items = (0..n).map(|_| self.pop()).collect::<Result<Vec<Id>, String>>()?;
        items.reverse();
        Ok(items)
    }

    fn above_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self.marks.pop().ok_or_else(damaged)?;
        Ok(self.stack.split_off(mark))
    }

    fn top(&mut self) -> Result<&mut Value<'p>, String> {
        let id = *self.stack.last().ok_or_else(damaged)?;
        Ok(&mut self.values[id])
    }

    fn text(&mut self, n: u64) -> Result<(), String> {
        let bytes = self.take(usize::try_from(n).map_err(|_| damaged())?)?;
        let text = std::str::from_utf8(bytes).map_err(|_| "its pickle has a text that is not UTF-8".to_owned())?;
        self.push(Value::Text(text));
        Ok(())
    }

    fn line(&mut self) -> Result<&'p str, String> {
        let end = self.rest.iter().position(|&b| b == b'\n').ok_or_else(damaged)?;
        let line = self.take(end)?;
        self.byte()?;
        std::str::from_utf8(line).map_err(|_| damaged())
    }

    fn byte(&mut self) -> Result<u8, String> {
        self.number::<1>().map(|n| n as u8)
    }

    /// An unsigned little-endian number of N ≤ 8 bytes.
    fn number<const N: usize>(&mut self) -> Result<u64, String> {
        let mut wide = [0u8; 8];
        wide[..N].copy_from_slice(self.take(N)?);
        Ok(u64::from_le_bytes(wide))
    }

    fn take(&mut self, n: usize) -> Result<&'p [u8], String> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or_else(damaged)?;
        self.rest = rest;
        Ok(taken)
    }
}

/// A little-endian two's-complement number of any length.
fn long(bytes: &[u8]) -> Value<'static> {
    if bytes.len() > 8 {
        return Value::Other;
    }
    let fill = if bytes.last().is_some_and(|&b| b >= 0x80) { 0xff } else { 0 };
    let mut wide = [fill; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    Value::Int(i64::from_le_bytes(wide))
}

fn damaged() -> String {
    "its pickle is damaged".to_owned()
}
