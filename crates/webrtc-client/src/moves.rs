//! What a server tells its viewers: that the stream moves (server-sent events; RFC-less, linked to by the answer).

use std::time::Duration;

use proto::status::{StreamEvent, StreamEventKind};
use reqwest::{Client, Url};

use crate::route::is_loopback;

/// The relation of a link to such events.
pub(crate) const RELATION: &str = "urn:acuity:events";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A server that is there says something every 15 s.
const SILENT: Duration = Duration::from_secs(45);
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// An event is some hundred bytes long.
const MAX_EVENT_BYTES: usize = 64 << 10;

/// Returns when the server says that the stream moves: where to, as a URL reference.
pub(crate) async fn hear_move(events: Url, token: Option<String>) -> String {
    loop {
        match listen(&events, token.as_deref()).await {
            Ok(Some(url)) => return url,
            Ok(None) => tracing::debug!("the server's events have ended"),
            Err(error) => tracing::debug!(%error, "the server's events broke off"),
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

/// `None` when the events end without such a one.
async fn listen(events: &Url, token: Option<&str>) -> reqwest::Result<Option<String>> {
    let client = Client::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(SILENT);
    let client = if is_loopback(events.as_str()) { client.no_proxy() } else { client };
    let request = client.build()?.get(events.clone());
    let request = token.into_iter().fold(request, |request, token| request.bearer_auth(token));
    let mut answer = request.send().await?.error_for_status()?;
    let mut text = Vec::new();
    while let Some(bytes) = answer.chunk().await? {
        text.extend_from_slice(&bytes);
        while let Some(end) = text.windows(2).position(|two| two == b"\n\n") {
            let event: Vec<u8> = text.drain(..end + 2).collect();
            if let Some(url) = parse_move(&String::from_utf8_lossy(&event)) {
                return Ok(Some(url));
            }
        }
        if text.len() > MAX_EVENT_BYTES {
            return Ok(None);
        }
    }
    Ok(None)
}

fn parse_move(event: &str) -> Option<String> {
    let data = event.lines().find_map(|line| line.strip_prefix("data:"))?;
    match serde_json::from_str::<StreamEvent>(data).ok()?.kind {
        StreamEventKind::Moved { url } => Some(url),
        _ => None,
    }
}

/// The target of the link with our relation, of those in one `Link` header (RFC 8288).
pub(crate) fn parse_link(header: &str) -> Option<&str> {
    header.split(',').find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_ours = |parameter: &str| {
            let relation = parameter.trim().strip_prefix("rel=").map(|value| value.trim_matches('"'));
            relation.is_some_and(|relations| relations.split(' ').any(|relation| relation == RELATION))
        };
        parameters.split(';').any(is_ours).then_some(target)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_is_told_from_other_events() {
        let moved = "event: moved\ndata: {\"at_unix_us\":5,\"kind\":\"moved\",\"url\":\"../there\"}\n\n";
        assert_eq!(parse_move(moved).as_deref(), Some("../there"));
        for other in
            ["event: x\ndata: {\"at_unix_us\":5,\"kind\":\"scene_change\"}\n\n", ": keep alive\n\n", "data: x\n\n"]
        {
            assert_eq!(parse_move(other), None, "{other}");
        }
    }

    #[test]
    fn the_link_to_events_is_found_among_others() {
        for (header, expected) in [
            ("<api/events?kinds=moved>; rel=\"urn:acuity:events\"", Some("api/events?kinds=moved")),
            ("<stun:s>; rel=\"ice-server\", <../e>; x=1; rel=urn:acuity:events", Some("../e")),
            ("<stun:s>; rel=\"ice-server\"", None),
            ("nonsense", None),
            ("", None),
        ] {
            assert_eq!(parse_link(header), expected, "{header}");
        }
    }
}
