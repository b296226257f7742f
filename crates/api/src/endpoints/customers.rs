//! Customers' own data.

pub(crate) mod erase;
pub(crate) mod keep;
pub(crate) mod read;

use std::collections::BTreeSet;

use marquee_domain::customer::{Channel, Contact};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How a customer is reached. Kept apart from the log, encrypted.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ContactBody {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// As E.164 has it: `+919900112233`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
    /// The language to write in, a BCP 47 tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    language: Option<String>,
    /// The channels that are wanted: `EMAIL`, `SMS`, `WHATSAPP`. Where none are given, `EMAIL` and `SMS`, as far as there is an address for them;
    /// an empty list wants no notification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<String>>)]
    channels: Option<BTreeSet<Channel>>,
}

impl From<Contact> for ContactBody {
    fn from(contact: Contact) -> Self {
        let Contact { email, phone, language, channels } = contact;
        Self {
            email: email.map(String::from),
            phone: phone.map(String::from),
            language: language.map(String::from),
            channels: Some(channels),
        }
    }
}
