//! The JSON schema of each message, made from its type.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde::Serialize;
use smol_str::SmolStr;
use uuid::Uuid;

/// A message whose data is known, for its schema alone: what [`super::Envelope`] writes for one kind.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Whole<D> {
    /// The event that it tells of. The same event is the same message: consumers tell repeats apart by it.
    event_id: Uuid,
    /// The event's place in the log. Grows from message to message.
    position: u64,
    /// When it happened.
    time: jiff::Timestamp,
    /// Ties together all that one request caused.
    correlation_id: SmolStr,
    /// What happened, by its name: the end of its subject.
    #[serde(rename = "type")]
    kind: SmolStr,
    /// The particulars.
    data: D,
}

/// The schema of the message of a name.
pub(super) fn of<D: JsonSchema>(name: &str) -> Schema {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<Whole<D>>();
    schema.insert("title".into(), format!("marquee.{name}").into());
    schema.remove("description");
    if let Some(kind) = schema.pointer_mut("/properties/type") {
        *kind = serde_json::json!({ "const": name, "description": "What happened, by its name: the end of its subject." });
    }
    schema
}
