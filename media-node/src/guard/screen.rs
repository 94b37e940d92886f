//! A crypto provider for one peer connection that looks at what DTLS carries, right after decryption: the only place
//! from which SCTP can be seen before the stack acts on it. A refused packet counts as one that was not authentic.

use std::sync::Arc;

use rtc::crypto::{
    ActiveKeyExchange, AeadAlgorithm, AeadCipher, BlockCipherAlgorithm, CbcAlgorithm, CbcCipher, CryptoAlgorithm,
    CryptoError, HashAlgorithm, HmacAlgorithm, KeyExchangeAlgorithm, Mac, PublicKey, RTCCrypto, RTCCryptoProvider,
    RTCRandom, SignatureScheme, SigningKey, StreamCipher, StreamCipherAlgorithm,
};
use telemetry::prometheus_client::metrics::counter::Counter;

use super::sctp::Acknowledged;

/// Content type and version of an application data record, where the additional data of DTLS 1.2 (13 bytes) has them.
const APPLICATION_DATA: [u8; 3] = [23, 0xfe, 0xfd];
const DTLS_ADDITIONAL_DATA_BYTES: usize = 13;

/// Shared by the ciphers of one peer connection.
#[derive(Default)]
struct Screen {
    acknowledged: Acknowledged,
    refused: Counter,
}

pub(crate) struct ScreenedProvider {
    inner: Arc<dyn RTCCryptoProvider>,
    screen: Arc<Screen>,
}

impl ScreenedProvider {
    /// `refused` counts the SCTP packets that were dropped.
    pub(crate) fn new(inner: Arc<dyn RTCCryptoProvider>, refused: Counter) -> Self {
        Self { inner, screen: Arc::new(Screen { refused, ..Screen::default() }) }
    }
}

struct ScreenedCipher {
    inner: Box<dyn AeadCipher>,
    screen: Arc<Screen>,
}

fn carries_sctp(additional_data: &[u8]) -> bool {
    additional_data.len() == DTLS_ADDITIONAL_DATA_BYTES && additional_data[8..11] == APPLICATION_DATA
}

impl AeadCipher for ScreenedCipher {
    fn tag_len(&self) -> usize {
        self.inner.tag_len()
    }

    fn seal_in_place(&mut self, nonce: &[u8], aad: &[u8], data: &mut [u8], tag: &mut [u8]) -> Result<(), CryptoError> {
        if carries_sctp(aad) {
            self.screen.acknowledged.observe_sent(data);
        }
        self.inner.seal_in_place(nonce, aad, data, tag)
    }

    fn open_in_place(&mut self, nonce: &[u8], aad: &[u8], data: &mut [u8], tag: &[u8]) -> Result<(), CryptoError> {
        self.inner.open_in_place(nonce, aad, data, tag)?;
        if carries_sctp(aad)
            && let Err(hostile) = self.screen.acknowledged.check_received(data)
        {
            self.screen.refused.inc();
            tracing::debug!(reason = hostile.0, "SCTP packet refused");
            return Err(CryptoError::AuthenticationFailed);
        }
        Ok(())
    }
}

impl RTCCryptoProvider for ScreenedProvider {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn crypto(&self) -> &dyn RTCCrypto {
        self
    }

    fn random(&self) -> &dyn RTCRandom {
        self.inner.random()
    }
}

/// Everything but AEAD ciphers is the inner provider's.
impl RTCCrypto for ScreenedProvider {
    fn supports(&self, algorithm: CryptoAlgorithm) -> bool {
        self.inner.crypto().supports(algorithm)
    }

    fn hash(&self, algorithm: HashAlgorithm, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.inner.crypto().hash(algorithm, data)
    }

    fn block_encrypt(&self, algorithm: BlockCipherAlgorithm, key: &[u8], block: &mut [u8]) -> Result<(), CryptoError> {
        self.inner.crypto().block_encrypt(algorithm, key, block)
    }

    fn new_hmac(&self, algorithm: HmacAlgorithm, key: &[u8]) -> Result<Box<dyn Mac>, CryptoError> {
        self.inner.crypto().new_hmac(algorithm, key)
    }

    fn new_stream_cipher(
        &self,
        algorithm: StreamCipherAlgorithm,
        key: &[u8],
    ) -> Result<Box<dyn StreamCipher>, CryptoError> {
        self.inner.crypto().new_stream_cipher(algorithm, key)
    }

    fn new_aead(&self, algorithm: AeadAlgorithm, key: &[u8]) -> Result<Box<dyn AeadCipher>, CryptoError> {
        let inner = self.inner.crypto().new_aead(algorithm, key)?;
        Ok(Box::new(ScreenedCipher { inner, screen: Arc::clone(&self.screen) }))
    }

    fn new_cbc(&self, algorithm: CbcAlgorithm, key: &[u8]) -> Result<Box<dyn CbcCipher>, CryptoError> {
        self.inner.crypto().new_cbc(algorithm, key)
    }

    fn start_key_exchange(&self, algorithm: KeyExchangeAlgorithm) -> Result<Box<dyn ActiveKeyExchange>, CryptoError> {
        self.inner.crypto().start_key_exchange(algorithm)
    }

    fn generate_signing_key(&self, scheme: SignatureScheme) -> Result<Arc<dyn SigningKey>, CryptoError> {
        self.inner.crypto().generate_signing_key(scheme)
    }

    fn import_signing_key(&self, scheme: SignatureScheme, der: &[u8]) -> Result<Arc<dyn SigningKey>, CryptoError> {
        self.inner.crypto().import_signing_key(scheme, der)
    }

    fn verify_signature(
        &self,
        scheme: SignatureScheme,
        key: PublicKey<'_>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        self.inner.crypto().verify_signature(scheme, key, message, signature)
    }
}
