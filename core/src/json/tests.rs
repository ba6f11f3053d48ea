//! The dialect, by example and by property.

use super::{DecodeError, Json, Key, Style, from_slice, parse, to_vec, write_compact, write_pretty};
use quickcheck::{Arbitrary, Gen, quickcheck};
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
struct AnyJson(Json);

fn any_json(g: &mut Gen, depth: usize) -> Json {
    let kinds = if depth == 0 { 5 } else { 7 };
    match u32::arbitrary(g) % kinds {
        0 => Json::Null,
        1 => Json::Bool(bool::arbitrary(g)),
        2 => Json::Int(i64::arbitrary(g)),
        3 => {
            let x = f64::arbitrary(g);
            Json::Float(if x.is_finite() { x } else { 0.5 })
        }
        4 => Json::Str(String::arbitrary(g)),
        5 => Json::Array((0..u32::arbitrary(g) % 4).map(|_| any_json(g, depth - 1)).collect()),
        _ => Json::Object(
            (0..u32::arbitrary(g) % 4).map(|_| (any_key(g, depth - 1), any_json(g, depth - 1))).collect(),
        ),
    }
}

fn any_key(g: &mut Gen, depth: usize) -> Key {
    match u32::arbitrary(g) % 6 {
        0 => Key::Int(i64::arbitrary(g)),
        1 => Key::Object(Box::new(Json::Object(vec![(Key::from("k"), any_json(g, depth))]))),
        _ => Key::Name(String::arbitrary(g)),
    }
}

impl Arbitrary for AnyJson {
    fn arbitrary(g: &mut Gen) -> Self {
        AnyJson(any_json(g, 4))
    }
}

/// What the standard spelling turns bare keys into.
fn quoted_keys(json: &Json) -> Json {
    match json {
        Json::Array(items) => Json::Array(items.iter().map(quoted_keys).collect()),
        Json::Object(members) => Json::Object(
            members
                .iter()
                .map(|(k, v)| {
                    let name = match k {
                        Key::Name(n) => n.clone(),
                        Key::Int(n) => n.to_string(),
                        Key::Object(o) => write_compact(o, Style::Fastjson),
                    };
                    (Key::Name(name), quoted_keys(v))
                })
                .collect(),
        ),
        other => other.clone(),
    }
}

quickcheck! {
    fn bytes_never_panic(bytes: Vec<u8>) -> bool {
        let _ = parse(&bytes);
        true
    }

    fn near_json_never_panics(picks: Vec<u8>) -> bool {
        const PARTS: [&[u8]; 20] = [
            b"{", b"}", b"[", b"]", b",", b":", b"\"", b"'", b"\\", b"\\u12", b"-", b"1e9", b"null", b"0", b"/*",
            b"*/", b"//", b"\xff", b"a", b".",
        ];
        let text: Vec<u8> = picks.iter().flat_map(|p| PARTS[usize::from(*p) % PARTS.len()]).copied().collect();
        let _ = parse(&text);
        true
    }

    fn fastjson_text_reads_back(json: AnyJson) -> bool {
        parse(write_compact(&json.0, Style::Fastjson).as_bytes()) == Ok(json.0)
    }

    fn pretty_text_reads_back(json: AnyJson) -> bool {
        parse(write_pretty(&json.0).as_bytes()) == Ok(json.0)
    }

    fn standard_text_reads_back(json: AnyJson) -> bool {
        let text = write_compact(&json.0, Style::Standard);
        text.is_ascii() && parse(text.as_bytes()) == Ok(quoted_keys(&json.0))
    }

    fn standard_text_is_json_to_others(json: AnyJson) -> bool {
        serde_json::from_str::<serde_json::Value>(&write_compact(&json.0, Style::Standard)).is_ok()
    }

    fn truncated_text_is_an_error(json: AnyJson) -> bool {
        let text = write_compact(&Json::Array(vec![json.0]), Style::Fastjson);
        (0..text.len()).all(|n| parse(&text.as_bytes()[..n]).is_err())
    }
}

#[test]
fn what_the_reference_tolerates() {
    let json =
        parse(b" {,0:'a', -1 : .5 , name:\"b\\u00e9\\x41\\/\", {\"q\":1}:2, /* c */ 'k':[1,,2,],} // end")
            .unwrap();
    let expected = Json::Object(vec![
        (Key::Int(0), Json::Str("a".into())),
        (Key::Int(-1), Json::Float(0.5)),
        (Key::from("name"), Json::Str("béA/".into())),
        (Key::Object(Box::new(Json::Object(vec![(Key::from("q"), Json::Int(1))]))), Json::Int(2)),
        (Key::from("k"), Json::Array(vec![Json::Int(1), Json::Int(2)])),
    ]);
    assert_eq!(json, expected);
    assert_eq!(parse(b"18446744073709551615").unwrap(), Json::Float(18_446_744_073_709_551_615.0));
    assert_eq!(parse("\"\\uD83D\\uDE00\"".as_bytes()).unwrap(), Json::Str("😀".into()));
    assert_eq!(parse(b"\"\\ud83d!\"").unwrap(), Json::Str("\u{fffd}!".into()));
}

#[test]
fn errors_say_where_and_what() {
    let text = |bytes: &[u8]| parse(bytes).unwrap_err().to_string();
    assert_eq!(text(b""), "JSON: expected a value at byte 0");
    assert_eq!(text(b"{\"a\" 1}"), "JSON: expected `:` at byte 5");
    assert_eq!(text(b"[1 2]"), "JSON: expected `,` or `]` at byte 3");
    assert_eq!(text(b"{} x"), "JSON: expected the end of the text at byte 3");
    assert_eq!(text("[".repeat(100_000).as_bytes()), "JSON: expected less nesting at byte 64");
}

#[test]
fn two_spellings() {
    let json = parse("{0:\"é\u{1}\",{\"b\":1}:0.0,\"x\":1e10}".as_bytes()).unwrap();
    assert_eq!(write_compact(&json, Style::Fastjson), "{0:\"é\\u0001\",{\"b\":1}:0.0,\"x\":1.0E10}");
    assert_eq!(
        write_compact(&json, Style::Standard),
        "{\"0\":\"\\u00E9\\u0001\",\"{\\\"b\\\":1}\":0.0,\"x\":1.0E10}"
    );
}

#[test]
fn pretty_as_the_reference_stores_it() {
    let text = "{\n\t\"groupTopicMap\":{\n\t\t\"CG\":[\"A\",\"B\"]\n\t},\n\t\"list\":[\n\t\t{\n\t\t\t\"a\":1\n\t\t}\n\t],\
                \n\t\"offsetTable\":{\n\t\t\"A@CG\":{0:55,1:55\n\t\t}\n\t},\n\t\"table\":{}\n}";
    assert_eq!(write_pretty(&parse(text.as_bytes()).unwrap()), text);
}

crate::json_struct! {
    #[derive(Clone, Debug, Default, PartialEq)]
    struct Sample {
        zeta: i32 = "zeta",
        alpha: Option<String> = "alpha",
        table: BTreeMap<i64, String> = "table",
        ratio: f64 = "ratio",
    }
}

#[test]
fn structs_are_sorted_and_forgiving() {
    let sample: Sample = from_slice(b"{zeta:'42','table':{'0':'a',1:2},unknown:[],ratio:null}").unwrap();
    assert_eq!(sample.zeta, 42);
    assert_eq!(
        String::from_utf8(to_vec(&sample, Style::Fastjson)).unwrap(),
        "{\"ratio\":0.0,\"table\":{0:\"a\",1:\"2\"},\"zeta\":42}"
    );
    let hopeless = from_slice::<Sample>(b"{\"zeta\":{}}").unwrap_err();
    assert!(matches!(hopeless, DecodeError::Shape(_)));
    assert_eq!(hopeless.to_string(), "JSON: expected a whole number in \"zeta\"");
}
