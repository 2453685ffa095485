//! The batches that lie back to back in a byte range: a Produce request's records, a piece of a segment.

use bytes::Bytes;

use super::{BatchError, BatchHeader};

/// Hops from batch to batch. Each item is a parsed header and the whole batch's bytes, unverified; after the first
/// error there are no more. Bytes too few for a batch at the end are [`BatchError::Truncated`].
pub fn batches(bytes: Bytes) -> impl Iterator<Item = Result<(BatchHeader, Bytes), BatchError>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let item = next_batch(&mut rest);
        if item.is_err() {
            rest.clear();
        }
        Some(item)
    })
}

fn next_batch(rest: &mut Bytes) -> Result<(BatchHeader, Bytes), BatchError> {
    let header = BatchHeader::parse(rest)?;
    match usize::try_from(header.size()) {
        Ok(size) if size <= rest.len() => Ok((header, rest.split_to(size))),
        _ => Err(BatchError::Truncated { size: rest.len() as u64, needed: header.size() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{BatchBuilder, Record};

    #[test]
    fn batches_come_one_by_one_and_a_cut_one_ends_them() {
        let one = |value: &'static str| {
            let mut builder = BatchBuilder::new();
            builder.push(&Record { value: Some(value.into()), ..Record::default() });
            builder.build().unwrap()
        };
        let both = [one("first"), one("second, longer")].concat();
        for end in 0..=both.len() {
            let found: Vec<_> = batches(Bytes::copy_from_slice(&both[..end])).collect();
            let whole = found.iter().filter(|item| item.is_ok()).count();
            let first = one("first").len();
            assert_eq!(whole, usize::from(end >= first) + usize::from(end == both.len()), "cut at {end}");
            let cut = end != 0 && end != first && end != both.len();
            assert_eq!(found.len(), whole + usize::from(cut), "cut at {end}");
        }
    }
}
