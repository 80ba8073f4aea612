//! What befalls a connection, and when.

use std::time::{Duration, Instant};

use sterna::http2::ErrorCode;

use crate::coverage::Kind;
use crate::dice::Dice;
use crate::frames;
use crate::ledger::Ledger;
use crate::net::{Ending, Link};
use crate::provider::dice_ending;

/// Bytes that a socket takes that is held up.
const LEAST_SOCKET: usize = 700;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Trouble {
    Network(Fault),
    /// The provider closes without a word.
    Close(Ending),
    /// GOAWAY(2^31-1), and the last stream later.
    Graceful,
    /// GOAWAY, and the end soon.
    Abrupt {
        /// Streams that are open are not served.
        below: bool,
        code: ErrorCode,
        /// Another GOAWAY follows.
        again: bool,
    },
    /// `MAX_CONCURRENT_STREAMS`.
    Limit {
        to: u32,
        then: Option<(u32, Duration)>,
    },
    /// More frames that move nothing than a client has to take.
    Useless,
    /// Another parameter, behind the back of the provider's HTTP/2.
    Setting {
        id: u16,
        to: u32,
        back: Option<(u32, Duration)>,
    },
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    CutUp(usize, Ending),
    CutDown(usize, Ending),
    Vanish,
    HoldUp(Duration),
    HoldDown(Duration),
}

/// The troubles of a new connection, each some time after its beginning.
pub(crate) fn of_a_connection(troubled: u64, dice: &mut Dice) -> Vec<(Duration, Trouble)> {
    let mut all = Vec::new();
    while all.len() < 6 && dice.chance(troubled.saturating_mul(2).min(700)) {
        let at = dice.one_of(&[0, 100, 1000, 10_000, 60_000]);
        let at = dice.millis(at / 2, at);
        all.push((at, draw(dice)));
    }
    all
}

fn draw(dice: &mut Dice) -> Trouble {
    let bytes = usize::try_from(dice.one_of(&[1, 10, 100, 1000, 10_000])).unwrap();
    let bytes = dice.index(bytes);
    let ending = dice_ending(dice);
    let hold = dice.one_of(&[100, 2000, 8000, 30_000]);
    let hold = dice.millis(1, hold);
    match dice.between(0, 15) {
        0 => Trouble::Network(Fault::CutUp(bytes, ending)),
        1 => Trouble::Network(Fault::CutDown(bytes, ending)),
        2 => Trouble::Network(Fault::Vanish),
        3 => Trouble::Network(Fault::HoldUp(hold)),
        4 => Trouble::Network(Fault::HoldDown(hold)),
        5 => Trouble::Close(ending),
        6 | 7 => Trouble::Graceful,
        8 | 9 => Trouble::Abrupt {
            below: dice.chance(600),
            code: ErrorCode::NO_ERROR,
            again: false,
        },
        10 => Trouble::Abrupt {
            below: dice.chance(600),
            code: dice.one_of(&[
                ErrorCode::INTERNAL_ERROR,
                ErrorCode::PROTOCOL_ERROR,
                ErrorCode::ENHANCE_YOUR_CALM,
            ]),
            again: dice.chance(500),
        },
        11 | 12 => {
            let stays = dice.chance(200);
            Trouble::Limit {
                to: dice.one_of(&[0, 0, 1, 2, 50, 2000]),
                then: (!stays).then(|| (dice.one_of(&[1, 20, 500]), hold)),
            }
        }
        14 if dice.chance(300) => Trouble::Useless,
        15 => Trouble::Setting {
            id: frames::MAX_HEADER_LIST_SIZE,
            to: dice.one_of(&[0, 100, 10_000]),
            back: None,
        },
        _ if dice.chance(500) => window_shrunk(dice),
        _ => Trouble::Setting {
            id: frames::HEADER_TABLE_SIZE,
            to: 0,
            back: Some((dice.one_of(&[64, 4096]), hold)),
        },
    }
}

/// A window that opens again in a while.
pub(crate) fn window_shrunk(dice: &mut Dice) -> Trouble {
    let hold = dice.one_of(&[100, 2000, 8000, 30_000]);
    Trouble::Setting {
        id: frames::INITIAL_WINDOW_SIZE,
        to: dice.one_of(&[0, 1, 600, 60_000]),
        back: Some((65_535, dice.millis(1, hold))),
    }
}

pub(crate) fn befall_network(fault: Fault, link: &mut Link, now: Instant, ledger: &mut Ledger) {
    if matches!(fault, Fault::HoldUp(_) | Fault::Vanish) {
        // What is not taken off the wire fills the socket soon.
        link.up.capacity = link.up.capacity.min(LEAST_SOCKET);
    }
    let (pipe, kind) = match fault {
        Fault::CutUp(bytes, ending) => {
            link.up.cut.get_or_insert((bytes, ending));
            return;
        }
        Fault::CutDown(bytes, ending) => {
            link.down.cut.get_or_insert((bytes, ending));
            return;
        }
        Fault::Vanish => {
            link.up.vanished = true;
            (&mut link.down, Kind::Vanished)
        }
        Fault::HoldUp(_) => (&mut link.up, Kind::StalledUp),
        Fault::HoldDown(_) => (&mut link.down, Kind::StalledDown),
    };
    ledger.coverage.count(kind);
    match fault {
        Fault::HoldUp(hold) | Fault::HoldDown(hold) => pipe.held_until = Some(now + hold),
        _ => pipe.vanished = true,
    }
}
