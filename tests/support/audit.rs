//! The log as an auditor reads it over HTTP.

use serde_json::Value;

use crate::support::http::Http;
use crate::support::tokens::token;

const PAGE: usize = 1000;

/// Every event after a position (all, where there is none), as newline-delimited JSON, page by page.
pub async fn export(http: &Http, after: Option<u64>) -> Vec<Value> {
    let mut events: Vec<Value> = vec![];
    let mut after = after;
    loop {
        let from = after.map(|position| format!("&after={position}")).unwrap_or_default();
        let page = http.get(&format!("/audit/events?limit={PAGE}{from}"));
        let page =
            page.token(&token("auditor", "aud_1")).header("Accept", "application/x-ndjson").send().await;
        assert_eq!(page.status, 200, "{}", page.text);
        assert!(
            page.header("Content-Type").is_some_and(|kind| kind.starts_with("application/x-ndjson")),
            "{page:?}"
        );
        let lines: Vec<Value> =
            page.text.lines().map(|line| serde_json::from_str(line).expect("one event a line")).collect();
        let Some(last) = lines.last() else { return events };
        after = Some(position(last));
        let full = lines.len() == PAGE;
        events.extend(lines);
        if !full {
            return events;
        }
    }
}

/// An event's place in the whole log.
#[track_caller]
pub fn position(event: &Value) -> u64 {
    event["position"].as_u64().unwrap_or_else(|| panic!("a position is a whole number: {event}"))
}

/// The events whose name begins so, whatever their version.
pub fn of_type<'a>(events: &'a [Value], name: &str) -> Vec<&'a Value> {
    let versioned = format!("{name}.v");
    events
        .iter()
        .filter(|event| event["type"].as_str().is_some_and(|kind| kind.starts_with(&versioned)))
        .collect()
}
