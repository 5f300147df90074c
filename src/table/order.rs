//! The order in which a score table has its items, which is that of the data they were read from.

use std::collections::HashMap;

use super::TableError;
use super::read::ScoreFile;
use crate::lang::Lang;

/// The place of each item by benchmark, subset and id, in each language.
#[derive(Debug, Default)]
pub struct ItemOrder(HashMap<([Box<str>; 3], Lang), usize>);

impl ItemOrder {
    /// # Errors
    /// Rows that cannot be read.
    pub fn read(file: ScoreFile) -> Result<ItemOrder, TableError> {
        let mut places = HashMap::new();
        for row in file.rows()? {
            let names = [row.benchmark, row.subset, row.item_id].map(|name| Box::from(&*name));
            let next = places.len();
            places.entry((names, row.lang)).or_insert(next);
        }
        Ok(ItemOrder(places))
    }

    /// Where an item stands; items that the table does not have stand last.
    pub fn place(&self, names: [&str; 3], lang: Lang) -> usize {
        self.0.get(&(names.map(Box::from), lang)).copied().unwrap_or(usize::MAX)
    }
}
