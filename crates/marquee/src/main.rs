//! Marquee: a booking engine for cinemas. Configuration, wiring and the command line.

mod cli;
mod client;
mod config;
mod demo;
mod engine;
mod logging;
mod offline;
mod secrets;
mod server;
mod server_file;

use std::process::ExitCode;

use clap::Parser;

/// A booking is some two hundred small allocations over four threads; this allocator serves them at less than half the
/// cost of the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("marquee: the runtime does not start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(cli.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("marquee: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                eprintln!("  because: {error}");
                cause = error.source();
            }
            ExitCode::FAILURE
        }
    }
}
