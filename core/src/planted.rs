//! Bugs on request, for those who want to know that the simulation finds them (`tests/src/sim/planted.rs` lists them, and
//! `sim --planted` looks for each). Without the feature `planted-bugs` nothing is ever planted, and the compiler leaves no
//! trace of the question.

#[cfg(feature = "planted-bugs")]
mod choice {
    use std::cell::Cell;

    thread_local! {
        static PLANTED: Cell<Option<&'static str>> = const { Cell::new(None) };
    }

    /// Plants a bug in everything this thread runs from now on, in place of the one before.
    pub fn plant(bug: Option<&'static str>) {
        PLANTED.set(bug);
    }

    /// Whether this bug is planted.
    #[must_use]
    pub fn is(bug: &str) -> bool {
        PLANTED.get() == Some(bug)
    }
}

#[cfg(not(feature = "planted-bugs"))]
mod choice {
    /// There are no bugs to plant in this build.
    pub fn plant(_bug: Option<&'static str>) {}

    /// Never.
    #[must_use]
    #[inline(always)]
    pub const fn is(_bug: &str) -> bool {
        false
    }
}

pub use choice::{is, plant};

/// Whether bugs can be planted in this build.
pub const POSSIBLE: bool = cfg!(feature = "planted-bugs");
