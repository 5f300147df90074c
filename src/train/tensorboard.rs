//! Event files that TensorBoard reads: TFRecords of `Event` messages (tensorflow/core/util/event.proto), written
//! out by hand since one message of three fields is all that scalars need.
//!
//! A record is its length (u64), the length's checksum, the bytes, their checksum; a checksum is CRC-32C, rotated
//! and offset ("masked"). Numbers are little-endian.

use serde_json::Value;

/// Where TensorBoard looks, below a run's directory.
pub const DIRECTORY: &str = "tensorboard";
/// One file for the whole run: a resumed one cuts it back as it does its other logs. TensorBoard asks for the
/// middle part in a name, and orders files by what follows it.
pub const FILE: &str = "events.out.tfevents.0.rmbench";

/// What an event file begins with.
pub fn beginning(wall_time: f64) -> Vec<u8> {
    let mut event = time(wall_time);
    text(&mut event, 3, "brain.Event:2");
    record(&event)
}

/// All numbers of a log's line as scalars of one step, named `prefix/key` and, of languages,
/// `prefix-LANGUAGE/key`.
pub fn scalars(prefix: &str, line: &Value, step: u64, wall_time: f64) -> Vec<u8> {
    let mut summary = Vec::new();
    for (tag, number) in flattened(prefix, line) {
        let mut value = Vec::new();
        text(&mut value, 1, &tag);
        value.push(field(2, FIXED32));
        value.extend((number as f32).to_le_bytes());
        bytes(&mut summary, 1, &value);
    }
    let mut event = time(wall_time);
    event.push(field(2, VARINT));
    varint(&mut event, step);
    bytes(&mut event, 5, &summary);
    record(&event)
}

fn flattened(prefix: &str, line: &Value) -> Vec<(String, f64)> {
    let mut found = Vec::new();
    for (key, value) in line.as_object().into_iter().flatten() {
        match (key.as_str(), value) {
            ("step", _) => {}
            ("languages", Value::Object(languages)) => {
                for (lang, numbers) in languages {
                    found.extend(flattened(&format!("{prefix}-{lang}"), numbers));
                }
            }
            (_, Value::Number(number)) => {
                found.extend(number.as_f64().map(|number| (format!("{prefix}/{key}"), number)));
            }
            _ => {}
        }
    }
    found
}

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const BYTES: u8 = 2;
const FIXED32: u8 = 5;

fn field(number: u8, wire: u8) -> u8 {
    number << 3 | wire
}

fn time(wall_time: f64) -> Vec<u8> {
    let mut event = vec![field(1, FIXED64)];
    event.extend(wall_time.to_le_bytes());
    event
}

fn text(into: &mut Vec<u8>, number: u8, value: &str) {
    bytes(into, number, value.as_bytes());
}

fn bytes(into: &mut Vec<u8>, number: u8, value: &[u8]) {
    into.push(field(number, BYTES));
    varint(into, value.len() as u64);
    into.extend(value);
}

fn varint(into: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        into.push(value as u8 | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

fn record(event: &[u8]) -> Vec<u8> {
    let length = (event.len() as u64).to_le_bytes();
    let mut record = length.to_vec();
    record.extend(masked(&length).to_le_bytes());
    record.extend(event);
    record.extend(masked(event).to_le_bytes());
    record
}

fn masked(bytes: &[u8]) -> u32 {
    crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), bit by bit: lines are short.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The check value of the CRC catalogue, and RFC 3720's 32 zeros.
    #[test]
    fn checksums_are_castagnolis() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    }

    #[test]
    fn numbers_are_named_by_their_place() {
        let line = json!({"step": 3, "loss": 0.5, "phase": "x", "languages": {"eng_Latn": {"n": 2, "accuracy": null}}});
        let expected = [("train-eng_Latn/n".to_owned(), 2.0), ("train/loss".to_owned(), 0.5)];
        let mut found = flattened("train", &line);
        found.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(found, expected);
    }

    #[test]
    fn long_numbers_take_several_bytes() {
        let mut into = Vec::new();
        varint(&mut into, 300);
        assert_eq!(into, [0xac, 0x02]);
    }
}
