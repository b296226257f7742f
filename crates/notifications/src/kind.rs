//! What customers are told of, and what of it is known.

use marquee_projections::messages::{Amount, Show};
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $texts:literal;)*) => {
        /// What a customer is told of.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $($(#[$doc])* $variant,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name, as operators and providers see it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// The name of its texts.
            pub(crate) fn texts(self) -> &'static str {
                match self {
                    $(Self::$variant => $texts,)*
                }
            }

            /// The kind of a name.
            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
            }
        }
    };
}

kinds! {
    /// A booking was paid, and its ticket issued.
    BookingConfirmed = "BOOKING_CONFIRMED", "booking_confirmed";
    /// A booking was cancelled by its customer.
    BookingCancelled = "BOOKING_CANCELLED", "booking_cancelled";
    /// Some seats of a booking were cancelled by its customer; it goes on with the rest.
    SeatsCancelled = "SEATS_CANCELLED", "seats_cancelled";
    /// A booking was not paid in time.
    BookingExpired = "BOOKING_EXPIRED", "booking_expired";
    /// A booking's show starts at another time.
    ShowChanged = "SHOW_CHANGED", "show_changed";
    /// A booking's show was called off.
    ShowCancelled = "SHOW_CANCELLED", "show_cancelled";
    /// Money is on its way back.
    RefundInitiated = "REFUND_INITIATED", "refund_initiated";
    /// Money was paid back.
    RefundSucceeded = "REFUND_SUCCEEDED", "refund_succeeded";
}

/// What a text may speak of. Nothing of it is personal: it lies in the queue as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Facts {
    pub booking_id: SmolStr,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket_id: Option<SmolStr>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seats: Vec<SmolStr>,
    pub amount: Amount,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub show: Option<Show>,
}
