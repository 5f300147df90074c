//! Data sets of the hub as files: `hf-data:ORG/NAME[@REVISION][/PATH]` wherever a data file is asked for.

use std::path::{Path, PathBuf};

use super::reader::Format;
use crate::hub::name::DATA_PREFIX;
use crate::hub::{DataName, Hub, HubError, View, pattern};
use crate::progress::Progress;

/// What lies beside the data and looks like them.
const NOT_DATA: [&str; 4] = ["dataset_infos.json", "dataset_info.json", "dataset_dict.json", "state.json"];

/// Files of a data set in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFiles {
    /// What to call it: the data set's name, and the split where the user named one.
    pub name: String,
    pub paths: Vec<PathBuf>,
}

/// The name of a data set, where a path is one.
pub fn name_of(given: &Path) -> Option<Result<DataName, HubError>> {
    given.to_str()?.strip_prefix(DATA_PREFIX).map(DataName::parse)
}

/// Paths as they are, data sets as their files in the cache; what it lacks is downloaded.
pub fn local(given: &[PathBuf], progress: &mut dyn Progress) -> Result<Vec<PathBuf>, HubError> {
    let mut found = Vec::new();
    for path in given {
        match name_of(path) {
            Some(name) => found.extend(bring(&Hub::from_env()?, &name?, progress)?.paths),
            None => found.push(path.clone()),
        }
    }
    Ok(found)
}

/// The files that a name stands for.
///
/// # Errors
/// [`HubError::Choice`] where the name leaves open which are meant, or none are there.
pub fn bring(hub: &Hub, name: &DataName, progress: &mut dyn Progress) -> Result<DataFiles, HubError> {
    let repository = &name.repository;
    // A commit does not change: where the cache has the very file there is nothing to ask.
    let cached = hub.cached(repository)?.filter(|_| repository.is_commit());
    let cached = cached.filter(|view| name.path.as_deref().is_some_and(|path| view.files().contains(&path)));
    let view = match cached {
        Some(view) => view,
        None => hub.look(repository, progress)?,
    };
    let files = choose(name, &view)?;
    let dir = hub.bring(repository, &view, &files, progress)?;
    let paths = files.iter().map(|file| dir.join(file)).collect();
    Ok(DataFiles { name: title(name, &files), paths })
}

/// Every data file of a view.
pub fn data_files(view: &View) -> Vec<&str> {
    let last = |file: &str| file.rsplit('/').next().unwrap_or_default().to_owned();
    let is_data = |file: &&str| Format::by_name(Path::new(file)).is_some() && !NOT_DATA.contains(&last(file).as_str());
    view.files().into_iter().filter(is_data).collect()
}

fn choose(name: &DataName, view: &View) -> Result<Vec<String>, HubError> {
    let owned = |files: Vec<&str>| files.into_iter().map(str::to_owned).collect::<Vec<String>>();
    let files = data_files(view);
    let Some(path) = &name.path else {
        let one_split = files.windows(2).all(|pair| without_shard(pair[0]) == without_shard(pair[1]));
        return match files.is_empty() || !one_split {
            true => Err(open(name, "it has several data files, or none", owned(files))),
            false => Ok(owned(files)),
        };
    };
    if view.files().contains(&path.as_str()) {
        return Ok(vec![path.clone()]);
    }
    let below = format!("{path}/");
    let fits = |file: &&str| pattern::matches(path, file) || file.starts_with(&below);
    let chosen: Vec<&str> = files.iter().copied().filter(fits).collect();
    match chosen.is_empty() {
        true => Err(open(name, "none of its data files is that", owned(files))),
        false => Ok(owned(chosen)),
    }
}

fn open(name: &DataName, problem: &str, files: Vec<String>) -> HubError {
    HubError::Choice { spec: name.to_string(), problem: problem.to_owned(), files }
}

/// `data/test-00000-of-00003.parquet` as `data/test`.
fn without_shard(file: &str) -> &str {
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let parts = stem.rsplit_once("-of-").filter(|(_, total)| is_number(total));
    let parts = parts.and_then(|(rest, _)| rest.rsplit_once('-')).filter(|(_, number)| is_number(number));
    parts.map_or(stem, |(split, _)| split)
}

fn title(name: &DataName, files: &[String]) -> String {
    let own = name.repository.name.rsplit('/').next().unwrap_or_default();
    let splits: Vec<&str> = files.iter().map(|file| without_shard(file)).collect();
    let one_split = splits.windows(2).all(|pair| pair[0] == pair[1]);
    match splits.first().filter(|_| one_split && name.path.is_some()) {
        Some(split) => format!("{own}-{}", split.rsplit('/').next().unwrap_or_default()),
        None => own.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(given: &str, files: &[&str]) -> Result<(Vec<String>, String), String> {
        let name = DataName::parse(given).unwrap();
        let files = files.iter().map(|file| (*file).to_owned()).collect();
        let view = View::Cached { commit: "c".into(), files, because: None };
        let chosen = choose(&name, &view).map_err(|e| format!("{e}; {}", e.hint().unwrap()))?;
        let title = title(&name, &chosen);
        Ok((chosen, title))
    }

    #[test]
    fn the_only_split_needs_no_name() {
        let shards = ["README.md", "data/test-00000-of-00002.parquet", "data/test-00001-of-00002.parquet"];
        let (files, title) = chosen("org/set", &shards).unwrap();
        assert_eq!((files.as_slice(), title.as_str()), (&shards.map(str::to_owned)[1..], "set"));
        assert_eq!(chosen("org/set", &["pairs.jsonl", "dataset_infos.json"]).unwrap().0, ["pairs.jsonl"]);
        let error = chosen("org/set", &["data/test-00000-of-00001.parquet", "data/train-00000-of-00001.parquet"]);
        let error = error.unwrap_err();
        assert!(error.contains("`data/train-00000-of-00001.parquet`") && error.contains("name them"), "{error}");
        assert!(chosen("org/set", &["README.md"]).unwrap_err().contains("there is none"));
    }

    #[test]
    fn files_patterns_and_folders_are_named() {
        let files = ["a/test-0.parquet", "a/train-0.parquet", "b/test-0.parquet", "notes.txt"];
        let of = |given: &str| chosen(given, &files).unwrap();
        assert_eq!(of("org/set/a/test-0.parquet"), (vec!["a/test-0.parquet".into()], "set-test-0".into()));
        assert_eq!(of("org/set/*/test-*").0, ["a/test-0.parquet", "b/test-0.parquet"]);
        assert_eq!(of("org/set/a"), (vec!["a/test-0.parquet".into(), "a/train-0.parquet".into()], "set".into()));
        assert_eq!(of("org/set/notes.txt").0, ["notes.txt"], "what is named exactly is taken");
        assert!(chosen("org/set/c", &files).unwrap_err().contains("`b/test-0.parquet`"));
    }
}
