//! Segments of which something could not be read are not removed: they are kept aside under
//! another name, for whoever knows more than we do.

use std::io;
use std::path::Path;

use super::{Store, StoreTrouble};
use crate::journal::files::Files;
use crate::journal::segment;

/// Our limit: damaged segments that are kept aside; then the oldest is removed.
pub(in crate::journal) const ASIDE_MAX: usize = 8;

impl Store {
    /// Keeps segments aside of which something is damaged and all that is outstanding is carried.
    pub(super) fn set_damaged_aside(&mut self) -> Result<(), StoreTrouble> {
        let carried: Vec<u32> = self.damaged.iter().copied().collect();
        let carried: Vec<u32> = {
            let segments = &self.catalogue.lock().segments;
            let is_old = |number: &u32| *number != self.active && segments.contains_key(number);
            carried.into_iter().filter(is_old).collect()
        };
        if let Err(error) = set_aside(&*self.files, &self.settings.dir, &carried) {
            return Err(self.trouble(&error));
        }
        for number in carried {
            self.damaged.remove(&number);
        }
        Ok(())
    }
}

/// Keeps segments aside, durably, and removes the oldest of those that are.
pub(super) fn set_aside(files: &dyn Files, dir: &Path, numbers: &[u32]) -> io::Result<()> {
    if numbers.is_empty() {
        return Ok(());
    }
    let there = files.list(dir)?;
    for number in numbers {
        let (from, to) = (segment::name(*number), segment::aside(*number));
        // It may be there from a time before a failure.
        if !there.contains(&from) {
            continue;
        }
        files.rename(&dir.join(&from), &dir.join(&to))?;
        ::log::error!(
            "journal: {from} is damaged and is kept aside as {}; to look at what is left of it, \
             copy it under its old name into an empty directory and run sterna recover -c FILE \
             --dry-run --journal on that; remove it when it is not needed any more",
            dir.join(&to).display(),
        );
    }
    files.sync_dir(dir)?;
    remove_oldest(files, dir)
}

fn remove_oldest(files: &dyn Files, dir: &Path) -> io::Result<()> {
    let names = files.list(dir)?;
    let aside = names.iter().filter_map(|name| segment::number_aside(name));
    let mut aside: Vec<u32> = aside.collect();
    aside.sort_unstable();
    let over = aside.len().saturating_sub(ASIDE_MAX);
    for number in aside.into_iter().take(over) {
        let name = segment::aside(number);
        files.remove(&dir.join(&name))?;
        ::log::warn!("journal: {name} was removed: {ASIDE_MAX} damaged segments are kept aside");
    }
    Ok(())
}
