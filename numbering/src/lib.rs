//! Strings and keys by number: equal ones have equal numbers, in order of first appearance.
//!
//! A package of its own, because it is optimised in the development profile, too: every row of every table is looked up
//! here. Nothing at its surface is generic (generic code is optimised, or not, with its caller).

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// A string by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Symbol(pub u32);

/// Two-way map between strings and [`Symbol`]s.
#[derive(Debug, Default, Clone)]
pub struct Symbols {
    names: Vec<Arc<str>>,
    numbers: HashMap<Arc<str>, u32>,
}

impl Symbols {
    pub fn intern(&mut self, name: &str) -> Symbol {
        if let Some(&number) = self.numbers.get(name) {
            return Symbol(number);
        }
        let shared: Arc<str> = name.into();
        let number = self.names.len() as u32;
        self.names.push(shared.clone());
        self.numbers.insert(shared, number);
        Symbol(number)
    }

    /// The symbols of all of another's strings, by its symbols' numbers.
    pub fn intern_all(&mut self, other: &Symbols) -> Vec<Symbol> {
        other.names.iter().map(|name| self.intern(name)).collect()
    }

    pub fn get(&self, name: &str) -> Option<Symbol> {
        self.numbers.get(name).map(|&n| Symbol(n))
    }

    pub fn name(&self, symbol: Symbol) -> &str {
        &self.names[symbol.0 as usize]
    }

    /// The place of each symbol when names are sorted by their bytes.
    pub fn ranks(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.names.len() as u32).collect();
        order.sort_unstable_by(|&a, &b| self.names[a as usize].cmp(&self.names[b as usize]));
        let mut ranks = vec![0; order.len()];
        for (rank, symbol) in order.into_iter().enumerate() {
            ranks[symbol as usize] = rank as u32;
        }
        ranks
    }
}

/// What names a row: several numbers.
pub type Key = [u32; 5];

/// Keys by number.
#[derive(Debug, Default, Clone)]
pub struct Keys {
    numbers: HashMap<Key, u32, BuildHasherDefault<Mix>>,
}

impl Keys {
    /// The key's number: how many others came before it.
    pub fn number(&mut self, key: Key) -> u32 {
        let next = self.numbers.len() as u32;
        *self.numbers.entry(key).or_insert(next)
    }
}

/// Keys are our own numbers, so nobody chooses them to collide: a multiplication per word will do.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(4) {
            let mut word = [0; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u32(u32::from_le_bytes(word));
        }
    }

    fn write_u32(&mut self, word: u32) {
        self.0 = (self.0.rotate_left(5) ^ u64::from(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_usize(&mut self, _: usize) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_strings_and_keys_have_equal_numbers() {
        let mut symbols = Symbols::default();
        let (b, a) = (symbols.intern("b"), symbols.intern("a"));
        assert_eq!((symbols.intern("b"), symbols.get("a"), symbols.get("c")), (b, Some(a), None));
        assert_eq!((symbols.name(a), symbols.ranks()), ("a", vec![1, 0]));
        let mut others = Symbols::default();
        others.intern("a");
        assert_eq!((others.intern_all(&symbols), others.name(Symbol(1))), (vec![Symbol(1), Symbol(0)], "b"));
        let mut keys = Keys::default();
        let all: Vec<Key> = (0..1_000).map(|i| [i % 3, i % 7, i, 0, i / 2]).collect();
        for _ in 0..2 {
            assert!(all.iter().enumerate().all(|(number, key)| keys.number(*key) == number as u32));
        }
    }
}
