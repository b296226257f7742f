//! Which events a reader of the whole log wants: by the name of the stream or of the event, by prefixes or a regular expression.

use super::proto::streams::read_req::filter_options::{Filter as Wanted, Window};
use super::proto::streams::read_req::{Expression, FilterOptions};
use super::refusal::{Refusal, malformed};
use crate::envelope::Recorded;
use fancy_regex::{Regex, RegexBuilder};

/// Events considered between two checkpoints, where a client leaves it open.
const DEFAULT_WINDOW: u64 = 32;
/// Steps that one match may take: an expression is a stranger's, and some are made to take for ever.
const MAX_BACKTRACKING: usize = 20_000;
const MAX_EXPRESSION: usize = 4_096;

/// A filter of the whole log.
#[derive(Debug)]
pub(super) struct Filter {
    on: On,
    test: Test,
    /// Events considered between two checkpoints of a subscription.
    pub checkpoint_every: u64,
}

#[derive(Debug, Clone, Copy)]
enum On {
    Stream,
    Type,
}

#[derive(Debug)]
enum Test {
    Regex(Box<Regex>),
    Prefixes(Vec<String>),
}

impl Test {
    /// An expression makes prefixes be ignored, as the protocol has it. Clients' defaults look ahead, which only a backtracking
    /// engine knows.
    fn new(expression: Expression) -> Result<Self, Refusal> {
        if expression.regex.is_empty() {
            return Ok(Self::Prefixes(expression.prefix));
        }
        if expression.regex.len() > MAX_EXPRESSION {
            return Err(malformed("the filter's expression is too long"));
        }
        let regex = RegexBuilder::new(&expression.regex).backtrack_limit(MAX_BACKTRACKING).build();
        let regex = regex.map_err(|error| malformed(&format!("the filter's expression: {error}")))?;
        Ok(Self::Regex(Box::new(regex)))
    }
}

impl Filter {
    /// The filter that a client asks for.
    pub fn new(options: FilterOptions) -> Result<Self, Refusal> {
        let (on, expression) = match options.filter {
            Some(Wanted::StreamIdentifier(expression)) => (On::Stream, expression),
            Some(Wanted::EventType(expression)) => (On::Type, expression),
            None => return Err(malformed("the filter is empty")),
        };
        let window = match options.window {
            Some(Window::Max(0)) => return Err(malformed("the filter's window is 0")),
            Some(Window::Max(max)) => u64::from(max),
            Some(Window::Count(())) | None => DEFAULT_WINDOW,
        };
        let checkpoint_every = window * u64::from(options.checkpoint_interval_multiplier.max(1));
        Ok(Self { on, test: Test::new(expression)?, checkpoint_every })
    }

    /// Whether an event is wanted. Fails where the expression takes too long.
    pub fn wants(&self, event: &Recorded) -> Result<bool, Refusal> {
        let name = match self.on {
            On::Stream => event.stream.as_str(),
            On::Type => event.stored_name.as_str(),
        };
        match &self.test {
            Test::Regex(regex) => {
                regex.is_match(name).map_err(|error| malformed(&format!("the filter's expression: {error}")))
            }
            Test::Prefixes(prefixes) => Ok(prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Metadata;
    use crate::port::Position;
    use crate::stream::StreamName;

    fn event_in(stream: &str) -> Recorded {
        Recorded::new(
            Position(1),
            StreamName::new(stream),
            0,
            uuid::Uuid::nil(),
            "booking.expired.v1".into(),
            jiff::Timestamp::UNIX_EPOCH,
            Metadata::default(),
            bytes::Bytes::new(),
            None,
        )
    }

    fn wants(on: fn(Expression) -> Wanted, regex: &str, prefixes: &[&str]) -> bool {
        let prefix = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
        let filter = Some(on(Expression { regex: regex.into(), prefix }));
        let options = FilterOptions { filter, window: None, checkpoint_interval_multiplier: 1 };
        Filter::new(options).unwrap().wants(&event_in("show-sh_1")).unwrap()
    }

    #[test]
    fn a_filter_is_by_prefix_or_expression_of_stream_or_type() {
        assert!(wants(Wanted::StreamIdentifier, "", &["city-", "show-"]));
        assert!(!wants(Wanted::StreamIdentifier, "", &["booking."]));
        assert!(wants(Wanted::EventType, "", &["booking."]));
        assert!(
            wants(Wanted::EventType, "^booking\\.", &["nothing"]),
            "an expression makes prefixes be ignored"
        );
        assert!(wants(Wanted::EventType, r"^(?!(\$.*|PersistentConfig\d+)$).+$", &[]), "look-ahead is known");
        assert!(!wants(Wanted::StreamIdentifier, "^city-", &[]));
    }

    #[test]
    fn an_expression_that_would_take_for_ever_is_refused() {
        let expression = Expression { regex: "^(?=x?)(([a-z_-]+)+)+$\\1".into(), prefix: vec![] };
        let options = FilterOptions {
            filter: Some(Wanted::StreamIdentifier(expression)),
            window: None,
            checkpoint_interval_multiplier: 1,
        };
        let filter = Filter::new(options).unwrap();
        assert!(filter.wants(&event_in(&format!("show-{}!", "a".repeat(200)))).is_err());
    }
}
