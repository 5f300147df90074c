//! Does a reward depend on what it may not depend on? A certificate for one model on this machine.
//!
//! The same responses are scored in several ways: as `rmbench score` does, each in a forward pass of its
//! own, in batches without shared prefixes, in another order, in padded rows with a dense mask as other code
//! batches them (on either side), and in another precision. What differs by more than rounding fails.

pub mod certificate;
pub mod difference;
pub mod padded;
mod pairs;
pub mod settings;
pub mod ways;

use std::collections::BTreeSet;
use std::path::PathBuf;

use tch::Kind;

use crate::benchmark::reader::ReadError;
use crate::device::{self, DeviceError};
use crate::files::FileError;
use crate::preference::Comparison;
use crate::progress::Progress;
use crate::provenance::RunInfo;
use crate::reward::artifact::{self, ArtifactError};
use crate::reward::parts::{ModelParts, PartsError};
use crate::reward::scalar::ScalarModel;
use crate::reward::{RewardError, padding};
use crate::text::batch::{Sharing, cost};
use certificate::{Certificate, Check, Spread, Verdict};
use difference::Difference;
use padded::Side;
use settings::SelfcheckSettings;
use ways::{Rewards, Ways};

#[derive(Debug, thiserror::Error)]
pub enum SelfcheckError {
    #[error("the model is missing")]
    NoModel,
    #[error("setting `{key}` must be at least 1")]
    Setting { key: &'static str },
    #[error("`{}` has no comparisons", path.display())]
    NoPairs { path: PathBuf },
    #[error("the pairs that ship with rmbench cannot be read: {0}")]
    Invented(String),
    #[error(transparent)]
    Parts(#[from] PartsError),
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Reward(#[from] RewardError),
}

impl SelfcheckError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            SelfcheckError::NoModel => "give --model a model directory or hf:ORG/NAME".to_owned(),
            SelfcheckError::Parts(error) => error.hint(),
            SelfcheckError::Device(DeviceError::Dtype(_)) => "use f32 or bf16".to_owned(),
            SelfcheckError::Device(_) => "see `rmbench doctor`".to_owned(),
            SelfcheckError::Artifact(error) => return error.hint().map(str::to_owned),
            SelfcheckError::Reward(error) => return error.hint(),
            SelfcheckError::Read(error) => return error.hint(),
            _ => return None,
        })
    }
}

/// Checks the model that the settings name.
pub fn run(settings: &SelfcheckSettings, progress: &mut dyn Progress) -> Result<Certificate, SelfcheckError> {
    settings.check()?;
    let (comparisons, source) = pairs::load(settings)?;
    let kind = device::parse_dtype(&settings.dtype)?;
    let parts = ModelParts::find(settings.model()?, None, progress)?;
    let model = open(&parts, settings, kind)?;
    let found = within_one_precision(&model, kind, &comparisons, settings, progress)?;
    let mut certificate = certificate(&parts, settings, &model, &comparisons, source, &found)?;
    // The next model may need the memory.
    drop(model);
    let other = if kind == Kind::Float { Kind::BFloat16 } else { Kind::Float };
    let model = open(&parts, settings, other)?;
    progress.begin("scoring in the other precision", comparisons.len() as u64, "comparisons");
    let rewards = Ways::new(&model, &comparisons)?.scored(progress)?;
    progress.finish();
    let (wide, narrow) = if kind == Kind::Float { (&found.scored, &rewards) } else { (&rewards, &found.scored) };
    certificate.checks.push(Check {
        name: "f32 or bf16",
        compared: "as scored in f32 | in bf16".to_owned(),
        difference: Some(Difference::between(&comparisons, wide, narrow)),
        verdict: Verdict::Measured,
        means: "",
    });
    Ok(certificate)
}

fn open(parts: &ModelParts, settings: &SelfcheckSettings, kind: Kind) -> Result<ScalarModel, SelfcheckError> {
    let on = device::parse(&settings.device)?;
    let mut model = artifact::load_to_score(parts, on, kind, &settings.text, &settings.reward)?;
    model.token_budget = settings.batch_tokens;
    Ok(model)
}

/// What the checks in one precision found.
struct Found {
    scored: Rewards,
    spread: Spread,
    checks: Vec<Check>,
    n_truncated: usize,
    shared: f64,
}

fn within_one_precision(
    model: &ScalarModel,
    kind: Kind,
    comparisons: &[Comparison],
    settings: &SelfcheckSettings,
    progress: &mut dyn Progress,
) -> Result<Found, SelfcheckError> {
    let ways = Ways::new(model, comparisons)?;
    let (n, n_responses) = (comparisons.len() as u64, ways.n_responses() as u64);
    let shares = model.network.shares_prefixes();
    progress.begin("scoring in several ways", 2 * n + 3 * n_responses + n, "passes");
    let scored = ways.scored(progress)?;
    let permuted = ways.permuted(settings.seed, progress)?;
    let separate = ways.separate(progress)?;
    let alone = ways.alone(progress)?;
    let right = ways.padded(Side::Right, settings.rows, progress)?;
    let left = ways.padded(Side::Left, settings.rows, progress)?;
    progress.finish();

    let spread = Spread::of(&scored);
    let exact = |name, compared: &str, one: &Rewards, other: &Rewards, means| {
        let difference = Difference::between(comparisons, one, other);
        let verdict = match kind {
            Kind::Float if difference.absolute <= spread.tolerance() => Verdict::Ok,
            Kind::Float => Verdict::Fails,
            _ => Verdict::Measured,
        };
        Check { name, compared: compared.to_owned(), difference: Some(difference), verdict, means }
    };
    let skipped = |name, why: &str| Check {
        name,
        compared: why.to_owned(),
        difference: None,
        verdict: Verdict::Skipped,
        means: "",
    };
    let mut checks = vec![exact(
        "alone or batched",
        "one sequence a pass | in batches",
        &alone,
        &separate,
        "a reward depends on what is scored beside it",
    )];
    checks.push(match shares {
        true => exact(
            "shared or separate",
            "prefixes computed once | every sequence whole",
            &scored,
            &separate,
            "a reward depends on whether a comparison's common beginning is computed once",
        ),
        false => skipped("shared or separate", "an encoder shares nothing"),
    });
    checks.push(exact(
        "order",
        "as scored | in another order and grouping",
        &scored,
        &permuted,
        "a reward depends on the order of the data",
    ));
    for (name, rewards, compared) in [
        ("right padding", &right, "one sequence a pass | rows padded on the right"),
        ("left padding", &left, "one sequence a pass | rows padded on the left"),
    ] {
        checks.push(match rewards {
            Some(rewards) => exact(
                name,
                compared,
                &alone,
                rewards,
                "code that pads its batches on this side reads the reward at another position; see `pooling` above, \
                 and whether the pad token stands in the texts",
            ),
            None => skipped(name, "no pad token, or the rule finds nothing to read in a padded row"),
        });
    }
    let total = |sharing| ways.encoded().iter().map(|encoded| cost(encoded, sharing)).sum::<usize>() as f64;
    let n_truncated = ways.encoded().iter().flat_map(|encoded| &encoded.truncated).filter(|cut| **cut).count();
    let shared = 1.0 - total(model.network.sharing()) / total(Sharing::Never).max(1.0);
    Ok(Found { scored, spread, checks, n_truncated, shared })
}

fn certificate(
    parts: &ModelParts,
    settings: &SelfcheckSettings,
    model: &ScalarModel,
    comparisons: &[Comparison],
    pairs: String,
    found: &Found,
) -> Result<Certificate, SelfcheckError> {
    let spec = settings.model()?;
    let mut run = RunInfo::of_this_binary("selfcheck", spec, "scalar");
    run.libtorch = Some(device::LIBTORCH_VERSION.to_owned());
    run.device = device::name(model.network.device);
    run.dtype = settings.dtype.clone();
    run.threads = device::threads();
    run.seed = settings.seed;
    run.digests = parts.digests()?;
    let mut warnings: Vec<String> = padding::warning(model).into_iter().collect();
    if found.spread.deviation <= 1e-6 * found.spread.largest.abs().max(1e-30) {
        warnings.push("the rewards hardly differ, so that equal ones prove little".to_owned());
    }
    let ties = Difference::between(comparisons, &found.scored, &found.scored);
    if 2 * ties.ties[0] > ties.n_pairs {
        let (ties, pairs) = (ties.ties[0], ties.n_pairs);
        warnings.push(format!(
            "{ties} of {pairs} pairs have exactly equal rewards: the head may read where the responses have not begun"
        ));
    }
    let languages: BTreeSet<_> = comparisons.iter().map(|comparison| comparison.lang).collect();
    Ok(Certificate {
        run,
        head: model.network.head().describe(),
        pooling: model.pooling.name(),
        pairs,
        n_comparisons: comparisons.len(),
        n_responses: found.scored.iter().map(Vec::len).sum(),
        n_languages: languages.len(),
        n_truncated: found.n_truncated,
        shared: found.shared,
        spread: found.spread,
        tolerance: found.spread.tolerance(),
        warnings,
        checks: found.checks.clone(),
    })
}
