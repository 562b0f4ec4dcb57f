//! Reads all containers sections of a capture before its first event.

use std::io::{Read, Seek};

use super::containers::ContainerReport;
use super::index::{Index, OtherEntry};
use super::indexed::IndexedReader;
use super::reader::{Damages, Item};
use super::section::{HEADER_LEN, SectionKind};
use super::walk::Walk;
use crate::{Result, limits};

/// Reads only the containers sections of a capture.
///
/// They are found by walking over the section headers. Damage is skipped silently: reading the whole
/// capture reports it, and [`Self::outline`] has what the headers say, for a reading that stops earlier.
#[derive(Debug)]
pub struct ContainerPreload<R> {
    reader: IndexedReader<R>,
    outline: Outline,
    offsets: std::vec::IntoIter<u64>,
    /// Bytes of descriptions that may still be read.
    left: usize,
}

/// What the section headers alone say of a capture.
#[derive(Clone, Debug, Default)]
pub struct Outline {
    /// Places where sections are missing, cut off or no sections.
    pub damages: Damages,
    /// Whether there is a footer: the recorder finished, and the end is not missing.
    pub has_end: bool,
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
        let mut walk = Walk::default();
        let mut has_end = false;
        reader.walk(&mut walk, &mut |_, _, place| {
            has_end |= place.header.kind == SectionKind::FOOTER;
            let is_one = place.header.kind == SectionKind::CONTAINERS;
            if is_one && offsets.len() < limits::CONTAINER_SECTIONS {
                offsets.push(place.offset);
            }
            Ok(())
        })?;
        let outline = Outline {
            damages: walk.damages,
            has_end,
        };
        Ok(Self::at(reader, outline, offsets))
    }

    /// Uses the sections in the index of an opened capture.
    pub fn of(reader: IndexedReader<R>) -> Self {
        let offsets = listed(reader.index());
        let outline = Outline {
            damages: reader.damages().clone(),
            has_end: reader.is_complete(),
        };
        Self::at(reader, outline, offsets)
    }

    fn at(reader: IndexedReader<R>, outline: Outline, offsets: Vec<u64>) -> Self {
        Self {
            reader,
            outline,
            offsets: offsets.into_iter(),
            left: limits::CONTAINER_BYTES,
        }
    }

    /// Returns what is known of the capture without reading its sections.
    pub const fn outline(&self) -> &Outline {
        &self.outline
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
