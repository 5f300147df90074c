//! The output layer of a language model: hidden states to log-probabilities of given tokens.
//!
//! log p(y | h) = z_y − log Σ_v e^{z_v}, z = cap·tanh(s·(E·h + b)/cap). Logits come in the activations' kind and are
//! widened to f32 before anything is summed. They are made in blocks of rows and of vocabulary entries and summed up as
//! they come (log Σ e^z over blocks with a running maximum), so that memory depends neither on the vocabulary nor on
//! how many tokens are asked for. Passes that record gradients hold the logits of their rows; where those would be many, the
//! log-probabilities are computed without gradients first, and the logits again, some rows at a time, once it is known what
//! each of them weighs in the loss ([`OutputLayer::for_training`]).
//!
//! Shape suffixes: n prediction, d model width, v vocabulary entry.

use tch::{Kind, Tensor};

use super::attention::rows_to_fill;
use super::layers::Linear;
use super::recording::records_gradients;
use super::row_kernels::LogSum;

/// Rows whose logits are made together: enough that a block of weights is read from memory once for many of them.
const ROWS: i64 = 512;
/// Vocabulary entries whose logits are made together: 8 MiB of them in f32.
const ENTRIES: i64 = 4096;
/// Logits that a recorded pass makes at a time, for all entries: 64 MiB in f32.
const RECORDED: i64 = 1 << 24;

/// More logits than this are not held for a backward pass: 512 MiB in f32, twice.
const HELD: usize = 1 << 27;

/// What is left of a backward pass when the loss's has run.
pub type Rest = Box<dyn FnOnce()>;

/// Output layer, with what the architecture does to its logits.
pub struct OutputLayer {
    layer: Linear,
    vocab: i64,
    /// What logits are multiplied by (Cohere).
    scale: Option<f64>,
    /// Logits z become cap·tanh(z/cap) (Gemma 2).
    cap: Option<f64>,
}

impl OutputLayer {
    pub fn new(layer: Linear, scale: Option<f64>, cap: Option<f64>) -> Self {
        let vocab = layer.n_outputs();
        Self { layer, vocab, scale: scale.filter(|scale| *scale != 1.0), cap }
    }

    /// Input embeddings [v, d] that serve as output layer too.
    pub fn tied(embeddings_vd: &Tensor) -> Self {
        Self::new(Linear::of_weight(embeddings_vd), None, None)
    }

    pub fn vocab(&self) -> i64 {
        self.vocab
    }

    /// Logits [n, v] of all entries, at least in f32: where the next token is chosen.
    pub fn all(&self, states_nd: &Tensor) -> Tensor {
        let wide = if states_nd.kind() == Kind::Double { Kind::Double } else { Kind::Float };
        self.logits(states_nd, 0, self.vocab, wide)
    }

    /// log p [n] of the token `ids` after the states [n, d], at least in f32.
    pub fn log_probs(&self, states_nd: &Tensor, ids: &[i64]) -> Tensor {
        let ids_n = Tensor::from_slice(ids).to_device(states_nd.device());
        let n = ids.len() as i64;
        let wide = if states_nd.kind() == Kind::Double { Kind::Double } else { Kind::Float };
        if n == 0 {
            return Tensor::zeros([0], (wide, states_nd.device()));
        }
        let recorded = records_gradients();
        let rows = if recorded { (RECORDED / self.vocab).clamp(1, n) } else { ROWS.min(n) };
        let states = states_nd.split(rows, 0);
        let parts = states.iter().zip(ids_n.split(rows, 0)).map(|(states_nd, ids_n)| match recorded {
            true => self.recorded(states_nd, &ids_n, wide),
            false => self.summed_up(states_nd, &ids_n, wide),
        });
        Tensor::cat(&parts.collect::<Vec<_>>(), 0)
    }

    /// As [`OutputLayer::log_probs`] on the graph. With a rest, the log-probabilities are leaves of the graph, and gradients
    /// reach states and weights when the rest is run after the loss's backward pass.
    pub fn for_training(&self, states_nd: &Tensor, ids: &[i64]) -> (Tensor, Option<Rest>) {
        if !records_gradients() || ids.len().saturating_mul(self.vocab as usize) <= HELD {
            return (self.log_probs(states_nd, ids), None);
        }
        let (log_prob_n, rest) = self.in_two_passes(states_nd, ids);
        (log_prob_n, Some(rest))
    }

    fn in_two_passes(&self, states_nd: &Tensor, ids: &[i64]) -> (Tensor, Rest) {
        let log_prob_n = tch::no_grad(|| self.log_probs(states_nd, ids)).set_requires_grad(true);
        let (layer, states_nd) = (self.shallow_clone(), states_nd.shallow_clone());
        let (ids, weighed_n) = (ids.to_vec(), log_prob_n.shallow_clone());
        let rest = move || {
            let weight_n = weighed_n.grad();
            if !weight_n.defined() {
                return;
            }
            let leaf_nd = states_nd.detach().set_requires_grad(true);
            let rows = (RECORDED / layer.vocab).max(1) as usize;
            for (chunk, ids) in ids.chunks(rows).enumerate() {
                let (start, n) = ((chunk * rows) as i64, ids.len() as i64);
                let again_n = layer.log_probs(&leaf_nd.narrow(0, start, n), ids);
                (again_n * weight_n.narrow(0, start, n)).sum(weight_n.kind()).backward();
            }
            if states_nd.requires_grad() {
                (&states_nd * leaf_nd.grad()).sum(states_nd.kind()).backward();
            }
        };
        (log_prob_n, Box::new(rest))
    }

    fn shallow_clone(&self) -> Self {
        Self { layer: self.layer.shallow_clone(), vocab: self.vocab, scale: self.scale, cap: self.cap }
    }

    fn recorded(&self, states_nd: &Tensor, ids_n: &Tensor, wide: Kind) -> Tensor {
        let n = ids_n.size()[0];
        let logits_nv = self.logits(&filled(states_nd), 0, self.vocab, wide).narrow(0, 0, n);
        logits_nv.log_softmax(-1, wide).gather(1, &ids_n.unsqueeze(1), false).squeeze_dim(1)
    }

    /// Without a tensor of all entries.
    fn summed_up(&self, states_nd: &Tensor, ids_n: &Tensor, wide: Kind) -> Tensor {
        let n = ids_n.size()[0];
        let states_nd = filled(states_nd);
        let mut picked_n = Tensor::zeros([n], (wide, states_nd.device()));
        let mut kernel = LogSum::of_rows(n, states_nd.device(), wide);
        let mut running: Option<(Tensor, Tensor)> = None;
        for start in (0..self.vocab).step_by(ENTRIES as usize) {
            let entries = ENTRIES.min(self.vocab - start);
            let mut logits_nv = self.logits(&states_nd, start, entries, wide).narrow(0, 0, n);
            let within_n = ids_n - start;
            let is_here_n = within_n.ge(0).logical_and(&within_n.lt(entries));
            let here_n = logits_nv.gather(1, &within_n.clamp(0, entries - 1).unsqueeze(1), false).squeeze_dim(1);
            picked_n += here_n.masked_fill(&is_here_n.logical_not(), 0.0);
            if let Some(kernel) = &mut kernel {
                kernel.add(&logits_nv);
                continue;
            }
            let largest_n = logits_nv.amax([1i64], false);
            let (maximum_n, before_n) = match &running {
                None => (largest_n, None),
                Some((maximum_n, sum_n)) => {
                    let now_n = maximum_n.maximum(&largest_n);
                    let shrunk_n = sum_n * (maximum_n - &now_n).exp();
                    (now_n, Some(shrunk_n))
                }
            };
            logits_nv -= maximum_n.unsqueeze(1);
            let sum_n = logits_nv.exp_().sum_dim_intlist(1, false, wide);
            running = Some((maximum_n, before_n.map_or_else(|| sum_n.shallow_clone(), |before_n| before_n + &sum_n)));
        }
        match (kernel, running) {
            (Some(kernel), _) => picked_n - kernel.log(),
            (None, Some((maximum_n, sum_n))) => picked_n - maximum_n - sum_n.log(),
            (None, None) => picked_n,
        }
    }

    /// Logits [n, entries] of some vocabulary entries.
    fn logits(&self, states_nd: &Tensor, start: i64, entries: i64, wide: Kind) -> Tensor {
        let mut logits_nv = match entries == self.vocab {
            true => self.layer.forward(states_nd),
            false => self.layer.outputs(start, entries).forward(states_nd),
        };
        if let Some(scale) = self.scale {
            logits_nv = &logits_nv * scale;
        }
        if let Some(cap) = self.cap {
            logits_nv = (logits_nv / cap).tanh() * cap;
        }
        logits_nv.to_kind(wide)
    }
}

/// States with rows to fill up where kernels are made per shape; see [`rows_to_fill`].
fn filled(states_nd: &Tensor) -> Tensor {
    let filler = rows_to_fill(states_nd.size()[0] as usize, states_nd.kind(), states_nd.device());
    if filler == 0 { states_nd.shallow_clone() } else { states_nd.constant_pad_nd([0, 0, 0, filler]) }
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    fn random(shape: [i64; 2], kind: Kind) -> Tensor {
        Tensor::randn(shape, (Kind::Double, Device::Cpu)).to_kind(kind)
    }

    /// The formula as it stands, with everything in memory.
    fn plainly(states_nd: &Tensor, weight_vd: &Tensor, ids: &[i64], scale: f64, cap: f64) -> Tensor {
        let z = states_nd.matmul(&weight_vd.tr()) * scale;
        let z = (z / cap).tanh() * cap;
        z.log_softmax(-1, states_nd.kind()).gather(1, &Tensor::from_slice(ids).unsqueeze(1), false).squeeze_dim(1)
    }

    /// More rows and entries than one block has, the last blocks cut; both ways, and their gradients.
    #[test]
    fn blocks_give_the_formula() {
        tch::manual_seed(3);
        let (n, v) = (ROWS + 7, 2 * ENTRIES + 11);
        let (states, weight) = (random([n, 6], Kind::Double) * 2, random([v, 6], Kind::Double));
        let ids: Vec<i64> =
            (0..n).map(|i| [0, ENTRIES - 1, ENTRIES, v - 1, (i * 7919) % v][(i % 5) as usize]).collect();
        for (scale, cap) in [(1.0, 1e9), (0.3, 4.0)] {
            let layer = OutputLayer::new(Linear::of_weight(&weight), Some(scale), (cap < 1e9).then_some(cap));
            let expected = plainly(&states, &weight, &ids, scale, cap);
            let found = tch::no_grad(|| layer.log_probs(&states, &ids));
            assert!((&found - &expected).abs().max().double_value(&[]) < 1e-9);
            let gradient = |log_probs: &dyn Fn(&Tensor) -> Tensor| {
                let states = states.copy().set_requires_grad(true);
                let found = log_probs(&states);
                (&found * Tensor::linspace(0.5, 1.5, n, (Kind::Double, Device::Cpu))).sum(Kind::Double).backward();
                (found.detach(), states.grad())
            };
            let (values, of_layer) = gradient(&|states| layer.log_probs(states, &ids));
            let (_, of_formula) = gradient(&|states| plainly(states, &weight, &ids, scale, cap));
            assert!((values - &expected).abs().max().double_value(&[]) < 1e-12);
            assert!((of_layer - of_formula).abs().max().double_value(&[]) < 1e-12);
        }
    }

    #[test]
    fn two_passes_give_the_same_gradients_as_one() {
        tch::manual_seed(4);
        let (n, v) = (40, 1 << 20);
        let trunk = random([6, 6], Kind::Double).set_requires_grad(true);
        let (inputs, weight) = (random([n, 6], Kind::Double), random([v, 6], Kind::Double).set_requires_grad(true));
        let ids: Vec<i64> = (0..n).map(|i| i * 7919 % v).collect();
        let mut found = Vec::new();
        for two in [false, true] {
            let (layer, states) = (OutputLayer::tied(&weight), inputs.matmul(&trunk));
            let (log_probs, rest) = match two {
                true => layer.in_two_passes(&states, &ids),
                false => (layer.log_probs(&states, &ids), Box::new(|| ()) as Rest),
            };
            log_probs.square().sum(Kind::Double).backward();
            rest();
            let mut tensors = [trunk.grad(), weight.grad()];
            found.push([log_probs.detach().copy(), tensors[0].copy(), tensors[1].copy()]);
            tensors.iter_mut().for_each(|gradient| drop(gradient.zero_()));
        }
        for (one, two) in found[0].iter().zip(&found[1]) {
            assert!((one - two).abs().max().double_value(&[]) < 1e-9 * one.abs().max().double_value(&[]));
        }
        assert!(OutputLayer::tied(&weight).for_training(&inputs, &ids).1.is_none());
    }

    #[test]
    fn nothing_asked_is_nothing_given_and_large_logits_stay_finite() {
        let weight = Tensor::from_slice2(&[[300.0f32], [-300.0], [299.0]]);
        let layer = OutputLayer::tied(&weight);
        let states = Tensor::from_slice2(&[[1.0f32], [-1.0]]);
        let found = Vec::<f32>::try_from(tch::no_grad(|| layer.log_probs(&states, &[0, 1]))).unwrap();
        assert!((found[0] + 1f32.exp().recip().ln_1p()).abs() < 1e-4 && found[1].abs() < 1e-6, "{found:?}");
        assert_eq!(layer.log_probs(&states.narrow(0, 0, 0), &[]).size(), [0]);
    }
}
