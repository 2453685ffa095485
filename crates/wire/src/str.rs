//! A string that is a slice of the frame it came in.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use bytes::Bytes;

/// UTF-8 text, shared with the frame it was read from (which it keeps alive: what outlives the request is copied).
///
/// Safe code cannot remember that bytes are UTF-8, so each use as `&str` looks at them again; the protocol's strings are
/// short.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Str(Bytes);

impl Str {
    /// Takes bytes that are UTF-8; `None` for others.
    pub fn from_utf8(bytes: Bytes) -> Option<Self> {
        std::str::from_utf8(&bytes).is_ok().then_some(Self(bytes))
    }

    /// Takes any bytes. What is not UTF-8 becomes U+FFFD, as in Kafka.
    pub fn from_utf8_lossy(bytes: Bytes) -> Self {
        match String::from_utf8_lossy(&bytes) {
            Cow::Borrowed(_) => Self(bytes),
            Cow::Owned(replaced) => Self::from(replaced),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // Checked once, when it was made; the bytes never change.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The bytes, shared.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}

impl Deref for Str {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Str {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for Str {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl Hash for Str {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl From<&str> for Str {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Str {
    fn from(text: String) -> Self {
        Self(Bytes::from(text))
    }
}

impl From<&String> for Str {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl PartialEq<str> for Str {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Str {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Display for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn it_is_found_in_a_map_by_its_characters() {
        let map = HashMap::from([(Str::from("orders"), 1)]);
        assert_eq!((map.get("orders"), map.get("payments")), (Some(&1), None));
    }

    #[test]
    fn valid_bytes_are_shared_and_others_replaced() {
        let frame = Bytes::from("größe".to_owned());
        let shared = Str::from_utf8_lossy(frame.clone());
        assert_eq!(shared, "größe");
        assert_eq!(shared.as_bytes().as_ptr(), frame.as_ptr());
        assert_eq!(Str::from_utf8_lossy(Bytes::from_static(b"a\xff\xfeb")), "a\u{fffd}\u{fffd}b");
    }
}
