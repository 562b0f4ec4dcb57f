//! Calls without an event type of their own.

use crate::native::varint;

/// Codes from this one on are stored as 0, as calls without a code are.
const END: u16 = 1024;
const WORDS: usize = (END / 64) as usize;

/// The calls without a type of their own in a chunk, including hidden ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UntypedCalls {
    /// How many use the 32-bit ABI of x86.
    pub of_32bit: u32,
    /// Which calls they are; `None` in older files.
    pub codes: Option<CallCodes>,
}

impl Default for UntypedCalls {
    fn default() -> Self {
        Self {
            of_32bit: 0,
            codes: Some(CallCodes::default()),
        }
    }
}

impl UntypedCalls {
    /// Adds a call. `lens` are the lengths of its parameters, and `bytes` all of them.
    #[inline]
    pub(super) fn add(&mut self, lens: &[u32], bytes: &[u8]) {
        self.of_32bit = self
            .of_32bit
            .saturating_add(u32::from(is_32bit(lens, bytes)));
        if let Some(codes) = &mut self.codes {
            codes.add(lens, bytes);
        }
    }

    /// Returns true if a summary that claims these calls is of a chunk with the others.
    pub(super) fn fits(&self, seen: &Self) -> bool {
        self.of_32bit == seen.of_32bit && (self.codes.is_none() || self.codes == seen.codes)
    }
}

/// Whether a call without a type of its own uses the 32-bit ABI of x86, according to its last parameter, a byte
/// (`schema/native-params.csv`). `bytes` are those of all parameters.
#[inline]
fn is_32bit(lens: &[u32], bytes: &[u8]) -> bool {
    const ABI: usize = 9;
    match lens.get(ABI) {
        Some(1) if lens.len() == ABI.saturating_add(1) => bytes.last() != Some(&0),
        // The meaning of longer values is not known.
        Some(len) => *len > 0,
        None => false,
    }
}

/// A set of codes of calls (`ppm_sc`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallCodes([u64; WORDS]);

impl CallCodes {
    /// Adds the code of a call, its first parameter, a u16.
    #[inline]
    pub(super) fn add(&mut self, lens: &[u32], bytes: &[u8]) {
        let code = match (lens.first(), bytes.first_chunk::<2>()) {
            (Some(2), Some(code)) => u16::from_le_bytes(*code),
            _ => 0,
        };
        self.insert(if code < END { code } else { 0 });
    }

    #[inline]
    fn insert(&mut self, code: u16) {
        if let Some(word) = self.0.get_mut(usize::from(code / 64)) {
            *word |= 1 << (code % 64);
        }
    }

    /// Iterates over the codes in ascending order; 0: calls without one.
    pub fn iter(&self) -> impl Iterator<Item = u16> {
        let has = |code: &u16| {
            let word = self.0.get(usize::from(code / 64));
            word.is_some_and(|word| word >> (code % 64) & 1 == 1)
        };
        (0..END).filter(has)
    }

    /// Appends the number of codes, and the difference of each to the one before it.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        varint::push(out, self.iter().count() as u64);
        let mut last = 0;
        for code in self.iter() {
            varint::push(out, u64::from(code.saturating_sub(last)));
            last = code;
        }
    }

    /// Decodes them; `None` if they are invalid.
    pub(super) fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let mut codes = Self::default();
        let mut last = 0_u16;
        for _ in 0..varint::take(bytes)? {
            let step = u16::try_from(varint::take(bytes)?).ok()?;
            last = last.checked_add(step).filter(|code| *code < END)?;
            codes.insert(last);
        }
        Some(codes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_collected_and_stored() {
        let mut codes = CallCodes::default();
        for code in [7_u16, 1023, 400, 7] {
            codes.add(&[2, 0], &code.to_le_bytes());
        }
        assert_eq!(codes.iter().collect::<Vec<_>>(), [7, 400, 1023]);
        // Too large, of another length, cut off, without parameters.
        codes.add(&[2], &1024_u16.to_le_bytes());
        assert_eq!(codes.iter().next(), Some(0));
        for (lens, bytes) in [(&[3][..], &[9, 0, 0][..]), (&[2], &[9]), (&[], &[])] {
            let mut codes = CallCodes::default();
            codes.add(lens, bytes);
            assert_eq!(codes.iter().collect::<Vec<_>>(), [0]);
        }
        let mut bytes = Vec::new();
        codes.encode(&mut bytes);
        assert_eq!(CallCodes::decode(&mut &bytes[..]), Some(codes));
        for len in 0..bytes.len() {
            assert_eq!(CallCodes::decode(&mut &bytes[..len]), None, "{len}");
        }
        let (far, wraps) = ([1, 0x80, 8], [2, 0xff, 7, 0xff, 0xff, 3]);
        assert_eq!(CallCodes::decode(&mut &far[..]), None);
        assert_eq!(CallCodes::decode(&mut &wraps[..]), None);
    }
}
