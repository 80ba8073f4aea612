//! How pushes are written onto one connection, and how its answers are read.
//!
//! The fields that all requests share are registered with the connection as templates, so that a
//! push costs its path, its id and its content only.

use std::borrow::Cow;
use std::sync::Arc;

use crate::http2::{Connection, Field, Fields, Indexing, SendError, StreamId, TemplateId};
use crate::moment::Moment;
use crate::pasted;
use crate::provider::{
    Addressing, Answer, AnswerHead, Draft, KINDS_MAX, NameAndValue, OWN_FIELDS_MAX, Vendor,
};
use crate::push::Push;

use super::credential::Credential;

/// Writes the requests of one connection.
#[derive(Debug)]
pub struct Requests {
    address: Arc<dyn Addressing>,
    credential: Option<Credential>,
    /// What was sent with before: answers to that may still come.
    former: Option<Credential>,
    /// One for each kind of request.
    templates: [Option<TemplateId>; KINDS_MAX],
    /// Those that the connection has of another address.
    spare: [Option<TemplateId>; KINDS_MAX],
    draft: Draft,
}

impl Requests {
    /// For a fresh connection to that address.
    pub fn new(address: Arc<dyn Addressing>) -> Self {
        Self {
            address,
            credential: None,
            former: None,
            templates: [None; KINDS_MAX],
            spare: [None; KINDS_MAX],
            draft: Draft::default(),
        }
    }

    /// Whose they are.
    pub fn provider(&self) -> &'static dyn Vendor {
        self.address.provider()
    }

    /// Goes on with the connection, to that address; [`Requests::set_credential`] comes first.
    pub fn move_to(&mut self, address: Arc<dyn Addressing>) {
        self.address = address;
        self.former = self.credential.take().or(self.former.take());
        for (spare, template) in self.spare.iter_mut().zip(&mut self.templates) {
            *spare = template.take().or(*spare);
        }
    }

    /// Sends with that credential from now on; with none, nothing can be sent.
    pub fn set_credential(&mut self, credential: Option<Credential>, http2: &mut Connection) {
        if credential != self.credential {
            let before = std::mem::replace(&mut self.credential, credential);
            self.former = before.or(self.former.take());
            if let Some(credential) = &self.credential {
                let templates = self.templates.iter_mut().zip(&mut self.spare);
                for (index, (template, spare)) in templates.enumerate() {
                    let known = template.or(*spare);
                    *template = register(&*self.address, credential, index, known, http2);
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
        let draft = &mut self.draft;
        draft.clear();
        self.address.write(push, now, draft);
        let template = self.templates.get(draft.kind).copied().flatten();
        let template = template.ok_or(SendError::NoStream)?;
        let path = [field((b":path", &draft.path), Indexing::Literal)];
        let path = if draft.path.is_empty() {
            &[]
        } else {
            &path[..]
        };
        let content = if draft.content.is_empty() {
            push.accepted().parcel.body()
        } else {
            &draft.content
        };
        let own = draft.fields();
        let count = own.len();
        let (mut few, mut many);
        // Most have few, for which room for many is not made.
        let fields = if count <= FEW {
            few = [NO_FIELD; FEW];
            &mut few[..]
        } else {
            many = [NO_FIELD; OWN_FIELDS_MAX];
            &mut many
        };
        for (place, own) in fields.iter_mut().zip(own) {
            let indexing = if own.repeats {
                Indexing::Indexed
            } else {
                Indexing::Literal
            };
            *place = field(own.field, indexing);
        }
        let fields = fields.get(..count).ok_or(SendError::BadHead)?;
        http2.send_request(template, path, fields, content, now.monotonic)
    }

    /// Judges a response.
    pub fn read_answer(&self, status: u16, fields: &Fields, content: &[u8], now: Moment) -> Answer {
        let head = AnswerHead {
            status,
            apns_id: fields.get(b"apns-id"),
            apns_unique_id: fields.get(b"apns-unique-id"),
            retry_after: fields.get(b"retry-after"),
            date: fields.get(b"date"),
        };
        // That of a 200 may name its message.
        let content = self.less_tokens(content);
        let mut answer = self.provider().answer(head, content.as_bytes(), now);
        if let Some(hint) = self.address.hint(&answer) {
            answer.error.push_str(", ");
            answer.error.push_str(&hint);
        }
        answer
    }

    /// What the provider said, less the tokens that it was sent.
    pub fn less_tokens<'a>(&self, said: &'a [u8]) -> Cow<'a, str> {
        if said.is_empty() {
            // As Apple's answer to each push that it takes.
            return Cow::Borrowed("");
        }
        let sent = [&self.credential, &self.former].map(|credential| {
            let authorization = credential.as_ref().and_then(Credential::authorization);
            authorization.map_or("", pasted::token_of)
        });
        pasted::without(said, &sent)
    }
}

/// Registers, or replaces, a connection's template of a kind of requests.
fn register(
    address: &dyn Addressing,
    credential: &Credential,
    kind: usize,
    known: Option<TemplateId>,
    http2: &mut Connection,
) -> Option<TemplateId> {
    let shared = address.shared(kind, credential.authorization())?;
    let [pseudo, fields] = [shared.pseudo, shared.fields].map(|fields| {
        let fields = fields.into_iter();
        let fields = fields.map(|own| field(own, Indexing::Indexed));
        fields.collect::<Vec<_>>()
    });
    match known {
        Some(template) => {
            http2.replace_template(template, &pseudo, &fields);
            known
        }
        None => http2.add_template(&pseudo, &fields),
    }
}

/// Fields that most requests have of their own.
const FEW: usize = 2;

const NO_FIELD: Field<'_> = Field {
    name: b"",
    value: b"",
    indexing: Indexing::Literal,
};

fn field((name, value): NameAndValue<'_>, indexing: Indexing) -> Field<'_> {
    Field {
        name,
        value,
        indexing,
    }
}
