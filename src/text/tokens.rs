//! Token ids on their way to a sequence: what may be cut, what must stay.

/// Ids, and which of them truncation must leave.
pub(super) struct Tokens {
    pub ids: Vec<u32>,
    pub kept: Vec<bool>,
}

impl Tokens {
    pub fn remove_first(&mut self, mut n: usize) {
        let stays: Vec<bool> = self
            .kept
            .iter()
            .map(|kept| {
                let goes = !kept && n > 0;
                n -= usize::from(goes);
                !goes
            })
            .collect();
        let mut stay = stays.iter();
        self.ids.retain(|_| *stay.next().unwrap_or(&true));
        let mut stay = stays.iter();
        self.kept.retain(|_| *stay.next().unwrap_or(&true));
    }

    /// The last token is this one, and truncation leaves it.
    pub fn end_with(&mut self, id: u32) {
        if self.ids.last() != Some(&id) {
            self.ids.push(id);
            self.kept.push(false);
        }
        if let Some(kept) = self.kept.last_mut() {
            *kept = true;
        }
    }

    pub fn reverse(&mut self) {
        self.ids.reverse();
        self.kept.reverse();
    }
}
