//! `rmbench data fetch`.

use std::path::Path;

use super::Outcome;
use super::args::FetchArgs;
use super::config;
use super::message::{Message, count, size};
use crate::benchmark::catalog::{self, PAIRS};
use crate::benchmark::fetch::{self, Fetch, FetchError};
use crate::benchmark::grid::grid;
use crate::benchmark::manifest::Manifest;
use crate::hub::{Hub, View};
use crate::lang::{Lang, LangSet};
use crate::progress::Progress;
use crate::score::plan::{Check, Planned, Verdict, survey};
use crate::score::settings::{DEFAULTS, ScoreSettings};
use crate::score::source::named_langs;

pub fn run(args: &FetchArgs, message: &mut Message) -> anyhow::Result<Outcome> {
    if args.list {
        let hub = args.sizes.then(Hub::from_env).transpose()?;
        let list = list(hub.as_ref(), &args.data, message)?;
        message.data(&list)?;
        return Ok(Outcome::Done);
    }
    let manifests: Vec<Manifest> = args.names.iter().map(|name| catalog::find(name)).collect::<Result<_, _>>()?;
    let hub = Hub::from_env()?;
    let mut outcome = Outcome::Done;
    for manifest in &manifests {
        fetch_one(&hub, manifest, args, message)?;
        if check(manifest, args, message)? == Outcome::Incomplete {
            outcome = Outcome::Incomplete;
        }
    }
    Ok(outcome)
}

/// Whence, under which licence and how much is said before anything is downloaded.
fn fetch_one(hub: &Hub, manifest: &Manifest, args: &FetchArgs, message: &mut Message) -> anyhow::Result<()> {
    let fetch = fetch::find(hub, manifest, &langs(manifest, &args.langs)?, &args.data, message)?;
    message.line(&format!("{}: {}", manifest.name, from(&fetch)));
    message.line(&format!("{}: {}", manifest.name, licence(manifest, &fetch)));
    Ok(fetch.carry_out(hub, message)?)
}

/// The languages to fetch; named ones must exist, those of sets need not.
fn langs(manifest: &Manifest, spec: &str) -> anyhow::Result<Vec<Lang>> {
    let wanted = LangSet::parse(spec)?;
    manifest.check_langs(&named_langs(spec).into_iter().collect::<Vec<_>>())?;
    Ok(manifest.langs.iter().copied().filter(|lang| wanted.contains(*lang)).collect())
}

fn from(fetch: &Fetch) -> String {
    let n = match fetch.files.len() {
        1 => "1 file".to_owned(),
        n => format!("{n} files"),
    };
    let bytes = fetch.size().map_or(String::new(), |bytes| format!(", {}", size(bytes)));
    format!("`{}` at commit {}, {n}{bytes}", fetch.repository, fetch.view.commit())
}

fn licence(manifest: &Manifest, fetch: &Fetch) -> String {
    let (stated, gated) = match &fetch.view {
        View::Online(listing) => (listing.licence.as_deref(), listing.gated),
        View::Cached { .. } => (manifest.data.licence.as_deref(), false),
    };
    let licence = match stated {
        Some(stated) => format!("licence {stated}"),
        None => "its card states no licence".to_owned(),
    };
    let terms = if gated { "; its terms must be accepted on the hub first" } else { "" };
    format!("{licence}{terms}; subsets taken from elsewhere may have others")
}

/// What `score` finds now, and whether it is what the manifest says.
fn check(manifest: &Manifest, args: &FetchArgs, message: &mut Message) -> anyhow::Result<Outcome> {
    let mut settings: ScoreSettings = config::resolve(DEFAULTS, None, &[], toml::Table::new())?;
    settings.benchmarks = vec![manifest.name.clone()];
    settings.data = Some(args.data.clone());
    settings.langs = args.langs.clone();
    let langs = settings.langs()?;
    let found = survey(&settings, &langs, None, None, message);
    let checks: Vec<&Check> = found.iter().flat_map(checks_of).collect();
    let doubts = checks.iter().filter(|check| check.verdict != Verdict::Fine);
    doubts.clone().for_each(|check| message.warn(&format!("{}: {}", check.name, check.finding)));
    let doubtful = doubts.count() > 0;
    let planned = found.iter().flatten().map(|(planned, _)| planned);
    let text: String = planned.map(|planned| finding(planned, &args.data, doubtful)).collect();
    message.data(&text)?;
    Ok(if doubtful { Outcome::Incomplete } else { Outcome::Done })
}

fn checks_of(found: &Result<(Planned, Vec<Check>), Check>) -> Vec<&Check> {
    match found {
        Ok((_, checks)) => checks.iter().collect(),
        Err(check) => vec![check],
    }
}

fn finding(planned: &Planned, data: &Path, doubtful: bool) -> String {
    let cells = || planned.cells.values().filter(|cell| cell.planned > 0);
    let items: u64 = cells().map(|cell| cell.planned).sum();
    let langs = match cells().count() {
        1 => "1 language".to_owned(),
        n => format!("{n} languages"),
    };
    let verdict = if doubtful { "not all as its manifest says" } else { "as its manifest says" };
    let (name, data) = (&planned.source.name, data.display());
    let next = format!("rmbench score --model MODEL --benchmarks {name} --data {data} --out RUN");
    format!("{name}: {} items in {langs}, {verdict}\n  {next}\n", count(items))
}

/// Every benchmark that can be fetched; with a hub, how many bytes it has there.
fn list(hub: Option<&Hub>, data: &Path, message: &mut Message) -> anyhow::Result<String> {
    let mut rows = Vec::new();
    for name in catalog::names().filter(|name| *name != PAIRS) {
        let manifest = catalog::find(name)?;
        let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        let bytes = hub.map(|hub| bytes(hub, &manifest, data, message)).transpose()?;
        let mut row = vec![
            name.to_owned(),
            manifest.total_items.map_or("-".to_owned(), count),
            // Open manifests have the languages of their data.
            match (manifest.langs.len(), manifest.data.language) {
                (0, None) => "-".to_owned(),
                (n, _) => count(n.max(1) as u64),
            },
            known(&manifest.data.licence),
            known(&manifest.data.hub),
        ];
        row.splice(3..3, bytes);
        rows.push(row);
    }
    let mut header = vec!["<name", "items", "languages", "<licence", "<data set"];
    header.splice(3..3, hub.map(|_| "bytes"));
    Ok(grid(&header, &rows))
}

/// Of all its files together. What one data set does not tell is said and leaves the others.
fn bytes(hub: &Hub, manifest: &Manifest, data: &Path, message: &mut Message) -> anyhow::Result<String> {
    let unknown = || "-".to_owned();
    Ok(match fetch::find(hub, manifest, &[], data, message) {
        Ok(fetch) => fetch.size().map_or_else(unknown, size),
        Err(FetchError::NoPlace { .. }) => unknown(),
        Err(error) if error.is_of_the_data_set() => {
            message.warn(&format!("{}: {error}", manifest.name));
            unknown()
        }
        Err(error) => return Err(error.into()),
    })
}
