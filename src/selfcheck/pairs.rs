//! What is checked with: the user's pairs, or invented ones in many languages.

use serde::Deserialize;

use super::SelfcheckError;
use super::settings::SelfcheckSettings;
use crate::benchmark::reader::{self, ReadOptions};
use crate::lang::Lang;
use crate::preference::{Comparison, Conversation, Message, Response, Role};

const INVENTED: &str = include_str!("pairs.toml");

#[derive(Deserialize)]
struct File {
    comparison: Vec<Invented>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Invented {
    lang: Lang,
    /// Turns, user first.
    prompt: Vec<String>,
    chosen: Vec<String>,
    rejected: Vec<String>,
}

/// Comparisons, and where they are from.
pub fn load(settings: &SelfcheckSettings) -> Result<(Vec<Comparison>, String), SelfcheckError> {
    let Some(path) = &settings.pairs else {
        let mut invented = invented()?;
        invented.truncate(usize::try_from(settings.limit).unwrap_or(usize::MAX));
        return Ok((invented, "invented, shipped with rmbench".to_owned()));
    };
    let options = ReadOptions {
        columns: settings.columns.clone(),
        lang: Some(settings.lang),
        limit: Some(settings.limit),
        ..ReadOptions::default()
    };
    let (comparisons, _) = reader::read_all(path, &options)?;
    if comparisons.is_empty() {
        return Err(SelfcheckError::NoPairs { path: path.clone() });
    }
    Ok((comparisons, path.display().to_string()))
}

fn invented() -> Result<Vec<Comparison>, SelfcheckError> {
    let file: File = toml::from_str(INVENTED).map_err(|e| SelfcheckError::Invented(e.to_string()))?;
    let one = |(row, invented): (usize, Invented)| {
        let role = |turn: usize| if turn.is_multiple_of(2) { Role::User } else { Role::Assistant };
        let turns = invented.prompt.into_iter().enumerate();
        let responses = |texts: Vec<String>| texts.into_iter().map(Response::new).collect();
        let id = format!("invented-{row}");
        Comparison {
            id: id.clone().into(),
            source: id.into(),
            lang: invented.lang,
            subset: "invented".into(),
            category: None,
            prompt: Conversation(turns.map(|(turn, content)| Message { role: role(turn), content }).collect()),
            chosen: responses(invented.chosen),
            rejected: responses(invented.rejected),
            margin: None,
            evidence: Default::default(),
            row: row as u64,
        }
    };
    Ok(file.comparison.into_iter().enumerate().map(one).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_invented_pairs_are_awkward() {
        let all = invented().unwrap();
        let languages: std::collections::BTreeSet<Lang> = all.iter().map(|comparison| comparison.lang).collect();
        assert!(all.len() >= 30 && languages.len() >= 28, "{} in {}", all.len(), languages.len());
        assert!(all.iter().any(|c| c.prompt.0.len() == 3) && all.iter().any(|c| c.rejected.len() == 3));
        assert!(all.iter().any(|c| c.rejected.contains(&c.chosen[0])), "no equal responses");
        for comparison in &all {
            assert!(!comparison.chosen.is_empty() && !comparison.rejected.is_empty(), "row {}", comparison.row);
        }
    }
}
