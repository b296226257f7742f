//! Why a command was not carried out.

use marquee_domain::catalogue::CatalogueRejection;
use marquee_domain::customer::CustomerRejection;
use marquee_domain::ids::ShowId;
use marquee_domain::offer::OfferRejection;
use marquee_domain::payment::PaymentRejection;
use marquee_domain::policy::PolicyRejection;
use marquee_domain::redemption::RedemptionRejection;
use marquee_domain::show;
use marquee_domain::theatre::TheatreRejection;
use marquee_event_store::ReadError;
use smol_str::SmolStr;

/// Why a command was not carried out: a rule said no, or a part of the house is out.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CommandError {
    /// A rule of shows and bookings.
    #[error(transparent)]
    Show(#[from] show::Rejection),
    /// A rule of money.
    #[error(transparent)]
    Payment(#[from] PaymentRejection),
    /// A rule of the catalogue.
    #[error(transparent)]
    Catalogue(#[from] CatalogueRejection),
    /// A rule of partners and theatres.
    #[error(transparent)]
    Theatre(#[from] TheatreRejection),
    /// A rule of offers.
    #[error(transparent)]
    Offer(#[from] OfferRejection),
    /// A rule of price policies.
    #[error(transparent)]
    Policy(#[from] PolicyRejection),
    /// A limit of an offer.
    #[error(transparent)]
    Redemption(#[from] RedemptionRejection),
    /// A rule of customers' data.
    #[error(transparent)]
    Customer(#[from] CustomerRejection),
    /// No such offer.
    #[error("there is no coupon {0}")]
    UnknownCoupon(SmolStr),
    /// Another show runs on the screen then.
    #[error("the screen is taken by show {0} at that time")]
    Overlap(ShowId),
    /// What the command is about does not exist.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// A field of the command does not hold.
    #[error("{field}: {reason}")]
    Invalid {
        /// Its name on the wire.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// It belongs to somebody else.
    #[error("it belongs to somebody else")]
    NotYours,
    /// A notice whose signature does not verify.
    #[error("the signature does not verify")]
    InvalidSignature,
    /// The same request is being worked on.
    #[error("the same request is in progress")]
    InProgress,
    /// Part of the house is out. Where it was the store, the outcome is unknown: ask again with the same key.
    #[error("unavailable: {0}")]
    Unavailable(String),
}

impl From<ReadError> for CommandError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable(reason) => Self::Unavailable(reason),
        }
    }
}
