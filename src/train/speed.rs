//! How fast a step was, beside the fastest that its arithmetic allows.

use std::hint::black_box;
use std::time::Instant;

use serde_json::{Map, Value};
use tch::{Kind, Tensor};

use super::prepare::TrainPair;
use super::step_report::StepReport;
use super::trainable::Trainable;

/// What this machine reaches on a large matrix product, in operations per second.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bound {
    peak: Option<f64>,
}

/// Rows and columns of the product that is timed: its three matrices leave the second-level cache.
const SIZE: i64 = 1024;
const REPEATS: usize = 5;

impl Bound {
    /// Measured once, where the model can say what it computes.
    pub fn of<M: Trainable>(model: &M, pairs: &[TrainPair<M::Encoded>]) -> Self {
        let counts = pairs.first().and_then(|pair| model.flop(&pair.encoded)).is_some();
        let kind = model.compute();
        match (counts, model.params().values().next()) {
            (true, Some(param)) => Self { peak: Some(peak(kind, param.device())) },
            _ => Self::default(),
        }
    }

    /// A line of `timing.jsonl`. Useful tokens are those of whole sequences, as they are counted where nothing is
    /// shared and padding does not count. `bound_seconds` is the step's arithmetic at the machine's peak.
    pub fn timing(&self, report: &StepReport, step: u64, seconds: f64) -> Value {
        let mut line = Map::new();
        let useful = (report.tokens + report.tokens_shared) as f64;
        line.insert("step".into(), step.into());
        line.insert("seconds".into(), seconds.into());
        line.insert("pairs_per_second".into(), (report.sums.n as f64 / seconds).into());
        line.insert("tokens_per_second".into(), (report.tokens as f64 / seconds).into());
        line.insert("useful_tokens_per_second".into(), (useful / seconds).into());
        if let Some(peak) = self.peak {
            line.insert("flop".into(), report.flop.into());
            line.insert("bound_seconds".into(), (report.flop / peak).into());
            line.insert("share_of_bound".into(), (report.flop / peak / seconds).into());
        }
        Value::Object(line)
    }
}

/// The fastest of a few products.
fn peak(kind: Kind, device: tch::Device) -> f64 {
    let _no_grad = tch::no_grad_guard();
    let square = Tensor::ones([SIZE, SIZE], (kind, device));
    let fastest = (0..=REPEATS).map(|_| {
        let began = Instant::now();
        // Read back, so that an accelerator has done it.
        black_box(square.matmul(&square).get(0).get(0).double_value(&[]));
        began.elapsed().as_secs_f64()
    });
    2.0 * (SIZE as f64).powi(3) / fastest.fold(f64::INFINITY, f64::min)
}
