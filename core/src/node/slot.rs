//! What the node knows of a role besides its machine.

use crate::container::StartError;
use crate::time::Mono;

/// Where a role stands. Roles that are there from the start are always running.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Serves until the node stops.
    Running,
    /// Its ports are being bound; it is not asked for anything meanwhile.
    Binding { waiting: usize, failed: Option<String> },
    /// Stops in order.
    Retiring,
    /// Has stopped; its peers may take their last answers until then.
    Draining { until: Mono },
    /// Its store is being closed: because it could not start, or at the end.
    Closing { why: Option<StartError> },
    /// Nobody is there.
    Vacant,
}

/// A place for a role.
#[derive(Debug)]
pub(super) struct Slot<S> {
    pub phase: Phase,
    /// The container it belongs to.
    pub container: Option<usize>,
    /// Listeners that are bound, of a role that came at run time.
    pub listeners: Vec<usize>,
    /// Listeners being bound.
    pub binding: Vec<usize>,
    /// Work given to helper threads that has not come back.
    pub under_way: usize,
    /// Marks its log lines.
    pub span: Option<tracing::Span>,
    /// Waiting to be taken by the frontend, to be closed.
    pub store: Option<S>,
    /// A controller gives its broker ids, and somebody wants to know them.
    pub elections: bool,
    /// The last id passed on.
    pub elected: Option<i64>,
}

impl<S> Slot<S> {
    pub fn new() -> Self {
        Slot {
            phase: Phase::Running,
            container: None,
            listeners: Vec::new(),
            binding: Vec::new(),
            under_way: 0,
            span: None,
            store: None,
            elections: false,
            elected: None,
        }
    }

    /// Whether a newcomer may have it.
    pub fn is_free(&self) -> bool {
        self.phase == Phase::Vacant && self.under_way == 0
    }

    /// Whether its machine may be asked for effects.
    pub fn is_active(&self) -> bool {
        !matches!(self.phase, Phase::Binding { .. })
    }

    /// Until when it waits for something, apart from its machine.
    pub fn deadline(&self) -> Option<Mono> {
        match self.phase {
            Phase::Draining { until } => Some(until),
            _ => None,
        }
    }
}
