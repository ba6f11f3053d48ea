//! The memory of simulated files: written through addresses by the store, read by the disk.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

/// As mappings have it.
const ALIGN: usize = 4096;

/// Zeroed bytes at a fixed address.
#[derive(Debug)]
pub(super) struct Memory {
    at: NonNull<u8>,
    /// Where the allocation begins, somewhat in front of `at`.
    allocated: NonNull<u8>,
    len: usize,
}

// SAFETY: plain bytes, owned. Those who write through the address keep to the rules of `Mapped`; a simulated
// disk serves one thread at a time.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// Aligned by hand: only with a small alignment the allocator knows zeroed memory that costs nothing until it is used.
    fn layout(len: usize) -> Layout {
        // a length beyond isize cannot occur for a Vec-sized request
        Layout::from_size_align(len + ALIGN, 1).unwrap_or(Layout::new::<u8>())
    }

    pub fn zeroed(len: usize) -> Self {
        let layout = Self::layout(len);
        // SAFETY: the size is not zero.
        let allocated = unsafe { alloc_zeroed(layout) };
        let Some(allocated) = NonNull::new(allocated) else { handle_alloc_error(layout) };
        // SAFETY: less than `ALIGN` bytes further, which were asked for on top.
        let at = unsafe { allocated.add(allocated.align_offset(ALIGN)) };
        Memory { at, allocated, len }
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
        unsafe { dealloc(self.allocated.as_ptr(), Self::layout(self.len)) };
    }
}
