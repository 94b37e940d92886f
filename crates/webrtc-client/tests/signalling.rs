//! What a client makes of a server's refusals.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use axum::{Router, http::StatusCode, response::IntoResponse, routing::any};
use webrtc_client::{PublishOptions, Publisher, SignallingError, ViewOptions, Viewer};

async fn serve(routes: Router) -> String {
    rustls::crypto::ring::default_provider().install_default().ok();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    format!("http://{address}/whip")
}

fn publish(url: String) -> PublishOptions {
    PublishOptions {
        url,
        token: Some("secret".into()),
        publisher: Some("me".into()),
        audio: true,
        patches: true,
        initial_estimate_kbps: Some(500),
        timeout: Duration::from_secs(5),
    }
}

async fn refused_with(status: u16, retry_after: Option<&'static str>) -> SignallingError {
    let answer = move || async move {
        let status = StatusCode::from_u16(status).unwrap();
        match retry_after {
            Some(seconds) => (status, [("retry-after", seconds)], "because").into_response(),
            None => (status, "because").into_response(),
        }
    };
    let url = serve(Router::new().route("/whip", any(answer))).await;
    Publisher::connect(publish(url)).await.expect_err("the server takes no offer")
}

#[tokio::test]
async fn each_status_says_what_to_do_next() {
    for status in [401, 403] {
        let error = refused_with(status, None).await;
        assert!(
            matches!(&error, SignallingError::Forbidden { status: s, detail } if *s == status && detail == "because"),
            "{error:?}"
        );
    }
    for (status, retry_after, expected) in
        [(409, Some("2"), 2), (503, Some("7"), 7), (503, None, 1), (409, Some("99999"), 30)]
    {
        let error = refused_with(status, retry_after).await;
        let expected = Duration::from_secs(expected);
        assert!(
            matches!(&error, SignallingError::Later { status: s, after, .. } if *s == status && *after == expected),
            "{error:?}"
        );
    }
    for status in [400, 404, 406, 415, 500] {
        let error = refused_with(status, None).await;
        assert!(matches!(&error, SignallingError::Refused { status: s, .. } if *s == status), "{error:?}");
    }
    for status in [502, 504] {
        let error = refused_with(status, None).await;
        assert!(matches!(&error, SignallingError::Unreachable(_)), "{error:?}");
    }
}

#[tokio::test]
async fn the_offer_carries_token_and_publisher_and_only_our_codecs() {
    let (sender, mut offers) = tokio::sync::mpsc::channel(1);
    let take = move |headers: axum::http::HeaderMap, body: String| async move {
        sender.send((headers, body)).await.unwrap();
        StatusCode::BAD_REQUEST
    };
    let url = serve(Router::new().route("/whip", any(take))).await;
    assert!(Publisher::connect(publish(url)).await.is_err());
    let (headers, sdp) = offers.recv().await.unwrap();
    assert_eq!(headers["authorization"], "Bearer secret");
    assert_eq!(headers["acuity-publisher"], "me");
    assert_eq!(headers["content-type"], "application/sdp");
    for expected in [
        "H264/90000",
        "packetization-mode=1",
        "42e01f",
        "rtx/90000",
        "opus/48000/2",
        "m=application",
        "a=candidate",
        "127.0.0.1",
    ] {
        assert!(sdp.contains(expected), "no {expected} in\n{sdp}");
    }
    for unwanted in ["VP8", "VP9", "AV1", "PCMU", "packetization-mode=0"] {
        assert!(!sdp.contains(unwanted), "{unwanted} in\n{sdp}");
    }
}

#[tokio::test]
async fn a_server_that_is_away_or_silent_cannot_be_reached() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}/whep", listener.local_addr().unwrap());
    let view = |url: String| ViewOptions { url, token: None, audio: true, timeout: Duration::from_millis(500) };
    let error = Viewer::connect(view(silent)).await.unwrap_err();
    assert!(matches!(error, SignallingError::Unreachable(_)), "{error:?}");

    let away = format!("http://{}/whep", listener.local_addr().unwrap());
    drop(listener);
    let error = Viewer::connect(view(away)).await.unwrap_err();
    assert!(matches!(error, SignallingError::Unreachable(_)), "{error:?}");
}

#[tokio::test]
async fn a_url_that_is_none_is_refused_without_a_connection() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let error = Publisher::connect(publish("stream.example/whip".into())).await.unwrap_err();
    assert!(matches!(error, SignallingError::Refused { status: 0, .. }), "{error:?}");
}
