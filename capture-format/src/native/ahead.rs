//! Reads all containers sections of a capture before its first event.

use std::io::{Read, Seek};

use super::containers::ContainerReport;
use super::index::{Index, OtherEntry};
use super::indexed::IndexedReader;
use super::reader::Item;
use super::section::{HEADER_LEN, SectionKind};
use super::walk::Walk;
use crate::{Result, limits};

/// Reads only the containers sections of a capture.
///
/// They are found by walking over the section headers. Damage is skipped silently: reading the whole
/// capture reports it.
#[derive(Debug)]
pub struct ContainerPreload<R> {
    reader: IndexedReader<R>,
    offsets: std::vec::IntoIter<u64>,
    /// Bytes of descriptions that may still be read.
    left: usize,
}

impl<R: Read + Seek> ContainerPreload<R> {
    /// Finds the sections.
    ///
    /// # Errors
    ///
    /// Those of [`super::section::parse_preamble`]; [`crate::Error::Io`].
    pub fn find(input: R) -> Result<Self> {
        let mut reader = IndexedReader::unopened(input)?;
        let mut offsets = Vec::new();
        reader.walk(&mut Walk::default(), &mut |_, _, place| {
            let is_one = place.header.kind == SectionKind::CONTAINERS;
            if is_one && offsets.len() < limits::CONTAINER_SECTIONS {
                offsets.push(place.offset);
            }
            Ok(())
        })?;
        Ok(Self::at(reader, offsets))
    }

    /// Uses the sections in the index of an opened capture.
    pub fn of(reader: IndexedReader<R>) -> Self {
        let offsets = listed(reader.index());
        Self::at(reader, offsets)
    }

    fn at(reader: IndexedReader<R>, offsets: Vec<u64>) -> Self {
        Self {
            reader,
            offsets: offsets.into_iter(),
            left: limits::CONTAINER_BYTES,
        }
    }

    /// Returns the next report; `None` at the end, or if the limit is reached.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Io`].
    pub fn next_report(&mut self) -> Result<Option<ContainerReport>> {
        while self.left > 0
            && let Some(offset) = self.offsets.next()
        {
            match self.reader.item(offset, SectionKind::CONTAINERS) {
                Ok(Item::Containers(report)) => {
                    let sizes = report.descriptions.iter().map(|d| d.json.len());
                    // Sections that decompress to nothing cost time, too.
                    let used = sizes.fold(HEADER_LEN, usize::saturating_add);
                    self.left = self.left.saturating_sub(used);
                    return Ok(Some(report));
                }
                Ok(_) => {}
                Err(error) if error.is_damage() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

/// Returns the offsets of the sections in an index.
fn listed(index: &Index) -> Vec<u64> {
    let ours = |s: &&OtherEntry| s.kind() == SectionKind::CONTAINERS;
    let offsets = index.others.iter().filter(ours).map(|s| s.offset);
    offsets.take(limits::CONTAINER_SECTIONS).collect()
}
