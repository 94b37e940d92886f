//! Bearer tokens in files.

use std::path::PathBuf;

use axum::http::{HeaderMap, header::AUTHORIZATION};
use subtle::ConstantTimeEq;

/// Longer files are no token files.
const MAX_TOKEN_BYTES: u64 = 4096;

/// One token. The file is read at each check: a secret that was changed is in force at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenFile(Option<PathBuf>);

impl TokenFile {
    /// Without a file everyone is let in.
    #[must_use]
    pub(crate) fn new(file: Option<PathBuf>) -> Self {
        Self(file)
    }

    /// The token, to be borne ourselves.
    #[must_use]
    pub(crate) fn value(&self) -> Option<String> {
        self.0.as_deref().and_then(|path| read(path).ok())
    }

    /// Whether a request with these headers bears the token. A file that cannot be read lets nobody in.
    #[must_use]
    pub(crate) fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(path) = &self.0 else { return true };
        let token = match read(path) {
            Ok(token) if !token.is_empty() => token,
            Ok(_) => return false,
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "the token file cannot be read");
                return false;
            }
        };
        bearer(headers).is_some_and(|given| given.as_bytes().ct_eq(token.as_bytes()).into())
    }
}

fn read(path: &std::path::Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path)?.take(MAX_TOKEN_BYTES).read_to_string(&mut text)?;
    text.truncate(text.trim_end().len());
    Ok(text)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(authorization: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, authorization.parse().unwrap())])
    }

    #[test]
    fn the_token_of_the_moment_lets_in_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let token = TokenFile::new(Some(path.clone()));
        assert!(!token.admits(&headers("Bearer first")), "no file yet");
        std::fs::write(&path, "first\n").unwrap();
        assert!(token.admits(&headers("Bearer first")) && token.admits(&headers("bearer first")));
        for wrong in ["Bearer firs", "Bearer firstt", "Bearer", "Basic first", "first"] {
            assert!(!token.admits(&headers(wrong)), "{wrong}");
        }
        assert!(!token.admits(&HeaderMap::new()));
        std::fs::write(&path, "second").unwrap();
        assert!(token.admits(&headers("Bearer second")) && !token.admits(&headers("Bearer first")));
        std::fs::write(&path, "").unwrap();
        assert!(!token.admits(&headers("Bearer ")), "an empty file is no token");
    }

    #[test]
    fn without_a_file_everyone_is_let_in() {
        assert!(TokenFile::default().admits(&HeaderMap::new()));
    }
}
