//! Which clip frame went out with which RTP timestamp and when, so that measurements can match pictures: CSV with the
//! header `rtp_timestamp,clip_frame_index,sent_unix_us`.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::Context;

#[derive(Debug)]
pub(crate) struct FrameLog(BufWriter<File>);

impl FrameLog {
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        let doing = || format!("writing the frame log {}", path.display());
        let mut file = BufWriter::new(File::create(path).with_context(doing)?);
        writeln!(file, "rtp_timestamp,clip_frame_index,sent_unix_us").with_context(doing)?;
        Ok(Self(file))
    }

    /// One line, at once in the file: readers follow it live.
    pub(crate) fn write(&mut self, rtp_timestamp: u32, clip_frame_index: u64, sent: SystemTime) -> anyhow::Result<()> {
        writeln!(self.0, "{rtp_timestamp},{clip_frame_index},{}", unix_us(sent))
            .and_then(|()| self.0.flush())
            .context("writing the frame log")
    }
}

pub(super) fn unix_us(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn lines_are_there_as_soon_as_they_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("frames.csv");
        let mut log = FrameLog::create(&path).unwrap();
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        log.write(u32::MAX, 0, at(3)).unwrap();
        log.write(2_999, 1, at(4)).unwrap();
        let header = "rtp_timestamp,clip_frame_index,sent_unix_us";
        let expected = format!("{header}\n4294967295,0,3000000\n2999,1,4000000\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = FrameLog::create(Path::new("/nowhere/frames.csv")).unwrap_err();
        assert!(error.to_string().contains("/nowhere/frames.csv"), "{error}");
    }
}
