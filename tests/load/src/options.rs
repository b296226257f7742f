//! The flags of a run.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::measure::Pace;

/// What clients do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Scenario {
    /// Bookings of free seats over many shows.
    Spread,
    /// Bookings of random seats of one show, sold out or not.
    Hot,
    /// The same, but as each hall is nearly sold out everybody moves to the next.
    Rush,
    /// Book, pay, be confirmed.
    Cycle,
    /// Seat maps.
    Seatmap,
    /// Lists of films, searches with a slip, shows of a film.
    Browse,
}

/// What Marquee keeps its log, its bookings and its messages in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// All of it in its own directory.
    Embedded,
    /// A log behind KurrentDB's protocol, PostgreSQL and NATS.
    Production,
}

/// Which scenarios to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Which {
    /// Every one, on the embedded default.
    All,
    /// Bookings over many shows and the full cycle, on the embedded default and on the production backends.
    Production,
    /// Bookings of free seats over many shows.
    Spread,
    /// Bookings of random seats of one show.
    Hot,
    /// One such show after another.
    Rush,
    /// Book, pay, be confirmed.
    Cycle,
    /// Seat maps.
    Seatmap,
    /// Lists of films, searches with a slip, shows of a film.
    Browse,
}

impl Which {
    /// The scenarios and what they run on, in the order of the report.
    pub fn plan(self) -> Vec<(Scenario, Kept)> {
        let embedded =
            |scenarios: &[Scenario]| scenarios.iter().map(|&scenario| (scenario, Kept::Embedded)).collect();
        match self {
            Self::All => embedded(Scenario::value_variants()),
            Self::Production => [Scenario::Spread, Scenario::Cycle]
                .into_iter()
                .flat_map(|scenario| [(scenario, Kept::Embedded), (scenario, Kept::Production)])
                .collect(),
            Self::Spread => embedded(&[Scenario::Spread]),
            Self::Hot => embedded(&[Scenario::Hot]),
            Self::Rush => embedded(&[Scenario::Rush]),
            Self::Cycle => embedded(&[Scenario::Cycle]),
            Self::Seatmap => embedded(&[Scenario::Seatmap]),
            Self::Browse => embedded(&[Scenario::Browse]),
        }
    }
}

/// The flags of a run.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The server under test
    #[arg(long, default_value = "target/release/marquee")]
    pub marquee: PathBuf,
    /// What clients do
    #[arg(long, value_enum, default_value = "all")]
    pub scenario: Which,
    /// Concurrent clients; bookings over many shows also run with four times as many
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    pub clients: u16,
    /// Seconds that each phase counts
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    pub seconds: u64,
    /// Shows that bookings are spread over; theatres to browse in, ten a city, with forty shows each
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..))]
    pub shows: u16,
    /// Phases of each kind, whose median counts; 3, or 1 where a phase is shorter than 5 seconds
    #[arg(long)]
    pub repeats: Option<usize>,
    /// Leaves out both ceilings: for a profiler
    #[arg(long)]
    pub marquee_only: bool,
    /// Writes the server's process id here when a phase of it begins: for a profiler
    #[arg(long)]
    pub profile_pid_file: Option<PathBuf>,
    /// Writes the report here too
    #[arg(long)]
    pub markdown: Option<PathBuf>,
    /// Data directories are made in here; must be a real disk, or durability costs nothing
    #[arg(long)]
    pub work_dir: Option<PathBuf>,
}

impl Options {
    /// Clients.
    pub fn clients(&self) -> usize {
        usize::from(self.clients)
    }

    /// Clients of the wide phases.
    pub fn wide(&self) -> usize {
        4 * usize::from(self.clients)
    }

    /// Shows.
    pub fn shows(&self) -> usize {
        usize::from(self.shows)
    }

    /// Phases of each kind.
    pub fn repeats(&self) -> usize {
        self.repeats.unwrap_or(if self.seconds < 5 { 1 } else { 3 }).max(1)
    }

    /// How long each phase runs.
    pub fn pace(&self) -> Pace {
        let seconds = Duration::from_secs(self.seconds);
        Pace { warm_up: (seconds / 10).max(Duration::from_millis(300)), seconds }
    }
}
