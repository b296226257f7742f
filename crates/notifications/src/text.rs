//! What customers read, by language: data in `texts/`, compiled in. What a language lacks is read in English.

use std::borrow::Cow;
use std::collections::HashMap;

use jiff::tz::TimeZone;
use marquee_domain::money::Currency;
use marquee_projections::messages::Amount;
use serde::Deserialize;

use crate::kind::{Facts, Kind};
use crate::names::Names;

/// The language that every text is in.
pub(crate) const ENGLISH: &str = "en";
const FILES: [(&str, &str); 3] = [
    (ENGLISH, include_str!("../texts/en.toml")),
    ("hi", include_str!("../texts/hi.toml")),
    ("kn", include_str!("../texts/kn.toml")),
];

/// Why there is no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// A file of texts does not parse.
    #[error("the texts in {0} cannot be read: {1}")]
    Malformed(&'static str, String),
    /// English lacks it.
    #[error("there is no text {0}")]
    Missing(String),
    /// It speaks of what is not known of the event.
    #[error("a text speaks of {0}, which is not known")]
    Unknown(String),
}

/// The texts of one language.
#[derive(Debug, Deserialize)]
struct Language {
    time: String,
    #[serde(flatten)]
    kinds: HashMap<String, Texts>,
}

/// The texts of one kind.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Texts {
    subject: Option<String>,
    text: Option<String>,
    short: Option<String>,
}

/// Which of a kind's texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The subject of an e-mail.
    Subject,
    /// An e-mail.
    Text,
    /// A message to a phone.
    Short,
}

impl Part {
    fn of(self, texts: &Texts) -> Option<&String> {
        match self {
            Self::Subject => texts.subject.as_ref(),
            Self::Text => texts.text.as_ref(),
            Self::Short => texts.short.as_ref(),
        }
    }
}

/// Every text.
#[derive(Debug)]
pub(crate) struct Library(HashMap<&'static str, Language>);

impl Library {
    /// Reads what was compiled in.
    pub fn open() -> Result<Self, TextError> {
        let read = |(language, file): (&'static str, &str)| {
            let texts = toml::from_str(file);
            let texts = texts.map_err(|error| TextError::Malformed(language, error.to_string()))?;
            Ok((language, texts))
        };
        FILES.into_iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// The language to write to a customer in: the wanted one by its first part, `hi` for `hi-IN`.
    pub fn language(&self, wanted: Option<&str>) -> &'static str {
        let primary = wanted.and_then(|tag| tag.split('-').next()).unwrap_or(ENGLISH);
        self.0.keys().find(|known| **known == primary).copied().unwrap_or(ENGLISH)
    }

    /// A text, with what is known put in.
    pub fn write(
        &self,
        language: &'static str,
        (kind, part): (Kind, Part),
        facts: &Facts,
        names: &Names,
    ) -> Result<String, TextError> {
        let find = |language: &'static str| {
            let language = self.0.get(language)?;
            language
                .kinds
                .get(kind.texts())
                .and_then(|texts| part.of(texts))
                .map(|text| (text, &language.time))
        };
        let (template, time) = find(language)
            .or_else(|| find(ENGLISH))
            .ok_or_else(|| TextError::Missing(format!("{language}/{}/{part:?}", kind.texts())))?;
        fill(template.trim_start(), |name| known(name, time, facts, names))
    }
}

/// What a name in a text stands for.
fn known<'a>(name: &str, time: &str, facts: &'a Facts, names: &'a Names) -> Option<Cow<'a, str>> {
    let show = facts.show.as_ref();
    match name {
        "film" => show.map(|show| Cow::from(names.film.as_deref().unwrap_or(&show.movie_id))),
        "theatre" => show.map(|show| Cow::from(names.theatre.as_deref().unwrap_or(&show.theatre_id))),
        "time" => show.map(|show| {
            let zone = TimeZone::get(&show.timezone).unwrap_or(TimeZone::UTC);
            Cow::from(show.start_time.to_zoned(zone).strftime(time).to_string())
        }),
        "seats" => Some(facts.seats.join(", ").into()).filter(|seats: &Cow<'_, str>| !seats.is_empty()),
        "amount" => amount(&facts.amount).map(Cow::from),
        "booking" => Some(facts.booking_id.as_str().into()),
        "ticket" => facts.ticket_id.as_deref().map(Cow::from),
        _ => None,
    }
}

/// `INR 302.50`: every digit that the currency has.
fn amount(amount: &Amount) -> Option<String> {
    let currency = Currency::parse(&amount.currency)?;
    let digits = usize::try_from(currency.exponent()).ok()?;
    let (sign, minor) = (if amount.minor < 0 { "-" } else { "" }, amount.minor.unsigned_abs().to_string());
    let padded = format!("{minor:0>width$}", width = digits + 1);
    let (whole, fraction) = padded.split_at_checked(padded.len() - digits)?;
    let point = if digits == 0 { "" } else { "." };
    Some(format!("{currency} {sign}{whole}{point}{fraction}", currency = amount.currency))
}

fn fill<'a>(template: &str, known: impl Fn(&str) -> Option<Cow<'a, str>>) -> Result<String, TextError> {
    let mut text = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let (name, after) = after.split_once('}').ok_or_else(|| TextError::Unknown(after.to_owned()))?;
        text.push_str(&known(name).ok_or_else(|| TextError::Unknown(name.to_owned()))?);
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use marquee_projections::messages::Show;

    use super::*;

    fn facts(kind: Kind) -> Facts {
        let show = Show {
            show_id: "sh_1".into(),
            partner_id: "p_1".into(),
            theatre_id: "th_1".into(),
            screen_id: "sc_1".into(),
            city_id: "blr".into(),
            movie_id: "mv_1".into(),
            start_time: "2026-12-05T13:00:00Z".parse().unwrap(),
            end_time: "2026-12-05T15:00:00Z".parse().unwrap(),
            timezone: "Asia/Kolkata".into(),
            language: "en".into(),
            format: "2D".into(),
        };
        let of_money = matches!(kind, Kind::RefundInitiated | Kind::RefundSucceeded);
        Facts {
            booking_id: "bk_sh_1_x".into(),
            ticket_id: (kind == Kind::BookingConfirmed).then(|| "tkt_sh_1_x".into()),
            seats: if of_money { vec![] } else { vec!["A1".into(), "A2".into()] },
            amount: Amount { minor: 30_250, currency: "INR".into() },
            show: (!of_money).then_some(show),
        }
    }

    fn names() -> Names {
        Names { film: Some("Midnight Caravan".into()), theatre: Some("Lakeside Orion".into()) }
    }

    #[test]
    fn every_text_of_every_language_speaks_of_what_is_known_of_its_kind() {
        let library = Library::open().unwrap();
        for (language, _) in FILES {
            for kind in Kind::ALL {
                for part in [Part::Subject, Part::Text, Part::Short] {
                    let text = library.write(language, (*kind, part), &facts(*kind), &names());
                    let text = text.unwrap_or_else(|error| panic!("{language} {kind:?} {part:?}: {error}"));
                    assert!(!text.is_empty() && !text.contains(['{', '}']), "{text}");
                    assert!(part == Part::Text || !text.contains('\n'), "one line: {text}");
                }
            }
            let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.texts()).collect();
            for kind in library.0[language].kinds.keys() {
                assert!(known.contains(&kind.as_str()), "{language} has texts of {kind}, which is no kind");
            }
        }
        let english = &library.0[ENGLISH];
        for texts in Kind::ALL.iter().map(|kind| &english.kinds[kind.texts()]) {
            assert!(texts.subject.is_some() && texts.text.is_some() && texts.short.is_some(), "{texts:?}");
        }
    }

    #[test]
    fn a_confirmation_tells_the_ticket_the_show_the_seats_and_the_exact_amount() {
        let library = Library::open().unwrap();
        let kind = Kind::BookingConfirmed;
        let write = |language| library.write(language, (kind, Part::Short), &facts(kind), &names()).unwrap();
        assert_eq!(
            write("en"),
            "Confirmed: Midnight Caravan, Lakeside Orion, Sat 5 Dec 2026, 18:30 (UTC+05:30). Seats A1, A2. Paid INR 302.50. \
             Ticket tkt_sh_1_x."
        );
        assert!(write("hi").contains("05-12-2026, 18:30 (UTC+05:30). सीटें A1, A2."), "{}", write("hi"));
    }

    #[test]
    fn what_a_language_lacks_is_read_in_english() {
        let library = Library::open().unwrap();
        let kind = Kind::BookingExpired;
        let write = |language| library.write(language, (kind, Part::Text), &facts(kind), &names()).unwrap();
        assert_eq!(write("kn"), write("en"));
        assert_ne!(write("hi"), write("en"));
        for (wanted, language) in
            [(Some("hi-in"), "hi"), (Some("kn"), "kn"), (Some("fr"), "en"), (None, "en")]
        {
            assert_eq!(library.language(wanted), language);
        }
    }

    #[test]
    fn a_text_that_speaks_of_what_is_not_known_is_refused() {
        let library = Library::open().unwrap();
        let kind = Kind::BookingConfirmed;
        let mut without = facts(kind);
        without.ticket_id = None;
        let refused = library.write("en", (kind, Part::Text), &without, &names());
        assert_eq!(refused, Err(TextError::Unknown("ticket".into())));
    }

    #[test]
    fn an_amount_has_every_digit_of_its_currency() {
        let of = |minor, currency: &str| amount(&Amount { minor, currency: currency.into() }).unwrap();
        assert_eq!(of(30_250, "INR"), "INR 302.50");
        assert_eq!(of(5, "INR"), "INR 0.05");
        assert_eq!(of(-105, "USD"), "USD -1.05");
        assert_eq!(of(302, "JPY"), "JPY 302");
    }
}
