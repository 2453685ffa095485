//! Ctrl-C and SIGTERM ask a consumer to finish in order; a second one ends the process at once.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The exit code of a process that SIGINT ended, as shells say it.
const INTERRUPTED: u8 = 130;

/// A flag that the first signal raises.
///
/// # Errors
/// When the system does not let us listen for signals.
pub(super) fn watch() -> io::Result<Arc<AtomicBool>> {
    let asked = Arc::new(AtomicBool::new(false));
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let flag = Arc::clone(&asked);
    // Lives as long as the process: a signal may come at any time.
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(either(&mut interrupt, &mut terminate));
        flag.store(true, Ordering::Relaxed);
        runtime.block_on(either(&mut interrupt, &mut terminate));
        std::process::exit(i32::from(INTERRUPTED));
    })?;
    Ok(asked)
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
