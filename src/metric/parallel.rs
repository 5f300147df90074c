//! One run's outcomes by language and source item, in the languages of a design.

use std::ops::Deref;

use rmbench_contributions::sources::Sources;

use crate::lang::Lang;
use crate::metric::design::Design;
use crate::table::item::ItemTable;

/// [`Sources`] with the names of its languages.
#[derive(Debug, Clone, PartialEq)]
pub struct Parallel {
    /// Of the benchmark's items and of its English originals, in order of code.
    pub langs: Vec<Lang>,
    sources: Sources,
}

impl Parallel {
    pub fn new(table: &ItemTable, design: &Design, run: usize) -> Self {
        let mut langs: Vec<Lang> = design.cells.iter().map(|cell| cell.lang).collect();
        langs.sort_unstable();
        langs.dedup();
        let mut sources = Sources::new(langs.len(), design.n_clusters);
        let view = table.view(run);
        for cell in &design.cells {
            if let Ok(lang) = langs.binary_search(&cell.lang) {
                sources.add(lang, &cell.units, &view);
            }
        }
        Parallel { langs, sources }
    }
}

impl Deref for Parallel {
    type Target = Sources;

    fn deref(&self) -> &Sources {
        &self.sources
    }
}
