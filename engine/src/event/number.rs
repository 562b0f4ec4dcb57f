//! Numbers as text, appended to a buffer without allocating.

use std::io::Write as _;

use scap_capture_format::schema::PrintFormat;

/// Appends a value's `Display` text.
pub fn display(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    // Writing into a Vec cannot fail.
    let _always = write!(out, "{value}");
}

/// Appends a signed decimal number.
pub fn dec(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends an unsigned decimal number.
pub fn udec(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends an unsigned number with leading zeros up to `width` digits (at most 20).
pub fn padded(out: &mut Vec<u8>, value: u64, width: usize) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(value).as_bytes();
    let zeros = width.min(20).saturating_sub(digits.len());
    out.extend_from_slice(&b"00000000000000000000"[..zeros]);
    out.extend_from_slice(digits);
}

/// Appends upper-case hexadecimal without prefix.
pub fn hex(out: &mut Vec<u8>, value: u64) {
    digits(out, value, 4, b"0123456789ABCDEF");
}

/// Appends lower-case hexadecimal without prefix.
pub fn hex_lower(out: &mut Vec<u8>, value: u64) {
    digits(out, value, 4, b"0123456789abcdef");
}

/// Appends octal with a leading zero; zero is one digit.
pub fn oct(out: &mut Vec<u8>, value: u64) {
    if value != 0 {
        out.push(b'0');
    }
    digits(out, value, 3, b"01234567");
}

fn digits(out: &mut Vec<u8>, mut value: u64, bits: u32, alphabet: &[u8]) {
    let mut buffer = [0_u8; 22];
    let mut at = buffer.len();
    let mask = (1_u64 << bits) - 1;
    loop {
        at -= 1;
        // `mask` is smaller than the alphabet is long.
        buffer[at] = alphabet[usize::try_from(value & mask).unwrap_or(0)];
        value >>= bits;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&buffer[at..]);
}

/// Appends a number of `len` bytes in the schema's print format.
///
/// `value` is sign-extended where the parameter is signed; hexadecimal and octal show the bits of the
/// parameter's own width.
pub fn formatted(out: &mut Vec<u8>, value: i64, signed: bool, len: usize, format: PrintFormat) {
    let bits = value.cast_unsigned() & width_mask(len);
    match format {
        PrintFormat::Hex => hex(out, bits),
        PrintFormat::Oct => oct(out, bits),
        PrintFormat::PaddedDec10 => padded(out, bits, 9),
        _ if signed => dec(out, value),
        _ => udec(out, bits),
    }
}

fn width_mask(len: usize) -> u64 {
    match len {
        1 => 0xff,
        2 => 0xffff,
        4 => 0xffff_ffff,
        _ => u64::MAX,
    }
}

/// Appends a floating point number as C's `%g` does: six significant digits, no trailing zeros.
pub fn general(out: &mut Vec<u8>, value: f64) {
    /// Significant digits of `%g`.
    const PRECISION: i32 = 6;
    if value == 0.0 || !value.is_finite() {
        display(out, value);
        return;
    }
    // Let the library round to six digits, then place the point: "d.ddddde<exp>".
    let mut scratch = [0_u8; 32];
    let mut cursor = std::io::Cursor::new(&mut scratch[..]);
    let _fits = write!(cursor, "{value:.5e}");
    let len = usize::try_from(cursor.position()).unwrap_or(0);
    let text = &scratch[..len];
    let Some(e) = text.iter().position(|b| *b == b'e') else {
        return;
    };
    let (mantissa, exponent) = (&text[..e], &text[e + 1..]);
    let exponent: i32 = std::str::from_utf8(exponent)
        .ok()
        .and_then(|t| t.parse().ok())
        .unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, mantissa),
    };
    let mut all = [b'0'; 6];
    for (place, digit) in all
        .iter_mut()
        .zip(mantissa.iter().filter(|b| b.is_ascii_digit()))
    {
        *place = *digit;
    }
    let kept = all.iter().rposition(|d| *d != b'0').map_or(1, |p| p + 1);
    if sign {
        out.push(b'-');
    }
    if !(-4..PRECISION).contains(&exponent) {
        out.push(all[0]);
        if kept > 1 {
            out.push(b'.');
            out.extend_from_slice(&all[1..kept]);
        }
        out.push(b'e');
        out.push(if exponent < 0 { b'-' } else { b'+' });
        padded(out, u64::from(exponent.unsigned_abs()), 2);
    } else if exponent < 0 {
        out.extend_from_slice(b"0.");
        for _ in exponent..-1 {
            out.push(b'0');
        }
        out.extend_from_slice(&all[..kept]);
    } else {
        let whole = usize::try_from(exponent).unwrap_or(0) + 1;
        out.extend_from_slice(&all[..whole]);
        if kept > whole {
            out.push(b'.');
            out.extend_from_slice(&all[whole..kept]);
        }
    }
}

/// Returns a number with a comma between groups of three digits.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Returns a number of things in words: `1 process`, `2,000 processes`.
pub fn counted(count: u64, noun: &str) -> String {
    format!("{} {}", grouped(count), plural(count, noun))
}

/// Returns the form of the verb that follows a number of things.
pub fn were(count: u64) -> &'static str {
    if count == 1 { "was" } else { "were" }
}

/// Returns the form of a noun that follows a number.
pub fn plural(count: u64, noun: &str) -> String {
    let ending = match (count, noun.ends_with('s')) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{noun}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nouns_follow_their_number() {
        assert_eq!(counted(0, "event"), "0 events");
        assert_eq!(counted(1, "event"), "1 event");
        assert_eq!(counted(1, "process"), "1 process");
        assert_eq!(counted(1234, "process"), "1,234 processes");
    }

    fn to_text(f: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        f(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn print_formats() {
        let p = |v, signed, len, f| to_text(|o| formatted(o, v, signed, len, f));
        assert_eq!(p(-5, true, 8, PrintFormat::Dec), "-5");
        assert_eq!(p(-5, false, 4, PrintFormat::Dec), "4294967291");
        assert_eq!(p(-1, true, 4, PrintFormat::Hex), "FFFFFFFF");
        assert_eq!(p(0x801, false, 4, PrintFormat::Hex), "801");
        assert_eq!(p(0, false, 4, PrintFormat::Hex), "0");
        assert_eq!(p(0o644, false, 4, PrintFormat::Oct), "0644");
        assert_eq!(p(0, false, 4, PrintFormat::Oct), "0");
        assert_eq!(p(7, false, 8, PrintFormat::PaddedDec10), "000000007");
        assert_eq!(
            p(i64::MIN, true, 8, PrintFormat::Dec),
            "-9223372036854775808"
        );
        assert_eq!(p(-1, false, 8, PrintFormat::Oct), "01777777777777777777777");
    }

    #[test]
    fn general_is_the_c_format() {
        // The expected texts are what sysdig 0.29.3 prints for these intervals.
        for (ns, text) in [
            (1_u64, "1e-09"),
            (999, "9.99e-07"),
            (1_500_000, "0.0015"),
            (1_000_000_000, "1"),
            (1_234_567_890, "1.23457"),
            (123_456_789_012_345, "123457"),
            (100_000_000_000_000_000, "1e+08"),
            (12_345_678, "0.0123457"),
            (0, "0"),
        ] {
            #[expect(clippy::cast_precision_loss, reason = "as the original does")]
            let seconds = ns as f64 / 1e9;
            assert_eq!(to_text(|o| general(o, seconds)), text);
        }
        assert_eq!(to_text(|o| general(o, -0.000_123)), "-0.000123");
        assert_eq!(to_text(|o| general(o, 999_999.5)), "1e+06");
        assert_eq!(to_text(|o| general(o, 100_000.0)), "100000");
    }

    #[test]
    fn groups_of_three() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1000), "1,000");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }
}
