//! Variable-length integers of records: zigzag, seven bits a byte, low bits first (`ByteUtils.readVarint`).

/// Takes an i64 off the front; `None` when bytes are missing or it is longer than ten bytes.
pub(super) fn take_varlong(bytes: &mut &[u8]) -> Option<i64> {
    let mut value: u64 = 0;
    for shift in (0..70).step_by(7) {
        let byte = *bytes.split_off_first()?;
        value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte & 0x80 == 0 {
            return Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
        }
    }
    None
}

/// Takes an i32 off the front; `None` when bytes are missing, it is longer than five bytes or does not fit.
pub(super) fn take_varint(bytes: &mut &[u8]) -> Option<i32> {
    let before = bytes.len();
    let value = i32::try_from(take_varlong(bytes)?).ok()?;
    (before - bytes.len() <= 5).then_some(value)
}

/// Appends an i64.
pub(super) fn put_varlong(target: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    loop {
        let low = u8::try_from(rest & 0x7f).unwrap_or(0);
        rest >>= 7;
        if rest == 0 {
            target.push(low);
            return;
        }
        target.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_width_reads_back() {
        for bits in 0..64 {
            for value in
                [1i64 << bits, (1i64 << bits).wrapping_sub(1), (1i64 << bits).wrapping_neg(), i64::MIN]
            {
                let mut bytes = Vec::new();
                put_varlong(&mut bytes, value);
                let mut rest = &bytes[..];
                assert_eq!((take_varlong(&mut rest), rest.len()), (Some(value), 0));
                let mut rest = &bytes[..];
                assert_eq!(take_varint(&mut rest), i32::try_from(value).ok());
            }
        }
    }

    #[test]
    fn known_bytes() {
        for (value, expected) in [(0, &[0][..]), (-1, &[1]), (63, &[126]), (64, &[128, 1]), (-65, &[129, 1])]
        {
            let mut bytes = Vec::new();
            put_varlong(&mut bytes, value);
            assert_eq!(bytes, expected);
        }
    }

    #[test]
    fn endless_or_cut_numbers_are_refused() {
        assert_eq!(take_varlong(&mut &[0xff; 10][..]), None);
        assert_eq!(take_varint(&mut &[0x80, 0x80, 0x80, 0x80, 0x80, 0][..]), None, "six bytes");
        assert_eq!(take_varint(&mut &[0x80][..]), None);
        assert_eq!(take_varint(&mut &[][..]), None);
    }
}
