//! The scenarios: each on a server of its own, with phases of the bare handler before, between and after.

mod booker;
mod browse;
mod payer;
mod reader;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::StatusCode;
use serde::Deserialize;

use crate::client::Client;
use crate::error::LoadError;
use crate::ledger::Ledger;
use crate::measure::{self, Phase};
use crate::options::{Kept, Options, Scenario};
use crate::process::Server;
use crate::production::Backends;
use crate::seats::Seats;
use crate::token;
use crate::wire::{BookingStatus, excerpt};
use crate::world::{Hall, World};

use booker::Booker;
use payer::Payer;
use reader::Reader;

/// What notices of the sandbox gateway are signed with in a run.
pub const SANDBOX_SECRET: &str = "load-run-sandbox-secret-that-guards-nothing-001";

/// Longest wait for the views to reach the end of the log.
const SETTLE: Duration = Duration::from_mins(2);
/// Confirmed bookings that are read back.
const SAMPLE: usize = 200;
/// Shows whose seat maps are read.
const READ_SHOWS: usize = 8;

/// Phases of one kind, with one number of clients.
pub struct Row {
    /// What clients did.
    pub scenario: Scenario,
    /// What Marquee ran on.
    pub kept: Kept,
    /// How many they were.
    pub clients: usize,
    /// Phases of Marquee.
    pub marquee: Vec<Phase>,
    /// Phases of the bare handler.
    pub bare: Vec<Phase>,
    /// Bytes of an answer, where it is a seat map; their mean, where it is a page of the catalogue.
    pub bytes: Option<usize>,
}

/// What came of a scenario.
pub struct Outcome {
    /// Its figures.
    pub rows: Vec<Row>,
    /// Events behind, and the time to catch up, of the slowest view after each phase of Marquee.
    pub behind: Vec<(u64, Duration)>,
    /// Bookings in the log at the end.
    pub bookings: usize,
    /// Acknowledged bookings that were looked up in it.
    pub checked: usize,
    /// What must not be.
    pub violations: Vec<String>,
    /// What else was measured.
    pub notes: Vec<String>,
}

/// One scenario as it runs.
struct Run<'a> {
    options: &'a Options,
    scenario: Scenario,
    kept: Kept,
    bare: &'a Server,
    server: Server,
    world: World,
    ops: Client,
    behind: Vec<(u64, Duration)>,
}

/// Runs a scenario on a fresh server in `dir`.
pub async fn run(
    options: &Options,
    scenario: Scenario,
    kept: Kept,
    bare: &Server,
    dir: &Path,
) -> Result<Outcome, LoadError> {
    let backends = match kept {
        Kept::Embedded => None,
        Kept::Production => Some(Backends::start(dir).await?),
    };
    let settings = backends.as_ref().map(Backends::environment).unwrap_or_default();
    let server = Server::marquee(&options.marquee, dir, settings).await?;
    let world = World::build(&server.base, hall(scenario)).await?;
    let ops = Client::new(&server.base, Some(&token::mint("u_load_ops", "ops", None)?), 1)?;
    let mut run = Run { options, scenario, kept, bare, server, world, ops, behind: Vec::new() };
    let mut notes = Vec::new();
    let mut rows = match scenario {
        Scenario::Spread | Scenario::Hot | Scenario::Rush | Scenario::Cycle => run.bookings().await?,
        Scenario::Seatmap => vec![run.seat_maps().await?],
        Scenario::Browse => {
            let (row, told) = run.browse().await?;
            notes = told;
            vec![row]
        }
    };
    let (bookings, checked, violations) = run.audit(&mut rows).await?;
    run.server.stop().await?;
    Ok(Outcome { rows, behind: run.behind, bookings, checked, violations, notes })
}

fn hall(scenario: Scenario) -> Hall {
    match scenario {
        Scenario::Spread | Scenario::Cycle => Hall::LARGE,
        Scenario::Hot | Scenario::Rush => Hall::LARGEST,
        Scenario::Seatmap | Scenario::Browse => Hall::ORDINARY,
    }
}

impl Run<'_> {
    /// Tells a profiler that a phase begins. The file is new for each.
    fn announce(&self) -> Result<(), LoadError> {
        let Some(path) = &self.options.profile_pid_file else { return Ok(()) };
        std::fs::write(path, self.server.pid().to_string()).map_err(LoadError::io(path.display().to_string()))
    }

    async fn bookings(&mut self) -> Result<Vec<Row>, LoadError> {
        let clients = self.options.clients();
        let mut row = self.row(clients);
        let mut wide = self.row(self.options.wide());
        let mut shows = self.fresh_shows().await?;
        row.bare.extend(self.bare_bookings(&shows).await?);
        for round in 0..self.options.repeats() {
            if round > 0 {
                shows = self.fresh_shows().await?;
            }
            row.marquee.push(self.marquee_bookings(shows.clone(), clients).await?);
            if self.scenario == Scenario::Spread {
                let shows = self.fresh_shows().await?;
                wide.marquee.push(self.marquee_bookings(shows, wide.clients).await?);
            }
            row.bare.extend(self.bare_bookings(&shows).await?);
        }
        Ok(if wide.marquee.is_empty() { vec![row] } else { vec![row, wide] })
    }

    fn row(&self, clients: usize) -> Row {
        Row {
            scenario: self.scenario,
            kept: self.kept,
            clients,
            marquee: Vec::new(),
            bare: Vec::new(),
            bytes: None,
        }
    }

    /// Shows that nobody has booked yet, known to every view.
    async fn fresh_shows(&mut self) -> Result<Vec<String>, LoadError> {
        let count = match self.scenario {
            Scenario::Spread | Scenario::Cycle => self.options.shows(),
            Scenario::Hot => 1,
            // A hall this large takes some 2,400 requests; a dozen a second is more than two cores serve.
            Scenario::Rush => {
                usize::try_from(self.options.seconds).unwrap_or(usize::MAX).saturating_mul(12) + 4
            }
            Scenario::Seatmap | Scenario::Browse => READ_SHOWS,
        };
        let shows = self.world.add_shows(count).await?;
        self.settle().await?;
        Ok(shows)
    }

    fn seats(&self, shows: Vec<String>, again: bool) -> Arc<Seats> {
        let hall = hall(self.scenario);
        match self.scenario {
            Scenario::Spread | Scenario::Cycle | Scenario::Seatmap | Scenario::Browse => {
                Seats::free(shows, hall, again)
            }
            Scenario::Hot => Seats::hot(shows.into_iter().next().unwrap_or_default(), hall),
            Scenario::Rush => Seats::rush(shows, hall, again),
        }
    }

    async fn marquee_bookings(&mut self, shows: Vec<String>, clients: usize) -> Result<Phase, LoadError> {
        let seats = self.seats(shows, false);
        let (base, pace, pid) = (&self.server.base, self.options.pace(), self.server.pid());
        self.announce()?;
        let phase = match self.scenario {
            Scenario::Spread | Scenario::Hot | Scenario::Rush | Scenario::Seatmap | Scenario::Browse => {
                measure::run(Booker::crowd(base, clients, &seats)?, pace, pid).await?
            }
            Scenario::Cycle => measure::run(Payer::crowd(base, clients, &seats)?, pace, pid).await?,
        };
        let ended = Instant::now();
        let behind = self.lag().await?;
        self.settle().await?;
        self.behind.push((behind, ended.elapsed()));
        eprintln!("{:?}, {clients} clients: {:.0} requests a second", self.scenario, phase.rate);
        Ok(phase)
    }

    /// The same bookings against the bare handler, which keeps none of them.
    async fn bare_bookings(&self, shows: &[String]) -> Result<Option<Phase>, LoadError> {
        if self.options.marquee_only {
            return Ok(None);
        }
        let seats = self.seats(shows.to_vec(), true);
        let crowd = Booker::crowd(&self.bare.base, self.options.clients(), &seats)?;
        let phase = measure::run(crowd, self.options.pace(), self.bare.pid()).await?;
        eprintln!("{:?}, bare: {:.0} requests a second", self.scenario, phase.rate);
        Ok(Some(Phase { journal: Vec::new(), ..phase }))
    }

    async fn seat_maps(&mut self) -> Result<Row, LoadError> {
        let clients = self.options.clients();
        let shows = self.fresh_shows().await?;
        let map = self.some_booked(&shows).await?;
        let mut row = Row { bytes: Some(map.len()), ..self.row(clients) };
        let setter = Client::new(&self.bare.base, None, 1)?;
        setter.put(&setter.uri(&format!("/api/v1/shows/{}/seats", shows[0]))?, map).await?;
        row.bare.extend(self.bare_reads(&shows).await?);
        for _ in 0..self.options.repeats() {
            let crowd = Reader::crowd(&self.server.base, clients, &shows)?;
            self.announce()?;
            let phase = measure::run(crowd, self.options.pace(), self.server.pid()).await?;
            eprintln!("{:?}, {clients} clients: {:.0} requests a second", self.scenario, phase.rate);
            row.marquee.push(phase);
            row.bare.extend(self.bare_reads(&shows).await?);
        }
        Ok(row)
    }

    async fn bare_reads(&self, shows: &[String]) -> Result<Option<Phase>, LoadError> {
        if self.options.marquee_only {
            return Ok(None);
        }
        let crowd = Reader::crowd(&self.bare.base, self.options.clients(), shows)?;
        let phase = measure::run(crowd, self.options.pace(), self.bare.pid()).await?;
        eprintln!("{:?}, bare: {:.0} requests a second", self.scenario, phase.rate);
        Ok(Some(phase))
    }

    /// Books a few seats, so that the maps have more than free ones, and reads the first map.
    async fn some_booked(&self, shows: &[String]) -> Result<Bytes, LoadError> {
        let seats = self.seats(shows.to_vec(), false);
        let mut crowd = Booker::crowd(&self.server.base, 1, &seats)?;
        let pace = measure::Pace { warm_up: Duration::ZERO, seconds: Duration::from_millis(200) };
        measure::run(vec![crowd.remove(0)], pace, self.server.pid()).await?;
        self.settle().await?;
        let reader = Client::new(&self.server.base, None, 1)?;
        let reply = reader.get(&reader.uri(&format!("/api/v1/shows/{}/seats", shows[0]))?).await?;
        if reply.status == StatusCode::OK {
            return Ok(reply.body);
        }
        let (status, body) = (reply.status.as_u16(), excerpt(&reply.body));
        Err(LoadError::Refused { request: "GET /shows/{id}/seats".into(), status, body })
    }

    /// Events that the slowest view is behind.
    async fn lag(&self) -> Result<u64, LoadError> {
        #[derive(Deserialize)]
        struct Projections {
            projections: Vec<Projection>,
        }
        #[derive(Deserialize)]
        struct Projection {
            lag: u64,
        }
        let reply = self.ops.get(&self.ops.uri("/api/v1/ops/projections")?).await?;
        let Projections { projections } = reply.json()?;
        Ok(projections.into_iter().map(|projection| projection.lag).max().unwrap_or(0))
    }

    /// Waits until every view has the whole log, so that a phase does not pay for what came before it.
    async fn settle(&self) -> Result<(), LoadError> {
        let deadline = Instant::now() + SETTLE;
        loop {
            let lag = self.lag().await?;
            if lag == 0 {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(LoadError::Child(format!("the views are {lag} events behind after {SETTLE:?}")));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Checks the log against all that clients were told.
    async fn audit(&self, rows: &mut [Row]) -> Result<(usize, usize, Vec<String>), LoadError> {
        let auditor =
            Client::new(&self.server.base, Some(&token::mint("u_load_auditor", "auditor", None)?), 1)?;
        let mut ledger = Ledger::read(&auditor).await?;
        let mut checked = 0;
        let mut confirmed = Vec::new();
        for phase in rows.iter().flat_map(|row| &row.marquee) {
            for told in &phase.journal {
                ledger.check(told);
                checked += 1;
            }
            confirmed.extend(phase.journal.iter().filter(|told| told.paid));
            if phase.unexpected > 0 {
                let examples = phase.examples.join("; ");
                ledger.violations.push(format!("{} answers that cannot be: {examples}", phase.unexpected));
            }
        }
        let step = (confirmed.len() / SAMPLE).max(1);
        for told in confirmed.into_iter().step_by(step) {
            let customer =
                Client::new(&self.server.base, Some(&token::mint(&told.user_id, "customer", None)?), 1)?;
            let reply =
                customer.get(&customer.uri(&format!("/api/v1/bookings/{}", told.booking_id))?).await?;
            let status = reply.json::<BookingStatus>().map(|booking| booking.status);
            if !status.as_ref().is_ok_and(|status| status == "CONFIRMED") {
                ledger.violations.push(format!(
                    "{} was paid and reads as {}",
                    told.booking_id,
                    excerpt(&reply.body)
                ));
            }
        }
        for row in rows.iter_mut() {
            for phase in &mut row.marquee {
                phase.journal = Vec::new();
            }
        }
        Ok((ledger.bookings(), checked, ledger.violations))
    }
}
