//! Checks that TOML's types cannot make.

use std::collections::BTreeSet;

use crate::benchmark::manifest::{Category, Combine, Manifest, Rule, TiePolicy};
use crate::lang::{Lang, suggest};

pub(super) struct Fault {
    pub at: String,
    pub problem: String,
    pub hint: Option<String>,
}

type Checked = Result<(), Fault>;

fn fault(at: impl Into<String>, problem: impl Into<String>) -> Fault {
    Fault { at: at.into(), problem: problem.into(), hint: None }
}

/// Everything that is listed as checked in `data-manifests/README.md`.
pub(super) fn check(manifest: &Manifest) -> Checked {
    names(manifest)?;
    languages(manifest)?;
    chances(manifest)?;
    for category in &manifest.categories {
        weights(manifest, category)?;
    }
    weightings(manifest)?;
    rules(manifest)?;
    totals(manifest)?;
    averages(manifest)?;
    patterns(manifest)
}

fn names(manifest: &Manifest) -> Checked {
    let plain = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_')
    };
    if !plain(&manifest.name) {
        return Err(fault("`name`", format!("`{}` has characters other than a-z, 0-9, `-` and `_`", manifest.name)));
    }
    unique("categories", manifest.categories.iter().map(|c| c.name.as_str()))?;
    unique("subsets", manifest.subsets().map(|(_, s)| s.name.as_str()))?;
    unique("averages", manifest.averages.iter().map(|a| a.name.as_str()))?;
    if manifest.open && !manifest.categories.is_empty() {
        return Err(fault("`open`", "an open manifest takes subsets and categories from the data and lists none"));
    }
    if !manifest.open && manifest.subsets().next().is_none() {
        return Err(fault("`category`", "there is no subset; set `open = true` to take them from the data"));
    }
    match manifest.categories.iter().find(|c| c.subsets.is_empty()) {
        Some(category) => Err(fault(format!("category `{}`", category.name), "it has no subset")),
        None => Ok(()),
    }
}

fn unique<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Checked {
    let mut seen = BTreeSet::new();
    for name in names {
        if name.is_empty() {
            return Err(fault(what, "a name is empty"));
        }
        if !seen.insert(name) {
            return Err(fault(what, format!("`{name}` occurs twice")));
        }
    }
    Ok(())
}

fn languages(manifest: &Manifest) -> Checked {
    let merged = manifest.averages.iter().flat_map(|a| a.langs.iter().flat_map(|m| m.langs()));
    let of_subsets = manifest.subsets().flat_map(|(_, s)| &s.langs);
    for lang in manifest.langs.iter().chain(&manifest.data.language).chain(merged).chain(of_subsets) {
        if lang.info().is_none() {
            let known = crate::lang::table::rows().iter().map(|info| info.lang.code());
            let near = suggest::nearest(lang.code(), known, 3);
            return Err(Fault {
                at: "languages".to_owned(),
                problem: format!("`{lang}` is not a language rmbench knows"),
                hint: suggest::did_you_mean(&near),
            });
        }
    }
    unique("`langs`", manifest.langs.iter().map(Lang::code))?;
    for (_, subset) in manifest.subsets() {
        if let Some(lang) = subset.langs.iter().find(|lang| !manifest.langs.contains(lang)) {
            return Err(fault(
                format!("subset `{}`", subset.name),
                format!("`{lang}` is not in the benchmark's `langs`"),
            ));
        }
    }
    Ok(())
}

fn chances(manifest: &Manifest) -> Checked {
    let of_subsets = manifest.subsets().filter_map(|(_, s)| s.chance);
    match manifest.chance.into_iter().chain(of_subsets).find(|c| !(0.0..=1.0).contains(c)) {
        Some(chance) => Err(fault("`chance`", format!("{chance} is not between 0 and 1"))),
        None => Ok(()),
    }
}

fn weights(manifest: &Manifest, category: &Category) -> Checked {
    let at = format!("category `{}`", category.name);
    if !(category.weight.is_finite() && category.weight > 0.0) {
        return Err(fault(at, format!("weight {} is not positive", category.weight)));
    }
    let weighted = category.subsets.iter().filter(|s| !s.weights.is_empty()).count();
    if weighted == 0 {
        return Ok(());
    }
    if category.combine == Combine::Pooled {
        return Err(fault(at, "pooled subsets weigh by their items and take no `weights`"));
    }
    for subset in &category.subsets {
        let at = format!("subset `{}`", subset.name);
        if let Some((name, weight)) = subset.weights.iter().find(|(_, w)| !(w.is_finite() && **w > 0.0)) {
            return Err(fault(at, format!("weight `{name}` is {weight}, not positive")));
        }
        if let Some(name) = subset.weights.keys().find(|name| !manifest.weights.contains_key(*name)) {
            return Err(fault(at, format!("weighting `{name}` is not described in `[weights]`")));
        }
        if let Some(name) = manifest.weights.keys().find(|name| !subset.weights.contains_key(*name)) {
            return Err(fault(at, format!("it has no weight for weighting `{name}`")));
        }
    }
    Ok(())
}

fn weightings(manifest: &Manifest) -> Checked {
    match &manifest.default_weights {
        Some(name) if !manifest.weights.contains_key(name) => {
            Err(fault("`default-weights`", format!("`{name}` is not described in `[weights]`")))
        }
        None if !manifest.weights.is_empty() => {
            Err(fault("`default-weights`", "there are weightings, but none is the default"))
        }
        _ => Ok(()),
    }
}

fn rules(manifest: &Manifest) -> Checked {
    for category in &manifest.categories {
        let rule = |own: Option<Rule>| own.unwrap_or(manifest.rule);
        let first = category.subsets.first().map(|s| rule(s.rule));
        let mixed = category.subsets.iter().any(|s| Some(rule(s.rule)) != first);
        if category.combine == Combine::Pooled && mixed {
            return Err(fault(format!("category `{}`", category.name), "pooled subsets must share one `rule`"));
        }
    }
    let pooled_overall = manifest.overall == crate::benchmark::manifest::Overall::Pooled;
    if pooled_overall && manifest.subsets().any(|(_, s)| s.rule.is_some_and(|rule| rule != manifest.rule)) {
        return Err(fault("`overall`", "items of subsets with different rules cannot be pooled"));
    }
    let matrix =
        manifest.rule == Rule::StyleMatrix || manifest.subsets().any(|(_, s)| s.rule == Some(Rule::StyleMatrix));
    if matrix && !matches!(manifest.ties, TiePolicy::Loss | TiePolicy::Half) {
        return Err(fault("`ties`", "cells of a style matrix are pairs: ties are `loss` or `half`"));
    }
    Ok(())
}

/// Stated totals equal the sums of what is listed.
fn totals(manifest: &Manifest) -> Checked {
    let count = |lang: Option<Lang>| {
        let here = manifest.subsets().filter(|(_, s)| lang.is_none_or(|lang| s.exists_in(lang)));
        here.filter_map(|(_, s)| s.n).sum::<u64>()
    };
    if let Some(stated) = manifest.items_per_language
        && stated != count(None)
    {
        return Err(fault("`items-per-language`", format!("{stated} is stated, the subsets sum to {}", count(None))));
    }
    let Some(stated) = manifest.total_items else { return Ok(()) };
    if manifest.langs.is_empty() {
        return Err(fault("`total-items`", "a total needs the list of languages, `langs`"));
    }
    let sum: u64 = manifest.langs.iter().map(|lang| count(Some(*lang))).sum();
    if stated == sum {
        Ok(())
    } else {
        Err(fault("`total-items`", format!("{stated} is stated, subsets and languages make {sum}")))
    }
}

fn averages(manifest: &Manifest) -> Checked {
    for average in &manifest.averages {
        let at = format!("average `{}`", average.name);
        if average.pooled && average.langs.iter().any(|m| m.langs().len() > 1) {
            return Err(fault(at, "pooled items have no merged languages"));
        }
        let langs: Vec<Lang> = average.langs.iter().flat_map(|m| m.langs().iter().copied()).collect();
        if average.langs.iter().any(|m| m.langs().is_empty()) {
            return Err(fault(at, "a member is empty"));
        }
        if let Some(lang) = langs.iter().find(|lang| !manifest.langs.is_empty() && !manifest.langs.contains(lang)) {
            return Err(fault(at, format!("`{lang}` is not in the benchmark's `langs`")));
        }
        unique(&at, langs.iter().map(Lang::code))?;
    }
    Ok(())
}

fn patterns(manifest: &Manifest) -> Checked {
    let data = &manifest.data;
    for pattern in data.files.iter().chain(&data.hub_files) {
        let rest = pattern.replace("{name}", "").replace("{lang}", "");
        let at = format!("`[data]`, `{pattern}`");
        if rest.contains(['{', '}']) {
            return Err(fault(at, "placeholders are {name} and {lang}"));
        }
        if pattern.starts_with('/') || pattern.split('/').any(|part| part == "..") {
            return Err(fault(at, "paths lie below the data directory"));
        }
    }
    let at = "`data.hub-files`";
    if let Some(pattern) = data.hub_files.iter().find(|pattern| manifest.arrival(pattern).is_none()) {
        return Err(fault(
            at,
            format!("no path of `files` has the ending of `{pattern}` and is for as many languages"),
        ));
    }
    if !data.hub_files.is_empty() && data.hub.is_none() {
        return Err(fault(at, "there is no `hub` that has them"));
    }
    Ok(())
}
