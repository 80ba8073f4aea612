//! A file system in memory that forgets what was not synced, tears writes, fails and fills up;
//! and notifications to fill a journal with.

mod file;
mod requests;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;

use file::MemoryFile;
pub(crate) use requests::{accepted, at};

use super::files::{Files, JournalFile, Lock, LockError, LockedDirectory};
use crate::jitter::Random;
use crate::regular::Identity;

/// What is left after the power has failed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Loss {
    /// Everything: only the process was killed.
    Nothing,
    /// What was synced.
    Unsynced,
    /// What was synced, and any sectors and directory entries of what was not.
    Torn(u64),
}

/// What goes wrong with reads.
#[derive(Clone, Debug)]
pub(crate) enum ReadFault {
    /// Those with these numbers fail.
    Fails(std::ops::Range<u64>),
    /// The one with that number gives bytes that are not the file's; the next one does not.
    Garbles(u64),
    /// So many files are no longer there when they are opened to be read.
    Gone(usize),
    /// Those that touch these bytes fail, of files whose name ends so.
    Location(&'static str, std::ops::Range<u64>),
}

/// How much a change has done that says it has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Nothing,
    Half,
    All,
    /// A sync: the system has forgotten what it could not write.
    Undone,
    /// A write: it does not come back, for an error of the program.
    Panics,
}

/// Bytes that a disk writes at once.
const SECTOR: usize = 64;

/// A file system in memory; clones are the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryFiles(Arc<Mutex<World>>, Arc<Mutex<()>>);

#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct World {
    inodes: Vec<Inode>,
    entries: BTreeMap<PathBuf, usize>,
    durable_entries: BTreeMap<PathBuf, usize>,
    locks: BTreeSet<PathBuf>,
    operations: u64,
    off_at: Option<u64>,
    capacity: Option<u64>,
    sync_fails: bool,
    breaks: Option<(std::ops::Range<u64>, Part)>,
    broken: u64,
    syncing: bool,
    /// Which directory it is.
    dir: u64,
    /// What the numbers of names differ in from those of open files.
    vagueness: u64,
    reads: u64,
    read_fault: Option<ReadFault>,
    read_only: bool,
    syncs: u64,
    written_by: Option<ThreadId>,
    makes_no_room: bool,
}

#[derive(Clone, Debug, Default)]
struct Inode {
    content: Vec<u8>,
    durable: Vec<u8>,
}

impl World {
    /// Counts a change; an error if the machine is off. Ok(true) if it goes off in the middle.
    fn change(&mut self) -> io::Result<bool> {
        let now = self.operations;
        self.operations += 1;
        match self.off_at {
            Some(at) if now > at => Err(io::Error::other("the machine is off")),
            Some(at) if now == at => Ok(true),
            _ if self.read_only => Err(ErrorKind::ReadOnlyFilesystem.into()),
            _ => Ok(false),
        }
    }

    /// How much of the change that was counted last is to be done, if it is to fail.
    fn broken(&mut self) -> Option<Part> {
        let now = self.operations - 1;
        let (at, part) = self.breaks.as_ref()?;
        let broken = at.contains(&now).then_some(*part);
        self.broken += u64::from(broken.is_some());
        broken
    }

    /// Counts a read; Ok(true) if it gives bytes that are not the file's.
    fn read(&mut self, inode: Option<usize>, bytes: std::ops::Range<u64>) -> io::Result<bool> {
        let now = self.reads;
        self.reads += 1;
        let named = |suffix: &str| {
            let mut entries = self.entries.iter();
            entries.any(|(path, of)| Some(*of) == inode && path.to_str().unwrap().ends_with(suffix))
        };
        let fails = match &self.read_fault {
            Some(ReadFault::Fails(reads)) => reads.contains(&now),
            Some(ReadFault::Garbles(read)) => return Ok(*read == now),
            Some(ReadFault::Location(suffix, bad)) => {
                bytes.start < bad.end && bad.start < bytes.end && named(suffix)
            }
            Some(ReadFault::Gone(_)) | None => false,
        };
        if fails {
            return Err(io::Error::other("the disk does not answer"));
        }
        Ok(false)
    }

    fn used(&self) -> u64 {
        self.entries
            .values()
            .map(|inode| self.inodes[*inode].content.len() as u64)
            .sum()
    }
}

impl MemoryFiles {
    fn world(&self) -> std::sync::MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    /// The machine goes off in the middle of the change with that number.
    pub(crate) fn power_off_at(&self, operation: u64) {
        self.world().off_at = Some(operation);
    }

    /// Changes with these numbers fail, and have done so much.
    pub(crate) fn break_changes(&self, numbers: std::ops::Range<u64>, part: Part) {
        self.world().breaks = Some((numbers, part));
    }

    /// Changes that were made to fail so.
    pub(crate) fn broken(&self) -> u64 {
        self.world().broken
    }

    /// Changes so far.
    pub(crate) fn operations(&self) -> u64 {
        self.world().operations
    }

    /// Syncs of files so far.
    pub(crate) fn syncs(&self) -> u64 {
        self.world().syncs
    }

    /// No file grows but by what is written.
    pub(crate) fn make_no_room(&self) {
        self.world().makes_no_room = true;
    }

    /// Who wrote last.
    pub(crate) fn written_by(&self) -> Option<ThreadId> {
        self.world().written_by
    }

    /// Whether a file is being synced.
    pub(crate) fn is_syncing(&self) -> bool {
        self.world().syncing
    }

    /// Another directory is in the place of this one.
    pub(crate) fn replace_dir(&self) {
        self.world().dir += 1;
    }

    /// Nobody can tell which file is which.
    pub(crate) fn be_vague(&self) {
        self.world().vagueness = u64::MAX;
    }

    /// Bytes that files may have in all.
    pub(crate) fn set_capacity(&self, bytes: Option<u64>) {
        self.world().capacity = bytes;
    }

    pub(crate) fn used(&self) -> u64 {
        self.world().used()
    }

    /// While it is held, files are not synced.
    pub(crate) fn hold_syncs(&self) -> std::sync::MutexGuard<'_, ()> {
        self.1.lock().unwrap()
    }

    pub(crate) fn fail_syncs(&self, fail: bool) {
        self.world().sync_fails = fail;
    }

    /// From now on reads go wrong in that way; `None`: in none. Their numbers begin with 0.
    pub(crate) fn set_read_fault(&self, fault: Option<ReadFault>) {
        let mut world = self.world();
        world.reads = 0;
        world.read_fault = fault;
    }

    /// Reads since the fault was set.
    pub(crate) fn reads(&self) -> u64 {
        self.world().reads
    }

    pub(crate) fn set_read_only(&self, read_only: bool) {
        self.world().read_only = read_only;
    }

    pub(crate) fn content(&self, path: &Path) -> Vec<u8> {
        let world = self.world();
        world.inodes[world.entries[path]].content.clone()
    }

    /// Changes bytes of a file wherever they stand in it.
    pub(crate) fn damage(&self, path: &Path, old: &[u8], new: &[u8]) {
        let mut world = self.world();
        let inode = world.entries[path];
        let content = &mut world.inodes[inode].content;
        for at in 0..=content.len().saturating_sub(old.len()) {
            if content[at..].starts_with(old) {
                content[at..at + new.len()].copy_from_slice(new);
            }
        }
    }

    /// Puts a file there, durably.
    pub(crate) fn put(&self, path: &Path, content: Vec<u8>) {
        let mut world = self.world();
        let number = world.inodes.len();
        world.inodes.push(Inode {
            durable: content.clone(),
            content,
        });
        world.entries.insert(path.to_owned(), number);
        world.durable_entries.insert(path.to_owned(), number);
    }

    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.world().entries.keys().cloned().collect()
    }

    /// What the machine has when it is on again.
    pub(crate) fn reboot(&self, loss: Loss) -> Self {
        let world = self.world();
        let mut random = match loss {
            Loss::Torn(seed) => Some(Random::new(seed)),
            _ => None,
        };
        let mut either = || random.as_mut().is_none_or(|random| random.draw() % 2 == 0);
        let mut entries = match loss {
            Loss::Nothing => world.entries.clone(),
            _ => world.durable_entries.clone(),
        };
        if let Loss::Torn(_) = loss {
            for (path, inode) in &world.entries {
                if entries.get(path) != Some(inode) && either() {
                    entries.insert(path.clone(), *inode);
                }
            }
            entries.retain(|path, _| world.entries.contains_key(path) || either());
        }
        let rebooted = Self::default();
        for (path, inode) in entries {
            let inode = &world.inodes[inode];
            let content = match loss {
                Loss::Nothing => inode.content.clone(),
                Loss::Unsynced => inode.durable.clone(),
                Loss::Torn(_) => torn(inode, &mut either),
            };
            rebooted.put(&path, content);
        }
        rebooted
    }
}

fn torn(inode: &Inode, either: &mut impl FnMut() -> bool) -> Vec<u8> {
    let Inode { content, durable } = inode;
    let len = if either() {
        content.len()
    } else {
        durable.len()
    };
    let longest = content.len().max(durable.len());
    let mut out = Vec::new();
    for start in (0..longest).step_by(SECTOR) {
        let from = if either() { content } else { durable };
        for at in start..(start + SECTOR).min(longest) {
            // What was synced and not written since is there in any case.
            let same = content.get(at) == durable.get(at);
            let from = if same { content } else { from };
            out.push(from.get(at).copied().unwrap_or(0));
        }
    }
    out.truncate(len);
    out
}

impl Files for MemoryFiles {
    fn create_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>> {
        let mut world = self.world();
        if world.change()? || world.broken().is_some() {
            return Err(io::Error::other("the machine goes off"));
        }
        if world.entries.contains_key(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        if world
            .capacity
            .is_some_and(|capacity| world.used() >= capacity)
        {
            return Err(ErrorKind::StorageFull.into());
        }
        let inode = world.inodes.len();
        world.inodes.push(Inode::default());
        world.entries.insert(path.to_owned(), inode);
        Ok(Arc::new(MemoryFile {
            files: self.clone(),
            inode,
            writable: true,
        }))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>> {
        let mut world = self.world();
        if world.read_only {
            return Err(ErrorKind::ReadOnlyFilesystem.into());
        }
        let inode = *world.entries.get(path).ok_or(ErrorKind::NotFound)?;
        world.read(None, 0..0)?;
        Ok(Arc::new(MemoryFile {
            files: self.clone(),
            inode,
            writable: true,
        }))
    }

    fn open_read(&self, path: &Path) -> io::Result<Arc<dyn JournalFile>> {
        let mut world = self.world();
        let inode = *world.entries.get(path).ok_or(ErrorKind::NotFound)?;
        if let Some(ReadFault::Gone(left)) = &mut world.read_fault
            && let Some(fewer) = left.checked_sub(1)
        {
            *left = fewer;
            return Err(ErrorKind::NotFound.into());
        }
        world.read(None, 0..0)?;
        drop(world);
        Ok(Arc::new(MemoryFile {
            files: self.clone(),
            inode,
            writable: false,
        }))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut world = self.world();
        world.read(None, 0..0)?;
        let names = world.entries.keys();
        let names = names.filter_map(|path| path.strip_prefix(dir).ok()?.to_str());
        Ok(names.map(str::to_owned).collect())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        if world.change()? || world.broken().is_some() {
            return Err(io::Error::other("the machine goes off"));
        }
        world.entries.remove(path).ok_or(ErrorKind::NotFound)?;
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.world();
        if world.change()? || world.broken().is_some() {
            return Err(io::Error::other("the machine goes off"));
        }
        let inode = world.entries.remove(from).ok_or(ErrorKind::NotFound)?;
        world.entries.insert(to.to_owned(), inode);
        Ok(())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        let mut world = self.world();
        if world.change()? || world.broken().is_some() || world.sync_fails {
            return Err(io::Error::other("the disk is broken"));
        }
        world.durable_entries = world.entries.clone();
        Ok(())
    }

    fn free_space(&self, _: &Path) -> io::Result<u64> {
        let world = self.world();
        let capacity = world.capacity.unwrap_or(u64::MAX);
        Ok(capacity.saturating_sub(world.used()))
    }

    fn identity_at(&self, path: &Path) -> io::Result<Option<Identity>> {
        let world = self.world();
        let is_dir = path == DIR;
        let inode = world.entries.get(path).map(|inode| *inode as u64);
        let inode = inode.or(is_dir.then_some(world.dir));
        let inode = inode.map(|inode| inode ^ world.vagueness);
        Ok(inode.map(|inode| Identity {
            device: 0,
            inode,
            is_linked: true,
        }))
    }

    fn lock(&self, dir: &Path, name: &str) -> Result<Lock, LockError> {
        let path = dir.join(name);
        let mut world = self.world();
        if world.read_only {
            return Err(LockError::Io(ErrorKind::ReadOnlyFilesystem.into()));
        }
        if !world.locks.insert(path.clone()) {
            return Err(LockError::Held(Some(4711)));
        }
        Ok(Box::new(MemoryLock(self.clone(), path, world.dir)))
    }
}

/// The directory in which there is a journal.
const DIR: &str = "/journal";

#[derive(Debug)]
struct MemoryLock(MemoryFiles, PathBuf, u64);

impl LockedDirectory for MemoryLock {
    fn identity(&self) -> io::Result<Identity> {
        Ok(Identity {
            device: 0,
            inode: self.2,
            is_linked: true,
        })
    }

    fn keep_file(&self) -> Result<bool, LockError> {
        Ok(false)
    }
}

impl Drop for MemoryLock {
    fn drop(&mut self) {
        self.0.world().locks.remove(&self.1);
    }
}
