//! Reading and writing files so that errors name the path and a kill leaves no half-written file.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// An I/O failure together with what was being done and the path it happened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} `{}`", path.display())]
pub struct FileError {
    pub action: &'static str,
    pub path: PathBuf,
    #[source]
    pub source: io::Error,
}

impl FileError {
    pub fn new(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self { action, path: path.to_owned(), source }
    }
}

pub type Result<T> = std::result::Result<T, FileError>;

/// The whole file as text.
pub fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|e| FileError::new("read", path, e))
}

/// The whole file as bytes.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|e| FileError::new("read", path, e))
}

/// Where an existing file or directory lies, from the root.
pub fn whole_path(path: &Path) -> Result<String> {
    let whole = path.canonicalize().map_err(|e| FileError::new("find", path, e))?;
    Ok(whole.to_string_lossy().into_owned())
}

/// Creates a directory and its parents; an existing one is fine.
pub fn create_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|e| FileError::new("create directory", path, e))
}

/// How files are called that are not whole yet.
const UNFINISHED: (&str, &str) = (".rmbench-", ".part");

/// Removes what kills left of files that were being written into `dir`. Nobody else may be writing there.
pub fn sweep(dir: &Path) -> Result<()> {
    if !dir.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(dir).map_err(|e| FileError::new("list", dir, e))? {
        let path = entry.map_err(|e| FileError::new("list", dir, e))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        if name.starts_with(UNFINISHED.0) && name.ends_with(UNFINISHED.1) && path.is_file() {
            fs::remove_file(&path).map_err(|e| FileError::new("remove", &path, e))?;
        }
    }
    Ok(())
}

/// Writes a file atomically: a reader sees the old content or the new one, never a part.
///
/// `fill` writes into a temporary file in the same directory, which is flushed to disk and renamed.
pub fn write_with<E: From<FileError>>(
    path: &Path,
    fill: impl FnOnce(&mut File) -> std::result::Result<(), E>,
) -> std::result::Result<(), E> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    create_dir(parent)?;
    let mut temporary = tempfile::Builder::new()
        .prefix(UNFINISHED.0)
        .suffix(UNFINISHED.1)
        .tempfile_in(parent)
        .map_err(|e| FileError::new("create a temporary file in", parent, e))?;
    fill(temporary.as_file_mut())?;
    set_readable(temporary.as_file(), path)?;
    temporary.as_file().sync_all().map_err(|e| FileError::new("flush", path, e))?;
    temporary.persist(path).map_err(|e| FileError::new("write", path, e.error))?;
    sync_directory(parent)?;
    Ok(())
}

/// [`write_with`] for content that is already in memory.
pub fn write_bytes(path: &Path, content: &[u8]) -> Result<()> {
    write_with(path, |file| file.write_all(content).map_err(|e| FileError::new("write", path, e)))
}

/// Temporary files are private to the user; results should have ordinary permissions.
fn set_readable(file: &File, path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644)).map_err(|e| FileError::new("set permissions of", path, e))
}

/// Makes a rename durable: without it a power cut may undo it.
pub fn sync_directory(path: &Path) -> Result<()> {
    File::open(path).and_then(|d| d.sync_all()).map_err(|e| FileError::new("flush directory", path, e))
}

/// Gives a finished temporary directory its name; an empty directory of that name is replaced.
pub fn publish_dir(finished: tempfile::TempDir, path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let from = finished.path();
    fs::set_permissions(from, fs::Permissions::from_mode(0o755))
        .map_err(|e| FileError::new("set permissions of", from, e))?;
    sync_directory(from)?;
    fs::rename(from, path).map_err(|e| FileError::new("write", path, e))?;
    // It has another name now: there is nothing left to remove.
    let _ = finished.keep();
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => sync_directory(parent),
        _ => sync_directory(Path::new(".")),
    }
}

/// SHA-256 of a file's bytes as lower-case hexadecimal, read in pieces.
pub fn sha256_file(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(|e| FileError::new("open", path, e))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0u8; 1 << 20];
    loop {
        match file.read(&mut buffer).map_err(|e| FileError::new("read", path, e))? {
            0 => return Ok(hex(&hasher.finalize())),
            n => hasher.update(&buffer[..n]),
        }
    }
}

/// SHA-256 of bytes in memory as lower-case hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        write_bytes(&path, b"old").unwrap();
        let failed: Result<()> = write_with(&path, |file| {
            file.write_all(b"half").unwrap();
            Err(FileError::new("write", &path, io::Error::other("disk full")))
        });
        assert!(failed.unwrap_err().to_string().contains("a.txt"));
        assert_eq!(read_text(&path).unwrap(), "old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_kill_left_is_swept_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let names = [".rmbench-a1b2.part", ".rmbench-dir.part", "model.part", ".rmbench-notes"];
        names.iter().for_each(|name| fs::write(dir.path().join(name), b"half").unwrap());
        fs::remove_file(dir.path().join(names[1])).unwrap();
        fs::create_dir(dir.path().join(names[1])).unwrap();
        sweep(dir.path()).unwrap();
        assert_eq!(names.map(|name| dir.path().join(name).exists()), [false, true, true, true]);
        sweep(&dir.path().join("absent")).unwrap();
    }

    #[test]
    fn digest_of_the_empty_input() {
        assert!(sha256(b"").starts_with("e3b0c44298fc1c149afbf4c8996fb924"));
    }
}
