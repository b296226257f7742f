//! Where the log of the program goes: standard error, as text or as JSON.

use tracing_subscriber::EnvFilter;

/// Begins to log. `RUST_LOG` says what; without it, everything from `info` on.
pub fn begin(json: bool) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,tantivy=warn,kurrentdb=off"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second begin within one process is refused by the library, and harmless.
    _ = if json { log.json().try_init() } else { log.try_init() };
}
