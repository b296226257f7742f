//! Keeps the inventory: writes it while this node has the lease, and else shows how far another has come.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use marquee_event_store::lease::{Epoch, Tenancy};
use marquee_event_store::{EventStore, Page, Position};
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Row};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::super::NAME;
use super::making::{self, Listed, Making, State, Unapplied};
use super::pages::Pages;
use super::{rows, sql};
use crate::postgres::{Postgres, Source, SourceError, bounded};
use crate::runtime::{Gauges, Pace};

/// Events a page while the view follows the log: bounds what is held in memory and how long rows are locked.
const PAGE: usize = 8_192;
/// Events a page of a making that nobody reads yet.
const BUILDING_PAGE: usize = 16_384;
/// Between two looks at what other nodes have done or asked for.
const POLL: Duration = Duration::from_millis(250);
/// What the server may take to answer before it counts as out.
const PATIENCE: Duration = Duration::from_secs(4);
/// The same for a page of events.
const PAGE_PATIENCE: Duration = Duration::from_secs(10);
/// A page that takes this long is worth a word.
const SLOW: Duration = Duration::from_secs(1);
/// How long a log may take to show what the view has of it already: it comes from another node, which is ahead.
const LOG_PATIENCE: Duration = Duration::from_secs(3);
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LAST_BACKOFF: Duration = Duration::from_secs(2);
/// After a page the view rests for as long as that took, within these: the cores are for those who book.
const SHORTEST_REST: Duration = Duration::from_millis(10);
const LONGEST_REST: Duration = Duration::from_millis(100);
/// A view this far behind the log does not rest.
const BEHIND: u64 = 4_096;

/// Why a session with the database ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    #[error(transparent)]
    Migration(#[from] sqlx::migrate::MigrateError),
    #[error(transparent)]
    Source(#[from] SourceError),
}

/// Why this node does not write any more.
enum Stopped {
    /// Another has the lease, or had it in between.
    Fenced,
    Failed(sqlx::Error),
    Source(SourceError),
}

impl From<SourceError> for Stopped {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

impl From<sqlx::Error> for Stopped {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<Unapplied> for Stopped {
    fn from(unapplied: Unapplied) -> Self {
        match unapplied {
            Unapplied::Fenced => Self::Fenced,
            Unapplied::Failed(error) => Self::Failed(error),
        }
    }
}

/// The inventory's part of this node.
pub(super) struct Writer {
    database: Postgres,
    store: Arc<dyn EventStore>,
    gauges: Arc<Gauges>,
    tenancy: Tenancy,
    shutdown: CancellationToken,
    migrated: bool,
    /// Whether the tables are known to be made of this log. One without events is as good as any.
    ours: bool,
    backoff: Duration,
}

impl Writer {
    pub fn new(
        database: Postgres,
        store: Arc<dyn EventStore>,
        gauges: Arc<Gauges>,
        tenancy: Tenancy,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            database,
            store,
            gauges,
            tenancy,
            shutdown,
            migrated: false,
            ours: false,
            backoff: FIRST_BACKOFF,
        }
    }

    /// Runs until the shutdown. Whatever fails is tried again, from the checkpoint that is stored.
    pub async fn run(mut self) {
        let shutdown = self.shutdown.clone();
        loop {
            let ended = shutdown.run_until_cancelled(self.session()).await;
            let Some(Err(error)) = ended else { return };
            self.gauges.out("postgres", &error.to_string());
            let wait = self.backoff;
            self.backoff = (self.backoff * 2).min(LAST_BACKOFF);
            if shutdown.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return;
            }
        }
    }

    async fn session(&mut self) -> Result<(), Ended> {
        if !self.migrated {
            self.database.migrate().await?;
            self.migrated = true;
        }
        self.check_source().await?;
        let mut db = self.database.writer().await?;
        loop {
            let Some(epoch) = self.tenancy.epoch() else {
                self.stand_by(&mut db).await?;
                continue;
            };
            match self.lead(&mut db, epoch).await {
                Ok(()) => {}
                Err(Stopped::Failed(error)) => return Err(error.into()),
                Err(Stopped::Source(error)) => return Err(error.into()),
                Err(Stopped::Fenced) => {
                    tracing::warn!(projection = NAME, %epoch, "another node has taken the view over; nothing was written");
                    self.stand_by(&mut db).await?;
                }
            }
        }
    }

    async fn check_source(&mut self) -> Result<(), SourceError> {
        if !self.ours {
            self.ours = Box::pin(self.database.check_source(&*self.store)).await? == Source::Ours;
        }
        Ok(())
    }

    /// Shows how far the node that has the lease has come.
    async fn stand_by(&mut self, db: &mut PgConnection) -> Result<(), Ended> {
        self.check_source().await?;
        let serving = bounded(PATIENCE, sqlx::query(sql::SERVING).fetch_optional(&mut *db)).await?;
        if let Some(row) = serving {
            let generation: i64 = row.try_get("generation")?;
            self.gauges.rebuilding.store(row.try_get("building")?, Ordering::Release);
            self.gauges.show_pace(None);
            self.gauges.show_parked(bounded(PATIENCE, making::parked(db, generation)).await?);
            self.show(generation, rows::checkpoint(&row)?);
        }
        self.answered();
        tokio::select! {
            () = self.tenancy.changed() => {}
            () = tokio::time::sleep(POLL) => {}
        }
        Ok(())
    }

    /// Writes for as long as this node has the lease.
    async fn lead(&mut self, db: &mut PgConnection, epoch: Epoch) -> Result<(), Stopped> {
        let mut lead = self.take_over(db, epoch).await?;
        self.answered();
        self.show_parked(&lead.live.making);
        let (mut polled, mut read_at) = (Instant::now(), Instant::now());
        while self.tenancy.epoch() == Some(epoch) {
            self.show(lead.live.making.generation, lead.live.making.position);
            let mut head = self.store.head();
            let news = lead.live.making.position < *head.borrow_and_update();
            if lead.building.is_none() && (!news || read_at > Instant::now()) {
                let next = lead.live.making.position;
                tokio::select! {
                    () = self.tenancy.changed() => {}
                    () = tokio::time::sleep_until(polled + POLL) => {}
                    () = async {
                        tokio::time::sleep_until(read_at).await;
                        // The log is closed: so is this, in a moment.
                        if head.wait_for(|head| *head > next).await.is_err() {
                            std::future::pending::<()>().await;
                        }
                    } => {}
                }
            } else if news && read_at <= Instant::now() {
                let began = Instant::now();
                self.follow(db, &mut lead.live).await?;
                let behind = head.borrow().0.saturating_sub(lead.live.making.position.0) >= BEHIND;
                let rest = began.elapsed().clamp(SHORTEST_REST, LONGEST_REST);
                read_at = Instant::now() + if behind { Duration::ZERO } else { rest };
            }
            if lead.building.is_some() {
                self.build(db, &mut lead).await?;
            }
            if polled.elapsed() >= POLL {
                polled = Instant::now();
                self.look_round(db, epoch, &mut lead).await?;
                self.answered();
            }
        }
        Ok(())
    }

    /// Shuts the former writer out, then goes on where it was.
    async fn take_over(&mut self, db: &mut PgConnection, epoch: Epoch) -> Result<Lead, Stopped> {
        let fence = sqlx::query(sql::FENCE).bind(epoch.0.cast_signed());
        bounded(PAGE_PATIENCE, fence.execute(&mut *db)).await?;
        let makings = bounded(PATIENCE, making::all(db)).await?;
        if makings.iter().any(|making| making.epoch > epoch) {
            return Err(Stopped::Fenced);
        }
        let serving = makings.into_iter().find(|making| making.state == State::Serving);
        let serving = match serving {
            Some(serving) if self.log_reaches(serving.position).await => serving,
            Some(ahead) => {
                tracing::error!(
                    projection = NAME, view = %ahead.position, log = %*self.store.head().borrow(),
                    "the view is ahead of the log; it is made again from the log",
                );
                begin(db, epoch).await?
            }
            None => begin(db, epoch).await?,
        };
        let live = bounded(PATIENCE, Making::load(db, serving, epoch)).await?;
        let pages = Pages::new(Arc::clone(&self.store), PAGE);
        Ok(Lead { live: Live { making: live, pages }, building: None })
    }

    async fn log_reaches(&self, position: Position) -> bool {
        let mut head = self.store.head();
        let reached = tokio::time::timeout(LOG_PATIENCE, head.wait_for(|head| *head >= position)).await;
        matches!(reached, Ok(Ok(_)))
    }

    async fn follow(&mut self, db: &mut PgConnection, live: &mut Live) -> Result<(), Stopped> {
        self.check_source().await?;
        let Live { making: live, pages } = live;
        let Some(page) = read(pages, live.position).await else { return Ok(()) };
        let parked = live.parking.rows().len();
        apply(db, live, &page).await?;
        self.gauges.count(page.events.len());
        self.answered();
        if live.parking.rows().len() != parked {
            self.show_parked(live);
        }
        self.gauges.keep_pace(page.events.len(), live.position);
        Ok(())
    }

    /// A page of the making beside the one that serves reads; takes its place once it has all that that one has.
    async fn build(&mut self, db: &mut PgConnection, lead: &mut Lead) -> Result<(), Stopped> {
        let Some(Building { making, pages, pace }) = &mut lead.building else { return Ok(()) };
        if making.position < lead.live.making.position {
            let Some(page) = read(pages, making.position).await else { return Ok(()) };
            apply(db, making, &page).await?;
            pace.add(page.events.len(), making.position);
            self.gauges.count(page.events.len());
            self.gauges.show_pace(Some(*pace));
        }
        // A reader never sees a view go back.
        if making.position >= lead.live.making.position {
            bounded(PAGE_PATIENCE, async { Ok(making.promote(db).await) }).await??;
            tracing::info!(projection = NAME, generation = making.generation, "rebuild ended");
            if let Some(built) = lead.building.take() {
                lead.live.making = built.making;
            }
            self.gauges.rebuilding.store(false, Ordering::Release);
            self.gauges.show_pace(None);
            self.show_parked(&lead.live.making);
            self.show(lead.live.making.generation, lead.live.making.position);
        }
        Ok(())
    }

    /// Takes up a making that was asked for, and deletes what nobody reads.
    async fn look_round(&mut self, db: &mut PgConnection, epoch: Epoch, lead: &mut Lead) -> sqlx::Result<()> {
        for listed in bounded(PATIENCE, making::all(db)).await? {
            match listed.state {
                State::Serving => {}
                State::Retired => bounded(PAGE_PATIENCE, making::delete(db, listed.generation)).await?,
                State::Building if lead.building.is_some() => {}
                State::Building => {
                    tracing::info!(projection = NAME, generation = listed.generation, from = %listed.position, "rebuild begun");
                    let fence = sqlx::query(sql::FENCE).bind(epoch.0.cast_signed());
                    bounded(PATIENCE, fence.execute(&mut *db)).await?;
                    let making = bounded(PATIENCE, Making::load(db, listed, epoch)).await?;
                    let pages = Pages::new(Arc::clone(&self.store), BUILDING_PAGE);
                    lead.building = Some(Building { making, pages, pace: Pace::new() });
                    self.gauges.rebuilding.store(true, Ordering::Release);
                }
            }
        }
        Ok(())
    }

    fn answered(&mut self) {
        self.backoff = FIRST_BACKOFF;
        self.gauges.back();
    }

    fn show(&self, generation: i64, position: Position) {
        self.gauges.show_shared(generation.cast_unsigned(), position, *self.store.head().borrow());
    }

    fn show_parked(&self, making: &Making) {
        self.gauges.show_parked(making.parking.rows());
    }
}

/// The makings that this node writes.
struct Lead {
    live: Live,
    building: Option<Building>,
}

struct Live {
    making: Making,
    pages: Pages,
}

struct Building {
    making: Making,
    pages: Pages,
    pace: Pace,
}

async fn read(pages: &mut Pages, after: Position) -> Option<Page> {
    match pages.after(after).await {
        Ok(page) if page.next > after => Some(page),
        Ok(_nothing_yet) => {
            tokio::time::sleep(SHORTEST_REST).await;
            None
        }
        Err(error) => {
            tracing::warn!(projection = NAME, %error, "a projection cannot read the log; it will try again");
            tokio::time::sleep(LAST_BACKOFF).await;
            None
        }
    }
}

async fn apply(db: &mut PgConnection, making: &mut Making, page: &Page) -> Result<(), Unapplied> {
    let began = Instant::now();
    let applied =
        bounded(PAGE_PATIENCE, async { Ok(making.apply(db, &page.events, page.next).await) }).await?;
    if began.elapsed() >= SLOW {
        let (events, millis) = (page.events.len(), began.elapsed().as_millis());
        tracing::warn!(projection = NAME, events, millis, "a page took long to write");
    }
    applied
}

/// An empty making that serves reads at once, in place of whichever did.
async fn begin(db: &mut PgConnection, epoch: Epoch) -> sqlx::Result<Listed> {
    bounded(PAGE_PATIENCE, async {
        let mut transaction = db.begin().await?;
        let retire = sqlx::query(sql::RETIRE_SERVING).bind(epoch.0.cast_signed());
        retire.execute(&mut *transaction).await?;
        let generation = making::create(&mut transaction, State::Serving, epoch).await?;
        transaction.commit().await?;
        Ok(Listed { generation, state: State::Serving, position: Position(0), epoch })
    })
    .await
}
