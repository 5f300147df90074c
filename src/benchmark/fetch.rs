//! Public benchmarks from the hub to where `score --data DIR` finds them.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::dataset::data_files;
use super::manifest::{Manifest, ManifestError};
use crate::files::{self, FileError};
use crate::hub::{Hub, HubError, Kind, Repository, View, pattern};
use crate::lang::Lang;
use crate::progress::Progress;

#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error(transparent)]
    Hub(#[from] HubError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    File(#[from] FileError),
    #[error("the manifest of `{benchmark}` does not say where its data are")]
    NoPlace { benchmark: String, url: Option<String> },
    #[error("`{spec}` at commit {commit} has no file {}", tried.join(" or "))]
    Elsewhere { spec: String, commit: String, tried: Vec<String>, files: Vec<String> },
    #[error("`{spec}` has {n} files like `{pattern}`, and a benchmark is read from one")]
    Several { spec: String, pattern: String, n: usize },
    #[error("`{}` is there already, with other content", .0.display())]
    Occupied(PathBuf),
}

impl FetchError {
    /// Whether another data set of the same hub may do better.
    pub fn is_of_the_data_set(&self) -> bool {
        match self {
            FetchError::Hub(error) => matches!(
                error,
                HubError::NoRepository { .. }
                    | HubError::NoRevision { .. }
                    | HubError::Denied { .. }
                    | HubError::NotCached { .. }
            ),
            FetchError::NoPlace { .. } | FetchError::Elsewhere { .. } | FetchError::Several { .. } => true,
            FetchError::Manifest(_) | FetchError::File(_) | FetchError::Occupied(_) => false,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            FetchError::Hub(error) => return error.hint(),
            FetchError::Manifest(error) => return error.hint(),
            FetchError::File(_) => return None,
            FetchError::NoPlace { url: Some(url), .. } => {
                format!("bring them from {url}; `score --data DIR` reads them")
            }
            FetchError::NoPlace { .. } => "bring them yourself; `score --data DIR` reads them".into(),
            FetchError::Elsewhere { spec, files, .. } => {
                let shown = files.iter().take(12).map(|file| format!("`{file}`")).collect::<Vec<_>>().join(", ");
                let first = files.first().map_or("FILE", String::as_str);
                format!("the data set has changed; it has {shown}: score one with `--pairs {spec}/{first}`")
            }
            FetchError::Several { .. } => {
                "name them with `--pairs hf-data:ORG/NAME/PATTERN`, which takes several files".into()
            }
            FetchError::Occupied(_) => "remove it, or give --data another directory".into(),
        })
    }
}

/// What will be fetched.
pub struct Fetch {
    pub repository: Repository,
    pub view: View,
    /// Paths in the data set and where they go.
    pub files: Vec<(String, PathBuf)>,
}

/// Finds a benchmark's files in its data set, of `langs` (empty: all of its languages).
pub fn find(
    hub: &Hub,
    manifest: &Manifest,
    langs: &[Lang],
    data_dir: &Path,
    progress: &mut dyn Progress,
) -> Result<Fetch, FetchError> {
    let data = &manifest.data;
    manifest.check_langs(langs)?;
    let Some(name) = data.hub.as_deref().filter(|_| !data.hub_files.is_empty()) else {
        return Err(FetchError::NoPlace { benchmark: manifest.name.clone(), url: data.url.clone() });
    };
    let revision = data.revision.as_deref().unwrap_or(crate::hub::name::DEFAULT_REVISION);
    let repository = Repository::new(Kind::DataSet, name, revision)?;
    let view = hub.look(&repository, progress)?;
    let wanted = if langs.is_empty() { &manifest.langs } else { langs };
    let per_language = data.hub_files.iter().any(|pattern| pattern.contains("{lang}"));
    let wanted: Vec<Option<Lang>> = match per_language {
        true => wanted.iter().copied().map(Some).collect(),
        false => vec![None],
    };
    let mut found: Vec<(String, PathBuf)> = Vec::new();
    for lang in wanted {
        let (file, arrival) = file_of(manifest, &repository, &view, lang)?;
        let target = data_dir.join(arrival);
        if !found.iter().any(|(_, known)| *known == target) {
            found.push((file, target));
        }
    }
    Ok(Fetch { repository, view, files: found })
}

/// The file of a language (`None`: of all), and its path below the data directory.
fn file_of(
    manifest: &Manifest,
    repository: &Repository,
    view: &View,
    lang: Option<Lang>,
) -> Result<(String, String), FetchError> {
    let spec = repository.to_string();
    let files = data_files(view);
    let mut tried = Vec::new();
    for wanted in manifest.data.hub_files.iter().filter(|p| lang.is_some() || !p.contains("{lang}")) {
        let filled = manifest.filled(wanted, lang);
        let fitting: Vec<&&str> = files.iter().filter(|file| pattern::matches(&filled, file)).collect();
        match (fitting.as_slice(), manifest.arrival(wanted)) {
            ([one], Some(arrival)) => return Ok(((**one).to_owned(), manifest.filled(arrival, lang))),
            ([], _) | (_, None) => tried.push(format!("`{filled}`")),
            (several, _) => return Err(FetchError::Several { spec, pattern: filled, n: several.len() }),
        }
    }
    let (commit, files) = (view.commit().to_owned(), files.into_iter().map(str::to_owned).collect());
    Err(FetchError::Elsewhere { spec, commit, tried, files })
}

impl Fetch {
    /// Bytes of all files together, where the hub says.
    pub fn size(&self) -> Option<u64> {
        self.view.size(&self.paths())
    }

    fn paths(&self) -> Vec<String> {
        self.files.iter().map(|(file, _)| file.clone()).collect()
    }

    /// Brings the files into the cache and copies them to their places. One that is there already stays.
    ///
    /// # Errors
    /// [`FetchError::Occupied`] for a place with something else in it, before anything is copied.
    pub fn carry_out(&self, hub: &Hub, progress: &mut dyn Progress) -> Result<(), FetchError> {
        let dir = hub.bring(&self.repository, &self.view, &self.paths(), progress)?;
        let mut to_copy = Vec::new();
        for (file, target) in &self.files {
            let source = dir.join(file);
            if !target.exists() {
                to_copy.push((source, target));
            } else if files::sha256_file(&source)? != files::sha256_file(target)? {
                return Err(FetchError::Occupied(target.clone()));
            }
        }
        to_copy.iter().try_for_each(|(source, target)| copy(source, target))
    }
}

/// A copy, since the cache may be emptied any time.
fn copy(source: &Path, target: &Path) -> Result<(), FetchError> {
    let mut from = File::open(source).map_err(|e| FileError::new("open", source, e))?;
    files::write_with(target, |file| {
        io::copy(&mut from, file).map_err(|e| FileError::new("write", target, e))?;
        Ok(())
    })
}
