//! The judge in training, and the model it began as.

use std::path::{Path, PathBuf};

use tch::Tensor;

use super::settings::JudgeTraining;
use crate::backbone::Pass;
use crate::backbone::params::Params;
use crate::generation::Writer;
use crate::generation::ends;
use crate::judge::Protocol;
use crate::reward::RewardError;
use crate::reward::artifact::{self, ProvenanceCard};
use crate::reward::language_model::LanguageModel;
use crate::text::batch::TokenBatch;
use crate::train::trainable::Saved;

pub struct JudgeModel {
    /// Writes with the policy as it stands: its parameters are updated in place.
    pub writer: Writer,
    /// `None` where the distance from it has no weight.
    pub reference: Option<LanguageModel>,
    pub protocol: Protocol,
    pub tokenizer_dir: PathBuf,
    pub provenance: ProvenanceCard,
}

/// The tokens of a batch's replies: the positions that predict them, and what follows there, reply by reply.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplyTokens {
    pub rows: Vec<usize>,
    pub ids: Vec<i64>,
    pub lengths: Vec<usize>,
}

impl ReplyTokens {
    /// `prompts`: tokens of each sequence's prompt, in the order of the batch's owners.
    pub fn of(batch: &TokenBatch, prompts: &[usize]) -> Self {
        let mut found = Self::default();
        let branches = batch.trees.iter().flat_map(|tree| tree.branches.iter().map(|branch| (&tree.prefix, branch)));
        for ((prefix, branch), &prompt) in branches.zip(prompts) {
            let at = |position: usize| match position.checked_sub(prefix.len()) {
                None => prefix.start + position,
                Some(within) => branch.start + within,
            };
            let length = prefix.len() + branch.len();
            for position in prompt.max(1)..length {
                found.rows.push(at(position - 1));
                found.ids.push(batch.ids[at(position)]);
            }
            found.lengths.push(length - prompt.max(1).min(length));
        }
        found
    }
}

impl JudgeModel {
    pub fn policy(&self) -> &LanguageModel {
        &self.writer.model
    }

    /// New tokens of a reply at most.
    pub fn most(&self, judge: &JudgeTraining) -> usize {
        judge.max_tokens.unwrap_or(self.protocol.ask.max_tokens as usize)
    }

    /// The longest sequence that the model takes.
    pub fn limit(&self) -> usize {
        self.policy().config.max_length.map_or(usize::MAX, |limit| limit.max(0) as usize)
    }

    /// log p of the tokens, on the graph of the policy.
    pub fn log_probs(model: &LanguageModel, batch: &TokenBatch, tokens: &ReplyTokens) -> Tensor {
        let states_nd = model.states_at(batch, &tokens.rows, Pass::evaluation(model.compute));
        model.log_probs(&states_nd, &tokens.ids)
    }

    /// Writes an ordinary language model, with what ends its replies, its tokenizer and `rmbench.toml`.
    pub fn save(&self, dir: &Path) -> Result<(), RewardError> {
        self.write(dir)
    }
}

impl Saved for JudgeModel {
    fn parameters(&self) -> &Params {
        self.policy().params()
    }

    fn write(&self, dir: &Path) -> Result<(), RewardError> {
        let failed = |e: &dyn std::fmt::Display| RewardError::Model(e.to_string());
        let ends = ends::to_json(&self.writer.ends);
        let text = self.writer.text.settings();
        artifact::save_language_model(
            dir,
            self.policy(),
            (&self.tokenizer_dir, text),
            ("judge-grpo", &self.provenance),
            &ends,
        )
        .map_err(|e| failed(&e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::batch::TokenTree;

    /// A prompt 5 6 with replies 7 and 8 9.
    #[test]
    fn replies_of_a_group_share_their_prompt() {
        let batch = TokenBatch {
            ids: vec![5, 6, 7, 8, 9],
            positions: vec![0, 1, 2, 2, 3],
            trees: vec![TokenTree { prefix: 0..2, branches: vec![2..3, 3..5] }],
            owners: vec![(0, 0), (0, 1)],
            ..TokenBatch::default()
        };
        let found = ReplyTokens::of(&batch, &[2, 2]);
        assert_eq!((found.rows, found.ids, found.lengths), (vec![1, 1, 3], vec![7, 8, 9], vec![1, 2]));
    }
}
