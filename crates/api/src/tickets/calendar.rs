//! A ticket as an appointment, RFC 5545.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::tickets::facts::TicketFacts;

/// Octets of a line before it is folded.
const LINE: usize = 75;

/// The show as one event of a calendar, an alarm an hour before it. Its `UID` is the ticket's for ever: imported again after the show
/// was moved, it moves.
pub(crate) fn calendar(facts: &TicketFacts, now: Timestamp) -> String {
    let seats = facts.seats();
    let place = [facts.theatre.as_str(), facts.address.as_str()].join(", ");
    let about = format!(
        "{screen}\nSeats: {seats}\n{language}, {format}\nBooking: {booking}\nTicket: {ticket}",
        screen = facts.screen,
        language = facts.language,
        format = facts.format,
        booking = facts.booking_id,
        ticket = facts.ticket_id,
    );
    let lines = [
        "BEGIN:VCALENDAR".to_owned(),
        "VERSION:2.0".to_owned(),
        "PRODID:-//Marquee//Tickets//EN".to_owned(),
        "BEGIN:VEVENT".to_owned(),
        format!("UID:{}@marquee", facts.ticket_id),
        format!("DTSTAMP:{}", utc(&now.to_zoned(TimeZone::UTC))),
        format!("DTSTART:{}", utc(&facts.start)),
        format!("DTEND:{}", utc(&facts.end)),
        format!("SUMMARY:{}", text(&facts.title)),
        format!("LOCATION:{}", text(place.trim_end_matches(", "))),
        format!("DESCRIPTION:{}", text(&about)),
        "STATUS:CONFIRMED".to_owned(),
        "BEGIN:VALARM".to_owned(),
        "ACTION:DISPLAY".to_owned(),
        format!("DESCRIPTION:{}", text(&facts.title)),
        "TRIGGER:-PT1H".to_owned(),
        "END:VALARM".to_owned(),
        "END:VEVENT".to_owned(),
        "END:VCALENDAR".to_owned(),
    ];
    lines.iter().map(|line| folded(line)).collect()
}

fn utc(time: &Zoned) -> String {
    time.with_time_zone(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// A value of type TEXT.
fn text(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '\\' | ';' | ',' => escaped.extend(['\\', c]),
            '\n' => escaped.push_str("\\n"),
            c if c.is_control() => {}
            c => escaped.push(c),
        }
    }
    escaped
}

/// A line in pieces of at most [`LINE`] octets, none of which splits a character.
fn folded(line: &str) -> String {
    let (mut folded, mut octets) = (String::with_capacity(line.len() + 8), 0);
    for c in line.chars() {
        if octets + c.len_utf8() > LINE {
            folded.push_str("\r\n ");
            octets = 1;
        }
        folded.push(c);
        octets += c.len_utf8();
    }
    folded.push_str("\r\n");
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_folded_within_seventy_five_octets_and_splits_no_character() {
        let line = format!("SUMMARY:{}", "फ़िल्म 🎬 ".repeat(20));
        let folded = folded(&line);
        let pieces: Vec<&str> = folded.strip_suffix("\r\n").unwrap().split("\r\n").collect();
        assert!(pieces.len() > 3 && pieces.iter().all(|piece| piece.len() <= LINE));
        assert!(pieces[1..].iter().all(|piece| piece.starts_with(' ')));
        assert_eq!(folded.replace("\r\n ", ""), format!("{line}\r\n"));
    }

    #[test]
    fn a_text_cannot_end_its_line_or_begin_another_property() {
        assert_eq!(text("One, Two; a\\b\r\nEND:VEVENT"), "One\\, Two\\; a\\\\b\\nEND:VEVENT");
    }
}
