//! The fields of a request that the endpoints look at, gathered in one pass over its head.

/// A request head, borrowed from wherever its bytes are.
#[derive(Debug, Default)]
pub(super) struct Request<'a> {
    /// `:method`.
    pub(super) method: &'a [u8],
    /// `:path`.
    pub(super) path: &'a [u8],
    /// One value for each of [`NAMES`].
    values: [Option<&'a [u8]>; NAMES.len()],
    /// Whether one of [`NAMES`] occurred twice.
    pub(super) duplicated: bool,
}

/// A field that the endpoints look at: its place in [`NAMES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Authorization,
    ApnsId,
    ApnsTopic,
    ApnsPushType,
    ApnsPriority,
    ApnsExpiration,
    ApnsCollapseId,
    ApnsChannelId,
    ApnsRequestId,
    ContentType,
    Metadata,
    MetadataFlavor,
}

/// The fields of interest, in the order of [`Name`].
const NAMES: [&str; 12] = [
    "authorization",
    "apns-id",
    "apns-topic",
    "apns-push-type",
    "apns-priority",
    "apns-expiration",
    "apns-collapse-id",
    "apns-channel-id",
    "apns-request-id",
    "content-type",
    "metadata",
    "metadata-flavor",
];

impl<'a> Request<'a> {
    /// Gathers a head's fields. Names are lower case.
    pub(super) fn gather(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        let mut request = Self::default();
        for (name, value) in fields {
            let name = match name {
                b":method" => {
                    request.method = value;
                    continue;
                }
                b":path" => {
                    request.path = value;
                    continue;
                }
                b"authorization" => Name::Authorization,
                b"apns-id" => Name::ApnsId,
                b"apns-topic" => Name::ApnsTopic,
                b"apns-push-type" => Name::ApnsPushType,
                b"apns-priority" => Name::ApnsPriority,
                b"apns-expiration" => Name::ApnsExpiration,
                b"apns-collapse-id" => Name::ApnsCollapseId,
                b"apns-channel-id" => Name::ApnsChannelId,
                b"apns-request-id" => Name::ApnsRequestId,
                b"content-type" => Name::ContentType,
                b"metadata" => Name::Metadata,
                b"metadata-flavor" => Name::MetadataFlavor,
                _ => continue,
            };
            if let Some(slot) = request.values.get_mut(name as usize) {
                request.duplicated |= slot.replace(value).is_some();
            }
        }
        request
    }

    /// The value of a field, if it was sent.
    pub(super) fn get(&self, name: Name) -> Option<&'a [u8]> {
        self.values.get(name as usize).copied().flatten()
    }

    /// What its sender calls it.
    pub(super) fn id(&self) -> Option<&'a [u8]> {
        self.get(Name::ApnsId).or(self.get(Name::ApnsRequestId))
    }

    /// The credential after the scheme `bearer` (any case) of `authorization`.
    pub(super) fn bearer(&self) -> Option<&'a [u8]> {
        let (scheme, credential) = self.get(Name::Authorization)?.split_at_checked(7)?;
        scheme
            .eq_ignore_ascii_case(b"bearer ")
            .then_some(credential)
    }

    /// The fields of interest that were sent and are text, less `authorization`.
    pub(super) fn shown(&self) -> Vec<(&'static str, &'a str)> {
        NAMES
            .iter()
            .zip(self.values)
            .skip(1)
            .filter_map(|(name, value)| Some((*name, str::from_utf8(value?).ok()?)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Name, Request};

    fn gather<'a>(fields: &[(&'a str, &'a str)]) -> Request<'a> {
        Request::gather(
            fields
                .iter()
                .map(|(name, value)| (name.as_bytes(), value.as_bytes())),
        )
    }

    #[test]
    fn fields_of_interest_are_found_and_others_passed_over() {
        let request = gather(&[
            (":method", "POST"),
            (":path", "/3/device/ab"),
            ("authorization", "bearer a.b.c"),
            ("x-else", "1"),
            ("apns-topic", "org.example"),
        ]);
        assert_eq!(request.method, b"POST");
        assert_eq!(request.path, b"/3/device/ab");
        assert_eq!(request.bearer(), Some(&b"a.b.c"[..]));
        assert_eq!(request.get(Name::ApnsTopic), Some(&b"org.example"[..]));
        assert_eq!(request.get(Name::ApnsId), None);
        assert_eq!(request.shown(), [("apns-topic", "org.example")]);
        assert!(!request.duplicated);
    }

    #[test]
    fn a_repeated_field_is_noticed() {
        assert!(gather(&[("apns-id", "1"), ("apns-id", "1")]).duplicated);
        assert!(!gather(&[("x-else", "1"), ("x-else", "1")]).duplicated);
    }

    #[test]
    fn only_the_bearer_scheme_is_a_credential() {
        for (value, expected) in [
            ("bearer x", Some(&b"x"[..])),
            ("Bearer x", Some(&b"x"[..])),
            ("basic eA==", None),
            ("bearer", None),
            ("", None),
        ] {
            assert_eq!(
                gather(&[("authorization", value)]).bearer(),
                expected,
                "{value:?}"
            );
        }
    }
}
