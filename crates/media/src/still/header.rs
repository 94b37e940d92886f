//! Sizes of PNG, JPEG and WebP pictures, read from their first bytes; also whether their end is there.

/// Width and height of a PNG (the IHDR chunk comes first) that ends with IEND.
pub(super) fn png_size(bytes: &[u8]) -> Option<(usize, usize)> {
    let header = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n")?;
    let end = header.len().checked_sub(8)?;
    if header.get(4..8)? != b"IHDR" || header.get(end..end + 4)? != b"IEND" {
        return None;
    }
    Some((big_endian(header.get(8..12)?), big_endian(header.get(12..16)?)))
}

/// Width and height of a JPEG (its only start-of-frame segment) that ends with EOI.
pub(super) fn jpeg_size(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut rest = bytes.strip_prefix(b"\xff\xd8")?.strip_suffix(b"\xff\xd9")?;
    loop {
        let marker = *rest.strip_prefix(b"\xff")?.first()?;
        let segment = rest.get(2..)?;
        match marker {
            0xff => rest = rest.get(1..)?,
            // SOF0 to SOF15, but for DHT, JPG and DAC: length, precision, height, width
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                return Some((big_endian(segment.get(5..7)?), big_endian(segment.get(3..5)?)));
            }
            // the scan begins, and there was no frame
            0xda => return None,
            _ => rest = segment.get(big_endian(segment.get(..2)?).max(2)..)?,
        }
    }
}

/// Width and height of a still WebP, lossy or lossless, without extras, as long as its container says.
pub(super) fn webp_size(bytes: &[u8]) -> Option<(usize, usize)> {
    let body = bytes.strip_prefix(b"RIFF")?;
    if little_endian(body.get(..4)?) != body.len() - 4 || body.get(4..8)? != b"WEBP" {
        return None;
    }
    let (kind, data) = (body.get(8..12)?, body.get(16..)?);
    match kind {
        // RFC 6386, 9.1: three bytes of frame tag, start code, 14 bits each of width and height
        b"VP8 " if data.get(3..6)? == [0x9d, 0x01, 0x2a] => {
            Some((little_endian(data.get(6..8)?) & 0x3fff, little_endian(data.get(8..10)?) & 0x3fff))
        }
        // RFC 9649, 3.4: signature, 14 bits each of width - 1 and height - 1
        b"VP8L" if data.first() == Some(&0x2f) => {
            let sizes = little_endian(data.get(1..5)?);
            Some(((sizes & 0x3fff) + 1, (sizes >> 14 & 0x3fff) + 1))
        }
        _ => None,
    }
}

fn big_endian(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |value, &byte| value << 8 | usize::from(byte))
}

fn little_endian(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |value, &byte| value << 8 | usize::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_from_whole_headers_only() {
        let png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x60\0\0\0\x40\x08\0\0\0\0crc!\0\0\0\0IENDcrc!";
        assert_eq!(png_size(png), Some((96, 64)));
        let jpeg = b"\xff\xd8\xff\xe0\0\x04ab\xff\xc0\0\x0b\x08\0\x40\0\x60\x01\x01\x11\0\xff\xda\0\x02xx\xff\xd9";
        assert_eq!(jpeg_size(jpeg), Some((96, 64)));
        let webp = b"RIFF\x16\0\0\0WEBPVP8 \x0a\0\0\0tag\x9d\x01\x2a\x60\0\x40\0";
        assert_eq!(webp_size(webp), Some((96, 64)));
        for length in 0..png.len() {
            assert_eq!(png_size(&png[..length]), None, "png cut at {length}");
        }
        for length in 0..jpeg.len() {
            assert_eq!(jpeg_size(&jpeg[..length]), None, "jpeg cut at {length}");
        }
        for length in 0..webp.len() {
            assert_eq!(webp_size(&webp[..length]), None, "webp cut at {length}");
        }
    }
}
