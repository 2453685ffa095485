//! Counters that a broker shows in Prometheus' text form, before and after.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::client::ClientError;

/// A page may not be larger.
const PAGE_BYTES_MAX: u64 = 16 << 20;
const TIMEOUT: Duration = Duration::from_secs(10);
/// Which metrics are about the metadata store.
const ABOUT_METADATA: &str = "meta";
const COUNTER: &str = "_total";

/// Counters by name, over all labels.
pub(super) type Counters = BTreeMap<String, f64>;

/// Reads the counters about metadata at `http://HOST:PORT/PATH`.
///
/// # Errors
/// [`ClientError::Usage`] for another kind of URL and an answer other than 200; what the connection says.
pub(super) fn scrape(url: &str) -> Result<Counters, ClientError> {
    let wrong = |what: &str| ClientError::Usage(format!("--metrics {url}: {what}"));
    let rest = url.strip_prefix("http://").ok_or_else(|| wrong("expected http://HOST:PORT/PATH"))?;
    let (address, path) = rest.split_once('/').unwrap_or((rest, "metrics"));
    let page = get(address, path).map_err(|error| wrong(&error.to_string()))?;
    let page = String::from_utf8_lossy(&page);
    let (head, body) = page.split_once("\r\n\r\n").ok_or_else(|| wrong("no answer of HTTP"))?;
    if head.split_whitespace().nth(1) != Some("200") {
        return Err(wrong(head.lines().next().unwrap_or_default()));
    }
    Ok(parse(body))
}

fn get(address: &str, path: &str) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    write!(stream, "GET /{path} HTTP/1.0\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut page = Vec::new();
    stream.take(PAGE_BYTES_MAX).read_to_end(&mut page)?;
    Ok(page)
}

fn parse(body: &str) -> Counters {
    let mut counters = Counters::new();
    for line in body.lines().filter(|line| !line.starts_with('#')) {
        let Some((series, value)) = line.rsplit_once(' ') else { continue };
        let name = series.split('{').next().unwrap_or_default();
        if let Ok(value) = value.parse::<f64>()
            && name.ends_with(COUNTER)
            && name.contains(ABOUT_METADATA)
        {
            *counters.entry(name.to_owned()).or_default() += value;
        }
    }
    counters
}

/// What rose.
pub(super) fn risen(before: &Counters, after: &Counters) -> Counters {
    let risen = after.iter().map(|(name, value)| {
        let old = before.get(name).copied().unwrap_or_default();
        (name.clone(), value - old)
    });
    risen.filter(|(_, value)| *value > 0.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_summed_over_their_labels_and_told_by_what_they_rose() {
        let before =
            parse("# HELP x_meta_total\nx_meta_total{a=\"1 2\"} 3\nx_meta_total{a=\"2\"} 4\ny_total 5\n");
        assert_eq!(before, Counters::from([("x_meta_total".to_owned(), 7.0)]));
        let after = parse("x_meta_total{a=\"2\"} 9.5\nmeta_still_total 0\nx_meta_bytes 3\n\nrubbish\n");
        assert_eq!(risen(&before, &after), Counters::from([("x_meta_total".to_owned(), 2.5)]));
    }

    #[test]
    fn a_url_that_is_none_is_told() {
        for url in ["127.0.0.1:1/metrics", "http://127.0.0.1:1/metrics", "http://"] {
            assert!(scrape(url).unwrap_err().to_string().contains(url));
        }
    }
}
