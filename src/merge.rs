//! Several reward models as one: linear, SLERP, TIES, DARE-TIES, task arithmetic with preference vectors.
//!
//! [`rule`] has the formulas. Models are read tensor by tensor and tensors piece by piece, so that memory does
//! not grow with the models; what is written appears whole, under its name, or not at all.

mod error;
mod heads;
pub mod rule;
pub mod settings;
mod sources;
mod thin;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tch::Kind;

use crate::backbone::weights::{self, Planned};
use crate::files::{self, FileError};
use crate::progress::Progress;
use crate::provenance::{COMMIT, VERSION};
use crate::reward::artifact::{self, ArtifactError, MergeCard, ModelCard};
pub use error::MergeError;
use heads::Pool;
use rule::{Operands, Rule};
use settings::MergeSettings;
use sources::{Source, compare, listed};
pub use thin::Thinning;

/// Merges as the settings say, once per list of weights. One merge is written to `out`, several to
/// directories below it that are called after their weights. Returns the directories. A merge that is there
/// already is left as it is.
pub fn run(settings: &MergeSettings, out: &Path, progress: &mut dyn Progress) -> Result<Vec<PathBuf>, MergeError> {
    settings.validate()?;
    let all = settings.all_weights();
    let pool = Pool::read(settings, progress)?;
    let mut sources = Sources::open(settings, progress)?;
    if let Some(pool) = &pool {
        let has_head = sources.base_has_head;
        let base = sources.base.iter_mut().filter(|_| has_head);
        for source in sources.models.iter_mut().chain(&mut sources.minus).chain(base) {
            source.head = Some(pool.measure(source, progress)?);
        }
    }
    let mut written = Vec::new();
    for weights in &all {
        let dir = match all.len() {
            1 => out.to_owned(),
            _ => out.join(weights.iter().map(f64::to_string).collect::<Vec<_>>().join("_")),
        };
        let card = sources.card(settings, weights, pool.as_ref());
        match is_there(&dir, &card)? {
            true => progress.line(&format!("`{}` is there already", dir.display())),
            false => sources.write(settings, weights, card, &dir, progress)?,
        }
        written.push(dir);
    }
    Ok(written)
}

/// All models of a merge, opened and found to be of one kind.
struct Sources {
    models: Vec<Source>,
    minus: Vec<Source>,
    base: Option<Source>,
    /// Language models that fine-tuning begins with have no reward head.
    base_has_head: bool,
}

impl Sources {
    fn open(settings: &MergeSettings, progress: &mut dyn Progress) -> Result<Self, MergeError> {
        let mut open = |spec: &String| Source::open(spec, progress);
        let models = settings.models.iter().map(&mut open).collect::<Result<Vec<_>, _>>()?;
        let minus = settings.minus.iter().map(&mut open).collect::<Result<Vec<_>, _>>()?;
        let base = settings.base.as_ref().map(&mut open).transpose()?;
        let Some((first, others)) = models.split_first() else {
            return Err(MergeError::Settings("no model is named that could be merged".into()));
        };
        for other in others.iter().chain(&minus) {
            compare(first, other, false)?;
        }
        let mut base_has_head = false;
        if let Some(base) = &base {
            let unlike = compare(first, base, true)?;
            base_has_head = unlike.missing.is_empty();
            if !unlike.missing.is_empty() {
                let lacks = listed(&unlike.missing);
                progress.line(&format!("`{}` has no {lacks}: averaged over the models instead", base.name));
            }
            if !unlike.extra.is_empty() {
                progress.line(&format!("of `{}` not used: {}", base.name, listed(&unlike.extra)));
            }
        }
        Ok(Self { models, minus, base, base_has_head })
    }

    fn every(&mut self) -> impl Iterator<Item = &mut Source> {
        self.models.iter_mut().chain(&mut self.minus).chain(&mut self.base)
    }

    fn card(&self, settings: &MergeSettings, weights: &[f64], pool: Option<&Pool>) -> MergeCard {
        let (deltas, density, seed) = match settings.rule() {
            Rule::Deltas { thinning: Thinning::Largest { density }, .. } => (true, Some(density), None),
            Rule::Deltas { thinning: Thinning::Random { density, seed }, .. } => (true, Some(density), Some(seed)),
            Rule::Deltas { .. } => (true, None, None),
            _ => (false, None, None),
        };
        let normalise = match settings.rule() {
            Rule::Linear { normalise } | Rule::Deltas { normalise, .. } => normalise,
            Rule::Slerp => true,
        };
        MergeCard {
            version: VERSION.to_owned(),
            commit: COMMIT.to_owned(),
            method: settings.method.as_str().to_owned(),
            density,
            normalise,
            lambda: deltas.then_some(settings.lambda),
            seed,
            dtype: settings.dtype.clone(),
            matched_on: pool.map(|pool| pool.digests.clone()).unwrap_or_default(),
            base: self.base.as_ref().map(|base| base.described(None)),
            models: self.models.iter().zip(weights).map(|(model, weight)| model.described(Some(*weight))).collect(),
            minus: self.minus.iter().map(|model| model.described(None)).collect(),
        }
    }

    /// Writes one merge beside its place and gives it its name when it is whole.
    fn write(
        &mut self,
        settings: &MergeSettings,
        weights: &[f64],
        card: MergeCard,
        dir: &Path,
        progress: &mut dyn Progress,
    ) -> Result<(), MergeError> {
        let parent = match dir.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        files::create_dir(parent)?;
        let beside = tempfile::Builder::new().prefix(".rmbench-merge-").tempdir_in(parent);
        let beside = beside.map_err(|e| FileError::new("create a temporary directory in", parent, e))?;
        for source in self.every() {
            source.reopen()?;
        }
        let planned = self.planned(settings.kind()?)?;
        let kinds: Vec<Kind> = planned.iter().map(|planned| planned.kind).collect();
        self.write_weights(&settings.rule(), weights, planned, beside.path(), progress)?;
        self.write_beside(card, &kinds, beside.path())?;
        files::publish_dir(beside, dir)?;
        progress.line(&format!("merged: `{}`", dir.display()));
        Ok(())
    }

    /// The tensors of the merged model.
    fn planned(&self, kind: Option<Kind>) -> Result<Vec<Planned>, MergeError> {
        let first = &self.models[0];
        let planned = |name: String| {
            let unread = |problem: &str| MergeError::Tensor { name: name.clone(), problem: problem.to_owned() };
            let stored = first.stored(&name).ok_or_else(|| unread("it is not there"))?;
            let own = stored.kind.ok_or_else(|| unread(&format!("element type {} is not read", stored.dtype)))?;
            let kind = if first.is_whole(&name) { own } else { kind.unwrap_or(own) };
            Ok(Planned { name, kind, shape: stored.shape })
        };
        first.names().into_iter().map(planned).collect()
    }

    fn write_weights(
        &mut self,
        rule: &Rule,
        weights: &[f64],
        planned: Vec<Planned>,
        dir: &Path,
        progress: &mut dyn Progress,
    ) -> Result<(), MergeError> {
        progress.begin("merging", planned.len() as u64, "tensors");
        let path = dir.join(weights::SINGLE_FILE);
        let written = weights::write_pieces(&path, planned, |planned, put| {
            let name = planned.name.as_str();
            if self.models[0].is_whole(name) {
                put(&self.whole_numbers(name)?)?;
            } else {
                let operands = self.operands(name)?;
                rule::merge(rule, name, &operands, weights, &mut |piece| put(&piece.to_kind(planned.kind)))?;
            }
            progress.advance(1);
            Ok(())
        });
        progress.finish();
        written
    }

    fn operands(&mut self, name: &str) -> Result<Operands, MergeError> {
        let keys = self.models.iter().map(|model| model.digest.clone()).collect();
        let models = self.models.iter_mut().map(|model| model.values(name)).collect::<Result<_, _>>()?;
        let minus = self.minus.iter_mut().map(|model| model.values(name)).collect::<Result<_, _>>()?;
        let base = match &mut self.base {
            Some(base) if base.stored(name).is_some() => Some(base.values(name)?),
            _ => None,
        };
        Ok(Operands { models, minus, base, keys })
    }

    fn whole_numbers(&mut self, name: &str) -> Result<tch::Tensor, MergeError> {
        let (base, minus) = (self.base.iter_mut(), self.minus.iter_mut());
        let mut all = self.models.iter_mut().chain(minus).chain(base);
        match all.next() {
            Some(first) => first.whole_numbers(name, all),
            None => Err(MergeError::Settings("no model is named that could be merged".into())),
        }
    }

    /// Configuration, tokenizer and `rmbench.toml`.
    fn write_beside(&self, card: MergeCard, kinds: &[Kind], dir: &Path) -> Result<(), MergeError> {
        let first = &self.models[0];
        let dtype = match kinds.iter().find(|kind| matches!(kind, Kind::BFloat16 | Kind::Half)) {
            Some(Kind::BFloat16) => "bfloat16",
            Some(_) => "float16",
            None => "float32",
        };
        let path = dir.join("config.json");
        let mut config = first.config.clone();
        if let Value::Object(keys) = &mut config {
            keys.insert("torch_dtype".into(), json!(dtype));
            keys.insert("dtype".into(), json!(dtype));
        } else {
            let card = ModelCard::merged(first.card.clone(), card);
            return Ok(artifact::write_card(dir, &card).map_err(Box::new)?);
        }
        let text = serde_json::to_string_pretty(&config)
            .map_err(|e| Box::new(ArtifactError::Wrong { path: path.clone(), problem: e.to_string() }))?;
        files::write_bytes(&path, (text + "\n").as_bytes())?;
        artifact::copy_tokenizer(first.parts.tokenizer(), dir).map_err(Box::new)?;
        Ok(artifact::write_card(dir, &ModelCard::merged(first.card.clone(), card)).map_err(Box::new)?)
    }
}

/// Whether `dir` holds this very merge; an error where it holds anything else.
fn is_there(dir: &Path, card: &MergeCard) -> Result<bool, MergeError> {
    let occupied = || MergeError::Occupied { out: dir.display().to_string() };
    match std::fs::read_dir(dir).map(|mut entries| entries.next().is_none()) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(FileError::new("read directory", dir, error).into()),
        Ok(true) => return Ok(false),
        Ok(false) => {}
    }
    let found = artifact::read_card(dir).map_err(Box::new)?.and_then(|card| card.merge);
    match found {
        Some(found) if found.is_same(card) => Ok(true),
        _ => Err(occupied()),
    }
}
