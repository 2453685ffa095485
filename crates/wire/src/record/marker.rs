//! Transaction markers: the one record of a control batch (`EndTransactionMarker`).
//!
//! | in | field | type | |
//! |---|---|---|---|
//! | key | version | i16 | 0 |
//! | key | type | i16 | 0 abort, 1 commit; others belong to Kafka's own metadata log |
//! | value | version | i16 | 0 |
//! | value | coordinator_epoch | i32 | |

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndTxnMarker {
    /// Commit or abort.
    pub committed: bool,
    /// Epoch of the coordinator that decided.
    pub coordinator_epoch: i32,
}

const VERSION: i16 = 0;
const ABORT: i16 = 0;
const COMMIT: i16 = 1;

impl EndTxnMarker {
    /// Reads key and value of a control record; `None` when it is another kind of control record or malformed. Later
    /// versions only append fields, so they are read like version 0.
    pub fn parse(key: &[u8], value: &[u8]) -> Option<Self> {
        let (key_version, kind) = (i16_at(key, 0)?, i16_at(key, 2)?);
        let value_version = i16_at(value, 0)?;
        let coordinator_epoch = i32::from_be_bytes(*value.get(2..)?.first_chunk()?);
        let committed = match kind {
            ABORT => false,
            COMMIT => true,
            _ => return None,
        };
        (key_version >= 0 && value_version >= 0).then_some(Self { committed, coordinator_epoch })
    }

    /// The record's key.
    pub fn key(&self) -> [u8; 4] {
        let kind = if self.committed { COMMIT } else { ABORT };
        let ([a, b], [c, d]) = (VERSION.to_be_bytes(), kind.to_be_bytes());
        [a, b, c, d]
    }

    /// The record's value.
    pub fn value(&self) -> [u8; 6] {
        let ([a, b], [c, d, e, f]) = (VERSION.to_be_bytes(), self.coordinator_epoch.to_be_bytes());
        [a, b, c, d, e, f]
    }
}

fn i16_at(bytes: &[u8], at: usize) -> Option<i16> {
    Some(i16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_reads_back_its_golden_bytes() {
        let marker = EndTxnMarker { committed: true, coordinator_epoch: 0x0102_0304 };
        assert_eq!(marker.key(), [0, 0, 0, 1]);
        assert_eq!(marker.value(), [0, 0, 1, 2, 3, 4]);
        assert_eq!(EndTxnMarker::parse(&marker.key(), &marker.value()), Some(marker));
        let abort = EndTxnMarker { committed: false, coordinator_epoch: -1 };
        assert_eq!(EndTxnMarker::parse(&abort.key(), &abort.value()), Some(abort));
    }

    #[test]
    fn other_control_records_and_cut_ones_are_no_markers() {
        let marker = EndTxnMarker { committed: true, coordinator_epoch: 7 };
        assert_eq!(EndTxnMarker::parse(&[0, 0, 0, 2], &marker.value()), None);
        assert_eq!(EndTxnMarker::parse(&[0xff, 0xff, 0, 1], &marker.value()), None);
        for end in 0..4 {
            assert_eq!(EndTxnMarker::parse(&marker.key()[..end], &marker.value()), None);
        }
        for end in 0..6 {
            assert_eq!(EndTxnMarker::parse(&marker.key(), &marker.value()[..end]), None);
        }
    }
}
