//! The internal token: a file that is read at each use, because it may change.

use std::{
    io,
    path::{Path, PathBuf},
};

use tonic::{
    Request, Status,
    metadata::{Ascii, MetadataValue},
    service::Interceptor,
};

#[derive(Debug, thiserror::Error)]
#[error("reading the token in {}", file.display())]
pub struct TokenError {
    file: PathBuf,
    source: io::Error,
}

/// The token in `file`, where there is one.
///
/// # Errors
/// When the file cannot be read.
pub fn read_token(file: Option<&Path>) -> Result<Option<String>, TokenError> {
    let read = |file: &Path| match std::fs::read_to_string(file) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(source) => Err(TokenError { file: file.to_owned(), source }),
    };
    file.map(read).transpose()
}

/// Puts the token into each call; without a file, none.
#[derive(Clone, Debug)]
pub struct InternalToken(pub Option<PathBuf>);

impl Interceptor for InternalToken {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let token = read_token(self.0.as_deref())
            .map_err(|error| Status::unauthenticated(format!("{error}: {}", error.source)))?;
        if let Some(token) = token {
            let mut value: MetadataValue<Ascii> = format!("Bearer {token}")
                .parse()
                .map_err(|_| Status::unauthenticated("the token holds characters that no header may"))?;
            value.set_sensitive(true);
            request.metadata_mut().insert("authorization", value);
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authorization(token: &mut InternalToken) -> Result<Option<String>, Status> {
        let request = token.call(Request::new(()))?;
        Ok(request.metadata().get("authorization").map(|value| value.to_str().unwrap().to_owned()))
    }

    #[test]
    fn each_call_has_the_token_that_the_file_holds_then() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut token = InternalToken(Some(file.path().to_owned()));
        for secret in ["one", "two"] {
            std::fs::write(file.path(), format!("{secret}\n")).unwrap();
            assert_eq!(authorization(&mut token).unwrap(), Some(format!("Bearer {secret}")));
        }
        std::fs::write(file.path(), "no\nheader").unwrap();
        let unfit = authorization(&mut token).unwrap_err();
        assert!(!unfit.message().contains("no\nheader"), "a secret is not said");
        assert_eq!(authorization(&mut InternalToken(None)).unwrap(), None);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named() {
        let error = authorization(&mut InternalToken(Some("/nowhere/token".into()))).unwrap_err();
        assert_eq!(error.code(), tonic::Code::Unauthenticated);
        assert!(error.message().contains("/nowhere/token"), "{}", error.message());
    }
}
