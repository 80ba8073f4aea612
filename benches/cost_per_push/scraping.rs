//! What a push costs while somebody scrapes `/metrics`, beside what it costs while nobody does, by
//! turns of one daemon.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use super::Failure;
use super::arguments::Plan;
use super::measure::{Sample, Stage};
use super::workload::SHAPES;

/// The rows' name, by which they are chosen.
pub(crate) const NAME: &str = "scraping";

/// How often it is scraped. Prometheus does so once a minute if nothing else is said.
const EVERY: [(&str, Option<Duration>); 3] = [
    ("nobody", None),
    ("once a second", Some(Duration::from_secs(1))),
    ("every 100 ms", Some(Duration::from_millis(100))),
];

/// A row and its samples, one per round.
pub(crate) struct Scraped {
    /// How often it is scraped.
    pub(crate) how_often: &'static str,
    pub(crate) samples: Vec<Sample>,
    /// Pages that came.
    pub(crate) pages: u32,
}

/// Measures, if the plan asks for it.
pub(crate) fn run(plan: &Plan) -> Result<Vec<Scraped>, Failure> {
    if !NAME.starts_with(&plan.rows) {
        return Ok(Vec::new());
    }
    let directory = tempfile::tempdir()?;
    let mut stage = Stage::start(directory.path())?;
    let shape = SHAPES.into_iter().next().ok_or("no shape of requests")?;
    stage.warm_up(shape, plan)?;
    let mut rows = EVERY.map(|(how_often, _)| Scraped {
        how_often,
        samples: Vec::new(),
        pages: 0,
    });
    for _ in 0..plan.rounds {
        for (row, (_, every)) in rows.iter_mut().zip(EVERY) {
            let address = stage.address();
            let (end, ended) = channel::<()>();
            let (sample, pages) = std::thread::scope(|scope| {
                let scraper =
                    every.map(|every| scope.spawn(move || scrape(address, every, &ended)));
                let sample = stage.push(shape, plan.pushes);
                drop(end);
                let pages = scraper.map(|thread| thread.join().map_err(|_| "the scraper panicked"));
                let pages = pages.transpose()?.transpose()?;
                Ok::<_, Failure>((sample?, pages.unwrap_or_default()))
            })?;
            row.samples.push(sample);
            row.pages += pages;
        }
    }
    stage.stop()?;
    Ok(rows.into())
}

/// Scrapes so often, over one connection, until nobody holds the other end of `ended`; how many
/// pages came.
fn scrape(address: SocketAddr, every: Duration, ended: &Receiver<()>) -> Result<u32, Failure> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let (mut pages, mut answer) = (0, Vec::new());
    loop {
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        answer.clear();
        while !is_whole(&answer)? {
            let mut bytes = [0; 8 * 1024];
            let read = stream.read(&mut bytes)?;
            if read == 0 {
                return Err("the daemon closed the scraper's connection".into());
            }
            answer.extend_from_slice(bytes.get(..read).unwrap_or_default());
        }
        pages += 1;
        if ended.recv_timeout(every) != Err(RecvTimeoutError::Timeout) {
            return Ok(pages);
        }
    }
}

/// Whether an answer is there with all of its page.
fn is_whole(answer: &[u8]) -> Result<bool, Failure> {
    let text = std::str::from_utf8(answer).unwrap_or_default();
    let Some((head, page)) = text.split_once("\r\n\r\n") else {
        return Ok(false);
    };
    if !head.starts_with("HTTP/1.1 200 ") {
        return Err(format!("/metrics answers {head}").into());
    }
    let length = head.split("Content-Length: ").nth(1);
    let length = length.and_then(|rest| rest.split("\r\n").next()?.parse().ok());
    let length: usize = length.ok_or("a page without Content-Length")?;
    Ok(page.len() >= length)
}
