//! Partners and what they own.

pub(crate) mod cancel_policy;
pub(crate) mod partners;
pub(crate) mod read;
pub(crate) mod screens;
#[expect(clippy::module_inception, reason = "a resource beside its neighbours")]
pub(crate) mod theatres;
