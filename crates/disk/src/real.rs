//! The real disk.

/// The file system of this machine.
#[derive(Debug)]
pub struct RealDisk;
