//! A ticket as a page to show or to print: no scripts, nothing from the network.

use axum::http::HeaderValue;
use smol_str::SmolStr;

use crate::error::ApiError;
use crate::tickets::facts::TicketFacts;
use crate::tickets::qr::{Qr, escape};
use crate::tickets::words::Words;

/// What the page may do: nothing but style itself.
pub(crate) const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

const STYLE: &str = "body{font:1.1rem/1.5 system-ui,sans-serif;color:#111;background:#fff;max-width:34rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.8rem;line-height:1.2;margin:.2rem 0}svg{display:block;width:min(100%,22rem);height:auto;margin:1rem auto}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.3rem 1rem;margin:1rem 0}dt{color:#555}dd{margin:0;overflow-wrap:anywhere}\
.seats{font-size:1.4rem;font-weight:700}footer{color:#555;font-size:.85rem;overflow-wrap:anywhere}\
@media print{@page{margin:15mm}body{margin:0;max-width:none;font-size:11pt}svg{width:75mm;margin:5mm 0}dt,footer{color:#000}article{break-inside:avoid}}";

/// The page.
pub(crate) fn page(facts: &TicketFacts, readers: &[SmolStr]) -> Result<String, ApiError> {
    let words = Words::of(readers);
    let qr = Qr::of(&facts.token)?.svg(words.code);
    let time = |time: &jiff::Zoned| {
        let exact = time.strftime("%Y-%m-%dT%H:%M:%S%:z");
        format!(r#"<time datetime="{exact}">{}</time>"#, escape(&words.time(time)))
    };
    let zone = facts.start.time_zone().iana_name().unwrap_or("UTC");
    let place = [facts.theatre.as_str(), facts.address.as_str()].join(", ");
    let about = format!("{}, {}", facts.language, facts.format);
    let entries = [
        (words.starts, format!("{} ({})", time(&facts.start), escape(zone)), ""),
        (words.ends, time(&facts.end), ""),
        (words.theatre, escape(place.trim_end_matches(", ")), ""),
        (words.screen, escape(&facts.screen), ""),
        (words.seats, escape(&facts.seats()), r#" class="seats""#),
        (words.language, escape(&about), ""),
        (words.booking, escape(facts.booking_id.as_str()), ""),
    ];
    let entry =
        |(name, value, class): &(&str, String, &str)| format!("<dt>{name}</dt><dd{class}>{value}</dd>");
    let entries = entries.iter().map(entry).collect::<Vec<_>>().concat();
    let (title, tag, ticket, show_this) = (escape(&facts.title), words.tag, words.ticket, words.show_this);
    let id = escape(facts.ticket_id.as_str());
    Ok(format!(
        r#"<!doctype html><html lang="{tag}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex"><title>{ticket}: {title}</title><style>{STYLE}</style></head><body><main><article aria-labelledby="film">
<p>{ticket}</p><h1 id="film">{title}</h1><p>{show_this}</p>{qr}<dl>{entries}</dl><footer>{id}</footer></article></main></body></html>"#
    ))
}
