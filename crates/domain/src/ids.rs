//! Identifiers. Opaque to clients, readable to people, cheap to clone.

use std::fmt;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// Longest identifier that is accepted from outside, in characters.
pub const MAX_ID_LEN: usize = 64;

/// Why a text is not an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to {MAX_ID_LEN} letters, digits, '_', '-' or '.'")]
pub struct InvalidId;

fn check(text: &str) -> Result<(), InvalidId> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if text.is_empty() || text.len() > MAX_ID_LEN || !text.chars().all(allowed) {
        return Err(InvalidId);
    }
    Ok(())
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(SmolStr);

        impl $name {
            /// Takes a text that is already known to be sound: made by Marquee or read from its log.
            pub fn new(text: impl Into<SmolStr>) -> Self {
                Self(text.into())
            }

            /// Checks a text that came from outside.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                check(text)?;
                Ok(Self(text.into()))
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self::new(text)
            }
        }
    )*};
}

ids! {
    /// A city, such as `blr`.
    CityId;
    /// A film, such as `mv_901`.
    MovieId;
    /// A company that runs theatres.
    PartnerId;
    /// A cinema, such as `th_101`.
    TheatreId;
    /// A screen of a theatre.
    ScreenId;
    /// One screening of a film, such as `sh_5001`.
    ShowId;
    /// A seat within a screen, such as `A10`.
    SeatId;
    /// A customer, as the token's `sub` names them; never a name or an address.
    UserId;
    /// A booking. Carries its show, see [`BookingId::compose`].
    BookingId;
    /// A payment of a booking.
    PaymentId;
    /// A refund of a payment.
    RefundId;
    /// The gateway's own name for a payment.
    PaymentIntentId;
    /// A ticket, issued when a booking is confirmed.
    TicketId;
    /// An offer, as customers enter it.
    OfferCode;
    /// The caller's `Idempotency-Key`.
    IdempotencyKey;
}

impl BookingId {
    /// `bk_<show>_<unique>`: any node routes a booking command to its show with no look-up.
    pub fn compose(show: &ShowId, unique: &str) -> Self {
        Self(SmolStr::from(format!("bk_{}_{unique}", show.as_str())))
    }

    /// The show that this booking belongs to; `None` where the text is not a booking id.
    pub fn show(&self) -> Option<ShowId> {
        let (show, unique) = self.0.strip_prefix("bk_")?.rsplit_once('_')?;
        (!show.is_empty() && !unique.is_empty()).then(|| ShowId::new(show))
    }

    /// Checks a text that came from outside: `bk_`, a show's id and a unique part.
    pub fn parse_composed(text: &str) -> Option<Self> {
        let (show, unique) = text.strip_prefix("bk_")?.rsplit_once('_')?;
        let sound = check(show).is_ok() && check(unique).is_ok();
        sound.then(|| Self(text.into()))
    }

    /// The part that is unique within all bookings.
    pub fn unique(&self) -> &str {
        self.0.rsplit_once('_').map_or("", |(_, unique)| unique)
    }

    /// The ticket that confirming this booking issues.
    pub fn ticket(&self) -> TicketId {
        TicketId::new(format!("tkt_{}", self.0.strip_prefix("bk_").unwrap_or(&self.0)))
    }

    /// The one payment of this booking.
    pub fn payment(&self) -> PaymentId {
        PaymentId::new(format!("pay_{}", self.0.strip_prefix("bk_").unwrap_or(&self.0)))
    }
}

impl TicketId {
    /// The booking that this ticket was issued for; `None` where the text is not a ticket id.
    pub fn booking(&self) -> Option<BookingId> {
        let booking = BookingId::new(format!("bk_{}", self.0.strip_prefix("tkt_")?));
        booking.show().map(|_| booking)
    }

    /// Checks a text that came from outside: `tkt_`, a show's id and a unique part.
    pub fn parse_composed(text: &str) -> Option<Self> {
        let booking = format!("bk_{}", text.strip_prefix("tkt_")?);
        BookingId::parse_composed(&booking).map(|_| Self(text.into()))
    }
}

impl IdempotencyKey {
    /// Checks a header's value: 1 to 128 visible ASCII characters.
    pub fn parse_header(text: &str) -> Option<Self> {
        let sound = (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        sound.then(|| Self::new(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_booking_id_carries_its_show() {
        let show = ShowId::from("sh_5_001");
        let booking = BookingId::compose(&show, "01J");
        assert_eq!(booking.as_str(), "bk_sh_5_001_01J");
        assert_eq!(booking.show(), Some(show));
        assert_eq!(TicketId::parse_composed("tkt_sh_5_001_01J"), Some(booking.ticket()));
        assert_eq!(TicketId::parse_composed("tkt_sh_5 001_01J"), None);
        assert_eq!(booking.ticket().booking(), Some(booking));
        assert_eq!(BookingId::from("nonsense").show(), None);
        assert_eq!(BookingId::from("bk_1").show(), None);
    }

    #[test]
    fn an_id_from_outside_is_short_and_plain() {
        assert!(ShowId::parse("sh_5001").is_ok());
        for bad in ["", "a b", "é", "a/b", "a%00", &"x".repeat(65)] {
            assert_eq!(ShowId::parse(bad), Err(InvalidId));
        }
    }
}
