//! Every status of WHIP and WHEP, and what else the two HTTP sides answer.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod node;

use node::{Node, stream};
use reqwest::{Client, Method, Response, header::HeaderMap};

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";

/// An offer as browsers make it; `direction` is ours to choose.
fn offer(direction: &str) -> String {
    let fingerprint = vec!["AB"; 32].join(":");
    format!(
        "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=msid-semantic: WMS\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF 103 104\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n\
         a=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=fingerprint:sha-256 {fingerprint}\r\na=setup:actpass\r\na=mid:0\r\n\
         a={direction}\r\na=rtcp-mux\r\na=rtpmap:103 H264/90000\r\na=rtcp-fb:103 nack\r\na=rtcp-fb:103 nack pli\r\n\
         a=rtcp-fb:103 transport-cc\r\n\
         a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
         a=fmtp:103 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n\
         a=rtpmap:104 rtx/90000\r\na=fmtp:104 apt=103\r\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\n\
         a=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=fingerprint:sha-256 {fingerprint}\r\na=setup:actpass\r\na=mid:1\r\n\
         a={direction}\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n"
    )
}

async fn send(method: Method, url: &str, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Response {
    let client = Client::builder().no_proxy().build().unwrap();
    let request = client.request(method, url).body(body);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.send().await.unwrap()
}

async fn post(url: &str, body: impl Into<reqwest::Body>) -> Response {
    send(Method::POST, url, &[("content-type", SDP)], body).await
}

fn header(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_request_gets_its_status() {
    let node = Node::start().await;
    let (whip, whep) = (node.url("/whip"), node.url("/whep"));
    let sdp = [("content-type", SDP)];
    let no_session = format!("{whip}/0123");
    let fragment = [("content-type", FRAGMENT), ("if-match", "\"x\"")];
    for (method, url, headers, body, status) in [
        (Method::POST, &whip, &sdp[..], "no SDP".to_owned(), 400),
        (Method::POST, &whip, &sdp, offer("sendonly").replace("a=ice-pwd", "a=x"), 400),
        (Method::POST, &whip, &sdp, offer("sendonly").replace("a=mid", "a=x"), 400),
        (Method::POST, &whip, &sdp, offer("sendonly").replace("fingerprint", "x"), 400),
        (Method::POST, &whip, &sdp, offer("recvonly"), 406),
        (Method::POST, &whip, &sdp, offer("sendonly").replace("H264", "AV1"), 406),
        (Method::POST, &whip, &sdp, offer("sendonly").replace("42e01f", "640034"), 406),
        (Method::POST, &whip, &[("content-type", SDP), ("accept", "text/html")], offer("sendonly"), 406),
        (Method::POST, &whip, &[("content-type", "application/json")], offer("sendonly"), 415),
        (Method::POST, &whip, &[], offer("sendonly"), 415),
        (Method::POST, &whip, &sdp, "v=0".repeat(100_000), 413),
        (Method::POST, &whep, &sdp, offer("recvonly"), 409),
        (Method::POST, &format!("{whep}?rendition=best"), &sdp, offer("recvonly"), 400),
        (Method::GET, &whip, &[], String::new(), 405),
        (Method::PUT, &whep, &[], String::new(), 405),
        (Method::POST, &no_session, &sdp, offer("sendonly"), 405),
        (Method::DELETE, &no_session, &[], String::new(), 404),
        (Method::PATCH, &no_session, &fragment, String::new(), 404),
        (Method::PATCH, &no_session, &sdp, String::new(), 415),
        (Method::GET, &node.url("/nowhere"), &[], String::new(), 404),
        (Method::GET, &node.url("/api/checkpoints/latest"), &[], String::new(), 200),
        (Method::GET, &node.url("/metrics"), &[], String::new(), 404),
        (Method::POST, &node.url("/whip/enhanced"), &sdp, offer("sendonly"), 405),
        (Method::GET, &node.url("/"), &[], String::new(), 200),
        (Method::GET, &node.url("/page.js"), &[], String::new(), 200),
        (Method::GET, &node.internal_url("/healthz"), &[], String::new(), 200),
        (Method::GET, &node.internal_url("/readyz"), &[], String::new(), 200),
    ] {
        let answer = send(method.clone(), url, headers, body.clone()).await;
        let body: String = body.chars().take(40).collect();
        assert_eq!(answer.status(), status, "{method} {url} {headers:?} {body:?}");
    }
    node.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_made_trickled_to_and_ended() {
    let node = Node::start().await;
    let answer = post(&node.url("/whip"), offer("sendonly")).await;
    assert_eq!(answer.status(), 201);
    let headers = answer.headers().clone();
    assert_eq!(header(&headers, "content-type"), SDP);
    let location = header(&headers, "location");
    assert!(location.starts_with("whip/"), "relative to where it was posted: {location}");
    let etag = header(&headers, "etag");
    assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() > 4, "{etag}");
    let exposed = header(&headers, "access-control-expose-headers");
    assert!(["location", "etag", "link"].iter().all(|name| exposed.contains(name)), "{exposed}");
    let sdp = answer.text().await.unwrap();
    let candidate = format!("127.0.0.1 {} typ host", node.ports.media_listen.port());
    assert!(sdp.contains("a=ice-lite") && sdp.contains(&candidate), "{sdp}");
    assert!(sdp.contains("a=recvonly") && sdp.contains("transport-cc") && sdp.contains("nack pli"), "{sdp}");

    let session = node.url(&format!("/{location}"));
    let fragment = "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\nm=video 9 RTP/AVP 0\r\na=mid:0\r\n\
                    a=candidate:1 1 UDP 1 192.0.2.1 9 typ host\r\na=end-of-candidates\r\n";
    for (if_match, body, status) in [
        (Some(etag.as_str()), fragment, 204),
        (Some(&etag), "no fragment", 400),
        (Some("\"other\""), fragment, 412),
        (Some("*"), fragment, 422),
        (None, fragment, 428),
    ] {
        let headers: Vec<_> =
            [("content-type", FRAGMENT)].into_iter().chain(if_match.map(|tag| ("if-match", tag))).collect();
        assert_eq!(send(Method::PATCH, &session, &headers, body).await.status(), status, "{if_match:?} {body}");
    }
    let other_resource = session.replace("/whip/", "/whep/");
    assert_eq!(send(Method::DELETE, &other_resource, &[], "").await.status(), 404);
    assert_eq!(send(Method::DELETE, &session, &[], "").await.status(), 200);
    assert_eq!(send(Method::DELETE, &session, &[], "").await.status(), 404);
    node.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_other_origins_may_ask() {
    let node = Node::start().await;
    for path in ["/whip", "/whep", "/whip/0123", "/api/status"] {
        let answer = send(Method::OPTIONS, &node.url(path), &[("origin", "https://example.org")], "").await;
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(header(answer.headers(), "access-control-allow-origin"), "*");
        let allowed = header(answer.headers(), "access-control-allow-headers");
        assert!(
            ["authorization", "content-type", "if-match", "acuity-publisher"].iter().all(|name| allowed.contains(name))
        );
        let accepts = answer.headers().get("accept-post").map(|value| value.to_str().unwrap());
        assert_eq!(accepts, ["/whip", "/whep"].contains(&path).then_some(SDP));
    }
    node.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_guard_what_they_are_for() {
    let folder = tempfile::tempdir().unwrap();
    let token = |name: &str| {
        std::fs::write(folder.path().join(name), format!("{name}\n")).unwrap();
        Some(folder.path().join(name))
    };
    let (publish, view, internal) = (token("publish"), token("view"), token("internal"));
    let node = Node::with(|settings| {
        settings.publish_token_file = publish;
        settings.view_token_file = view;
        settings.internal_token_file = internal;
    })
    .await;
    let cases = [
        (Method::POST, node.url("/whip"), "publish", 400),
        (Method::DELETE, node.url("/whip/x"), "publish", 404),
        (Method::POST, node.url("/whep"), "view", 400),
        (Method::GET, node.url("/api/status"), "view", 200),
        (Method::GET, node.internal_url("/api/status"), "internal", 200),
        (Method::POST, node.internal_url("/whip/enhanced"), "internal", 400),
        (Method::POST, node.internal_url("/whep/source"), "internal", 400),
    ];
    for (method, url, right, status) in cases {
        for token in ["publish", "view", "internal", "wrong", ""] {
            let bearer = format!("Bearer {token}");
            let headers = [("content-type", SDP), ("authorization", &bearer)];
            let expected = if token == right { status } else { 401 };
            let answer = send(method.clone(), &url, &headers, "").await;
            assert_eq!(answer.status(), expected, "{method} {url} with {token:?}");
        }
    }
    let grpc = node.internal_url("/acuity.v1.CheckpointService/Get");
    let headers = [("content-type", "application/grpc"), ("authorization", "Bearer view")];
    assert_eq!(send(Method::POST, &grpc, &headers, "").await.status(), 401);
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(send(Method::GET, &node.internal_url(path), &[], "").await.status(), 200, "{path} needs no token");
    }
    assert_eq!(send(Method::GET, &node.url("/"), &[], "").await.status(), 200, "the page asks for the token itself");
    node.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewers_beyond_the_limit_are_told_to_come_later() {
    let node = Node::with(|settings| settings.max_viewers = 1).await;
    let (publisher, events) = node.publish().await;
    let _streaming = stream(publisher, events);
    node::until("the source is live", async || node.status().await.publishing.then_some(())).await;
    assert_eq!(post(&node.url("/whep"), offer("recvonly")).await.status(), 201);
    let answer = post(&node.url("/whep"), offer("recvonly")).await;
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    let internal = post(&node.internal_url("/whep/source"), offer("recvonly")).await;
    assert_eq!(internal.status(), 201, "the enhancer is no viewer");
    let answer = post(&node.url("/whep?rendition=enhanced"), offer("recvonly")).await;
    assert_eq!((answer.status().as_u16(), header(answer.headers(), "retry-after").as_str()), (409, "1"));
    node.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_begin_with_the_status_and_end_with_the_node() {
    let node = Node::start().await;
    let mut events = send(Method::GET, &node.url("/api/events"), &[], "").await;
    assert_eq!(header(events.headers(), "content-type"), "text/event-stream");
    let first = String::from_utf8(events.chunk().await.unwrap().unwrap().to_vec()).unwrap();
    assert!(first.starts_with("event: status\ndata: {"), "{first}");
    let (publisher, publisher_events) = node.publish().await;
    let _streaming = stream(publisher, publisher_events);
    node::until("the publisher is announced", async || {
        let text = String::from_utf8(events.chunk().await.unwrap().unwrap().to_vec()).unwrap();
        text.contains("event: publisher_connected").then_some(())
    })
    .await;
    node.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn until_its_address_is_known_a_public_session_is_asked_to_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("advertised-addresses");
    let node = Node::with(|settings| settings.advertised_addresses_file = Some(file.clone())).await;
    let (_publisher, _events) = node.try_publish(&node.internal_url("/whip/enhanced"), None).await.unwrap();
    for path in ["/whip", "/whep?rendition=auto"] {
        let direction = if path == "/whip" { "sendonly" } else { "recvonly" };
        let answer = post(&node.url(path), offer(direction)).await;
        assert_eq!((answer.status().as_u16(), header(answer.headers(), "retry-after").as_str()), (503, "1"), "{path}");
    }
    std::fs::write(&file, "203.0.113.7:30000").unwrap();
    let answer = post(&node.url("/whip"), offer("sendonly")).await;
    assert_eq!(answer.status(), 201);
    let sdp = answer.text().await.unwrap();
    let candidates: Vec<_> = sdp.lines().filter(|line| line.starts_with("a=candidate")).collect();
    assert!(!candidates.is_empty() && candidates.iter().all(|line| line.contains(" 203.0.113.7 30000 ")), "{sdp}");
    std::fs::write(&file, "").unwrap();
    assert_eq!(post(&node.url("/whip"), offer("sendonly")).await.status(), 503);
    node.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_internal_socket_needs_a_token() {
    let settings = settings::MediaNodeSettings {
        listen: "127.0.0.1:0".parse().unwrap(),
        internal_listen: "0.0.0.0:0".parse().unwrap(),
        media_listen: "127.0.0.1:0".parse().unwrap(),
        ..Default::default()
    };
    let error = media_node::run(settings, telemetry::Shutdown::default()).await.unwrap_err();
    assert!(error.to_string().contains("internal token"), "{error}");
}
