//! What `stat` tells. Times, owners and permissions are not kept: every file is its reader's own.

use std::io;
use std::time::UNIX_EPOCH;

use fuser::{FileAttr, FileType, INodeNo, Request};

use crate::tree::Node;

const BLOCK_SIZE: u32 = 4096;

/// The attributes of a node.
pub(crate) fn attributes(request: &Request, number: u64, node: &Node) -> io::Result<FileAttr> {
    let (size, kind, perm) = match node {
        Node::File(file) => (file.length()?, FileType::RegularFile, 0o644),
        Node::Directory => (0, FileType::Directory, 0o755),
    };
    Ok(FileAttr {
        ino: INodeNo(number),
        size,
        blocks: size.div_ceil(512),
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind,
        perm,
        nlink: 1,
        uid: request.uid(),
        gid: request.gid(),
        rdev: 0,
        blksize: BLOCK_SIZE,
        flags: 0,
    })
}
