//! The types openraft is instantiated with, and their encoding on disk and on the wire: JSON, in which commands
//! are strings as long as they are text.

use core::fmt;

use bytes::Bytes;
use openraft::alias::{LogIdOf, SnapshotMetaOf, VoteOf};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::runtime::HandRuntime;

openraft::declare_raft_types!(
    /// Leaders as in the Raft paper: at most one per term.
    pub Types:
        D = Blob,
        R = Blob,
        NodeId = u64,
        Node = openraft::EmptyNode,
        Term = u64,
        LeaderId = openraft::impls::leader_id_std::LeaderId<u64, u64>,
        AsyncRuntime = HandRuntime,
);

pub type Entry = <Types as openraft::RaftTypeConfig>::Entry;
pub type LogId = LogIdOf<Types>;
pub type Vote = VoteOf<Types>;
pub type SnapshotMeta = SnapshotMetaOf<Types>;

/// Bytes that are mostly text: a command, its result, a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blob(pub Bytes);

impl fmt::Display for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match core::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.collect_seq(self.0.iter()),
        }
    }
}

impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Blob;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a list of bytes")
            }

            fn visit_str<E>(self, text: &str) -> Result<Blob, E> {
                Ok(Blob(Bytes::copy_from_slice(text.as_bytes())))
            }

            fn visit_string<E>(self, text: String) -> Result<Blob, E> {
                Ok(Blob(text.into()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Blob, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = list.next_element()? {
                    bytes.push(byte);
                }
                Ok(Blob(bytes.into()))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// The vote as it is kept on disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredVote {
    pub vote: Vote,
    /// This member may vote; see `standing`.
    pub voter: bool,
}

/// A snapshot as it is kept on disk and sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredSnapshot {
    pub meta: SnapshotMeta,
    pub state: Blob,
}

/// JSON of a value of this module.
pub fn encode<T: Serialize>(value: &T) -> Bytes {
    // none of these types has a map with keys that are no strings, the one thing that can fail
    serde_json::to_vec(value).map(Bytes::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blobs_survive_whether_they_are_text_or_not() {
        for bytes in [&b""[..], b"{\"a\":1}", "\u{e4}\0\"\\".as_bytes(), &[0xff, 0, 0x80]] {
            let blob = Blob(Bytes::copy_from_slice(bytes));
            let text = encode(&blob);
            assert_eq!(serde_json::from_slice::<Blob>(&text).expect("reads back"), blob);
        }
        assert!(serde_json::from_slice::<Blob>(b"[256]").is_err());
        assert!(serde_json::from_slice::<Blob>(b"{}").is_err());
    }
}
