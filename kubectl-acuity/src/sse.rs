//! Server-sent events out of bytes as they come.

/// The longest event that is waited for.
const MAX_BYTES: usize = 1 << 20;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) data: String,
}

#[derive(Debug, Default)]
pub(crate) struct Parser {
    line: Vec<u8>,
    name: String,
    data: String,
}

impl Parser {
    /// The events that these bytes complete.
    pub(crate) fn handle(&mut self, bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        for &byte in bytes {
            if byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                events.extend(self.handle_line(String::from_utf8_lossy(&line).trim_end_matches('\r')));
            } else if self.line.len() < MAX_BYTES {
                self.line.push(byte);
            }
        }
        events
    }

    fn handle_line(&mut self, line: &str) -> Option<Event> {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" if self.data.len() + value.len() < MAX_BYTES => self.data.push_str(value),
            // An empty line ends an event; a comment has an empty field and more.
            "" if line.is_empty() => {
                let event = Event { name: std::mem::take(&mut self.name), data: std::mem::take(&mut self.data) };
                return (!event.data.is_empty()).then_some(event);
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_whole_however_the_bytes_come() {
        let bytes =
            b": hello\n\nevent: status\ndata: {\"a\":\ndata: 1}\n\nevent: restored\r\ndata:x\r\n\r\nevent: half\n";
        let expected = [("status", "{\"a\":1}"), ("restored", "x")]
            .map(|(name, data)| Event { name: name.to_owned(), data: data.to_owned() });
        for size in 1..bytes.len() {
            let mut parser = Parser::default();
            let events: Vec<_> = bytes.chunks(size).flat_map(|chunk| parser.handle(chunk)).collect();
            assert_eq!(events, expected, "in pieces of {size}");
        }
    }
}
