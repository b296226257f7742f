//! Somebody who looks at seat maps.

use std::sync::Arc;
use std::time::Instant;

use hyper::{StatusCode, Uri};

use crate::client::Client;
use crate::error::LoadError;
use crate::measure::{Driver, Tally};

/// A reader with a connection of their own.
pub struct Reader {
    client: Client,
    maps: Arc<[Uri]>,
}

impl Reader {
    /// As many readers as there are to be clients, of the seat maps of these shows.
    pub fn crowd(base: &str, clients: usize, shows: &[String]) -> Result<Vec<Self>, LoadError> {
        let client = Client::new(base, None, 1)?;
        let maps: Arc<[Uri]> = shows
            .iter()
            .map(|show| client.uri(&format!("/api/v1/shows/{show}/seats")))
            .collect::<Result<_, _>>()?;
        (0..clients).map(|_| Ok(Self { client: Client::new(base, None, 1)?, maps: maps.clone() })).collect()
    }
}

impl Driver for Reader {
    async fn step(&mut self, tally: &mut Tally) -> Result<bool, LoadError> {
        let map = &self.maps[fastrand::usize(..self.maps.len())];
        let sent = Instant::now();
        let reply = self.client.get(map).await?;
        tally.answered(sent, reply.status.as_u16());
        if reply.status != StatusCode::OK || reply.body.is_empty() {
            tally.unexpected("GET /shows/{id}/seats", &reply);
        }
        Ok(true)
    }
}
