//! A projection, however it is kept.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use marquee_event_store::Position;
use tokio::sync::watch;

use crate::fingerprint::Fingerprint;
use crate::status::ProjectionStatus;
use crate::views::{RebuildError, View, ViewsError};

/// A projection on this node: it follows the log, and tells how far it is.
pub(crate) trait Projection: Send + Sync + 'static {
    /// Its name.
    fn name(&self) -> &'static str;

    /// How far readers of a view see; `None` where another projection feeds it.
    fn watch(&self, view: View) -> Option<watch::Receiver<Position>>;

    /// What an operator sees of it.
    fn status(&self) -> ProjectionStatus;

    /// Whether it has caught up once since it was opened.
    fn caught_up(&self) -> bool;

    /// Hashes what it holds.
    fn fingerprint(&self) -> BoxFuture<'_, Result<Fingerprint, ViewsError>>;

    /// Begins a new making beside the one that serves reads.
    fn rebuild(self: Arc<Self>) -> BoxFuture<'static, Result<(), RebuildError>>;
}
