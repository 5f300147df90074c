//! Recognising which column of a file plays which part.
//!
//! Three shapes exist: **pairs** (a prompt, chosen and rejected responses), **complete pairs** (chosen and
//! rejected each hold the whole conversation, TRL's implicit prompt), and **verdicts** (two responses
//! and which is better).

mod training;

use std::fmt;
use std::path::Path;

use super::ReadOptions;
use super::cell::{Column, Kind};
use super::error::ReadError;
use super::format::Format;
use super::verdict::LabelRule;
use crate::benchmark::columns::{ColumnMap, EVIDENCE, Part};
use crate::lang::suggest::nearest;

use training::{embeddings, has_texts, own_prompts, rated};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A prompt and, of each side, one response or several.
    Pairs,
    /// Chosen and rejected are complete conversations or texts; the prompt is what they share.
    CompletePairs,
    /// Two responses and a verdict.
    Verdicts,
    /// Any number of responses, rated or ranked.
    Ranked,
    /// One response, rated or not.
    Points,
    /// Pairs of vectors, whatever they stand for.
    Embeddings,
}

/// What a reader made of a file's columns.
#[derive(Debug, Clone)]
pub struct Layout {
    pub format: Format,
    pub shape: Shape,
    /// The published layout that this is, where the columns give it away.
    pub name: Option<&'static str>,
    /// Which column plays which part.
    pub parts: Vec<(Part, String)>,
    /// Columns that are not read.
    pub unused: Vec<String>,
    /// What the reader assumes, in sentences.
    pub notes: Vec<String>,
    pub(super) indices: Vec<(Part, usize)>,
    pub(super) label_rule: Option<LabelRule>,
    /// Rows of subset `code` name a programming language (HelpSteer3).
    pub(super) code_is_english: bool,
    pub(super) kinds: Vec<Kind>,
}

impl Layout {
    /// The column of a part.
    pub fn column(&self, part: Part) -> Option<&str> {
        self.parts.iter().find(|(p, _)| *p == part).map(|(_, name)| name.as_str())
    }

    pub(super) fn index(&self, part: Part) -> Option<usize> {
        self.indices.iter().find(|(p, _)| *p == part).map(|&(_, index)| index)
    }

    pub(super) fn is_text(&self, part: Part) -> bool {
        self.index(part).is_some_and(|index| self.kinds.get(index) == Some(&Kind::Text))
    }

    /// Whether each side holds a list of three styles of one answer.
    pub fn is_rm_bench(&self) -> bool {
        self.name == Some(RM_BENCH)
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = match self.shape {
            Shape::Pairs => "pairs",
            Shape::CompletePairs => "pairs of complete conversations",
            Shape::Verdicts => "two responses and a verdict",
            Shape::Ranked => "rankings",
            Shape::Points => "single responses",
            Shape::Embeddings => "pairs of vectors",
        };
        write!(f, "{}, {shape}", self.format)?;
        if let Some(name) = self.name {
            write!(f, " ({name})")?;
        }
        for (index, (part, column)) in self.parts.iter().enumerate() {
            write!(f, "{} {}=`{column}`", if index == 0 { ":" } else { "," }, part.as_str())?;
        }
        if !self.unused.is_empty() {
            write!(f, "; not read: {}", self.unused.join(", "))?;
        }
        self.notes.iter().try_for_each(|note| write!(f, "; {note}"))
    }
}

const RM_BENCH: &str = "RM-Bench";

/// A name as columns are compared by.
fn normal(name: &str) -> String {
    name.trim().to_lowercase().replace(['-', ' '], "_")
}

/// The parts found so far.
struct Search<'a> {
    path: &'a Path,
    columns: &'a [Column],
    normal: Vec<String>,
    map: &'a ColumnMap,
    found: Vec<(Part, usize)>,
}

impl Search<'_> {
    fn names(&self) -> Vec<String> {
        self.columns.iter().map(|column| column.name.clone()).collect()
    }

    fn refuse<T>(&self, problem: impl Into<String>, hint: impl Into<String>) -> Result<T, ReadError> {
        Err(ReadError::Columns {
            path: self.path.to_owned(),
            problem: problem.into(),
            columns: self.names(),
            hint: Some(hint.into()),
        })
    }

    /// The mapped column, which must exist.
    fn mapped(&self, part: Part) -> Result<Option<usize>, ReadError> {
        let Some(wanted) = self.map.get(part) else { return Ok(None) };
        let names = || self.columns.iter().map(|column| column.name.as_str());
        match names().position(|name| name == wanted) {
            Some(index) => Ok(Some(index)),
            None => Err(ReadError::UnknownColumn {
                path: self.path.to_owned(),
                part: part.as_str(),
                column: wanted.to_owned(),
                columns: self.names(),
                suggestions: nearest(wanted, names(), 3).into_iter().map(str::to_owned).collect(),
            }),
        }
    }

    fn named(&self, name: &str) -> Option<usize> {
        self.normal.iter().position(|column| column == name)
    }

    fn usual(&self, part: Part) -> Option<usize> {
        part.usual_names().iter().find_map(|name| self.named(name))
    }

    /// Takes the mapped or else the usual column for a part.
    fn take(&mut self, part: Part) -> Result<Option<usize>, ReadError> {
        let index = self.mapped(part)?.or_else(|| self.usual(part));
        self.found.extend(index.map(|index| (part, index)));
        Ok(index)
    }

    fn kind(&self, index: usize) -> Kind {
        self.columns[index].kind
    }
}

/// Finds the parts, or says what is missing.
pub(super) fn recognise(
    path: &Path,
    format: Format,
    columns: &[Column],
    options: &ReadOptions,
) -> Result<Layout, ReadError> {
    let (map, evidence, subset_given) = (&options.columns, options.evidence, options.subset.is_some());
    let normal = columns.iter().map(|column| normal(&column.name)).collect();
    let mut search = Search { path, columns, normal, map, found: Vec::new() };
    let mut notes = Vec::new();

    let vectors = options.embeddings && embeddings(&mut search)?;
    let shape = if vectors && !has_texts(&search) { Shape::Embeddings } else { responses(&mut search, evidence)? };
    let prompted = (evidence && own_prompts(&mut search)?) || prompt(&mut search)?;
    let shape = match (shape, prompted) {
        (Shape::Pairs, false) => Shape::CompletePairs,
        (Shape::Verdicts | Shape::Ranked | Shape::Points, false) => {
            return search.refuse("has no column for the prompt", "map the column that holds the prompt");
        }
        (shape, _) => shape,
    };
    if shape == Shape::CompletePairs {
        notes.push("the prompt is the common beginning of chosen and rejected".to_owned());
    }
    let label_rule = label(&mut search, shape, evidence, &mut notes)?;
    for part in EVIDENCE.into_iter().filter(|_| evidence) {
        training::take(&mut search, part)?;
    }
    for part in [Part::Id, Part::SourceId, Part::Language, Part::Category, Part::Margin, Part::Styles, Part::NumCorrect]
    {
        search.take(part)?;
    }
    for part in [Part::ChosenGrade, Part::RejectedGrade] {
        search.take(part)?;
    }
    let models = if shape == Shape::Verdicts {
        [(Part::ChosenModel, Part::ModelA), (Part::RejectedModel, Part::ModelB)]
    } else {
        [(Part::ChosenModel, Part::ChosenModel), (Part::RejectedModel, Part::RejectedModel)]
    };
    for (mapped, usual) in models {
        let index = search.mapped(mapped)?.or_else(|| search.usual(usual));
        search.found.extend(index.map(|index| (usual, index)));
    }
    groups(&mut search, subset_given)?;

    let has = |part: Part| search.found.iter().any(|(p, _)| *p == part);
    if !has(Part::Id) {
        notes.push("no id column: rows are named by their position".to_owned());
    }
    let name = published(&search, shape);
    if name == Some(HELPSTEER) {
        notes.push("rows of domain `code` name a programming language and are read as English".to_owned());
    }
    let mut indices = search.found;
    indices.sort_by_key(|(part, _)| *part);
    let used = |index: usize| indices.iter().any(|&(_, i)| i == index);
    Ok(Layout {
        format,
        shape,
        name,
        parts: indices.iter().map(|&(part, index)| (part, columns[index].name.clone())).collect(),
        unused: (0..columns.len()).filter(|&i| !used(i)).map(|i| columns[i].name.clone()).collect(),
        notes,
        label_rule,
        code_is_english: name == Some(HELPSTEER),
        kinds: columns.iter().map(|column| column.kind).collect(),
        indices,
    })
}

/// The columns of the responses. An explicit map decides the shape, else chosen/rejected come first.
fn responses(search: &mut Search<'_>, evidence: bool) -> Result<Shape, ReadError> {
    let maps = |parts: [Part; 2]| parts.iter().any(|&part| search.map.get(part).is_some());
    let pairs = maps([Part::Chosen, Part::Rejected]);
    let single = maps([Part::Responses, Part::Response]);
    let verdicts = maps([Part::ResponseA, Part::ResponseB]) || (search.map.label.is_some() && !single);
    if pairs && verdicts {
        return search.refuse(
            "is mapped both as pairs and as two responses with a verdict",
            "map either chosen and rejected, or response-a, response-b and label",
        );
    }
    let both = |search: &Search<'_>, parts: [Part; 2]| parts.iter().all(|&part| search.usual(part).is_some());
    if single
        && evidence
        && let Some(shape) = rated(search)?
    {
        return Ok(shape);
    }
    if pairs || (!verdicts && both(search, [Part::Chosen, Part::Rejected])) {
        for (part, word) in [(Part::Chosen, "chosen"), (Part::Rejected, "rejected")] {
            if search.take(part)?.is_none() {
                let problem = format!("has no column for the {word} response");
                return search.refuse(problem, "map the column that holds it");
            }
        }
        return Ok(Shape::Pairs);
    }
    if verdicts || both(search, [Part::ResponseA, Part::ResponseB]) {
        for (part, word) in [
            (Part::ResponseA, "the first response"),
            (Part::ResponseB, "the second response"),
            (Part::Label, "the verdict"),
        ] {
            if search.take(part)?.is_none() {
                return search.refuse(format!("has no column for {word}"), "map the column that holds it");
            }
        }
        return Ok(Shape::Verdicts);
    }
    if evidence && let Some(shape) = rated(search)? {
        return Ok(shape);
    }
    if search.named("chosen_ids").or_else(|| search.named("chosen_input_ids")).is_some() {
        let problem = "holds token ids instead of text";
        return search.refuse(problem, "use the data set's text version: token ids fit one tokenizer only");
    }
    search.refuse(
        "has no columns for chosen and rejected responses, nor for two responses and a verdict",
        "map the columns: chosen and rejected, or response-a, response-b and label",
    )
}

/// The prompt's column or columns; false when there is none.
fn prompt(search: &mut Search<'_>) -> Result<bool, ReadError> {
    if let Some(index) = search.mapped(Part::Prompt)? {
        search.found.push((Part::Prompt, index));
        return Ok(true);
    }
    // `context` is a prompt where it holds messages; as plain text it is something else (RPR, RAG).
    let context =
        search.usual(Part::Context).filter(|&i| matches!(search.kind(i), Kind::Messages | Kind::MessagesList));
    search.found.extend(context.map(|index| (Part::Context, index)));
    let candidates: Vec<usize> = Part::Prompt.usual_names().iter().filter_map(|name| search.named(name)).collect();
    let index = match candidates.as_slice() {
        [] => return Ok(context.is_some()),
        // Beside messages only the canonical name is a prompt; `question` may be anything.
        [index, ..] if search.normal[*index] == "prompt" => *index,
        _ if context.is_some() => return Ok(true),
        [index] => *index,
        several => {
            let names: Vec<&str> = several.iter().map(|&i| search.columns[i].name.as_str()).collect();
            let problem = format!("has several columns that could be the prompt: {}", names.join(", "));
            return search.refuse(problem, "map the one that is the whole prompt");
        }
    };
    search.found.push((Part::Prompt, index));
    Ok(true)
}

/// How the label column is read: the verdict of two responses, or P(chosen better) beside pairs.
fn label(
    search: &mut Search<'_>,
    shape: Shape,
    evidence: bool,
    notes: &mut Vec<String>,
) -> Result<Option<LabelRule>, ReadError> {
    if matches!(shape, Shape::Ranked | Shape::Points) {
        return Ok(None);
    }
    if shape == Shape::Verdicts {
        let Some(&(_, index)) = search.found.iter().find(|(part, _)| *part == Part::Label) else { return Ok(None) };
        let numeric = matches!(search.kind(index), Kind::Integer | Kind::Number);
        let rule = match search.normal[index].as_str() {
            "overall_preference" => LabelRule::Signed,
            "chosen_index" | "better_response_id" => LabelRule::Index,
            _ if !numeric => LabelRule::Words,
            _ => {
                let problem = format!("has numbers in `{}`, which can mean several things", search.columns[index].name);
                let hint = "name the column overall_preference (negative: first better, 0: tie, positive: second \
                            better) or chosen_index (0: first, 1: second)";
                return search.refuse(problem, hint);
            }
        };
        return Ok(Some(rule));
    }
    // The canonical schema's label beside pairs is a real number; other labels there are not ours.
    let Some(index) = search.named("label").filter(|&index| search.kind(index) == Kind::Number) else {
        return Ok(None);
    };
    search.found.push((Part::Label, index));
    if !evidence {
        notes.push("of `label` only ties (0.5) are used".to_owned());
    }
    Ok(Some(LabelRule::Probability))
}

/// Subset and category. Exports without `subset` name it `source` (M-RewardBench) or `domain`
/// (RM-Bench, HelpSteer3); a subset given by the caller wins over these two.
fn groups(search: &mut Search<'_>, subset_given: bool) -> Result<(), ReadError> {
    let domain = search.named("domain");
    let subset = search.take(Part::Subset)?.or_else(|| {
        let stand_in = search.named("source").or(domain).filter(|_| !subset_given);
        search.found.extend(stand_in.map(|index| (Part::Subset, index)));
        stand_in
    });
    let has_category = search.found.iter().any(|(part, _)| *part == Part::Category);
    if let Some(index) = domain.filter(|_| !has_category && subset != domain) {
        search.found.push((Part::Category, index));
    }
    Ok(())
}

const HELPSTEER: &str = "HelpSteer3";

/// The published layout that the columns give away; decides nothing but variants and messages.
fn published(search: &Search<'_>, shape: Shape) -> Option<&'static str> {
    let has = |names: &[&str]| names.iter().all(|name| search.named(name).is_some());
    let list = |name: &str| search.named(name).is_some_and(|index| search.kind(index).is_list());
    match shape {
        Shape::Verdicts if has(&["overall_preference", "domain", "response1"]) => Some(HELPSTEER),
        Shape::Verdicts if has(&["pair_id", "label", "response_a"]) => Some("JudgeBench"),
        Shape::Verdicts => None,
        Shape::CompletePairs => Some("TRL, implicit prompt"),
        Shape::Pairs if list("chosen") && has(&["num_correct"]) => Some("RewardBench 2"),
        Shape::Pairs if list("chosen") && list("rejected") && has(&["domain"]) && !has(&["context"]) => Some(RM_BENCH),
        Shape::Pairs if has(&["language", "chosen_model", "source"]) && !has(&["subset"]) => Some("M-RewardBench"),
        Shape::Pairs if has(&["chosen_model", "subset"]) && !has(&["language"]) => Some("RewardBench"),
        Shape::Pairs | Shape::Ranked | Shape::Points | Shape::Embeddings => None,
    }
}
