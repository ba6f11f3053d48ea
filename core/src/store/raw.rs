//! What stands next in a log that arrives in pieces.

use crate::message::record::{self, Head, Record};

/// The front of some bytes of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    Record(Record<'a>),
    /// Filler up to the end of the file, of this many bytes.
    Filler(usize),
    /// The rest has not come yet.
    Incomplete,
    Damaged(String),
}

/// Looks at what starts at `position`; `file_end` is where the file that holds it ends.
#[must_use]
pub fn next_piece(bytes: &[u8], position: u64, file_end: u64) -> Piece<'_> {
    if bytes.len() < record::BLANK_LEN {
        // fewer bytes than a filler needs cannot be left of a file
        let left = file_end.saturating_sub(position);
        return if left < record::BLANK_LEN as u64 {
            Piece::Damaged(format!("{left} bytes are left of the file, too few for a filler"))
        } else {
            Piece::Incomplete
        };
    }
    let room = file_end.saturating_sub(position);
    match record::peek(bytes) {
        Ok(Head::Blank { size }) if size as u64 != room => {
            Piece::Damaged(format!("filler of {size} bytes where {room} are left of the file"))
        }
        Ok(Head::Blank { size }) if size > bytes.len() => Piece::Incomplete,
        Ok(Head::Blank { size }) => Piece::Filler(size),
        Ok(Head::Record { size, .. }) if size as u64 > room => {
            Piece::Damaged(format!("a record of {size} bytes where {room} are left of the file"))
        }
        Ok(Head::Record { size, .. }) if size > bytes.len() => Piece::Incomplete,
        Ok(Head::Record { .. }) => match record::decode(bytes) {
            Ok(found) if u64::try_from(found.physical_offset) != Ok(position) => {
                Piece::Damaged(format!("the record says it starts at byte {}", found.physical_offset))
            }
            Ok(found) if !found.body_is_intact() => {
                Piece::Damaged("the body does not match its checksum".into())
            }
            Ok(found) => Piece::Record(found),
            Err(error) => Piece::Damaged(error.to_string()),
        },
        Err(error) => Piece::Damaged(error.to_string()),
    }
}

/// Whether a record, filler or file starts at `position`, of which `bytes` is what follows.
#[must_use]
pub fn is_boundary(bytes: &[u8], position: u64, file_size: u64) -> bool {
    if file_size != 0 && position.is_multiple_of(file_size) {
        return true;
    }
    match record::peek(bytes) {
        Ok(Head::Blank { .. }) => true,
        Ok(Head::Record { .. }) => {
            record::decode(bytes).is_ok_and(|found| u64::try_from(found.physical_offset) == Ok(position))
        }
        Err(_) => false,
    }
}
