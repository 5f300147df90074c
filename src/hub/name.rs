//! Names of repositories: `hf:ORG/NAME[@REVISION]` for models, `hf-data:ORG/NAME[@REVISION][/PATH]` for data
//! sets.

use std::fmt;

use super::error::HubError;

/// What a model's name begins with.
pub const MODEL_PREFIX: &str = "hf:";
/// What a data set's name begins with.
pub const DATA_PREFIX: &str = "hf-data:";
/// The branch that is meant where no revision is given.
pub const DEFAULT_REVISION: &str = "main";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Model,
    DataSet,
}

impl Kind {
    /// The beginning of its folder's name in the cache.
    fn folder(self) -> &'static str {
        match self {
            Kind::Model => "models",
            Kind::DataSet => "datasets",
        }
    }

    /// Where the hub's programming interface lists such repositories.
    pub(super) fn api(self) -> &'static str {
        self.folder()
    }

    /// What stands before the name in addresses of files.
    pub(super) fn resolve(self) -> &'static str {
        match self {
            Kind::Model => "",
            Kind::DataSet => "datasets/",
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Kind::Model => MODEL_PREFIX,
            Kind::DataSet => DATA_PREFIX,
        }
    }
}

/// One repository at one revision: a branch, a tag, or a commit.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Repository {
    pub kind: Kind,
    /// `ORG/NAME`; a few old ones have no `ORG`.
    pub name: String,
    pub revision: String,
}

/// A data set, and which of its files are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataName {
    pub repository: Repository,
    /// A file, or a pattern with `*`; `None`: the data set's only file, or the shards of its only split.
    pub path: Option<String>,
}

impl Repository {
    /// `name` is `ORG/NAME`, `revision` a branch, tag or commit.
    ///
    /// # Errors
    /// [`HubError::Name`] for names that the hub does not allow and revisions that are no path.
    pub fn new(kind: Kind, name: &str, revision: &str) -> Result<Self, HubError> {
        let repository = Self { kind, name: name.to_owned(), revision: revision.to_owned() };
        let wrong = |problem| HubError::Name { given: repository.to_string(), problem };
        let parts: Vec<&str> = name.split('/').collect();
        if parts.len() > 2 || !parts.iter().all(|part| is_name(part)) {
            return Err(wrong("a name is ORG/NAME, of letters, digits, `-`, `_` and `.`"));
        }
        if !is_relative(revision) {
            return Err(wrong("a revision is a branch, a tag or a commit"));
        }
        Ok(repository)
    }

    /// What stands behind [`MODEL_PREFIX`]: `ORG/NAME[@REVISION]`.
    pub fn model(given: &str) -> Result<Self, HubError> {
        let (name, revision) = given.split_once('@').unwrap_or((given, DEFAULT_REVISION));
        Self::new(Kind::Model, name, revision)
    }

    /// The same repository at another revision.
    pub fn at(&self, revision: &str) -> Self {
        Self { revision: revision.to_owned(), ..self.clone() }
    }

    /// Its folder in the cache, `models--ORG--NAME`.
    pub fn folder(&self) -> String {
        format!("{}--{}", self.kind.folder(), self.name.replace('/', "--"))
    }

    /// True where the revision is a whole commit, whose files never change.
    pub fn is_commit(&self) -> bool {
        is_commit(&self.revision)
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.kind.prefix(), self.name)?;
        if self.revision != DEFAULT_REVISION {
            write!(f, "@{}", self.revision)?;
        }
        Ok(())
    }
}

impl DataName {
    /// What stands behind [`DATA_PREFIX`]: `ORG/NAME[@REVISION][/PATH]`. A revision with slashes has to be
    /// one of the hub's own, such as `refs/convert/parquet`.
    pub fn parse(given: &str) -> Result<Self, HubError> {
        let wrong = |problem| HubError::Name { given: format!("{DATA_PREFIX}{given}"), problem };
        let mut parts = given.split('/');
        let (Some(org), Some(name)) = (parts.next(), parts.next()) else {
            return Err(wrong("a data set is ORG/NAME"));
        };
        let (name, revision) = match name.split_once('@') {
            None => (name, DEFAULT_REVISION.to_owned()),
            Some((name, "refs")) => {
                let rest: Vec<&str> = parts.by_ref().take(2).collect();
                (name, format!("refs/{}", rest.join("/")))
            }
            Some((name, revision)) => (name, revision.to_owned()),
        };
        let rest: Vec<&str> = parts.collect();
        let path = (!rest.is_empty()).then(|| rest.join("/"));
        if path.as_deref().is_some_and(|path| !is_relative(path)) {
            return Err(wrong("what follows ORG/NAME is the path of a file in it"));
        }
        Ok(Self { repository: Repository::new(Kind::DataSet, &format!("{org}/{name}"), &revision)?, path })
    }
}

impl fmt::Display for DataName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.repository)?;
        self.path.as_ref().map_or(Ok(()), |path| write!(f, "/{path}"))
    }
}

/// Forty hexadecimal digits.
pub fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The hub's rule for each half of a name; `--` would make two repositories share a folder.
fn is_name(part: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=96).contains(&part.len())
        && part.chars().all(known)
        && !part.starts_with(['-', '.'])
        && !part.ends_with(['-', '.'])
        && !part.contains("--")
        && !part.contains("..")
}

/// A path that stays below where it is joined to.
pub(super) fn is_relative(path: &str) -> bool {
    let plain = |c: char| !c.is_control() && !c.is_whitespace() && c != '\\';
    let parts = || path.split('/');
    parts().all(|part| !part.is_empty() && part != "." && part != "..") && path.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_models() {
        let named = |given: &str| Repository::model(given).map(|r| (r.folder(), r.revision));
        assert_eq!(named("org/name").unwrap(), ("models--org--name".into(), "main".into()));
        assert_eq!(named("gpt2@v1.0").unwrap(), ("models--gpt2".into(), "v1.0".into()));
        assert_eq!(named("org/name@refs/pr/3").unwrap().1, "refs/pr/3");
        let wrong = ["", "org/", "/name", "org/../x", "../x", "a/b/c", "org/na me", "org/a--b", "org/name@", ".a/b"];
        for given in wrong.iter().chain(&["org/name@..", "org/name@a//b", "org/name@a b", "org/name@/a", "org/ñ"]) {
            let error = Repository::model(given).unwrap_err();
            assert!(error.to_string().contains(given) && error.hint().is_some(), "{given}: {error}");
        }
        assert!(Repository::model(&format!("a/b@{}", "0f".repeat(20))).unwrap().is_commit());
        assert!(!Repository::model("a/b@0f0f0f").unwrap().is_commit());
    }

    #[test]
    fn names_of_data_sets() {
        let named = |given: &str| {
            let name = DataName::parse(given).unwrap();
            assert_eq!(name.to_string(), format!("hf-data:{given}"));
            (name.repository.name.clone(), name.repository.revision.clone(), name.path.unwrap_or_default())
        };
        let of = |name: &str, revision: &str, path: &str| (name.to_owned(), revision.to_owned(), path.to_owned());
        assert_eq!(named("org/name"), of("org/name", "main", ""));
        assert_eq!(named("org/name/data/test-*.parquet"), of("org/name", "main", "data/test-*.parquet"));
        assert_eq!(named("org/name@v2/a.jsonl"), of("org/name", "v2", "a.jsonl"));
        let converted = named("org/name@refs/convert/parquet/default/test/0000.parquet");
        assert_eq!(converted, of("org/name", "refs/convert/parquet", "default/test/0000.parquet"));
        for wrong in ["org", "org/name/", "org/name/../x", "org/name@", "org/name@refs", "/name/x"] {
            assert!(DataName::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(DataName::parse("o/n").unwrap().repository.folder(), "datasets--o--n");
    }
}
