//! What a raft group replicates: a deterministic state behind three methods.

use bytes::Bytes;

/// A replicated state. Every member applies the same commands in the same order, so `apply` must depend on
/// nothing but the state and its arguments: no clock, no address of this member, no order of a hash map.
pub trait RaftState: Send + 'static {
    /// Applies one committed command and returns the result for the proposer. `index` is its place in the log;
    /// it grows with every call. A command that makes no sense must be answered, not panic: it may come from a
    /// newer version of this program.
    fn apply(&mut self, index: u64, command: &[u8]) -> Bytes;

    /// The whole state as bytes that [`RaftState::restore`] understands.
    fn snapshot(&self) -> Bytes;

    /// Replaces the whole state; unchanged on error.
    ///
    /// # Errors
    /// The bytes are no snapshot of this state.
    fn restore(&mut self, snapshot: &[u8]) -> Result<(), RestoreError>;
}

/// Why a snapshot cannot be taken over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the snapshot of the replicated state cannot be read: {0}")]
pub struct RestoreError(pub String);
