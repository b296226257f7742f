//! Names of streams.

use std::fmt::{self, Write as _};

use marquee_domain::ids::{
    BookingId, CityId, MovieId, OfferCode, PartnerId, PaymentId, ScreenId, ShowId, TheatreId, UserId,
};
use marquee_domain::policy::PolicyScope;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// The name of a stream: a category, a dash and an id, such as `show-sh_5001`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StreamName(SmolStr);

/// The categories of Marquee's streams: what stands before the first dash. A log that others write to as well is told apart by
/// these, so a stream of no known category is written nowhere but to the embedded log.
pub const CATEGORIES: [&str; 12] = [
    "city",
    "customer",
    "lease",
    "movie",
    "offer",
    "partner",
    "payment",
    "policy",
    "redemption",
    "schedule",
    "show",
    "theatre",
];

/// Longest name of a stream, in bytes.
const MAX_NAME: usize = 512;

impl StreamName {
    /// A name that somebody else gives, if it is one of Marquee's: a known category, a dash and an id without blanks or controls.
    pub fn parse(name: &str) -> Option<Self> {
        let (category, id) = name.split_once('-')?;
        let sound = CATEGORIES.contains(&category)
            && !id.is_empty()
            && name.len() <= MAX_NAME
            && !id.contains(|c: char| c.is_control() || c.is_whitespace());
        sound.then(|| Self(SmolStr::from(name)))
    }

    /// A name as it was read from a log or a request.
    pub fn new(name: impl Into<SmolStr>) -> Self {
        Self(name.into())
    }

    /// A show and every booking of it.
    pub fn show(id: &ShowId) -> Self {
        Self(SmolStr::from(format!("show-{id}")))
    }

    /// The money of a booking.
    pub fn payment(id: &BookingId) -> Self {
        Self(SmolStr::from(format!("payment-{id}")))
    }

    /// Money that fits no booking.
    pub fn unmatched_payment(id: &str) -> Self {
        Self(SmolStr::from(format!("payment-unmatched-{id}")))
    }

    /// The stream that a payment is in, by its id; `None` where the text is not one.
    pub fn payment_of(id: &PaymentId) -> Option<Self> {
        let rest = id.as_str().strip_prefix("pay_")?;
        if let Some(unmatched) = rest.strip_prefix("unmatched_") {
            return Some(Self::unmatched_payment(unmatched));
        }
        let booking = BookingId::new(format!("bk_{rest}"));
        booking.show().map(|_| Self::payment(&booking))
    }

    /// A city.
    pub fn city(id: &CityId) -> Self {
        Self(SmolStr::from(format!("city-{id}")))
    }

    /// A customer. Whoever issues tokens names customers as they like: what no id holds is written as `~` and its bytes in hex.
    pub fn customer(id: &UserId) -> Self {
        let mut name = String::from("customer-");
        for byte in id.as_str().bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.') {
                name.push(char::from(byte));
            } else {
                // Writing to a string does not fail.
                _ = write!(name, "~{byte:02x}");
            }
        }
        Self(SmolStr::from(name))
    }

    /// Whether the name is no longer than a stream's may be.
    pub fn fits(&self) -> bool {
        self.0.len() <= MAX_NAME
    }

    /// A film.
    pub fn movie(id: &MovieId) -> Self {
        Self(SmolStr::from(format!("movie-{id}")))
    }

    /// A partner.
    pub fn partner(id: &PartnerId) -> Self {
        Self(SmolStr::from(format!("partner-{id}")))
    }

    /// A theatre with its screens.
    pub fn theatre(id: &TheatreId) -> Self {
        Self(SmolStr::from(format!("theatre-{id}")))
    }

    /// The slots of a screen. A screen's id is unique within its theatre only; no id holds a colon.
    pub fn schedule(theatre: &TheatreId, screen: &ScreenId) -> Self {
        Self(SmolStr::from(format!("schedule-{theatre}:{screen}")))
    }

    /// An offer.
    pub fn offer(code: &OfferCode) -> Self {
        Self(SmolStr::from(format!("offer-{code}")))
    }

    /// The codes of all offers. No code holds a tilde.
    pub fn offer_register() -> Self {
        Self(SmolStr::new_static("offer-~register"))
    }

    /// The redemptions of an offer.
    pub fn redemption(code: &OfferCode) -> Self {
        Self(SmolStr::from(format!("redemption-{code}")))
    }

    /// A price policy.
    pub fn policy(scope: &PolicyScope) -> Self {
        Self(SmolStr::from(format!("policy-{scope}")))
    }

    /// The scopes of all price policies.
    pub fn policy_register() -> Self {
        Self(SmolStr::new_static("policy-~register"))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The show whose stream this is.
    pub fn as_show(&self) -> Option<ShowId> {
        self.0.strip_prefix("show-").map(ShowId::from)
    }

    /// The booking whose payment stream this is.
    pub fn as_payment(&self) -> Option<BookingId> {
        let id = self.0.strip_prefix("payment-")?;
        (!id.starts_with("unmatched-")).then(|| BookingId::from(id))
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stream_that_marquee_makes_is_of_a_known_category() {
        for stream in [
            StreamName::show(&"sh_1".into()),
            StreamName::payment(&"bk_sh_1_2".into()),
            StreamName::unmatched_payment("x"),
            StreamName::city(&"blr".into()),
            StreamName::customer(&"auth0|u 2001".into()),
            StreamName::movie(&"mv_1".into()),
            StreamName::partner(&"p_1".into()),
            StreamName::theatre(&"th_1".into()),
            StreamName::schedule(&"th_1".into(), &"sc_1".into()),
            StreamName::offer(&"THIRD50".into()),
            StreamName::offer_register(),
            StreamName::redemption(&"THIRD50".into()),
            StreamName::policy(&PolicyScope::City("blr".into())),
            StreamName::policy_register(),
        ] {
            assert_eq!(StreamName::parse(stream.as_str()), Some(stream.clone()), "{stream}");
        }
    }

    #[test]
    fn a_payment_is_found_by_its_id() {
        let booking = BookingId::from("bk_sh_1_2");
        assert_eq!(StreamName::payment_of(&booking.payment()), Some(StreamName::payment(&booking)));
        let unmatched = PaymentId::from("pay_unmatched_0a1b");
        assert_eq!(StreamName::payment_of(&unmatched), Some(StreamName::unmatched_payment("0a1b")));
        for other in ["", "pay_", "pay_1", "bk_sh_1_2"] {
            assert_eq!(StreamName::payment_of(&PaymentId::from(other)), None, "{other}");
        }
    }

    #[test]
    fn every_customer_has_a_stream_of_its_own() {
        let names = ["u_1", "u 1", "u~201", "u|1", "U_1"].map(|user| StreamName::customer(&user.into()));
        assert_eq!(names[0].as_str(), "customer-u_1");
        assert_eq!(names[1].as_str(), "customer-u~201");
        for (one, name) in names.iter().enumerate() {
            assert!(names[one + 1..].iter().all(|other| other != name), "{name}");
        }
    }

    #[test]
    fn a_name_that_is_not_marquees_is_refused() {
        for name in ["", "show", "show-", "$ce-show", "$$show-sh_1", "shows-sh_1", "show-a b", "show-a\n"] {
            assert_eq!(StreamName::parse(name), None, "{name:?}");
        }
        assert_eq!(StreamName::parse(&format!("show-{}", "x".repeat(600))), None);
    }
}
