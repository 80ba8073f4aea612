//! The rules of `etc/prometheus`: each fault that somebody has to act on fires its own alert and no
//! other, and what passes by itself fires none. A daemon has the fault, its pages are what
//! Prometheus would have scraped, and promtool evaluates the rules over them.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    reason = "helpers of tests fail the test by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use sterna::moment::Moment;
use sterna::stats::Family;

use crate::harness::daemon::Daemon;
use crate::harness::disk::{can_mount, fill, serve_on_disk};
use crate::harness::documents;
use crate::harness::prometheus::{self, Scrapes};
use crate::harness::simulator::Simulated;
use crate::harness::site::Site;
use crate::harness::{each, fcm_token, hex_token, wait_until};
use crate::webhook::{Receiver, posting};

/// A daemon with a fault, its pages before it and while it has it.
struct Case {
    what: &'static str,
    /// What is to fire.
    alert: &'static [&'static str],
    pages: fn() -> Scrapes,
}

/// Pages before a fault.
const BEFORE: usize = 4;
/// Pages with it: minutes for Prometheus, longer than a rule waits.
const DURING: usize = 16;

fn ios(tokens: impl IntoIterator<Item = String>) -> Value {
    let tokens: Vec<String> = tokens.into_iter().collect();
    json!({"notifications": [{"platform": 1, "token": tokens, "message": "m"}]})
}

/// A simulator that answers like that, by the name of a reason or a code.
fn answering(failures: &str, retry_after: Option<&str>) -> Simulated {
    Simulated::with(|options| {
        options.faults.failures = failures.parse().unwrap();
        options.faults.retry_after = retry_after.map(|text| text.parse().unwrap());
    })
}

/// Pages of a daemon that is pushed this before each of them. Where pushes go out at once, what is
/// pushed waits until it is idle: on a slow machine, too, none is late by Prometheus' minutes.
fn while_pushed(daemon: &Daemon, body: impl FnMut(u64) -> Value) -> Scrapes {
    once_it_shows("", daemon, body)
}

/// The same; those of the fault begin once a page has that line, which takes less than Prometheus'
/// minutes and more than a few pages.
fn once_it_shows(line: &str, daemon: &Daemon, mut body: impl FnMut(u64) -> Value) -> Scrapes {
    let mut push = |number| {
        let status = daemon.push(&body(number)).status;
        assert!([200, 500, 503].contains(&status), "{status}");
    };
    let mut scrapes = Scrapes::begin();
    scrapes.take_each(daemon, BEFORE, || ());
    push(0);
    wait_until(line, || prometheus::page(daemon).contains(line));
    let mut number = 0;
    scrapes.take_each(daemon, DURING, || {
        number += 1;
        push(number);
    });
    scrapes
}

/// The line of a page for a lane that is in that state.
fn lane_is(lane: &str, state: &str) -> String {
    format!("sterna_lane_state{{lane=\"{lane}\",state=\"{state}\"}} 1\n")
}

/// A token that asks the simulator for an answer, one of many.
fn asking(begin: &str, number: u64) -> String {
    format!("{begin}{}", &hex_token(number)[begin.len()..])
}

const CASES: &[Case] = &[
    Case {
        what: "a day like any other: a few dead tokens, a refusal, a throttled device, a reload",
        alert: &[],
        pages: || {
            let simulated = Simulated::start();
            let site = Site::simulated(&simulated.simulator);
            let daemon = site.start();
            let odd = ["0bad4100", "0bad4000", "0bad4290", "1bad5030", "1bad0002"];
            while_pushed(&daemon, |number| {
                if number == 5 {
                    daemon.signal("HUP");
                }
                let odd = usize::try_from(number)
                    .ok()
                    .and_then(|at| odd.get(at))
                    .map(|begin| asking(begin, number));
                let well = (0..8).map(|device| hex_token(number * 100 + device));
                ios(well.chain(odd))
            })
        },
    },
    Case {
        what: "one device is throttled, and nothing else is sent",
        alert: &[],
        pages: || {
            let simulated = Simulated::start();
            let site = Site::simulated(&simulated.simulator);
            while_pushed(&site.start(), |_| ios([asking("0bad4290", 1)]))
        },
    },
    Case {
        what: "a lane is paused, and resumed within minutes",
        alert: &[],
        pages: || {
            let simulated = Simulated::start();
            let site = Site::simulated(&simulated.simulator);
            let daemon = site.start();
            while_pushed(&daemon, |number| {
                let order = match number {
                    2 => "pause",
                    7 => "resume",
                    _ => return ios([hex_token(number)]),
                };
                daemon.request("PUT", &format!("/lanes/ios/{order}"), b"");
                ios([hex_token(number)])
            })
        },
    },
    Case {
        what: "the daemon is gone",
        alert: &["SternaDown"],
        pages: || {
            let site = Site::unreachable();
            let daemon = site.start();
            let mut scrapes = Scrapes::begin();
            scrapes.take_each(&daemon, BEFORE, || ());
            daemon.kill();
            scrapes.take_each(&daemon, DURING, || ());
            scrapes
        },
    },
    Case {
        what: "the credential is refused",
        alert: &["SternaLaneHeld"],
        pages: || {
            let simulated = answering("InvalidProviderToken=100", None);
            let site = Site::simulated(&simulated.simulator);
            let shown = lane_is("ios", "held");
            once_it_shows(&shown, &site.start(), |number| ios([hex_token(number)]))
        },
    },
    Case {
        what: "nobody listens where the provider should be",
        alert: &["SternaProviderUnreachable"],
        pages: || {
            let site = Site::unreachable().without("android.endpoint");
            let shown = lane_is("ios", "unreachable");
            once_it_shows(&shown, &site.start(), |number| ios([hex_token(number)]))
        },
    },
    Case {
        what: "no access token can be had",
        alert: &["SternaProviderUnreachable"],
        pages: || {
            let simulated = answering("garbage=100", None);
            let site = Site::simulated(&simulated.simulator);
            let shown = lane_is("android", "unreachable");
            once_it_shows(&shown, &site.start(), |number| android([fcm_token(number)]))
        },
    },
    Case {
        what: "APNs answers 503",
        alert: &["SternaProviderFailing"],
        pages: || {
            let simulated = answering("ServiceUnavailable=100", None);
            let site = Site::simulated(&simulated.simulator);
            let shown = lane_is("ios", "failing");
            once_it_shows(&shown, &site.start(), |number| ios([hex_token(number)]))
        },
    },
    Case {
        what: "APNs answers 500 to each, and its queue is full by that",
        alert: &["SternaProviderFailing"],
        pages: || {
            let simulated = answering("InternalServerError=100", None);
            let site = Site::simulated(&simulated.simulator);
            let daemon = site.start_with(&["-q", "10"]);
            let shown = lane_is("ios", "failing");
            once_it_shows(&shown, &daemon, |number| ios([hex_token(number)]))
        },
    },
    Case {
        what: "APNs answers 503 and asks for half a minute",
        alert: &["SternaProviderFailing"],
        pages: || {
            let simulated = answering("ServiceUnavailable=100", Some("30"));
            let site = Site::simulated(&simulated.simulator);
            let shown = lane_is("ios", "resting");
            once_it_shows(&shown, &site.start(), |number| {
                ios((0..4).map(|device| hex_token(number * 4 + device)))
            })
        },
    },
    Case {
        what: "FCM answers 429 and asks for half a minute",
        alert: &["SternaProviderFailing"],
        pages: || {
            let simulated = answering("QUOTA_EXCEEDED=100", Some("30"));
            let site = Site::simulated(&simulated.simulator);
            let shown = lane_is("android", "resting");
            once_it_shows(&shown, &site.start(), |number| {
                android((0..4).map(|device| fcm_token(number * 4 + device)))
            })
        },
    },
    Case {
        what: "a lane was paused by hand and forgotten",
        alert: &["SternaLanePaused"],
        pages: || {
            let simulated = Simulated::start();
            let site = Site::simulated(&simulated.simulator);
            let daemon = site.start();
            daemon.request("PUT", "/lanes/ios/pause", b"");
            let paused = lane_is("ios", "paused");
            let mut scrapes = once_it_shows(&paused, &daemon, |number| ios([hex_token(number)]));
            scrapes.take_each(&daemon, DURING, || ());
            scrapes
        },
    },
    Case {
        what: "more comes than is sent: the queue is full, and callers are answered 503",
        alert: &["SternaQueueFilling"],
        pages: || {
            let simulated = Simulated::start();
            let site = Site::simulated(&simulated.simulator).with("ios.rate", 1);
            let daemon = site.start_with(&["-q", "20"]);
            while_pushed(&daemon, |number| {
                let pushes = if number == 0 { 20 } else { 4 };
                ios((0..pushes).map(|device| hex_token(number * 20 + device)))
            })
        },
    },
    Case {
        what: "a rate that is too low: pushes go, too late",
        alert: &["SternaPushesLate"],
        pages: || {
            let simulated = Simulated::start();
            let site = Site::simulated(&simulated.simulator).with("ios.rate", 1);
            let daemon = site.start();
            while_pushed(&daemon, |number| {
                ios((0..9).map(|device| hex_token(number * 9 + device)))
            })
        },
    },
    Case {
        what: "as much is scheduled as may be, and callers are answered 503",
        alert: &["SternaCallersRefused"],
        pages: || {
            let site = Site::unreachable().with("journal.scheduled_max", 1);
            let tomorrow = Moment::now().unix.as_secs() + 86_400;
            while_pushed(&site.start(), |number| {
                let mut body = ios([hex_token(number)]);
                body["notifications"][0]["send_at"] = tomorrow.into();
                body
            })
        },
    },
    Case {
        what: "a thread panics",
        alert: &["SternaPanicked"],
        pages: || {
            let simulated = Simulated::start();
            let site = Site::simulated(&simulated.simulator);
            let mut command = site.command(&[]);
            command.env("STERNA_PANIC_AT", "send:4");
            let daemon = Daemon::start(command, &site.path("operator.log"));
            while_pushed(&daemon, |number| {
                daemon.wait_idle();
                ios([hex_token(number)])
            })
        },
    },
    Case {
        what: "a log cannot be written",
        alert: &["SternaLogLinesDropped"],
        pages: || {
            let simulated = Simulated::start();
            let site =
                Site::simulated(&simulated.simulator).with_text("log.access_log", "/dev/full");
            let daemon = site.start();
            // Eight MiB of lines wait for their file before one is dropped.
            while_pushed(&daemon, |number| {
                daemon.wait_idle();
                let most = if number < 6 { 100 } else { 1 };
                let body = (0..most).map(|nth| {
                    let first = (number * 100 + nth) * 3;
                    let tokens: Vec<_> = (first..first + 3).map(hex_token).collect();
                    json!({"platform": 1, "token": tokens, "message": "m".repeat(3500)})
                });
                json!({"notifications": body.collect::<Vec<_>>()})
            })
        },
    },
    Case {
        what: "a configuration that cannot be used",
        alert: &["SternaReloadRefused"],
        pages: || {
            let simulated = Simulated::start();
            let site = Site::simulated(&simulated.simulator);
            let daemon = site.start();
            while_pushed(&daemon, |number| {
                daemon.wait_idle();
                if number == 2 {
                    fs::write(site.path("sterna.toml"), "[core]\nnonsense = 1\n").unwrap();
                    daemon.signal("HUP");
                    wait_until("the reload to be refused", || {
                        site.operator_log().contains("of before stays in force")
                    });
                }
                ios([hex_token(number)])
            })
        },
    },
    Case {
        what: "a client certificate that ends in three days",
        alert: &["SternaCredentialExpires"],
        pages: || {
            let site = Site::unreachable().with_pem("client.pem", "client.key");
            let (certificate, key) = (site.path("client.pem"), site.path("client.key"));
            let pair = rcgen::KeyPair::generate().unwrap();
            let names = vec!["org.example.sterna".to_owned()];
            let mut params = rcgen::CertificateParams::new(names).unwrap();
            let until = Moment::now().unix + Duration::from_secs(3 * 86_400);
            params.not_after = rcgen::date_time_ymd(1970, 1, 1) + until;
            fs::write(certificate, params.self_signed(&pair).unwrap().pem()).unwrap();
            fs::write(key, pair.serialize_pem()).unwrap();
            let daemon = site.start();
            let mut scrapes = Scrapes::begin();
            scrapes.take_each(&daemon, DURING, || ());
            scrapes
        },
    },
    Case {
        what: "most device tokens are dead",
        alert: &["SternaManyDeadTokens"],
        pages: || {
            let simulated = Simulated::start();
            let site = Site::simulated(&simulated.simulator);
            let daemon = site.start();
            while_pushed(&daemon, |number| {
                daemon.wait_idle();
                ios((0..20).map(|device| asking("0bad4100", number * 20 + device)))
            })
        },
    },
    Case {
        what: "most registration tokens are dead, by FCM's word that is for bad messages too",
        alert: &["SternaManyDeadTokens"],
        pages: || {
            let simulated = Simulated::start();
            let site = Site::simulated(&simulated.simulator);
            let daemon = site.start();
            while_pushed(&daemon, |number| {
                daemon.wait_idle();
                android((0..20).map(|device| format!("disabled-{}", number * 20 + device)))
            })
        },
    },
    Case {
        what: "most pushes are refused: their tokens are of another environment",
        alert: &["SternaPushesRefused"],
        pages: || {
            let simulated = Simulated::start();
            let site = Site::simulated(&simulated.simulator);
            let daemon = site.start();
            while_pushed(&daemon, |number| {
                daemon.wait_idle();
                ios((0..4).map(|device| asking("0bad4000", number * 4 + device)))
            })
        },
    },
    Case {
        what: "the disk under the journal is nearly full",
        alert: &["SternaJournalDiskFilling"],
        pages: || {
            let simulated = Simulated::start();
            let site = Site::simulated(&simulated.simulator);
            let command = serve_on_disk(&site, "journal", 2 * RESERVE + (16 << 20), "rw");
            let daemon = Daemon::start(command, &site.path("operator.log"));
            while_pushed(&daemon, |number| {
                daemon.wait_idle();
                if number == 1 {
                    fill(&daemon, &site.path("journal"), RESERVE);
                }
                ios([hex_token(number)])
            })
        },
    },
    Case {
        what: "the receiver of the feed answers 500",
        alert: &["SternaFeedbackFailing"],
        pages: || {
            let refused = "HTTP/1.1 500 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let (_receiver, url) = Receiver::serve(&[refused; 1000]);
            let simulated = Simulated::start();
            let site = posting(&simulated, &url);
            while_pushed(&site.start(), |number| ios([hex_token(number)]))
        },
    },
    Case {
        what: "somebody removes the feed",
        alert: &["SternaFeedbackLost"],
        pages: || {
            let simulated = Simulated::start();
            let site = Site::simulated(&simulated.simulator).with_text("feedback.sync", "group");
            let daemon = site.start();
            while_pushed(&daemon, |number| {
                daemon.wait_idle();
                if number == 3 {
                    fs::remove_dir_all(site.path("journal/feed")).unwrap();
                }
                ios([hex_token(number)])
            })
        },
    },
    Case {
        what: "the disk under the journal is slow",
        alert: &["SternaJournalSlow"],
        pages: || {
            let simulated = Simulated::start();
            let site = Site::simulated(&simulated.simulator).with_text("journal.sync", "interval");
            let mut command = site.command(&[]);
            command.env("STERNA_STALL_AT", "sync:5");
            let daemon = Daemon::start(command, &site.path("operator.log"));
            while_pushed(&daemon, |number| ios([hex_token(number)]))
        },
    },
];

fn android(tokens: impl IntoIterator<Item = String>) -> Value {
    let tokens: Vec<String> = tokens.into_iter().collect();
    json!({"notifications": [{"platform": 2, "token": tokens, "message": "m"}]})
}

/// What the journal leaves to settlements on its disk.
const RESERVE: u64 = 32 << 20;

#[test]
fn each_fault_fires_its_own_alert_and_no_other() {
    let is_possible = |case: &&Case| case.alert != ["SternaJournalDiskFilling"] || can_mount();
    let cases: Vec<_> = CASES.iter().filter(is_possible).collect();
    each(&cases, |case| {
        let expected: BTreeSet<String> = case.alert.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!((case.pages)().firing(), expected, "{}", case.what);
    });
    let rules = fs::read_to_string(prometheus::directory().join("sterna.rules.yml")).unwrap();
    let known = rules.split("- alert: ").skip(1);
    let known: BTreeSet<&str> = known.map(|rest| rest.lines().next().unwrap()).collect();
    let fired: BTreeSet<&str> = CASES.iter().flat_map(|case| case.alert).copied().collect();
    assert_eq!(fired, known, "each alert has its fault");
}

/// The names of our series, and of those of any process, that stand in a text.
fn names(text: &str) -> BTreeSet<&str> {
    let is_of_name = |at: char| at.is_ascii_lowercase() || at.is_ascii_digit() || at == '_';
    let words = text.split(|at| !is_of_name(at));
    let is_series = |word: &&str| word.starts_with("sterna_") || word.starts_with("process_");
    words.filter(is_series).collect()
}

/// Each label of a text with a value that it is to have or, of several, each of them.
fn labels(text: &str) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices('"') {
        let (before, after) = (&text[..at], &text[at + 1..]);
        let Some(before) = before
            .strip_suffix('=')
            .or_else(|| before.strip_suffix("=~"))
        else {
            continue;
        };
        let is_of_name = |at: char| at.is_ascii_lowercase() || at == '_';
        let begin = before.trim_end_matches(is_of_name).len();
        let values = after.split('"').next().unwrap().split('|');
        found.extend(values.map(|value| (before[begin..].to_owned(), value.to_owned())));
    }
    found
}

/// The expressions of the dashboard, with values for what Grafana puts in.
fn of_dashboard() -> Vec<String> {
    let text = fs::read_to_string(prometheus::directory().join("sterna-dashboard.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let of_targets = targets.map(|target| target["expr"].as_str().unwrap().to_owned());
    let expressions = of_targets.map(|expression| {
        let expression = expression.replace("$__rate_interval", "5m");
        expression.replace("$instance", "a").replace("$lane", "ios")
    });
    expressions.collect()
}

#[test]
fn rules_and_dashboard_name_series_and_labels_that_there_are() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let page = prometheus::page(&site.start());
    let rules = fs::read_to_string(prometheus::directory().join("sterna.rules.yml")).unwrap();
    let dashboard = of_dashboard();
    assert!(dashboard.len() > 15, "{dashboard:?}");
    let families: BTreeSet<&str> = Family::ALL.iter().map(|family| family.row().name).collect();
    let documents: Vec<String> = documents::all().into_iter().map(|it| it.text).collect();
    let in_prose = documents.iter().flat_map(|text| names(text)).count();
    assert!(in_prose > 30, "{in_prose} names of series in the documents");
    for text in dashboard.iter().chain([&rules]).chain(&documents) {
        for name in names(text) {
            let ends = ["", "_bucket", "_sum", "_count"].into_iter();
            let family = ends
                .filter_map(|end| name.strip_suffix(end))
                .find(|name| families.contains(name));
            let family = family.unwrap_or_else(|| panic!("{name} is no family: {text}"));
            assert!(
                page.contains(&format!("# TYPE {family} ")),
                "{name} is on no page"
            );
        }
    }
    // Those of a set that is there from the start.
    let of_set = |(label, _): &(String, String)| ["state", "class", "result"].contains(&&**label);
    let labels: Vec<_> = labels(&rules).into_iter().filter(of_set).collect();
    assert!(labels.len() >= 7, "{labels:?}");
    for (label, value) in labels {
        assert!(
            page.contains(&format!("{label}=\"{value}\"")),
            "{label} {value}: {page}"
        );
    }
}

#[test]
fn promtool_takes_rules_their_tests_and_the_dashboards_expressions() {
    let files = prometheus::directory();
    for arguments in [
        &["check", "rules", "sterna.rules.yml"][..],
        &["test", "rules", "tests.yml"],
    ] {
        let told = prometheus::promtool(arguments, &files).unwrap();
        assert!(told.contains("SUCCESS"), "{told}");
    }
    let rules: Vec<Value> = (0..)
        .zip(of_dashboard())
        .map(|(number, expr)| json!({"record": format!("panel:{number}"), "expr": expr}))
        .collect();
    let rules = json!({"groups": [{"name": "dashboard", "rules": rules}]});
    let directory = tempfile::tempdir().unwrap();
    // YAML reads JSON.
    fs::write(directory.path().join("rules.yml"), rules.to_string()).unwrap();
    prometheus::promtool(&["check", "rules", "rules.yml"], directory.path()).unwrap();
}

/// Each alert leads to what is to be done about it, and there is nothing else in the runbook.
#[test]
fn each_alert_has_its_paragraph_in_the_runbook() {
    let rules = fs::read_to_string(prometheus::directory().join("sterna.rules.yml")).unwrap();
    let documents = documents::all().into_iter();
    let runbook = documents.map(|page| (page.path, page.text));
    let (_, runbook) = runbook
        .into_iter()
        .find(|(path, _)| path == "etc/doc/runbook.md")
        .unwrap();
    let sections = runbook.split("\n## ").skip(1);
    let mut sections: BTreeMap<&str, &str> = sections
        .map(|section| section.split_once('\n').unwrap())
        .collect();
    for rule in rules.split("- alert: ").skip(1) {
        let (alert, rule) = rule.split_once('\n').unwrap();
        let link = format!("runbook: \"runbook.md#{}\"", alert.to_lowercase());
        assert!(rule.contains(&link), "{alert}: {rule}");
        let section = sections
            .remove(alert)
            .unwrap_or_else(|| panic!("no paragraph: {alert}"));
        for part in ["**Happened:** ", "**Look** ", "**Do** "] {
            assert_eq!(section.matches(part).count(), 1, "{alert}: {part}");
        }
    }
    assert!(sections.is_empty(), "of no alert: {sections:?}");
}
