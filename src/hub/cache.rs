//! The cache on disk, one folder per repository:
//!
//! ```text
//! models--ORG--NAME/refs/main                  the commit that a branch or tag had when it was last asked for
//! models--ORG--NAME/blobs/ETAG                 a file's content; ETAG.incomplete: its beginning
//! models--ORG--NAME/snapshots/COMMIT/a/b.json  → ../../../blobs/ETAG
//! .locks/models--ORG--NAME/ETAG.lock
//! ```

use std::path::{Path, PathBuf};

use super::name::{Repository, is_relative};
use crate::files::{self, FileError};

/// Tells backup programs to pass by (bford.info/cachedir), as the hub's other clients do.
const TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n\
                   # This directory holds what was downloaded from the Hugging Face hub.\n";

/// One repository's folder.
#[derive(Debug, Clone)]
pub struct RepositoryCache {
    root: PathBuf,
    folder: PathBuf,
    locks: PathBuf,
}

impl RepositoryCache {
    pub fn new(root: &Path, repository: &Repository) -> Self {
        let folder = repository.folder();
        Self { root: root.to_owned(), locks: root.join(".locks").join(&folder), folder: root.join(folder) }
    }

    /// The commit of a revision as far as the cache knows; `None`: it knows nothing of it.
    pub fn commit(&self, revision: &str) -> Result<Option<String>, FileError> {
        let reference = self.folder.join("refs").join(revision);
        let commit = match reference.is_file() {
            true => files::read_text(&reference)?.trim().to_owned(),
            false => revision.to_owned(),
        };
        Ok((is_relative(&commit) && self.snapshot(&commit).is_dir()).then_some(commit))
    }

    pub fn snapshot(&self, commit: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit)
    }

    pub fn blob(&self, etag: &str) -> PathBuf {
        self.folder.join("blobs").join(etag)
    }

    pub(super) fn incomplete(&self, etag: &str) -> PathBuf {
        self.folder.join("blobs").join(format!("{etag}.incomplete"))
    }

    pub(super) fn lock(&self, etag: &str) -> PathBuf {
        self.locks.join(format!("{etag}.lock"))
    }

    /// Paths of the files of a snapshot, sorted; links to blobs that are gone do not count.
    pub fn files(&self, commit: &str) -> Result<Vec<String>, FileError> {
        let snapshot = self.snapshot(commit);
        let mut found = Vec::new();
        let mut open = vec![snapshot.clone()];
        while let Some(dir) = open.pop() {
            let failed = |e| FileError::new("read directory", &dir, e);
            for entry in std::fs::read_dir(&dir).map_err(failed)? {
                let path = entry.map_err(failed)?.path();
                if path.is_dir() {
                    open.push(path);
                } else if let (true, Ok(name)) = (path.is_file(), path.strip_prefix(&snapshot)) {
                    found.push(name.to_string_lossy().into_owned());
                }
            }
        }
        found.sort();
        Ok(found)
    }

    /// Makes the folder and marks the cache as one.
    pub(super) fn prepare(&self) -> Result<(), FileError> {
        files::create_dir(&self.folder.join("blobs"))?;
        let tag = self.root.join("CACHEDIR.TAG");
        if tag.exists() { Ok(()) } else { files::write_bytes(&tag, TAG.as_bytes()) }
    }

    /// Remembers the commit of a branch or tag.
    pub(super) fn remember(&self, revision: &str, commit: &str) -> Result<(), FileError> {
        let path = self.folder.join("refs").join(revision);
        let is_known = || files::read_text(&path).is_ok_and(|known| known == commit);
        // A cache that cannot be written to is fine as long as nothing in it changes.
        if revision == commit || is_known() { Ok(()) } else { files::write_bytes(&path, commit.as_bytes()) }
    }

    /// Makes a blob appear in a snapshot, under the file's path.
    pub(super) fn link(&self, commit: &str, file: &str, etag: &str) -> Result<(), FileError> {
        let path = self.snapshot(commit).join(file);
        let up = "../".repeat(2 + file.matches('/').count());
        let target = format!("{up}blobs/{etag}");
        if std::fs::read_link(&path).is_ok_and(|linked| linked == Path::new(&target)) {
            return Ok(());
        }
        let parent = path.parent().unwrap_or(&self.folder);
        files::create_dir(parent)?;
        // A new name first, then a rename: nobody finds the path missing.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let fresh = parent.join(format!(".rmbench-{}-{name}", std::process::id()));
        let _left_by_a_killed_process = std::fs::remove_file(&fresh);
        // File systems without links get a copy.
        let made =
            std::os::unix::fs::symlink(&target, &fresh).or_else(|_| std::fs::copy(self.blob(etag), &fresh).map(|_| ()));
        made.and_then(|()| std::fs::rename(&fresh, &path)).map_err(|e| FileError::new("link", &path, e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_relative_and_replace_what_was_there() {
        let root = tempfile::tempdir().unwrap();
        let cache = RepositoryCache::new(root.path(), &Repository::model("org/name").unwrap());
        cache.prepare().unwrap();
        for (etag, content) in [("e1", "one"), ("e2", "two")] {
            files::write_bytes(&cache.blob(etag), content.as_bytes()).unwrap();
            cache.link("c0", "config.json", etag).unwrap();
            cache.link("c0", "a/b/c.json", etag).unwrap();
            cache.link("c0", "a/b/c.json", etag).unwrap();
            assert_eq!(files::read_text(&cache.snapshot("c0").join("a/b/c.json")).unwrap(), content);
        }
        let link = std::fs::read_link(cache.snapshot("c0").join("a/b/c.json")).unwrap();
        assert_eq!(link, Path::new("../../../../blobs/e2"));
        assert_eq!(cache.files("c0").unwrap(), ["a/b/c.json", "config.json"]);
        std::fs::remove_file(cache.blob("e2")).unwrap();
        assert_eq!(cache.files("c0").unwrap(), [""; 0], "links to nothing are no files");
    }

    #[test]
    fn references_name_commits_that_are_there() {
        let root = tempfile::tempdir().unwrap();
        let cache = RepositoryCache::new(root.path(), &Repository::model("org/name").unwrap());
        assert_eq!(cache.commit("main").unwrap(), None);
        cache.remember("main", "c0").unwrap();
        cache.remember("refs/pr/1", "c1").unwrap();
        assert_eq!(cache.commit("main").unwrap(), None, "nothing of it is there");
        for commit in ["c0", "c1"] {
            files::create_dir(&cache.snapshot(commit)).unwrap();
        }
        assert_eq!(cache.commit("main").unwrap().as_deref(), Some("c0"));
        assert_eq!(cache.commit("refs/pr/1").unwrap().as_deref(), Some("c1"));
        assert_eq!(cache.commit("c1").unwrap().as_deref(), Some("c1"));
        files::write_bytes(&root.path().join("models--org--name/refs/evil"), b"../../x").unwrap();
        assert_eq!(cache.commit("evil").unwrap(), None);
    }
}
