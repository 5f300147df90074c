//! Safetensors files in and out: single or sharded, memory-mapped on read, byte-deterministic on write.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use safetensors::tensor::{Dtype, Metadata, SafeTensors, View};
use tch::{Device, Kind, Tensor};

use crate::files::{self, FileError};

pub const SINGLE_FILE: &str = "model.safetensors";
pub const INDEX_FILE: &str = "model.safetensors.index.json";

#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("`{}` is not a safetensors file: {problem}", path.display())]
    Broken { path: PathBuf, problem: String },
    #[error("`{}`: {problem}", path.display())]
    Index { path: PathBuf, problem: String },
    #[error("no `{SINGLE_FILE}` or `{INDEX_FILE}` in `{}`{}", dir.display(), if *pickle { "; it holds pickle weights (pytorch_model.bin), which can run code when read: convert them with transformers' save_pretrained first" } else { "" })]
    None { dir: PathBuf, pickle: bool },
    #[error("tensor `{name}` in `{}` has element type {found}; known: F64, F32, F16, BF16, I64, U8, BOOL", path.display())]
    Type { path: PathBuf, name: String, found: String },
    #[error("tensor `{name}` is in both `{}` and `{}`", first.display(), second.display())]
    Duplicate { name: String, first: PathBuf, second: PathBuf },
}

/// An open checkpoint: tensors are read when taken, each at most once.
pub struct Checkpoint {
    files: Vec<MappedFile>,
    /// Which file holds a tensor not yet taken.
    owner: BTreeMap<String, usize>,
}

struct MappedFile {
    path: PathBuf,
    map: Mmap,
    header: usize,
    metadata: Metadata,
}

impl Checkpoint {
    /// Opens `model.safetensors`, or the shards that the index names.
    pub fn open_dir(dir: &Path) -> Result<Self, WeightsError> {
        let single = dir.join(SINGLE_FILE);
        if single.is_file() {
            return Self::open_files(&[single]);
        }
        let index = dir.join(INDEX_FILE);
        if index.is_file() {
            return Self::open_files(&shards(&index)?);
        }
        let pickle = dir.join("pytorch_model.bin").is_file() || dir.join("pytorch_model.bin.index.json").is_file();
        Err(WeightsError::None { dir: dir.to_owned(), pickle })
    }

    pub fn open_files(paths: &[PathBuf]) -> Result<Self, WeightsError> {
        let mut checkpoint = Self { files: Vec::new(), owner: BTreeMap::new() };
        paths.iter().try_for_each(|path| checkpoint.add_file(path))?;
        Ok(checkpoint)
    }

    /// A further file of the same checkpoint.
    pub fn add_file(&mut self, path: &Path) -> Result<(), WeightsError> {
        let file = MappedFile::open(path)?;
        for name in file.metadata.tensors().into_keys() {
            if let Some(&other) = self.owner.get(&name) {
                let first = self.files[other].path.clone();
                return Err(WeightsError::Duplicate { name, first, second: path.to_owned() });
            }
            self.owner.insert(name, self.files.len());
        }
        self.files.push(file);
        Ok(())
    }

    /// Shape of a tensor not yet taken.
    pub fn shape(&self, name: &str) -> Option<Vec<i64>> {
        let info = self.files[*self.owner.get(name)?].metadata.info(name)?;
        Some(info.shape.iter().map(|&n| n as i64).collect())
    }

    /// Element type of a tensor not yet taken.
    pub fn kind(&self, name: &str) -> Option<Kind> {
        kind_of(self.files[*self.owner.get(name)?].metadata.info(name)?.dtype)
    }

    /// Tensors of these names count as taken.
    pub fn forget(&mut self, which: impl Fn(&str) -> bool) {
        self.owner.retain(|name, _| !which(name));
    }

    /// Row `row` of a matrix [rows, d] as [1, d]; nothing else of it is read. The tensor counts as taken.
    /// `None` where the checkpoint has no such tensor or the tensor no such row.
    pub fn take_row(&mut self, name: &str, row: i64) -> Result<Option<Tensor>, WeightsError> {
        match (self.shape(name).as_deref(), self.owner.get(name).copied()) {
            (Some([rows, _]), Some(file)) if (0..*rows).contains(&row) => {
                self.owner.remove(name);
                self.files[file].read_row(name, row as usize).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Names of tensors not yet taken.
    pub fn untaken(&self) -> impl Iterator<Item = &str> {
        self.owner.keys().map(String::as_str)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.untaken()
    }

    /// The tensor in its stored kind, on the CPU; `None` where the checkpoint has no such tensor.
    pub fn take(&mut self, name: &str) -> Result<Option<Tensor>, WeightsError> {
        match self.owner.remove(name) {
            Some(file) => self.files[file].read(name).map(Some),
            None => Ok(None),
        }
    }

    /// All tensors, for small files such as optimiser states.
    pub fn take_all(mut self) -> Result<BTreeMap<String, Tensor>, WeightsError> {
        let owner = std::mem::take(&mut self.owner);
        owner.into_iter().map(|(name, file)| Ok((name.clone(), self.files[file].read(&name)?))).collect()
    }
}

impl MappedFile {
    fn open(path: &Path) -> Result<Self, WeightsError> {
        let file = File::open(path).map_err(|e| FileError::new("open", path, e))?;
        // SAFETY: the map is read-only and private to this process; a file that another process
        // truncates meanwhile would fault, as with any memory-mapped checkpoint.
        let map = unsafe { Mmap::map(&file) }.map_err(|e| FileError::new("map", path, e))?;
        let (header, metadata) = SafeTensors::read_metadata(&map)
            .map_err(|e| WeightsError::Broken { path: path.to_owned(), problem: e.to_string() })?;
        Ok(Self { path: path.to_owned(), map, header: header + 8, metadata })
    }

    fn read(&self, name: &str) -> Result<Tensor, WeightsError> {
        self.read_rows(name, None)
    }

    fn read_row(&self, name: &str, row: usize) -> Result<Tensor, WeightsError> {
        self.read_rows(name, Some(row))
    }

    /// The tensor, or one row of a matrix.
    fn read_rows(&self, name: &str, row: Option<usize>) -> Result<Tensor, WeightsError> {
        let broken = |problem: &str| WeightsError::Broken { path: self.path.clone(), problem: problem.to_owned() };
        let info =
            self.metadata.info(name).ok_or_else(|| broken(&format!("tensor `{name}` vanished from the header")))?;
        let kind = kind_of(info.dtype).ok_or_else(|| WeightsError::Type {
            path: self.path.clone(),
            name: name.to_owned(),
            found: format!("{:?}", info.dtype),
        })?;
        let (mut begin, mut end) = info.data_offsets;
        let mut shape: Vec<i64> = info.shape.iter().map(|&n| n as i64).collect();
        if let (Some(row), [rows, _]) = (row, &mut shape[..]) {
            let size = (end - begin) / (*rows).max(1) as usize;
            (begin, end) = (begin + row * size, begin + (row + 1) * size);
            *rows = 1;
        }
        let bytes = self.map.get(self.header + begin..self.header + end).ok_or_else(|| broken("it is cut short"))?;
        Tensor::f_from_data_size(bytes, &shape, kind).map_err(|e| broken(&format!("tensor `{name}`: {e}")))
    }
}

/// The shard files an index names, in name order, each once.
fn shards(index: &Path) -> Result<Vec<PathBuf>, WeightsError> {
    let wrong = |problem: String| WeightsError::Index { path: index.to_owned(), problem };
    let text = files::read_text(index)?;
    let parsed: serde_json::Value = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
    let map = parsed.get("weight_map").and_then(|m| m.as_object()).ok_or_else(|| wrong("no `weight_map`".into()))?;
    let mut names: Vec<&str> = Vec::new();
    for (tensor, file) in map {
        let file = file.as_str().ok_or_else(|| wrong(format!("the file of `{tensor}` is not a string")))?;
        if file.contains('/') || file.contains("..") {
            return Err(wrong(format!("the file of `{tensor}` lies outside the directory: `{file}`")));
        }
        names.push(file);
    }
    names.sort_unstable();
    names.dedup();
    let dir = index.parent().unwrap_or(Path::new("."));
    Ok(names.into_iter().map(|name| dir.join(name)).collect())
}

fn kind_of(dtype: Dtype) -> Option<Kind> {
    Some(match dtype {
        Dtype::F64 => Kind::Double,
        Dtype::F32 => Kind::Float,
        Dtype::F16 => Kind::Half,
        Dtype::BF16 => Kind::BFloat16,
        Dtype::I64 => Kind::Int64,
        Dtype::U8 => Kind::Uint8,
        Dtype::BOOL => Kind::Bool,
        _ => return None,
    })
}

fn dtype_of(kind: Kind) -> Option<Dtype> {
    Some(match kind {
        Kind::Double => Dtype::F64,
        Kind::Float => Dtype::F32,
        Kind::Half => Dtype::F16,
        Kind::BFloat16 => Dtype::BF16,
        Kind::Int64 => Dtype::I64,
        Kind::Uint8 => Dtype::U8,
        Kind::Bool => Dtype::BOOL,
        _ => return None,
    })
}

/// A tensor as the safetensors writer wants it: contiguous, on the CPU.
struct Stored {
    tensor: Tensor,
    dtype: Dtype,
    shape: Vec<usize>,
}

impl View for &Stored {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let mut bytes = vec![0u8; self.data_len()];
        self.tensor.copy_data_u8(&mut bytes, self.tensor.numel());
        Cow::Owned(bytes)
    }

    fn data_len(&self) -> usize {
        self.tensor.numel() * self.tensor.kind().elt_size_in_bytes()
    }
}

/// Writes tensors atomically as one safetensors file. Equal tensors give equal bytes.
pub fn write<'a>(path: &Path, tensors: impl IntoIterator<Item = (&'a str, &'a Tensor)>) -> Result<(), WeightsError> {
    let mut stored = Vec::new();
    for (name, tensor) in tensors {
        let tensor = tensor.detach().to_device(Device::Cpu).contiguous();
        let dtype = dtype_of(tensor.kind()).ok_or_else(|| WeightsError::Type {
            path: path.to_owned(),
            name: name.to_owned(),
            found: format!("{:?}", tensor.kind()),
        })?;
        let shape = tensor.size().iter().map(|&n| n as usize).collect();
        stored.push((name, Stored { tensor, dtype, shape }));
    }
    // Loaders of the transformers family insist on this entry.
    let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let views = stored.iter().map(|(name, tensor)| (*name, tensor));
    let bytes = safetensors::serialize(views, Some(metadata))
        .map_err(|e| WeightsError::Broken { path: path.to_owned(), problem: e.to_string() })?;
    Ok(files::write_bytes(path, &bytes)?)
}
