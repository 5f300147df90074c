//! Checkpoint files: safetensors and PyTorch's `.bin`, single or sharded, read without a second copy.
//!
//! Opening reads headers only. A tensor that is wanted as it is stored, on the CPU, becomes a view of
//! the file's pages ([`bytes`]); anything else is read through a small buffer into its final place.
//! Every claim of a header is checked against the file before a byte of it is touched, so that what is
//! wrong with a checkpoint is an error that names file and tensor.

mod bytes;
mod header;
mod index;
mod pickle;
mod torch_file;
mod write;
mod zip;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tch::{Device, Kind, Tensor};

use crate::files::FileError;
pub use bytes::Loaded;
use bytes::WeightFile;
pub use write::{Planned, Put, write, write_pieces};

pub const SINGLE_FILE: &str = "model.safetensors";
pub const INDEX_FILE: &str = "model.safetensors.index.json";
/// PyTorch's pickled state dicts, which older checkpoints have in place of safetensors.
pub const PICKLE_FILE: &str = "pytorch_model.bin";
pub const PICKLE_INDEX_FILE: &str = "pytorch_model.bin.index.json";

#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("`{}` is not a sound safetensors file: {problem}", path.display())]
    Broken { path: PathBuf, problem: String },
    #[error("`{}` is not read: {problem}. If you trust it, convert it where it lies: {}", path.display(), conversion(path))]
    Pickle { path: PathBuf, problem: String },
    #[error("tensor `{name}` in `{}` cannot be read: {problem}", path.display())]
    Read { path: PathBuf, name: String, problem: String },
    #[error("`{}`: {problem}", path.display())]
    Index { path: PathBuf, problem: String },
    #[error("no `{SINGLE_FILE}`, `{INDEX_FILE}` or `{PICKLE_FILE}` in `{}`", dir.display())]
    None { dir: PathBuf },
    #[error("tensor `{name}` in `{}` has element type {found}, which is not read; known: F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL", path.display())]
    Type { path: PathBuf, name: String, found: String },
    #[error("tensor `{name}` is in both `{}` and `{}`", first.display(), second.display())]
    Duplicate { name: String, first: PathBuf, second: PathBuf },
}

impl WeightsError {
    /// What to do about it, where that can be said.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            WeightsError::Broken { .. } | WeightsError::Index { .. } => {
                Some("the download is not whole, or not of one model: fetch the file again")
            }
            WeightsError::None { .. } => Some("weights are read as safetensors or PyTorch's .bin; GGUF is not read"),
            _ => None,
        }
    }
}

/// The command that turns a pickled state dict into safetensors beside it.
fn conversion(path: &Path) -> String {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let to = name.replace(PICKLE_FILE.trim_end_matches(".bin"), "model");
    let stem = [".bin", ".pt"].into_iter().find_map(|ending| to.strip_suffix(ending)).unwrap_or(&to);
    let to = format!("{stem}.safetensors");
    format!(
        "python -c \"import torch, safetensors.torch as s; s.save_file({{k: v.clone().contiguous() for k, v in \
         torch.load('{name}', map_location='cpu', weights_only=True).items()}}, '{to}', {{'format': 'pt'}})\""
    )
}

/// Where a tensor lies in its file, and as what.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    /// The element type as the file calls it.
    dtype: String,
    /// `None`: an element type that is not read (fp8, complex, …).
    kind: Option<Kind>,
    shape: Vec<i64>,
    /// In elements.
    strides: Vec<i64>,
    /// Byte of the file at which the first element begins.
    begin: u64,
}

impl Entry {
    /// Elements from the first to the last, gaps included.
    fn span(&self) -> i64 {
        if self.shape.contains(&0) {
            return 0;
        }
        1 + self.shape.iter().zip(&self.strides).map(|(n, stride)| (n - 1) * stride).sum::<i64>()
    }

    fn is_contiguous(&self) -> bool {
        // The stride of an axis of length one means nothing.
        let expected = contiguous_strides(&self.shape);
        let mut axes = self.shape.iter().zip(&self.strides).zip(expected);
        self.shape.contains(&0) || axes.all(|((&n, &stride), expected)| n == 1 || stride == expected)
    }
}

fn contiguous_strides(shape: &[i64]) -> Vec<i64> {
    let mut strides = vec![1i64; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis]);
    }
    strides
}

/// What a checkpoint says of one tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub shape: Vec<i64>,
    /// `None`: an element type that is not read.
    pub kind: Option<Kind>,
    /// As the file calls it.
    pub dtype: String,
    pub path: PathBuf,
}

/// An open checkpoint: tensors are read when taken, each at most once.
pub struct Checkpoint {
    /// What was opened, for messages: a directory or a file.
    place: PathBuf,
    files: Vec<WeightFile>,
    /// Which file holds a tensor not yet taken.
    owner: BTreeMap<String, usize>,
}

impl Checkpoint {
    /// Opens `model.safetensors`, else the shards its index names, else the same of `pytorch_model.bin`.
    pub fn open_dir(dir: &Path) -> Result<Self, WeightsError> {
        for (single, index) in [(SINGLE_FILE, INDEX_FILE), (PICKLE_FILE, PICKLE_INDEX_FILE)] {
            let (single, index) = (dir.join(single), dir.join(index));
            if single.is_file() {
                return Self::open_files(&[single]);
            }
            if index.is_file() {
                let index = index::Index::read(&index)?;
                let mut checkpoint = Self::open_files(&index.files()?)?;
                index.agrees_with(&checkpoint)?;
                checkpoint.place = dir.to_owned();
                return Ok(checkpoint);
            }
        }
        Err(WeightsError::None { dir: dir.to_owned() })
    }

    /// Opens files by their endings: `.safetensors`, or PyTorch's.
    pub fn open_files(paths: &[PathBuf]) -> Result<Self, WeightsError> {
        let place = match paths {
            [only] => only.clone(),
            many => many.first().and_then(|path| path.parent()).map(Path::to_owned).unwrap_or_default(),
        };
        let mut checkpoint = Self { place, files: Vec::new(), owner: BTreeMap::new() };
        paths.iter().try_for_each(|path| checkpoint.add_file(path))?;
        Ok(checkpoint)
    }

    /// A further file of the same checkpoint.
    pub fn add_file(&mut self, path: &Path) -> Result<(), WeightsError> {
        self.add_file_under(path, "")
    }

    /// A further file, whose tensors are called `prefix` and their name in it.
    pub fn add_file_under(&mut self, path: &Path, prefix: &str) -> Result<(), WeightsError> {
        self.add(WeightFile::open(path)?.under(prefix))
    }

    fn add(&mut self, file: WeightFile) -> Result<(), WeightsError> {
        for name in file.names() {
            if let Some(&other) = self.owner.get(name) {
                let (name, first) = (name.to_owned(), self.files[other].path().to_owned());
                return Err(WeightsError::Duplicate { name, first, second: file.path().to_owned() });
            }
            self.owner.insert(name.to_owned(), self.files.len());
        }
        self.files.push(file);
        Ok(())
    }

    /// The same where names that begin with `prefix` are called by what follows it, if there are any.
    ///
    /// # Errors
    /// Two tensors would have one name.
    pub fn unwrapped(self, prefix: &str) -> Result<Self, WeightsError> {
        if !self.names().any(|name| name.starts_with(prefix)) {
            return Ok(self);
        }
        let mut checkpoint = Self { place: self.place, files: Vec::new(), owner: BTreeMap::new() };
        self.files.into_iter().try_for_each(|file| checkpoint.add(file.without(prefix)?))?;
        Ok(checkpoint)
    }

    /// Tensors of these names count as taken.
    pub fn forget(&mut self, which: impl Fn(&str) -> bool) {
        self.owner.retain(|name, _| !which(name));
    }

    /// Row `row` of a matrix [rows, d] as [1, d] in memory of its own; on the CPU nothing else of a contiguous
    /// matrix is read. The tensor counts as taken. `None` where there is no such tensor, or in it no such row.
    pub fn take_row(&mut self, name: &str, row: i64) -> Result<Option<Tensor>, WeightsError> {
        let Some(stored) = self.stored(name) else { return Ok(None) };
        match (stored.shape.as_slice(), stored.kind) {
            ([rows, _], Some(kind)) if (0..*rows).contains(&row) => {
                let loaded = self.load(name, kind, Device::Cpu)?;
                Ok(loaded.map(|loaded| loaded.tensor.narrow(0, row, 1).copy()))
            }
            _ => Ok(None),
        }
    }

    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Names of tensors not yet taken.
    pub fn untaken(&self) -> impl Iterator<Item = &str> {
        self.owner.keys().map(String::as_str)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.untaken()
    }

    /// What the header says of a tensor not yet taken.
    pub fn stored(&self, name: &str) -> Option<Stored> {
        let file = &self.files[*self.owner.get(name)?];
        let entry = file.entry(name)?;
        Some(Stored {
            shape: entry.shape.clone(),
            kind: entry.kind,
            dtype: entry.dtype.clone(),
            path: file.path().to_owned(),
        })
    }

    /// Passes over a tensor: it counts as taken, its bytes are not read.
    pub fn skip(&mut self, name: &str) {
        self.owner.remove(name);
    }

    /// The tensor in its stored kind, on the CPU, in memory of its own; `None` where there is no such tensor.
    pub fn take(&mut self, name: &str) -> Result<Option<Tensor>, WeightsError> {
        match self.owner.remove(name) {
            Some(file) => self.files[file].read(name, None, Device::Cpu).map(Some),
            None => Ok(None),
        }
    }

    /// The tensor in `kind` on `device`. Where that is how it is stored, it is a view of the file: pages
    /// are read when first used, and the file's space is given back once the tensor and all others of
    /// the file are dropped. Writing to it never reaches the file.
    pub fn load(&mut self, name: &str, kind: Kind, device: Device) -> Result<Option<Loaded>, WeightsError> {
        match self.owner.remove(name) {
            Some(file) => self.files[file].load(name, kind, device).map(Some),
            None => Ok(None),
        }
    }

    /// All tensors in memory of their own, for small files such as optimiser states.
    pub fn take_all(mut self) -> Result<BTreeMap<String, Tensor>, WeightsError> {
        let owner = std::mem::take(&mut self.owner);
        owner
            .into_iter()
            .map(|(name, file)| {
                let tensor = self.files[file].read(&name, None, Device::Cpu)?;
                Ok((name, tensor))
            })
            .collect()
    }
}
