//! Google's credentials beside the service account: the workload that another identity provider
//! knows, and the machine of Google's own.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::daemon::{Address, Daemon};
use crate::harness::lines::{check_same, ids};
use crate::harness::simulator::Simulated;
use crate::harness::site::{Site, run, sterna};
use crate::harness::{documents, each, fcm_token, wait_until};

/// A site whose credential is the simulator's external account, changed at these pointers.
fn federated(simulated: &Simulated, changes: &[(&str, Value)]) -> Site {
    let site = Site::simulated(&simulated.simulator)
        .with("android.token_hosts", r#"["127.0.0.1"]"#)
        .with("core.probe_interval", 1)
        .with_path("android.service_account_path", "external.json")
        .with_text("android.project_id", project(simulated));
    write(simulated, &site, changes);
    site
}

fn project(simulated: &Simulated) -> &str {
    &simulated.simulator.credentials().project_id
}

/// Writes the site's file: the simulator's, with these changes.
fn write(simulated: &Simulated, site: &Site, changes: &[(&str, Value)]) {
    let path = &simulated.simulator.credentials().external_account_path;
    let mut file: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    for (pointer, value) in changes {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        file.pointer_mut(parent).unwrap()[name] = value.clone();
    }
    fs::write(site.path("external.json"), file.to_string()).unwrap();
}

/// A subject token that was issued so many seconds ago, in a file of the site.
fn write_subject_token(simulated: &Simulated, site: &Site, age: u64) {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let issued_at = now.unwrap().as_secs() - age;
    let token = simulated.simulator.credentials().subject_token(issued_at);
    fs::write(site.path("subject-token"), token.unwrap() + "\n").unwrap();
}

fn push(daemon: &Daemon, number: u64) -> u64 {
    let push = json!({"platform": 2, "message": "m", "token": [fcm_token(number)]});
    daemon
        .push(&json!({"notifications": [push]}))
        .accepted_ids()[0]
}

/// Every push arrives, once.
fn check_arrived(simulated: &Simulated, site: &Site, daemon: Daemon, accepted: &[u64]) {
    daemon.settle();
    check_same(&ids(&site.access_log(), "succeeded-push"), accepted);
    assert!(site.error_log().is_empty(), "{:?}", site.error_log());
    let counts = simulated.counts();
    assert_eq!(
        (counts.accepted, counts.doubled),
        (accepted.len() as u64, 0)
    );
}

/// What `sterna check` with these arguments says, and whether it is fine with it.
fn check(site: &Site, environment: &[(&str, &str)], arguments: &[&str]) -> (bool, String) {
    let mut command = sterna();
    command.arg("check").arg("-c").arg(site.write_config());
    command.args(arguments).envs(environment.iter().copied());
    let output = run(command);
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

fn start(site: &Site, environment: &[(&str, &str)]) -> Daemon {
    let mut command: Command = site.command(&[]);
    command.envs(environment.iter().copied());
    Daemon::start(command, &site.path("operator.log"))
}

#[test]
fn a_workload_of_elsewhere_pushes_as_the_service_account_or_as_itself() {
    let impersonation = "/service_account_impersonation_url";
    for changes in [vec![], vec![(impersonation, Value::Null)]] {
        let simulated = Simulated::start();
        let site = federated(&simulated, &changes);
        for arguments in [&[][..], &["--online"]] {
            let (is_fine, told) = check(&site, &[], arguments);
            assert!(is_fine, "{told}");
        }
        let daemon = start(&site, &[]);
        let accepted = [push(&daemon, 1)];
        check_arrived(&simulated, &site, daemon, &accepted);
    }
}

#[test]
fn systemd_hands_over_the_file_of_an_external_account() {
    let simulated = Simulated::start();
    let site = federated(&simulated, &[])
        .with_text("android.service_account_path", "credential:external.json");
    let directory = site.path("");
    let systemd = [("CREDENTIALS_DIRECTORY", directory.to_str().unwrap())];
    let daemon = start(&site, &systemd);
    let accepted = [push(&daemon, 1)];
    check_arrived(&simulated, &site, daemon, &accepted);
}

/// The file of the subject token is another program's, which writes it anew before the token ends.
#[test]
fn a_subject_token_is_read_anew_and_one_that_is_too_old_is_waited_for() {
    let simulated = Simulated::with(|options| {
        options.access_token_lifetime = Duration::from_secs(4);
    });
    let site = federated(&simulated, &[]);
    let token = site.path("subject-token");
    let changes = [
        ("/credential_source", json!({"file": token})),
        ("/service_account_impersonation_url", Value::Null),
    ];
    write(&simulated, &site, &changes);
    let (is_fine, told) = check(&site, &[], &[]);
    let warning = format!(
        "the subject token's file {} cannot be read: ",
        token.display()
    );
    assert!(
        is_fine && told.contains("warning: ") && told.contains(&warning),
        "{told}"
    );
    write_subject_token(&simulated, &site, 0);
    let daemon = start(&site, &[]);
    let mut accepted = vec![push(&daemon, 1)];
    wait_until("the first push", || {
        daemon.stat().number("/android/push_success") == 1
    });
    write_subject_token(&simulated, &site, 3_600);
    let old = "the subject token is too old: whoever writes it has not renewed it";
    wait_until("a token that is too old to be told", || {
        site.operator_log().contains(old)
    });
    wait_until("the lane to be unreachable", || {
        // The token before it may be good for a moment yet.
        accepted.push(push(&daemon, 1 + accepted.len() as u64));
        let stat = daemon.request("GET", "/stat/app", b"").json();
        let error = stat["lanes"]["android"]["error"]
            .as_str()
            .unwrap_or_default();
        // Whoever asks for its health need not know what is wrong with our credentials.
        let health = daemon.request("GET", "/healthz", b"");
        assert!(
            !health.text().contains("subject token"),
            "{}",
            health.text()
        );
        stat["lanes"]["android"]["state"] == "unreachable" && error.contains(old)
    });
    write_subject_token(&simulated, &site, 0);
    check_arrived(&simulated, &site, daemon, &accepted);
}

#[test]
fn what_google_refuses_of_a_workload_holds_the_lane_and_is_mended_in_its_place() {
    type Case = (
        &'static str,
        fn(&Simulated) -> Value,
        &'static str,
        &'static str,
    );
    let cases: [Case; 3] = [
        (
            "/audience",
            |_| json!("//iam.googleapis.com/projects/1/locations/global/p"),
            "there is no such identity pool or provider, or it is disabled",
            "invalid_target",
        ),
        (
            "/subject_token_type",
            |_| json!("urn:ietf:params:oauth:token-type:saml2"),
            "audience or subject_token_type is not what the security token service takes",
            "invalid_request",
        ),
        (
            "/service_account_impersonation_url",
            |simulated| {
                let base = simulated.simulator.addresses().oauth_url();
                let path = "/v1/projects/-/serviceAccounts/other@x.example:generateAccessToken";
                json!(format!("{base}{path}"))
            },
            "the identity lacks iam.serviceAccounts.getAccessToken",
            "PERMISSION_DENIED",
        ),
    ];
    each(&cases, |(pointer, value, told, word)| {
        let simulated = Simulated::start();
        let site = federated(&simulated, &[(pointer, value(&simulated))]);
        let (is_fine, said) = check(&site, &[], &["--online"]);
        assert!(
            !is_fine && said.contains(told) && said.contains(word),
            "{said}"
        );
        let daemon = start(&site, &[]);
        let accepted = [push(&daemon, 1)];
        wait_until("the lane to be held", || {
            let stat = daemon.request("GET", "/stat/app", b"").json();
            let error = stat["lanes"]["android"]["error"]
                .as_str()
                .unwrap_or_default();
            stat["lanes"]["android"]["state"] == "held" && error.contains(told)
        });
        wait_until("the operator to be told of the file", || {
            site.operator_log().contains("external.json")
        });
        let explained = run({
            let mut command = sterna();
            command.args(["explain", word]);
            command
        });
        let explained = String::from_utf8(explained.stdout).unwrap();
        let first_words = told.split_once(' ').unwrap().0;
        assert!(explained.contains(first_words), "{explained}");
        write(&simulated, &site, &[]);
        check_arrived(&simulated, &site, daemon, &accepted);
    });
}

#[test]
fn a_file_that_would_send_tokens_elsewhere_is_refused_before_anything_is_sent() {
    let simulated = Simulated::start();
    let site = federated(&simulated, &[]).without("android.token_hosts");
    let (is_fine, told) = check(&site, &[], &["--online"]);
    let refusal = "token_url leads to another host than Google's sts.googleapis.com";
    assert!(!is_fine && told.contains(refusal), "{told}");
    assert!(told.contains("allow the host by token_hosts"), "{told}");
    let output = site.run(&[]);
    assert_eq!(output.status.code(), Some(78));
    assert_eq!(simulated.counts().access_tokens, 0);
    // A service account's key names no hosts: who allows some has another file in mind.
    let own =
        Site::simulated(&simulated.simulator).with("android.credential_hosts", r#"["127.0.0.1"]"#);
    let (is_fine, told) = check(&own, &[], &[]);
    assert!(
        is_fine && told.contains("ignored: service_account_path is a service account's key"),
        "{told}"
    );
    // A workload's file has no project.
    let site = federated(&simulated, &[]).without("android.project_id");
    let (is_fine, told) = check(&site, &[], &[]);
    assert!(
        !is_fine && told.contains("it names no project_id"),
        "{told}"
    );
}

#[test]
fn a_machine_of_googles_asks_its_metadata_server_for_token_and_project() {
    let simulated = Simulated::start();
    let host = simulated.simulator.addresses().oauth.to_string();
    let environment = [("GCE_METADATA_HOST", &*host)];
    let site = Site::simulated(&simulated.simulator)
        .without("android.service_account_path")
        .with("android.metadata_server", true);
    let (is_fine, told) = check(&site, &environment, &["--online"]);
    assert!(is_fine, "{told}");
    let daemon = start(&site, &environment);
    let accepted = [push(&daemon, 1)];
    let notes = || simulated.notes();
    wait_until("the push", || !notes().is_empty());
    let told = format!(
        "pushes go to the project {}, as the metadata server says",
        project(&simulated)
    );
    assert!(
        site.operator_log().contains(&told),
        "{}",
        site.operator_log()
    );
    check_arrived(&simulated, &site, daemon, &accepted);
    // Its word for the project holds where there is no other.
    let site = site.with_text("android.project_id", "another-project");
    let (is_fine, told) = check(&site, &environment, &["--online"]);
    assert!(!is_fine && told.contains("IAM_PERMISSION_DENIED"), "{told}");
}

#[test]
fn who_is_no_metadata_server_is_not_believed() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator)
        .without("android.service_account_path")
        .with("android.metadata_server", true)
        .without("ios.endpoint")
        .with("ios.enabled", false);
    // An HTTP server of another kind: the daemon's own API.
    let other = Site::unreachable().start();
    let Address::Tcp(host) = other.address.clone() else {
        panic!("a TCP port");
    };
    let host = host.to_string();
    let environment = [("GCE_METADATA_HOST", &*host)];
    let (is_fine, told) = check(&site, &environment, &["--online"]);
    assert!(!is_fine, "{told}");
    assert!(
        told.contains("it does not say Metadata-Flavor: Google"),
        "{told}"
    );
}

#[test]
fn the_documents_show_how_each_credential_is_set_up() {
    for line in [
        "service_account_path = \"external-account.json\"",
        "credential_hosts = [\"idp.example.com\"]",
        "token_hosts = [\"google-proxy.example.com\"]",
        "metadata_server = true",
    ] {
        assert!(documents::shows(line), "{line}");
    }
}
