//! Scalar reward models as the trainer sees them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tch::{Kind, Tensor};

use super::arithmetic::Arithmetic;
use super::kept::Kept;
use super::trainable::{Ask, Forward, PairSize, Trainable};
use crate::backbone::params::Params;
use crate::backbone::vocabulary::OutputLayer;
use crate::backbone::{Dropout, DropoutKey};
use crate::objective::language_model::{Every, NextTokens, next_token_loss};
use crate::preference::Comparison;
use crate::reward::RewardError;
use crate::reward::artifact::{ProvenanceCard, RewardCard};
use crate::reward::implicit::response_tokens;
use crate::reward::scalar::ScalarModel;
use crate::text::batch::{Sharing, cost};
use crate::text::cut::Part;
use crate::text::encode::Encoded;
use crate::text::response_tokens::ResponseTokens;

/// A scalar model, with what its finished directory will say of it.
pub struct ScalarTrainable {
    pub model: ScalarModel,
    /// Where the tokenizer's files lie.
    pub tokenizer_dir: PathBuf,
    pub objective: String,
    pub provenance: ProvenanceCard,
    /// What an adapter is trained on, as its configuration will call it; `None`: everything is trained.
    pub adapter_base: Option<String>,
    /// Gradient checkpointing: how many layers autograd keeps at a time; `None`: all.
    pub segment: Option<usize>,
    /// What next-token losses beside the reward read.
    pub output: Option<OutputLayer>,
    arithmetic: Option<Arithmetic>,
}

impl ScalarTrainable {
    /// A model whose parameters ask for gradients already; all are saved, and autograd keeps all layers.
    pub fn new(model: ScalarModel, tokenizer_dir: PathBuf, objective: String, provenance: ProvenanceCard) -> Self {
        let arithmetic = Arithmetic::of(&model.network);
        Self {
            model,
            tokenizer_dir,
            objective,
            provenance,
            adapter_base: None,
            segment: None,
            output: None,
            arithmetic,
        }
    }

    fn kept(&self) -> Kept<'_> {
        Kept { model: &self.model, adapter_base: self.adapter_base.as_deref() }
    }
}

impl Trainable for ScalarTrainable {
    type Encoded = Encoded;

    fn encode(&self, comparisons: &[Comparison]) -> Result<Vec<Encoded>, RewardError> {
        Ok(self.model.text.encode_all(comparisons)?)
    }

    fn encode_cut(&self, comparisons: &[Comparison], part: Part) -> Result<Vec<Option<Encoded>>, RewardError> {
        Ok(self.model.text.encode_all_cut(comparisons, part)?)
    }

    fn size(&self, encoded: &Encoded) -> PairSize {
        PairSize {
            computed: cost(encoded, self.model.network.sharing()),
            sequences: cost(encoded, Sharing::Never),
            truncated: encoded.truncated.contains(&true),
            same: matches!(&encoded.sequences[..], [chosen, rejected] if chosen == rejected),
        }
    }

    fn lengths(&self, encoded: &Encoded) -> Vec<usize> {
        encoded.sequences.iter().map(Vec::len).collect()
    }

    fn flop(&self, encoded: &Encoded) -> Option<f64> {
        let lengths = encoded.sequences.iter().map(Vec::len);
        Some(self.arithmetic.as_ref()?.pair(lengths, self.size(encoded)))
    }

    fn drops(&self) -> bool {
        self.kept().drops()
    }

    fn compute(&self) -> Kind {
        self.model.network.compute
    }

    fn params(&self) -> &Params {
        self.model.network.params()
    }

    fn is_head(&self, name: &str) -> bool {
        self.model.network.is_of_head(name)
    }

    fn rewards(&self, pairs: &[&Encoded], dropout: Option<(Dropout, DropoutKey)>) -> Result<Tensor, RewardError> {
        let members: Vec<(usize, &Encoded)> = pairs.iter().copied().enumerate().collect();
        let batch = self.model.token_batch(&members)?;
        self.model.rewards_for_training(&batch, dropout)
    }

    fn forward(
        &self,
        pairs: &[&Encoded],
        dropout: Option<(Dropout, DropoutKey)>,
        ask: Ask,
    ) -> Result<Forward<'_>, RewardError> {
        let network = &self.model.network;
        if ask.next_token.is_some() && !network.shares_prefixes() {
            return Err(RewardError::Model("next-token loss needs a causal decoder; this model is an encoder".into()));
        }
        let members: Vec<(usize, &Encoded)> = pairs.iter().copied().enumerate().collect();
        let batch = self.model.token_batch(&members)?;
        let given = network.states_for_training(&batch, dropout, ask.next_token.is_some(), self.segment)?;
        let states = given.states;
        let next_token = match (ask.next_token, &given.hidden_td) {
            (Some(every), Some(hidden_td)) => Some(match (network.head().output(), &self.output) {
                (Some(output), _) => of_responses(output, hidden_td, &response_tokens(&batch, &members)?),
                (None, Some(output)) => {
                    let next = NextTokens::of(&batch, |branch| branch == ask.text).thinned(&batch, every);
                    next_token_loss(hidden_td, output, &next)
                }
                (None, None) => return Err(RewardError::Model("no output layer was loaded".into())),
            }),
            _ => None,
        };
        if states.tokens.is_some() && (ask.states.is_some() || ask.attributes) {
            let why = "this model's head reads every token; the objective looks at one state per response";
            return Err(RewardError::Model(why.into()));
        }
        Ok(Forward {
            rewards_s: network.head().rewards(&states)?,
            next_token,
            attributes_sa: ask.attributes.then(|| network.head().attributes(&states)),
            states_sd: ask.states.map(|of| of.read(network.head(), &states)),
            rest: given.rest,
        })
    }

    fn next_tokens(&self, encoded: &Encoded, every: Every, text: usize) -> usize {
        if self.model.network.head().output().is_some() {
            let of = |(ids, prompt): (&Vec<u32>, &usize)| ids.len().saturating_sub((*prompt).max(1));
            return encoded.sequences.iter().zip(&encoded.prompt_tokens).map(of).sum();
        }
        encoded.sequences.get(text).map_or(0, |ids| every.count(ids.len()))
    }

    fn mismatched(&self, pair: &Encoded, donor: Option<&Encoded>, beside: bool) -> Option<Encoded> {
        let (prompt, own) = parts(pair)?;
        let (other, cut) = match donor {
            Some(donor) => (parts(donor)?.1.to_vec(), donor.truncated.first().copied()?),
            None => (echo(prompt, own, |id| self.model.text.is_special(id))?, false),
        };
        if own == other {
            return None;
        }
        let replaced = [prompt, &other].concat();
        // The donor's response may be longer than what it replaces; the limit holds all the same.
        if self.model.text.settings().max_length.is_some_and(|limit| replaced.len() > limit) {
            return None;
        }
        let mut changed = pair.clone();
        let kept = if beside { changed.sequences.len() } else { 1 };
        if !pair.segments.is_empty() || donor.is_some_and(|donor| !donor.segments.is_empty()) {
            let own = pair.segments_of(0);
            let tail = match donor {
                Some(donor) => donor.segments_of(0).split_off(*donor.prompt_tokens.first()?),
                None => vec![own.last().copied()?; other.len()],
            };
            changed.segments = (0..kept).map(|sequence| pair.segments_of(sequence)).collect();
            changed.segments.push([&own[..prompt.len()], &tail].concat());
        }
        changed.sequences.truncate(kept);
        changed.truncated.truncate(kept);
        changed.prompt_tokens.truncate(kept);
        changed.sequences.push(replaced);
        changed.truncated.push(cut);
        changed.prompt_tokens.push(prompt.len());
        Some(changed)
    }

    fn save(&self, dir: &Path) -> Result<(), RewardError> {
        let card = RewardCard::of(&self.model, Some(&self.objective));
        self.kept().save(dir, &self.tokenizer_dir, card, &self.provenance)
    }

    fn saved(&self) -> Result<Vec<(&str, &Tensor)>, RewardError> {
        self.kept().parameters()
    }

    fn read(&self, dir: &Path) -> Result<BTreeMap<String, Tensor>, RewardError> {
        self.kept().read(dir)
    }
}

/// Σ −log p over the tokens of all responses, on the graph; hidden [t, d].
fn of_responses(output: &OutputLayer, hidden_td: &Tensor, tokens: &ResponseTokens) -> Tensor {
    let index = |values: Vec<i64>| Tensor::from_slice(&values).to_device(hidden_td.device());
    let rows = index(tokens.rows.iter().map(|&row| row as i64).collect());
    let log_prob_n = output.log_probs(&hidden_td.index_select(0, &rows), &tokens.ids);
    // What responses have in common is predicted once and counts for each.
    let places = index(tokens.of.iter().flatten().map(|&place| place as i64).collect());
    -log_prob_n.index_select(0, &places).sum(log_prob_n.kind())
}

/// The end of what the prompt says, as long as the response `own`, closed as that is. Special tokens are the
/// template's; `None` where the prompt says nothing.
fn echo(prompt: &[u32], own: &[u32], special: impl Fn(u32) -> bool) -> Option<Vec<u32>> {
    let end = prompt.iter().rposition(|&id| !special(id))? + 1;
    let start = prompt[..end].iter().rposition(|&id| special(id)).map_or(0, |at| at + 1);
    let said = own.iter().rposition(|&id| !special(id))? + 1;
    let start = start.max(end.saturating_sub(said));
    Some([&prompt[start..end], &own[said..]].concat())
}

/// Prompt and chosen response of a pair, as tokens.
fn parts(encoded: &Encoded) -> Option<(&[u32], &[u32])> {
    let sequence = encoded.sequences.first()?;
    sequence.split_at_checked(*encoded.prompt_tokens.first()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_echo_is_the_end_of_the_last_message() {
        // Ids below 10 are special: BOS, user, …, EOS, assistant.
        let special = |id| id < 10;
        let prompt = [1, 5, 30, 31, 3, 5, 20, 21, 22, 3, 6];
        assert_eq!(echo(&prompt, &[40, 41, 3], special), Some(vec![21, 22, 3]));
        assert_eq!(echo(&prompt, &[40, 41, 42, 43, 44, 3], special), Some(vec![20, 21, 22, 3]));
        assert_eq!(echo(&[1, 5, 3, 6], &[40, 3], special), None);
        assert_eq!(echo(&prompt, &[3], special), None);
    }
}
