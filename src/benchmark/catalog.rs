//! The benchmarks that come with rmbench: manifests embedded in the binary.

use crate::benchmark::manifest::{Manifest, ManifestError};
use crate::lang::suggest::nearest;

/// Protocol of pair files that belong to no benchmark.
pub const PAIRS: &str = "pairs";

const BUILT_IN: &[(&str, &str)] = &[
    ("crbench", include_str!("../../data-manifests/crbench.toml")),
    ("helpsteer3", include_str!("../../data-manifests/helpsteer3.toml")),
    ("indopref", include_str!("../../data-manifests/indopref.toml")),
    ("judgebench", include_str!("../../data-manifests/judgebench.toml")),
    ("judgebench-claude", include_str!("../../data-manifests/judgebench-claude.toml")),
    ("m-arena-hard", include_str!("../../data-manifests/m-arena-hard.toml")),
    ("m-rewardbench", include_str!("../../data-manifests/m-rewardbench.toml")),
    ("m-rewardbench-translation", include_str!("../../data-manifests/m-rewardbench-translation.toml")),
    ("menlo", include_str!("../../data-manifests/menlo.toml")),
    ("mm-eval", include_str!("../../data-manifests/mm-eval.toml")),
    ("mm-eval-language-resource", include_str!("../../data-manifests/mm-eval-language-resource.toml")),
    ("ppe-human", include_str!("../../data-manifests/ppe-human.toml")),
    ("rag-rewardbench", include_str!("../../data-manifests/rag-rewardbench.toml")),
    ("rewardbench", include_str!("../../data-manifests/rewardbench.toml")),
    ("rewardbench-2", include_str!("../../data-manifests/rewardbench-2.toml")),
    ("rm-bench", include_str!("../../data-manifests/rm-bench.toml")),
    ("wildfeedback", include_str!("../../data-manifests/wildfeedback.toml")),
    (PAIRS, include_str!("../../data-manifests/pairs.toml")),
];

/// The names that [`find`] knows.
pub fn names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(name, _)| *name)
}

/// A built-in manifest by name.
///
/// # Errors
/// [`ManifestError::Unknown`] with the nearest names.
pub fn find(name: &str) -> Result<Manifest, ManifestError> {
    match BUILT_IN.iter().find(|(known, _)| *known == name) {
        Some((_, text)) => Manifest::parse(text, &format!("built-in manifest `{name}`")),
        None => Err(ManifestError::Unknown {
            name: name.to_owned(),
            suggestions: nearest(name, names(), 3).into_iter().map(str::to_owned).collect(),
            known: names().map(str::to_owned).collect(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_manifest_parses_under_its_own_name() {
        for name in names() {
            assert_eq!(find(name).unwrap().name, name);
        }
    }

    #[test]
    fn a_misspelt_name_gets_a_suggestion() {
        let error = find("m-rewardbnech").unwrap_err();
        assert_eq!(error.to_string(), "no benchmark is called `m-rewardbnech`");
        assert!(error.hint().unwrap().starts_with("did you mean `m-rewardbench`"));
        assert!(find("zzz").unwrap_err().hint().unwrap().contains("rm-bench"));
    }
}
