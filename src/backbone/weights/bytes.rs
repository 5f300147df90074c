//! Bytes of a checkpoint file to tensors: as views of the file's pages, or through a small buffer.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use tch::{Device, Kind, TchError, Tensor};

use super::{Entry, WeightsError, header, torch_file};
use crate::files::FileError;

// Files are little-endian, and pages are handed to libtorch as they are.
const _: () = assert!(cfg!(target_endian = "little"), "checkpoints are read on little-endian machines only");

/// Bytes read at a time where a tensor is converted on the way.
const PIECE: usize = 1 << 20;

/// A tensor, and whether it is a view of its file.
pub struct Loaded {
    pub tensor: Tensor,
    pub mapped: bool,
}

/// An open file of tensors.
pub struct WeightFile {
    path: PathBuf,
    file: File,
    len: u64,
    entries: BTreeMap<String, Entry>,
    /// All bytes of the file as one tensor, made when first needed; `None` where it cannot be mapped.
    map: OnceCell<Option<Tensor>>,
}

impl WeightFile {
    /// Reads the header, and checks it against the length of the file.
    pub fn open(path: &Path) -> Result<Self, WeightsError> {
        let file = File::open(path).map_err(|e| FileError::new("open", path, e))?;
        let len = file.metadata().map_err(|e| FileError::new("open", path, e))?.len();
        let is_safetensors = path.extension().is_some_and(|ending| ending == "safetensors");
        let entries = match is_safetensors {
            true => header::entries(path, &file, len)?,
            false => torch_file::entries(path, &file, len)?,
        };
        Ok(Self { path: path.to_owned(), file, len, entries, map: OnceCell::new() })
    }

    /// The same with `prefix` before every tensor's name.
    pub fn under(self, prefix: &str) -> Self {
        let entries = self.entries.into_iter().map(|(name, entry)| (format!("{prefix}{name}"), entry)).collect();
        Self { entries, ..self }
    }

    /// The same where names that begin with `prefix` are called by what follows it.
    pub fn without(self, prefix: &str) -> Result<Self, WeightsError> {
        let mut entries = BTreeMap::new();
        for (name, entry) in self.entries {
            let short = name.strip_prefix(prefix).unwrap_or(&name).to_owned();
            if entries.insert(short.clone(), entry).is_some() {
                let (first, second) = (self.path.clone(), self.path);
                return Err(WeightsError::Duplicate { name: short, first, second });
            }
        }
        Ok(Self { entries, ..self })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.get(name)
    }

    fn sound(&self, name: &str) -> Result<(&Entry, Kind), WeightsError> {
        let entry = self.entries.get(name).ok_or_else(|| self.failed(name, &"the file has no such tensor"))?;
        let unknown =
            || WeightsError::Type { path: self.path.clone(), name: name.to_owned(), found: entry.dtype.clone() };
        Ok((entry, entry.kind.ok_or_else(unknown)?))
    }

    fn failed(&self, name: &str, problem: &dyn ToString) -> WeightsError {
        WeightsError::Read { path: self.path.clone(), name: name.to_owned(), problem: problem.to_string() }
    }

    /// A view of the file where the tensor lies there as it is wanted, else [`WeightFile::read`].
    pub fn load(&self, name: &str, kind: Kind, device: Device) -> Result<Loaded, WeightsError> {
        let (entry, stored) = self.sound(name)?;
        if kind == stored
            && device == Device::Cpu
            && let Some(tensor) = self.view(entry, stored).map_err(|e| self.failed(name, &e))?
        {
            return Ok(Loaded { tensor, mapped: true });
        }
        Ok(Loaded { tensor: self.read(name, Some(kind), device)?, mapped: false })
    }

    /// The tensor's bytes in the page cache, not in memory of this process. libtorch maps the file
    /// privately (a write would go to a page of its own) and unmaps it with the last tensor on it.
    fn view(&self, entry: &Entry, kind: Kind) -> Result<Option<Tensor>, TchError> {
        let size = kind.elt_size_in_bytes() as u64;
        if !entry.begin.is_multiple_of(size) || !entry.is_contiguous() {
            return Ok(None);
        }
        let map = self.map.get_or_init(|| {
            let (path, len) = (self.path.to_str()?, i64::try_from(self.len).ok()?);
            Tensor::f_from_file(path, false, len, (Kind::Uint8, Device::Cpu)).ok()
        });
        let Some(map) = map else { return Ok(None) };
        let mut view = Tensor::f_empty([0], (kind, Device::Cpu))?;
        let begin = (entry.begin / size) as i64;
        // Not a view in autograd's sense: the tensor shares the storage and nothing else.
        view.f_set_source_tensor_storage_offset_(map, begin, &entry.shape[..], &entry.strides[..]).map(Some)
    }

    /// The tensor in memory of its own, in `kind` (or as stored), read and converted in pieces.
    pub fn read(&self, name: &str, kind: Option<Kind>, device: Device) -> Result<Tensor, WeightsError> {
        let (entry, stored) = self.sound(name)?;
        let failed = |e: TchError| self.failed(name, &e);
        let size = stored.elt_size_in_bytes();
        let span = entry.span();
        let whole = Tensor::f_empty([span], (kind.unwrap_or(stored), device)).map_err(failed)?;
        let mut buffer = vec![0u8; PIECE.min(span as usize * size)];
        let mut at = 0;
        while at < span {
            let n = (span - at).min((PIECE / size) as i64);
            let piece = &mut buffer[..n as usize * size];
            let offset = entry.begin + at as u64 * size as u64;
            self.file.read_exact_at(piece, offset).map_err(|e| self.failed(name, &e))?;
            let piece = Tensor::f_from_data_size(piece, &[n], stored).map_err(failed)?;
            whole.f_narrow(0, at, n).and_then(|mut part| part.f_copy_(&piece)).map_err(failed)?;
            at += n;
        }
        let strided = whole.f_as_strided(&entry.shape[..], &entry.strides[..], None);
        strided.and_then(|tensor| tensor.f_contiguous()).map_err(failed)
    }
}
