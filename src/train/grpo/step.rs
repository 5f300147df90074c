//! One step: questions, replies, what they are worth, gradients.

use serde_json::{Value, json};
use tch::{Kind, Tensor};

use super::evaluation;
use super::model::JudgeModel;
use super::questions::Asked;
use super::settings::JudgeTraining;
use crate::generation::{Finish, Sampling, Task};
use crate::judge::grammar::Reading;
use crate::judge::verifiable::{Answer, advantages};
use crate::objective::grpo::{TokenLogProbs, distances, means};
use crate::text::batch::{TokenBatch, cost, plan};
use crate::text::encode::Encoded;
use crate::text::pooling::Pooling;
use crate::text::response_tokens::ResponseTokens;
use crate::train::error::TrainError;
use crate::train::settings::TrainSettings;
use crate::train::values::to_f64;

pub struct Step<'a> {
    pub model: &'a JudgeModel,
    pub settings: &'a TrainSettings,
    pub judge: &'a JudgeTraining,
    pub t: u64,
}

/// What a step saw.
#[derive(Debug, Clone, Default)]
pub struct StepReport {
    pub replies: usize,
    pub worth: f64,
    pub right: usize,
    pub parsed: usize,
    /// Groups whose replies were all worth the same: they teach nothing.
    pub even: usize,
    pub groups: usize,
    /// Replies that were cut at their length limit.
    pub cut: usize,
    pub tokens: usize,
    pub loss: f64,
    /// Mean distance from the reference per token.
    pub distance: Option<f64>,
}

impl Step<'_> {
    /// Leaves the gradients in the parameters.
    pub fn run(&self, batch: &[&Asked]) -> Result<StepReport, TrainError> {
        let (judge, model) = (self.judge, self.model);
        let n = judge.group;
        let task = |asked: &&Asked, place: usize| Task {
            prompt: asked.question.ids.clone(),
            most: model.most(judge),
            sampling: Sampling {
                temperature: judge.temperature,
                top_p: judge.top_p,
                seed: self.settings.seed,
                key: format!("{}\u{0}{}\u{0}{place}", self.t, asked.id),
                ..Sampling::default()
            },
            ..Task::default()
        };
        let tasks: Vec<Task> = batch.iter().flat_map(|asked| (0..n).map(move |place| task(asked, place))).collect();
        let written = model.writer.write(&tasks).map_err(|e| TrainError::Begin(e.to_string()))?;
        let mut report = StepReport { replies: written.len(), groups: batch.len(), ..StepReport::default() };
        let (mut encoded, mut weights) = (Vec::with_capacity(batch.len()), Vec::with_capacity(batch.len()));
        for (asked, group) in batch.iter().zip(written.chunks(n)) {
            let answers: Vec<Answer> =
                group.iter().map(|reply| Answer::read(&model.protocol, asked.lang, &reply.text)).collect();
            let worths: Vec<f64> =
                answers.iter().map(|answer| judge.worth.of(answer, &asked.gold, &model.protocol)).collect();
            report.worth += worths.iter().sum::<f64>();
            report.parsed += answers.iter().filter(|a| matches!(a.reading, Reading::Verdict { .. })).count();
            let is_right = |answer: &&Answer| evaluation::is_right(&answer.reading, &asked.gold.verdict);
            report.right += answers.iter().filter(is_right).count();
            report.even += usize::from(worths.windows(2).all(|pair| pair[0] == pair[1]));
            report.cut += group.iter().filter(|reply| reply.finish == Finish::Length).count();
            let sequences: Vec<Vec<u32>> =
                group.iter().map(|reply| [asked.question.ids.as_slice(), &reply.ids()].concat()).collect();
            report.tokens += group.iter().map(|reply| reply.tokens.len()).sum::<usize>();
            let prompt_tokens = vec![asked.question.ids.len(); n];
            encoded.push(Encoded { truncated: vec![false; n], sequences, prompt_tokens, ..Encoded::default() });
            weights.push(advantages(&worths, judge.scaled));
        }
        report.worth /= report.replies.max(1) as f64;
        self.gradients(&encoded, &weights, &mut report)?;
        Ok(report)
    }

    fn gradients(&self, groups: &[Encoded], weights: &[Vec<f64>], report: &mut StepReport) -> Result<(), TrainError> {
        let policy = self.model.policy();
        let sharing = policy.sharing();
        let costs: Vec<usize> = groups.iter().map(|group| cost(group, sharing)).collect();
        let (mut distance, mut n_tokens) = (0.0, 0usize);
        for piece in plan(&costs, self.settings.token_budget, usize::MAX) {
            let members: Vec<(usize, &Encoded)> = piece.iter().map(|&i| (i, &groups[i])).collect();
            let batch = TokenBatch::build(&members, sharing, Pooling::MaskLast, None)
                .map_err(|e| TrainError::Begin(e.to_string()))?;
            let prompts = members.iter().flat_map(|(_, group)| group.prompt_tokens.iter().copied());
            let tokens = ResponseTokens::after(&batch, &prompts.collect::<Vec<_>>());
            // Replies that begin alike share predictions; each counts its own.
            let lengths: Vec<usize> = tokens.of.iter().map(Vec::len).collect();
            let places: Vec<i64> = tokens.of.iter().flatten().map(|&place| place as i64).collect();
            let of_replies = |x: Tensor| x.index_select(0, &Tensor::from_slice(&places).to_device(x.device()));
            let reference = self.model.reference.as_ref().map(|reference| reference.log_probs(&batch, &tokens));
            let reference_n = reference.transpose()?.map(of_replies);
            let (shared_n, rest) = policy.log_probs_for_training(&batch, &tokens, None, self.settings.segment())?;
            let policy_n = of_replies(shared_n);
            let advantages = piece.iter().flat_map(|&i| weights[i].iter().copied());
            let of_tokens: Vec<f64> = advantages
                .zip(&lengths)
                .flat_map(|(advantage, &length)| std::iter::repeat_n(advantage, length))
                .collect();
            let advantages_n = Tensor::from_slice(&of_tokens).to_kind(policy_n.kind()).to_device(policy_n.device());
            let old_n = policy_n.detach();
            let log_probs = TokenLogProbs { policy: &policy_n, old: &old_n, reference: reference_n.as_ref() };
            let losses_n = self.judge.loss.losses(&log_probs, &advantages_n);
            // The mean over the step's replies, whatever the pieces.
            let loss = means(&losses_n, &lengths).sum(losses_n.kind()) / report.replies.max(1) as f64;
            report.loss += loss.double_value(&[]);
            if let Some(reference_n) = &reference_n {
                let all = tch::no_grad(|| distances(&policy_n, reference_n).to_kind(Kind::Double));
                distance += to_f64(&all).iter().sum::<f64>();
                n_tokens += places.len();
            }
            loss.backward();
            if let Some(rest) = rest {
                rest.backward();
            }
        }
        report.distance = (n_tokens > 0).then(|| distance / n_tokens as f64);
        Ok(())
    }
}

impl StepReport {
    pub fn to_json(&self, step: u64, grad_norm: f64, lr: f64) -> Value {
        let share = |n: usize, of: usize| n as f64 / of.max(1) as f64;
        json!({
            "step": step,
            "loss": self.loss,
            "worth": self.worth,
            "right": share(self.right, self.replies),
            "parsed": share(self.parsed, self.replies),
            "even_groups": share(self.even, self.groups),
            "cut": share(self.cut, self.replies),
            "replies": self.replies,
            "tokens": self.tokens,
            "distance": self.distance,
            "grad_norm": grad_norm,
            "lr": lr,
        })
    }

    pub fn note(&self) -> String {
        let share = |n: usize| 100.0 * n as f64 / self.replies.max(1) as f64;
        format!("worth {:.3}, right {:.0} %, parsed {:.0} %", self.worth, share(self.right), share(self.parsed))
    }
}
