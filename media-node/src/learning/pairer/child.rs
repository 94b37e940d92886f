//! One `patch-pairer` process: a bounded inbox, its answers, its end.

use std::{
    io,
    path::Path,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use prost::Message;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    process::{ChildStdin, ChildStdout, Command},
    sync::mpsc,
};

use crate::learning::wire::{FromPairer, FromPairerKind, MAX_MESSAGE_BYTES, ToPairer, ToPairerKind};

/// Messages and bytes that wait for the child to read.
const INBOX_MESSAGES: usize = 256;
const INBOX_BYTES: usize = 8 << 20;
const ANSWERS: usize = 64;
/// A child that does not read for this long hangs.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);
/// A child whose input has ended has this long to end.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// Dropped, it is told to end, and killed if it does not.
#[derive(Debug)]
pub(super) struct Child {
    inbox: mpsc::Sender<Bytes>,
    inbox_bytes: Arc<AtomicUsize>,
    answers: mpsc::Receiver<Result<FromPairerKind, Ended>>,
}

/// It died, and this is how.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) reason: String,
}

#[derive(Debug)]
pub(super) enum SendError {
    Full,
    Ended,
}

impl Child {
    pub(super) fn spawn(program: &Path) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true).env_clear();
        if let Some(path) = std::env::var_os("LD_LIBRARY_PATH") {
            command.env("LD_LIBRARY_PATH", path);
        }
        let process = command.spawn()?;
        let (inbox, inbox_receiver) = mpsc::channel(INBOX_MESSAGES);
        let (answer_sender, answers) = mpsc::channel(ANSWERS);
        let inbox_bytes = Arc::<AtomicUsize>::default();
        tokio::spawn(attend(process, inbox_receiver, Arc::clone(&inbox_bytes), answer_sender));
        Ok(Self { inbox, inbox_bytes, answers })
    }

    pub(super) fn send(&self, kind: ToPairerKind) -> Result<(), SendError> {
        let bytes: Bytes = ToPairer { kind: Some(kind) }.encode_length_delimited_to_vec().into();
        let length = bytes.len();
        if length > MAX_MESSAGE_BYTES || self.inbox_bytes.load(Ordering::Relaxed) + length > INBOX_BYTES {
            return Err(SendError::Full);
        }
        self.inbox_bytes.fetch_add(length, Ordering::Relaxed);
        self.inbox.try_send(bytes).map_err(|error| {
            self.inbox_bytes.fetch_sub(length, Ordering::Relaxed);
            match error {
                mpsc::error::TrySendError::Full(_) => SendError::Full,
                mpsc::error::TrySendError::Closed(_) => SendError::Ended,
            }
        })
    }

    pub(super) async fn next_answer(&mut self) -> Result<FromPairerKind, Ended> {
        let ended = || Err(Ended { reason: "unknown".to_owned() });
        self.answers.recv().await.unwrap_or_else(ended)
    }
}

/// Serves one process until it ends, or its inbox is closed.
async fn attend(
    mut process: tokio::process::Child,
    inbox: mpsc::Receiver<Bytes>,
    inbox_bytes: Arc<AtomicUsize>,
    answers: mpsc::Sender<Result<FromPairerKind, Ended>>,
) {
    let (Some(input), Some(output)) = (process.stdin.take(), process.stdout.take()) else { return };
    let fault = tokio::select! {
        fault = write_messages(input, inbox, inbox_bytes) => fault,
        fault = read_messages(output, &answers) => fault,
    };
    let reason = match tokio::time::timeout(END_TIMEOUT, process.wait()).await {
        Ok(Ok(status)) if !status.success() => status.to_string(),
        Ok(_) => fault,
        Err(_) => {
            // Fails only when it has ended after all.
            let _ = process.kill().await;
            format!("{fault}, killed")
        }
    };
    // Nobody listens when the child was told to end.
    let _ = answers.send(Err(Ended { reason })).await;
}

async fn write_messages(
    mut input: ChildStdin,
    mut inbox: mpsc::Receiver<Bytes>,
    inbox_bytes: Arc<AtomicUsize>,
) -> String {
    while let Some(message) = inbox.recv().await {
        let written = tokio::time::timeout(WRITE_TIMEOUT, input.write_all(&message)).await;
        inbox_bytes.fetch_sub(message.len(), Ordering::Relaxed);
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return format!("writing to it: {error}"),
            Err(_) => return "it does not read".to_owned(),
        }
    }
    "told to end".to_owned()
}

async fn read_messages(output: ChildStdout, answers: &mpsc::Sender<Result<FromPairerKind, Ended>>) -> String {
    let mut output = BufReader::new(output);
    loop {
        match read_message(&mut output).await {
            Ok(FromPairer { kind: Some(kind) }) => {
                if answers.send(Ok(kind)).await.is_err() {
                    return "told to end".to_owned();
                }
            }
            Ok(FromPairer { kind: None }) => {}
            Err(error) => return format!("reading from it: {error}"),
        }
    }
}

async fn read_message(output: &mut BufReader<ChildStdout>) -> io::Result<FromPairer> {
    let malformed = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut length = 0_usize;
    for index in 0..5 {
        let byte = output.read_u8().await?;
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            break;
        }
    }
    if length > MAX_MESSAGE_BYTES {
        return Err(malformed(format!("a message of {length} bytes")));
    }
    let mut bytes = vec![0; length];
    output.read_exact(&mut bytes).await?;
    FromPairer::decode(Bytes::from(bytes)).map_err(|error| malformed(error.to_string()))
}
