//! Base64 with padding, as the lines of the agent protocol have it. Not here: any other alphabet.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Bytes as text.
pub(crate) fn encode(data: &[u8]) -> String {
    let mut text = String::new();
    for chunk in data.chunks(3) {
        let bits =
            (0..3).fold(0_usize, |bits, i| bits << 8 | usize::from(chunk.get(i).copied().unwrap_or(0)));
        for i in 0..4 {
            let digit = ALPHABET.get(bits >> (18 - 6 * i) & 63).copied().unwrap_or(b'=');
            text.push(char::from(if i > chunk.len() { b'=' } else { digit }));
        }
    }
    text
}

/// Text as bytes; `None` if a character is not of the alphabet.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').bytes();
    let (mut data, mut bits, mut count) = (Vec::new(), 0_usize, 0);
    for digit in digits {
        bits = bits << 6 & 0xffff | ALPHABET.iter().position(|&letter| letter == digit)?;
        count += 6;
        if count >= 8 {
            count -= 8;
            data.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    Some(data)
}
