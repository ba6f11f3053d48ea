//! The body of REGISTER_BROKER in its three forms: JSON, a bare topic table from very old brokers, and
//! deflated text. Also taken as deflated is what calls itself JSON and is not: 5.x brokers with
//! `compressedRegister=true` send that. The inflated size is bounded.

use crate::body::{DataVersion, RegisterBrokerBody, TopicConfig, TopicFilterType, TopicQueueMappingInfo};
use crate::json::{DecodeError, FromJson, from_slice};
use crate::wire::{V3_0_11, V5_0_0};
use std::io::Read;

/// The most a registration may inflate to.
pub const MAX_INFLATED: u64 = 64 * 1024 * 1024;

/// Why a body cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// JSON expected.
    #[error(transparent)]
    Json(#[from] DecodeError),
    /// Not a deflate stream.
    #[error("the body does not inflate")]
    Deflate,
    /// More than [`MAX_INFLATED`].
    #[error("the body inflates to more than {MAX_INFLATED} bytes")]
    TooLarge,
    /// A length, a count or a topic line makes no sense.
    #[error("the inflated body is malformed")]
    Malformed,
}

/// Decodes a body sent by a broker of that version.
pub fn decode_body(body: &[u8], version: i32, compressed: bool) -> Result<RegisterBrokerBody, BodyError> {
    if body.is_empty() {
        return Ok(RegisterBrokerBody::default());
    }
    if version < V3_0_11 {
        return Ok(RegisterBrokerBody { wrapper: from_slice(body)?, filter_servers: None });
    }
    let looks_like_json = body.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{');
    if looks_like_json && !compressed { Ok(from_slice(body)?) } else { inflated(&inflate(body)?, version) }
}

fn inflate(body: &[u8]) -> Result<Vec<u8>, BodyError> {
    let mut out = Vec::new();
    let mut stream = flate2::read::ZlibDecoder::new(body).take(MAX_INFLATED + 1);
    stream.read_to_end(&mut out).map_err(|_| BodyError::Deflate)?;
    if out.len() as u64 > MAX_INFLATED { Err(BodyError::TooLarge) } else { Ok(out) }
}

fn inflated(mut bytes: &[u8], version: i32) -> Result<RegisterBrokerBody, BodyError> {
    let mut body = RegisterBrokerBody::default();
    body.wrapper.data_version = json::<DataVersion>(&mut bytes)?;
    for _ in 0..number(&mut bytes)? {
        let line = core::str::from_utf8(piece(&mut bytes)?).map_err(|_| BodyError::Malformed)?;
        let config = topic_line(line).ok_or(BodyError::Malformed)?;
        body.wrapper.topics.insert(config.topic_name.clone(), config);
    }
    body.filter_servers = Some(json(&mut bytes)?);
    if version >= V5_0_0 {
        for _ in 0..number(&mut bytes)? {
            let info: TopicQueueMappingInfo = json(&mut bytes)?;
            body.wrapper.mapping_infos.insert(info.topic.clone(), info);
        }
    }
    Ok(body)
}

fn number(bytes: &mut &[u8]) -> Result<usize, BodyError> {
    let (head, rest) = bytes.split_first_chunk::<4>().ok_or(BodyError::Malformed)?;
    *bytes = rest;
    usize::try_from(i32::from_be_bytes(*head)).map_err(|_| BodyError::Malformed)
}

fn piece<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], BodyError> {
    let len = number(bytes)?;
    let (piece, rest) = bytes.split_at_checked(len).ok_or(BodyError::Malformed)?;
    *bytes = rest;
    Ok(piece)
}

fn json<T: FromJson>(bytes: &mut &[u8]) -> Result<T, BodyError> {
    Ok(from_slice(piece(bytes)?)?)
}

/// `name readQueues writeQueues perm filterType attributes`, the last one missing from 4.x.
fn topic_line(line: &str) -> Option<TopicConfig> {
    let mut parts = line.splitn(6, ' ');
    Some(TopicConfig {
        topic_name: parts.next()?.to_owned(),
        read_queue_nums: parts.next()?.parse().ok()?,
        write_queue_nums: parts.next()?.parse().ok()?,
        perm: parts.next()?.parse().ok()?,
        topic_filter_type: TopicFilterType::from_name(parts.next()?.trim())?,
        attributes: parts.next().and_then(|text| from_slice(text.as_bytes()).ok()).unwrap_or_default(),
        ..TopicConfig::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn deflate(bytes: &[u8]) -> Vec<u8> {
        let mut z = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        z.write_all(bytes).unwrap();
        z.finish().unwrap()
    }

    fn pieces(parts: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        for part in parts {
            match part.parse::<i32>() {
                Ok(n) => out.extend(n.to_be_bytes()),
                Err(_) => {
                    out.extend(i32::try_from(part.len()).unwrap().to_be_bytes());
                    out.extend(part.as_bytes());
                }
            }
        }
        out
    }

    #[test]
    fn deflated_with_and_without_mappings() {
        let version = "{\"counter\":1,\"stateVersion\":0,\"timestamp\":5}";
        let topics = ["T 4 5 6 SINGLE_TAG {\"message.type\":\"FIFO\"}", "Old 1 1 4 SINGLE_TAG"];
        let old = pieces(&[version, "2", topics[0], topics[1], "[\"f\"]"]);
        let body = decode_body(&deflate(&old), 400, true).unwrap();
        assert_eq!(body.wrapper.data_version.timestamp, 5);
        assert_eq!((body.wrapper.topics["T"].write_queue_nums, body.wrapper.topics["Old"].perm), (5, 4));
        assert_eq!(body.wrapper.topics["T"].attributes["message.type"], "FIFO");
        assert_eq!(body.filter_servers, Some(vec!["f".to_owned()]));

        let new = pieces(&[version, "0", "[]", "1", "{\"topic\":\"S\",\"bname\":\"b\",\"totalQueues\":2}"]);
        let body = decode_body(&deflate(&new), 479, false).unwrap();
        assert_eq!(body.wrapper.mapping_infos["S"].total_queues, 2);
    }

    #[test]
    fn bodies_that_cannot_be_read() {
        assert_eq!(decode_body(b"\x01\x02\x03", 479, false), Err(BodyError::Deflate));
        assert_eq!(decode_body(&deflate(&[0; 3]), 479, true), Err(BodyError::Malformed));
        assert_eq!(decode_body(&deflate(&[0x7f; 8]), 479, true), Err(BodyError::Malformed));
        assert!(matches!(decode_body(b"{\"a\"", 479, false), Err(BodyError::Json(_))));
        let bomb = deflate(&vec![0; usize::try_from(MAX_INFLATED).unwrap() + 2]);
        assert!(bomb.len() < 100_000);
        assert_eq!(decode_body(&bomb, 479, true), Err(BodyError::TooLarge));
    }

    #[test]
    fn absent_and_ancient_bodies() {
        assert_eq!(decode_body(b"", 479, false), Ok(RegisterBrokerBody::default()));
        let bare = decode_body(b"{\"topicConfigTable\":{\"T\":{\"topicName\":\"T\"}}}", 0, false).unwrap();
        assert_eq!((bare.wrapper.topics.len(), bare.filter_servers), (1, None));
    }

    quickcheck::quickcheck! {
        fn never_panics(bytes: Vec<u8>, version: i32, compressed: bool) -> bool {
            let _ = decode_body(&bytes, version, compressed);
            let _ = inflated(&bytes, version);
            true
        }
    }
}
