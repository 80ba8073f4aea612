//! Ends before the time: what ends a stream or a connection, and at which point of a request.

use std::str::FromStr;

use super::{listed, shares};

/// One end, and when it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulator) struct Strike {
    pub(in crate::simulator) kind: Kind,
    pub(in crate::simulator) point: Point,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulator) enum Kind {
    /// `RST_STREAM` with `INTERNAL_ERROR`.
    Internal,
    /// `RST_STREAM` with `CANCEL`.
    Cancel,
    /// `RST_STREAM` with `REFUSED_STREAM`.
    Refused,
    /// Nothing more on this stream, ever.
    Silence,
    /// TCP is reset.
    Rst,
    /// TCP is closed, without a word of TLS.
    Fin,
    /// TLS and TCP are closed in order.
    Tls,
    /// The connection reads nothing more.
    Deaf,
    /// The connection writes nothing more.
    Mute,
    /// Neither, and stays open: a host that is gone.
    Dead,
}

/// When, counted in what has come and gone of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulator) enum Point {
    /// TCP is connected, TLS has not begun.
    Connect,
    /// TLS stands, no frame has been read.
    Preface,
    /// The request's HEADERS have come.
    Headers,
    /// Its DATA has come, too; it has not been processed.
    Data,
    /// It has been processed; no byte of its answer is out.
    Processed,
    /// The HEADERS of its answer are out, the rest is not.
    Response,
    /// Its answer is out.
    Answered,
}

/// How many of 100 requests, or connections, are struck by what.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Strikes(Vec<(Strike, f64)>);

impl Strikes {
    pub(super) fn shares(&self) -> &[(Strike, f64)] {
        &self.0
    }
}

/// `rst@processed=2,silence@data=1`.
impl FromStr for Strikes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        shares(text, Strike::named).map(Self)
    }
}

impl Strike {
    fn named(name: &str) -> Result<Self, String> {
        let (kind, point) = name
            .split_once('@')
            .ok_or_else(|| format!("{name:?} does not have the form kind@point"))?;
        let strike = Self {
            kind: found(&Kind::NAMES, kind, "kind of end")?,
            point: found(&Point::NAMES, point, "point of a request")?,
        };
        if strike.is_possible() {
            return Ok(strike);
        }
        Err(format!("{kind} cannot come at {point}"))
    }

    /// Nobody can end a stream that is not there, and `REFUSED_STREAM` promises something.
    const fn is_possible(self) -> bool {
        match self.kind {
            Kind::Rst | Kind::Fin | Kind::Dead => true,
            Kind::Tls => !matches!(self.point, Point::Connect),
            Kind::Deaf | Kind::Mute => self.point.is_of_stream(),
            Kind::Refused => matches!(self.point, Point::Headers | Point::Data),
            Kind::Internal | Kind::Cancel | Kind::Silence => {
                self.point.is_of_stream() && !matches!(self.point, Point::Answered)
            }
        }
    }
}

fn found<T: Copy>(names: &[(&'static str, T)], name: &str, what: &str) -> Result<T, String> {
    let found = names.iter().find(|(known, _)| *known == name);
    found.map(|(_, found)| *found).ok_or_else(|| {
        let names = listed(names.iter().map(|(name, _)| *name));
        format!("there is no {what} {name:?}; there are {names}")
    })
}

impl Kind {
    const NAMES: [(&str, Self); 10] = [
        ("internal", Self::Internal),
        ("cancel", Self::Cancel),
        ("refused", Self::Refused),
        ("silence", Self::Silence),
        ("rst", Self::Rst),
        ("fin", Self::Fin),
        ("tls", Self::Tls),
        ("deaf", Self::Deaf),
        ("mute", Self::Mute),
        ("dead", Self::Dead),
    ];

    /// Its name.
    pub(in crate::simulator) fn as_str(self) -> &'static str {
        let found = Self::NAMES.iter().find(|(_, kind)| *kind == self);
        found.map_or("", |(name, _)| *name)
    }
}

impl Point {
    const NAMES: [(&str, Self); 7] = [
        ("connect", Self::Connect),
        ("preface", Self::Preface),
        ("headers", Self::Headers),
        ("data", Self::Data),
        ("processed", Self::Processed),
        ("response", Self::Response),
        ("answered", Self::Answered),
    ];

    /// Its name.
    pub(in crate::simulator) fn as_str(self) -> &'static str {
        let found = Self::NAMES.iter().find(|(_, point)| *point == self);
        found.map_or("", |(name, _)| *name)
    }

    /// It is reached once per request, not once per connection.
    pub(in crate::simulator) const fn is_of_stream(self) -> bool {
        !matches!(self, Self::Connect | Self::Preface)
    }
}
