//! LEB128 and zigzag integers of the hot columns.

/// Appends `value`, seven bits a byte, low bits first.
#[inline]
pub(crate) fn push(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        #[expect(clippy::cast_possible_truncation, reason = "the low bits are wanted")]
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    #[expect(clippy::cast_possible_truncation, reason = "below 0x80")]
    out.push(value as u8);
}

/// Reads an integer from the front of `bytes`. Bits beyond 64 are an error.
#[inline]
pub(crate) fn take(bytes: &mut &[u8]) -> Option<u64> {
    if let Some((&byte, rest)) = bytes.split_first()
        && byte < 0x80
    {
        *bytes = rest;
        return Some(u64::from(byte));
    }
    take_long(bytes)
}

fn take_long(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        let shifted = bits << shift;
        if shifted >> shift != bits {
            return None;
        }
        value |= shifted;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Maps small magnitudes of either sign to small numbers.
#[inline]
pub(crate) const fn zigzag(value: i64) -> u64 {
    (value.wrapping_shl(1) ^ (value >> 63)).cast_unsigned()
}

/// Reverses [`zigzag`].
#[inline]
pub(crate) const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ (value & 1).cast_signed().wrapping_neg()
}

/// Appends the high part of a number whose low part is stored elsewhere: one byte, or 255 and the rest
/// as a varint.
#[inline]
pub(crate) fn push_high(out: &mut Vec<u8>, value: u64) {
    if value < 0xff {
        #[expect(clippy::cast_possible_truncation, reason = "below 0xff")]
        out.push(value as u8);
    } else {
        out.push(0xff);
        push(out, value);
    }
}

/// Reads a number written by [`push_high`].
#[inline]
pub(crate) fn take_high(bytes: &mut &[u8]) -> Option<u64> {
    let (&byte, rest) = bytes.split_first()?;
    *bytes = rest;
    if byte < 0xff {
        Some(u64::from(byte))
    } else {
        take(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trips() {
        for shift in 0..64 {
            for value in [1u64 << shift, (1u64 << shift) - 1, u64::MAX >> shift] {
                let mut out = Vec::new();
                push(&mut out, value);
                push_high(&mut out, value);
                let mut rest = out.as_slice();
                assert_eq!(take(&mut rest), Some(value));
                assert_eq!(take_high(&mut rest), Some(value));
                assert!(rest.is_empty());
                assert_eq!(zigzag(unzigzag(value)), value);
            }
        }
    }

    #[test]
    fn overlong_and_cut_are_refused() {
        for bytes in [&[0x80u8; 11][..], &[0xff; 10], &[0x80], &[]] {
            assert_eq!(take(&mut { bytes }), None);
        }
        assert_eq!(take_high(&mut &[0xff][..]), None);
    }
}
