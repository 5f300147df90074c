//! One row to one comparison.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use super::cell::Cell;
use super::error::RowProblem;
use super::layout::{Layout, Shape};
use super::messages::{self, split_texts, split_turns};
use super::rated;
use super::rows::Rows;
use super::vectors;
use super::verdict::Verdict;
use crate::benchmark::columns::Part;
use crate::lang::{Lang, LangError, LangSet};
use crate::preference::{Comparison, Conversation, ItemId, Response, SourceId, SubsetId};

/// A row's problem and the part it was found in.
pub(super) type Fault = (Part, RowProblem);

/// What became of a well-formed row.
#[derive(Debug)]
pub(super) enum Built {
    Comparison(Box<Comparison>),
    Tie(Lang),
    /// Its language is not asked for.
    Filtered,
}

/// Strings that repeat from row to row, stored once.
#[derive(Debug, Default)]
struct Shared(HashMap<Box<str>, Arc<str>>);

impl Shared {
    fn get(&mut self, text: &str) -> Arc<str> {
        if let Some(shared) = self.0.get(text) {
            return shared.clone();
        }
        let shared: Arc<str> = text.into();
        self.0.insert(text.into(), shared.clone());
        shared
    }
}

/// Builds comparisons; remembers what repeats.
#[derive(Debug)]
pub(super) struct Builder {
    pub lang: Option<Lang>,
    pub langs: Option<LangSet>,
    pub subset: Option<String>,
    keep_ties: bool,
    shared: Shared,
    languages: HashMap<Box<str>, Lang>,
}

impl Builder {
    pub fn new(options: &super::ReadOptions) -> Self {
        let (lang, langs, subset) = (options.lang, options.langs.clone(), options.subset.clone());
        let keep_ties = options.keep_ties;
        Self { lang, langs, subset, keep_ties, shared: Shared::default(), languages: HashMap::new() }
    }

    /// The current row's comparison. On a fault also the language, where that much could be read.
    pub fn build(&mut self, rows: &mut dyn Rows, layout: &Layout, row: u64) -> Result<Built, (Option<Lang>, Fault)> {
        let subset = self.group(rows, layout, Part::Subset).map_err(|fault| (None, fault))?;
        let lang =
            self.language(rows, layout, subset.as_deref()).map_err(|problem| (None, (Part::Language, problem)))?;
        if self.langs.as_ref().is_some_and(|langs| !langs.contains(lang)) {
            return Ok(Built::Filtered);
        }
        self.build_in(rows, layout, row, lang, subset).map_err(|fault| (Some(lang), fault))
    }

    fn build_in(
        &mut self,
        rows: &mut dyn Rows,
        layout: &Layout,
        row: u64,
        lang: Lang,
        subset: Option<Arc<str>>,
    ) -> Result<Built, Fault> {
        let verdict = match layout.label_rule {
            Some(rule) => rule.read(cell(rows, layout, Part::Label)).map_err(|problem| (Part::Label, problem))?,
            None => Verdict::First { strength: None },
        };
        if verdict == Verdict::Tie && !self.keep_ties {
            return Ok(Built::Tie(lang));
        }
        let mut evidence = rated::evidence(rows, layout, verdict)?;
        let (mut prompt, mut chosen, mut rejected) = match layout.shape {
            Shape::Ranked => {
                let prompt = prompt(rows, layout)?;
                match rated::ranked(rows, layout, &mut evidence)? {
                    Some((chosen, rejected)) => (prompt, chosen, rejected),
                    // All are equal: there is nothing to rank.
                    None => return Ok(Built::Tie(lang)),
                }
            }
            Shape::Embeddings => vectors::alone(rows, layout)?,
            Shape::Points => (prompt(rows, layout)?, vec![rated::single(rows, layout, &mut evidence)?], Vec::new()),
            _ => texts(rows, layout)?,
        };
        if layout.shape != Shape::Embeddings {
            vectors::beside(rows, layout, &mut chosen, &mut rejected)?;
        }
        rated::criteria(rows, layout, &mut prompt)?;
        rated::own_prompt(rows, layout, &mut rejected)?;
        if layout.index(Part::NumCorrect).is_some() {
            count_correct(rows, layout, chosen.len())?;
        }
        self.models(rows, layout, &mut chosen, &mut rejected)?;
        self.variants(rows, layout, &mut chosen, &mut rejected)?;
        let mut margin = cell(rows, layout, Part::Margin).into_number().map_err(|problem| (Part::Margin, problem))?;
        if let Verdict::First { strength } | Verdict::Second { strength } = verdict {
            margin = margin.or(strength);
        }
        if verdict == Verdict::Tie {
            margin = Some(0.0);
        }
        if matches!(verdict, Verdict::Second { .. }) {
            std::mem::swap(&mut chosen, &mut rejected);
            evidence.votes = evidence.votes.map(|[first, second]| [second, first]);
            evidence.behaviour.reverse();
        }

        let id: Arc<str> = match layout.index(Part::Id) {
            None => format!("row-{row}").into(),
            Some(index) => rows.take(index).into_name().map_err(|problem| (Part::Id, problem))?.into(),
        };
        let source = match layout.index(Part::SourceId) {
            None => id.clone(),
            Some(index) => match rows.take(index) {
                Cell::Null => id.clone(),
                given => given.into_name().map_err(|problem| (Part::SourceId, problem))?.into(),
            },
        };
        let category = self.group(rows, layout, Part::Category)?;
        let subset = match subset {
            Some(subset) => subset,
            None => self.shared.get(self.subset.as_deref().unwrap_or("all")),
        };
        Ok(Built::Comparison(Box::new(Comparison {
            id: ItemId(id),
            source: SourceId(source),
            lang,
            subset: SubsetId(subset),
            category,
            prompt,
            chosen,
            rejected,
            margin,
            evidence,
            row,
        })))
    }

    fn group(&mut self, rows: &mut dyn Rows, layout: &Layout, part: Part) -> Result<Option<Arc<str>>, Fault> {
        let cell = cell(rows, layout, part);
        if cell.is_null() {
            return Ok(None);
        }
        let name = cell.into_name().map_err(|problem| (part, problem))?;
        Ok(Some(self.shared.get(&name)))
    }

    fn language(&mut self, rows: &mut dyn Rows, layout: &Layout, subset: Option<&str>) -> Result<Lang, RowProblem> {
        let Some(index) = layout.index(Part::Language) else {
            return self.lang.ok_or(RowProblem::Null);
        };
        // HelpSteer3's code rows name a programming language; the conversations are in English.
        if layout.code_is_english && subset.is_some_and(|name| name.eq_ignore_ascii_case("code")) {
            return Ok(Lang::ENGLISH);
        }
        let text = rows.take(index).into_text()?;
        if let Some(&lang) = self.languages.get(text.as_ref()) {
            return Ok(lang);
        }
        let lang = match Lang::parse(&text) {
            Ok(lang) => lang,
            // A well-formed code in a known script is a language that the table merely lacks.
            Err(e) => match Lang::from_code(text.trim()).filter(|lang| is_unlisted(*lang)) {
                Some(lang) => lang,
                None => return Err(unknown_language(e)),
            },
        };
        self.languages.insert(text.into(), lang);
        Ok(lang)
    }

    fn models(
        &mut self,
        rows: &mut dyn Rows,
        layout: &Layout,
        chosen: &mut [Response],
        rejected: &mut [Response],
    ) -> Result<(), Fault> {
        let [first, second] = match layout.shape {
            Shape::Verdicts => [Part::ModelA, Part::ModelB],
            _ => [Part::ChosenModel, Part::RejectedModel],
        };
        for (part, responses) in [(first, chosen), (second, rejected)] {
            match cell(rows, layout, part) {
                Cell::Null => {}
                Cell::List(names) => {
                    exactly(part, responses.len(), names.len())?;
                    for (response, name) in responses.iter_mut().zip(names) {
                        response.model = self.optional(name).map_err(|problem| (part, problem))?;
                    }
                }
                name => {
                    let model = self.optional(name).map_err(|problem| (part, problem))?;
                    responses.iter_mut().for_each(|response| response.model.clone_from(&model));
                }
            }
        }
        Ok(())
    }

    fn optional(&mut self, cell: Cell<'_>) -> Result<Option<Arc<str>>, RowProblem> {
        match cell {
            Cell::Null => Ok(None),
            Cell::Text(text) if text.is_empty() => Ok(None),
            name => name.into_name().map(|name| Some(self.shared.get(&name))),
        }
    }

    /// RM-Bench: three styles per side, named by a column or by their order.
    fn variants(
        &mut self,
        rows: &mut dyn Rows,
        layout: &Layout,
        chosen: &mut [Response],
        rejected: &mut [Response],
    ) -> Result<(), Fault> {
        const IN_ORDER: [&str; 3] = ["concise", "detailed", "markdown"];
        self.grades(rows, layout, [&mut *chosen, &mut *rejected])?;
        let fault = |problem| (Part::Styles, problem);
        let names: Vec<Arc<str>> = match cell(rows, layout, Part::Styles) {
            Cell::Null if layout.is_rm_bench() => IN_ORDER.iter().map(|name| self.shared.get(name)).collect(),
            Cell::Null => return Ok(()),
            Cell::List(names) => names
                .into_iter()
                .map(|name| Ok(self.shared.get(style(&name.into_text().map_err(fault)?))))
                .collect::<Result<_, Fault>>()?,
            other => return Err(fault(other.mismatch("a list of names"))),
        };
        for (part, side) in [(Part::Chosen, chosen), (Part::Rejected, rejected)] {
            exactly(part, names.len(), side.len())?;
            for (response, name) in side.iter_mut().zip(&names) {
                response.variant = Some(name.clone());
            }
        }
        Ok(())
    }
}

impl Builder {
    /// Gold grades are variants `grade 1`, `grade 2`, …
    fn grades(&mut self, rows: &mut dyn Rows, layout: &Layout, sides: [&mut [Response]; 2]) -> Result<(), Fault> {
        for (part, side) in [Part::ChosenGrade, Part::RejectedGrade].into_iter().zip(sides) {
            let grade = cell(rows, layout, part).into_number().map_err(|problem| (part, problem))?;
            let Some(grade) = grade else { continue };
            if grade.fract() != 0.0 || !(1.0..=9.0).contains(&grade) {
                let found = grade.to_string();
                return Err((part, RowProblem::Type { expected: "a grade from 1 to 9", found }));
            }
            let name = self.shared.get(&format!("grade {grade:.0}"));
            side.iter_mut().for_each(|response| response.variant = Some(name.clone()));
        }
        Ok(())
    }
}

/// Longer names in use for RM-Bench's styles.
fn style(name: &str) -> &str {
    match name {
        "detailed_plain" => "detailed",
        "detailed_markdown" => "markdown",
        other => other,
    }
}

/// A well-formed code in a known script that the table has no row for.
pub(super) fn is_unlisted(lang: Lang) -> bool {
    lang.info().is_none() && lang.script().is_some_and(|script| lang.code().ends_with(script.code))
}

fn unknown_language(error: LangError) -> RowProblem {
    match error {
        LangError::Unknown { name, suggestions } => RowProblem::Language { name, suggestions },
        other => RowProblem::Language { name: other.to_string(), suggestions: Vec::new() },
    }
}

pub(super) fn cell<'a>(rows: &'a mut dyn Rows, layout: &Layout, part: Part) -> Cell<'a> {
    layout.index(part).map_or(Cell::Null, |index| rows.take(index))
}

pub(super) fn exactly(part: Part, expected: usize, found: usize) -> Result<(), Fault> {
    if expected == found { Ok(()) } else { Err((part, RowProblem::Count { expected, found })) }
}

/// RewardBench 2 says how many responses are right; a row that disagrees with itself is refused.
fn count_correct(rows: &mut dyn Rows, layout: &Layout, found: usize) -> Result<(), Fault> {
    let part = Part::NumCorrect;
    match cell(rows, layout, part).into_number().map_err(|problem| (part, problem))? {
        Some(expected) if expected != found as f64 => {
            Err((part, RowProblem::Count { expected: expected.max(0.0) as usize, found }))
        }
        _ => Ok(()),
    }
}

/// One side of a row as it stands in the file.
enum Side {
    Responses(Vec<Response>),
    Turns(Vec<crate::preference::Message>),
}

fn side(cell: Cell<'_>) -> Result<Side, RowProblem> {
    Ok(match cell {
        Cell::Text(_) => Side::Responses(vec![Response::new(cell.into_text()?)]),
        Cell::List(items) if items.is_empty() => return Err(RowProblem::Empty),
        Cell::List(items) if matches!(items[0], Cell::Struct(_)) => Side::Turns(messages::messages(Cell::List(items))?),
        Cell::List(items) => Side::Responses(
            items
                .into_iter()
                .map(|item| match item {
                    // A response given as a conversation of one assistant turn.
                    Cell::List(_) | Cell::Struct(_) => {
                        let turns = messages::messages(item)?;
                        split_turns(&mut Conversation::default(), turns.clone(), turns).map(|(text, _)| text)
                    }
                    text => text.into_text().map(Cow::into_owned),
                })
                .map(|text| text.map(Response::new))
                .collect::<Result<_, _>>()?,
        ),
        Cell::Struct(_) => Side::Turns(messages::messages(cell)?),
        other => return Err(other.mismatch("text or a list of messages")),
    })
}

/// The prompt and the responses of both sides, in the file's order of sides.
fn texts(rows: &mut dyn Rows, layout: &Layout) -> Result<(Conversation, Vec<Response>, Vec<Response>), Fault> {
    let [first, second] = match layout.shape {
        Shape::Verdicts => [Part::ResponseA, Part::ResponseB],
        _ => [Part::Chosen, Part::Rejected],
    };
    if layout.shape == Shape::CompletePairs && layout.is_text(first) && layout.is_text(second) {
        let take = |rows: &mut dyn Rows, part| {
            let text = cell(rows, layout, part).into_text().map_err(|problem| (part, problem))?;
            Ok::<_, Fault>(text.into_owned())
        };
        let (chosen, rejected) = (take(rows, first)?, take(rows, second)?);
        let (prompt, chosen, rejected) =
            split_texts(chosen.into(), rejected.into()).map_err(|problem| (first, problem))?;
        return Ok((prompt, vec![Response::new(chosen)], vec![Response::new(rejected)]));
    }
    let mut prompt = match layout.shape {
        Shape::CompletePairs => Conversation::default(),
        _ => prompt(rows, layout)?,
    };
    let chosen = side(cell(rows, layout, first)).map_err(|problem| (first, problem))?;
    let rejected = side(cell(rows, layout, second)).map_err(|problem| (second, problem))?;
    match (chosen, rejected) {
        (Side::Responses(chosen), Side::Responses(rejected)) if layout.shape != Shape::CompletePairs => {
            Ok((prompt, chosen, rejected))
        }
        (Side::Turns(chosen), Side::Turns(rejected)) => {
            let (a, b) = split_turns(&mut prompt, chosen, rejected).map_err(|problem| (first, problem))?;
            Ok((prompt, vec![Response::new(a)], vec![Response::new(b)]))
        }
        _ => {
            let message = "one side holds text, the other messages".to_owned();
            Err((second, RowProblem::Messages { message }))
        }
    }
}

/// The prompt column, or the context where that is empty.
pub(super) fn prompt(rows: &mut dyn Rows, layout: &Layout) -> Result<Conversation, Fault> {
    for part in [Part::Prompt, Part::Context, Part::PromptChosen] {
        let cell = cell(rows, layout, part);
        if !cell.is_null() {
            return messages::prompt(cell).map_err(|problem| (part, problem));
        }
    }
    let part = if layout.index(Part::Prompt).is_some() { Part::Prompt } else { Part::Context };
    Err((part, RowProblem::Null))
}
