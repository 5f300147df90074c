//! Finding libtorch's devices: one binary for CPU and GPU.
//!
//! The binary links libtorch_cpu only. Where a libtorch_cuda lies beside it, it is loaded at start-up,
//! before anything asks whether CUDA exists: libtorch caches its first answer for the life of the process.

use std::ffi::{CStr, CString, c_char, c_void};
use std::path::PathBuf;
use std::sync::OnceLock;

use tch::{Cuda, Device, Kind, Tensor};

/// Set to `1` to leave CUDA alone (loading it takes 0.1–0.2 s and much address space).
pub const NO_CUDA_VARIABLE: &str = "RMBENCH_NO_CUDA";

#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    #[error("device `{0}` is not known; use `cpu`, `cuda`, `cuda:N` or `auto`")]
    Unknown(String),
    #[error("device `{device}` was asked for, but {reason}")]
    Missing { device: String, reason: String },
    #[error("dtype `{0}` is not known; use `f32`, `bf16` or `f16`")]
    Dtype(String),
}

/// What start-up found; see [`init`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CudaLibrary {
    /// No libtorch_cuda beside libtorch_cpu: a CPU-only libtorch.
    Absent,
    /// There, and left alone because [`NO_CUDA_VARIABLE`] is set.
    Skipped,
    Loaded(PathBuf),
    /// There, but the loader refused it.
    Failed {
        path: PathBuf,
        problem: String,
    },
}

static CUDA: OnceLock<CudaLibrary> = OnceLock::new();

/// Must run before any other use of libtorch; further calls return the first answer.
pub fn init() -> &'static CudaLibrary {
    CUDA.get_or_init(load_cuda)
}

fn load_cuda() -> CudaLibrary {
    let Some(path) = library_dir().map(|dir| dir.join("libtorch_cuda.so")).filter(|p| p.is_file()) else {
        return CudaLibrary::Absent;
    };
    if std::env::var(NO_CUDA_VARIABLE).is_ok_and(|v| v == "1") {
        return CudaLibrary::Skipped;
    }
    let Ok(name) = CString::new(path.to_string_lossy().as_bytes()) else {
        return CudaLibrary::Failed { path, problem: "its path holds a zero byte".into() };
    };
    // SAFETY: a plain library load with a valid C string; the library's initialisers register kernels.
    let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
    if !handle.is_null() {
        return CudaLibrary::Loaded(path);
    }
    // SAFETY: dlerror returns null or a C string that is valid until the next call on this thread.
    let problem = unsafe {
        let text = libc::dlerror();
        if text.is_null() { "unknown reason".to_owned() } else { CStr::from_ptr(text).to_string_lossy().into_owned() }
    };
    CudaLibrary::Failed { path, problem }
}

/// The directory libtorch_cpu was loaded from.
pub fn library_dir() -> Option<PathBuf> {
    // at::globalContext lives in libtorch_cpu and nowhere else.
    let symbol = c"_ZN2at13globalContextEv";
    // SAFETY: lookup of a symbol by a valid C string, and a query about the address it gave.
    unsafe {
        let address = libc::dlsym(libc::RTLD_DEFAULT, symbol.as_ptr());
        let mut info: libc::Dl_info = std::mem::zeroed();
        if address.is_null() || libc::dladdr(address as *const c_void, &mut info) == 0 || info.dli_fname.is_null() {
            return None;
        }
        let file = CStr::from_ptr(info.dli_fname as *const c_char).to_string_lossy().into_owned();
        PathBuf::from(file).parent().map(PathBuf::from)
    }
}

/// The device a user named: `auto` is the first GPU where there is one, else the CPU.
pub fn parse(name: &str) -> Result<Device, DeviceError> {
    let found = init();
    let count = || if Cuda::is_available() { Cuda::device_count() } else { 0 };
    let gpu = |index: usize| {
        let reason = match found {
            CudaLibrary::Absent => "this libtorch is CPU-only (no libtorch_cuda.so beside libtorch_cpu.so)".to_owned(),
            CudaLibrary::Skipped => format!("{NO_CUDA_VARIABLE}=1 is set"),
            CudaLibrary::Failed { problem, .. } => format!("libtorch_cuda.so did not load: {problem}"),
            CudaLibrary::Loaded(_) if (index as i64) < count() => return Ok(Device::Cuda(index)),
            CudaLibrary::Loaded(_) => format!("libtorch sees {} CUDA devices", count()),
        };
        Err(DeviceError::Missing { device: name.to_owned(), reason })
    };
    match name {
        "cpu" => Ok(Device::Cpu),
        "auto" => Ok(gpu(0).unwrap_or(Device::Cpu)),
        "cuda" => gpu(0),
        other => match other.strip_prefix("cuda:").and_then(|n| n.parse().ok()) {
            Some(index) => gpu(index),
            None => Err(DeviceError::Unknown(other.to_owned())),
        },
    }
}

/// The kind of activations a user named.
pub fn parse_dtype(name: &str) -> Result<Kind, DeviceError> {
    match name {
        "f32" => Ok(Kind::Float),
        "bf16" => Ok(Kind::BFloat16),
        "f16" => Ok(Kind::Half),
        other => Err(DeviceError::Dtype(other.to_owned())),
    }
}

/// How a device is called in provenance.
pub fn name(device: Device) -> String {
    match device {
        Device::Cpu => "cpu".to_owned(),
        Device::Cuda(index) => format!("cuda:{index}"),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// What `rmbench doctor` prints about libtorch.
#[derive(Debug, Clone)]
pub struct DeviceReport {
    pub libtorch: &'static str,
    pub library_dir: Option<PathBuf>,
    pub cuda: CudaLibrary,
    pub cuda_devices: i64,
    pub threads: usize,
    pub cores: usize,
    /// (name, whether a small matrix product in it works on the CPU, whether the processor computes it natively).
    pub dtypes: Vec<(&'static str, bool, bool)>,
}

/// The libtorch this binary was built for.
pub const LIBTORCH_VERSION: &str = "2.11.0";

pub fn report() -> DeviceReport {
    let cuda = init().clone();
    let cuda_devices = if matches!(cuda, CudaLibrary::Loaded(_)) { Cuda::device_count() } else { 0 };
    let dtypes = vec![
        ("f32", multiplies(Kind::Float), true),
        ("bf16", multiplies(Kind::BFloat16), native_bf16()),
        ("f16", multiplies(Kind::Half), false),
    ];
    DeviceReport {
        libtorch: LIBTORCH_VERSION,
        library_dir: library_dir(),
        cuda,
        cuda_devices,
        threads: threads(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        dtypes,
    }
}

/// Threads libtorch computes with.
pub fn threads() -> usize {
    tch::get_num_threads().max(1) as usize
}

fn multiplies(kind: Kind) -> bool {
    let Ok(ones) = Tensor::f_ones([4, 4], (Kind::Float, Device::Cpu)) else { return false };
    let ones = ones.to_kind(kind);
    ones.f_matmul(&ones).is_ok_and(|product| product.to_kind(Kind::Float).double_value(&[0, 0]) == 4.0)
}

#[cfg(target_arch = "x86_64")]
fn native_bf16() -> bool {
    std::is_x86_feature_detected!("avx512bf16")
}

#[cfg(not(target_arch = "x86_64"))]
fn native_bf16() -> bool {
    false
}
