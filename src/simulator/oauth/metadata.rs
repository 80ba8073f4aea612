//! The metadata server of a machine to which the service account is attached.

use serde_json::json;

use super::{OAuth, SCOPES, SERVICE_ACCOUNT, Said, field, respond};
use crate::simulator::answer::Response;
use crate::simulator::arrival::Arrival;
use crate::simulator::request::Name;

const PROJECT: &str = "/computeMetadata/v1/project/project-id";
const TOKEN: &str = "/computeMetadata/v1/instance/service-accounts/default/token";

impl OAuth {
    /// Answers one request, as only the metadata server may be asked: without TLS.
    pub(super) fn metadata(&self, arrival: &Arrival<'_>) -> Said {
        let request = arrival.request;
        let said = |status, text: &str, word| {
            let response = Response {
                status,
                content_type: "text/html; charset=UTF-8",
                content: text.as_bytes().to_vec(),
                ..Response::default()
            };
            (response, word)
        };
        let target = str::from_utf8(request.path).unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let scopes = field(query, "scopes").unwrap_or_default();
        let (response, word) = match path {
            _ if request.get(Name::MetadataFlavor) != Some(b"Google") => said(
                403,
                "Missing Metadata-Flavor:Google header.",
                "missing Metadata-Flavor",
            ),
            _ if request.method != b"GET" => said(405, "Method Not Allowed", "405"),
            PROJECT => said(200, &self.project, "project-id"),
            TOKEN if scopes.is_empty() || scopes.split(',').all(|it| SCOPES.contains(&it)) => {
                self.grant(arrival, SERVICE_ACCOUNT)
            }
            TOKEN => (
                respond(400, &json!({"error": "invalid_scope"})),
                "invalid_scope",
            ),
            _ => said(404, "Not Found", "404"),
        };
        let response = Response {
            is_metadata: true,
            ..response
        };
        (response, word)
    }
}
