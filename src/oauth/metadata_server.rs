//! The metadata server: a machine of Google Cloud asks it for what it is, and for access tokens of
//! the service account that is attached to it.
//!
//! It speaks plain HTTP and is on the machine itself or next to it. That both sides say
//! `Metadata-Flavor: Google` keeps requests from elsewhere out, and keeps us from taking another
//! server's word for a token or a project.

use serde_json::Value;

use super::SCOPE;
use super::answer::{self, ExchangeFailure, Grant, METADATA};
use super::call::{Heard, ServerCall};
use crate::moment::server_clock::ServerClock;
use crate::pasted;
use crate::provider::fcm::ProjectPath;

/// The machine's metadata server.
#[derive(Debug)]
pub struct MetadataServer {
    host: String,
    /// Wants to know the project if it does not.
    path: ProjectPath,
}

impl MetadataServer {
    /// The one at that host, which may have a port; it is asked for the project if `path` does not
    /// know it.
    pub fn new(host: &str, path: ProjectPath) -> Self {
        Self {
            host: host.to_owned(),
            path,
        }
    }

    /// Which one it is, for the operator.
    pub fn name(&self) -> String {
        format!("metadata server {}", pasted::shown(&self.host))
    }

    /// Asks for an access token, and for the project before the first one.
    pub(super) fn ask(
        &self,
        label: &str,
        clock: &ServerClock,
        agent: &ureq::Agent,
    ) -> Result<Grant, ExchangeFailure> {
        if !self.path.is_known() {
            let heard = self.get("project/project-id", agent)?;
            if heard.status != 200 {
                let failure = answer::refusal(&METADATA, heard.status, &Value::Null);
                return Err(heard.told(self.doubted(failure, &heard), clock));
            }
            let project = heard.body.trim_ascii();
            self.path.learn(project).map_err(|error| {
                ExchangeFailure::stopping(format!(
                    "{} names no project that there could be: {error}; set project_id beside \
                     metadata_server",
                    METADATA.name
                ))
            })?;
            let project = pasted::shown(project);
            ::log::info!(
                "{label}: pushes go to the project {project}, as {} says",
                METADATA.name
            );
        }
        // A machine that has access scopes of its own takes no notice of it.
        let scope = SCOPE.replace(':', "%3A").replace('/', "%2F");
        let token = format!("instance/service-accounts/default/token?scopes={scope}");
        let heard = self.get(&token, agent)?;
        heard.note_time(clock);
        answer::judge(&METADATA, heard.status, heard.body.as_bytes())
            .map_err(|failure| heard.told(self.doubted(failure, &heard), clock))
    }

    fn get(&self, what: &str, agent: &ureq::Agent) -> Result<Heard, ExchangeFailure> {
        let call = ServerCall {
            whom: METADATA.name,
            agent,
        };
        let url = format!("http://{}/computeMetadata/v1/{what}", self.host);
        let flavor = ("Metadata-Flavor".to_owned(), "Google".to_owned());
        let heard = call.get(&url, &[flavor])?;
        if heard.status == 200 && !heard.is_of_metadata_server {
            return Err(ExchangeFailure::stopping(format!(
                "what answers at {} is not Google's {}: it does not say Metadata-Flavor: Google",
                pasted::shown(&self.host),
                METADATA.source
            )));
        }
        Ok(heard)
    }

    /// A refusal of one that does not say what it is: such as GKE's, whose metadata server leaves
    /// that out where it refuses, so that the status decides, or another server's.
    fn doubted(&self, failure: ExchangeFailure, heard: &Heard) -> ExchangeFailure {
        if heard.is_of_metadata_server {
            return failure;
        }
        let text = format!(
            "{}; it does not say Metadata-Flavor: Google: unless this is GKE, look whether Google's \
             {} is what answers at {}",
            failure.text,
            METADATA.source,
            pasted::shown(&self.host)
        );
        ExchangeFailure { text, ..failure }
    }
}

#[cfg(test)]
mod tests;
