//! Requests off the wire and answers onto it, with the faults that belong there.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use super::{Answer, Fault, Host, Request};

pub fn unquoted(part: &str) -> String {
    let bytes = part.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' {
            out.push(u8::from_str_radix(&part[at + 1..at + 3], 16).unwrap());
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(out).unwrap()
}

pub fn read_request(reader: &mut BufReader<&TcpStream>, host: Host) -> std::io::Result<Option<Request>> {
    let mut first = String::new();
    if reader.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let mut words = first.split_whitespace().map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        let (name, value) = line.trim().split_once(':').unwrap();
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink())?;
    Ok(Some(Request { host, method, target, headers }))
}

/// Whether the connection may go on.
pub fn write_answer(
    mut stream: &TcpStream,
    request: &Request,
    answer: Answer,
    fault: Option<&Fault>,
) -> std::io::Result<bool> {
    let Answer { status, headers, mut body } = answer;
    match fault {
        Some(Fault::Corrupt) if !body.is_empty() => body[0] ^= 1,
        Some(Fault::Length(by)) => body.resize(body.len().saturating_add_signed(*by), b'x'),
        _ => {}
    }
    let mut head = format!("HTTP/1.1 {status} Status\r\nContent-Length: {}\r\n", body.len());
    headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    if request.method == "HEAD" {
        return Ok(true);
    }
    match fault {
        Some(Fault::BreakAfter(n)) if *n < body.len() => {
            stream.write_all(&body[..*n])?;
            Ok(false)
        }
        Some(Fault::StallAfter(n, pause)) if *n < body.len() => {
            stream.write_all(&body[..*n])?;
            std::thread::sleep(*pause);
            Ok(false)
        }
        _ => stream.write_all(&body).map(|()| true),
    }
}
