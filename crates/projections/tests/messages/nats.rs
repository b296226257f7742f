//! NATS `JetStream`, by a real server.

use std::collections::HashSet;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::{self, Context};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use marquee_event_store::{Position, StreamName};
use marquee_projections::messages::conformance::{Held, Rig, message_bus_conforms};
use marquee_projections::messages::{
    BusError, MessageBus, NatsBus, NatsConfig, NatsCredentials, Origin, Outgoing, STREAM,
};
use marquee_test_tls::Authority;
use tokio::time::Instant;

use crate::rig::{PATIENCE, Queue, Running, everything_that_is_told};
use crate::server::NatsServer;
use crate::world::{Past, World};

fn bus(server: &NatsServer) -> Arc<dyn MessageBus> {
    Arc::new(NatsBus::new(NatsConfig::new(&server.url(), None).unwrap()))
}

async fn consumer_of(server: &NatsServer) -> Context {
    jetstream::new(async_nats::connect(server.url()).await.unwrap())
}

/// All that a consumer finds who begins at the first message.
async fn held(server: &NatsServer) -> Vec<Held> {
    let Ok(stream) = consumer_of(server).await.get_stream(STREAM).await else { return vec![] };
    let count = usize::try_from(stream.cached_info().state.messages).unwrap();
    if count == 0 {
        return vec![];
    }
    let config = pull::Config { ack_policy: AckPolicy::None, ..pull::Config::default() };
    let consumer = stream.create_consumer(config).await.unwrap();
    let messages = consumer.stream().messages().await.unwrap().take(count);
    let messages: Vec<_> = tokio::time::timeout(PATIENCE, messages.collect()).await.unwrap();
    let as_held = |message: Result<jetstream::Message, _>| {
        let message = message.unwrap();
        let id = message.headers.as_ref().unwrap().get("Nats-Msg-Id").unwrap().as_str();
        Held {
            event_id: id.parse().unwrap(),
            subject: message.subject.to_string(),
            body: message.payload.clone(),
        }
    };
    messages.into_iter().map(as_held).collect()
}

/// Every message of the log, each once by its id, in the order of the log.
async fn assert_holds_all_of(server: &NatsServer, world: &World) {
    let (found, expected) = (held(server).await, Queue::new().filled_from(world).await);
    let ids: HashSet<_> = found.iter().map(|held| held.event_id).collect();
    assert_eq!(ids.len(), found.len(), "an event is told twice");
    assert_eq!(found.len(), expected.len(), "not every message is there");
    assert!(found == expected, "the messages are not those of the log in its order");
}

struct Nats(NatsServer);

impl Rig for Nats {
    fn fresh(&self) -> BoxFuture<'_, Arc<dyn MessageBus>> {
        Box::pin(async {
            // There is none the first time.
            let _ = consumer_of(&self.0).await.delete_stream(STREAM).await;
            bus(&self.0)
        })
    }

    fn again(&self) -> BoxFuture<'_, Arc<dyn MessageBus>> {
        Box::pin(std::future::ready(bus(&self.0)))
    }

    fn held(&self) -> BoxFuture<'_, Vec<Held>> {
        Box::pin(held(&self.0))
    }
}

#[tokio::test]
async fn nats_conforms() {
    message_bus_conforms(&Nats(NatsServer::started())).await;
}

async fn two_shows() -> World {
    let mut world = World::with_catalogue().await;
    for show in ["sh_1", "sh_2"] {
        world.show(show, "mv_1", "2026-02-01T13:00:00Z", 3).await;
    }
    world
}

const SHOWS: [&str; 2] = ["sh_1", "sh_2"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_restarted_under_load_nats_has_every_message_once_and_in_order() {
    let mut server = NatsServer::started();
    let (mut world, mut past) = (two_shows().await, Past::new());
    let running = Running::start(&world.store, bus(&server));
    let trouble = tokio::task::spawn_blocking(move || {
        for _ in 0..4 {
            std::thread::sleep(Duration::from_millis(250));
            server.kill();
            std::thread::sleep(Duration::from_millis(120));
            server.start();
        }
        server
    });
    while !trouble.is_finished() {
        past.drive(&mut world, &SHOWS, 20).await;
    }
    let server = trouble.await.unwrap();
    running.published(world.head).await;
    running.stop().await;
    assert_holds_all_of(&server, &world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_wiped_under_load_nats_is_given_every_message_again() {
    let mut server = NatsServer::started();
    let (mut world, mut past) = (two_shows().await, Past::new());
    let running = Running::start(&world.store, bus(&server));
    for _ in 0..3 {
        past.drive(&mut world, &SHOWS, 150).await;
        let wiping = tokio::task::spawn_blocking(move || {
            server.kill();
            server.wipe();
            std::thread::sleep(Duration::from_millis(100));
            server.start();
            server
        });
        while !wiping.is_finished() {
            past.drive(&mut world, &SHOWS, 10).await;
        }
        server = wiping.await.unwrap();
    }
    past.drive(&mut world, &SHOWS, 50).await;
    running.published(world.head).await;
    running.stop().await;
    assert_holds_all_of(&server, &world).await;
}

/// Until a stream that was lost is whole again, though nothing happens that would be published.
async fn filled_again(server: &NatsServer, world: &World) {
    let expected = Queue::new().filled_from(world).await.len();
    let deadline = Instant::now() + PATIENCE;
    while held(server).await.len() < expected {
        assert!(Instant::now() < deadline, "the stream was not filled again");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn wiped_while_nothing_happens_nats_is_given_every_message_again() {
    let mut server = NatsServer::started();
    let world = everything_that_is_told().await;
    let running = Running::start(&world.store, bus(&server));
    running.published(world.head).await;
    server.kill();
    running.knows_of_an_outage().await;
    server.wipe();
    server.start();
    filled_again(&server, &world).await;
    running.stop().await;
    assert_holds_all_of(&server, &world).await;
}

/// The stream alone is deleted, by an administrator; the server runs on.
#[tokio::test]
async fn a_stream_that_was_deleted_is_made_and_filled_again() {
    let server = NatsServer::started();
    let mut world = everything_that_is_told().await;
    let running = Running::start(&world.store, bus(&server));
    running.published(world.head).await;
    consumer_of(&server).await.delete_stream(STREAM).await.unwrap();
    // No connection was cut and nothing is published: it must be missed all the same.
    filled_again(&server, &world).await;
    world.show("sh_9", "mv_2", "2026-02-02T13:00:00Z", 1).await;
    running.published(world.head).await;
    running.stop().await;
    assert_holds_all_of(&server, &world).await;
}

#[tokio::test]
async fn slow_and_then_unreachable_at_the_start_nats_is_waited_for_and_nothing_is_lost() {
    let mut server = NatsServer::new();
    let silent = TcpListener::bind(server.address()).unwrap();
    let world = everything_that_is_told().await;
    let running = Running::start(&world.store, bus(&server));
    tokio::time::sleep(Duration::from_millis(300)).await;
    drop(silent);
    running.knows_of_an_outage().await;
    let since = running.messages.status().out.unwrap().since;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let status = running.messages.status();
    assert_eq!(status.out.unwrap().since, since, "an outage began when it began");
    assert_eq!(status.lag, world.head.0);
    server.start();
    running.published(world.head).await;
    assert!(running.messages.status().out.is_none());
    running.stop().await;
    assert_holds_all_of(&server, &world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_publishers_at_once_store_nothing_twice_and_nothing_out_of_order() {
    let server = NatsServer::started();
    let (mut world, mut past) = (two_shows().await, Past::new());
    let one = Running::start(&world.store, bus(&server));
    let other = Running::start(&world.store, bus(&server));
    for _ in 0..40 {
        past.drive(&mut world, &SHOWS, 10).await;
    }
    one.published(world.head).await;
    other.published(world.head).await;
    one.stop().await;
    other.stop().await;
    assert_holds_all_of(&server, &world).await;
}

#[tokio::test]
async fn what_others_put_on_marquees_subjects_is_passed_over() {
    let server = NatsServer::started();
    let mut world = everything_that_is_told().await;
    let running = Running::start(&world.store, bus(&server));
    running.published(world.head).await;
    let foreign = consumer_of(&server).await;
    foreign.publish("marquee.something.else", "{}".into()).await.unwrap().await.unwrap();
    world.show("sh_9", "mv_2", "2026-02-02T13:00:00Z", 1).await;
    running.published(world.head).await;
    running.stop().await;
    let mut stream = foreign.get_stream(STREAM).await.unwrap();
    let expected = Queue::new().filled_from(&world).await.len() as u64 + 1;
    assert_eq!(stream.info().await.unwrap().state.messages, expected);
}

/// Somebody else's message lies where the first of a batch was to go: the second must not go right after it.
#[tokio::test]
async fn no_message_is_stored_without_the_one_before_it() {
    let server = NatsServer::started();
    let world = everything_that_is_told().await;
    let running = Running::start(&world.store, bus(&server));
    running.published(world.head).await;
    running.stop().await;
    let before = held(&server).await;
    consumer_of(&server).await.delete_stream(STREAM).await.unwrap();

    let bus = bus(&server);
    assert_eq!(bus.last().await, Ok(None));
    let foreign = consumer_of(&server).await;
    foreign.publish("marquee.something.else", "{}".into()).await.unwrap().await.unwrap();
    let messages = before.iter().zip(1..).map(|(held, revision)| Outgoing {
        origin: Origin {
            event_id: held.event_id,
            position: Position(revision),
            stream: StreamName::new("show-sh_1"),
            revision,
        },
        time: crate::world::before(),
        subject: "marquee.show.changed",
        body: held.body.clone(),
    });
    let refused = bus.publish(messages.collect()).await;
    assert!(matches!(refused, Err(BusError::Moved(_))), "{refused:?}");
    let mut stream = foreign.get_stream(STREAM).await.unwrap();
    assert_eq!(stream.info().await.unwrap().state.messages, 1, "the foreign one alone");
}

/// Filled from another log within the time that NATS knows repeats: what it has is not held twice, the rest follows.
#[tokio::test]
async fn a_stream_that_another_log_filled_is_given_this_log_as_well() {
    let server = NatsServer::started();
    let (other, world) = (everything_that_is_told().await, everything_that_is_told().await);
    for log in [&other, &world] {
        let running = Running::start(&log.store, bus(&server));
        running.published(log.head).await;
        running.stop().await;
    }
    let expected = Queue::new().filled_from(&world).await;
    let found = held(&server).await;
    assert_eq!(found.len(), 2 * expected.len());
    assert!(found[expected.len()..] == expected[..]);
}

/// Limits and replicas are the operator's; only what Marquee rests on is mended.
#[tokio::test]
async fn a_stream_that_an_operator_made_keeps_its_limits_and_is_given_what_it_lacks() {
    let server = NatsServer::started();
    let operator = consumer_of(&server).await;
    let made = jetstream::stream::Config {
        name: STREAM.into(),
        subjects: vec!["marquee.booking.*".into(), "elsewhere".into()],
        max_messages: 77_777,
        duplicate_window: Duration::from_secs(1),
        ..Default::default()
    };
    operator.create_stream(made).await.unwrap();
    bus(&server).last().await.unwrap();
    let mut stream = operator.get_stream(STREAM).await.unwrap();
    let config = &stream.info().await.unwrap().config;
    assert_eq!(config.subjects, ["elsewhere", "marquee.>"]);
    assert_eq!((config.max_messages, config.duplicate_window), (77_777, Duration::from_secs(120)));
}

#[tokio::test]
async fn credentials_come_by_the_url_or_apart_and_wrong_ones_are_an_outage() {
    let server = NatsServer::with_password("p@ss:word");
    let with_user = server.url().replace("://", "://marquee:p%40ss%3Aword@");
    let by_url = NatsBus::new(NatsConfig::new(&with_user, None).unwrap());
    assert_eq!(by_url.last().await, Ok(None));
    let user = |password: &str| NatsCredentials::User { user: "marquee".into(), password: password.into() };
    let apart = NatsBus::new(NatsConfig::new(&server.url(), Some(user("p@ss:word"))).unwrap());
    assert_eq!(apart.last().await, Ok(None));
    let wrong = NatsConfig::new(&with_user, Some(user("another"))).unwrap();
    assert!(!format!("{wrong:?}").contains("ss"), "no secret in what is logged: {wrong:?}");
    let refused = NatsBus::new(wrong).last().await.unwrap_err();
    assert!(refused.to_string().contains("authorization"), "{refused}");
    assert!(NatsConfig::new("http://somewhere", None).is_err());
}

/// Who the server is, is proven before it is told a password.
#[tokio::test]
async fn a_server_over_tls_is_published_to_if_its_certificate_is_believed() {
    let (authority, other) = (Authority::new(), Authority::new());
    let identity = authority.issue("localhost");
    let server = NatsServer::with_certificate(&identity.certificate, &identity.key, "canary-5519");
    let url = |scheme| format!("{scheme}://localhost:{}", server.address().port());
    let credentials =
        |password: &str| NatsCredentials::User { user: "marquee".into(), password: password.into() };
    let config = |url: &str, password| NatsConfig::new(url, Some(credentials(password))).unwrap();

    let known = config(&url("tls"), "canary-5519").believing(authority.certificate());
    assert_eq!(NatsBus::new(known.clone()).last().await.unwrap(), None);
    let plain = NatsServer::with_password("canary-5519");
    let in_clear = format!("tls://localhost:{}", plain.address().port());
    let refused = [
        (config(&in_clear, "canary-5519").believing(authority.certificate()), "a server that speaks no TLS"),
        (config(&url("tls"), "canary-5519"), "a certificate that nobody signed who is believed"),
        (config(&url("tls"), "canary-5519").believing(other.certificate()), "one of another authority"),
        (config(&url("tls"), "guessed").believing(authority.certificate()), "another password"),
        (
            config(&url("tls").replace("localhost", "127.0.0.1"), "canary-5519")
                .believing(authority.certificate()),
            "one for another host",
        ),
    ];
    for (config, what) in refused {
        let shown = format!("{config:?}");
        let error = NatsBus::new(config).last().await.expect_err(what);
        let said = format!("{shown} {error} {error:?}");
        assert!(!said.contains("canary-5519"), "{said}");
    }
}
