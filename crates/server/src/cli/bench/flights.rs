//! The requests of one connection that wait for their answers, oldest first: those that the system has taken, then those that it
//! has not, then room for more. Knows no socket.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::Instant;

use bytes::Bytes;

/// Requests that are offered to the system in one call: it takes no more than 1 024 pieces, and a request has three.
const OFFERED: usize = 64;

/// A request under way.
#[derive(Debug)]
pub(super) struct Flight {
    /// When it was meant to be sent.
    pub(super) intended: Instant,
    /// Which of the connection's partitions it goes to.
    pub(super) lane: usize,
    /// Expected in the answer.
    pub(super) correlation_id: i32,
    /// What comes before the records.
    head: Vec<u8>,
    records: Records,
    tail: Bytes,
}

/// Records of a request.
#[derive(Debug)]
pub(super) enum Records {
    /// The same as in every other.
    Shared(Bytes),
    /// Its own.
    Own(Vec<u8>),
}

impl Flight {
    fn parts(&self) -> [&[u8]; 3] {
        let records = match &self.records {
            Records::Shared(bytes) => bytes.as_ref(),
            Records::Own(bytes) => bytes.as_slice(),
        };
        [&self.head, records, &self.tail]
    }

    fn size(&self) -> usize {
        self.parts().iter().map(|part| part.len()).sum()
    }
}

/// The requests under way.
#[derive(Debug, Default)]
pub(super) struct Flights {
    queue: VecDeque<Flight>,
    /// How many of them were taken whole.
    sent: usize,
    /// Bytes taken of the next one.
    partial: usize,
    /// Buffers to be used again.
    spare: Vec<Vec<u8>>,
}

impl Flights {
    /// How many wait for their answers.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether the system has all of it.
    pub(super) fn all_sent(&self) -> bool {
        self.sent == self.queue.len()
    }

    /// A buffer, possibly used before.
    pub(super) fn buffer(&mut self) -> Vec<u8> {
        self.spare.pop().unwrap_or_default()
    }

    /// Adds one.
    pub(super) fn push(
        &mut self,
        (intended, lane, correlation_id): (Instant, usize, i32),
        head: Vec<u8>,
        records: Records,
        tail: Bytes,
    ) {
        self.queue.push_back(Flight { intended, lane, correlation_id, head, records, tail });
    }

    /// What is to be sent next, as pieces in order.
    pub(super) fn unsent<'a>(&'a self, pieces: &mut Vec<IoSlice<'a>>) {
        pieces.clear();
        let mut skip = self.partial;
        for flight in self.queue.iter().skip(self.sent).take(OFFERED) {
            for part in flight.parts() {
                let rest = part.get(skip..).unwrap_or_default();
                skip = skip.saturating_sub(part.len());
                if !rest.is_empty() {
                    pieces.push(IoSlice::new(rest));
                }
            }
        }
    }

    /// The system has taken so many bytes more.
    pub(super) fn taken(&mut self, bytes: usize) {
        let mut taken = self.partial + bytes;
        while let Some(size) = self.queue.get(self.sent).map(Flight::size).filter(|size| *size <= taken) {
            taken -= size;
            self.sent += 1;
        }
        self.partial = taken;
    }

    /// The oldest one, if the system has it: it was answered, or needs no answer. To be given back by [`Flights::done`].
    pub(super) fn pop_sent(&mut self) -> Option<Flight> {
        let sent = self.sent.checked_sub(1)?;
        let flight = self.queue.pop_front()?;
        self.sent = sent;
        Some(flight)
    }

    /// Keeps the buffers of one for those to come.
    pub(super) fn done(&mut self, flight: Flight) {
        self.spare.push(flight.head);
        if let Records::Own(bytes) = flight.records {
            self.spare.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_in_any_pieces_is_what_was_pushed() {
        for step in [1, 2, 3, 7, 100] {
            let (mut flights, mut expected, mut seen) = (Flights::default(), Vec::new(), Vec::new());
            for number in 0..5u8 {
                let (head, shared, tail) = (vec![number; 3], Bytes::from(vec![10 + number; 4]), Bytes::new());
                expected.extend([head.as_slice(), &shared].concat());
                flights.push((Instant::now(), 0, number.into()), head, Records::Shared(shared), tail);
            }
            while !flights.all_sent() {
                let mut pieces = Vec::new();
                flights.unsent(&mut pieces);
                let offered: Vec<u8> = pieces.iter().flat_map(|piece| piece.to_vec()).collect();
                let count = step.min(offered.len());
                seen.extend_from_slice(&offered[..count]);
                flights.taken(count);
            }
            assert_eq!(seen, expected, "{step} at a time");
            let mut order = Vec::new();
            while let Some(flight) = flights.pop_sent() {
                order.push(flight.correlation_id);
                flights.done(flight);
            }
            assert_eq!((order, flights.len()), (vec![0, 1, 2, 3, 4], 0));
        }
    }

    #[test]
    fn what_the_system_does_not_have_cannot_be_answered() {
        let mut flights = Flights::default();
        flights.push((Instant::now(), 0, 1), vec![1, 2], Records::Own(vec![3]), Bytes::from_static(&[4]));
        flights.taken(3);
        assert!(!flights.all_sent() && flights.pop_sent().is_none());
        flights.taken(1);
        assert!(flights.all_sent() && flights.pop_sent().is_some());
    }
}
