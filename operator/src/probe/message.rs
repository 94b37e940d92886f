//! STUN binding requests without a name, and their answers (RFC 8489).

pub(super) type TransactionId = [u8; 12];

const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: [u8; 2] = [0, 1];
const BINDING_SUCCESS: [u8; 2] = [1, 1];
const XOR_MAPPED_ADDRESS: u16 = 0x0020;

pub(super) fn request(transaction: TransactionId) -> Vec<u8> {
    [&BINDING_REQUEST[..], &[0, 0], &MAGIC_COOKIE, &transaction].concat()
}

/// Which request `datagram` answers; `None`: it is not the answer of a STUN server that took the request.
pub(super) fn answered(datagram: &[u8]) -> Option<TransactionId> {
    let (header, mut attributes) = datagram.split_at_checked(20)?;
    if header[..2] != BINDING_SUCCESS || header[4..8] != MAGIC_COOKIE {
        return None;
    }
    let transaction = header[8..].try_into().ok()?;
    while let Some((head, rest)) = attributes.split_first_chunk::<4>() {
        if u16::from_be_bytes([head[0], head[1]]) == XOR_MAPPED_ADDRESS {
            return Some(transaction);
        }
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        attributes = rest.get(length.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_answer_counts() {
        let transaction = [7; 12];
        assert_eq!(request(transaction).len(), 20);
        let mapped = [0, 0x20, 0, 8, 0, 1, 0, 0, 0, 0, 0, 0];
        let answer = |kind: [u8; 2], body: &[u8]| {
            [&kind[..], &[0, body.len() as u8], &MAGIC_COOKIE, &transaction, body].concat()
        };
        let software = [0x80, 0x22, 0, 3, b'a', b'b', b'c', 0];
        for (datagram, expected) in [
            (answer(BINDING_SUCCESS, &mapped), Some(transaction)),
            (answer(BINDING_SUCCESS, &[&software[..], &mapped].concat()), Some(transaction)),
            (answer(BINDING_SUCCESS, &software), None),
            (answer(BINDING_SUCCESS, &[0x80, 0x22, 0xff, 0xff]), None),
            (answer([1, 0x11], &mapped), None),
            (request(transaction), None),
            (vec![1, 1], None),
        ] {
            assert_eq!(answered(&datagram), expected, "{datagram:?}");
        }
    }
}
