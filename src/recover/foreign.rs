//! Files that are no push logs, and how one is made of those that hold one.
//!
//! Pure: no file, no clock.

/// A form that a push log may be in and that is not read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ForeignForm {
    /// What it is, as in "it is …".
    pub(super) what: &'static str,
    /// The command that writes a push log, before the file's name.
    unpack: Option<&'static str>,
}

impl ForeignForm {
    /// The form that a file's first bytes are of.
    pub(super) fn of_head(head: &[u8]) -> Option<Self> {
        let found = BY_HEAD.iter().find(|(magic, _)| head.starts_with(magic));
        found.map(|(_, form)| *form)
    }

    /// The command, of that file.
    pub(super) fn command(self, file: &str) -> Option<String> {
        Some(format!("{} {file} > {file}.log", self.unpack?))
    }
}

/// What files of each form begin with.
static BY_HEAD: [(&[u8], ForeignForm); 8] = [
    (
        b"\x28\xb5\x2f\xfd",
        packed("compressed with zstd", "zstd -dc"),
    ),
    (b"\xfd7zXZ\0", packed("compressed with xz", "xz -dc")),
    (b"BZh", packed("compressed with bzip2", "bzip2 -dc")),
    (
        b"\x04\x22\x4d\x18",
        packed("compressed with lz4", "lz4 -dc"),
    ),
    (b"PK\x03\x04", packed("a zip archive", "unzip -p")),
    (
        b"\xff\xfe",
        packed("UTF-16 text", "iconv -f UTF-16 -t UTF-8"),
    ),
    (
        b"\xfe\xff",
        packed("UTF-16 text", "iconv -f UTF-16 -t UTF-8"),
    ),
    (
        b"sternaJ\xf9",
        ForeignForm {
            what: "a segment of a Sterna journal, whose directory is named with --journal",
            unpack: None,
        },
    ),
];

const fn packed(what: &'static str, unpack: &'static str) -> ForeignForm {
    ForeignForm {
        what,
        unpack: Some(unpack),
    }
}
