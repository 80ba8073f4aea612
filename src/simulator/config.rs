//! A configuration file for the daemon with which it pushes to a simulator.

use std::fmt::Write as _;
use std::path::Path;

use super::credentials::Credentials;
use super::options::Addresses;
use crate::texts::toml_string;

/// A `sterna.toml` with which the daemon pushes to this simulator.
pub(super) fn text(credentials: &Credentials, addresses: &Addresses) -> String {
    let Credentials {
        ca_path,
        signing_keys: [key, _],
        team_id,
        topic,
        ..
    } = credentials;
    let mut text = String::new();
    let mut put = |key: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = match value {
            "" => writeln!(text, "{key}"),
            value => writeln!(text, "{key} = {}", toml_string(value)),
        };
    };
    let path = |path: &Path| path.display().to_string();
    let beside = ca_path.parent().unwrap_or(Path::new("."));
    let control = beside.join("control");
    if control.as_os_str().len() <= SOCKET_PATH_MAX {
        put("[core]", "");
        put("control_socket", &path(&control));
        put("", "");
    }
    put("[ios]", "");
    put("endpoint", &addresses.apns_url());
    put("channels_endpoint", &addresses.channels_url());
    put("ca_path", &path(ca_path));
    put("token_auth_key_path", &path(&key.path));
    put("token_auth_key_id", &key.id);
    put("token_auth_team_id", team_id);
    put("topic", topic);
    put(
        "# In the place of the three token_auth_ lines, a client certificate:",
        "",
    );
    put(
        "# pem_cert_path",
        &path(&credentials.client_certificate_path),
    );
    put("# pem_key_path", &path(&credentials.client_key_path));
    put("\n[android]", "");
    put("endpoint", &addresses.fcm_url());
    put("ca_path", &path(ca_path));
    put(
        "service_account_path",
        &path(&credentials.service_account_path),
    );
    put(
        "# In its place, an external account; or a machine's metadata server, for a daemon that has",
        "",
    );
    let variable = format!(
        "# GCE_METADATA_HOST={} in its environment:",
        addresses.oauth
    );
    put(&variable, "");
    put(
        "# service_account_path",
        &path(&credentials.external_account_path),
    );
    let hosts = format!("# token_hosts = [\"{}\"]", addresses.oauth.ip());
    put(&hosts, "");
    put("# metadata_server = true", "");
    put("\n[journal]", "");
    put("dir", &path(&beside.join("journal")));
    text
}

/// Bytes of a Unix socket's path at most, as Linux has it, less the zero at its end. Where more
/// would be needed the daemon has no control socket and is reloaded by SIGHUP.
const SOCKET_PATH_MAX: usize = 107;
