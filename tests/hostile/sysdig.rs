//! .scap files of sysdig and Falco that lie: blocks, and the lengths and counts in them.

use crate::random::Random;

/// A block: type and content.
type Block = (u32, Vec<u8>);

/// A file as its blocks.
#[derive(Clone, Debug)]
pub(crate) struct File {
    blocks: Vec<Block>,
    /// The length that a block states, instead of the right one.
    lie: Option<(usize, u32)>,
}

impl File {
    /// Splits an intact file that is not compressed.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut blocks = Vec::new();
        let mut rest = bytes;
        while rest.len() >= 12 {
            let number = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
            let len = number(4) as usize;
            blocks.push((number(0), rest[8..len - 4].to_vec()));
            rest = &rest[len..];
        }
        Self { blocks, lie: None }
    }

    /// Returns the bytes. Blocks are padded to four bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (at, (ty, content)) in self.blocks.iter().enumerate() {
            let padding = content.len().next_multiple_of(4) - content.len();
            let mut len = u32::try_from(content.len() + padding + 12).unwrap();
            if let Some((_, lie)) = self.lie.filter(|(block, _)| *block == at) {
                len = lie;
            }
            out.extend(ty.to_le_bytes());
            out.extend(len.to_le_bytes());
            out.extend_from_slice(content);
            out.extend(std::iter::repeat_n(0, padding));
            out.extend(len.to_le_bytes());
        }
        out
    }

    /// Makes one random change.
    pub(crate) fn mutate(&mut self, random: &mut Random) {
        // Most blocks are events; every kind of block has its turn.
        let mut at = random.below(self.blocks.len());
        if random.chance(2) {
            at %= 24;
        }
        let Some((ty, content)) = self.blocks.get_mut(at) else {
            return;
        };
        match random.below(6) {
            0 => random.change_list(&mut self.blocks),
            1 => {
                self.lie = Some((
                    at,
                    u32::try_from(random.number(content.len() as u64) >> 32).unwrap(),
                ));
            }
            2 => *ty = ty.wrapping_add(u32::try_from(random.below(40)).unwrap()),
            3 => random.change_bytes(content),
            // A number of two or four bytes: lengths, counts, types.
            _ => {
                let size = if random.chance(2) { 2 } else { 4 };
                let place = random.below(content.len().min(200) / size) * size;
                if let Some(bytes) = content.get_mut(place..place + size) {
                    let number = random.number(bytes[0].into()).to_le_bytes();
                    bytes.copy_from_slice(&number[..size]);
                }
            }
        }
    }
}
