//! Weighted sums of objectives of policies: `dpo:0.8,bco:0.2,sft:1.0` (MPO, arXiv 2411.10442).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tch::Tensor;
use toml::{Table, Value};

use super::{PolicyNeeds, Shift};
use crate::objective::{Family, Objective, ObjectiveError, Rewards};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Composite {
    /// Names and weights, as above.
    pub terms: String,
    /// Settings of terms, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub of: BTreeMap<String, Table>,
}

impl Default for Composite {
    fn default() -> Self {
        Self { terms: "dpo:0.8,bco:0.2,sft:1.0".into(), of: BTreeMap::new() }
    }
}

impl Composite {
    /// The terms with their weights; an error says what is wrong with them.
    pub fn parts(&self) -> Result<Vec<(Objective, f64)>, String> {
        let mut parts = Vec::new();
        for term in self.terms.split(',').map(str::trim) {
            let (name, weight) =
                term.split_once(':').ok_or_else(|| format!("`{term}` is not of the form NAME:WEIGHT"))?;
            let weight: f64 = weight.trim().parse().map_err(|_| format!("the weight of `{term}` is no number"))?;
            if !(weight > 0.0 && weight.is_finite()) {
                return Err(format!("the weight of `{term}` should be above 0"));
            }
            let mut table = self.of.get(name.trim()).cloned().unwrap_or_default();
            table.insert("name".to_owned(), Value::String(name.trim().to_owned()));
            let objective: Objective = table.try_into().map_err(|e: toml::de::Error| e.message().to_owned())?;
            if objective.policy().is_none() {
                return Err(format!("`{name}` is of reward heads; a composite is of objectives of policies"));
            }
            if parts.iter().any(|(other, _): &(Objective, f64)| other.name() == objective.name()) {
                return Err(format!("`{name}` occurs twice"));
            }
            parts.push((objective, weight));
        }
        if let Some(name) = self.of.keys().find(|name| !parts.iter().any(|(part, _)| part.name() == name.as_str())) {
            return Err(format!("`of.{name}` is no term of `{}`", self.terms));
        }
        Ok(parts)
    }

    fn parsed(&self, objective: &'static str) -> Result<Vec<(Objective, f64)>, ObjectiveError> {
        self.parts().map_err(|problem| ObjectiveError::Composite { objective, problem })
    }

    /// What all terms need together. Rewards are read as the first term's.
    pub fn needs(&self) -> Option<PolicyNeeds> {
        let all = self.parts().ok()?;
        let mut needs = all.iter().filter_map(|(objective, _)| objective.policy());
        let first = needs.next()?;
        Some(needs.fold(first, |all, one| PolicyNeeds {
            reference: all.reference.or(one.reference),
            whole: all.whole || one.whole,
            whole_step: all.whole_step || one.whole_step,
            shift: all.shift.or(one.shift),
            ..all
        }))
    }

    pub fn validate(&self, name: &'static str) -> Result<(), ObjectiveError> {
        let parts = self.parsed(name)?;
        for (part, _) in &parts {
            part.validate()?;
        }
        let needs: Vec<PolicyNeeds> = parts.iter().filter_map(|(part, _)| part.policy()).collect();
        let conflict = |problem: &str| Err(ObjectiveError::Composite { objective: name, problem: problem.to_owned() });
        let shifts: Vec<_> = needs.iter().filter_map(|needs| needs.shift).collect();
        if shifts.windows(2).any(|pair| pair[0] != pair[1]) {
            return conflict("the terms subtract different things from rewards");
        }
        let explains = |part: &Objective| matches!(part.family(), Family::Contrast(c) if c.rationale > 0.0);
        if shifts.contains(&Shift::Mismatched) && parts.iter().any(|(part, _)| explains(part)) {
            return conflict("`rationale-dpo` and `kto` need different further sequences");
        }
        if needs.windows(2).any(|pair| pair[0].span != pair[1].span) {
            return conflict("the terms are over different tokens");
        }
        let references: Vec<_> = needs.iter().filter_map(|needs| needs.reference).collect();
        if references.windows(2).any(|pair| pair[0] != pair[1]) {
            return conflict("the terms have different references");
        }
        Ok(())
    }

    pub fn losses(&self, name: &'static str, batch: &Rewards) -> Result<Tensor, ObjectiveError> {
        let mut sum: Option<Tensor> = None;
        for (objective, weight) in self.parsed(name)? {
            let losses_n = objective.losses(batch)? * weight;
            sum = Some(match sum {
                Some(sum) => sum + losses_n,
                None => losses_n,
            });
        }
        sum.ok_or(ObjectiveError::Composite { objective: name, problem: "there are no terms".to_owned() })
    }
}
