//! Arguments that several benchmarks have in common.

use std::time::Duration;

use clap::Args;
use highwater_wire::record::Compression;

use super::batch::Shape;
use super::load::Span;
use crate::client::ClientError;

/// What is sent.
#[derive(Debug, Clone, Args)]
pub(super) struct BatchArguments {
    /// Bytes of a record's value.
    #[arg(long, value_parser = parse_size, default_value = "1024")]
    record_bytes: u64,
    /// Bytes of values in a batch: as many records as fit, at least one.
    #[arg(long, value_parser = parse_size, default_value = "16384")]
    batch_bytes: u64,
    /// Records in a batch, instead of --batch-bytes.
    #[arg(long, conflicts_with = "batch_bytes")]
    batch_records: Option<usize>,
    /// none, gzip, snappy, lz4 or zstd.
    #[arg(long, default_value = "none")]
    codec: String,
}

impl BatchArguments {
    /// What a batch is made of.
    ///
    /// # Errors
    /// [`ClientError::Usage`] for an unknown codec and sizes beyond memory.
    pub(super) fn shape(&self) -> Result<Shape, ClientError> {
        let size = |size: u64| {
            usize::try_from(size).map_err(|_| ClientError::Usage(format!("{size} bytes: too many")))
        };
        let codec = Compression::from_name(&self.codec)
            .ok_or_else(|| ClientError::Usage(format!("--codec {}: unknown", self.codec)))?;
        let record_bytes = size(self.record_bytes)?;
        let fit = size(self.batch_bytes)?.checked_div(record_bytes).unwrap_or(1).max(1);
        Ok(Shape { record_bytes, records: self.batch_records.unwrap_or(fit), codec })
    }
}

/// How it is sent.
#[derive(Debug, Clone, Args)]
pub(super) struct SendArguments {
    /// all, 1 or 0.
    #[arg(long, default_value = "all")]
    acks: String,
    /// Requests under way on each connection.
    #[arg(long, default_value_t = 5)]
    window: usize,
}

impl SendArguments {
    /// `acks` as a Produce request has it.
    ///
    /// # Errors
    /// [`ClientError::Usage`] for another word.
    pub(super) fn acks(&self) -> Result<i16, ClientError> {
        match self.acks.as_str() {
            "all" | "-1" => Ok(-1),
            "1" => Ok(1),
            "0" => Ok(0),
            other => Err(ClientError::Usage(format!("--acks {other}: expected all, 1 or 0"))),
        }
    }

    /// `acks` as it was said.
    pub(super) fn acks_name(&self) -> &str {
        &self.acks
    }

    /// Requests under way on each connection, at least one.
    pub(super) fn window(&self) -> usize {
        self.window.max(1)
    }
}

/// For how long.
#[derive(Debug, Clone, Args)]
pub(super) struct SpanArguments {
    /// Seconds that count.
    #[arg(long, default_value_t = 10.0)]
    duration: f64,
    /// Seconds before them that do not.
    #[arg(long, default_value_t = 1.0)]
    warmup: f64,
}

impl SpanArguments {
    /// The span.
    ///
    /// # Errors
    /// [`ClientError::Usage`] for times that are none.
    pub(super) fn span(&self) -> Result<Span, ClientError> {
        Ok(Span::Time {
            warmup: seconds("--warmup", self.warmup)?,
            duration: seconds("--duration", self.duration)?,
        })
    }
}

/// So many seconds.
///
/// # Errors
/// [`ClientError::Usage`] for what is no time.
pub(super) fn seconds(name: &str, value: f64) -> Result<Duration, ClientError> {
    Duration::try_from_secs_f64(value).map_err(|error| ClientError::Usage(format!("{name} {value}: {error}")))
}

/// A number of bytes: `1500`, `128KiB`, `2MB`, `5GB`. Units ending in `iB` are powers of 1024, the others of 1000.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit: u64 = match text.get(digits.len()..).unwrap_or_default() {
        "" | "B" => 1,
        "KB" | "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        other => return Err(format!("unknown unit {other}: expected KB, MB, GB, KiB, MiB or GiB")),
    };
    let number: u64 = digits.trim().parse().map_err(|_| format!("{text}: expected a number of bytes"))?;
    number.checked_mul(unit).ok_or_else(|| format!("{text}: too many bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        let sizes = ["0", "1500", "128KiB", "2MB", "5 GB", "3B"].map(|text| parse_size(text).unwrap());
        assert_eq!(sizes, [0, 1_500, 131_072, 2_000_000, 5_000_000_000, 3]);
        for text in ["", "KiB", "1.5MB", "-1", "1 TB", "99999999999999GB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_batch_holds_the_records_that_fit() {
        let arguments = |record_bytes, batch_bytes, batch_records| BatchArguments {
            record_bytes,
            batch_bytes,
            batch_records,
            codec: "lz4".to_owned(),
        };
        for (arguments, records) in [
            (arguments(1024, 131_072, None), 128),
            (arguments(1000, 16_384, None), 16),
            (arguments(100_000, 16_384, None), 1),
            (arguments(0, 16_384, None), 1),
            (arguments(10, 16_384, Some(7)), 7),
        ] {
            assert_eq!(arguments.shape().unwrap().records, records);
        }
        let unknown = BatchArguments { codec: "rar".to_owned(), ..arguments(1, 1, None) };
        assert!(unknown.shape().unwrap_err().to_string().contains("rar"));
    }
}
