//! Decodes a stream's LR video and its patches, and pairs them. A child of the media-node: access units and patches
//! come on standard input, pairs go to standard output. What it reads was written by a stranger, so it holds no
//! secret, has no network and little memory, and its death costs the relay nothing.

mod frames;
mod pairing;
mod sandbox;
mod scenes;

use std::io::{self, BufWriter, Read, Write};

use anyhow::{Context, bail};
use bytes::Bytes;
use media_node::learning::wire::{MAX_MESSAGE_BYTES, ToPairer};
use prost::Message;

use pairing::Pairer;

fn main() -> anyhow::Result<()> {
    sandbox::die_with_parent()?;
    media::init();
    let pairer = Pairer::new().context("opening the decoder")?;
    sandbox::enter()?;
    pair(pairer, io::stdin().lock(), BufWriter::new(io::stdout().lock()))
}

/// Until the input ends.
fn pair(mut pairer: Pairer, mut input: impl Read, mut output: impl Write) -> anyhow::Result<()> {
    while let Some(message) = read_message(&mut input)? {
        for answer in pairer.handle(message) {
            output.write_all(&answer.encode_length_delimited_to_vec()).context("writing to the media-node")?;
        }
        output.flush().context("writing to the media-node")?;
    }
    Ok(())
}

fn read_message(input: &mut impl Read) -> anyhow::Result<Option<ToPairer>> {
    let Some(length) = read_length(input)? else { return Ok(None) };
    if length > MAX_MESSAGE_BYTES as u64 {
        bail!("a message of {length} bytes from the media-node");
    }
    let mut bytes = vec![0; length as usize];
    input.read_exact(&mut bytes).context("reading from the media-node")?;
    ToPairer::decode(Bytes::from(bytes)).map(Some).context("reading from the media-node")
}

/// A varint of at most 5 bytes; `None` at the end of the input.
fn read_length(input: &mut impl Read) -> anyhow::Result<Option<u64>> {
    let mut length = 0;
    for index in 0..5 {
        let mut byte = [0];
        match input.read(&mut byte).context("reading from the media-node")? {
            0 if index == 0 => return Ok(None),
            0 => bail!("the input ends within a message"),
            _ => length |= u64::from(byte[0] & 0x7f) << (7 * index),
        }
        if byte[0] & 0x80 == 0 {
            return Ok(Some(length));
        }
    }
    bail!("a malformed length from the media-node")
}
