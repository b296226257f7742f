//! What an error of the client means.

use kurrentdb::Error;

/// Why a call had no success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The connection is of no more use, and whether the server did it nobody knows.
    Broken(String),
    /// The server is sound and has refused. Nothing was done.
    Refused(String),
    /// Another node leads; the client turns to it by itself.
    NotLeader,
    /// The append is larger than the server takes.
    TooLarge,
}

impl Failure {
    /// What an error means.
    pub fn of(error: &Error) -> Self {
        let said = error.to_string();
        match error {
            Error::NotLeaderException(_) => Self::NotLeader,
            Error::Grpc { message, .. } if message.starts_with("Maximum Append") => Self::TooLarge,
            Error::Grpc { code, .. }
                if matches!(*code as i32, INVALID_ARGUMENT | FAILED_PRECONDITION | RESOURCE_EXHAUSTED) =>
            {
                Self::Refused(said)
            }
            Error::AccessDenied
            | Error::ResourceAlreadyExists
            | Error::ResourceNotFound
            | Error::ResourceDeleted
            | Error::UnsupportedFeature
            | Error::WrongExpectedVersion { .. } => Self::Refused(said),
            // A client that has once failed to connect never tries again, so any doubt ends it.
            Error::ServerError(_)
            | Error::ConnectionClosed
            | Error::Grpc { .. }
            | Error::GrpcConnectionError(_)
            | Error::InternalParsingError(_)
            | Error::InternalClientError
            | Error::DeadlineExceeded
            | Error::InitializationError(_)
            | Error::IllegalStateError(_) => Self::Broken(said),
        }
    }
}

/// gRPC's numbers; the client's own type for them is not ours to name.
const INVALID_ARGUMENT: i32 = 3;
const RESOURCE_EXHAUSTED: i32 = 8;
const FAILED_PRECONDITION: i32 = 9;

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Broken(reason) | Self::Refused(reason) => f.write_str(reason),
            Self::NotLeader => f.write_str("another node leads"),
            Self::TooLarge => f.write_str("the append is too large"),
        }
    }
}
