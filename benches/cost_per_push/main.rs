//! CPU time per push of the daemon, beside h2load's per request.
//!
//! ```text
//! cargo bench --bench cost_per_push [-- --pushes 100000 --rounds 3 --callers 8 --rows APNs]
//! ```
//!
//! Three processes besides h2load, each with its own account: the daemon (as shipped, with its
//! default configuration and its logs in files), the simulator, and this one, whose callers post
//! to the API. Only CPU time of the daemon's process, user and system, is its cost; wall-clock
//! time says little where all share the cores.
//!
//! h2load sends the same requests to the same simulator right after each row, over as many
//! connections and streams as the daemon used; but for their contents, of which it knows one. What
//! the daemon needs beyond h2load is what it does beyond h2load: it takes JSON by HTTP, makes a
//! request of its own for each push, judges each answer, and logs two lines per push. The design is
//! drawn for 2 × h2load in bulk; above 3.5 × something is wrong with it.
//!
//! For comparison, Gaurun 0.14.0 on two cores: 54-70 µs per APNs push in bulk, 97-111 µs one by
//! one, where h2load needs 6.
//!
//! Further rows (`--rows stalled`) show what callers notice of an FCM that does not answer: how
//! soon requests for APNs are answered beside it, how soon those for FCM are refused, and the
//! memory that the full queue takes beside what the formula of sterna-limits(7) allows.
//!
//! Others show what each `journal.sync` costs callers (`--rows journal`), how soon single requests
//! are answered that come at a pace (`--rows paced`), how soon honest ones are
//! answered while thousands hold connections (`--rows crowds`), how soon a transactional push is
//! with its provider while bulk ones wait (`--rows classes`), and what a push takes of memory while
//! it waits (`--rows memory`), which is the same in a debug build:
//!
//! ```text
//! cargo bench --profile dev --bench cost_per_push -- --rows memory
//! ```
//!
//! `--against COMMIT` measures the rows of the first table by turns with the daemon of that commit,
//! which is built for it, and `--json` prints them once more, a line of JSON each.
//!
//! `--rows scraping` shows what a push costs while somebody scrapes `/metrics`, `--rows campaign`
//! what it takes of time, memory and disk from the first request to the last settlement at a
//! provider that needs 100 ms for an answer, and `--rows drain` what it costs to send what has
//! waited, ten times as many each time.
//!
//! It is a test as well: it exits 1 if a push was lost, doubled or failed, or if the memory is
//! more than the formula allows. `cargo test` runs it with few pushes, so that it cannot rot.

mod against;
mod arguments;
mod baseline;
mod callers;
mod campaign;
mod classes;
#[path = "../../tests/attacks/crowd.rs"]
mod crowd;
mod crowds;
mod daemon;
mod h2load;
mod keeping;
mod latencies;
mod measure;
mod memory;
mod paced;
mod report;
mod scraping;
mod simulator;
mod stalled;
mod usage;
mod workload;

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;

use arguments::{Plan, Task};

/// What ends the bench: a sentence for whoever started it.
type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    let done = Task::of(std::env::args().skip(1)).and_then(|task| match task {
        Task::Measure(plan) => measure(&plan),
        Task::Simulate(directory, latency) => simulator::serve(&directory, latency),
        Task::List => Ok(writeln!(std::io::stdout(), "{}: test", arguments::NAME)?),
        Task::Nothing => Ok(()),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Nobody is left to tell if even this cannot be written.
            let _told = writeln!(std::io::stderr(), "{}: {failure}", arguments::NAME);
            ExitCode::FAILURE
        }
    }
}

fn measure(plan: &Plan) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let h2load = h2load::is_installed();
    report::preamble(&mut out, plan, h2load)?;
    let rows = measure::run(plan, h2load)?;
    if !rows.is_empty() {
        report::table(&mut out, &rows)?;
        if let Some(against) = &plan.against {
            report::against(&mut out, against, &rows)?;
        }
        if plan.json {
            report::json(&mut out, &rows)?;
        }
    }
    let kept = keeping::run(plan)?;
    if !kept.is_empty() {
        report::kept(&mut out, &kept)?;
    }
    let paced = paced::run(plan)?;
    if !paced.is_empty() {
        report::paced(&mut out, &paced)?;
    }
    let taken = memory::run(plan)?;
    if !taken.is_empty() {
        report::taken(&mut out, &taken)?;
    }
    if let Some(stalled) = stalled::run(plan)? {
        report::stalled(&mut out, &stalled)?;
    }
    if let Some(crowds) = crowds::run(plan)? {
        report::crowds(&mut out, &crowds)?;
    }
    if let Some(classes) = classes::run(plan)? {
        report::classes(&mut out, &classes)?;
    }
    let scraped = scraping::run(plan)?;
    if !scraped.is_empty() {
        report::scraped(&mut out, &scraped)?;
    }
    if let Some(campaign) = campaign::run(plan)? {
        report::campaign(&mut out, &campaign)?;
    }
    let drained = campaign::drain(plan)?;
    if !drained.is_empty() {
        report::drained(&mut out, &drained)?;
    }
    Ok(())
}
