//! When a server counts as gone: nothing came from it for a second.

use std::time::Duration;

/// How often [`Silence::tick`] is to be called.
pub(crate) const TICK: Duration = Duration::from_millis(100);
const SILENT_TICKS: u32 = 10;

/// Counts ticks without a datagram. Ticks, not wall time: a client that itself stood still has not listened.
///
/// A live server always speaks: it answers the keepalives sent to it every [`KEEPALIVE`].
#[derive(Debug, Default)]
pub(crate) struct Silence {
    datagrams: u64,
    silent_ticks: u32,
}

/// Interval of STUN binding requests to the server: two may be lost within the second of patience.
pub(crate) const KEEPALIVE: Duration = Duration::from_millis(300);

impl Silence {
    /// `datagrams` received so far; true when the server is gone.
    pub(crate) fn tick(&mut self, datagrams: u64) -> bool {
        self.silent_ticks = if datagrams == self.datagrams { self.silent_ticks + 1 } else { 0 };
        self.datagrams = datagrams;
        self.silent_ticks >= SILENT_TICKS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_gone_after_a_second_without_a_datagram() {
        let mut silence = Silence::default();
        assert!((0..30).all(|tick| !silence.tick(tick / 5 + 1)), "a datagram every half second is enough");
        let ticks = (1..).find(|_| silence.tick(6)).unwrap();
        assert!((6..=10).contains(&ticks), "{ticks}");
    }
}
