//! Where a lane's pushes go: address, credential, time-outs. Shared by its connection threads.

use std::sync::Arc;
use std::time::Duration;

use super::channel_manager::ChannelManager;
use super::credential::Credentials;
use super::pool_key::PoolKey;
use super::requests::Requests;
use super::session::Session;
use crate::moment::Moment;
use crate::moment::server_clock::ServerClock;
use crate::net::connection::Endpoint;
use crate::provider::Addressing;
use crate::push::ConnectionId;

/// A lane's way to its provider.
#[derive(Debug)]
pub struct Route {
    /// How connections are opened.
    pub endpoint: Endpoint,
    /// What requests are addressed with.
    pub address: Arc<dyn Addressing>,
    /// What they are proved with.
    pub credentials: Credentials,
    /// By what its lane's connections are those of other lanes too; `None` if they are its own.
    pub pool: Option<Arc<PoolKey>>,
    /// What asks about the app's broadcast channels; `None` if the provider has none.
    pub channels: Option<ChannelManager>,
    /// Which credential that is, for the operator: file and key id.
    pub credential_name: String,
    /// What servers say of the time.
    pub clock: Arc<ServerClock>,
    /// The longest an attempt may take, from sending to answer.
    pub timeout: Duration,
    /// A connection without pushes for so long is closed.
    pub idle_timeout: Duration,
}

impl Route {
    /// Whether pushes could be sent now.
    pub fn can_send(&self, now: Moment) -> bool {
        self.credentials.are_at_hand(now)
    }

    /// A session for a fresh connection of that number.
    pub fn session(&self, connection: ConnectionId) -> Session {
        let requests = Requests::new(Arc::clone(&self.address));
        Session::new(requests, self.timeout, connection)
    }

    /// Has the session of another lane's connection go on by this route, as that number.
    pub fn move_session(&self, session: &mut Session, connection: ConnectionId) {
        session.move_to(Arc::clone(&self.address), self.timeout, connection);
    }
}
