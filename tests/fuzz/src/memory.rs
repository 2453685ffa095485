//! What an input takes of memory: the most heap bytes that were live at once while it ran, beyond those before it. Memory of C
//! libraries (zstd) is not seen here; libFuzzer's `-rss_limit_mb` bounds it.

use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Heap bytes that an input may take.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Always.
    pub fixed: usize,
    /// For each byte of input.
    pub factor: usize,
}

/// What an input took.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Most live heap bytes at once.
    pub peak: usize,
    /// Bytes of the input.
    pub input: usize,
}

impl Budget {
    /// The limit in bytes for an input of `size` bytes.
    pub fn limit(self, size: usize) -> usize {
        self.factor.saturating_mul(size).saturating_add(self.fixed)
    }
}

impl Usage {
    /// Bytes of memory for each byte of input.
    #[allow(clippy::cast_precision_loss)]
    pub fn ratio(self) -> f64 {
        self.peak as f64 / self.input.max(1) as f64
    }
}

/// Runs `work` on an input of `size` bytes. Right only while nothing else allocates.
pub fn measure(size: usize, work: impl FnOnce()) -> Usage {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    work();
    Usage { peak: ALLOCATOR.peak_usage().saturating_sub(before), input: size }
}
