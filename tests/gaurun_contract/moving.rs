//! A site that moves from Gaurun: its configuration, its callers and its log scripts stay.

use std::os::unix::net::UnixStream;
use std::process::Command;

use serde_json::json;

use crate::harness::daemon::{Address, Daemon};
use crate::harness::simulator::Simulated;
use crate::harness::site::{Site, read_text, sterna};
use crate::harness::{hex_token, wait_until};

/// What Gaurun's users begin with.
const SAMPLE: &str = include_str!("gaurun.toml");

/// The sample with the site's own certificate and topic, and the two things that must be said anew:
/// the service account, and where the providers are.
fn configuration(simulated: &Simulated) -> String {
    let credentials = simulated.simulator.credentials();
    let addresses = simulated.simulator.addresses();
    let ca = credentials.ca_path.display();
    let ios = format!(
        "[ios]\nendpoint = \"{}\"\nca_path = \"{ca}\"",
        addresses.apns_url()
    );
    let android = format!(
        "[android]\nservice_account_path = \"{}\"\nendpoint = \"{}\"\nca_path = \"{ca}\"",
        credentials.service_account_path.display(),
        addresses.fcm_url(),
    );
    let certificate = credentials.client_certificate_path.display().to_string();
    SAMPLE
        .replace("[ios]", &ios)
        .replace("[android]", &android)
        .replace("cert.pem", &certificate)
        .replace(
            "key.pem",
            &credentials.client_key_path.display().to_string(),
        )
        .replace("com.example.app", &credentials.topic)
}

/// Runs a line of a site's script; the lines that it prints, in order.
fn script(site: &Site, line: &str) -> Vec<String> {
    let output = Command::new("sh")
        .args(["-c", line])
        .current_dir(site.path("stdout").parent().unwrap())
        .output()
        .unwrap();
    assert!(output.stderr.is_empty(), "{line}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn file_requests_and_log_scripts_of_a_gaurun_site_go_on_working() {
    let simulated = Simulated::start();
    let site = Site::with_logs();
    let (file, socket) = (site.path("gaurun.toml"), site.path("api.sock"));
    std::fs::write(&file, configuration(&simulated)).unwrap();
    let mut command = sterna();
    command
        .arg("-c")
        .arg(&file)
        .args(["-p", &format!("unix:{}", socket.display())])
        .env("STATE_DIRECTORY", site.path("state"));
    site.capture(&mut command);
    let mut daemon = Daemon::spawn(command);
    wait_until("the daemon to listen", || {
        UnixStream::connect(&socket).is_ok()
    });
    daemon.address = Address::Unix(socket);
    wait_until("the journal to be read", || {
        daemon.request("GET", "/healthz", b"").status == 200
    });
    let told = read_text(&site.path("stderr"));
    let ways = told.matches("core.compatible_with = ").count();
    assert_eq!(ways, 1, "whatever log.level is: {told}");

    let (bad, gone) = (
        format!("0bad4000{}", "1".repeat(56)),
        format!("0bad4100{}", "2".repeat(56)),
    );
    let android = "unregistered-1:APA91bTest".to_owned();
    let reply = daemon.push(&json!({"notifications": [
        {"token": [hex_token(1), bad], "platform": 1, "message": "Hello, iOS!", "badge": 1,
         "sound": "default", "content_available": false, "mutable_content": false, "expiry": 10,
         "extend": [{"key": "url", "val": "https://example.com/"}]},
        {"token": [gone], "platform": 1, "message": "Hello again, iOS!", "category": "c"},
        {"token": ["cQk3:APA91bGood", android], "platform": 2, "message": "Hello, Android!",
         "collapse_key": "update", "delay_while_idle": true, "time_to_live": 10},
    ]}));
    assert_eq!(
        (reply.status, reply.message()),
        (200, "ok".to_owned()),
        "{reply:?}"
    );
    let stat = daemon.settle();
    assert_eq!(stat.number("/ios/push_error"), 2);
    assert_eq!(stat.number("/android/push_success"), 1);

    let failed = {
        let mut failed = vec![bad.clone(), gone.clone(), android.clone()];
        failed.sort();
        failed
    };
    for line in [
        r#"grep '"type":"failed-push"' stderr | jq -r .token"#,
        r#"grep failed-push stderr | sed 's/.*"token":"\([^"]*\)".*/\1/'"#,
        r#"grep '"level":"error"' stderr | jq -r 'select(.type == "failed-push" and .error != "") | .token'"#,
    ] {
        assert_eq!(script(&site, line), failed, "{line}");
    }
    for (line, expected) in [
        (
            r#"grep failed-push stderr | jq -r 'select(.platform == "ios" and .error == "bad device token") | .token'"#,
            bad.as_str(),
        ),
        (
            r#"grep '"error":"bad device token"' stderr | grep -o '"token":"[^"]*"' | cut -d '"' -f 4"#,
            &bad,
        ),
        (
            r#"grep failed-push stderr | jq -r 'select(.error | startswith("device token is inactive for the specified topic")) | .token'"#,
            &gone,
        ),
        (
            r#"grep failed-push stderr | jq -r 'select(.platform == "android") | .token'"#,
            &android,
        ),
        (
            r#"jq -r 'select(.type == "succeeded-push" and .platform == "ios") | .token' stdout"#,
            &hex_token(1),
        ),
        (r#"grep -c '"type":"accepted-push"' stdout"#, "5"),
        (
            r#"grep -c '"type":"accepted-request","uri":"/push","method":"POST"' stdout"#,
            "1",
        ),
        (
            r#"jq -s 'map(select(.type == "accepted-push").id) - map(select(.type == "succeeded-push").id) | length' stdout"#,
            "3",
        ),
    ] {
        assert_eq!(script(&site, line), [expected], "{line}");
    }
}
