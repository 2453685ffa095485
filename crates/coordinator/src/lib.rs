//! Consumer groups as state machines: an event and the time go in, effects come out. No I/O, no clock, no thread, no randomness of
//! its own, so that one seed replays a whole run.
//!
//! [`Groups`] holds groups and their committed offsets. Its owner gives it requests ([`Groups::handle`]), the outcome of
//! commits ([`Groups::committed`]) and the time ([`Groups::advance`], at [`Groups::next_due`]), and carries out the
//! [`Effect`]s that each returns, in their order.
//!
//! What holds always:
//! - a request is answered exactly once, at once or later;
//! - an answer that tells of a change comes after the commit that made the change durable;
//! - within one generation of a group no partition has two owners as far as the leader's assignment has none.
//!
//! Not here: what the network says (versions, topic names), and how effects are carried out.

mod classic;
mod config;
mod describe;
mod effect;
mod expiry;
mod groups;
mod offsets;
mod request;
mod subscription;
#[cfg(test)]
mod testing;
mod turn;

pub use config::GroupConfig;
pub use describe::{GroupDescription, GroupListing, GroupState, MemberDescription};
pub use effect::{
    Answer, CommitId, Effect, JoinAnswer, JoinedMember, LeaveAnswer, LeftMember, OffsetAnswer, SyncAnswer,
};
pub use groups::{Groups, Now};
pub use offsets::CommittedOffset;
pub use request::{
    CommitOffset, DeleteGroup, DeleteOffsets, Heartbeat, Join, Leave, Leaving, OffsetCommit, Protocol,
    Request, Sync, Ticket,
};
