//! The memory of simulated files: written through addresses by the store, read by the disk.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

/// Zeroed bytes at a fixed address.
#[derive(Debug)]
pub(super) struct Memory {
    at: NonNull<u8>,
    len: usize,
}

// SAFETY: plain bytes, owned. Those who write through the address keep to the rules of `Mapped`; a simulated
// disk serves one thread at a time.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    fn layout(len: usize) -> Layout {
        // page alignment, as mappings have it; a length beyond isize cannot occur for a Vec-sized request
        Layout::from_size_align(len.max(1), 4096).unwrap_or(Layout::new::<u8>())
    }

    pub fn zeroed(len: usize) -> Self {
        let layout = Self::layout(len);
        // SAFETY: the size is not zero.
        let at = unsafe { alloc_zeroed(layout) };
        match NonNull::new(at) {
            Some(at) => Memory { at, len },
            None => handle_alloc_error(layout),
        }
    }

    pub fn from_bytes(bytes: &[u8], len: usize) -> Self {
        let memory = Self::zeroed(len);
        memory.fill_at(0, bytes);
        memory
    }

    pub fn address(&self) -> NonNull<u8> {
        self.at
    }

    pub fn len(&self) -> usize {
        self.len
    }

    /// The bytes as they are now. Short-lived: nobody writes while the disk looks.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: in bounds and initialised; the single thread that uses the disk is not writing meanwhile.
        unsafe { std::slice::from_raw_parts(self.at.as_ptr(), self.len) }
    }

    /// Overwrites bytes as far as they fit.
    pub fn fill_at(&self, at: usize, bytes: &[u8]) {
        let at = at.min(self.len);
        let len = bytes.len().min(self.len - at);
        // SAFETY: in bounds, distinct memory, and the single thread that uses the disk reads nothing meanwhile.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.at.as_ptr().add(at), len) };
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: allocated in `zeroed` with this layout, and nothing refers to it any more.
        unsafe { dealloc(self.at.as_ptr(), Self::layout(self.len)) };
    }
}
