//! The few calls into FFmpeg that `ffmpeg-next` has no safe face for.
#![allow(unsafe_code, reason = "FFmpeg is C; each call says why it is sound")]

use std::{
    ffi::{CStr, CString},
    ptr,
};

use ffmpeg_next as ffmpeg;
use ffmpeg_next::ffi;

/// FFmpeg's input format of this name (`v4l2`, `lavfi`, `matroska`).
pub(crate) fn find_input_format(name: &str) -> Option<ffmpeg::format::Input> {
    let name = CString::new(name).ok()?;
    // SAFETY: the name is a C string; the format found is static.
    unsafe {
        let format = ffi::av_find_input_format(name.as_ptr());
        (!format.is_null()).then(|| ffmpeg::format::Input::wrap(format.cast_mut()))
    }
}

/// Where the file begins, in microseconds; `None` when it does not say.
pub(crate) fn start_time_us(input: &ffmpeg::format::context::Input) -> Option<i64> {
    // SAFETY: the context is open as long as `input` lives.
    let start = unsafe { (*input.as_ptr()).start_time };
    (start != ffi::AV_NOPTS_VALUE).then_some(start)
}

/// Sets bit rate, its ceiling and the size of the VBV buffer of an open encoder, in bits a second and bits.
pub(crate) fn set_rate(encoder: &mut ffmpeg::encoder::video::Encoder, bits_per_second: i64, buffer_bits: i32) {
    // SAFETY: the context is open as long as `encoder` lives, and only one thread has it.
    unsafe {
        let context = encoder.as_mut_ptr();
        (*context).bit_rate = bits_per_second;
        (*context).rc_max_rate = bits_per_second;
        (*context).rc_buffer_size = buffer_bits;
    }
}

/// Makes sure that nobody else holds the samples of `frame` before they are written.
pub(crate) fn make_writable(frame: &mut ffmpeg::frame::Video) -> Result<(), ffmpeg::Error> {
    // SAFETY: `frame` is a valid frame of its own.
    match unsafe { ffi::av_frame_make_writable(frame.as_mut_ptr()) } {
        error if error < 0 => Err(error.into()),
        _ => Ok(()),
    }
}

/// The quantiser scale that mpegvideo encoders are to code this frame with.
pub(crate) fn set_quantiser_scale(frame: &mut ffmpeg::frame::Video, scale: i32) {
    // SAFETY: `frame` is a valid frame of its own.
    unsafe { (*frame.as_mut_ptr()).quality = scale * ffi::FF_QP2LAMBDA }
}

/// A swscale context that also knows colour ranges.
pub(crate) struct Scaler {
    context: *mut ffi::SwsContext,
}

// SAFETY: a swscale context has no tie to the thread that made it.
unsafe impl Send for Scaler {}

/// Format, size and colour of one side of a conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Side {
    pub(crate) format: ffmpeg::format::Pixel,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) full_range: bool,
    /// One of FFmpeg's `SWS_CS_*`.
    pub(crate) matrix: i32,
}

impl Scaler {
    /// `None` when swscale cannot convert so.
    pub(crate) fn new(from: Side, to: Side, flags: ffmpeg::software::scaling::Flags) -> Option<Self> {
        let options: [(&CStr, i64); 9] = [
            (c"srcw", from.width.into()),
            (c"srch", from.height.into()),
            (c"src_format", number_of(from.format)),
            (c"src_range", from.full_range.into()),
            (c"dstw", to.width.into()),
            (c"dsth", to.height.into()),
            (c"dst_format", number_of(to.format)),
            (c"dst_range", to.full_range.into()),
            (c"sws_flags", flags.bits().into()),
        ];
        // SAFETY: a null context is not used; it is freed by `drop` from here on; the tables of coefficients are static.
        unsafe {
            let context = ffi::sws_alloc_context();
            if context.is_null() {
                return None;
            }
            let scaler = Self { context };
            // ranges must be known before: swscale chooses a plain copy otherwise
            for (name, value) in options {
                if ffi::av_opt_set_int(context.cast(), name.as_ptr(), value, 0) < 0 {
                    return None;
                }
            }
            if ffi::sws_init_context(context, ptr::null_mut(), ptr::null_mut()) < 0 {
                return None;
            }
            let (brightness, contrast, saturation) = (0, 1 << 16, 1 << 16);
            ffi::sws_setColorspaceDetails(
                context,
                ffi::sws_getCoefficients(from.matrix),
                from.full_range.into(),
                ffi::sws_getCoefficients(to.matrix),
                to.full_range.into(),
                brightness,
                contrast,
                saturation,
            );
            Some(scaler)
        }
    }

    /// Converts between frames of the formats and sizes that the scaler was made for.
    pub(crate) fn run(
        &mut self,
        from: &ffmpeg::frame::Video,
        to: &mut ffmpeg::frame::Video,
    ) -> Result<(), ffmpeg::Error> {
        // SAFETY: both frames own their planes; swscale reads and writes inside the sizes it was made for.
        let lines = unsafe {
            let (source, target) = (from.as_ptr(), to.as_mut_ptr());
            ffi::sws_scale(
                self.context,
                (*source).data.as_ptr().cast(),
                (*source).linesize.as_ptr(),
                0,
                (*source).height,
                (*target).data.as_ptr(),
                (*target).linesize.as_ptr(),
            )
        };
        if lines < 0 { Err(lines.into()) } else { Ok(()) }
    }
}

fn number_of(format: ffmpeg::format::Pixel) -> i64 {
    ffi::AVPixelFormat::from(format) as i64
}

impl Drop for Scaler {
    fn drop(&mut self) {
        // SAFETY: made by sws_alloc_context, freed once.
        unsafe { ffi::sws_freeContext(self.context) }
    }
}
