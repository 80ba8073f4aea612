//! Which TLS connections to one server may take each other's place.

use aws_lc_rs::digest::{Context, SHA256, SHA256_OUTPUT_LEN};

use super::{Identity, Roots};

/// Whom a client trusts, and which certificate it shows: a digest of both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stance([u8; SHA256_OUTPUT_LEN]);

impl Stance {
    /// That of connections which trust `roots` and show `identity`, if that is one.
    pub fn of(roots: &Roots, identity: Option<&Identity>) -> Self {
        let mut context = Context::new(&SHA256);
        // Each with its length, so that no two lists read alike.
        let mut add = |part: &[u8]| {
            context.update(&part.len().to_le_bytes());
            context.update(part);
        };
        add(roots.digest());
        for certificate in identity.map(Identity::certificates).unwrap_or_default() {
            add(certificate);
        }
        let mut digest = Self::default();
        digest.0.copy_from_slice(context.finish().as_ref());
        digest
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rcgen::KeyPair;

    use super::super::PemFile;
    use super::*;
    use crate::net::fixture::Authority;

    #[test]
    fn equal_are_those_alone_that_trust_the_same_and_show_the_same() {
        let [one, other] = [Authority::new(), Authority::new()];
        let key = KeyPair::generate().unwrap();
        let [first, second] = [&one, &other].map(|authority| {
            let certificate = authority.certify("client", &key).pem();
            let file = |text| PemFile::new(Path::new("a file"), text);
            let (chain, key) = (certificate.as_bytes(), key.serialize_pem());
            Identity::from_pem(file(chain), file(key.as_bytes()), None).unwrap()
        });
        let stances = [
            Stance::of(&one.roots(), None),
            Stance::of(&other.roots(), None),
            Stance::of(&one.roots(), Some(&first)),
            Stance::of(&one.roots(), Some(&second)),
        ];
        for (at, stance) in stances.iter().enumerate() {
            let same = stances.iter().position(|it| it == stance);
            assert_eq!(same, Some(at), "{stances:?}");
        }
        assert_eq!(Stance::of(&one.roots(), None), stances[0], "read again");
    }
}
