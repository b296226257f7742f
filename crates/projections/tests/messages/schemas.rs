//! The committed schemas are the messages' own, and every message keeps to its schema.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use marquee_projections::messages::{Envelope, Message, schemas};
use serde_json::Value;

use crate::rig::{Queue, everything_that_is_told};

fn file(subject: &str) -> PathBuf {
    let name = subject.strip_prefix("marquee.").unwrap();
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../schemas/messages/{name}.json"))
}

/// `UPDATE_SCHEMAS=1 cargo test -p marquee-projections --test messages` writes the files anew.
#[test]
fn the_committed_schemas_are_those_of_the_messages() {
    for (subject, schema) in schemas() {
        let made = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        let path = file(subject);
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            std::fs::write(&path, &made).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == made,
            "schemas/messages of {subject} is not what the code makes: run with UPDATE_SCHEMAS=1"
        );
    }
    let known: BTreeSet<PathBuf> = Message::SUBJECTS.iter().map(|subject| file(subject)).collect();
    for entry in std::fs::read_dir(file("marquee.x").parent().unwrap()).unwrap() {
        let path = file("marquee.x").parent().unwrap().join(entry.unwrap().file_name());
        assert!(known.contains(&path), "{} is the schema of no message", path.display());
    }
}

/// By the files, as a consumer has them: a message of each kind validates, and one that lacks a field does not.
#[tokio::test]
async fn every_kind_of_message_is_told_and_keeps_to_its_committed_schema() {
    let queue = Queue::new();
    let world = everything_that_is_told().await;
    let held = queue.filled_from(&world).await;
    let mut samples: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for message in &held {
        samples
            .entry(message.subject.clone())
            .or_default()
            .push(serde_json::from_slice(&message.body).unwrap());
    }
    for subject in Message::SUBJECTS {
        let schema: Value = serde_json::from_slice(&std::fs::read(file(subject)).unwrap()).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        let samples = samples.get(*subject).unwrap_or_else(|| panic!("no {subject} was told"));
        for sample in samples {
            let errors: Vec<String> = validator.iter_errors(sample).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{subject}: {errors:?} in {sample}");
            for field in ["eventId", "position", "time", "correlationId", "type", "data"] {
                let mut lacking = sample.clone();
                lacking.as_object_mut().unwrap().remove(field);
                assert!(!validator.is_valid(&lacking), "{subject} may not lack {field}");
            }
            let read: Envelope = serde_json::from_value(sample.clone()).unwrap();
            assert_eq!(read.message.subject(), *subject);
            assert_eq!(serde_json::to_value(&read).unwrap(), *sample, "a message is read as it was written");
        }
    }
}
