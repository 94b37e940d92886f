//! Chromium without a head, driven by the DevTools protocol over pipes.

use std::{process::Stdio, time::Duration};

use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

/// For one answer, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// A browser of its own profile; ends when this is dropped, since its pipes close.
#[derive(Debug)]
pub struct Browser {
    _child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    last_id: u64,
    _profile: TempDir,
}

/// One tab.
#[derive(Debug)]
pub struct Page {
    browser: Browser,
    session: String,
}

impl Browser {
    /// # Panics
    /// When there is no Chromium: `make setup-tests` installs it.
    #[must_use]
    pub fn start() -> Self {
        let profile = tempfile::tempdir().expect("a folder in the temporary folder can be made");
        // Chromium reads requests from descriptor 3 and writes answers to 4.
        let mut child = Command::new("sh")
            .args(["-c", r#"exec "$@" 3<&0 4>&1 </dev/null >/dev/null"#, "sh", "chromium"])
            .args(["--headless", "--no-sandbox", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu"])
            .args(["--disable-quic", "--disable-sync", "--disable-background-networking", "--disable-component-update"])
            .args(["--autoplay-policy=no-user-gesture-required", "--window-size=1500,1050"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("sh can be started");
        let requests = child.stdin.take().expect("it is piped");
        let answers = BufReader::new(child.stdout.take().expect("it is piped"));
        Self { _child: child, requests, answers, last_id: 0, _profile: profile }
    }

    /// Opens a page in a tab.
    pub async fn open(mut self, url: &str) -> Page {
        let target = self.call(None, "Target.createTarget", json!({ "url": url })).await;
        let attached =
            self.call(None, "Target.attachToTarget", json!({ "targetId": target["targetId"], "flatten": true })).await;
        let session = attached["sessionId"].as_str().expect("Chromium names the session").to_owned();
        Page { browser: self, session }
    }

    async fn call(&mut self, session: Option<&str>, method: &str, params: Value) -> Value {
        self.last_id += 1;
        let mut request = json!({ "id": self.last_id, "method": method, "params": params });
        if let Some(session) = session {
            request["sessionId"] = session.into();
        }
        let mut bytes = request.to_string().into_bytes();
        bytes.push(0);
        self.requests.write_all(&bytes).await.expect("Chromium runs (`make setup-tests` installs it)");
        let answer = timeout(PATIENCE, self.answer()).await;
        let answer = answer.unwrap_or_else(|_| panic!("{method}: no answer within {PATIENCE:?}"));
        assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
        answer["result"].clone()
    }

    /// To the last request; events are skipped.
    async fn answer(&mut self) -> Value {
        loop {
            let mut bytes = Vec::new();
            self.answers.read_until(0, &mut bytes).await.expect("a pipe can be read");
            assert_eq!(bytes.pop(), Some(0), "Chromium ended, or is not installed (`make setup-tests`)");
            let answer: Value = serde_json::from_slice(&bytes).expect("Chromium writes JSON");
            if answer["id"] == self.last_id {
                return answer;
            }
        }
    }
}

impl Page {
    /// The value of a JavaScript expression; a promise is waited for.
    ///
    /// # Panics
    /// When it throws, or its value is no `T`.
    pub async fn evaluate<T: DeserializeOwned>(&mut self, expression: &str) -> T {
        let params = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.browser.call(Some(&self.session), "Runtime.evaluate", params).await;
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {}", answer["exceptionDetails"]);
        serde_json::from_value(answer["result"]["value"].clone()).expect("the value is of the type asked for")
    }

    /// What the page looks like, as PNG in base64.
    pub async fn screenshot(&mut self) -> String {
        let answer = self.browser.call(Some(&self.session), "Page.captureScreenshot", json!({ "format": "png" })).await;
        answer["data"].as_str().expect("Chromium sends a picture").to_owned()
    }
}
