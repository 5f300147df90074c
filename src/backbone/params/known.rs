//! What a source of parameters knows of itself.

use super::ParamSource;

impl ParamSource {
    /// Names of the tensors asked for so far.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.params.keys().map(String::as_str)
    }

    /// False where everything is drawn.
    pub fn is_checkpoint(&self) -> bool {
        self.checkpoint.is_some()
    }
}
