//! DIAL: a critic that tells source languages from others by what the reward head reads, and a model that
//! learns to give it no hold (Wasserstein distance with a gradient penalty, arXiv 1704.00028).
//!
//! The critic's steps follow the model's, on the states that the model's step computed: the states of a step
//! are computed once however it is cut into micro-batches.

use std::collections::BTreeMap;

use rand::RngExt;
use serde_json::{Value, json};
use tch::Tensor;

use super::mlp::Mlp;
use crate::lang::LangSet;
use crate::objective::companions::Dial;
use crate::random;
use crate::train::error::TrainError;
use crate::train::optimizer::{AdamW, AdamWSettings, Group};
use crate::train::prepare::TrainPair;

/// A root has no derivative at 0. Below the last digit of a double beside a slope of 1e-2.
const NO_SLOPE: f64 = 1e-20;
/// Widths of the hidden layers.
const HIDDEN: [i64; 2] = [256, 128];

pub struct Critic {
    settings: Dial,
    seed: u64,
    sources: LangSet,
    /// Once the width of the states is known.
    network: Option<(Mlp, AdamW)>,
    /// mean f(h_source) − mean f(h_target) of the last step, before the critic's own steps.
    distance: Option<f64>,
}

impl Critic {
    pub fn new<E>(settings: Dial, seed: u64, pairs: &[TrainPair<E>]) -> Result<Self, TrainError> {
        let refuse = |problem: String| Err(TrainError::Settings(format!("objective `dial`: {problem}")));
        let sources = match LangSet::parse(&settings.source_langs) {
            Ok(sources) => sources,
            Err(error) => return refuse(format!("`source-langs`: {error}")),
        };
        let n = pairs.iter().filter(|pair| sources.contains(pair.lang)).count();
        if n == 0 || n == pairs.len() {
            let given = &settings.source_langs;
            return refuse(format!("{n} of {} training pairs are in source languages ({given})", pairs.len()));
        }
        Ok(Self { settings, seed, sources, network: None, distance: None })
    }

    pub fn is_source<E>(&self, pair: &TrainPair<E>) -> bool {
        self.sources.contains(pair.lang)
    }

    /// Only pairs in source languages teach preferences.
    pub fn factors<E>(&self, pairs: &[&TrainPair<E>]) -> Vec<f64> {
        let sources = pairs.iter().filter(|pair| self.is_source(pair)).count();
        let factor = if sources > 0 { pairs.len() as f64 / sources as f64 } else { 0.0 };
        pairs.iter().map(|pair| if self.is_source(pair) { factor } else { 0.0 }).collect()
    }

    fn network(&mut self, width: i64, device: tch::Device) -> Result<&mut (Mlp, AdamW), TrainError> {
        if self.network.is_none() {
            let mlp = Mlp::new(&[width, HIDDEN[0], HIDDEN[1], 1], self.seed, device);
            let settings = AdamWSettings::default();
            let params = mlp.params.iter().map(|(name, tensor)| (name.as_str(), tensor));
            let optimizer = AdamW::new(params, |_| Group::default(), settings)?;
            self.network = Some((mlp, optimizer));
        }
        self.network.as_mut().ok_or_else(|| TrainError::Settings("objective `dial` has no critic".into()))
    }

    /// A micro-batch's part of weight·[mean f(h_source) − mean f(h_target)], on the graph of the states.
    /// `sources` says which rows are of source languages, `counts` how many of either the step has.
    pub fn term(&mut self, states_sd: &Tensor, sources: &[bool], counts: [usize; 2]) -> Result<Tensor, TrainError> {
        let weight = self.settings.weight;
        let values_s = self.network(width(states_sd), states_sd.device())?.0.forward(states_sd);
        Ok((values_s * signs(sources, counts, states_sd)).sum(states_sd.kind()) * weight)
    }

    /// The critic's steps on all states of a step, detached.
    pub fn learn(&mut self, t: u64, states_sd: &Tensor, sources: &[bool]) -> Result<(), TrainError> {
        let states_sd = states_sd.detach();
        let rows =
            |source: bool| -> Vec<i64> { (0..).zip(sources).filter(|(_, s)| **s == source).map(|(i, _)| i).collect() };
        let (of_source, of_target) = (rows(true), rows(false));
        let counts = [of_source.len(), of_target.len()];
        if counts.contains(&0) {
            self.distance = None;
            return Ok(());
        }
        let (steps, lr, penalty, seed) =
            (self.settings.critic_steps, self.settings.critic_lr, self.settings.penalty, self.seed);
        let (mlp, optimizer) = self.network(width(&states_sd), states_sd.device())?;
        let signs_s = signs(sources, counts, &states_sd);
        let bracket = |mlp: &Mlp| (mlp.forward(&states_sd) * &signs_s).sum(states_sd.kind());
        let distance = bracket(&*mlp).double_value(&[]);
        for step in 0..steps {
            let mut key = t.to_le_bytes().to_vec();
            key.extend(step.to_le_bytes());
            let between = between(&states_sd, &of_source, &of_target, &mut random::stream(seed, "critic-mix", key));
            let loss = penalised(mlp, &between) * penalty - bracket(&*mlp);
            optimizer.zero_grad();
            loss.backward();
            optimizer.step(lr);
        }
        optimizer.zero_grad();
        self.distance = Some(distance);
        Ok(())
    }

    pub fn tensors(&self) -> BTreeMap<String, Tensor> {
        let Some((mlp, optimizer)) = &self.network else { return BTreeMap::new() };
        let params = mlp.params.iter().map(|(name, tensor)| (format!("critic.{name}"), tensor.detach()));
        params.chain(optimizer.state()).collect()
    }

    pub fn load(&mut self, mut tensors: BTreeMap<String, Tensor>) -> Result<(), TrainError> {
        let broken = || TrainError::Settings("the checkpoint holds no critic of objective `dial`".into());
        let Some(first) = tensors.get("critic.0.weight") else {
            return if tensors.is_empty() { Ok(()) } else { Err(broken()) };
        };
        let (width, device) = (first.size().get(1).copied().ok_or_else(broken)?, first.device());
        let (mlp, optimizer) = self.network(width, device)?;
        let _no_grad = tch::no_grad_guard();
        for (name, param) in &mlp.params {
            let saved = tensors.remove(&format!("critic.{name}")).ok_or_else(broken)?;
            param.shallow_clone().copy_(&saved);
        }
        Ok(optimizer.load_state(tensors)?)
    }

    pub fn report(&self) -> Value {
        json!({ "critic_distance": self.distance })
    }
}

fn width(states_sd: &Tensor) -> i64 {
    states_sd.size().get(1).copied().unwrap_or(1)
}

/// 1/n of source rows, −1/m of target rows; all 0 where one side is missing.
fn signs(sources: &[bool], [n, m]: [usize; 2], like: &Tensor) -> Tensor {
    let both = n > 0 && m > 0;
    let sign = |source: &bool| match source {
        _ if !both => 0.0,
        true => 1.0 / n as f64,
        false => -1.0 / m as f64,
    };
    let signs: Vec<f64> = sources.iter().map(sign).collect();
    Tensor::from_slice(&signs).to_kind(like.kind()).to_device(like.device())
}

/// Points on the lines from source to target states, drawn anew: as many as the larger side has.
fn between(states_sd: &Tensor, of_source: &[i64], of_target: &[i64], rng: &mut impl rand::Rng) -> Tensor {
    let n = of_source.len().max(of_target.len());
    let mut pick = |rows: &[i64]| -> Vec<i64> { (0..n).map(|_| rows[rng.random_range(0..rows.len())]).collect() };
    let ends = [pick(of_source), pick(of_target)];
    let shares: Vec<f64> = (0..n).map(|_| rng.random()).collect();
    let [source_nd, target_nd] =
        ends.map(|rows| states_sd.index_select(0, &Tensor::from_slice(&rows).to_device(states_sd.device())));
    let share_n1 = Tensor::from_slice(&shares).to_kind(states_sd.kind()).to_device(states_sd.device()).unsqueeze(1);
    &target_nd + (source_nd - &target_nd) * share_n1
}

/// The mean of (‖∇f‖ − 1)² at these points, on the graph of the critic's parameters.
pub(super) fn penalised(mlp: &Mlp, points_nd: &Tensor) -> Tensor {
    let points_nd = points_nd.detach().set_requires_grad(true);
    let values = mlp.forward(&points_nd).sum(points_nd.kind());
    let mut gradients = Tensor::run_backward(&[values], &[&points_nd], true, true);
    let gradient_nd = gradients.remove(0);
    let kind = gradient_nd.kind();
    let norm_n = (gradient_nd.square().sum_dim_intlist(1, false, kind) + NO_SLOPE).sqrt();
    (norm_n - 1.0).square().mean(kind)
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;
    use crate::train::companion::tests::{matrix, numbers, reference};

    /// `tests/reference/companions.py`: values and gradients in f64.
    #[test]
    fn term_and_penalty_are_the_references() {
        let all = &reference()["critic"];
        let mut mlp = Mlp::new(&[4, 6, 5, 1], 3, Device::Cpu);
        for (name, param) in &mut mlp.params {
            let shape = param.size();
            *param = Tensor::from_slice(&numbers(&all["params"][name])).view(&shape[..]).set_requires_grad(true);
        }
        let close = |what: &str, found: &Tensor, expected: &[f64]| {
            let found = Vec::<f64>::try_from(found.detach().reshape([-1])).unwrap();
            assert_eq!(found.len(), expected.len(), "{what}");
            for (a, b) in found.iter().zip(expected) {
                assert!((a - b).abs() <= 1e-9, "{what}: {a} not {b}");
            }
        };
        let penalty = penalised(&mlp, &matrix(&all["points"]));
        close("penalty", &penalty, &numbers(&all["penalty"]));
        penalty.backward();
        for (name, param) in &mlp.params {
            match all["by_params"][name].is_null() {
                true => assert!(!param.grad().defined() || param.grad().abs().max().double_value(&[]) == 0.0),
                false => close(name, &param.grad(), &numbers(&all["by_params"][name])),
            }
        }
        let optimizer = AdamW::new([], |_| Group::default(), AdamWSettings::default()).unwrap();
        let settings = Dial { weight: all["weight"].as_f64().unwrap(), ..Dial::default() };
        let sources = LangSet::parse("eng_Latn").unwrap();
        let mut critic = Critic { settings, seed: 1, sources, network: Some((mlp, optimizer)), distance: None };
        let of_source: Vec<bool> = all["sources"].as_array().unwrap().iter().map(|s| s.as_bool().unwrap()).collect();
        let states = matrix(&all["states"]).set_requires_grad(true);
        // In two micro-batches: the parts add up to the step's term.
        let whole = of_source.iter().filter(|s| **s).count();
        let counts = [whole, of_source.len() - whole];
        let part = |critic: &mut Critic, from: i64, n: i64| {
            let rows = from as usize..(from + n) as usize;
            critic.term(&states.narrow(0, from, n), &of_source[rows], counts).unwrap()
        };
        let term = part(&mut critic, 0, 2) + part(&mut critic, 2, 3);
        close("term", &term, &numbers(&all["term"]));
        term.backward();
        close("by states", &states.grad(), &numbers(&all["by_states"]));
    }

    /// f(x) = w·x has the same gradient everywhere: the penalty is (‖w‖ − 1)², its derivative by w
    /// 2(‖w‖ − 1)·w/‖w‖.
    #[test]
    fn the_penalty_of_a_linear_critic_is_known() {
        let mut mlp = Mlp::new(&[2, 1], 3, Device::Cpu);
        let weight = Tensor::from_slice(&[3.0f32, 4.0]).view([1, 2]).set_requires_grad(true);
        mlp.params.insert("0.weight".into(), weight.shallow_clone());
        let loss = penalised(&mlp, &Tensor::from_slice(&[1.0f32, -2.0, 0.5, 7.0]).view([2, 2]));
        loss.backward();
        assert!((loss.double_value(&[]) - 16.0).abs() < 1e-5);
        let gradient = Vec::<f32>::try_from(weight.grad().view(-1)).unwrap();
        assert!((gradient[0] - 4.8).abs() < 1e-5 && (gradient[1] - 6.4).abs() < 1e-5, "{gradient:?}");
    }

    /// A critic that is trained on two clouds that differ finds their distance; one that is told nothing does not.
    #[test]
    fn a_critic_learns_to_tell_clouds_apart() {
        let settings = Dial { critic_lr: 1e-2, critic_steps: 5, ..Dial::default() };
        let sources = LangSet::parse("eng_Latn").unwrap();
        let mut critic = Critic { settings, seed: 1, sources, network: None, distance: None };
        tch::manual_seed(5);
        let noise = Tensor::randn([40, 4], (Kind::Float, Device::Cpu)) * 0.1;
        let side: Vec<bool> = (0..40).map(|i| i % 2 == 0).collect();
        let shift = Tensor::from_slice(&side.iter().map(|s| f32::from(*s)).collect::<Vec<_>>()).unsqueeze(1);
        let states = noise + shift;
        for t in 0..60 {
            critic.learn(t, &states, &side).unwrap();
        }
        let found = critic.distance.unwrap();
        // The means are 2 apart. A critic of slope g says 2g and pays (g − 1)², which is best at g = 2.
        assert!((3.8..4.1).contains(&found), "{found}");
        // What comes back from a checkpoint goes on in the same way.
        let mut again = Critic {
            settings: critic.settings.clone(),
            seed: 1,
            sources: critic.sources.clone(),
            network: None,
            distance: None,
        };
        again.load(critic.tensors().into_iter().map(|(name, t)| (name, t.copy())).collect()).unwrap();
        critic.learn(60, &states, &side).unwrap();
        again.learn(60, &states, &side).unwrap();
        assert!(critic.tensors().iter().zip(again.tensors()).all(|((_, a), (_, b))| a.equal(&b)));
    }
}
