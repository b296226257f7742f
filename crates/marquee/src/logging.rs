//! Where the log of the program goes: standard error, as text or as JSON.

use std::ffi::OsStr;
use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Begins to log. `RUST_LOG` says what; without it, everything from `info` on.
pub fn begin(json: bool) {
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,tantivy=warn,kurrentdb=off"));
    let coloured = coloured(std::io::stderr().is_terminal(), std::env::var_os("NO_COLOR").as_deref());
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(coloured);
    // A second begin within one process is refused by the library, and harmless.
    _ = if json { log.json().try_init() } else { log.try_init() };
}

/// Colours are for eyes that look at a terminal, unless they want none (<https://no-color.org>): in a file they are noise.
fn coloured(terminal: bool, no_color: Option<&OsStr>) -> bool {
    terminal && no_color.is_none_or(OsStr::is_empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_has_colours_unless_they_are_not_wanted_and_a_file_has_none() {
        assert!(coloured(true, None));
        assert!(coloured(true, Some(OsStr::new(""))), "a variable that is empty says nothing");
        assert!(!coloured(true, Some(OsStr::new("1"))));
        assert!(!coloured(false, None));
    }
}
