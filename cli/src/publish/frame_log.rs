//! Which clip frame went out with which RTP timestamp, so that measurements can match pictures: CSV with the header
//! `rtp_timestamp,clip_frame_index`.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use anyhow::Context;

#[derive(Debug)]
pub(crate) struct FrameLog(BufWriter<File>);

impl FrameLog {
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        let doing = || format!("writing the frame log {}", path.display());
        let mut file = BufWriter::new(File::create(path).with_context(doing)?);
        writeln!(file, "rtp_timestamp,clip_frame_index").with_context(doing)?;
        Ok(Self(file))
    }

    /// One line, at once in the file: readers follow it live.
    pub(crate) fn write(&mut self, rtp_timestamp: u32, clip_frame_index: u64) -> anyhow::Result<()> {
        writeln!(self.0, "{rtp_timestamp},{clip_frame_index}")
            .and_then(|()| self.0.flush())
            .context("writing the frame log")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_there_as_soon_as_they_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("frames.csv");
        let mut log = FrameLog::create(&path).unwrap();
        log.write(u32::MAX, 0).unwrap();
        log.write(2_999, 1).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "rtp_timestamp,clip_frame_index\n4294967295,0\n2999,1\n");
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = FrameLog::create(Path::new("/nowhere/frames.csv")).unwrap_err();
        assert!(error.to_string().contains("/nowhere/frames.csv"), "{error}");
    }
}
