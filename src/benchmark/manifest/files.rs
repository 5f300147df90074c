//! Where a benchmark's data files are found below a data directory.

use std::path::{Path, PathBuf};

use crate::benchmark::manifest::{Manifest, ManifestError};
use crate::lang::Lang;

/// One data file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFile {
    /// The language it holds; `None`: the file holds several and has a language column, or the manifest
    /// gives the language of every row.
    pub lang: Option<Lang>,
    pub path: PathBuf,
}

/// What was looked for and not found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingData {
    /// `None`: the benchmark is one file, and there is none.
    pub lang: Option<Lang>,
    /// Every path tried, in order.
    pub looked_for: Vec<PathBuf>,
}

/// The data files of a benchmark, and what of it is not there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DataFiles {
    pub found: Vec<DataFile>,
    pub missing: Vec<MissingData>,
}

impl Manifest {
    /// The paths tried for a language (`None`: for the file that holds all), in order.
    pub fn candidates(&self, data_dir: &Path, lang: Option<Lang>) -> Vec<PathBuf> {
        let patterns = self.data.files.iter().filter(|pattern| pattern.contains("{lang}") == lang.is_some());
        patterns.map(|pattern| data_dir.join(self.filled(pattern, lang))).collect()
    }

    /// Where a file of the hub arrives, of the `hub-files` pattern it fits: the first of `files` with the same
    /// ending that is as much for one language or for all.
    pub fn arrival(&self, pattern: &str) -> Option<&str> {
        let kind = |path: &str| (path.rsplit('.').next().map(str::to_owned), path.contains("{lang}"));
        self.data.files.iter().map(String::as_str).find(|path| kind(path) == kind(pattern))
    }

    /// A pattern of `files` or `hub-files` with its placeholders filled in.
    pub(crate) fn filled(&self, pattern: &str, lang: Option<Lang>) -> String {
        pattern.replace("{name}", &self.name).replace("{lang}", lang.as_ref().map_or("", |lang| lang.code()))
    }

    /// Finds the data of `langs` (empty: all of the benchmark's languages) below `data_dir`.
    ///
    /// A file per language comes first; a single file for all is used for what is left. Where the
    /// manifest leaves the languages open, only the single file can be found.
    pub fn files(&self, data_dir: &Path, langs: &[Lang]) -> DataFiles {
        let wanted = if langs.is_empty() { &self.langs } else { langs };
        let per_language = self.data.files.iter().any(|pattern| pattern.contains("{lang}"));
        let mut files = DataFiles::default();
        for lang in wanted.iter().copied().filter(|_| per_language) {
            let looked_for = self.candidates(data_dir, Some(lang));
            match looked_for.iter().find(|path| path.is_file()) {
                Some(path) => files.found.push(DataFile { lang: Some(lang), path: path.clone() }),
                None => files.missing.push(MissingData { lang: Some(lang), looked_for }),
            }
        }
        if !per_language || !files.missing.is_empty() {
            let whole = self.candidates(data_dir, None);
            match whole.iter().find(|path| path.is_file()) {
                // The whole file would repeat languages that have a file of their own.
                Some(path) if files.found.is_empty() => {
                    files.missing.clear();
                    files.found.push(DataFile { lang: None, path: path.clone() });
                }
                Some(_) => {}
                None if per_language => {
                    for missing in &mut files.missing {
                        missing.looked_for.extend(whole.iter().cloned());
                    }
                }
                None => files.missing.push(MissingData { lang: None, looked_for: whole }),
            }
        }
        files
    }

    /// [`Manifest::files`] where nothing may be missing.
    ///
    /// # Errors
    /// [`ManifestError::NoData`] naming the languages and what was looked for.
    pub fn complete_files(&self, data_dir: &Path, langs: &[Lang]) -> Result<Vec<DataFile>, ManifestError> {
        self.check_langs(langs)?;
        let files = self.files(data_dir, langs);
        if files.missing.is_empty() {
            return Ok(files.found);
        }
        Err(ManifestError::NoData {
            benchmark: self.name.clone(),
            data_dir: data_dir.to_owned(),
            missing: files.missing,
            hub: self.data.hub.clone().filter(|_| !self.data.hub_files.is_empty()),
        })
    }

    /// Refuses languages that the benchmark does not have.
    pub fn check_langs(&self, langs: &[Lang]) -> Result<(), ManifestError> {
        match langs.iter().find(|lang| !self.langs.is_empty() && !self.langs.contains(lang)) {
            None => Ok(()),
            Some(lang) => Err(ManifestError::NoSuchLanguage {
                benchmark: self.name.clone(),
                lang: lang.code().to_owned(),
                known: self.langs.iter().map(|l| l.code().to_owned()).collect(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::benchmark::catalog;
    use crate::lang::Lang;

    fn touch(path: &std::path::Path) {
        crate::files::write_bytes(path, b"").unwrap();
    }

    #[test]
    fn a_file_per_language_a_hub_snapshot_and_one_file_for_all_are_found() {
        let manifest = catalog::find("m-rewardbench").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (arb, deu) = (Lang::from_code("arb_Arab").unwrap(), Lang::from_code("deu_Latn").unwrap());
        touch(&dir.path().join("m-rewardbench/arb_Arab.parquet"));
        touch(&dir.path().join("deu_Latn/test-00000-of-00001.parquet"));
        let found = manifest.complete_files(dir.path(), &[arb, deu]).unwrap();
        assert_eq!(found.iter().map(|f| f.lang).collect::<Vec<_>>(), [Some(arb), Some(deu)]);
        assert!(found[1].path.ends_with("deu_Latn/test-00000-of-00001.parquet"));

        let other = tempfile::tempdir().unwrap();
        touch(&other.path().join("m-rewardbench.parquet"));
        let found = manifest.complete_files(other.path(), &[]).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].lang, None);
    }

    #[test]
    fn what_is_missing_is_named_with_every_path_tried() {
        let manifest = catalog::find("m-rewardbench").unwrap();
        let dir = tempfile::tempdir().unwrap();
        touch(&dir.path().join("m-rewardbench/arb_Arab.parquet"));
        let error = manifest.complete_files(dir.path(), &[]).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("ces_Latn, deu_Latn, ell_Grek and 19 further languages"), "{text}");
        let hint = error.hint().unwrap();
        for path in ["m-rewardbench/ces_Latn.parquet", "m-rewardbench.parquet", "CohereLabsCommunity/"] {
            assert!(hint.contains(path), "{hint}");
        }
        let english = manifest.complete_files(dir.path(), &[Lang::ENGLISH]).unwrap_err();
        assert_eq!(english.to_string(), "benchmark `m-rewardbench` has no language `eng_Latn`");
    }
}
