//! An offer as it is read, and cut down, before the stack sees it.

/// The longest offer that is read.
pub(crate) const MAX_OFFER_BYTES: usize = 64 << 10;
const MAX_SOURCES: usize = 8;
const MAX_CREDENTIAL_BYTES: usize = 256;

/// Why an offer is not answered, by the status the client gets.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OfferError {
    #[error("the offer is malformed: {0}")]
    Malformed(String),
    #[error("the offer has nothing this server can answer: {0}")]
    Unsupported(String),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    /// Without candidates: a lite agent answers whoever proves to be the peer and calls nobody, so an offer cannot make
    /// it send packets to third parties.
    pub(crate) sdp: String,
    pub(crate) ufrag: String,
    pub(crate) password: String,
    pub(crate) has_audio: bool,
    pub(crate) has_channel: bool,
    /// Media sources that the offer names.
    pub(crate) sources: Vec<u32>,
}

impl Offer {
    pub(crate) fn parse(text: &str) -> Result<Self, OfferError> {
        let malformed = |what: &str| OfferError::Malformed(what.to_owned());
        if !text.starts_with("v=0") {
            return Err(malformed("it does not begin with v=0"));
        }
        let kinds: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("m=")?.split(' ').next()).collect();
        let count = |kind: &str| kinds.iter().filter(|other| **other == kind).count();
        let (video, audio, application) = (count("video"), count("audio"), count("application"));
        if (video, kinds.len()) != (1, video + audio + application) || audio > 1 || application > 1 {
            return Err(OfferError::Unsupported(format!("media {kinds:?} instead of one video and at most one audio")));
        }
        if !offers_baseline(text) {
            return Err(OfferError::Unsupported("no H264 (baseline, packetization mode 1)".to_owned()));
        }
        let attribute = |name: &str| {
            let value = text.lines().find_map(|line| line.strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':'));
            value.filter(|value| (1..=MAX_CREDENTIAL_BYTES).contains(&value.len())).map(str::to_owned)
        };
        let ufrag = attribute("ice-ufrag").ok_or_else(|| malformed("no ice-ufrag"))?;
        let password = attribute("ice-pwd").ok_or_else(|| malformed("no ice-pwd"))?;
        let dropped = ["a=candidate:", "a=end-of-candidates", "a=remote-candidates:"];
        let kept = text.lines().filter(|line| !dropped.iter().any(|prefix| line.starts_with(prefix)));
        let sdp = kept.flat_map(|line| [line, "\r\n"]).collect();
        Ok(Self {
            sdp,
            ufrag,
            password,
            has_audio: audio == 1,
            has_channel: application == 1,
            sources: parse_sources(text),
        })
    }
}

/// Baseline of any constraints and level: the stack would take any H264 for an answer, whatever its profile.
fn offers_baseline(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let formats = text.lines().filter(|line| line.starts_with("a=fmtp:"));
    let mut formats = formats.filter(|line| line.contains("packetization-mode=1"));
    text.contains(" h264/90000") && formats.any(|line| line.contains("profile-level-id=42"))
}

fn parse_sources(text: &str) -> Vec<u32> {
    let mut sources: Vec<u32> = Vec::new();
    for line in text.lines() {
        let source = line.strip_prefix("a=ssrc:").and_then(|rest| rest.split(' ').next()?.parse().ok());
        sources.extend(source.filter(|source| sources.len() < MAX_SOURCES && !sources.contains(source)));
    }
    sources
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 102\r\na=rtpmap:102 H264/90000\r\n\
        a=fmtp:102 packetization-mode=1;profile-level-id=42e01f\r\na=candidate:1 1 udp 1 10.0.0.1 53 typ host\r\n\
        a=end-of-candidates\r\na=ssrc:7 cname:x\r\na=ssrc:7 msid:x y\r\na=ssrc:8 cname:x\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n";

    #[test]
    fn candidates_are_left_out() {
        let offer = Offer::parse(OFFER).unwrap();
        assert!(!offer.sdp.contains("candidate"), "{}", offer.sdp);
        assert_eq!((offer.ufrag.as_str(), offer.password.len()), ("abcd", 22));
        assert!(offer.has_audio && !offer.has_channel);
        assert_eq!(offer.sources, [7, 8]);
    }

    #[test]
    fn offers_without_a_way_to_answer_are_refused() {
        for (text, malformed) in [
            ("", true),
            ("hello", true),
            (&OFFER.replace("ice-ufrag", "x"), true),
            (&OFFER.replace("H264", "AV1"), false),
            (&OFFER.replace("42e01f", "640034"), false),
            (&OFFER.replace("mode=1", "mode=0"), false),
            (&OFFER.replace("m=video", "m=audio"), false),
            (&OFFER.replace("m=audio", "m=text"), false),
            (&[OFFER, &"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n".repeat(9)].concat(), false),
        ] {
            let error = Offer::parse(text).unwrap_err();
            assert_eq!(matches!(error, OfferError::Malformed(_)), malformed, "{error}");
        }
    }
}
