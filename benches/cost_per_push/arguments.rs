//! What the bench is asked to do.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::Failure;

/// The bench's name among the crate's targets.
pub(crate) const NAME: &str = "cost_per_push";

/// Callers, unless their number is given.
pub(crate) const CALLERS_UNLESS_SET: u32 = 8;

/// What this process is to do.
pub(crate) enum Task {
    /// The bench.
    Measure(Plan),
    /// Be the simulator, with its files in that directory and that time before each answer, until
    /// standard input ends.
    Simulate(PathBuf, Duration),
    /// Tell the one test that there is.
    List,
    /// Another test was asked for.
    Nothing,
}

/// What is measured, and how much.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Pushes in each row and round.
    pub(crate) pushes: u32,
    /// Connections to the API, each with a caller, in the rows of what a push costs and of what
    /// each `journal.sync` costs.
    pub(crate) callers: u32,
    /// How often each row is measured; medians are reported.
    pub(crate) rounds: u32,
    /// Rows whose names begin so; empty for all.
    pub(crate) rows: String,
    /// The commit with whose daemon the rows are measured by turns, or its program.
    pub(crate) against: Option<String>,
    /// Whether the rows are printed as JSON, too.
    pub(crate) json: bool,
}

impl Plan {
    /// All rows, in some minutes on two cores.
    fn of_bench() -> Self {
        Self {
            pushes: 100_000,
            callers: CALLERS_UNLESS_SET,
            rounds: 5,
            rows: String::new(),
            against: None,
            json: false,
        }
    }

    /// Enough to go through every part once.
    fn of_test() -> Self {
        Self {
            pushes: 250,
            callers: CALLERS_UNLESS_SET,
            rounds: 1,
            rows: String::new(),
            against: Some(env!("CARGO_BIN_EXE_sterna").to_owned()),
            json: true,
        }
    }
}

impl Task {
    /// Reads the arguments. cargo adds `--bench` when it runs benches; without it we are run as a
    /// test, and take what a test harness takes.
    pub(crate) fn of(arguments: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let arguments: Vec<String> = arguments.collect();
        let is_bench = arguments.iter().any(|argument| argument == "--bench");
        let mut plan = if is_bench {
            Plan::of_bench()
        } else {
            Plan::of_test()
        };
        if let Ok(pushes) = std::env::var("STERNA_BENCH_PUSHES") {
            plan.pushes = number(&pushes)?;
        }
        let mut latency = Duration::ZERO;
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || {
                let missing = || Failure::from(format!("{argument} needs a value"));
                arguments.next().ok_or_else(missing)
            };
            match argument.as_str() {
                "--pushes" => plan.pushes = number(&value()?)?,
                "--callers" => plan.callers = number(&value()?)?,
                "--rounds" => plan.rounds = number(&value()?)?,
                "--rows" => plan.rows = value()?,
                "--against" => plan.against = Some(value()?),
                "--json" => plan.json = true,
                "--latency" => latency = Duration::from_millis(u32::from_str(&value()?)?.into()),
                "--simulate" => return Ok(Self::Simulate(PathBuf::from(value()?), latency)),
                "--list" => return Ok(Self::List),
                "--skip" | "--test-threads" | "--format" | "--color" | "--logfile" => {
                    value()?;
                }
                flag if flag.starts_with('-') => {}
                filter if NAME.contains(filter) => {}
                _ => return Ok(Self::Nothing),
            }
        }
        Ok(Self::Measure(plan))
    }
}

/// A number above zero.
fn number(text: &str) -> Result<u32, Failure> {
    match u32::from_str(text) {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("{text:?} is not a number above 0").into()),
    }
}
