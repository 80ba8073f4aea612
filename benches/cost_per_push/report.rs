//! What is printed.

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use super::arguments::Plan;
use super::campaign::{Campaign, Drained};
use super::classes::Classes;
use super::crowds::Crowds;
use super::h2load;
use super::keeping::Kept;
use super::measure::{Row, Sample, by_thread};
use super::memory::Taken;
use super::paced::Paced;
use super::scraping::Scraped;
use super::stalled::Stalled;

/// Says what is going to be measured, and with what.
pub(crate) fn preamble(out: &mut impl Write, plan: &Plan, h2load: bool) -> io::Result<()> {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    writeln!(
        out,
        "{cores} cores; {} pushes a row, {} rounds, medians; {} callers",
        plan.pushes, plan.rounds, plan.callers,
    )?;
    if !h2load {
        writeln!(out, "no h2load to compare with: {}", h2load::INSTALL)?;
    }
    Ok(())
}

/// Prints medians over the rounds, then where in the daemon the time went.
pub(crate) fn table(out: &mut impl Write, rows: &[Row]) -> io::Result<()> {
    writeln!(
        out,
        "\n{:27} {:>8} {:>22} {:>8} {:>6} {:>9} {:>10} {:>9} {:>6}",
        "", "", "daemon, µs/push", "h2load", "", "", "simulator", "switches", ""
    )?;
    writeln!(
        out,
        "{:27} {:>8} {:>22} {:>8} {:>6} {:>9} {:>10} {:>9} {:>6}",
        "",
        "pushes",
        "(user + system)",
        "µs/req.",
        "ratio",
        "pushes/s",
        "µs/push",
        "per push",
        "conn."
    )?;
    for row in rows {
        line(out, row)?;
    }
    writeln!(out, "\nthe daemon's threads, µs/push")?;
    for row in rows {
        let names = by_thread(row);
        let shown = names.iter().filter(|(_, micros)| **micros >= 0.05);
        let shown: Vec<String> = shown
            .map(|(name, micros)| format!("{name} {micros:.1}"))
            .collect();
        writeln!(out, "{:27} {}", row.shape.to_string(), shown.join(", "))?;
    }
    writeln!(out, "\nnothing lost, nothing doubled, nothing failed")
}

/// Prints what the rows cost beside the daemon that they were measured against, by turns.
pub(crate) fn against(out: &mut impl Write, named: &str, rows: &[Row]) -> io::Result<()> {
    writeln!(
        out,
        "\n{:27} {:>10} {:>10} {:>8} {:>17}\nagainst {named}",
        "daemon, µs/push", "this", "that", "ratio", "least and most"
    )?;
    for row in rows {
        let cost = |sample: &Sample| per_push(sample.daemon.cpu, sample);
        let this = median(row.samples.iter().map(cost).collect());
        let that = median(row.against.iter().map(cost).collect());
        let turns = row.samples.iter().zip(&row.against);
        let mut ratios: Vec<f64> = turns.map(|(this, that)| cost(this) / cost(that)).collect();
        ratios.sort_by(f64::total_cmp);
        let end = |at: Option<&f64>| at.copied().unwrap_or(f64::NAN);
        let (least, most) = (end(ratios.first()), end(ratios.last()));
        writeln!(
            out,
            "{:27} {this:>10.2} {that:>10.2} {:>8.3} {least:>8.3} {most:>8.3}",
            row.shape.to_string(),
            median(ratios),
        )?;
    }
    Ok(())
}

/// Prints each row as a line of JSON: times in microseconds, one figure for each round.
pub(crate) fn json(out: &mut impl Write, rows: &[Row]) -> io::Result<()> {
    writeln!(out)?;
    for row in rows {
        let each = |samples: &[Sample], figure: &dyn Fn(&Sample) -> f64| -> Vec<f64> {
            samples.iter().map(figure).collect()
        };
        let cost = |sample: &Sample| per_push(sample.daemon.cpu, sample);
        let line = serde_json::json!({
            "row": row.shape.to_string(),
            "pushes": row.samples.first().map(|sample| sample.pushes),
            "daemon": each(&row.samples, &cost),
            "against": each(&row.against, &cost),
            "h2load": each(&row.samples, &|sample| sample.h2load.map_or(f64::NAN, micros)),
            "simulator": each(&row.samples, &|sample| per_push(sample.simulator.cpu, sample)),
            "pushes_per_second": each(&row.samples, &|sample| {
                f64::from(sample.pushes) / sample.elapsed.as_secs_f64()
            }),
            "threads": by_thread(row),
        });
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Prints what each `journal.sync` costs callers.
pub(crate) fn kept(out: &mut impl Write, rows: &[Kept]) -> io::Result<()> {
    writeln!(
        out,
        "\n{:43}{:>12} {:>8} {:>8} {:>9} {:>16}",
        "journal.sync, one push a request",
        "requests",
        "p50, µs",
        "p99, µs",
        "pushes/s",
        "daemon, µs/push"
    )?;
    for row in rows {
        writeln!(
            out,
            "{:44} {} {:>9.0} {:>16.2}",
            row.policy, row.answers, row.per_second, row.cpu
        )?;
    }
    Ok(())
}

/// Prints what pushes take of memory while they wait.
pub(crate) fn taken(out: &mut impl Write, rows: &[Taken]) -> io::Result<()> {
    writeln!(out, "\n{:44} {:>8} {:>8}", "waiting", "pushes", "bytes")?;
    for row in rows {
        let waiting = row.waiting.to_string();
        writeln!(out, "{waiting:44} {:>8} {:>8}", row.pushes, row.bytes)?;
    }
    Ok(())
}

/// Prints what callers notice of a provider that does not answer.
pub(crate) fn stalled(out: &mut impl Write, stalled: &Stalled) -> io::Result<()> {
    writeln!(
        out,
        "\nFCM stalled, its queue of {} full{:>24} {:>8} {:>8}",
        stalled.queue, "requests", "p50, µs", "p99, µs"
    )?;
    for (name, latencies) in [
        ("iOS only, 200: a daemon without FCM pushes", &stalled.alone),
        ("iOS only, 200: beside the full queue", &stalled.beside),
        ("FCM, 503", &stalled.refused),
    ] {
        writeln!(out, "{name:44} {latencies}")?;
    }
    let mebibytes = |bytes: u64| bytes.div_ceil(1 << 20);
    writeln!(
        out,
        "resident memory {} MiB, the formula allows {} MiB",
        mebibytes(stalled.resident),
        mebibytes(stalled.allowed)
    )
}

/// Prints how soon honest callers are answered while others hold connections.
pub(crate) fn crowds(out: &mut impl Write, crowds: &Crowds) -> io::Result<()> {
    let heading = format!("beside {} callers", crowds.callers);
    writeln!(
        out,
        "\n{heading:44} {:>8} {:>8} {:>8}",
        "requests", "p50, µs", "p99, µs"
    )?;
    for (name, latencies) in &crowds.rows {
        writeln!(out, "{name:44} {latencies}")?;
    }
    Ok(())
}

/// Prints how soon transactional pushes are with their provider.
pub(crate) fn classes(out: &mut impl Write, classes: &Classes) -> io::Result<()> {
    writeln!(
        out,
        "\n{:46} {:>8} {:>8} {:>8}",
        "transactional, from the answer to the provider", "pushes", "p50, µs", "p99, µs"
    )?;
    writeln!(out, "{:46} {}", "alone", classes.alone)?;
    let beside = format!("while of {} bulk pushes some wait", classes.bulk);
    writeln!(out, "{beside:46} {}", classes.beside)
}

/// Prints what a push costs while somebody scrapes.
pub(crate) fn scraped(out: &mut impl Write, rows: &[Scraped]) -> io::Result<()> {
    writeln!(
        out,
        "\n{:30} {:>8} {:>6} {:>16} {:>9}",
        "/metrics is scraped", "pushes", "pages", "daemon, µs/push", "pushes/s"
    )?;
    for row in rows {
        let over =
            |figure: &dyn Fn(&Sample) -> f64| median(row.samples.iter().map(figure).collect());
        let pushes: u32 = row.samples.iter().map(|sample| sample.pushes).sum();
        let cost = over(&|sample| per_push(sample.daemon.cpu, sample));
        let rate = over(&|sample| f64::from(sample.pushes) / sample.elapsed.as_secs_f64());
        writeln!(
            out,
            "{:30} {pushes:>8} {:>6} {cost:>16.2} {rate:>9.0}",
            row.how_often, row.pages
        )?;
    }
    Ok(())
}

/// Prints how soon requests are answered that come at a pace.
pub(crate) fn paced(out: &mut impl Write, rows: &[Paced]) -> io::Result<()> {
    writeln!(
        out,
        "\n{:30} {:>8} {:>8} {:>8} {:>9} {:>9} {:>16}",
        "one push a request, at a pace",
        "requests",
        "p50, µs",
        "p99, µs",
        "p999, µs",
        "most, µs",
        "daemon, µs/push"
    )?;
    for Paced { pace, answers, cpu } in rows {
        let pace = format!("{pace} a second");
        let [late, most] = [999, 1000].map(|permille| micros(answers.permille(permille)));
        writeln!(
            out,
            "{pace:30} {answers} {late:>9.0} {most:>9.0} {cpu:>16.2}"
        )?;
    }
    Ok(())
}

/// Prints what a campaign took.
pub(crate) fn campaign(out: &mut impl Write, campaign: &Campaign) -> io::Result<()> {
    let Campaign {
        pushes,
        accepted_in,
        settled_in,
        spent,
        ..
    } = campaign;
    let each = |bytes: u64| bytes / u64::from(*pushes);
    let megabytes = |bytes: u64| bytes / 1_000_000;
    let rate = f64::from(*pushes) / settled_in.as_secs_f64();
    writeln!(
        out,
        "\na campaign of {pushes} pushes, 100 a request, answers after 100 ms\n\
         accepted in {:.1} s, settled in {:.1} s: {rate:.0} a second over {} connections\n\
         daemon {:.2} µs/push, memory {} MB at most, {} MB after it\n\
         journal {} bytes/push, push log {} bytes/push",
        accepted_in.as_secs_f64(),
        settled_in.as_secs_f64(),
        campaign.connections,
        micros(spent.cpu) / f64::from(*pushes),
        megabytes(campaign.peak),
        megabytes(campaign.after),
        each(campaign.journal),
        each(campaign.log),
    )
}

/// Prints what it costs to send what has waited.
pub(crate) fn drained(out: &mut impl Write, rows: &[Drained]) -> io::Result<()> {
    writeln!(
        out,
        "\n{:20} {:>10} {:>12} {:>10} {:>16}",
        "waited, then sent", "accepted/s", "bytes/push", "sent/s", "daemon, µs/push"
    )?;
    for row in rows {
        let pushes = f64::from(row.pushes);
        writeln!(
            out,
            "{:20} {:>10.0} {:>12} {:>10.0} {:>16.2}",
            row.pushes,
            pushes / row.accepted_in.as_secs_f64(),
            row.waiting,
            pushes / row.sent_in.as_secs_f64(),
            micros(row.spent.cpu) / pushes,
        )?;
    }
    Ok(())
}

fn line(out: &mut impl Write, row: &Row) -> io::Result<()> {
    let over = |figure: &dyn Fn(&Sample) -> f64| median(row.samples.iter().map(figure).collect());
    let daemon = over(&|sample| per_push(sample.daemon.cpu, sample));
    let system = over(&|sample| sample.daemon.system_share) * daemon;
    // Nothing can be said of a run that was too short for the clock.
    let is_compared = row
        .samples
        .iter()
        .all(|sample| sample.h2load > Some(Duration::ZERO));
    let (requests, ratio) = if is_compared {
        let request = |sample: &Sample| sample.h2load.map_or(f64::NAN, micros);
        let ratio = |sample: &Sample| per_push(sample.daemon.cpu, sample) / request(sample);
        (
            format!("{:.2}", over(&request)),
            format!("{:.2}", over(&ratio)),
        )
    } else {
        ("-".to_owned(), "-".to_owned())
    };
    let split = format!("{daemon:.2} ({:.2} + {system:.2})", daemon - system);
    let rate = over(&|sample| f64::from(sample.pushes) / sample.elapsed.as_secs_f64());
    let simulator = over(&|sample| per_push(sample.simulator.cpu, sample));
    let switches = over(&|sample| {
        let switches = u32::try_from(sample.daemon.switches).unwrap_or(u32::MAX);
        f64::from(switches) / f64::from(sample.pushes)
    });
    let connections = over(&|sample| f64::from(sample.connections));
    let pushes: u32 = row.samples.iter().map(|sample| sample.pushes).sum();
    writeln!(
        out,
        "{:27} {pushes:>8} {split:>22} {requests:>8} {ratio:>6} {rate:>9.0} {simulator:>10.2} \
         {switches:>9.3} {connections:>6}",
        row.shape.to_string(),
    )
}

fn per_push(cpu: Duration, sample: &Sample) -> f64 {
    micros(cpu) / f64::from(sample.pushes)
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// The middle one, or the mean of the two in the middle.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    let at = |index: usize| figures.get(index).copied().unwrap_or(f64::NAN);
    if figures.len().is_multiple_of(2) {
        f64::midpoint(at(middle.wrapping_sub(1)), at(middle))
    } else {
        at(middle)
    }
}
