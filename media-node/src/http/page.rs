//! The page, built into the program. Its files are readable as they are: `web/`.

use axum::{
    Router,
    http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
    response::{IntoResponse, Response},
    routing::get,
};

const POLICY: &str =
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; media-src 'self' blob: mediastream:";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! web {
    ($file:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../web/", $file))
    };
}

const FILES: [(&str, &str, &str); 6] = [
    ("/", HTML, web!("index.html")),
    ("/acuity.css", CSS, web!("acuity.css")),
    ("/page.js", JAVASCRIPT, web!("page.js")),
    ("/chart.js", JAVASCRIPT, web!("chart.js")),
    ("/events.js", JAVASCRIPT, web!("events.js")),
    ("/whep.js", JAVASCRIPT, web!("whep.js")),
];

pub(super) fn routes() -> Router {
    FILES.iter().fold(Router::new(), |router, (path, kind, text)| router.route(path, get(async || file(kind, text))))
}

fn file(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, text).into_response()
}
