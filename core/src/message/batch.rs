//! The body of a client batch: items back to back, each
//! `size(4) magic(4) bodyCRC(4) flag(4) bodyLen(4) body propsLen(2) props` (`spec/store.md` section 3, Batches).

/// One message of a batch body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchItem<'a> {
    /// The user's flag.
    pub flag: i32,
    pub body: &'a [u8],
    /// The item's own property string, with or without a last separator.
    pub properties: &'a [u8],
}

/// A batch body that is cut short or whose lengths contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed batch item at byte {at} of the body")]
pub struct BatchError {
    /// Where the bad item starts, in bytes.
    pub at: usize,
}

/// Bytes of an item without body and properties.
const FIXED: usize = 22;

/// Iterates the items of a batch body; stops after the first error.
#[derive(Clone, Debug)]
pub struct BatchItems<'a> {
    body: &'a [u8],
    at: usize,
}

/// The items of a batch body.
#[must_use]
pub fn items(body: &[u8]) -> BatchItems<'_> {
    BatchItems { body, at: 0 }
}

/// Appends one item to a batch body under construction, as a producer does.
pub fn push_item(out: &mut Vec<u8>, item: &BatchItem<'_>) {
    let size = FIXED + item.body.len() + item.properties.len();
    out.extend_from_slice(&u32::try_from(size).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&item.flag.to_be_bytes());
    out.extend_from_slice(&u32::try_from(item.body.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(item.body);
    out.extend_from_slice(&u16::try_from(item.properties.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(item.properties);
}

impl<'a> BatchItems<'a> {
    fn parse(&self) -> Option<(BatchItem<'a>, usize)> {
        let rest = self.body.get(self.at..)?;
        let size = usize::try_from(be_i32(rest, 0)?).ok()?;
        let item = rest.get(..size).filter(|item| item.len() >= FIXED)?;
        let body_len = usize::try_from(be_i32(item, 16)?).ok()?;
        let body_end = 20usize.checked_add(body_len)?;
        let body = item.get(20..body_end)?;
        let (prefix, properties) = item.get(body_end..)?.split_first_chunk::<2>()?;
        let props_len = usize::try_from(i16::from_be_bytes(*prefix)).ok()?;
        if props_len != properties.len() {
            return None;
        }
        Some((BatchItem { flag: be_i32(item, 12)?, body, properties }, size))
    }
}

impl<'a> Iterator for BatchItems<'a> {
    type Item = Result<BatchItem<'a>, BatchError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.body.len() {
            return None;
        }
        match self.parse() {
            Some((item, size)) => {
                self.at += size;
                Some(Ok(item))
            }
            None => {
                let at = self.at;
                self.at = self.body.len();
                Some(Err(BatchError { at }))
            }
        }
    }
}

fn be_i32(bytes: &[u8], at: usize) -> Option<i32> {
    Some(i32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_come_back() {
        let mut body = Vec::new();
        let first = BatchItem { flag: 7, body: b"one", properties: b"a\x01b" };
        let second = BatchItem { flag: -1, body: b"", properties: b"" };
        push_item(&mut body, &first);
        push_item(&mut body, &second);
        assert_eq!(items(&body).collect::<Result<Vec<_>, _>>(), Ok(vec![first, second]));
        assert!(items(b"").next().is_none());
    }

    #[test]
    fn cut_bodies_are_refused_once() {
        let mut body = Vec::new();
        push_item(&mut body, &BatchItem { flag: 0, body: b"0123456789", properties: b"k\x01v\x02" });
        for cut in 1..body.len() {
            let mut it = items(&body[..cut]);
            assert_eq!(it.next(), Some(Err(BatchError { at: 0 })), "cut at {cut}");
            assert!(it.next().is_none());
        }
        body[3] += 1; // size one too large for what the inner lengths say
        body.push(0);
        assert!(items(&body).next().unwrap().is_err());
    }

    quickcheck::quickcheck! {
        fn never_panics_and_ends(body: Vec<u8>) -> bool {
            items(&body).count() <= body.len()
        }
    }
}
