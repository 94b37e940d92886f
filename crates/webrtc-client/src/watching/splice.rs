//! Where the pictures of one session end and those of the next begin, by their RTP timestamps.

/// Two sessions of a stream are on one time line, mostly; further apart than this they are not.
const ONE_TIME_LINE: i32 = 2 * 90_000;

/// The next session begins here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Splice(u32);

impl Splice {
    pub(super) fn at(first: u32) -> Self {
        Self(first)
    }

    /// Whether a packet of the session before is of a picture that the next one will not show.
    pub(super) fn is_before(self, timestamp: u32) -> bool {
        (-ONE_TIME_LINE..0).contains(&timestamp.wrapping_sub(self.0).cast_signed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_before_the_first_of_the_next_session_are_shown_and_no_others() {
        for first in [1_000_000, 1_000] {
            let before = |ticks: i32| Splice::at(first).is_before(first.wrapping_add_signed(ticks));
            assert!(before(-1) && before(-3_000) && before(-180_000));
            assert!(!before(0) && !before(3_000));
            assert!(!before(-180_001) && !before(i32::MIN), "another time line");
        }
    }
}
