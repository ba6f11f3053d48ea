//! SIGTERM and SIGINT ask for an orderly stop; a second one ends the process at once.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::workers::{Completion, Notify};

/// Begins to listen for signals.
///
/// # Errors
/// The handler cannot be installed.
pub fn listen(notify: Notify) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT])?;
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        let mut asked = false;
        for signal in signals.forever() {
            if asked {
                std::process::exit(128 + signal);
            }
            asked = true;
            notify.send(Completion::Shutdown);
        }
    })?;
    Ok(())
}
