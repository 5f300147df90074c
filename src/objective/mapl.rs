//! MAPL: two further views of pairs.
//!
//! L = L_bt, a·L_bt for pairs whose sides differ in the prompt (intra: the same response, −log σ(r(x⁺, y) −
//! r(x⁻, y))), and + b·[−log σ(D_multi − D_single)] (inter), D = r_c − r_r: D_single of the pair, D_multi of a
//! composite of it and another pair (prompts, chosen and rejected responses one after the other), which
//! differs twice. The paper's weights are not published; 1 and 0.1 are ours.

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{ObjectiveError, Rewards, cost_of, refuse};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Mapl {
    /// a.
    pub intra: f64,
    /// b; 0: no composites are computed.
    pub inter: f64,
}

impl Default for Mapl {
    fn default() -> Self {
        Self { intra: 1.0, inter: 0.1 }
    }
}

impl Mapl {
    pub fn validate(&self, name: &'static str) -> Result<(), ObjectiveError> {
        let checks = [
            ("intra", self.intra, self.intra >= 0.0, "at least 0"),
            ("inter", self.inter, self.inter >= 0.0, "at least 0"),
        ];
        refuse(name, &checks)
    }

    pub fn losses(&self, name: &'static str, batch: &Rewards) -> Result<Tensor, ObjectiveError> {
        let (chosen_n, rejected_n) = batch.pairs(name)?;
        let gap_n = chosen_n - rejected_n;
        let weight = |other_prompt| if other_prompt { self.intra } else { 1.0 };
        let weight_n = batch.per_comparison(&gap_n, |_, label| Ok(weight(label.other_prompt)))?;
        let losses_n = cost_of(&gap_n) * weight_n;
        let composite = |label: &super::Label| label.n_further == 2;
        if self.inter == 0.0 || !batch.labels.iter().any(composite) {
            return Ok(losses_n);
        }
        // A comparison without a composite is compared with its own sequences, at weight 0.
        let rewards_s = batch.checked()?;
        let at = |place: usize| {
            let places = batch.starts().into_iter().zip(batch.labels);
            let places: Vec<i64> =
                places.map(|(start, label)| (start + if composite(label) { 2 + place } else { 0 }) as i64).collect();
            rewards_s.index_select(0, &Tensor::from_slice(&places).to_device(rewards_s.device()))
        };
        let on_n = batch.per_comparison(&gap_n, |_, label| Ok(f64::from(composite(label)) * self.inter))?;
        Ok(losses_n + cost_of(&(at(0) - at(1) - gap_n)) * on_n)
    }
}
