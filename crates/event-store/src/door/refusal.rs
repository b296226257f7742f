//! Refusals as KurrentDB's clients know them: a status, and the name of the exception in the trailers.

use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

use super::proto::{AccessDenied, BadRequest, MaximumAppendSizeExceeded, Unknown};
use crate::port::ReadError;

/// Most that one append may carry, in bytes: the log's own limit.
pub(super) const MAX_APPEND: usize = 1024 * 1024;

/// Why an append is refused before the log has judged it, or because the log failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The door is read-only, or the request is one that no door grants.
    Denied(&'static str),
    /// It is larger than an append may be.
    TooLarge,
    /// A property that every event must have is missing.
    NoProperty(&'static str),
    /// It is not an event of Marquee, or not a request of the protocol.
    Invalid(String),
    /// The log failed: the outcome is unknown.
    Unavailable(String),
}

fn status(code: Code, message: String, trailers: &[(&'static str, &str)]) -> Status {
    let mut metadata = MetadataMap::new();
    for (key, value) in trailers {
        if let Ok(value) = MetadataValue::try_from(*value) {
            metadata.insert(*key, value);
        }
    }
    Status::with_metadata(code, message, metadata)
}

fn any<M: prost::Message>(name: &str, message: &M) -> prost_types::Any {
    prost_types::Any {
        type_url: format!("type.googleapis.com/event_store.client.{name}"),
        value: message.encode_to_vec(),
    }
}

impl Refusal {
    fn code(&self) -> Code {
        match self {
            Self::Denied(_) => Code::PermissionDenied,
            Self::TooLarge | Self::NoProperty(_) | Self::Invalid(_) => Code::InvalidArgument,
            Self::Unavailable(_) => Code::Unavailable,
        }
    }

    fn message(&self) -> String {
        match self {
            Self::Denied(reason) => format!("Access Denied: {reason}"),
            Self::TooLarge => format!("Maximum Append Size of {MAX_APPEND} Exceeded."),
            Self::NoProperty(name) => format!("Required Metadata Property '{name}' is missing"),
            Self::Invalid(reason) | Self::Unavailable(reason) => reason.clone(),
        }
    }

    /// As one detail of a batch append's answer.
    pub fn detail(&self) -> super::proto::Status {
        let details = match self {
            Self::Denied(_) => any("AccessDenied", &AccessDenied {}),
            Self::TooLarge => {
                let max_append_size = u32::try_from(MAX_APPEND).unwrap_or(u32::MAX);
                any("MaximumAppendSizeExceeded", &MaximumAppendSizeExceeded { max_append_size })
            }
            Self::NoProperty(_) | Self::Invalid(_) => {
                any("BadRequest", &BadRequest { message: self.message() })
            }
            Self::Unavailable(_) => any("Unknown", &Unknown {}),
        };
        super::proto::Status { code: self.code() as i32, message: self.message(), details: Some(details) }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let size = MAX_APPEND.to_string();
        let trailers: &[(&'static str, &str)] = match &refusal {
            Refusal::Denied(_) => &[("exception", "access-denied")],
            Refusal::TooLarge => {
                &[("exception", "maximum-append-size-exceeded"), ("maximum-append-size", &size)]
            }
            Refusal::NoProperty(name) => {
                &[("exception", "missing-required-metadata-property"), ("required-metadata-properties", name)]
            }
            Refusal::Invalid(_) | Refusal::Unavailable(_) => &[],
        };
        status(refusal.code(), refusal.message(), trailers)
    }
}

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable(reason) => Self::Unavailable(reason),
        }
    }
}

/// A request that is not one of the protocol.
pub(super) fn malformed(what: &str) -> Refusal {
    Refusal::Invalid(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_its_exception() {
        for (refusal, code, exception) in [
            (Refusal::Denied("read-only"), Code::PermissionDenied, Some("access-denied")),
            (Refusal::TooLarge, Code::InvalidArgument, Some("maximum-append-size-exceeded")),
            (Refusal::NoProperty("type"), Code::InvalidArgument, Some("missing-required-metadata-property")),
            (Refusal::Invalid("no".into()), Code::InvalidArgument, None),
            (Refusal::Unavailable("disk".into()), Code::Unavailable, None),
        ] {
            assert_eq!(refusal.detail().code, code as i32);
            let status = Status::from(refusal);
            assert_eq!(status.code(), code);
            let named = status.metadata().get("exception").map(|name| name.to_str().unwrap());
            assert_eq!(named, exception);
        }
    }
}
