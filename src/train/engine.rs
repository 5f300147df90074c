//! One run's moving parts: optimiser steps, evaluations, checkpoints, in an order that a resumed run
//! repeats exactly.

use std::path::Path;
use std::time::Instant;

use serde_json::json;
use tch::Tensor;

use super::advance;
use super::average::Average;
use super::checkpoint::{Best, Checkpoints, Contents, TrainerState};
use super::companion::Companion;
use super::data::clarities;
use super::donors::Donors;
use super::error::TrainError;
use super::evaluation::{Evaluation, evaluate};
use super::journal::{Journal, Kind};
use super::mixture::Mixture;
use super::optimizer::AdamW;
use super::passes::Passes;
use super::phase::{Phase, Phases};
use super::prepare::{Prepared, TrainPair, named};
use super::sampler::Sampler;
use super::settings::{Groups, TrainSettings};
use super::speed::Bound;
use super::stand_ins::Step;
use super::step_report::{Seen, SeenSums, StepReport};
use super::trainable::{PairSize, Trainable};
use super::values::to_f64;
use crate::progress::Progress;
use crate::text::batch::plan;

/// Everything a run holds between steps.
pub struct Engine<'a, M: Trainable> {
    model: &'a M,
    settings: &'a TrainSettings,
    train: &'a [TrainPair<M::Encoded>],
    eval: &'a [TrainPair<M::Encoded>],
    sampler: Sampler,
    optimizer: AdamW,
    average: Option<Average>,
    journal: Journal,
    checkpoints: Checkpoints,
    state: TrainerState,
    phases: Phases,
    donors: Donors,
    companion: Companion,
    last_evaluation: Option<Evaluation>,
    bound: Bound,
}

impl<'a, M: Trainable> Engine<'a, M> {
    /// Takes up the run where `state` stands; `resumes` says that tensors come from its checkpoint.
    pub fn new(
        model: &'a M,
        settings: &'a TrainSettings,
        (train, mixture): (&'a Prepared<M::Encoded>, Mixture),
        eval: &'a Prepared<M::Encoded>,
        out: &Path,
        state: TrainerState,
        resumes: bool,
    ) -> Result<Self, TrainError> {
        let costs = train.pairs.iter().map(|pair| pair.size.computed).collect();
        let mut sampler = Sampler::new(costs, settings.batch_size, settings.length_window, settings.seed);
        if !settings.sampling.is_plain() {
            sampler = sampler.mixed(mixture);
        }
        let sampler = sampler.ordered(settings.sampling.order, clarities(&train.pairs));
        let phases = Phases::of(settings, sampler.steps_per_epoch());
        settings.validate_length(phases.preferences, !eval.pairs.is_empty())?;
        let params = model.params().iter().map(|(name, tensor)| (name.as_str(), tensor));
        let groups = Groups::of(&settings.groups);
        let of_head = |name: &str| model.is_head(name).then_some(settings.head_lr_multiplier);
        let mut optimizer = AdamW::new(params, |name| groups.group(name, of_head(name)), settings.optimizer())?;
        let mut average = settings.ema_decay.map(|decay| Average::new(optimizer.params(), decay));
        let checkpoints = Checkpoints::of(out);
        let mut companion = Companion::new(settings, &train.pairs)?;
        if resumes {
            checkpoints.load_tensors(state.step, model, &mut optimizer, average.as_mut(), &mut companion)?;
        }
        // After the tensors: a checkpoint that cannot be read leaves the logs as they are.
        let journal = Journal::open(out, state.logs, settings.tensorboard)?;
        Ok(Self {
            model,
            settings,
            train: &train.pairs,
            eval: &eval.pairs,
            sampler,
            optimizer,
            average,
            journal,
            checkpoints,
            state,
            phases,
            donors: Donors::new(&train.pairs, settings.seed),
            companion,
            last_evaluation: None,
            bound: Bound::default(),
        })
    }

    /// All steps that are left.
    pub fn train(&mut self, progress: &mut dyn Progress) -> Result<(), TrainError> {
        if self.state.finished {
            return Ok(());
        }
        let total_steps = self.phases.total();
        self.bound = Bound::of(self.model, self.train);
        progress.begin("training", total_steps, "steps");
        progress.advance(self.state.step);
        while !self.state.finished {
            let began = Instant::now();
            let report = self.step()?;
            self.record(&report, began.elapsed().as_secs_f64())?;
            progress.advance(1);
            progress.note(&report.note());
            let last = self.state.step == total_steps;
            let mut save = last || self.due(self.settings.save_every);
            if !self.eval.is_empty() && (last || self.due(self.settings.eval_every)) {
                save |= self.evaluate(progress)?;
            }
            self.state.finished = last || self.out_of_patience();
            if save || self.state.finished {
                self.save()?;
            }
        }
        progress.finish();
        if self.state.step < total_steps {
            let n = self.state.without_improvement;
            progress.line(&format!("stopped at step {}: {n} evaluations without improvement", self.state.step));
        }
        Ok(())
    }

    /// Forward, backward and update for the pairs of the next step.
    fn step(&mut self) -> Result<StepReport, TrainError> {
        let t = self.state.step;
        let (lm_weight, share) = self.phases.auxiliary(self.settings, t);
        let batch = self.sampler.batch(t).1.to_vec();
        let prefers = self.phases.at(t) == Phase::Preferences;
        let beside = prefers && self.settings.auxiliary.mismatched_beside;
        let drawn = Step::draw(self.model, &self.donors, self.train, (t, &batch), share, beside);
        let (pairs, encoded) = (&drawn.pairs, drawn.encoded());
        let sizes: Vec<PairSize> = encoded.iter().map(|encoded| self.model.size(encoded)).collect();
        let costs: Vec<usize> = sizes.iter().map(|size| size.computed).collect();
        let pieces = plan(&costs, self.settings.token_budget, usize::MAX);
        let forward = Passes::of(self.settings, t, lm_weight, prefers, self.companion.wants_states());
        if let Companion::Balance(balance) = &mut self.companion
            && prefers
        {
            balance.weigh(forward.head_gradients(self.model, &drawn, &pieces, balance)?);
        }
        let factors = match prefers {
            true => self.companion.factors(t - self.phases.pretraining, pairs),
            false => vec![1.0; pairs.len()],
        };
        let sides = match &self.companion {
            Companion::Critic(critic) => drawn.sides(|pair| critic.is_source(pair)),
            _ => [0, 0],
        };
        forward.refuse_pieces(&costs, pieces.len())?;
        let mut threshold = match &mut self.companion {
            Companion::Threshold(threshold) => threshold.value(),
            // What the whole step decides is found in a pass of its own, unless one micro-batch is the step.
            Companion::Shift(shift) if pieces.len() > 1 => {
                Some(shift.of_step(&forward.seen(self.model, &drawn, &pieces)?))
            }
            _ => None,
        };
        let next_tokens: usize = encoded.iter().map(|encoded| forward.next_tokens(self.model, encoded)).sum();
        let mut next_token_sums: Vec<Tensor> = Vec::new();
        let mut computed: Vec<(Tensor, Tensor)> = Vec::with_capacity(pieces.len());
        let (mut seen, mut states) = (Seen::default(), Vec::new());
        for (micro, piece) in pieces.iter().enumerate() {
            let given = forward.run(self.model, &drawn, piece, micro)?;
            let compared = drawn.compared(piece);
            if let (Companion::Shift(shift), None, Some(columns)) =
                (&mut self.companion, threshold, &given.attributes_sa)
            {
                threshold = Some(shift.of_step(&[(to_f64(columns), compared.labels(&drawn, None))]));
            }
            let labels = compared.labels(&drawn, threshold);
            let of_users = match (&mut self.companion, &given.states_sd) {
                (Companion::Users(users), Some(states_sd)) => {
                    let rows = drawn.marks(piece, |pair| users.row(pair));
                    Some(&given.rewards_s + users.extra(states_sd, &rows)?)
                }
                _ => None,
            };
            let rewards = of_users.as_ref().unwrap_or(&given.rewards_s);
            let judged = given.attributes_sa.as_ref().unwrap_or(rewards);
            let losses_n = compared.losses(&self.settings.objective, judged, &labels)?;
            let rewards_s = compared.rewards(rewards);
            let weights_n = Tensor::from_slice(&compared.weights(&drawn, &factors));
            let weights_n = weights_n.to_kind(losses_n.kind()).to_device(losses_n.device());
            // The mean over the step's pairs, whatever the pieces.
            let mut loss = (&losses_n * weights_n).sum(losses_n.kind()) / pairs.len() as f64;
            if let Some(sum) = given.next_token {
                loss += &sum * (lm_weight / next_tokens.max(1) as f64);
                next_token_sums.push(sum.detach());
            }
            if let (Companion::Critic(critic), Some(states_sd)) = (&mut self.companion, given.states_sd) {
                let sources = drawn.marks(piece, |pair| critic.is_source(pair));
                loss += critic.term(&states_sd, &sources, sides)?;
                states.push((states_sd.detach(), sources));
            }
            loss.backward();
            if let Some(rest) = given.rest {
                rest.backward();
            }
            computed.push((rewards_s.detach(), losses_n.detach()));
            seen.labels.extend(labels);
            seen.pair.extend(compared.pair);
            seen.extra.extend(compared.extra);
        }
        // Read after all backward passes: an accelerator need not wait for the host between pieces.
        seen.rewards = computed.iter().flat_map(|(rewards, _)| to_f64(rewards)).collect();
        seen.losses = computed.iter().flat_map(|(_, losses)| to_f64(losses)).collect();
        let SeenSums { sums, beside, languages } = seen.sums(t, pairs)?;
        self.learn(t, &seen, &states)?;
        let (grad_norm, lr) = self.update(t, pairs)?;
        let n = seen.rewards.len() as f64;
        let reward_mean = seen.rewards.iter().sum::<f64>() / n;
        let variance = seen.rewards.iter().map(|r| (r - reward_mean).powi(2)).sum::<f64>() / n;
        let tokens: usize = costs.iter().sum();
        let sequences: usize = sizes.iter().map(|size| size.sequences).sum();
        let lengths: Vec<usize> = encoded.iter().flat_map(|encoded| self.model.lengths(encoded)).collect();
        let next_token_sum: f64 = next_token_sums.iter().map(|sum| sum.double_value(&[])).sum();
        Ok(StepReport {
            sums,
            beside,
            languages,
            reward_mean,
            reward_std: variance.sqrt(),
            grad_norm,
            lr,
            next_token: (!next_token_sums.is_empty()).then(|| next_token_sum / next_tokens.max(1) as f64),
            mismatched: drawn.n_stand_ins(),
            tokens,
            tokens_shared: sequences.saturating_sub(tokens),
            tokens_padded: lengths.iter().max().map(|longest| longest * lengths.len()),
            flop: encoded.iter().filter_map(|encoded| self.model.flop(encoded)).sum(),
            micro_batches: pieces.len(),
            objective: if prefers { self.companion.report() } else { serde_json::Value::Null },
        })
    }

    /// What the objective keeps learns from the step, too.
    fn learn(&mut self, t: u64, seen: &Seen, states: &[(Tensor, Vec<bool>)]) -> Result<(), TrainError> {
        match &mut self.companion {
            Companion::Critic(critic) if !states.is_empty() => {
                let all: Vec<&Tensor> = states.iter().map(|(states_sd, _)| states_sd).collect();
                let sources: Vec<bool> = states.iter().flat_map(|(_, sources)| sources.iter().copied()).collect();
                critic.learn(t, &Tensor::cat(&all, 0), &sources)
            }
            Companion::Users(users) if self.phases.at(t) == Phase::Preferences => {
                users.learn();
                Ok(())
            }
            Companion::Threshold(threshold) if self.phases.at(t) == Phase::Preferences => {
                let [chosen, rejected] = seen.sides();
                threshold.learn(&chosen, &rejected);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Clips and applies the gradients of step `t`; returns their norm and the rate.
    fn update(&mut self, t: u64, pairs: &[&TrainPair<M::Encoded>]) -> Result<(f64, f64), TrainError> {
        let when = (t, self.state.plateau.rate);
        let names = || named(pairs.iter().copied());
        let applied = advance::apply(&mut self.optimizer, self.settings, &self.phases, when, names)?;
        if let Some(average) = &mut self.average {
            average.update(self.optimizer.params());
        }
        self.state.step = t + 1;
        Ok(applied)
    }

    fn record(&mut self, report: &StepReport, seconds: f64) -> Result<(), TrainError> {
        let step = self.state.step;
        let phase = self.phases.at(step - 1).as_str();
        self.journal.write(Kind::Step, step, &report.to_json(step, phase, self.epochs_done()))?;
        self.journal.write(Kind::Timing, step, &self.bound.timing(report, step, seconds))
    }

    fn epochs_done(&self) -> f64 {
        self.state.step as f64 / self.sampler.steps_per_epoch().max(1) as f64
    }

    fn due(&self, every: Option<u64>) -> bool {
        advance::is_due(self.state.step, every, self.sampler.steps_per_epoch())
    }

    /// Evaluates; true where it is the best so far.
    fn evaluate(&mut self, progress: &mut dyn Progress) -> Result<bool, TrainError> {
        let began = Instant::now();
        let step = self.state.step;
        if let Some(average) = &mut self.average {
            average.swap(self.optimizer.params());
        }
        let found = evaluate(self.model, self.eval, self.settings.token_budget, step);
        if let Some(average) = &mut self.average {
            average.swap(self.optimizer.params());
        }
        let evaluation = found?;
        self.state.evaluations += 1;
        self.journal.write(Kind::Evaluation, step, &evaluation.to_json(step, self.epochs_done()))?;
        let seconds = began.elapsed().as_secs_f64();
        let rate = evaluation.overall.n as f64 / seconds;
        let line = json!({"step": step, "evaluation_seconds": seconds, "evaluation_pairs_per_second": rate});
        self.journal.write(Kind::Timing, step, &line)?;
        progress.line(&format!("step {step}: held-out {}", evaluation.summary()));
        let metric = self.settings.best_metric;
        let mut improved = false;
        if let Some(value) = evaluation.metric(metric) {
            self.state.plateau.observe(&self.settings.schedule, value, metric.larger_is_better());
            improved = self.state.best.is_none_or(|best| metric.improves(value, best.value));
            if improved {
                self.state.best = Some(Best { step, value });
                self.state.without_improvement = 0;
            } else {
                self.state.without_improvement += 1;
            }
        }
        self.last_evaluation = Some(evaluation);
        Ok(improved)
    }

    fn out_of_patience(&self) -> bool {
        self.settings.patience.is_some_and(|patience| self.state.without_improvement >= patience)
    }

    fn save(&mut self) -> Result<(), TrainError> {
        self.state.logs = self.journal.sync()?;
        let contents = Contents {
            model: self.model,
            optimizer: &self.optimizer,
            average: self.average.as_ref(),
            companion: &self.companion,
        };
        self.checkpoints.save(&contents, &self.state)?;
        self.checkpoints.rotate(self.settings.keep_checkpoints.max(1), self.state.best.map(|best| best.step))
    }

    /// Leaves the model with the parameters of step `step`, which is this one or has a checkpoint.
    pub fn settle(&mut self, step: u64) -> Result<(), TrainError> {
        if step != self.state.step {
            return self.checkpoints.load_final(step, self.model, self.average.is_some());
        }
        if let Some(average) = &mut self.average {
            average.swap(self.optimizer.params());
        }
        Ok(())
    }

    pub fn state(&self) -> &TrainerState {
        &self.state
    }

    pub fn last_evaluation(&self) -> Option<&Evaluation> {
        self.last_evaluation.as_ref()
    }
}
