//! Every captured frame decodes to its recorded header and encodes back to the same meaning, and to the same
//! bytes where the order of its fields is the recorded one.
#![allow(clippy::disallowed_methods)] // golden data lies in files

use sansmq_core::wire::frame::{self, Head, Limits, Split};
use sansmq_core::wire::preface::{self, Preface};
use sansmq_core::wire::{Command, Encoding, Ext, ExtValue};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::HashMap;

fn golden(name: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/remoting/");
    std::fs::read_to_string(format!("{path}{name}")).expect("golden data is part of the repository")
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).expect("hex")).collect()
}

fn frames() -> Vec<(Value, Vec<u8>)> {
    let index: Vec<Value> = serde_json::from_str(&golden("index.json")).expect("index");
    let bytes: HashMap<String, Vec<u8>> = golden("frames.hex")
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, hex)| (name.to_owned(), unhex(hex)))
        .collect();
    index
        .into_iter()
        .map(|entry| {
            let data = bytes[entry["file"].as_str().expect("file")].clone();
            (entry, data)
        })
        .collect()
}

fn ext_of(header: &Value) -> Option<Ext> {
    header["extFields"].as_object().map(|fields| {
        let mut ext = Ext::new();
        for (key, value) in fields {
            ext.put(key.clone(), ExtValue::Text(Cow::Owned(value.as_str().expect("text").to_owned())));
        }
        ext
    })
}

#[test]
fn every_frame_decodes_to_its_recorded_header() {
    let frames = frames();
    assert_eq!(frames.len(), 525);
    for (entry, data) in frames {
        let name = entry["file"].as_str().expect("file");
        assert_eq!(frame::split(&data, Limits::default()), Ok(Split::Whole(data.len())), "{name}");
        let command = Command::decode(&data).unwrap_or_else(|error| panic!("{name}: {error}"));
        let header = &entry["header"];
        assert_eq!(Value::from(command.code), header["code"], "{name} code");
        assert_eq!(Value::from(command.version), header["version"], "{name} version");
        assert_eq!(Value::from(command.opaque), header["opaque"], "{name} opaque");
        assert_eq!(Value::from(command.flag), header["flag"], "{name} flag");
        assert_eq!(command.language.map(|l| l.name()), header["language"].as_str(), "{name} language");
        assert_eq!(command.remark.as_deref(), header["remark"].as_str(), "{name} remark");
        assert_eq!(command.body.len() as u64, entry["bodyLength"].as_u64().expect("length"), "{name} body");
        let wanted = ext_of(header);
        assert_eq!(command.ext.is_some(), wanted.is_some(), "{name} extFields present");
        let keys = |ext: &Option<Ext>| -> HashMap<String, String> {
            ext.iter().flat_map(|e| e.iter()).map(|(k, v)| (k.to_owned(), v.to_string())).collect()
        };
        assert_eq!(keys(&command.ext), keys(&wanted), "{name} extFields");
    }
}

#[test]
fn every_frame_encodes_back() {
    for (entry, data) in frames() {
        let name = entry["file"].as_str().expect("file");
        let command = Command::decode(&data).unwrap_or_else(|error| panic!("{name}: {error}"));
        let encoding = if entry["serializeType"] == "JSON" { Encoding::Json } else { Encoding::RocketMq };
        let again = command.encode(encoding);
        assert_eq!(Command::decode(&again).as_ref(), Ok(&command), "{name} meaning");
        if encoding == Encoding::RocketMq || command.ext.as_ref().is_none_or(|ext| ext.len() < 2) {
            assert_eq!(again.as_ref(), data.as_slice(), "{name} bytes");
        }
    }
}

#[test]
fn malformed_input_is_refused_where_the_reference_closes() {
    let cases: Value = serde_json::from_str(&golden("malformed.json")).expect("malformed.json");
    for case in cases["cases"].as_array().expect("cases") {
        let name = case["name"].as_str().expect("name");
        let mut data = unhex(case["send"].as_str().expect("send"));
        let mut head = Head::default();
        if let Preface::Proxied { length, .. } = preface::detect(&data) {
            data.drain(..length);
        }
        let outcome = match frame::split(&data, Limits::default()) {
            Ok(Split::Whole(whole)) => frame::decode(&mut data[..whole], &mut head).map(|_| true),
            Ok(Split::Need(_)) => Ok(false),
            Err(error) => Err(error),
        };
        assert_eq!(outcome.is_err(), case["expect"]["closed"] == true, "{name}: {outcome:?}");
    }
}
