//! How pushes are written onto one connection, and how its answers are read.
//!
//! The fields that all requests share are registered with the connection as templates, so that a
//! push costs its path, its id and its content only.

use crate::http2::{Connection, Field, Fields, Indexing, SendError, StreamId, TemplateId};
use crate::moment::Moment;
use crate::pasted;
use crate::provider::apns::{self, ApnsIds};
use crate::provider::{self, Answer, AnswerHead, fcm};
use crate::push::Push;

use super::credential::Credential;
use super::route::Address;

/// Writes the requests of one connection.
#[derive(Debug)]
pub struct Requests {
    address: Address,
    credential: Option<Credential>,
    /// What was sent with before: answers to that may still come.
    former: Option<Credential>,
    /// APNs: alert and background. FCM: one.
    templates: [Option<TemplateId>; 2],
    path: Vec<u8>,
    content: Vec<u8>,
}

impl Requests {
    /// For a fresh connection to that address.
    pub fn new(address: Address) -> Self {
        Self {
            address,
            credential: None,
            former: None,
            templates: [None; 2],
            path: Vec::new(),
            content: Vec::new(),
        }
    }

    /// Where they go.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Sends with that credential from now on; with none, nothing can be sent.
    pub fn set_credential(&mut self, credential: Option<Credential>, http2: &mut Connection) {
        if credential != self.credential {
            self.former = std::mem::replace(&mut self.credential, credential);
            if let Some(credential) = &self.credential {
                for (index, template) in self.templates.iter_mut().enumerate() {
                    *template = register(&self.address, credential, index, *template, http2);
                }
            }
        }
    }

    /// What is sent with.
    pub fn credential(&self) -> Option<&Credential> {
        self.credential.as_ref()
    }

    /// Sends a push. [`Requests::set_credential`] comes first.
    pub fn send(
        &mut self,
        push: &Push,
        http2: &mut Connection,
        now: Moment,
    ) -> Result<StreamId, SendError> {
        match &self.address {
            Address::Apns { ids, .. } => {
                let apns_id = ids.get().unwrap_or(&ApnsIds::NONE).of(push.id());
                self.send_to_apns(push, &apns_id, http2, now)
            }
            Address::Fcm { .. } => self.send_to_fcm(push, http2, now),
        }
    }

    /// Judges a response.
    pub fn read_answer(&self, status: u16, fields: &Fields, content: &[u8], now: Moment) -> Answer {
        let head = AnswerHead {
            status,
            apns_id: fields.get(b"apns-id"),
            retry_after: fields.get(b"retry-after"),
            date: fields.get(b"date"),
        };
        let content = match status {
            200 => String::new(),
            _ => self.less_tokens(content),
        };
        let content = content.as_bytes();
        match self.address {
            Address::Apns { .. } => apns::answer(head, content, now),
            Address::Fcm { .. } => fcm::answer(head, content, now),
        }
    }

    /// What the provider said, less the tokens that it was sent.
    pub fn less_tokens(&self, said: &[u8]) -> String {
        let sent = [&self.credential, &self.former].into_iter().flatten();
        let sent: Vec<_> = sent.filter_map(Credential::authorization).collect();
        let sent: Vec<_> = sent.into_iter().map(pasted::token_of).collect();
        pasted::without(said, &sent)
    }

    fn send_to_apns(
        &mut self,
        push: &Push,
        apns_id: &[u8],
        http2: &mut Connection,
        now: Moment,
    ) -> Result<StreamId, SendError> {
        let notification = push.notification();
        let background = apns::push_type(notification) == apns::BACKGROUND;
        let [alert_template, background_template] = self.templates;
        let template = if background {
            background_template
        } else {
            alert_template
        };
        self.path.clear();
        apns::path(push.token(), &mut self.path);
        let path = [literal(b":path", &self.path)];
        let mut digits = [0; DIGITS];
        let expiration = apns::expiration(push.accepted()).map(|at| decimal(at, &mut digits));
        let with_expiration;
        let without_expiration;
        let extra: &[Field<'_>] = if let Some(at) = expiration {
            with_expiration = [
                literal(b"apns-id", apns_id),
                literal(b"apns-expiration", at),
            ];
            &with_expiration
        } else {
            without_expiration = [literal(b"apns-id", apns_id)];
            &without_expiration
        };
        let template = template.ok_or(SendError::NoStream)?;
        http2.send_request(
            template,
            &path,
            extra,
            &push.accepted().payload,
            now.monotonic,
        )
    }

    fn send_to_fcm(
        &mut self,
        push: &Push,
        http2: &mut Connection,
        now: Moment,
    ) -> Result<StreamId, SendError> {
        let accepted = push.accepted();
        let waited = now.since(accepted.at);
        let ttl_left = provider::lifetime(&accepted.notification)
            .map(|lifetime| provider::begun_seconds(lifetime.saturating_sub(waited)));
        self.content.clear();
        fcm::write_body(&accepted.payload, push.token(), ttl_left, &mut self.content);
        let template = self.templates[0].ok_or(SendError::NoStream)?;
        http2.send_request(template, &[], &[], &self.content, now.monotonic)
    }
}

/// Registers, or replaces, a connection's template `index`.
fn register(
    address: &Address,
    credential: &Credential,
    index: usize,
    known: Option<TemplateId>,
    http2: &mut Connection,
) -> Option<TemplateId> {
    let mut pseudo = vec![indexed(b":method", b"POST"), indexed(b":scheme", b"https")];
    let authorization = credential.authorization().map(str::as_bytes);
    let mut fields: Vec<_> = authorization
        .into_iter()
        .map(|value| indexed(b"authorization", value))
        .collect();
    match address {
        Address::Apns {
            authority, topic, ..
        } => {
            pseudo.push(indexed(b":authority", authority.as_bytes()));
            if let Some(topic) = topic {
                fields.push(indexed(b"apns-topic", topic.as_bytes()));
            }
            let push_type = if index == 0 {
                apns::ALERT
            } else {
                apns::BACKGROUND
            };
            fields.push(indexed(b"apns-push-type", push_type.as_bytes()));
            if let Some(priority) = apns::priority(push_type) {
                fields.push(indexed(b"apns-priority", priority.as_bytes()));
            }
        }
        Address::Fcm { .. } if index > 0 => return None,
        Address::Fcm { authority, path } => {
            pseudo.push(indexed(b":authority", authority.as_bytes()));
            pseudo.push(indexed(b":path", path.as_bytes()));
            fields.push(indexed(b"content-type", fcm::CONTENT_TYPE.as_bytes()));
        }
    }
    match known {
        Some(template) => {
            http2.replace_template(template, &pseudo, &fields);
            known
        }
        None => http2.add_template(&pseudo, &fields),
    }
}

fn indexed<'a>(name: &'a [u8], value: &'a [u8]) -> Field<'a> {
    Field {
        name,
        value,
        indexing: Indexing::Indexed,
    }
}

fn literal<'a>(name: &'a [u8], value: &'a [u8]) -> Field<'a> {
    Field {
        name,
        value,
        indexing: Indexing::Literal,
    }
}

/// A number's decimal digits.
fn decimal(mut number: u64, digits: &mut [u8; DIGITS]) -> &[u8] {
    let mut first = DIGITS;
    for (index, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
        first = index;
        if number == 0 {
            break;
        }
    }
    digits.get(first..).unwrap_or_default()
}

/// Digits of the largest `u64`.
const DIGITS: usize = 20;
