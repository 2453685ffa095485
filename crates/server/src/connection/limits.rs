//! How many connections there may be: in all, from one address, and as the process has descriptors.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

/// Counts connections.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    all: u64,
    by_address: HashMap<IpAddr, u64>,
}

/// Descriptors that connections leave to the store, whose files need some at any time: an eighth, within these bounds.
const RESERVED: std::ops::RangeInclusive<u64> = 32..=1024;

/// Open files from which on the store keeps none open that it does not need at the moment: half of the process's descriptors.
pub(crate) fn store_descriptors(limit: u64) -> usize {
    usize::try_from(limit / 2).unwrap_or(usize::MAX)
}

/// Whether a connection may have this descriptor, where the process may have so many (`ulimit -n`; `None` is no limit). The
/// system gives the lowest that is free: a high one says that few are left.
pub(crate) fn leaves_descriptors(descriptor: i32, limit: Option<u64>) -> bool {
    let Some(limit) = limit else { return true };
    let reserved = (limit / 8).clamp(*RESERVED.start(), *RESERVED.end());
    u64::try_from(descriptor).is_ok_and(|descriptor| descriptor < limit.saturating_sub(reserved))
}

/// A connection's place; dropping it makes room for another.
#[derive(Debug)]
pub(crate) struct Place {
    connections: Arc<Connections>,
    address: IpAddr,
}

impl Connections {
    /// Takes a place.
    ///
    /// # Errors
    /// The name of the setting that does not allow one more.
    pub(crate) fn admit(
        self: &Arc<Self>,
        address: IpAddr,
        max: u64,
        max_by_address: u64,
    ) -> Result<Place, &'static str> {
        let address = address.to_canonical();
        let mut counts = self.counts.lock();
        if counts.all >= max {
            return Err("max.connections");
        }
        let from_there = counts.by_address.get(&address).copied().unwrap_or(0);
        if from_there >= max_by_address {
            return Err("max.connections.per.ip");
        }
        counts.all += 1;
        counts.by_address.insert(address, from_there + 1);
        Ok(Place { connections: Arc::clone(self), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.connections.counts.lock();
        counts.all = counts.all.saturating_sub(1);
        if let Some(count) = counts.by_address.get_mut(&self.address) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_and_given_back() {
        let connections = Arc::new(Connections::default());
        let (here, there) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let first = connections.admit(here, 3, 2).unwrap();
        let _second = connections.admit(here, 3, 2).unwrap();
        assert_eq!(connections.admit(here, 3, 2).unwrap_err(), "max.connections.per.ip");
        let _third = connections.admit(there, 3, 2).unwrap();
        assert_eq!(connections.admit(there, 3, 2).unwrap_err(), "max.connections");
        drop(first);
        assert!(connections.admit(here, 3, 2).is_ok());
        assert_eq!(connections.counts.lock().by_address.len(), 2);
    }

    #[test]
    fn the_last_descriptors_are_not_for_connections() {
        assert!(leaves_descriptors(i32::MAX, None));
        assert!(leaves_descriptors(895, Some(1024)) && !leaves_descriptors(896, Some(1024)));
        assert!(leaves_descriptors(98_975, Some(100_000)) && !leaves_descriptors(98_976, Some(100_000)));
        assert!(leaves_descriptors(67, Some(100)) && !leaves_descriptors(68, Some(100)));
        assert!(!leaves_descriptors(0, Some(16)));
    }

    #[test]
    fn the_store_leaves_half_of_the_descriptors_to_everything_else() {
        assert_eq!((store_descriptors(256), store_descriptors(1024)), (128, 512));
    }

    #[test]
    fn an_ipv4_address_is_the_same_on_an_ipv6_socket() {
        let connections = Arc::new(Connections::default());
        let mapped: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
        let _first = connections.admit(IpAddr::from([127, 0, 0, 1]), 9, 1).unwrap();
        assert!(connections.admit(mapped, 9, 1).is_err());
    }
}
