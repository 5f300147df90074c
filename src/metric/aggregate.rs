//! From subset scores to categories, a language's score and averages over languages.
//!
//! Subset score → category (mean under named weights, or items pooled) → language score (mean of
//! categories, or items pooled) → averages over languages by name. A group with an absent part has no
//! score but an explanation, unless the part is optional. `Compat::RewardBench` is the exception, for
//! comparing with that tool: absent subsets drop out, an empty section scores 0, and both are named.

use crate::benchmark::manifest::{Average, Combine, Manifest, Overall};
use crate::lang::Lang;
use crate::metric::design::SubsetHere;
use crate::metric::sheet::{NodeId, Sheet};

/// Another tool's rules, reproduced on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compat {
    /// RewardBench v1 `calculate_scores_per_section`: absent subsets are skipped, an empty section is 0.
    RewardBench,
}

/// How a score is made of subsets (by number).
#[derive(Debug, Clone, PartialEq)]
pub enum Form {
    /// Items of these subsets together; `complete`: none of the subsets may be absent.
    Pooled {
        subsets: Vec<usize>,
        complete: bool,
    },
    Mean(Vec<Part>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    pub weight: f64,
    /// May be absent, then it is masked.
    pub optional: bool,
    pub form: Form,
}

/// The forms of a benchmark's categories, in order, and of its overall score.
#[derive(Debug, Clone, PartialEq)]
pub struct Forms {
    pub categories: Vec<(String, Form)>,
    pub overall: Form,
}

impl Forms {
    /// `subsets` gives subsets their numbers; `weighting` is a name from the manifest, which falls back to
    /// its default.
    pub fn new(manifest: &Manifest, weighting: Option<&str>, subsets: &[SubsetHere]) -> Forms {
        if manifest.open {
            return Forms::of_data(subsets, manifest.overall);
        }
        let number = |name: &str| subsets.iter().position(|s| s.name == name);
        let chosen = weighting.filter(|name| manifest.weights.contains_key(*name));
        let chosen = chosen.or(manifest.default_weights.as_deref());
        let mut categories = Vec::new();
        let mut parts = Vec::new();
        for category in &manifest.categories {
            let known = category.subsets.iter().filter_map(|s| Some((s, number(&s.name)?)));
            let form = match category.combine {
                Combine::Pooled => {
                    Form::Pooled { subsets: known.map(|(_, n)| n).collect(), complete: !category.optional }
                }
                Combine::WeightedMean => Form::Mean(
                    known
                        .map(|(subset, number)| Part {
                            weight: chosen.and_then(|name| subset.weights.get(name)).copied().unwrap_or(1.0),
                            optional: category.optional,
                            form: Form::Pooled { subsets: vec![number], complete: true },
                        })
                        .collect(),
                ),
            };
            parts.push(Part { weight: category.weight, optional: category.optional, form: form.clone() });
            categories.push((category.name.clone(), form));
        }
        let overall = match manifest.overall {
            Overall::MeanOfCategories => Form::Mean(parts),
            Overall::Pooled => Form::Pooled { subsets: (0..subsets.len()).collect(), complete: true },
        };
        Forms { categories, overall }
    }

    /// Whatever the data have: items of a category together; overall all items together, or the plain mean of
    /// categories (of subsets, where the data have no categories).
    fn of_data(subsets: &[SubsetHere], overall: Overall) -> Forms {
        let mut categories: Vec<(String, Form)> = Vec::new();
        for (number, subset) in subsets.iter().enumerate() {
            let Some(name) = &subset.category else { continue };
            match categories.iter_mut().find(|(known, _)| known == name) {
                Some((_, Form::Pooled { subsets, .. })) => subsets.push(number),
                _ => categories.push((name.clone(), Form::Pooled { subsets: vec![number], complete: false })),
            }
        }
        let part = |form: Form| Part { weight: 1.0, optional: false, form };
        let overall = match overall {
            Overall::Pooled => Form::Pooled { subsets: (0..subsets.len()).collect(), complete: false },
            Overall::MeanOfCategories if categories.is_empty() => {
                let one = |subset: usize| part(Form::Pooled { subsets: vec![subset], complete: true });
                Form::Mean((0..subsets.len()).map(one).collect())
            }
            Overall::MeanOfCategories => Form::Mean(categories.iter().map(|(_, form)| part(form.clone())).collect()),
        };
        Forms { categories, overall }
    }
}

/// Why there is no score.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absent {
    /// Subsets that have no score.
    pub subsets: Vec<usize>,
}

/// Gives pooled subsets their number, or says which of them are absent; the flag: none may be.
pub type Leaf<'a> = dyn FnMut(&mut Sheet, &[usize], bool) -> Result<NodeId, Absent> + 'a;

impl Form {
    /// The form without subsets that do not exist somewhere by design; `None` where nothing is left.
    pub fn restricted(&self, exists: &dyn Fn(usize) -> bool) -> Option<Form> {
        match self {
            Form::Pooled { subsets, complete } => {
                let subsets: Vec<usize> = subsets.iter().copied().filter(|s| exists(*s)).collect();
                (!subsets.is_empty()).then_some(Form::Pooled { subsets, complete: *complete })
            }
            Form::Mean(parts) => {
                let parts: Vec<Part> = parts
                    .iter()
                    .filter_map(|part| Some(Part { form: part.form.restricted(exists)?, ..*part }))
                    .collect();
                (!parts.is_empty()).then_some(Form::Mean(parts))
            }
        }
    }

    /// Every subset it is made of.
    pub fn subsets(&self) -> Vec<usize> {
        match self {
            Form::Pooled { subsets, .. } => subsets.clone(),
            Form::Mean(parts) => parts.iter().flat_map(|part| part.form.subsets()).collect(),
        }
    }

    /// Writes the form into a sheet. `leaf` gives the number of pooled subsets, or says which of them are
    /// absent; `complete` tells it whether all must be there. Skipped subsets are added to `skipped`.
    pub fn place(
        &self,
        sheet: &mut Sheet,
        compat: Option<Compat>,
        skipped: &mut Vec<usize>,
        leaf: &mut Leaf<'_>,
    ) -> Result<NodeId, Absent> {
        let parts = match self {
            Form::Pooled { subsets, complete } => return leaf(sheet, subsets, *complete && compat.is_none()),
            Form::Mean(parts) => parts,
        };
        let mut found = Vec::new();
        let mut absent = Vec::new();
        let mut fatal = false;
        for part in parts {
            match part.form.place(sheet, compat, skipped, leaf) {
                Ok(node) => found.push((part.weight, node)),
                Err(missing) => {
                    fatal |= !part.optional && compat.is_none();
                    absent.extend(missing.subsets);
                }
            }
        }
        if fatal {
            return Err(Absent { subsets: absent });
        }
        if !found.is_empty() {
            skipped.extend(absent);
            return Ok(sheet.mean(&found));
        }
        if compat.is_some() && parts.iter().any(|part| !part.optional) {
            skipped.extend(absent);
            return Ok(sheet.given(0.0));
        }
        Err(Absent { subsets: absent })
    }

    /// The effective number of items (Kish): what a simple random sample of equal precision would have.
    /// `n` gives the items behind a subset.
    pub fn effective_n(&self, n: &dyn Fn(usize) -> f64) -> f64 {
        match self {
            Form::Pooled { subsets, .. } => subsets.iter().map(|s| n(*s)).sum(),
            Form::Mean(parts) => {
                let known: Vec<(f64, f64)> = parts
                    .iter()
                    .map(|part| (part.weight, part.form.effective_n(n)))
                    .filter(|(_, n)| *n > 0.0)
                    .collect();
                let total: f64 = known.iter().map(|(weight, _)| weight).sum();
                let squares: f64 = known.iter().map(|(weight, n)| (weight / total).powi(2) / n).sum();
                if squares > 0.0 { 1.0 / squares } else { 0.0 }
            }
        }
    }
}

/// The members of an average over languages as numbers of a sheet: a merged member is the mean of its
/// languages. `leaf` gives a language's number: `Ok(None)` where the benchmark has no such items there.
///
/// # Errors
/// The languages without a number, where the average names its members or where a language has the items
/// but no score.
pub fn members(
    average: &Average,
    langs: &[Lang],
    sheet: &mut Sheet,
    leaf: &mut dyn FnMut(Lang) -> Result<Option<NodeId>, Absent>,
) -> Result<Vec<NodeId>, String> {
    let mut nodes = Vec::new();
    let mut without = Vec::new();
    if average.langs.is_empty() {
        for lang in langs {
            match leaf(*lang) {
                Ok(node) => nodes.extend(node),
                Err(_) => without.push(*lang),
            }
        }
    }
    for member in &average.langs {
        let mut own = Vec::new();
        for lang in member.langs() {
            match leaf(*lang) {
                Ok(Some(node)) => own.push(node),
                Ok(None) | Err(_) => without.push(*lang),
            }
        }
        nodes.extend(match own.as_slice() {
            [] => None,
            [only] => Some(*only),
            several => Some(sheet.plain_mean(several)),
        });
    }
    if without.is_empty() && !nodes.is_empty() {
        return Ok(nodes);
    }
    if nodes.is_empty() {
        return Err(format!("`{}`: no language has a score", average.name));
    }
    let names: Vec<&str> = without.iter().map(Lang::code).collect();
    let names = if names.len() > 6 {
        format!("{} and {} more", names[..5].join(", "), names.len() - 5)
    } else {
        names.join(", ")
    };
    Err(format!("`{}` has no score: it needs languages without one ({names})", average.name))
}
