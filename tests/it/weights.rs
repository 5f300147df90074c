//! Checkpoint files: what is written comes back, and what is wrong is said by file and tensor.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rmbench::backbone::weights::{Checkpoint, INDEX_FILE, PICKLE_FILE, SINGLE_FILE, WeightsError, write};
use rmbench::reward::network::{MissingHead, Network};
use serde_json::json;
use tch::{Device, Kind, Tensor};

/// A safetensors file with the given header over `n` zero bytes.
fn file(dir: &Path, header: &serde_json::Value, n: usize) -> PathBuf {
    raw(dir, &header.to_string(), n)
}

fn raw(dir: &Path, header: &str, n: usize) -> PathBuf {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(vec![0u8; n]);
    let path = dir.join("m.safetensors");
    std::fs::write(&path, bytes).unwrap();
    path
}

fn refused(path: &Path) -> String {
    let error = Checkpoint::open_files(&[path.to_owned()]).err().unwrap().to_string();
    assert!(error.contains(&*path.to_string_lossy()), "{error}");
    error
}

fn ten(shape: &[i64], kind: Kind) -> Tensor {
    Tensor::arange(shape.iter().product::<i64>(), (Kind::Float, Device::Cpu)).reshape(shape).to_kind(kind)
}

#[test]
fn broken_headers_are_refused_by_tensor() {
    let dir = tempfile::tempdir().unwrap();
    let tensor = |begin: u64, end: u64| json!({"dtype": "F32", "shape": [2], "data_offsets": [begin, end]});
    let cases = [
        (json!({"a": tensor(0, 8), "b": tensor(4, 12)}), 12, "`a` and `b` overlap"),
        (json!({"a": tensor(0, 8), "b": tensor(12, 20)}), 20, "4 bytes before tensor `b`"),
        (json!({"a": tensor(0, 8), "b": tensor(8, 16)}), 12, "tensor `b` lies at bytes 8 to 16 of 12"),
        (json!({"a": tensor(8, 0)}), 8, "tensor `a` lies at bytes 8 to 0"),
        (json!({"a": tensor(0, u64::MAX)}), 8, "tensor `a` lies at bytes"),
        (json!({"a": tensor(0, 8)}), 9, "the last 1 bytes belong to no tensor"),
        (json!({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}), 8, "tensor `a` of shape [3]"),
        (
            json!({"a": {"dtype": "F32", "shape": [1u64 << 62, 1u64 << 62], "data_offsets": [0, 8]}}),
            8,
            "tensor `a` of shape",
        ),
        (json!({"a": {"dtype": "X9", "shape": [2], "data_offsets": [0, 8]}}), 8, "unknown element type X9"),
        (json!({"a": {"dtype": "F32", "data_offsets": [0, 8]}}), 8, "missing field `shape`"),
        (json!(["a"]), 0, "an object of tensors"),
    ];
    for (header, n, expected) in cases {
        let error = refused(&file(dir.path(), &header, n));
        assert!(error.contains(expected), "{error}\nshould say: {expected}");
    }
    let twice =
        r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}"#;
    assert!(refused(&raw(dir.path(), twice, 2)).contains("tensor `a` is in it twice"));
    let path = dir.path().join("m.safetensors");
    std::fs::write(&path, b"abc").unwrap();
    assert!(refused(&path).contains("it has 3 bytes"));
    std::fs::write(&path, [&500u64.to_le_bytes()[..], b"{}"].concat()).unwrap();
    assert!(refused(&path).contains("cut short within its header"));
    std::fs::write(&path, [&u64::MAX.to_le_bytes()[..], b"{}"].concat()).unwrap();
    assert!(refused(&path).contains("its header would have"));
}

#[test]
fn every_kind_comes_back_as_written_whole_viewed_or_converted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.safetensors");
    let kinds =
        [Kind::Float, Kind::Half, Kind::BFloat16, Kind::Double, Kind::Int64, Kind::Int, Kind::Uint8, Kind::Bool];
    let tensors: Vec<(String, Tensor)> = kinds.iter().map(|&kind| (format!("{kind:?}"), ten(&[3, 5], kind))).collect();
    write(&path, tensors.iter().map(|(n, t)| (n.as_str(), t))).unwrap();
    let open = || Checkpoint::open_files(std::slice::from_ref(&path)).unwrap();
    for (name, tensor) in &tensors {
        assert_eq!(&open().take(name).unwrap().unwrap(), tensor);
        let kind = tensor.kind();
        let viewed = open().load(name, kind, Device::Cpu).unwrap().unwrap();
        assert!(viewed.mapped && viewed.tensor == *tensor, "{name}");
        let converted = open().load(name, Kind::Float, Device::Cpu).unwrap().unwrap();
        assert!(converted.tensor == tensor.to_kind(Kind::Float) && converted.mapped == (kind == Kind::Float));
        assert_eq!(open().stored(name).unwrap().shape, [3, 5]);
    }
    assert!(open().take("none").unwrap().is_none());
    let mut taken = open();
    taken.skip("Float");
    assert!(taken.take("Float").unwrap().is_none() && taken.untaken().count() == kinds.len() - 1);
}

#[test]
fn pieces_join_without_a_seam() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.safetensors");
    // More than one piece of the reader (1 MiB) and of the writer (2^20 elements).
    let tensor = ten(&[3, 700_001], Kind::Float);
    write(&path, [("a", &tensor)]).unwrap();
    let open = || Checkpoint::open_files(std::slice::from_ref(&path)).unwrap();
    assert_eq!(open().take("a").unwrap().unwrap(), tensor);
    let half = open().load("a", Kind::BFloat16, Device::Cpu).unwrap().unwrap().tensor;
    assert_eq!(half, tensor.to_kind(Kind::BFloat16));
}

#[test]
fn a_view_outlives_its_checkpoint_and_never_writes_to_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.safetensors");
    let tensor = ten(&[64, 64], Kind::Float);
    write(&path, [("a", &tensor), ("b", &tensor)]).unwrap();
    let before = std::fs::read(&path).unwrap();
    let mut checkpoint = Checkpoint::open_files(std::slice::from_ref(&path)).unwrap();
    let mut a = checkpoint.load("a", Kind::Float, Device::Cpu).unwrap().unwrap().tensor;
    let b = checkpoint.load("b", Kind::Float, Device::Cpu).unwrap().unwrap().tensor;
    drop(checkpoint);
    let _ = a.fill_(7.0);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    std::fs::remove_file(&path).unwrap();
    assert!(a.eq(7.0).all().int64_value(&[]) == 1 && b == tensor);
}

#[test]
fn what_does_not_begin_at_a_multiple_of_its_size_is_read_instead_of_viewed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.safetensors");
    let header = json!({
        "a": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
        "b": {"dtype": "F32", "shape": [2], "data_offsets": [1, 9]},
    });
    let mut bytes = std::fs::read(file(dir.path(), &header, 1)).unwrap();
    // Without padding: the 8 bytes of the length and the header's own decide where the data begin.
    bytes.extend([1.5f32, -2.0].iter().flat_map(|x| x.to_le_bytes()));
    std::fs::write(&path, bytes).unwrap();
    let mut checkpoint = Checkpoint::open_files(&[path]).unwrap();
    let loaded = checkpoint.load("b", Kind::Float, Device::Cpu).unwrap().unwrap();
    assert_eq!(loaded.tensor, Tensor::from_slice(&[1.5f32, -2.0]));
    let begin = 8 + header.to_string().len() + 1;
    assert!(!begin.is_multiple_of(4) && !loaded.mapped, "the case is not the one meant");
}

#[test]
fn types_that_are_not_read_say_so_when_taken() {
    let dir = tempfile::tempdir().unwrap();
    let header = json!({"a": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [0, 2]}});
    let mut checkpoint = Checkpoint::open_files(&[file(dir.path(), &header, 2)]).unwrap();
    let error = checkpoint.take("a").unwrap_err().to_string();
    assert!(error.contains("tensor `a`") && error.contains("F8_E4M3"), "{error}");
}

/// Two shards and an index that says which holds what.
fn sharded(dir: &Path, index: &serde_json::Value) -> Result<Checkpoint, WeightsError> {
    let one = ten(&[2], Kind::Float);
    write(&dir.join("1.safetensors"), [("a", &one), ("b", &one)]).unwrap();
    write(&dir.join("2.safetensors"), [("c", &one)]).unwrap();
    std::fs::write(dir.join(INDEX_FILE), json!({"metadata": {}, "weight_map": index}).to_string()).unwrap();
    Checkpoint::open_dir(dir)
}

#[test]
fn shards_and_index_must_agree() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = ("1.safetensors", "2.safetensors");
    let whole = sharded(dir.path(), &json!({"a": one, "b": one, "c": two})).unwrap();
    assert_eq!(whole.names().collect::<Vec<_>>(), ["a", "b", "c"]);
    let cases = [
        (json!({"a": one, "b": one, "c": "3.safetensors"}), "`3.safetensors`, which should hold `c`, is not"),
        (json!({"a": one, "b": two, "c": two}), "tensor `b` should be in `2.safetensors`"),
        (json!({"a": one, "b": one, "c": two, "d": two}), "tensor `d` should be in `2.safetensors`"),
        (json!({"a": one, "c": two}), "it does not know `b`"),
        (json!({"a": "../1.safetensors"}), "`../1.safetensors`"),
        (json!({"a": 1}), "the file of `a` is not a string"),
        (json!({}), "`weight_map` is empty"),
    ];
    for (index, expected) in cases {
        let error = sharded(dir.path(), &index).err().unwrap().to_string();
        assert!(error.contains(expected) && error.contains(INDEX_FILE), "{error}\nshould say: {expected}");
    }
    let tensor = ten(&[2], Kind::Float);
    sharded(dir.path(), &json!({"a": one, "b": one, "c": two})).map(drop).unwrap();
    write(&dir.path().join(two), [("a", &tensor), ("c", &tensor)]).unwrap();
    let error = Checkpoint::open_dir(dir.path()).err().unwrap().to_string();
    assert!(error.contains("tensor `a` is in both") && error.contains(one) && error.contains(two), "{error}");
    std::fs::write(dir.path().join(INDEX_FILE), "{}").unwrap();
    assert!(Checkpoint::open_dir(dir.path()).err().unwrap().to_string().contains("no `weight_map`"));
}

#[test]
fn an_empty_directory_says_what_was_looked_for() {
    let dir = tempfile::tempdir().unwrap();
    let error = Checkpoint::open_dir(dir.path()).err().unwrap().to_string();
    assert!(error.contains(SINGLE_FILE) && error.contains(PICKLE_FILE), "{error}");
}

/// A copy of a fixture's directory whose tensors were edited, loaded as a model.
fn edited(edit: impl FnOnce(&mut BTreeMap<String, Tensor>)) -> (tempfile::TempDir, Result<Network, String>) {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/arch/llama");
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(base.join("config.json"), dir.path().join("config.json")).unwrap();
    let mut tensors = Checkpoint::open_dir(&base).unwrap().take_all().unwrap();
    edit(&mut tensors);
    write(&dir.path().join(SINGLE_FILE), tensors.iter().map(|(n, t)| (n.as_str(), t))).unwrap();
    let network = Network::load(dir.path(), Device::Cpu, Kind::Float, Kind::Float, MissingHead::Refuse);
    let network = network.map_err(|e| e.to_string());
    (dir, network)
}

#[test]
fn what_a_model_needs_is_asked_for_by_name_shape_and_type() {
    const Q: &str = "model.layers.0.self_attn.q_proj.weight";
    type Edit = fn(&mut BTreeMap<String, Tensor>);
    let cases: [(Edit, &str); 6] = [
        (|t| drop(t.remove(Q)), "has no tensor `model.layers.0.self_attn.q_proj.weight` (shape [32, 32])"),
        (|t| drop(t.insert(Q.into(), ten(&[16, 32], Kind::Float))), "q_proj.weight` should have shape [32, 32]"),
        (|t| drop(t.insert(Q.into(), ten(&[32, 32], Kind::Double))), "has element type F64; weights are read in F32"),
        (|t| drop(t.insert(Q.into(), ten(&[32, 32], Kind::Int8))), "has element type I8"),
        (|t| drop(t.insert("model.extra".into(), ten(&[1], Kind::Float))), "does not use: model.extra"),
        (|t| drop(t.remove("score.weight")), "`score.weight` is missing"),
    ];
    for (edit, expected) in cases {
        let (dir, network) = edited(edit);
        let error = network.err().unwrap();
        assert!(error.contains(expected), "{error}\nshould say: {expected}");
        let place = dir.path().to_string_lossy().into_owned();
        assert!(error.contains(&place) || expected.contains("is missing"), "{error}");
    }
}

#[test]
fn trained_parameters_leave_the_file_that_they_were_read_from() {
    let (dir, network) = edited(|_| {});
    let network = network.unwrap();
    let path = dir.path().join(SINGLE_FILE);
    let before = std::fs::read(&path).unwrap();
    let inside = |tensor: &Tensor| mapped_at(tensor.data_ptr() as usize, &path);
    assert!(network.params().values().all(inside), "a checkpoint in the kind asked for is not copied");
    network.train_where(|name| name == "score.weight");
    for (name, tensor) in network.params() {
        assert_eq!(inside(tensor), name != "score.weight", "{name}");
        assert_eq!(tensor.requires_grad(), name == "score.weight");
    }
    network.train_all();
    assert!(!network.params().values().any(inside));
    tch::no_grad(|| network.params().values().for_each(|tensor| drop(tensor.shallow_clone().fill_(0.5))));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

/// Whether an address of this process lies in a mapping of the file.
fn mapped_at(address: usize, path: &Path) -> bool {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().filter(|line| line.ends_with(&*path.to_string_lossy())).any(|line| {
        let (begin, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let number = |text: &str| usize::from_str_radix(text, 16).unwrap();
        (number(begin)..number(end)).contains(&address)
    })
}
