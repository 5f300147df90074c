//! One process at a time downloads a blob: an advisory lock (`flock`) on the file that the hub's other
//! clients lock too. It saves bandwidth; what is right does not depend on it.

use std::fs::{File, Permissions, TryLockError};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use crate::files::{self, FileError};

const PAUSE: Duration = Duration::from_millis(100);

/// Held until it is dropped. The file stays: removing it would let two others in.
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for the lock. `wait` is called before every pause; `false` gives up, and there is no lock.
    pub fn acquire(path: &Path, mut wait: impl FnMut() -> bool) -> Result<Option<Self>, FileError> {
        if let Some(parent) = path.parent() {
            files::create_dir(parent)?;
        }
        loop {
            let failed = |e| FileError::new("lock", path, e);
            let file =
                File::options().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
            // Others who share the cache lock it too; the file of another user is as it is.
            let _not_ours = file.set_permissions(Permissions::from_mode(0o664));
            match file.try_lock() {
                Ok(()) if is_at(&file, path) => return Ok(Some(Self { _file: file })),
                // Another client removed the file as it let go; the next one to come would not see our lock.
                Ok(()) => continue,
                Err(TryLockError::WouldBlock) if wait() => std::thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => return Ok(None),
                // Some network file systems have no locks.
                Err(TryLockError::Error(e)) if e.kind() == std::io::ErrorKind::Unsupported => {
                    return Ok(Some(Self { _file: file }));
                }
                Err(TryLockError::Error(e)) => return Err(failed(e)),
            }
        }
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), path.metadata()) {
        (Ok(held), Ok(there)) => (held.dev(), held.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_free_again_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/x.lock");
        let first = Lock::acquire(&path, || panic!("nobody holds it")).unwrap().unwrap();
        let mut asked = 0;
        let second = Lock::acquire(&path, || {
            asked += 1;
            asked < 3
        });
        assert!(second.unwrap().is_none() && asked == 3);
        drop(first);
        assert!(Lock::acquire(&path, || false).unwrap().is_some());
    }
}
