//! Policies as the trainer sees them: a language model whose rewards are implicit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tch::{Device, Kind, Tensor};

use super::error::TrainError;
use super::kept::Kept;
use super::prepare::TrainPair;
use super::reference::{Key, References};
use super::trainable::{Ask, Forward, PairSize, Trainable};
use super::values::to_f64;
use crate::backbone::params::Params;
use crate::backbone::{Dropout, DropoutKey};
use crate::objective::implicit::{PolicyNeeds, ReferenceOf, Span, column};
use crate::preference::Comparison;
use crate::progress::Progress;
use crate::reward::RewardError;
use crate::reward::artifact::{ProvenanceCard, RewardCard};
use crate::reward::implicit::{ImplicitCard, response_tokens};
use crate::reward::network::Network;
use crate::reward::scalar::ScalarModel;
use crate::table::implicit::{LogProbs, View};
use crate::text::batch::{Sharing, TokenBatch, cost, plan};
use crate::text::cut::Part;
use crate::text::encode::Encoded;
use crate::text::response_tokens::ResponseTokens;

/// A policy, with what its finished directory will say of it.
pub struct PolicyTrainable {
    /// Network and text pipeline; its head is the vocabulary.
    pub policy: ScalarModel,
    /// Another model than the one that training begins with.
    pub reference: Option<Network>,
    /// Says which model the reference is, for log-probabilities that are kept.
    pub reference_digest: String,
    pub needs: PolicyNeeds,
    pub tokenizer_dir: PathBuf,
    pub objective: String,
    /// How the trained model's rewards are read.
    pub card: ImplicitCard,
    pub provenance: ProvenanceCard,
    /// Tokens computed at a time.
    pub token_budget: usize,
    /// What an adapter is trained on, as its configuration will call it; `None`: everything is trained.
    pub adapter_base: Option<String>,
    /// Gradient checkpointing: how many layers autograd keeps at a time; `None`: all.
    pub segment: Option<usize>,
}

/// A comparison as token ids, with what the reference says of it.
#[derive(Debug, Clone)]
pub struct PolicyPair {
    pub encoded: Encoded,
    /// One log-probability per sequence; empty where none is needed, or before [`Trainable::complete`].
    pub reference: Vec<f64>,
}

/// A batch, what of it is predicted, and which predictions count for each sequence.
struct Predicted {
    batch: TokenBatch,
    tokens: ResponseTokens,
    /// As many of each sequence's predictions as count, from the end.
    counted: Vec<usize>,
}

impl PolicyTrainable {
    fn kept(&self) -> Kept<'_> {
        Kept { model: &self.policy, adapter_base: self.adapter_base.as_deref() }
    }

    fn predicted(&self, members: &[(usize, &Encoded)], whole: bool) -> Result<Predicted, RewardError> {
        let batch = self.policy.token_batch(members)?;
        let responses = match self.needs.span {
            Span::Response => response_tokens(&batch, members)?,
            Span::Sequence => ResponseTokens::whole(&batch),
        };
        let counted = responses.of.iter().map(Vec::len).collect();
        let tokens = if whole { ResponseTokens::whole(&batch) } else { responses };
        Ok(Predicted { batch, tokens, counted })
    }

    /// Columns [s, column::COUNT] of the sequences, in f64: sums of hundreds of numbers whose differences are small.
    fn columns(&self, predicted: &Predicted, log_prob_n: &Tensor, references: &[f64]) -> Tensor {
        let Predicted { tokens, counted, .. } = predicted;
        let wide_n = log_prob_n.to_kind(Kind::Double);
        let sums = |from: &dyn Fn(usize) -> usize| {
            let (mut places, mut owners) = (Vec::new(), Vec::new());
            for (sequence, own) in tokens.of.iter().enumerate() {
                let taken = &own[from(sequence).min(own.len())..];
                places.extend(taken.iter().map(|&place| place as i64));
                owners.extend(std::iter::repeat_n(sequence as i64, taken.len()));
            }
            let index = |values: &[i64]| Tensor::from_slice(values).to_device(wide_n.device());
            let zeros = Tensor::zeros([tokens.of.len() as i64], (Kind::Double, wide_n.device()));
            zeros.index_add(0, &index(&owners), &wide_n.index_select(0, &index(&places)))
        };
        let numbers = |values: Vec<f64>| Tensor::from_slice(&values).to_device(wide_n.device());
        let of_response = sums(&|sequence| tokens.of[sequence].len() - counted[sequence]);
        let whole = sums(&|_| 0);
        let references = if references.is_empty() { vec![0.0; counted.len()] } else { references.to_vec() };
        // In the order of `column`.
        let columns = [
            of_response,
            numbers(counted.iter().map(|&n| n as f64).collect()),
            numbers(references),
            whole,
            numbers(tokens.of.iter().map(|own| own.len() as f64).collect()),
        ];
        Tensor::stack(&columns, 1)
    }

    /// Rewards [s] as the trained model will be read, detached.
    fn rewards_of(&self, columns_sc: &Tensor) -> Tensor {
        let with_reference = self.needs.reference.is_some();
        let view = View { with_reference, ..self.card.view() };
        let flat = to_f64(columns_sc);
        let rewards = flat.chunks(column::COUNT as usize).map(|row| {
            let log_probs = LogProbs {
                policy: row[column::LOG_PROB as usize],
                reference: with_reference.then_some(row[column::REFERENCE as usize]),
                tokens: Some(row[column::TOKENS as usize] as u32),
                ..LogProbs::default()
            };
            view.reward(&log_probs).unwrap_or(f64::NAN)
        });
        Tensor::from_slice(&rewards.collect::<Vec<f64>>())
    }

    /// Log-probabilities of sequences by the reference, without gradients.
    fn by_reference(&self, members: &[&Encoded]) -> Result<Vec<f64>, RewardError> {
        let _no_grad = tch::no_grad_guard();
        let members: Vec<(usize, &Encoded)> = members.iter().copied().enumerate().collect();
        let predicted = self.predicted(&members, false)?;
        let network = self.reference.as_ref().unwrap_or(&self.policy.network);
        let log_prob_n = network.log_probs(&predicted.batch, &predicted.tokens)?;
        let columns_sc = self.columns(&predicted, &log_prob_n.to_device(Device::Cpu), &[]);
        Ok(to_f64(&columns_sc.select(1, column::LOG_PROB)))
    }

    fn key(&self, encoded: &Encoded, sequence: usize) -> Key {
        let start = match self.needs.span {
            Span::Response => encoded.prompt_tokens.get(sequence).copied().unwrap_or(0),
            Span::Sequence => 0,
        };
        Key::of(&encoded.sequences[sequence], start)
    }

    fn keys(&self, encoded: &Encoded) -> Vec<Key> {
        (0..encoded.sequences.len()).map(|sequence| self.key(encoded, sequence)).collect()
    }
}

/// Comparisons computed between two writes of reference log-probabilities: what a kill costs at most.
const SHARD: usize = 512;

impl Trainable for PolicyTrainable {
    type Encoded = PolicyPair;

    fn encode(&self, comparisons: &[Comparison]) -> Result<Vec<PolicyPair>, RewardError> {
        let encoded = self.policy.text.encode_all(comparisons)?;
        Ok(encoded.into_iter().map(|encoded| PolicyPair { encoded, reference: Vec::new() }).collect())
    }

    fn encode_cut(&self, comparisons: &[Comparison], part: Part) -> Result<Vec<Option<PolicyPair>>, RewardError> {
        let encoded = self.policy.text.encode_all_cut(comparisons, part)?;
        let pair = |encoded| PolicyPair { encoded, reference: Vec::new() };
        Ok(encoded.into_iter().map(|encoded| encoded.map(pair)).collect())
    }

    fn size(&self, pair: &PolicyPair) -> PairSize {
        let encoded = &pair.encoded;
        PairSize {
            computed: cost(encoded, self.policy.network.sharing()),
            sequences: cost(encoded, Sharing::Never),
            truncated: encoded.truncated.contains(&true),
            same: matches!(&encoded.sequences[..], [chosen, rejected] if chosen == rejected),
        }
    }

    fn lengths(&self, pair: &PolicyPair) -> Vec<usize> {
        pair.encoded.sequences.iter().map(Vec::len).collect()
    }

    fn drops(&self) -> bool {
        self.kept().drops()
    }

    fn compute(&self) -> Kind {
        self.policy.network.compute
    }

    fn params(&self) -> &Params {
        self.policy.network.params()
    }

    fn is_head(&self, _name: &str) -> bool {
        false
    }

    fn rewards(&self, pairs: &[&PolicyPair], dropout: Option<(Dropout, DropoutKey)>) -> Result<Tensor, RewardError> {
        Ok(self.forward(pairs, dropout, Ask::default())?.rewards_s)
    }

    fn forward(
        &self,
        pairs: &[&PolicyPair],
        dropout: Option<(Dropout, DropoutKey)>,
        _ask: Ask,
    ) -> Result<Forward<'_>, RewardError> {
        let members: Vec<(usize, &Encoded)> = pairs.iter().map(|pair| &pair.encoded).enumerate().collect();
        let predicted = self.predicted(&members, self.needs.whole)?;
        let Predicted { batch, tokens, .. } = &predicted;
        let (log_prob_n, rest) = self.policy.network.log_probs_for_training(batch, tokens, dropout, self.segment)?;
        let references: Vec<f64> = pairs.iter().flat_map(|pair| pair.reference.iter().copied()).collect();
        if self.needs.reference.is_some() && references.len() != batch.owners.len() {
            return Err(RewardError::Model("the reference's log-probabilities are not known yet".into()));
        }
        let columns_sc = self.columns(&predicted, &log_prob_n, &references);
        let rewards_s = self.rewards_of(&columns_sc);
        Ok(Forward { attributes_sa: Some(columns_sc), rest, ..Forward::of(rewards_s) })
    }

    fn complete(
        &self,
        pairs: &mut [TrainPair<PolicyPair>],
        out: &Path,
        progress: &mut dyn Progress,
    ) -> Result<(), TrainError> {
        match self.needs.reference {
            None => return Ok(()),
            Some(ReferenceOf::Behaviour) => {
                for pair in pairs {
                    pair.encoded.reference = match pair.label.behaviour.is_empty() {
                        // Evaluation pairs may come without: then rewards are the policy's alone.
                        true => vec![0.0; pair.encoded.encoded.sequences.len()],
                        false => pair.label.behaviour.clone(),
                    };
                }
                return Ok(());
            }
            Some(ReferenceOf::Model) => {}
        }
        let mut known = References::open(out, &self.reference_digest)?;
        let missing: Vec<usize> = (0..pairs.len())
            .filter(|&index| self.keys(&pairs[index].encoded.encoded).iter().any(|key| known.get(key).is_none()))
            .collect();
        if !missing.is_empty() {
            progress.begin("log-probabilities by the reference", missing.len() as u64, "pairs");
            for shard in missing.chunks(SHARD) {
                let costs: Vec<usize> = shard.iter().map(|&index| pairs[index].size.computed).collect();
                let mut found = Vec::new();
                for group in plan(&costs, self.token_budget, usize::MAX) {
                    let members: Vec<&Encoded> = group.iter().map(|&at| &pairs[shard[at]].encoded.encoded).collect();
                    let log_probs = self.by_reference(&members)?;
                    let keys = members.iter().flat_map(|encoded| self.keys(encoded));
                    found.extend(keys.zip(log_probs));
                    progress.advance(group.len() as u64);
                }
                known.add(found)?;
            }
            progress.finish();
        }
        for pair in pairs {
            let of_pair: Option<Vec<f64>> = self.keys(&pair.encoded.encoded).iter().map(|key| known.get(key)).collect();
            pair.encoded.reference = of_pair.ok_or_else(|| known.incomplete())?;
        }
        Ok(())
    }

    fn save(&self, dir: &Path) -> Result<(), RewardError> {
        let card = RewardCard::of_policy(Some(&self.objective), self.card.clone());
        self.kept().save(dir, &self.tokenizer_dir, card, &self.provenance)
    }

    fn saved(&self) -> Result<Vec<(&str, &Tensor)>, RewardError> {
        self.kept().parameters()
    }

    fn read(&self, dir: &Path) -> Result<BTreeMap<String, Tensor>, RewardError> {
        self.kept().read(dir)
    }
}
