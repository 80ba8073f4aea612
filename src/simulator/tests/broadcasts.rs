//! Broadcast channels: who manages them, and what is pushed to them.

use serde_json::json;

use super::apns::check;
use super::client::{Client, WholeResponse};
use super::{NOW, World, remove, set};

const UPDATE: &[u8] =
    br#"{"aps":{"timestamp":1790000000,"event":"update","content-state":{"eta":9}}}"#;

type Fields = Vec<(String, String)>;

impl World {
    /// A client of the servers that manage channels.
    async fn manager(&self) -> Client {
        Client::connect(self.addresses().channels, self.ca()).await
    }

    /// One request about channels on a connection of its own.
    async fn manage(
        &self,
        method: &str,
        path: &str,
        more: &[(&str, &str)],
        body: &[u8],
    ) -> WholeResponse {
        let mut fields = vec![(
            "authorization".to_owned(),
            format!("bearer {}", self.auth_token(NOW)),
        )];
        fields.extend(
            more.iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        let mut client = self.manager().await;
        client.request(method, path, &fields, body).await.unwrap()
    }

    fn channels_path(&self) -> String {
        format!("/1/apps/{}/channels", self.credentials().topic)
    }

    async fn made(&self, policy: u8) -> String {
        let body = json!({"message-storage-policy": policy, "push-type": "LiveActivity"});
        let path = self.channels_path();
        let answer = self
            .manage("POST", &path, &[], body.to_string().as_bytes())
            .await;
        assert_eq!((answer.status, &*answer.text()), (201, ""));
        assert_eq!(answer.header("apns-request-id").map(str::len), Some(36));
        answer.header("apns-channel-id").unwrap().to_owned()
    }

    /// A push to a channel, its fields changed.
    async fn broadcast(
        &self,
        channel: &str,
        change: impl FnOnce(&mut Fields),
        payload: &[u8],
    ) -> WholeResponse {
        let mut fields = self.apns_fields();
        remove(&mut fields, "apns-topic");
        set(&mut fields, "apns-push-type", "liveactivity");
        set(&mut fields, "apns-channel-id", channel);
        set(&mut fields, "apns-expiration", "0");
        change(&mut fields);
        let path = format!("/4/broadcasts/apps/{}", self.credentials().topic);
        let mut client = self.apns().await;
        client
            .request("POST", &path, &fields, payload)
            .await
            .unwrap()
    }
}

/// The word for a refusal.
fn refused(answer: &WholeResponse) -> (u16, String) {
    assert_eq!(answer.header("apns-request-id").map(str::len), Some(36));
    let reason = answer.json()["reason"].as_str().unwrap().to_owned();
    (answer.status, reason)
}

#[tokio::test]
async fn channels_are_made_read_listed_and_deleted() {
    let world = World::with(|options| options.max_channels = 2);
    let (one, other) = (world.made(0).await, world.made(1).await);
    let path = world.channels_path();
    let id = [("apns-channel-id", &*other)];
    let read = world.manage("GET", &path, &id, b"").await;
    let expected = json!({"message-storage-policy": 1, "push-type": "LiveActivity"});
    assert_eq!((read.status, read.json()), (200, expected));
    let all = path.replace("/channels", "/all-channels");
    let listed = world.manage("GET", &all, &[], b"").await;
    assert_eq!(listed.json(), json!({"channels": [one, other]}));
    let body = br#"{"message-storage-policy":0,"push-type":"LiveActivity"}"#;
    let full = world.manage("POST", &path, &[], body).await;
    assert_eq!(
        refused(&full),
        (400, "CannotCreateChannelConfig".to_owned())
    );
    let deleted = world.manage("DELETE", &path, &id, b"").await;
    assert_eq!((deleted.status, &*deleted.text()), (204, ""));
    let gone = world.manage("DELETE", &path, &id, b"").await;
    assert_eq!(refused(&gone), (400, "ChannelNotRegistered".to_owned()));
    assert_eq!(world.counts().received, 0, "none was a push");
}

const CHANNELS: &str = "/1/apps/org.example.sterna/channels";
const BODY: &str = r#"{"message-storage-policy":0,"push-type":"LiveActivity"}"#;

/// Method, path, a further field and body; status and word of the refusal.
type Row = (
    &'static str,
    &'static str,
    (&'static str, &'static str),
    &'static str,
    u16,
    &'static str,
);

const REFUSED: &[Row] = &[
    ("GET", "/3/device/ab", ("x", ""), "", 404, "BadPath"),
    (
        "GET",
        "/1/apps/org.example.sterna",
        ("x", ""),
        "",
        404,
        "BadPath",
    ),
    ("PUT", CHANNELS, ("x", ""), BODY, 405, "MethodNotAllowed"),
    (
        "POST",
        "/1/apps/org.example.sterna/all-channels",
        ("x", ""),
        BODY,
        405,
        "MethodNotAllowed",
    ),
    (
        "GET",
        "/1/apps/org.example.other/channels",
        ("x", ""),
        "",
        400,
        "TopicDisallowed",
    ),
    (
        "GET",
        "/1/apps/org.example.sterna.voip/channels",
        ("x", ""),
        "",
        400,
        "TopicDisallowed",
    ),
    ("GET", CHANNELS, ("x", ""), "", 400, "MissingChannelId"),
    (
        "GET",
        CHANNELS,
        ("apns-channel-id", "abc"),
        "",
        400,
        "BadChannelId",
    ),
    (
        "GET",
        CHANNELS,
        ("apns-channel-id", "a b="),
        "",
        400,
        "BadChannelId",
    ),
    (
        "GET",
        CHANNELS,
        ("apns-channel-id", "abcd"),
        "",
        400,
        "ChannelNotRegistered",
    ),
    (
        "GET",
        CHANNELS,
        ("apns-channel-id", "abcd"),
        "{}",
        400,
        "BadRequestPayload",
    ),
    (
        "POST",
        CHANNELS,
        ("apns-request-id", "17"),
        BODY,
        400,
        "BadMessageId",
    ),
    (
        "POST",
        CHANNELS,
        ("authorization", "bearer x"),
        BODY,
        400,
        "DuplicateHeaders",
    ),
    ("POST", CHANNELS, ("x", ""), "", 400, "PayloadEmpty"),
    ("POST", CHANNELS, ("x", ""), "[]", 400, "BadRequestPayload"),
    (
        "POST",
        CHANNELS,
        ("x", ""),
        r#"{"message-storage-policy":0}"#,
        400,
        "MissingPushType",
    ),
    (
        "POST",
        CHANNELS,
        ("x", ""),
        r#"{"message-storage-policy":0,"push-type":"liveactivity"}"#,
        400,
        "InvalidPushType",
    ),
    (
        "POST",
        CHANNELS,
        ("x", ""),
        r#"{"message-storage-policy":2,"push-type":"LiveActivity"}"#,
        400,
        "BadRequestPayload",
    ),
];

#[tokio::test]
async fn each_request_about_channels_has_its_refusal() {
    let world = World::new();
    assert_eq!(world.channels_path(), CHANNELS);
    for (method, path, field, body, status, reason) in REFUSED {
        let answer = world.manage(method, path, &[*field], body.as_bytes()).await;
        assert_eq!(
            refused(&answer),
            (*status, (*reason).to_owned()),
            "{method} {path} {body}"
        );
    }
    let mut client = world.manager().await;
    let answer = client
        .request("GET", CHANNELS, super::NONE, b"")
        .await
        .unwrap();
    assert_eq!(refused(&answer), (403, "MissingProviderToken".to_owned()));
}

#[tokio::test]
async fn a_certificate_is_for_the_channels_of_its_app() {
    let world = World::new();
    let credentials = world.credentials();
    let (certificate, key) = (
        &credentials.client_certificate_path,
        &credentials.client_key_path,
    );
    let address = world.addresses().channels;
    let mut client = Client::connect_as(address, world.ca(), certificate, key).await;
    let all = world.channels_path().replace("/channels", "/all-channels");
    let answer = client.request("GET", &all, super::NONE, b"").await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let other = "/1/apps/org.example.other/all-channels";
    let answer = client
        .request("GET", other, super::NONE, b"")
        .await
        .unwrap();
    assert_eq!(refused(&answer), (403, "TopicMismatch".to_owned()));
}

#[tokio::test]
async fn each_push_to_a_channel_is_judged_by_what_the_channel_is() {
    let world = World::new();
    let (none, latest) = (world.made(0).await, world.made(1).await);
    for channel in [&none, &latest] {
        let answer = world.broadcast(channel, |_| {}, UPDATE).await;
        assert_eq!((answer.status, &*answer.text()), (200, ""));
        assert_eq!(answer.header("apns-request-id").map(str::len), Some(36));
        assert_eq!(answer.header("apns-id"), None);
    }
    let (stored, longest) = ((NOW + 60).to_string(), (NOW + 9 * 3_600).to_string());
    let answer = world.broadcast(
        &latest,
        |fields| set(fields, "apns-expiration", &stored),
        UPDATE,
    );
    assert_eq!(answer.await.status, 200);
    for (channel, name, value, reason) in [
        (&none, "apns-expiration", &*stored, "BadExpirationDate"),
        (&latest, "apns-expiration", &longest, "BadExpirationDate"),
        (&latest, "apns-expiration", "", "BadExpirationDate"),
        (&latest, "apns-channel-id", "", "MissingChannelId"),
        (&latest, "apns-channel-id", "a?==", "BadChannelId"),
        (&latest, "apns-channel-id", "abcd", "ChannelNotRegistered"),
        (&latest, "apns-push-type", "", "MissingPushType"),
        (&latest, "apns-push-type", "alert", "InvalidPushType"),
        (&latest, "apns-priority", "", "BadPriority"),
        (&latest, "apns-priority", "7", "BadPriority"),
        (
            &latest,
            "apns-topic",
            "org.example.sterna",
            "BadRequestParams",
        ),
        (&latest, "apns-collapse-id", "c", "BadRequestParams"),
        (&latest, "apns-request-id", "17", "BadMessageId"),
    ] {
        let change = |fields: &mut Fields| {
            remove(fields, name);
            if !value.is_empty() {
                set(fields, name, value);
            }
        };
        let answer = world.broadcast(channel, change, UPDATE).await;
        assert_eq!(
            refused(&answer),
            (400, reason.to_owned()),
            "{name}: {value}"
        );
    }
    let sized = |bytes: usize| {
        let frame = r#"{"aps":{"timestamp":1,"event":"end"},"x":""}"#.len();
        format!(
            r#"{{"aps":{{"timestamp":1,"event":"end"}},"x":"{}"}}"#,
            "x".repeat(bytes - frame)
        )
    };
    assert_eq!(
        world
            .broadcast(&none, |_| {}, sized(5_120).as_bytes())
            .await
            .status,
        200
    );
    for (payload, status, reason) in [
        (sized(5_121), 413, "PayloadTooLarge"),
        (String::new(), 400, "PayloadEmpty"),
        ("[]".to_owned(), 400, "BadRequestPayload"),
        (r#"{"aps":{"alert":"hello"}}"#.to_owned(), 400, "BadRequestPayload"),
        (
            r#"{"aps":{"timestamp":1,"event":"start","attributes-type":"T","attributes":{},"content-state":{},"alert":{"title":"t"}}}"#.to_owned(),
            400,
            "BadRequestPayload",
        ),
    ] {
        let answer = world.broadcast(&none, |_| {}, payload.as_bytes()).await;
        assert_eq!(refused(&answer), (status, reason.to_owned()), "{payload:.80}");
    }
    // Nobody manages channels where pushes go.
    let mut fields = world.apns_fields();
    remove(&mut fields, "apns-topic");
    let mut client = world.apns().await;
    let answer = client
        .request("GET", &world.channels_path(), &fields, b"")
        .await
        .unwrap();
    check(&answer, 405, "MethodNotAllowed", "a push is a POST");
}
