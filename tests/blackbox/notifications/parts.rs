//! Some seats of a booking go back: what its customer is told.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{FROM, come_to, providers, reachable};
use crate::support::providers::{MailServer, Texts};
use crate::support::time::in_days;
use crate::support::tokens::customer;
use crate::support::world::{World, new_key};

async fn give_back(world: &World, user: &str, booking: &str, seats: &[&str]) -> Value {
    let path = format!("/bookings/{booking}/cancel");
    let call = world.http.post(&path, &json!({ "seatIds": seats })).token(&customer(user)).key(&new_key());
    call.send().await.expect(200)
}

/// The text that went out under a notification's id, whoever took it.
fn text_of(told: &Value, mail: &MailServer, texts: &Texts) -> String {
    let id = told["notificationId"].as_str().expect("an id");
    let (_, domain) = FROM.split_once('@').expect("an address");
    let message_id = format!("<{id}@{domain}>");
    let mailed = mail.taken().into_iter().filter(|mail| mail.id() == message_id).map(|mail| mail.text);
    let posted = texts.taken().into_iter().filter(|post| post.body["id"] == id);
    let posted = posted.map(|post| post.body["text"].as_str().expect("a text").to_owned());
    let [text] = <[String; 1]>::try_from(mailed.chain(posted).collect::<Vec<_>>()).expect("it went out once");
    text
}

fn of_kind<'a>(told: &'a [Value], kind: &str) -> Vec<&'a Value> {
    told.iter().filter(|told| told["kind"] == kind).collect()
}

#[tokio::test]
async fn seats_given_back_are_told_once_in_every_wanted_channel_with_what_stays_and_what_goes_back() {
    let (mail, texts) = (MailServer::started().await, Texts::started().await);
    let world = World::with(&providers(Some(&mail), Some(&texts))).await;
    let contact = json!({ "email": "asha@example.com", "phone": "+919900112233", "language": "hi-IN",
        "channels": ["EMAIL", "SMS", "WHATSAPP"] });
    reachable(&world, "u_1", contact).await;
    let booking = world.confirmed("u_1", &["A1", "P1", "A2"]).await;
    come_to(&world, &booking, "SENT", 3).await;
    let body = give_back(&world, "u_1", &booking, &["P1"]).await;
    assert_eq!((&body["refund"]["amount"], &body["pricing"]["total"]), (&json!(250.5), &json!(360)));

    // Confirmed, of seats that are cancelled, of the refund when it begins and when it is made.
    let told = come_to(&world, &booking, "SENT", 4 * 3).await;
    let cancelled = of_kind(&told, "SEATS_CANCELLED");
    let channels: BTreeSet<_> = cancelled.iter().filter_map(|told| told["channel"].as_str()).collect();
    assert_eq!((cancelled.len(), channels), (3, BTreeSet::from(["EMAIL", "SMS", "WHATSAPP"])));
    let event = &world.events_of("booking.seats-cancelled", &booking, 1).await[0];
    let start = in_days(2, 18, 30).strftime("%d-%m-%Y, 18:30 (UTC+05:30)").to_string();
    for told in cancelled {
        assert_eq!(told["eventId"], event["eventId"]);
        let text = text_of(told, &mail, &texts);
        for fact in ["Midnight Caravan", "Lakeside Orion", &start, "आपकी सीटें", "A1, A2", &booking]
        {
            assert!(text.contains(fact), "{fact}: {text}");
        }
        assert!(!text.contains("P1"), "what went back is not theirs any more: {text}");
        assert_eq!(text.contains("INR 360.00"), told["channel"] == "EMAIL", "what the rest costs: {text}");
    }
    for kind in ["REFUND_INITIATED", "REFUND_SUCCEEDED"] {
        let refund = of_kind(&told, kind);
        assert_eq!(refund.len(), 3);
        for told in refund {
            let text = text_of(told, &mail, &texts);
            assert!(text.contains("INR 250.50") && !text.contains("360"), "{kind}: {text}");
        }
    }
    let posted = texts.taken();
    let posted: Vec<_> = posted.iter().filter(|post| post.body["kind"] == "SEATS_CANCELLED").collect();
    assert!(posted.len() == 2 && posted.iter().all(|post| post.body["language"] == "hi"), "{posted:?}");
    assert!(of_kind(&told, "BOOKING_CANCELLED").is_empty(), "the booking stands");
}

#[tokio::test]
async fn seats_given_back_are_told_in_no_channel_that_is_not_wanted_and_each_time_anew() {
    let (mail, texts) = (MailServer::started().await, Texts::started().await);
    let world = World::with(&providers(Some(&mail), Some(&texts))).await;
    let contact = json!({ "email": "ravi@example.com", "phone": "+919900112244", "channels": ["SMS"] });
    reachable(&world, "u_1", contact).await;
    let booking = world.confirmed("u_1", &["B1", "B2", "B3"]).await;
    give_back(&world, "u_1", &booking, &["B2"]).await;
    give_back(&world, "u_1", &booking, &["B1"]).await;
    let told = come_to(&world, &booking, "SENT", 1 + 2 * 3).await;
    let cancelled = of_kind(&told, "SEATS_CANCELLED");
    let kept: BTreeSet<_> = cancelled.iter().map(|told| text_of(told, &mail, &texts)).collect();
    let said = |seats: &str| kept.iter().any(|text| text.contains(&format!("You keep {seats}. Booking")));
    assert!(kept.len() == 2 && said("B1, B3") && said("B3"), "{kept:?}");
    assert_eq!(mail.taken().len(), 0);
}
