//! Every objective by name, in one table.

mod fitted;
mod policies;
mod specs;

use serde::de::{DeserializeOwned, Error as _};
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tch::Tensor;
use toml::Table;

use super::bradley_terry::BradleyTerry;
use super::companions::{self, Dial, Individual, LmBeside, LmText, More, Sspo, TokenHead};
use super::gap::{Aim, Focal};
use super::implicit::PolicyNeeds;
use super::implicit::adaptive::Adaptive;
use super::implicit::batchwise::{Relative, Sorted};
use super::implicit::composite::Composite;
use super::implicit::contrast::Contrast;
use super::implicit::lists::{Group, Sft, Triple};
use super::implicit::sided::Sided;
use super::listwise::Contests;
use super::mapl::Mapl;
use super::pointwise::{self, Plain, Regression};
use super::ties::{Davidson, RaoKupper};
use super::{ObjectiveError, Rewards};
use crate::lang::suggest::{did_you_mean, nearest};
use crate::text::pooling::Pooling;

pub use fitted::{FITTED, Fitted};
pub use specs::SPECS;

/// What is computed, with its settings.
#[derive(Debug, Clone, PartialEq)]
pub enum Family {
    BradleyTerry(BradleyTerry),
    Focal(Focal),
    Hinge(Aim),
    SquaredMargin(Aim),
    RaoKupper(RaoKupper),
    Davidson(Davidson),
    PlackettLuce(Plain),
    KWise(Plain),
    MultiPair(Plain),
    GroupContrast(Plain),
    Bce(Plain),
    Mse(Regression),
    TokenHead(TokenHead),
    Mapl(Mapl),
    Sspo(Sspo),
    More(More),
    Dial(Dial),
    LmBeside(LmBeside),
    Individual(Individual),
    Contrast(Contrast),
    Sided(Sided),
    Sorted(Sorted),
    Relative(Relative),
    Adaptive(Adaptive),
    Triple(Triple),
    Group(Group),
    Sft(Sft),
    Composite(Composite),
}

/// A name: what it stands for, what it needs, where it comes from.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    pub name: &'static str,
    /// z = r_c − r_r, L(z) = −log σ(z).
    pub formula: &'static str,
    pub needs: &'static str,
    pub paper: &'static str,
    family: fn() -> Family,
}

/// Which of two spellings of one computation needs a system turn.
const WITH_CONTEXT: &str = "context-bt";

/// A name of the table, with settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Objective {
    name: &'static str,
    family: Family,
}

impl Default for Objective {
    fn default() -> Self {
        Self { name: "bt", family: Family::BradleyTerry(BradleyTerry::default()) }
    }
}

impl Spec {
    /// The objective with the settings it begins with.
    pub fn objective(&self) -> Objective {
        Objective { name: self.name, family: (self.family)() }
    }

    /// Its settings as `key = value`, TOML.
    pub fn settings(&self) -> Vec<String> {
        let table = self.objective().family.table().unwrap_or_default();
        table.iter().map(|(key, value)| format!("{key} = {value}")).collect()
    }
}

impl Objective {
    pub fn named(name: &str) -> Option<Self> {
        SPECS.iter().find(|spec| spec.name == name).map(Spec::objective)
    }

    /// The name in settings, logs and `rmbench.toml`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The name for people: of a composite its terms.
    pub fn label(&self) -> String {
        match &self.family {
            Family::Composite(composite) => composite.terms.clone(),
            _ => self.name.to_owned(),
        }
    }

    pub fn family(&self) -> &Family {
        &self.family
    }

    /// What training a policy with it needs; `None` where it is of rewards that a head gives.
    pub fn policy(&self) -> Option<PolicyNeeds> {
        match &self.family {
            Family::Contrast(contrast) => Some(contrast.needs()),
            Family::Sided(sided) => Some(sided.needs()),
            Family::Sorted(sorted) => Some(sorted.needs()),
            Family::Relative(relative) => Some(relative.needs()),
            Family::Adaptive(adaptive) => Some(adaptive.needs()),
            Family::Triple(triple) => Some(triple.needs()),
            Family::Group(group) => Some(group.needs()),
            Family::Sft(sft) => Some(sft.needs()),
            Family::Composite(composite) => composite.needs(),
            _ => None,
        }
    }

    /// Whether it needs to know what prompts are about.
    pub fn compares_topics(&self) -> bool {
        match &self.family {
            Family::Relative(_) => true,
            Family::Composite(composite) => {
                composite.parts().is_ok_and(|parts| parts.iter().any(|(part, _)| part.compares_topics()))
            }
            _ => false,
        }
    }

    /// Where the reward head has to read, if that is part of the objective.
    pub fn pooling(&self) -> Option<Pooling> {
        match &self.family {
            Family::TokenHead(TokenHead { aggregate }) => Some(Pooling::Tokens { aggregate: *aggregate }),
            _ => None,
        }
    }

    /// What the reward is of the attributes that are trained, where those are several.
    pub fn label_weights(&self) -> Option<Vec<f64>> {
        match &self.family {
            Family::Mse(mse) => mse.label_weights(),
            _ => None,
        }
    }

    /// How many attributes the head has a label for each of; 0: rewards are trained as one number.
    pub fn n_attributes(&self) -> usize {
        match &self.family {
            Family::Mse(mse) => mse.attributes.len(),
            _ => 0,
        }
    }

    /// Weight of a language-model loss that belongs to the objective.
    pub fn lm_weight(&self) -> f64 {
        match &self.family {
            Family::LmBeside(lm) => lm.lm_weight,
            _ => 0.0,
        }
    }

    /// Which sequence of a pair language-model losses are of, beside its prompt.
    pub fn lm_text(&self) -> usize {
        match &self.family {
            // After the chosen and the rejected response.
            Family::LmBeside(lm) if lm.text == LmText::Rationale => 2,
            _ => 0,
        }
    }

    pub(super) fn needs_context(&self) -> bool {
        self.name == WITH_CONTEXT
    }

    /// Losses [n], one per comparison, on the graph of the rewards.
    pub fn losses(&self, batch: &Rewards) -> Result<Tensor, ObjectiveError> {
        let name = self.name;
        match &self.family {
            Family::BradleyTerry(bt) => bt.losses(name, batch),
            Family::Focal(focal) => focal.losses(name, batch),
            Family::Hinge(aim) => aim.hinge(name, batch),
            Family::SquaredMargin(aim) => aim.square(name, batch),
            Family::RaoKupper(ties) => ties.losses(name, batch),
            Family::Davidson(ties) => ties.losses(name, batch),
            Family::PlackettLuce(_) => Contests::PlackettLuce.losses(name, batch),
            Family::KWise(_) => Contests::KWise.losses(name, batch),
            Family::MultiPair(_) => Contests::MultiPair.losses(name, batch),
            Family::GroupContrast(_) => Contests::GroupContrast.losses(name, batch),
            Family::Bce(_) => pointwise::bce(name, batch),
            Family::Mse(_) => pointwise::mse(name, batch),
            Family::Mapl(mapl) => mapl.losses(name, batch),
            Family::Sspo(sspo) => sspo.losses(name, batch),
            Family::TokenHead(_) | Family::More(_) | Family::Dial(_) | Family::LmBeside(_) | Family::Individual(_) => {
                companions::plain(name, batch)
            }
            Family::Contrast(contrast) => contrast.losses(name, batch),
            Family::Sided(sided) => sided.losses(name, batch),
            Family::Sorted(sorted) => sorted.losses(name, batch),
            Family::Relative(relative) => relative.losses(name, batch),
            Family::Adaptive(adaptive) => adaptive.losses(name, batch),
            Family::Triple(triple) => triple.losses(name, batch),
            Family::Group(group) => group.losses(name, batch),
            Family::Sft(sft) => sft.losses(name, batch),
            Family::Composite(composite) => composite.losses(name, batch),
        }
    }

    pub fn validate(&self) -> Result<(), ObjectiveError> {
        let name = self.name;
        match &self.family {
            Family::BradleyTerry(bt) => bt.validate(name),
            Family::Focal(focal) => focal.validate(name),
            Family::Hinge(aim) | Family::SquaredMargin(aim) => aim.validate(name),
            Family::RaoKupper(ties) => ties.validate(name),
            Family::Davidson(ties) => ties.validate(name),
            Family::Mse(mse) => mse.validate(name),
            Family::Mapl(mapl) => mapl.validate(name),
            Family::Sspo(sspo) => sspo.validate(name),
            Family::More(more) => more.validate(name),
            Family::Dial(dial) => dial.validate(name),
            Family::LmBeside(lm) => lm.validate(name),
            Family::Individual(own) => own.validate(name),
            Family::Contrast(contrast) => contrast.validate(name),
            Family::Sided(sided) => sided.validate(name),
            Family::Sorted(sorted) => sorted.validate(name),
            Family::Relative(relative) => relative.validate(name),
            Family::Adaptive(adaptive) => adaptive.validate(name),
            Family::Triple(triple) => triple.validate(name),
            Family::Group(group) => group.validate(name),
            Family::Composite(composite) => composite.validate(name),
            Family::PlackettLuce(_)
            | Family::KWise(_)
            | Family::MultiPair(_)
            | Family::GroupContrast(_)
            | Family::Bce(_)
            | Family::TokenHead(_)
            | Family::Sft(_) => Ok(()),
        }
    }
}

/// `$do` with the settings of whichever family it is, and the variant to put them back.
macro_rules! each {
    ($family:expr, |$settings:ident, $wrap:ident| $do:expr) => {
        each!(
            $family, $settings, $wrap, $do;
            BradleyTerry Focal Hinge SquaredMargin RaoKupper Davidson PlackettLuce KWise MultiPair GroupContrast Bce Mse
            TokenHead Mapl Sspo More Dial LmBeside Individual
            Contrast Sided Sorted Relative Adaptive Triple Group Sft Composite
        )
    };
    ($family:expr, $settings:ident, $wrap:ident, $do:expr; $($variant:ident)*) => {
        match $family {
            $(Family::$variant($settings) => {
                let $wrap = Family::$variant;
                $do
            })*
        }
    };
}

impl Family {
    fn table(&self) -> Result<Table, toml::ser::Error> {
        each!(self, |settings, _wrap| Table::try_from(settings))
    }

    /// With the values of `keys` in place of its own.
    fn with(self, keys: Table) -> Result<Self, toml::de::Error> {
        each!(self, |settings, wrap| Ok(wrap(over(&settings, keys)?)))
    }
}

fn over<S: Serialize + DeserializeOwned>(settings: &S, keys: Table) -> Result<S, toml::de::Error> {
    let mut table = Table::try_from(settings).map_err(toml::de::Error::custom)?;
    table.extend(keys);
    table.try_into()
}

impl Serialize for Objective {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut table = self.family.table().map_err(S::Error::custom)?;
        table.insert("name".to_owned(), self.name.into());
        table.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Objective {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut keys = Table::deserialize(deserializer)?;
        let Some(name) = keys.remove("name") else { return Err(D::Error::missing_field("name")) };
        let name = name.as_str().ok_or_else(|| D::Error::custom("`name` should be text"))?;
        if let Some(fitted) = FITTED.iter().find(|fitted| fitted.name == name) {
            let problem =
                format!("`{name}` is fitted at once, not trained step by step: see `{} --help`", fitted.command);
            return Err(D::Error::custom(problem));
        }
        let spec = SPECS.iter().find(|spec| spec.name == name).ok_or_else(|| {
            let known: Vec<&str> = SPECS.iter().map(|spec| spec.name).collect();
            let near = nearest(name, known.iter().copied(), 3);
            let hint = did_you_mean(&near).map(|hint| format!(" ({hint})")).unwrap_or_default();
            D::Error::custom(format!("there is no objective `{name}`{hint}; known: {}", known.join(", ")))
        })?;
        let family = (spec.family)().with(keys).map_err(|error| D::Error::custom(error.message()))?;
        Ok(Self { name: spec.name, family })
    }
}
