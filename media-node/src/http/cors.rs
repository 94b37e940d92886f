//! Pages of any origin may publish and watch: what lets someone in is the token, not the page.

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

/// Answers OPTIONS, a browser's preflight or a client's question, and marks every other answer as readable.
pub(super) async fn allow_all(request: Request, next: Next) -> Response {
    let mut response = if request.method() == Method::OPTIONS {
        let accepts_offers = matches!(request.uri().path().trim_end_matches('/'), "/whip" | "/whep");
        let mut headers = HeaderMap::new();
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, POST, PATCH, DELETE, OPTIONS"),
        );
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("authorization, content-type, if-match, acuity-publisher"),
        );
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
        if accepts_offers {
            headers.insert(ACCEPT_POST, HeaderValue::from_static("application/sdp"));
        }
        (StatusCode::OK, headers).into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("location, etag, link, retry-after, accept-post, acuity-version, acuity-network"),
    );
    response
}
