//! The statements, the fence and the second lock, against a real server.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use marquee_event_store::lease::Epoch;
use marquee_event_store::{Metadata, Position, Recorded, StreamName};
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor, SqlSafeStr};
use uuid::Uuid;

use super::making::{self, Listed, Making, State, Unapplied};
use super::sql;
use crate::postgres::{CLAIM, HOLD, Postgres, RELEASE, SOURCE};

async fn migrated() -> Postgres {
    let database = Postgres::new(&marquee_test_postgres::database()).unwrap();
    database.migrate().await.unwrap();
    database
}

#[tokio::test]
async fn every_statement_fits_the_tables() {
    let mut db = migrated().await.writer().await.unwrap();
    for statement in sql::ALL.iter().chain(&[HOLD, RELEASE, CLAIM, SOURCE]) {
        if let Err(error) = (&mut db).prepare(statement.into_sql_str()).await {
            panic!("{statement}: {error}");
        }
    }
}

#[tokio::test]
async fn nodes_that_start_together_migrate_once_and_a_later_release_is_no_hindrance() {
    let url = marquee_test_postgres::database();
    let nodes = [(); 4].map(|()| Postgres::new(&url).unwrap());
    let mut starting = tokio::task::JoinSet::new();
    for node in nodes.clone() {
        starting.spawn(async move { node.migrate().await });
    }
    while let Some(started) = starting.join_next().await {
        started.unwrap().unwrap();
    }
    marquee_test_postgres::psql(
        &url,
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'of a later release', true, '\\x00', 0)",
    );
    nodes[0].migrate().await.unwrap();
}

fn event(position: u64, stream: &str, name: &str, data: String) -> Arc<Recorded> {
    let (stream, data) = (StreamName::new(stream), Bytes::from(data));
    let (id, time, metadata) = (Uuid::nil(), Timestamp::UNIX_EPOCH, Metadata::default());
    Arc::new(Recorded::new(Position(position), stream, 0, id, name.into(), time, metadata, data, None))
}

fn scheduled(position: u64, show: &str) -> Arc<Recorded> {
    let show = serde_json::json!({
        "showId": show, "partnerId": "p_1", "theatreId": "th_1", "cityId": "blr", "timezone": "Asia/Kolkata",
        "screenId": "sc_1", "screenName": "One", "movieId": "mv_1", "startTime": "2026-02-01T13:00:00Z",
        "endTime": "2026-02-01T15:00:00Z", "language": "en", "format": "2D", "currency": "INR",
        "prices": { "REGULAR": 18_000 }, "rows": [],
    });
    let stream = format!("show-{}", show["showId"].as_str().unwrap());
    event(position, &stream, "show.scheduled.v1", show.to_string())
}

fn locked(position: u64, show: &str, unique: &str, user: &str, seat: &str) -> Arc<Recorded> {
    let data = serde_json::json!({
        "bookingId": format!("bk_{show}_{unique}"), "userId": user, "seatIds": [seat],
        "expiresAt": "2026-02-01T12:00:00Z", "idempotencyKey": unique, "fingerprint": "f",
    });
    event(position, &format!("show-{show}"), "booking.seats-locked.v1", data.to_string())
}

/// The making that serves reads, as a node with an epoch takes it over.
async fn taken_over(db: &mut PgConnection, epoch: u64) -> Making {
    let fence = sqlx::query(sql::FENCE).bind(i64::try_from(epoch).unwrap());
    fence.execute(&mut *db).await.unwrap();
    let serving = making::all(db).await.unwrap().into_iter().find(|making| making.state == State::Serving);
    let serving: Listed = match serving {
        Some(serving) => serving,
        None => {
            let mut transaction = db.begin().await.unwrap();
            let generation = making::create(&mut transaction, State::Serving, Epoch(epoch)).await.unwrap();
            transaction.commit().await.unwrap();
            Listed { generation, state: State::Serving, position: Position(0), epoch: Epoch(epoch) }
        }
    };
    Making::load(db, serving, Epoch(epoch)).await.unwrap()
}

async fn count(db: &mut PgConnection, table: &'static str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(db).await.unwrap()
}

#[tokio::test]
async fn a_former_writer_commits_nothing_even_at_the_position_that_it_knows() {
    let database = migrated().await;
    let (mut one, mut other) = (database.writer().await.unwrap(), database.writer().await.unwrap());
    let mut former = taken_over(&mut one, 1).await;
    former.apply(&mut one, &[scheduled(1, "sh_1")], Position(1)).await.unwrap();
    let mut present = taken_over(&mut other, 2).await;
    assert_eq!(present.position, former.position);

    let page = [locked(2, "sh_1", "01", "u_1", "A1")];
    let late = former.apply(&mut one, &page, Position(2)).await;
    assert!(matches!(late, Err(Unapplied::Fenced)), "{late:?}");
    assert_eq!(count(&mut other, "bookings").await, 0);
    present.apply(&mut other, &page, Position(2)).await.unwrap();
    assert_eq!((count(&mut other, "bookings").await, count(&mut other, "live_seats").await), (1, 1));
    let swapped = former.promote(&mut one).await;
    assert!(matches!(swapped, Err(Unapplied::Fenced)), "nor does it swap generations: {swapped:?}");
}

#[tokio::test]
async fn a_writer_that_is_behind_the_checkpoint_writes_nothing() {
    let database = migrated().await;
    let mut db = database.writer().await.unwrap();
    let mut behind = taken_over(&mut db, 1).await;
    let mut ahead = taken_over(&mut db, 1).await;
    ahead.apply(&mut db, &[scheduled(1, "sh_1")], Position(1)).await.unwrap();
    let again = behind.apply(&mut db, &[scheduled(1, "sh_2")], Position(1)).await;
    assert!(matches!(again, Err(Unapplied::Fenced)), "{again:?}");
    assert_eq!(count(&mut db, "shows").await, 1);
}

#[tokio::test]
async fn the_database_itself_refuses_a_second_live_booking_of_a_seat() {
    let url = marquee_test_postgres::database();
    let database = Postgres::new(&url).unwrap();
    database.migrate().await.unwrap();
    let mut db = database.writer().await.unwrap();
    let mut making = taken_over(&mut db, 1).await;
    let page = [scheduled(1, "sh_1"), locked(2, "sh_1", "01", "u_1", "A1")];
    making.apply(&mut db, &page, Position(2)).await.unwrap();
    let double =
        "INSERT INTO live_seats (generation, show_id, seat_id, booking_id) VALUES (1, 'sh_1', 'A1', 'x')";
    let refused = sqlx::query(double).execute(&mut db).await.unwrap_err();
    assert_eq!(refused.as_database_error().unwrap().code().as_deref(), Some("23505"));
}

/// PostgreSQL has no text with a zero in it.
#[tokio::test]
async fn what_the_database_cannot_store_parks_its_stream_alone() {
    let mut db = migrated().await.writer().await.unwrap();
    let mut making = taken_over(&mut db, 1).await;
    let mut page = vec![scheduled(1, "sh_1"), scheduled(2, "sh_2")];
    page.extend((3..40).map(|at| {
        let (show, user) = if at == 17 { ("sh_1", "u_\0") } else { ("sh_2", "u_1") };
        locked(at, show, &format!("{at:03}"), user, &format!("A{at}"))
    }));
    page.push(locked(40, "sh_1", "040", "u_1", "A40"));
    making.apply(&mut db, &page, Position(44)).await.unwrap();
    assert_eq!(making.position, Position(44));
    let parked = making.parking.rows();
    assert_eq!((parked.len(), parked[0].stream.as_str(), parked[0].position), (1, "show-sh_1", Position(17)));
    assert_eq!(count(&mut db, "bookings").await, 36, "all of the other show, and nothing after the poison");
    let stored = making::parked(&mut db, 1).await.unwrap();
    assert_eq!(stored, parked);
}
