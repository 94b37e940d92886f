//! What the publisher's socket has sent so far, by kind: CSV with the header `unix_us,video,patches,audio,other`, in
//! bytes of UDP payload.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::Context;
use tokio::time::{MissedTickBehavior, interval};

use super::{frame_log::unix_us, shared::Shared};

#[derive(Debug)]
pub(crate) struct UplinkLog(BufWriter<File>);

const INTERVAL: Duration = Duration::from_millis(100);

impl UplinkLog {
    pub(crate) fn create(path: &Path) -> anyhow::Result<Self> {
        let doing = || format!("writing the uplink log {}", path.display());
        let mut file = BufWriter::new(File::create(path).with_context(doing)?);
        writeln!(file, "unix_us,video,patches,audio,other").with_context(doing)?;
        Ok(Self(file))
    }

    /// Writes for as long as it can. A disk that is full ends the log, not the stream.
    pub(crate) async fn follow(mut self, shared: Arc<Shared>) {
        let mut ticks = interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.write(&shared) {
                tracing::warn!(%error, "the uplink log ends here");
                return;
            }
        }
    }

    /// One line, at once in the file: the process may be killed.
    fn write(&mut self, shared: &Shared) -> io::Result<()> {
        let (at, bytes) = (unix_us(SystemTime::now()), shared.outlet.uplink_bytes());
        writeln!(self.0, "{at},{},{},{},{}", bytes.video, bytes.patches, bytes.audio, bytes.other)?;
        self.0.flush()
    }
}
