//! The figures, as Markdown.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::error::LoadError;
use crate::log_ceiling::Ceiling;
use crate::machine;
use crate::measure::{self, Phase};
use crate::options::{Kept, Options, Scenario};
use crate::scenario::{Outcome, Row};

/// Longest p99 of a booking over many shows, in microseconds.
const BOOKING_P99: u64 = 20_000;

/// Share of the bare handler's rate to reach, in percent.
fn target(scenario: Scenario) -> Option<f64> {
    match scenario {
        Scenario::Spread => Some(40.0),
        Scenario::Hot => Some(55.0),
        Scenario::Rush | Scenario::Browse => None,
        Scenario::Cycle => Some(45.0),
        Scenario::Seatmap => Some(70.0),
    }
}

fn describe(row: &Row) -> String {
    let what = match row.scenario {
        Scenario::Spread => "bookings over many shows".into(),
        Scenario::Hot => "one hot show, 201 and 409".into(),
        Scenario::Rush => "one hot show after another".into(),
        Scenario::Cycle => "requests of the full cycle".into(),
        Scenario::Seatmap => format!("seat maps of {} bytes", row.bytes.unwrap_or_default()),
        Scenario::Browse => format!("browsing, pages of {} bytes on average", row.bytes.unwrap_or_default()),
    };
    match row.kept {
        Kept::Embedded => what,
        Kept::Production => format!("{what}, production backends"),
    }
}

/// The middle of some figures.
fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(figures[middle]),
        _ => Some(f64::midpoint(figures[middle - 1], figures[middle])),
    }
}

fn rate(phases: &[Phase]) -> Option<f64> {
    median(phases.iter().map(|phase| phase.rate).collect())
}

fn share(row: &Row) -> Option<f64> {
    let (marquee, bare) = (rate(&row.marquee)?, rate(&row.bare)?);
    (bare > 0.0).then(|| 100.0 * marquee / bare)
}

fn whole(figure: Option<f64>) -> String {
    let Some(figure) = figure else { return "–".into() };
    let digits = format!("{figure:.0}");
    let grouped: Vec<_> =
        digits.as_bytes().rchunks(3).rev().map(|chunk| String::from_utf8_lossy(chunk)).collect();
    grouped.join(",")
}

fn millis(micros: u64) -> String {
    format!("{}.{:01}", micros / 1000, micros % 1000 / 100)
}

/// The report of a run.
pub fn render(options: &Options, ceilings: &[Ceiling], outcomes: &[Outcome]) -> Result<String, LoadError> {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "{}; generator on the same machine. {} × {} s a figure, median; {} shows.\n",
        machine::describe(),
        options.repeats(),
        options.seconds,
        options.shows()
    );
    let _ = writeln!(
        text,
        "| | clients | a second | bare | share | target | p50 ms | p99 ms | max ms | answers | CPU µs a request: server, generator |"
    );
    let _ = writeln!(text, "|---|--:|--:|--:|--:|---|--:|--:|--:|---|---|");
    for row in outcomes.iter().flat_map(|outcome| &outcome.rows) {
        table_row(&mut text, row)?;
    }
    let _ = writeln!(text);
    for row in outcomes.iter().flat_map(|outcome| &outcome.rows) {
        bare_line(&mut text, row)?;
    }
    for Ceiling { appenders, bookings_per_second } in ceilings {
        let _ = writeln!(
            text,
            "- The log alone, {appenders} appenders: {} bookings (appends of two events) a second.",
            whole(Some(*bookings_per_second))
        );
    }
    for line in verdicts(outcomes)? {
        let _ = writeln!(text, "- {line}");
    }
    for outcome in outcomes {
        check_lines(&mut text, outcome);
    }
    Ok(text)
}

fn table_row(text: &mut String, row: &Row) -> Result<(), LoadError> {
    let mut latencies = measure::latencies()?;
    let mut statuses: BTreeMap<u16, u64> = BTreeMap::new();
    for phase in &row.marquee {
        // Both have the same bounds.
        let _ = latencies.add(&phase.latencies);
        for (status, count) in &phase.statuses {
            *statuses.entry(*status).or_default() += count;
        }
    }
    let answers: Vec<_> = statuses.iter().map(|(status, count)| format!("{status}: {count}")).collect();
    let aim = match row.kept {
        Kept::Embedded => target(row.scenario),
        Kept::Production => None,
    };
    let target = match (aim, share(row)) {
        (Some(target), Some(share)) => format!("≥ {target:.0} %: {}", verdict(share >= target)),
        (Some(target), None) => format!("≥ {target:.0} %"),
        (None, _) => String::new(),
    };
    let cpu = |of: fn(&Phase) -> f64| median(row.marquee.iter().map(of).collect()).unwrap_or_default();
    let _ = writeln!(
        text,
        "| {} | {} | {} | {} | {} | {target} | {} | {} | {} | {} | {:.0}, {:.0} |",
        describe(row),
        row.clients,
        whole(rate(&row.marquee)),
        whole(rate(&row.bare)),
        share(row).map_or_else(|| "–".into(), |share| format!("{share:.0} %")),
        millis(latencies.value_at_quantile(0.5)),
        millis(latencies.value_at_quantile(0.99)),
        millis(latencies.max()),
        answers.join(", "),
        cpu(|phase| phase.server_cpu),
        cpu(|phase| phase.generator_cpu)
    );
    Ok(())
}

fn bare_line(text: &mut String, row: &Row) -> Result<(), LoadError> {
    let Some(bare) = rate(&row.bare) else { return Ok(()) };
    let mut latencies = measure::latencies()?;
    for phase in &row.bare {
        let _ = latencies.add(&phase.latencies);
    }
    let each =
        |phases: &[Phase]| phases.iter().map(|phase| whole(Some(phase.rate))).collect::<Vec<_>>().join(" · ");
    let cpu = |of: fn(&Phase) -> f64| median(row.bare.iter().map(of).collect()).unwrap_or_default();
    let _ = writeln!(
        text,
        "- {}: bare {} a second ({}), p50 {} ms, p99 {} ms, CPU µs a request: server {:.0}, generator {:.0}; Marquee in turn {}{}.",
        describe(row),
        whole(Some(bare)),
        each(&row.bare),
        millis(latencies.value_at_quantile(0.5)),
        millis(latencies.value_at_quantile(0.99)),
        cpu(|phase| phase.server_cpu),
        cpu(|phase| phase.generator_cpu),
        each(&row.marquee),
        if row.marquee.iter().any(|phase| phase.ran_out) {
            "; seats ran out before the time did"
        } else {
            ""
        }
    );
    Ok(())
}

fn verdicts(outcomes: &[Outcome]) -> Result<Vec<String>, LoadError> {
    let mut lines = Vec::new();
    let spread: Vec<_> = outcomes
        .iter()
        .flat_map(|outcome| &outcome.rows)
        .filter(|row| row.scenario == Scenario::Spread && row.kept == Kept::Embedded)
        .collect();
    if let [row, wide] = spread[..] {
        let mut latencies = measure::latencies()?;
        for phase in &row.marquee {
            let _ = latencies.add(&phase.latencies);
        }
        let p99 = latencies.value_at_quantile(0.99);
        lines.push(format!(
            "p99 of a booking with {} clients: {} ms; target ≤ {} ms: {}.",
            row.clients,
            millis(p99),
            millis(BOOKING_P99),
            verdict(p99 <= BOOKING_P99)
        ));
        let (narrow, broad) =
            (rate(&row.marquee).unwrap_or_default(), rate(&wide.marquee).unwrap_or_default());
        lines.push(format!(
            "{} clients: {} a second, with {}: {}; target no lower: {}.",
            wide.clients,
            whole(Some(broad)),
            row.clients,
            whole(Some(narrow)),
            verdict(broad >= narrow)
        ));
    }
    let rows = || outcomes.iter().flat_map(|outcome| &outcome.rows);
    for row in rows().filter(|row| row.kept == Kept::Production) {
        let same = |other: &&Row| {
            (other.kept, other.scenario, other.clients) == (Kept::Embedded, row.scenario, row.clients)
        };
        if let (Some(production), Some(embedded)) =
            (rate(&row.marquee), rows().find(same).and_then(|other| rate(&other.marquee)))
        {
            lines.push(format!(
                "{}, {} clients: {} a second, {:.0} % of the embedded default's {}.",
                describe(row),
                row.clients,
                whole(Some(production)),
                100.0 * production / embedded,
                whole(Some(embedded))
            ));
        }
    }
    Ok(lines)
}

fn check_lines(text: &mut String, outcome: &Outcome) {
    let Some(row) = outcome.rows.first() else { return };
    let behind: Vec<_> = outcome
        .behind
        .iter()
        .map(|(events, time)| format!("{events} events, {} ms", time.as_millis()))
        .collect();
    let _ = writeln!(
        text,
        "- {}: {} bookings in the log, {} acknowledged ones looked up, {} violations. Slowest view after each phase: {}.",
        describe(row),
        outcome.bookings,
        outcome.checked,
        outcome.violations.len(),
        if behind.is_empty() { "not behind".into() } else { behind.join(" · ") }
    );
    for note in &outcome.notes {
        let _ = writeln!(text, "  - {note}");
    }
    for violation in outcome.violations.iter().take(10) {
        let _ = writeln!(text, "  - **violation**: {violation}");
    }
}

fn verdict(hit: bool) -> &'static str {
    if hit { "hit" } else { "**missed**" }
}
