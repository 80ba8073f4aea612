use proptest::prelude::*;

use super::*;

/// Decodes pieces; the body and the number of bytes taken, or the refusal's status.
fn decoded(pieces: &[&[u8]], limit: usize) -> Result<(Vec<u8>, usize, bool), u16> {
    let mut chunked = Chunked::new(limit);
    let mut body = Vec::new();
    let mut taken = 0;
    for piece in pieces {
        taken += chunked
            .take::<Refusal>(piece, |data| {
                body.extend_from_slice(data);
                Ok(())
            })
            .map_err(|refusal| refusal.status)?;
    }
    Ok((body, taken, chunked.is_done()))
}

fn check(text: &[u8], expected: Result<(&[u8], bool), u16>) {
    let expected = expected.map(|(body, done)| (body.to_vec(), text.len(), done));
    assert_eq!(decoded(&[text], 100), expected, "{text:?}");
    let bytes: Vec<&[u8]> = text.chunks(1).collect();
    assert_eq!(decoded(&bytes, 100), expected, "{text:?} by bytes");
}

#[test]
fn bodies_are_put_together() {
    check(b"0\r\n\r\n", Ok((b"", true)));
    check(b"3\r\nabc\r\n02\r\nde\r\n0\r\n\r\n", Ok((b"abcde", true)));
    check(b"A\r\n0123456789\r\n0\r\n\r\n", Ok((b"0123456789", true)));
    check(
        b"3;a=b;c\r\nabc\r\n0;x\r\nTrailer: dropped\r\nMore: x\r\n\r\n",
        Ok((b"abc", true)),
    );
    check(b"3 \r\nabc\r\n", Ok((b"abc", false)));
    check(b"3\r\nab", Ok((b"ab", false)));
}

/// RFC 9112 §7.1: a chunk's size is `1*HEXDIG`, in either case (RFC 5234).
#[test]
fn a_size_is_of_hexadecimal_digits_and_of_nothing_else() {
    for byte in 0..=u8::MAX {
        let line = [b"0", &[byte][..], b"\r\n"].concat();
        let digit = "0123456789abcdef".find(char::from(byte.to_ascii_lowercase()));
        match (digit, byte) {
            (Some(0), _) | (None, b';' | b' ' | b'\t') => {
                check(&[&line[..], b"\r\n"].concat(), Ok((b"", true)));
            }
            (Some(size), _) => {
                let data = vec![b'x'; size];
                check(&[&line[..], &data].concat(), Ok((&data, false)));
            }
            (None, _) => check(&line, Err(400)),
        }
    }
}

#[test]
fn what_follows_the_body_is_left() {
    let (body, taken, done) = decoded(&[b"1\r\na\r\n0\r\n\r\nGET /"], 100).unwrap();
    assert_eq!((body.as_slice(), taken, done), (&b"a"[..], 11, true));
}

#[test]
fn malformed_bodies_are_refused() {
    for text in [
        &b"\r\n"[..],
        b"x\r\n",
        b"-1\r\n",
        b"+1\r\n",
        b"0x1\r\n",
        b" 1\r\n",
        b"1\n",
        b"1\rx",
        b"1;\n",
        b"1\r\nab",
        b"1\r\na\n",
        b"1\r\na\rx",
        b"0\r\n\n",
        b"0\r\na\rb",
    ] {
        check(text, Err(400));
    }
}

#[test]
fn limits_are_kept() {
    check(
        &[b"64\r\n", &[b'a'; 100][..], b"\r\n0\r\n\r\n"].concat(),
        Ok((&[b'a'; 100], true)),
    );
    check(b"65\r\n", Err(413));
    check(b"1\r\na\r\n64\r\n", Err(413));
    check(b"ffffffffffffffffffffffffffffffffffff\r\n", Err(413));
    let line = |length: usize| [b"1;", vec![b'x'; length - 4].as_slice(), b"\r\na\r\n"].concat();
    check(&line(MAX_CHUNK_LINE), Ok((b"a", false)));
    check(&line(MAX_CHUNK_LINE + 1), Err(400));
    let trailers =
        |length: usize| [b"0\r\n", vec![b'x'; length - 4].as_slice(), b"\r\n\r\n"].concat();
    check(&trailers(MAX_TRAILERS), Ok((b"", true)));
    check(&trailers(MAX_TRAILERS + 1), Err(431));
}

/// Bytes, those that mean something more often than others.
fn likely() -> impl Strategy<Value = u8> {
    prop_oneof![
        any::<u8>(),
        Just(b'\r'),
        Just(b'\n'),
        Just(b'1'),
        Just(b'0')
    ]
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_or_pass_the_limit(
        bytes in proptest::collection::vec(likely(), 0..300),
        cut in any::<prop::sample::Index>(),
    ) {
        let (before, after) = bytes.split_at(cut.index(bytes.len() + 1));
        let whole = decoded(&[&bytes], 20);
        prop_assert_eq!(&decoded(&[before, after], 20), &whole);
        if let Ok((body, taken, _)) = whole {
            prop_assert!(body.len() <= 20 && taken <= bytes.len());
        }
    }
}
