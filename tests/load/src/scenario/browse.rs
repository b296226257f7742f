//! Lists of films, searches with a slip and shows of a film, in many cities; and how soon a new show is among them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::{StatusCode, Uri};
use serde::Deserialize;

use super::{Row, Run};
use crate::catalogue::Catalogue;
use crate::client::Client;
use crate::error::LoadError;
use crate::measure::{self, Driver, Phase, Tally};

/// Shows whose way into an answer is timed.
const FRESH: usize = 200;
/// The longest that it may take.
const FRESH_WITHIN: Duration = Duration::from_secs(1);
/// Looked for no longer than that.
const PATIENCE: Duration = Duration::from_secs(30);

/// Of ten requests four are lists, three searches, three shows of a film.
const OF_TEN: [usize; 3] = [4, 3, 3];

/// Somebody who looks around.
struct Browser {
    client: Client,
    pages: Arc<[Vec<Uri>; 3]>,
}

impl Browser {
    fn crowd(base: &str, clients: usize, paths: &[Vec<String>; 3]) -> Result<Vec<Self>, LoadError> {
        let client = Client::new(base, None, 1)?;
        let uris =
            |paths: &Vec<String>| paths.iter().map(|path| client.uri(path)).collect::<Result<Vec<_>, _>>();
        let pages = Arc::new([uris(&paths[0])?, uris(&paths[1])?, uris(&paths[2])?]);
        (0..clients).map(|_| Ok(Self { client: Client::new(base, None, 1)?, pages: pages.clone() })).collect()
    }
}

impl Driver for Browser {
    async fn step(&mut self, tally: &mut Tally) -> Result<bool, LoadError> {
        let of_ten = fastrand::usize(..10);
        let kind = if of_ten < OF_TEN[0] {
            0
        } else if of_ten < OF_TEN[0] + OF_TEN[1] {
            1
        } else {
            2
        };
        let pages = &self.pages[kind];
        let page = &pages[fastrand::usize(..pages.len())];
        let sent = Instant::now();
        let reply = self.client.get(page).await?;
        tally.answered(sent, reply.status.as_u16());
        if reply.status != StatusCode::OK || reply.body.is_empty() {
            tally.unexpected(page.path(), &reply);
        }
        Ok(true)
    }
}

#[derive(Deserialize)]
struct Projections {
    projections: Vec<Projection>,
}

#[derive(Deserialize)]
struct Projection {
    name: String,
    generation: u64,
    checkpoint: u64,
}

impl Run<'_> {
    /// Its figures, and what else is to be said.
    pub async fn browse(&mut self) -> Result<(Row, Vec<String>), LoadError> {
        let began = Instant::now();
        let mut catalogue = Catalogue::build(&self.server.base, self.options.shows()).await?;
        self.settle().await?;
        eprintln!("{} in {:.1} s", catalogue.describe(), began.elapsed().as_secs_f64());
        let paths = catalogue.paths();
        let bytes = self.rehearse(&paths).await?;
        let clients = self.options.clients();
        let mut row = Row { bytes: Some(bytes), ..self.row(clients) };
        row.bare.extend(self.bare_browsing(&paths).await?);
        for _ in 0..self.options.repeats() {
            let crowd = Browser::crowd(&self.server.base, clients, &paths)?;
            self.announce()?;
            let phase = measure::run(crowd, self.options.pace(), self.server.pid()).await?;
            eprintln!("{:?}, {clients} clients: {:.0} requests a second", self.scenario, phase.rate);
            row.marquee.push(phase);
            row.bare.extend(self.bare_browsing(&paths).await?);
        }
        let mut notes = vec![catalogue.describe()];
        notes.push(self.kinds(&paths).await?);
        notes.push(format!("nobody else there: {}", self.freshness(&mut catalogue).await?));
        let crowd = Browser::crowd(&self.server.base, clients, &paths)?;
        let (pace, pid) = (self.options.pace(), self.server.pid());
        let (busy, fresh) = tokio::join!(measure::run(crowd, pace, pid), self.freshness(&mut catalogue));
        notes.push(format!("beside {clients} readers: {}", fresh?));
        // Its answers are checked like all others; its rate is that of a server that also schedules.
        row.marquee.last_mut().map_or(Ok(()), |last| busy.map(|busy| last.take_findings(busy)))?;
        notes.push(self.rebuilt().await?);
        Ok((row, notes))
    }

    /// Reads every page once, and has the bare handler answer the same. Their mean size, in bytes.
    async fn rehearse(&self, paths: &[Vec<String>; 3]) -> Result<usize, LoadError> {
        let (reader, setter) =
            (Client::new(&self.server.base, None, 1)?, Client::new(&self.bare.base, None, 1)?);
        let (mut bytes, mut count) = (0, 0);
        for (path, share) in
            paths.iter().zip(OF_TEN).flat_map(|(paths, share)| paths.iter().map(move |path| (path, share)))
        {
            let reply = reader.get(&reader.uri(path)?).await?;
            if reply.status != StatusCode::OK {
                let body = crate::wire::excerpt(&reply.body);
                return Err(LoadError::Refused {
                    request: path.clone(),
                    status: reply.status.as_u16(),
                    body,
                });
            }
            (bytes, count) = (bytes + share * reply.body.len(), count + share);
            setter.put(&setter.uri(path)?, reply.body).await?;
        }
        Ok(bytes / count.max(1))
    }

    async fn bare_browsing(&self, paths: &[Vec<String>; 3]) -> Result<Option<Phase>, LoadError> {
        if self.options.marquee_only {
            return Ok(None);
        }
        let crowd = Browser::crowd(&self.bare.base, self.options.clients(), paths)?;
        let phase = measure::run(crowd, self.options.pace(), self.bare.pid()).await?;
        eprintln!("{:?}, bare: {:.0} requests a second", self.scenario, phase.rate);
        Ok(Some(phase))
    }

    /// What each kind of page takes one reader alone.
    async fn kinds(&self, paths: &[Vec<String>; 3]) -> Result<String, LoadError> {
        let reader = Client::new(&self.server.base, None, 1)?;
        let mut told = Vec::with_capacity(paths.len());
        for (kind, paths) in ["lists", "searches", "shows of a film"].into_iter().zip(paths) {
            let mut latencies = measure::latencies()?;
            let mut bytes = 0;
            for path in paths {
                let (uri, sent) = (reader.uri(path)?, Instant::now());
                bytes += reader.get(&uri).await?.body.len();
                latencies.saturating_record(micros(sent.elapsed()));
            }
            let (p50, p99) = (latencies.value_at_quantile(0.5), latencies.value_at_quantile(0.99));
            told.push(format!("{kind} of {} bytes p50 {p50} µs, p99 {p99} µs", bytes / paths.len().max(1)));
        }
        Ok(format!("one reader alone: {}", told.join("; ")))
    }

    /// From the 201 of a show until the shows of its film have it.
    async fn freshness(&self, catalogue: &mut Catalogue) -> Result<String, LoadError> {
        let reader = Client::new(&self.server.base, None, 1)?;
        let mut times = measure::latencies()?;
        for _ in 0..FRESH {
            let added = catalogue.add_show().await?;
            let (acknowledged, uri) = (Instant::now(), reader.uri(&added.path)?);
            loop {
                let reply = reader.get(&uri).await?;
                if String::from_utf8_lossy(&reply.body).contains(&added.show_id) {
                    break;
                }
                if acknowledged.elapsed() > PATIENCE {
                    return Err(LoadError::Child(format!(
                        "{} is not shown after {PATIENCE:?}",
                        added.show_id
                    )));
                }
            }
            times.saturating_record(micros(acknowledged.elapsed()));
        }
        let hit = if times.max() <= micros(FRESH_WITHIN) { "hit" } else { "**missed**" };
        Ok(format!(
            "from the 201 of a show until its film's shows have it, {FRESH} shows: p50 {:.1} ms, max {:.1} ms; target ≤ {} s: {hit}",
            millis(times.value_at_quantile(0.5)),
            millis(times.max()),
            FRESH_WITHIN.as_secs()
        ))
    }

    /// Makes the view again from the first event on.
    async fn rebuilt(&self) -> Result<String, LoadError> {
        let before = self.browse_view().await?;
        let began = Instant::now();
        let uri = self.ops.uri("/api/v1/ops/projections/browse/rebuild")?;
        let reply = self.ops.post(&uri, bytes::Bytes::new()).await?;
        if reply.status != StatusCode::ACCEPTED {
            let (status, body) = (reply.status.as_u16(), crate::wire::excerpt(&reply.body));
            return Err(LoadError::Refused { request: "POST …/rebuild".into(), status, body });
        }
        while self.browse_view().await?.generation == before.generation {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let seconds = began.elapsed();
        Ok(format!(
            "made again from the log: {} events in {:.2} s, {:.0} a second",
            before.checkpoint,
            seconds.as_secs_f64(),
            measure::rate(before.checkpoint, seconds)
        ))
    }

    async fn browse_view(&self) -> Result<Projection, LoadError> {
        let reply = self.ops.get(&self.ops.uri("/api/v1/ops/projections")?).await?;
        let Projections { projections } = reply.json()?;
        let browse = projections.into_iter().find(|projection| projection.name == "browse");
        browse.ok_or_else(|| LoadError::Child("there is no projection browse".into()))
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "a time for people to read")]
fn millis(micros: u64) -> f64 {
    micros as f64 / 1e3
}
