//! What the hub's etags say of a file's content.
//!
//! Large files (Git LFS, Xet) have the SHA-256 of their content; others have Git's blob id, the SHA-1 of
//! `blob LENGTH\0` and the content. Anything else, which a mirror may give, says nothing.

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The sum of the bytes so far.
#[derive(Clone)]
pub(super) enum Checksum {
    Sha256(Sha256),
    GitBlob(Sha1),
    Unknown,
}

impl Checksum {
    /// The kind of checksum that an etag is, of a file of `size` bytes, before its first byte.
    pub fn begin(etag: &str, size: u64) -> Self {
        let is_hex = etag.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        match etag.len() {
            64 if is_hex => Checksum::Sha256(Sha256::new()),
            40 if is_hex => Checksum::GitBlob(Sha1::new_with_prefix(format!("blob {size}\0"))),
            _ => Checksum::Unknown,
        }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Checksum::Sha256(sum) => sum.update(bytes),
            Checksum::GitBlob(sum) => sum.update(bytes),
            Checksum::Unknown => {}
        }
    }

    /// In hexadecimal; `None` where the etag says nothing of the content.
    pub fn finish(self) -> Option<String> {
        let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect();
        match self {
            Checksum::Sha256(sum) => Some(hex(&sum.finalize())),
            Checksum::GitBlob(sum) => Some(hex(&sum.finalize())),
            Checksum::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_etag() {
        let sum = |etag: &str, content: &[u8]| {
            let mut sum = Checksum::begin(etag, content.len() as u64);
            content.chunks(3).for_each(|part| sum.update(part));
            sum.finish()
        };
        // `printf hello | git hash-object --stdin` and `printf hello | sha256sum`.
        let git = "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0";
        let sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        assert_eq!(sum(git, b"hello").as_deref(), Some(git));
        assert_eq!(sum(sha256, b"hello").as_deref(), Some(sha256));
        assert_eq!(sum("0x8DBF1", b"hello"), None);
    }
}
