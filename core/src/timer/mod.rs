//! Timer messages as formats and arithmetic (`spec/store.md` section 11): log entries and wheel slots as the
//! reference writes them, which slot a time falls into, and the wheel built from the entries of the log.
//!
//! All times are milliseconds since the Unix epoch. A slot is named by its time, a whole multiple of the
//! precision; its messages are due when the slot is over, so rounding down never makes one early.

mod checkpoint;
mod entry;
mod handle;
mod slot;
#[cfg(test)]
mod tests;
mod wheel;

pub use checkpoint::TimerCheckpoint;
pub use entry::{BLANK_LEN, ENTRY_LEN, Item, MAGIC_DEFAULT, MAGIC_DELETE, MAGIC_ROLL, TimerEntry, blank};
pub use handle::RecallHandle;
pub use slot::{SLOT_COUNT, SLOT_LEN, Slot, WHEEL_LEN};
pub use wheel::{Held, Route, Wheel, Window, out_time, tick};
