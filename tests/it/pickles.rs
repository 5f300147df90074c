//! PyTorch's own files: read as torch.load reads them, and refused by name where they hold anything else.
//!
//! Fixtures: `tests/fixtures/pickle`, written by `tests/reference/pickles.py`; hostile files are made here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rmbench::backbone::weights::{Checkpoint, WeightsError};
use rmbench::reward::network::{MissingHead, Network};
use serde_json::json;
use tch::{Device, Kind};

use crate::parity;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pickle").join(name)
}

fn open(path: &Path) -> Result<Checkpoint, WeightsError> {
    Checkpoint::open_files(&[path.to_owned()])
}

#[test]
fn tensors_equal_those_of_torch_load() {
    let expected = open(&fixture("expected.safetensors")).unwrap().take_all().unwrap();
    let files: BTreeSet<&str> = expected.keys().filter_map(|name| Some(name.split_once('/')?.0)).collect();
    assert_eq!(files.len(), 5);
    let mut compared = 0;
    for file in files {
        let found = open(&fixture(file)).unwrap().take_all().unwrap();
        for (name, tensor) in &found {
            let expected = &expected[&format!("{file}/{name}")];
            assert_eq!((tensor.kind(), tensor.size()), (expected.kind(), expected.size()), "{file}/{name}");
            assert!(tensor == expected && tensor.is_contiguous(), "{file}/{name}");
            // As a view of the file, where it can be one, and converted on the way.
            let mut again = open(&fixture(file)).unwrap();
            let viewed = again.load(name, tensor.kind(), Device::Cpu).unwrap().unwrap();
            assert!(viewed.tensor == *expected, "{file}/{name}");
            let strided = ["transposed", "columns", "every_third"].contains(&name.as_str());
            assert!(viewed.mapped != strided || tensor.numel() == 0, "{file}/{name} mapped: {}", viewed.mapped);
            let mut again = open(&fixture(file)).unwrap();
            let converted = again.load(name, Kind::Double, Device::Cpu).unwrap().unwrap();
            assert_eq!(converted.tensor, expected.to_kind(Kind::Double), "{file}/{name}");
            compared += 1;
        }
    }
    assert_eq!(compared, expected.len());
}

/// What is wrong with a file, which the error must name, with the command that converts it.
fn refused(path: &Path) -> String {
    let error = open(path).err().expect("it should be refused").to_string();
    assert!(error.contains(&*path.to_string_lossy()) && error.contains("weights_only=True"), "{error}");
    error
}

#[test]
fn files_that_hold_more_than_tensors_are_refused_by_name() {
    let cases = [
        ("legacy.bin", "a bare pickle, the format of PyTorch before 1.6"),
        ("namespace.bin", "names `types.SimpleNamespace`"),
        ("epoch.bin", "its `epoch` is not a tensor"),
        ("list.bin", "does not hold a dictionary"),
    ];
    for (file, expected) in cases {
        let error = refused(&fixture(file));
        assert!(error.contains(expected), "{error}\nshould say: {expected}");
    }
}

/// A zip of stored records, as `torch.save` lays it out.
fn archive(records: &[(&str, Vec<u8>)], method: u16) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in records {
        let name = format!("archive/{name}");
        let (header, n) = (bytes.len() as u32, content.len() as u32);
        let fixed = |out: &mut Vec<u8>| {
            out.extend([0u16, method, 0, 0].iter().flat_map(|x| x.to_le_bytes()));
            out.extend([0u32, n, n].iter().flat_map(|x| x.to_le_bytes()));
            out.extend((name.len() as u16).to_le_bytes());
            out.extend(0u16.to_le_bytes());
        };
        bytes.extend(0x0403_4b50u32.to_le_bytes());
        bytes.extend(20u16.to_le_bytes());
        fixed(&mut bytes);
        bytes.extend(name.as_bytes());
        bytes.extend(content);
        directory.extend(0x0201_4b50u32.to_le_bytes());
        directory.extend([20u16, 20].iter().flat_map(|x| x.to_le_bytes()));
        fixed(&mut directory);
        directory.extend([0u8; 10]);
        directory.extend(header.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let begin = bytes.len() as u32;
    bytes.extend(&directory);
    bytes.extend(0x0605_4b50u32.to_le_bytes());
    let n = records.len() as u16;
    bytes.extend([0, 0, n, n].iter().flat_map(|x| x.to_le_bytes()));
    bytes.extend([directory.len() as u32, begin].iter().flat_map(|x| x.to_le_bytes()));
    bytes.extend(0u16.to_le_bytes());
    bytes
}

fn text(text: &str) -> Vec<u8> {
    [&b"X"[..], &(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()
}

fn int(n: i32) -> Vec<u8> {
    [&b"J"[..], &n.to_le_bytes()].concat()
}

/// `{"a": tensor}` in pickle's words; the storage is record `0`.
fn tensor(numel: i32, offset: i32, shape: &[i32], strides: &[i32]) -> Vec<u8> {
    let ints = |ints: &[i32]| [&b"("[..], &ints.iter().flat_map(|&n| int(n)).collect::<Vec<_>>(), b"t"].concat();
    let storage =
        [&b"("[..], &text("storage"), b"ctorch\nFloatStorage\n", &text("0"), &text("cpu"), &int(numel), b"tQ"].concat();
    let call = [&b"ctorch._utils\n_rebuild_tensor_v2\n("[..], &storage, &int(offset), &ints(shape), &ints(strides)];
    [&b"\x80\x02}"[..], &text("a"), &call.concat(), b"\x89NtRs."].concat()
}

fn written(dir: &Path, pickle: Vec<u8>) -> PathBuf {
    let records = [("data.pkl", pickle), ("byteorder", b"little".to_vec()), ("data/0", vec![0; 16])];
    written_as(dir, archive(&records, 0))
}

fn written_as(dir: &Path, bytes: Vec<u8>) -> PathBuf {
    let path = dir.join("pytorch_model.bin");
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn hostile_pickles_are_refused_and_nothing_is_run() {
    let dir = tempfile::tempdir().unwrap();
    assert!(open(&written(dir.path(), tensor(4, 0, &[2, 2], &[2, 1]))).is_ok());
    let marker = dir.path().join("ran");
    let command = text(&format!("touch {}", marker.display()));
    let call = |global: &[u8]| [&b"\x80\x02"[..], global, b"(", &command, b"tR."].concat();
    let named = |module: &str, name: &str| [text(module), text(name), b"\x93".to_vec()].concat();
    let deep: Vec<u8> = [&b"\x80\x02)"[..], &vec![0x85; 3_000_000], b"."].concat();
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (call(b"cposix\nsystem\n"), "names `posix.system`"),
        (call(b"cos\nsystem\n"), "names `os.system`"),
        (call(b"cbuiltins\neval\n"), "names `builtins.eval`"),
        (call(&named("subprocess", "Popen")), "names `subprocess.Popen`"),
        // A look-alike of what is allowed.
        (call(b"ctorch._utils\n_rebuild_tensor_v2.__globals__\n"), "`torch._utils._rebuild_tensor_v2.__globals__`"),
        (call(b"ctorch\nload\n"), "names `torch.load`"),
        // Other ways to call: INST, OBJ, NEWOBJ, EXT1, and persistent ids as text.
        ([&b"(S'x'\nios\nsystem\n."[..]].concat(), "operation 0x53"),
        (b"\x80\x02(ios\nsystem\n.".to_vec(), "operation 0x69"),
        ([&b"\x80\x02ccollections\nOrderedDict\n)\x81."[..]].concat(), "operation 0x81"),
        (b"\x80\x02\x82\x01.".to_vec(), "operation 0x82"),
        (b"\x80\x02Px\n.".to_vec(), "operation 0x50"),
        // Attributes of something that is not a dictionary; a call of something that is no function.
        (b"\x80\x02]}b.".to_vec(), "attributes of something other than a dictionary"),
        ([&b"\x80\x02"[..], &text("x"), b")R."].concat(), "not a function"),
        (b"\x80\x02ccollections\nOrderedDict\n(K\x01tR.".to_vec(), "in an unknown way"),
        // Sizes that are not there, in every field that has one.
        (tensor(5, 0, &[5], &[1]), "should have 5 elements and has 4"),
        (tensor(i32::MAX, 0, &[1], &[1]), "should have 2147483647 elements and has 4"),
        (tensor(-1, 0, &[1], &[1]), "should have -1 elements"),
        (tensor(4, 1, &[4], &[1]), "goes beyond its storage"),
        (tensor(4, 0, &[2, 2], &[3, 1]), "goes beyond its storage"),
        (tensor(4, -1, &[1], &[1]), "do not describe a tensor"),
        (tensor(4, 0, &[-1], &[1]), "do not describe a tensor"),
        (tensor(4, 0, &[1], &[-1]), "do not describe a tensor"),
        (tensor(4, 0, &[2, 2], &[1]), "do not describe a tensor"),
        (tensor(4, 0, &[i32::MAX; 3], &[0; 3]), "do not describe a tensor"),
        (tensor(4, 0, &[i32::MAX], &[0]), "repeats elements"),
        (tensor(4, 0, &[1; 17], &[1; 17]), "a tensor of 17 axes"),
        ([&b"\x80\x02X"[..], &u32::MAX.to_le_bytes(), b"abc."].concat(), "damaged"),
        ([&b"\x80\x04\x8d"[..], &u64::MAX.to_le_bytes(), b"abc."].concat(), "damaged"),
        // A stack, marks and memory that are not there; nesting three million deep; the end missing.
        (b"\x80\x02t.".to_vec(), "damaged"),
        (b"\x80\x02h\x07.".to_vec(), "damaged"),
        (b"\x80\x02R.".to_vec(), "damaged"),
        (b"\x80\x02K\x01(s.".to_vec(), "damaged"),
        (b"\x80\x02}(K\x01u.".to_vec(), "damaged"),
        (b"\x80\x02}".to_vec(), "damaged"),
        (Vec::new(), "damaged"),
        (deep, "does not hold a dictionary"),
        // A dictionary within itself.
        ([&b"\x80\x02}q\x00"[..], &text("a"), b"h\x00s."].concat(), "its `a` is not a tensor"),
    ];
    for (pickle, expected) in cases {
        let error = refused(&written(dir.path(), pickle));
        assert!(error.contains(expected), "{error}\nshould say: {expected}");
    }
    assert!(!marker.exists());
}

#[test]
fn damaged_archives_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let pickle = tensor(4, 0, &[4], &[1]);
    let records = [("data.pkl", pickle.clone()), ("data/0", vec![0; 16])];
    let whole = archive(&records, 0);
    assert!(open(&written_as(dir.path(), whole.clone())).is_ok());
    // Wherever it is cut, it is refused.
    for n in 0..whole.len() {
        refused(&written_as(dir.path(), whole[..n].to_vec()));
    }
    // Whatever single byte is changed, it is refused or read within its bounds: never a panic.
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 0xff;
        let path = written_as(dir.path(), changed);
        if let Ok(checkpoint) = open(&path) {
            let _ = checkpoint.take_all();
        }
    }
    let cases = [
        (archive(&records, 8), "its record `data.pkl` is compressed"),
        (archive(&records[..1], 0), "it has no record `data/0`"),
        (archive(&records[1..], 0), "it has no record `data.pkl`"),
        (archive(&[records[0].clone(), records[0].clone()], 0), "lists `archive/data.pkl` twice"),
        (archive(&[("byteorder", b"big".to_vec()), ("data.pkl", pickle)], 0), "not little-endian"),
        (b"not a zip at all".to_vec(), "it is not a zip file"),
        (Vec::new(), "it is not a zip file"),
    ];
    for (bytes, expected) in cases {
        let error = refused(&written_as(dir.path(), bytes));
        assert!(error.contains(expected), "{error}\nshould say: {expected}");
    }
}

#[test]
fn the_error_names_the_command_that_converts() {
    let dir = tempfile::tempdir().unwrap();
    let error = refused(&written_as(dir.path(), Vec::new()));
    assert!(error.contains("torch.load('pytorch_model.bin'") && error.contains("'model.safetensors'"), "{error}");
}

#[test]
fn a_model_with_pickled_weights_loads_whole_or_in_shards() {
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/arch/bert");
    let dir = tempfile::tempdir().unwrap();
    std::fs::copy(base.join("config.json"), dir.path().join("config.json")).unwrap();
    // Storages of our own making: the pickle of a state dict, tensor by tensor.
    let tensors = Checkpoint::open_dir(&base).unwrap().take_all().unwrap();
    let shard = |names: &[&String]| {
        let mut pickle = b"\x80\x02}(".to_vec();
        let mut records = Vec::new();
        for (number, name) in names.iter().enumerate() {
            let tensor = &tensors[*name];
            let (n, shape) = (tensor.numel() as i32, tensor.size());
            let strides = tensor.stride();
            let ints = |ints: &[i64]| {
                [&b"("[..], &ints.iter().flat_map(|&n| int(n as i32)).collect::<Vec<_>>(), b"t"].concat()
            };
            pickle.extend(text(name));
            pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
            pickle.extend([text("storage"), b"ctorch\nFloatStorage\n".to_vec()].concat());
            pickle.extend([text(&number.to_string()), text("cpu"), int(n), b"tQ".to_vec(), int(0)].concat());
            pickle.extend([ints(&shape), ints(&strides), b"\x89NtR".to_vec()].concat());
            let mut bytes = vec![0u8; n as usize * 4];
            tensor.copy_data_u8(&mut bytes, n as usize);
            records.push((format!("data/{number}"), bytes));
        }
        pickle.extend(b"u.");
        records.insert(0, ("data.pkl".to_owned(), pickle));
        let records: Vec<(&str, Vec<u8>)> = records.iter().map(|(n, b)| (n.as_str(), b.clone())).collect();
        archive(&records, 0)
    };
    let batch = parity::separate_pairs(&base);
    let load = |dir: &Path| Network::load(dir, Device::Cpu, Kind::Float, Kind::Float, MissingHead::Refuse);
    let expected = load(&base).unwrap().rewards(&batch).unwrap();
    let names: Vec<&String> = tensors.keys().collect();
    let single = dir.path().join("pytorch_model.bin");
    std::fs::write(&single, shard(&names)).unwrap();
    assert_eq!(load(dir.path()).unwrap().rewards(&batch).unwrap(), expected);
    std::fs::remove_file(&single).unwrap();
    let (one, two) = names.split_at(names.len() / 2);
    let mut map = serde_json::Map::new();
    for (file, part) in [("pytorch_model-00001-of-00002.bin", one), ("pytorch_model-00002-of-00002.bin", two)] {
        std::fs::write(dir.path().join(file), shard(part)).unwrap();
        map.extend(part.iter().map(|name| ((*name).clone(), json!(file))));
    }
    std::fs::write(dir.path().join("pytorch_model.bin.index.json"), json!({"weight_map": map}).to_string()).unwrap();
    assert_eq!(load(dir.path()).unwrap().rewards(&batch).unwrap(), expected);
}
