//! A broker that answers whatever it likes: the client says what is wrong, and neither panics nor takes memory for it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::member::Member;
use super::{ClientError, Cluster, Connection, groups, offsets};

const METADATA: i16 = 3;
const FIND_COORDINATOR: i16 = 10;
/// What it announces: with these versions of Metadata and FindCoordinator, and everything else that the tools ask about groups.
const SERVED: [(i16, i16); 12] = [
    (2, 9),
    (METADATA, 1),
    (8, 9),
    (9, 7),
    (FIND_COORDINATOR, 0),
    (11, 9),
    (12, 4),
    (13, 5),
    (14, 5),
    (15, 6),
    (16, 5),
    (42, 2),
];

/// A request, as far as the broker looks at it.
struct Asked {
    /// Requests before it on the connection.
    number: u64,
    key: i16,
    correlation_id: [u8; 4],
    /// Where the broker listens.
    port: u16,
}

impl Asked {
    fn read(stream: &mut TcpStream, number: u64, port: u16) -> Option<Self> {
        let mut size = [0; 4];
        stream.read_exact(&mut size).ok()?;
        let mut frame = vec![0; u32::from_be_bytes(size) as usize];
        stream.read_exact(&mut frame).ok()?;
        let key = i16::from_be_bytes(frame[..2].try_into().ok()?);
        Some(Self { number, key, correlation_id: frame[4..8].try_into().ok()?, port })
    }

    /// An answer to it.
    fn answer(&self, body: &[u8]) -> Vec<u8> {
        framed(self.correlation_id, body)
    }

    /// Node 1, which is the broker itself.
    fn node(&self) -> Vec<u8> {
        [b"\0\0\0\x01\0\x09127.0.0.1", &u32::from(self.port).to_be_bytes()[..]].concat()
    }
}

/// Listens; an empty answer hangs up.
fn broker(answer: impl Fn(&Asked) -> Vec<u8> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, answer) = (stream.unwrap(), Arc::clone(&answer));
            std::thread::spawn(move || {
                for number in 0.. {
                    let Some(asked) = Asked::read(&mut stream, number, address.port()) else { break };
                    let answer = answer(&asked);
                    if answer.is_empty() || stream.write_all(&answer).is_err() {
                        break;
                    }
                }
            });
        }
    });
    address.to_string()
}

fn framed(correlation_id: [u8; 4], body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(4 + body.len()).unwrap();
    [&size.to_be_bytes()[..], &correlation_id, body].concat()
}

fn api_versions() -> Vec<u8> {
    let mut body = vec![0, 0];
    body.extend(u32::try_from(SERVED.len()).unwrap().to_be_bytes());
    for (key, last) in SERVED {
        body.extend([key, 0, last].map(i16::to_be_bytes).concat());
    }
    body
}

#[test]
fn a_frame_of_an_impossible_size_is_refused_before_it_is_read() {
    let address = broker(|_| vec![0x7f, 0xff, 0xff, 0xff]);
    assert!(matches!(Connection::open(&address).err(), Some(ClientError::BadFrame { .. })));
}

#[test]
fn an_answer_that_ends_early_is_a_lost_connection() {
    let address = broker(|_| Vec::new());
    assert!(matches!(Connection::open(&address).err(), Some(ClientError::Lost { .. })));
    let whole = framed([0; 4], &api_versions()).len();
    for end in 1..whole {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serving = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let asked = Asked::read(&mut stream, 0, address.port()).unwrap();
            stream.write_all(&asked.answer(&api_versions())[..end]).unwrap();
        });
        assert!(
            matches!(Connection::open(&address.to_string()).err(), Some(ClientError::Lost { .. })),
            "{end} bytes"
        );
        serving.join().unwrap();
    }
}

#[test]
fn the_answer_to_another_request_is_told() {
    let address = broker(|_| framed([9; 4], &api_versions()));
    assert!(matches!(Connection::open(&address).err(), Some(ClientError::OutOfStep { .. })));
}

#[test]
fn answers_of_random_bytes_are_errors_and_no_panic() {
    let seed = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&seed);
    let address = broker(move |asked| match (asked.number, asked.key) {
        (0, _) => asked.answer(&api_versions()),
        (20.., _) => Vec::new(),
        // Itself is the only broker, and there is no topic: a made-up host name would be looked up.
        (_, METADATA) => {
            asked.answer(&[b"\0\0\0\x01", &asked.node()[..], b"\xff\xff\0\0\0\x01\0\0\0\0"].concat())
        }
        (_, FIND_COORDINATOR) => asked.answer(&[b"\0\0", &asked.node()[..]].concat()),
        (number, _) => asked.answer(&noise(seen.load(Ordering::SeqCst) * 31 + number)),
    });
    for number in 1..300 {
        println!("seed {number}");
        seed.store(number, Ordering::SeqCst);
        let cluster = || Cluster::connect(&address).unwrap();
        let _ = groups::list(&mut cluster());
        let _ = groups::describe(&mut cluster(), "g");
        let _ = offsets::committed(&mut cluster(), "g");
        let _ = offsets::log_offsets(&mut cluster(), &[("t".to_owned(), 0)], offsets::LATEST);
        let _ = Member::new("g", &["t".to_owned()]).join(&mut cluster());
    }
}

/// Up to 200 bytes, most of them small, so that counts and lengths are often believable.
fn noise(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let size = next() % 200;
    (0..size)
        .map(|_| if next() % 4 == 0 { next().to_be_bytes()[0] } else { (next() % 3).to_be_bytes()[7] })
        .collect()
}
