//! A small file that is replaced as a whole and knows whether it is intact.
//!
//! | byte | content, big-endian |
//! |---|---|
//! | 0 | `SMQRAFT` and the format, 1 |
//! | 8 | length of the content, 8 bytes |
//! | 16 | CRC-32 of the file's name, the length and the content, 4 bytes |
//! | 20 | the content |

use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::disk::Disk;
use crate::error::StoreError;

const MAGIC: &[u8; 8] = b"SMQRAFT1";
const HEAD: usize = 20;

/// One such file.
#[derive(Debug)]
pub(super) struct Checked {
    path: PathBuf,
    name: &'static str,
}

impl Checked {
    pub fn new(dir: &Path, name: &'static str) -> Self {
        Checked { path: dir.join(name), name }
    }

    pub fn damaged(&self, offset: usize, why: impl Into<String>) -> StoreError {
        StoreError::RaftDamaged { path: self.path.clone(), offset: offset as u64, why: why.into() }
    }

    /// The content; `None` when the file was never written.
    pub fn read(&self, disk: &dyn Disk) -> Result<Option<Bytes>, StoreError> {
        let draft = self.draft();
        disk.remove(&draft).map_err(StoreError::io("remove", &draft))?;
        let Some(bytes) = disk.read(&self.path).map_err(StoreError::io("read", &self.path))? else {
            return Ok(None);
        };
        let bytes = Bytes::from(bytes);
        let (Some(magic), Some(length), Some(sum)) = (
            bytes.first_chunk::<8>(),
            bytes.get(8..).and_then(<[u8]>::first_chunk::<8>),
            bytes.get(16..).and_then(<[u8]>::first_chunk::<4>),
        ) else {
            return Err(self.damaged(bytes.len(), format!("it ends within its head of {HEAD} bytes")));
        };
        if magic != MAGIC {
            return Err(self.damaged(0, format!("expected {MAGIC:?}, found {magic:?}").replace(", ", " ")));
        }
        let (length, found) = (u64::from_be_bytes(*length), (bytes.len() - HEAD) as u64);
        if length != found {
            return Err(self.damaged(8, format!("it should have {length} bytes of content and has {found}")));
        }
        let content = bytes.slice(HEAD..);
        let (stored, actual) = (u32::from_be_bytes(*sum), self.sum(length, &[&content]));
        if stored != actual {
            let why = format!("the checksum is {actual:08x}, expected {stored:08x}");
            return Err(self.damaged(16, why));
        }
        Ok(Some(content))
    }

    /// Puts other content, the parts behind each other, in the place of what there was. Durable on return.
    pub fn replace(&self, disk: &dyn Disk, parts: &[&[u8]]) -> Result<(), StoreError> {
        let length = parts.iter().map(|part| part.len() as u64).sum::<u64>();
        let mut bytes = Vec::with_capacity(HEAD + parts.iter().map(|part| part.len()).sum::<usize>());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&self.sum(length, parts).to_be_bytes());
        parts.iter().for_each(|part| bytes.extend_from_slice(part));
        let draft = self.draft();
        disk.write(&draft, &bytes).map_err(StoreError::io("write", &draft))?;
        disk.rename(&draft, &self.path).map_err(StoreError::io("replace", &self.path))?;
        let dir = self.path.parent().unwrap_or(Path::new("."));
        disk.sync_dir(dir).map_err(StoreError::io("sync", dir))
    }

    fn draft(&self) -> PathBuf {
        self.path.with_extension("tmp")
    }

    fn sum(&self, length: u64, parts: &[&[u8]]) -> u32 {
        let mut sum = crc32fast::Hasher::new();
        sum.update(self.name.as_bytes());
        sum.update(&length.to_be_bytes());
        parts.iter().for_each(|part| sum.update(part));
        sum.finalize()
    }
}
