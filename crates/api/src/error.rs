//! The one place where anything that went wrong becomes a response.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use marquee_commands::CommandError;
use marquee_domain::catalogue::CatalogueRejection;
use marquee_domain::customer::CustomerRejection;
use marquee_domain::ids::SeatId;
use marquee_domain::offer::OfferRejection;
use marquee_domain::payment::PaymentRejection;
use marquee_domain::policy::PolicyRejection;
use marquee_domain::seat_rules::SeatRule;
use marquee_domain::show::{BookingStatus, Rejection};
use marquee_domain::theatre::TheatreRejection;
use marquee_event_store::ReadError;
use marquee_notifications::NotReplayable;
use marquee_projections::{BrowseError, RebuildError, ViewsError};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::endpoints::theatres::cancel_policy::CancelPolicyBody;
use crate::tickets::NoTicket;
use crate::trace;
use crate::wire::local;

const MILLIS_PER_SECOND: u64 = 1_000;

/// What the client is told: a code to act on, a sentence to read, and where it helps, particulars.
#[derive(Debug)]
pub struct ApiError(Box<Failure>);

#[derive(Debug)]
struct Failure {
    status: StatusCode,
    code: &'static str,
    message: String,
    details: Value,
    header: Option<(HeaderName, HeaderValue)>,
}

/// The envelope of every failure.
#[derive(Debug, Serialize, ToSchema)]
pub struct ErrorEnvelope {
    error: ErrorBody,
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// What to act on, such as `SEAT_LOCK_FAILED`.
    code: String,
    /// What to read.
    message: String,
    /// Particulars, by code.
    details: Value,
    /// Ties the failure to the operator's log.
    correlation_id: String,
}

impl ApiError {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(Failure { status, code, message: message.into(), details: json!({}), header: None }))
    }

    fn with_details(mut self, details: Value) -> Self {
        self.0.details = details;
        self
    }

    fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.header = Some((name, value));
        self
    }

    /// Adds one particular.
    pub fn with_detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        if let Value::Object(details) = &mut self.0.details {
            details.insert(name.to_owned(), value.into());
        }
        self
    }

    /// Seats that would pass, where some are known.
    fn proposing(self, seats: Option<Vec<SeatId>>) -> Self {
        match seats {
            Some(seats) => self.with_detail("proposedSeatIds", json!(seats)),
            None => self,
        }
    }

    /// A part of the request does not hold.
    pub fn invalid(field: &str, reason: &str) -> Self {
        validation(format!("{field}: {reason}")).with_details(json!({ "field": field, "reason": reason }))
    }

    /// The body is not what the endpoint takes.
    pub fn invalid_body(reason: &str, details: Value) -> Self {
        validation(format!("The body is not sound: {reason}.")).with_details(details)
    }

    pub fn unauthorized(reason: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", reason)
            .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    pub fn forbidden(reason: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "FORBIDDEN", reason)
    }

    pub fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", format!("There is no such {what}."))
    }

    /// A booking that is worth no ticket: not yet, or never.
    pub fn no_ticket(status: BookingStatus) -> Self {
        let message = format!("A booking that is {status} has no ticket.");
        let refused = match status {
            BookingStatus::SeatsLocked | BookingStatus::PaymentPending => conflict("NO_TICKET", message),
            BookingStatus::Confirmed
            | BookingStatus::Completed
            | BookingStatus::Failed
            | BookingStatus::Expired
            | BookingStatus::Cancelled => unprocessable("NO_TICKET", message),
        };
        refused.with_details(json!({ "status": status }))
    }

    /// What was scanned is no ticket.
    pub fn invalid_ticket(reason: NoTicket) -> Self {
        unprocessable("INVALID_TICKET", "What was scanned is no ticket.")
            .with_details(json!({ "reason": reason.as_str() }))
    }

    /// None of the representations that there are is one that the client takes.
    pub fn not_acceptable(offered: &[&str]) -> Self {
        Self::new(StatusCode::NOT_ACCEPTABLE, "NOT_ACCEPTABLE", "There is no such representation.")
            .with_details(json!({ "offered": offered }))
    }

    pub fn rate_limited(message: &str, retry_after_seconds: u64) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", message)
            .with_header(header::RETRY_AFTER, HeaderValue::from(retry_after_seconds.max(1)))
    }

    /// The server has started and cannot serve yet. Asked again and again, so nothing is logged.
    pub fn not_ready(missing: &[String]) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", "The server is not ready.")
            .with_details(json!({ "missing": missing }))
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("1"))
    }

    /// Part of the house is out. The reason is for the operator.
    pub fn unavailable(reason: &str) -> Self {
        tracing::error!(correlation_id = %trace::correlation_id(), reason, "a request could not be served");
        let message = "Part of the service is out. Ask again with the same key.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", message)
            .with_header(header::RETRY_AFTER, HeaderValue::from_static("1"))
    }
}

fn validation(message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "VALIDATION_ERROR", message)
}

fn conflict(code: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, code, message)
}

fn unprocessable(code: &'static str, message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
}

fn key_reused() -> ApiError {
    unprocessable("IDEMPOTENCY_KEY_REUSED", "The idempotency key was used for another request.")
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Failure { status, code, message, details, header } = *self.0;
        let correlation_id = trace::correlation_id().to_string();
        let error = ErrorBody { code: code.to_owned(), message, details, correlation_id };
        let mut response = (status, axum::Json(ErrorEnvelope { error })).into_response();
        if let Some((name, value)) = header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl From<NotReplayable> for ApiError {
    fn from(refusal: NotReplayable) -> Self {
        match refusal {
            NotReplayable::Unknown => Self::not_found("notification"),
            NotReplayable::Settled(status) => {
                conflict("NOT_REPLAYABLE", "Only a dead letter is tried again.")
                    .with_detail("status", status.as_str())
            }
        }
    }
}

impl From<CommandError> for ApiError {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Show(rejection) => rejection.into(),
            CommandError::Payment(rejection) => rejection.into(),
            CommandError::Catalogue(rejection) => match rejection {
                CatalogueRejection::AlreadyExists => conflict("ALREADY_EXISTS", "The id is taken."),
                CatalogueRejection::NotFound => Self::not_found("entry"),
                CatalogueRejection::KeyReused(_) => key_reused(),
            },
            CommandError::Theatre(rejection) => rejection.into(),
            CommandError::Offer(rejection) => rejection.into(),
            CommandError::Policy(PolicyRejection::KeyReused(_)) => key_reused(),
            CommandError::Redemption(rejection) => validation(sentence(&rejection)),
            CommandError::Customer(CustomerRejection::Erased) => {
                let message = "The customer's data was erased, for good.";
                Self::new(StatusCode::GONE, "CUSTOMER_ERASED", message)
            }
            CommandError::UnknownCoupon(code) => validation(format!("There is no coupon {code}."))
                .with_details(json!({ "field": "couponCode", "couponCode": code })),
            CommandError::Overlap(show) => {
                conflict("SHOW_OVERLAP", "Another show runs on the screen at that time.")
                    .with_details(json!({ "showId": show }))
            }
            CommandError::NotFound(what) => Self::not_found(what),
            CommandError::Invalid { field, reason } => Self::invalid(field, &reason),
            CommandError::NotYours => Self::forbidden("It belongs to somebody else."),
            CommandError::InvalidSignature => {
                Self::new(StatusCode::BAD_REQUEST, "INVALID_SIGNATURE", "The signature does not verify.")
            }
            CommandError::InProgress => conflict("REQUEST_IN_PROGRESS", "The same request is in progress."),
            CommandError::Unavailable(reason) => Self::unavailable(&reason),
        }
    }
}

impl From<OfferRejection> for ApiError {
    fn from(rejection: OfferRejection) -> Self {
        let message = sentence(&rejection);
        match rejection {
            OfferRejection::AlreadyExists => conflict("ALREADY_EXISTS", message),
            OfferRejection::NotFound => Self::not_found("offer"),
            OfferRejection::NotYours => Self::forbidden(&message),
            OfferRejection::Rule(fault) => Self::invalid("rule", fault),
            OfferRejection::NeverValid => validation(message).with_details(json!({ "field": "validTo" })),
            OfferRejection::NeverRedeemable => validation(message).with_details(json!({ "field": "limits" })),
            OfferRejection::KeyReused(_) => key_reused(),
        }
    }
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        let message = sentence(&rejection);
        match rejection {
            Rejection::UnknownShow => Self::not_found("show"),
            Rejection::UnknownBooking => Self::not_found("booking"),
            Rejection::AlreadyScheduled => conflict("ALREADY_EXISTS", message),
            Rejection::SeatsUnavailable { seats, instead } => conflict("SEAT_LOCK_FAILED", message)
                .with_details(json!({ "unavailableSeatIds": seats }))
                .proposing(instead),
            Rejection::AgainstSeatRule { rule, seats, instead } => {
                let mut refused = unprocessable("SEAT_RULE", message).with_details(rule_details(rule));
                if !seats.is_empty() {
                    refused = refused.with_detail("seatIds", json!(seats));
                }
                refused.proposing(instead)
            }
            Rejection::ExtensionNotOffered => {
                unprocessable("SEAT_RULE", message).with_details(json!({ "rule": "LOCK_EXTENSION" }))
            }
            Rejection::AlreadyExtended => conflict("ALREADY_EXTENDED", message),
            Rejection::StartsTooSoon => unprocessable("NOT_EXTENDABLE", message),
            Rejection::NotExtendable(status) => {
                unprocessable("NOT_EXTENDABLE", message).with_details(json!({ "status": status }))
            }
            Rejection::NoSeatsFit => conflict("NO_SEATS_FIT", message),
            Rejection::UnknownSeats(seats) => {
                validation(message).with_details(json!({ "field": "seatIds", "unknownSeatIds": seats }))
            }
            Rejection::DuplicateSeats(seats) => {
                validation(message).with_details(json!({ "field": "seatIds", "duplicateSeatIds": seats }))
            }
            Rejection::NoSeats | Rejection::TooManySeats => {
                validation(message).with_details(json!({ "field": "seatIds" }))
            }
            Rejection::CouponRefused(code, why) => validation(message).with_details(
                json!({ "field": "couponCode", "couponCode": code, "reason": why.to_string() }),
            ),
            Rejection::ClaimLapsed => Self::unavailable(&message),
            Rejection::StartsInThePast => validation(message).with_details(json!({ "field": "startTime" })),
            Rejection::Unpriced | Rejection::PriceNotPositive => {
                validation(message).with_details(json!({ "field": "prices" }))
            }
            Rejection::SoldAfterStart => validation(message).with_details(json!({ "field": "salesUntil" })),
            Rejection::NeverOnSale => validation(message).with_details(json!({ "field": "salesFrom" })),
            Rejection::NotYetOnSale(from) => validation(message).with_details(json!({ "salesFrom": from })),
            Rejection::NoLongerOnSale(until) => {
                validation(message).with_details(json!({ "salesUntil": until }))
            }
            Rejection::ShowCancelled | Rejection::ShowStarted | Rejection::ShowOver => validation(message),
            Rejection::TooManyLocks { retry_after_millis }
            | Rejection::TooManyLapsedLocks { retry_after_millis } => {
                Self::rate_limited(&message, retry_after_millis.div_ceil(MILLIS_PER_SECOND))
            }
            Rejection::NotYours => Self::forbidden(&message),
            Rejection::BookingExpired => Self::new(StatusCode::GONE, "BOOKING_EXPIRED", message),
            Rejection::NotPayable(status) => {
                unprocessable("NOT_PAYABLE", message).with_details(json!({ "status": status }))
            }
            Rejection::NotCancellable(status) | Rejection::NotDivisible(status) => {
                unprocessable("NOT_CANCELLABLE", message).with_details(json!({ "status": status }))
            }
            Rejection::NotRedeemable(status) => {
                unprocessable("NOT_REDEEMABLE", message).with_details(json!({ "status": status }))
            }
            Rejection::AlreadyRedeemed { redeemed, timezone } => {
                let refused = conflict("ALREADY_REDEEMED", message)
                    .with_detail("redeemedAt", local(redeemed.at, &timezone));
                match redeemed.gate {
                    Some(gate) => refused.with_detail("gate", gate.as_str()),
                    None => refused,
                }
            }
            Rejection::DoorsClosed { doors, timezone } => unprocessable("DOORS_CLOSED", message)
                .with_detail("opensAt", local(doors.open, &timezone))
                .with_detail("closesAt", local(doors.close, &timezone)),
            Rejection::AgainstCancelPolicy(policy) => {
                let details = json!({ "status": "CONFIRMED", "cancelPolicy": CancelPolicyBody::of(&policy) });
                unprocessable("NOT_CANCELLABLE", message).with_details(details)
            }
            Rejection::NotOfTheBooking(seats) => {
                validation(message).with_details(json!({ "field": "seatIds", "seatIds": seats }))
            }
            Rejection::KeyReused(_) => key_reused(),
        }
    }
}

/// Which rule refused, and what it counted.
fn rule_details(rule: SeatRule) -> Value {
    let name = rule.as_str();
    match rule {
        SeatRule::SeatsPerBooking { most } => json!({ "rule": name, "most": most }),
        SeatRule::SeatsPerUser { most, held } => json!({ "rule": name, "most": most, "held": held }),
        SeatRule::NoSingleSeats | SeatRule::WheelchairNeedsCompanion | SeatRule::CompanionNeedsWheelchair => {
            json!({ "rule": name })
        }
    }
}

impl From<PaymentRejection> for ApiError {
    fn from(rejection: PaymentRejection) -> Self {
        let message = sentence(&rejection);
        match rejection {
            PaymentRejection::AlreadyInitiated => conflict("PAYMENT_PENDING", message),
            PaymentRejection::KeyReused(_) => key_reused(),
            PaymentRejection::UnknownIntent | PaymentRejection::UnknownRefund => Self::not_found("payment"),
            PaymentRejection::NothingCaptured | PaymentRejection::MoreThanCaptured => {
                unprocessable("NOT_REFUNDABLE", message)
            }
        }
    }
}

impl From<TheatreRejection> for ApiError {
    fn from(rejection: TheatreRejection) -> Self {
        let message = sentence(&rejection);
        match rejection {
            TheatreRejection::AlreadyExists => conflict("ALREADY_EXISTS", "The id is taken."),
            TheatreRejection::NotFound => Self::not_found("theatre"),
            TheatreRejection::NotYours => Self::forbidden("It belongs to another partner."),
            TheatreRejection::CompanionAlone(seat) => {
                validation(message).with_details(json!({ "field": "rows", "seatId": seat }))
            }
            TheatreRejection::DuplicateSeat(_) | TheatreRejection::NoSeats => {
                validation(message).with_details(json!({ "field": "rows" }))
            }
            TheatreRejection::SeatRules(_) => {
                validation(message).with_details(json!({ "field": "seatRules" }))
            }
            TheatreRejection::CancelPolicy(_) => {
                validation(message).with_details(json!({ "field": "cancelPolicy" }))
            }
            TheatreRejection::KeyReused(_) => key_reused(),
        }
    }
}

impl From<BrowseError> for ApiError {
    fn from(error: BrowseError) -> Self {
        match error {
            BrowseError::UnknownCity => Self::not_found("city"),
            BrowseError::UnknownMovie => Self::not_found("movie"),
            BrowseError::UnknownTheatre => Self::not_found("theatre"),
        }
    }
}

impl From<ViewsError> for ApiError {
    fn from(error: ViewsError) -> Self {
        match error {
            ViewsError::InvalidCursor => Self::invalid("cursor", "is not one that was given"),
            ViewsError::UnknownProjection(_) => Self::not_found("projection"),
            ViewsError::Io(_)
            | ViewsError::Sqlite(_)
            | ViewsError::Index(_)
            | ViewsError::Corrupt(_)
            | ViewsError::Unavailable(_)
            | ViewsError::Closed => Self::unavailable(&error.to_string()),
        }
    }
}

impl From<RebuildError> for ApiError {
    fn from(error: RebuildError) -> Self {
        match error {
            RebuildError::UnknownProjection(_) => Self::not_found("projection"),
            RebuildError::AlreadyRebuilding => conflict("REQUEST_IN_PROGRESS", sentence(&error)),
            RebuildError::Unavailable(_) => Self::unavailable(&error.to_string()),
        }
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable(reason) => Self::unavailable(&reason),
        }
    }
}

/// An error's text as a sentence.
fn sentence(error: &impl ToString) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}
