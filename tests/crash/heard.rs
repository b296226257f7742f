//! What NATS has heard, message by message.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use crate::support::audit::of_type;
use crate::support::time::eventually;

fn ids<'a>(events: impl IntoIterator<Item = &'a Value>) -> Vec<String> {
    events.into_iter().map(|event| event["eventId"].as_str().expect("an event id").to_owned()).collect()
}

/// All that NATS holds, in its order, with subjects.
async fn heard(url: &str) -> Vec<(String, Value)> {
    let jetstream = async_nats::jetstream::new(async_nats::connect(url).await.unwrap());
    let mut stream = jetstream.get_stream("MARQUEE").await.unwrap();
    let last = stream.info().await.unwrap().state.last_sequence;
    let mut heard = vec![];
    for sequence in 1..=last {
        let message = stream.get_raw_message(sequence).await.unwrap();
        heard.push((message.subject.to_string(), serde_json::from_slice(&message.payload).unwrap()));
    }
    heard
}

/// Every confirmation that the log has, in its order and once, and no message of any kind twice. How many messages there are.
pub async fn everybody_is_told_once(url: &str, whole: &[Value]) -> usize {
    let confirmed = ids(of_type(whole, "booking.confirmed"));
    eventually(Duration::from_secs(30), "NATS has heard of every confirmed booking", async || {
        let heard = heard(url).await;
        let told = heard.iter().filter(|(subject, _)| subject == "marquee.booking.confirmed");
        let told = ids(told.map(|(_, message)| message));
        if told.len() < confirmed.len() {
            return None;
        }
        assert_eq!(told, confirmed, "each confirmed booking is told once, in the order of the log");
        let all: BTreeSet<String> = ids(heard.iter().map(|(_, message)| message)).into_iter().collect();
        assert_eq!(all.len(), heard.len(), "no message is told twice");
        Some(heard.len())
    })
    .await
}
