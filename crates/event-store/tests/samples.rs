//! A recorded sample of each event version, decodable for ever.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::collections::BTreeMap;
use std::path::Path;

use marquee_domain::Event;
use marquee_domain::show::ShowEvent;
use marquee_event_store::codec;
use serde_json::Value;

fn samples() -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/events");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|file| file.extension().is_some_and(|extension| extension == "json"))
        .map(|file| (file.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read(&file).unwrap()))
        .collect()
}

#[test]
fn every_recorded_sample_decodes() {
    for (name, data) in samples() {
        codec::decode(&name, &data).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn every_event_of_today_has_a_sample_that_it_is_stored_as() {
    let samples = samples();
    for name in Event::stored_names() {
        let data = samples.get(name).unwrap_or_else(|| panic!("schemas/events/{name}.json is missing"));
        let event = codec::decode(name, data).unwrap();
        assert_eq!(event.stored_name(), name);
        let stored: Value = serde_json::from_slice(&codec::encode(&event).unwrap()).unwrap();
        assert_eq!(stored, serde_json::from_slice::<Value>(data).unwrap(), "{name} loses or gains something");
    }
}

#[test]
fn a_film_that_was_added_before_films_had_more_titles_decodes() {
    for name in ["movie.added.v1", "movie.changed.v1"] {
        let mut film: serde_json::Map<String, Value> = serde_json::from_slice(&samples()[name]).unwrap();
        assert!(film.remove("titles").is_some() && film.remove("releaseDate").is_some());
        let event = codec::decode(name, &serde_json::to_vec(&film).unwrap()).unwrap();
        let stored: Value = serde_json::from_slice(&codec::encode(&event).unwrap()).unwrap();
        assert_eq!(stored, Value::Object(film), "{name} gains nothing");
    }
}

#[test]
fn the_catalogue_of_events_tells_every_event_of_today_and_each_of_its_fields() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/events.md");
    let page = std::fs::read_to_string(page).unwrap();
    let samples = samples();
    for name in Event::stored_names() {
        let link = format!("[`{name}`](../schemas/events/{name}.json)");
        let told = page.split("\n## ").flat_map(|kind| kind.split("\n### ").skip(1));
        let section = told.into_iter().find(|section| section.lines().next().unwrap().contains(&link));
        let section = section.unwrap_or_else(|| panic!("docs/events.md has no section {link}"));
        let sample: serde_json::Map<String, Value> = serde_json::from_slice(&samples[name]).unwrap();
        for field in sample.keys() {
            assert!(section.contains(&format!("\n| `{field}` |")), "docs/events.md: {name} lacks {field}");
        }
    }
}

#[test]
fn a_theatre_and_a_show_of_before_there_were_seat_rules_have_none() {
    for name in ["theatre.added.v1", "theatre.changed.v1", "show.scheduled.v1"] {
        let mut sample: serde_json::Map<String, Value> = serde_json::from_slice(&samples()[name]).unwrap();
        assert!(sample.remove("seatRules").is_some(), "{name}");
        let event = codec::decode(name, &serde_json::to_vec(&sample).unwrap()).unwrap();
        let stored: Value = serde_json::from_slice(&codec::encode(&event).unwrap()).unwrap();
        assert_eq!(stored, Value::Object(sample), "{name} gains nothing");
    }
}

#[test]
fn a_redemption_of_before_attempts_were_told_apart_is_given_back_whole() {
    let mut sample: serde_json::Map<String, Value> =
        serde_json::from_slice(&samples()["redemption.released.v1"]).unwrap();
    assert!(sample.remove("attempts").is_some());
    let event = codec::decode("redemption.released.v1", &serde_json::to_vec(&sample).unwrap()).unwrap();
    let stored: Value = serde_json::from_slice(&codec::encode(&event).unwrap()).unwrap();
    assert_eq!(stored, Value::Object(sample));
}

#[test]
fn a_show_of_before_there_were_sales_windows_is_on_sale_until_it_starts() {
    let mut sample: Value = serde_json::from_slice(&samples()["show.scheduled.v1"]).unwrap();
    sample.as_object_mut().unwrap().remove("sales").unwrap();
    let event = codec::decode("show.scheduled.v1", sample.to_string().as_bytes()).unwrap();
    let Event::Show(ShowEvent::Scheduled(scheduled)) = &event else { panic!("{event:?}") };
    assert!(scheduled.show.sales.is_unbounded());
    assert_eq!(scheduled.show.sales_end(), scheduled.show.start_time);
    let stored: Value = serde_json::from_slice(&codec::encode(&event).unwrap()).unwrap();
    assert_eq!(stored, sample);
}

#[test]
fn what_no_release_knows_is_told_by_its_name() {
    let error = codec::decode("booking.confirmed.v99", b"{}").unwrap_err();
    assert_eq!(error, codec::DecodeError::UnknownName("booking.confirmed.v99".into()));
    assert!(matches!(
        codec::decode("booking.confirmed.v1", b"{}"),
        Err(codec::DecodeError::Malformed { .. })
    ));
    assert!(matches!(
        codec::decode("booking.expired.v1", b"{\"bookingId\":\"b\"} x"),
        Err(codec::DecodeError::Malformed { .. })
    ));
}
