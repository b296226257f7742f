//! Failures of the file, injected into the writing connection.

use std::path::Path;

use jiff::Timestamp;
use marquee_domain::show::{BookingExpired, ShowEvent};
use uuid::Uuid;

use super::*;
use crate::codec::DecodeError;
use crate::embedded::reader::Readers;
use crate::embedded::row::{Fields, checksum_at};
use crate::port::{Expected, NewEvent, TypeFilter};
use crate::stream::StreamName;

fn shared_at(head: Position) -> Arc<Shared> {
    Arc::new(Shared {
        tail: Tail::new(head),
        head: watch::Sender::new(head),
        fatal: watch::Sender::new(None),
    })
}

fn opened(root: &Path) -> (PathBuf, Connection, Position) {
    let file = schema::file_in(root);
    let (conn, verified) = schema::open(&file).unwrap();
    (file, conn, verified.head)
}

fn append_to(
    stream: &str,
    expected: Expected,
) -> (Prepared, oneshot::Sender<Outcome>, oneshot::Receiver<Outcome>) {
    let event = ShowEvent::from(BookingExpired { booking_id: "b".repeat(4_000).as_str().into() }).into();
    let new = NewEvent { id: Uuid::now_v7(), time: Timestamp::UNIX_EPOCH, event, metadata: Arc::default() };
    let (answer, answered) = oneshot::channel();
    (Prepared::new(StreamName::new(stream), expected, vec![new]).unwrap(), answer, answered)
}

#[test]
fn a_full_disk_refuses_the_whole_group_and_heals_by_itself() {
    let root = tempfile::tempdir().unwrap();
    let (_, conn, head) = opened(root.path());
    let shared = shared_at(head);
    let session = Session::new(&conn, head).unwrap();
    let mut groups = Groups { conn: &conn, session, shared: &shared, meters: Meters::new() };
    let mut commit = |streams: std::ops::Range<u64>, expected| {
        let (group, answers): (Vec<_>, Vec<_>) = streams
            .map(|n| append_to(&format!("show-sh_{n}"), expected))
            .map(|(append, answer, answered)| ((append, answer), answered))
            .unzip();
        groups.commit(group);
        answers.into_iter().map(|answered| answered.blocking_recv().unwrap()).collect::<Vec<_>>()
    };
    assert!(commit(0..2, Expected::NoStream).iter().all(Result::is_ok));

    let pages: i64 = conn.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    conn.pragma_update(None, "max_page_count", pages + 5).unwrap();
    let refused = commit(2..22, Expected::NoStream);
    assert_eq!(refused.len(), 20);
    for outcome in refused {
        assert!(matches!(outcome, Err(AppendError::Unavailable(_))), "{outcome:?}");
    }
    assert_eq!(*shared.head.borrow(), Position(2), "nothing of it was written");
    assert_eq!(*shared.fatal.borrow(), None, "a full disk is no reason to stop");

    conn.pragma_update(None, "max_page_count", 1_000_000).unwrap();
    let healed = commit(0..2, Expected::Revision(0));
    let positions: Vec<_> = healed.into_iter().map(|outcome| outcome.unwrap().position).collect();
    assert_eq!(positions, [Position(3), Position(4)], "positions have no gap where the group was refused");
    assert!(matches!(
        commit(1..2, Expected::NoStream)[..],
        [Err(AppendError::Conflict { current: Some(1) })]
    ));
}

#[test]
fn any_other_failure_stops_the_store_for_good() {
    let root = tempfile::tempdir().unwrap();
    let (file, conn, head) = opened(root.path());
    let shared = shared_at(head);
    conn.pragma_update(None, "query_only", true).unwrap();
    let (sender, messages) = mpsc::channel(16);
    let writer = Writer { conn, file: file.clone(), shared: Arc::clone(&shared), messages };
    let thread = std::thread::spawn(move || writer.run());
    for _ in 0..3 {
        let (append, answer, answered) = append_to("show-sh_1", Expected::NoStream);
        sender.blocking_send(Message::Append(append, answer)).ok().unwrap();
        let outcome = answered.blocking_recv().unwrap();
        assert!(matches!(outcome, Err(AppendError::Unavailable(_))), "{outcome:?}");
        assert!(shared.fatal.subscribe().borrow().is_some(), "whoever watches is told why");
    }
    let (closed, wait) = oneshot::channel();
    sender.blocking_send(Message::Close(closed)).ok().unwrap();
    wait.blocking_recv().unwrap();
    thread.join().unwrap();
    assert_eq!(*shared.head.borrow(), Position(0), "the head never passes what failed");
    assert_eq!(schema::open(&file).unwrap().1.head, Position(0));
}

#[tokio::test]
async fn an_event_that_a_newer_release_wrote_is_readable_raw() {
    let root = tempfile::tempdir().unwrap();
    let (file, conn, _) = opened(root.path());
    let fields = Fields {
        stream: "show-sh_1",
        revision: 0,
        id: Uuid::now_v7(),
        stored_name: "booking.seats-swapped.v9",
        millis: 1,
        actor: "customer:u_1",
        correlation: "req_1",
        causation: None,
        data: b"{\"new\":true}",
    };
    conn.execute("INSERT INTO streams VALUES (1, ?1)", [fields.stream]).unwrap();
    conn.execute(
        "INSERT INTO events VALUES (1, 1, 0, ?1, ?2, ?3, ?4, ?5, NULL, ?6, ?7)",
        rusqlite::params![
            fields.id.as_bytes(),
            fields.stored_name,
            fields.millis,
            fields.actor,
            fields.correlation,
            fields.data,
            checksum_at(fields.hash(), Position(1)),
        ],
    )
    .unwrap();
    drop(conn);
    assert_eq!(schema::open(&file).unwrap().1.head, Position(1), "it is no damage");
    let readers = Arc::new(Readers::new(file));
    let page = readers.all(Position(0), Position(1), 10, TypeFilter::All).await.unwrap();
    assert_eq!(&page.events[0].data[..], fields.data);
    let unknown = DecodeError::UnknownName(fields.stored_name.into());
    assert_eq!(page.events[0].event().unwrap_err(), unknown);
}
