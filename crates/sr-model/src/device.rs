//! Where the network runs: the CPU, or a GPU whose library is loaded at run time.

use std::{ffi::CString, path::Path, str::FromStr};

pub use tch::Device;

/// What to do about the device setting.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    #[error("device {0:?} is not auto, cpu or cuda:N")]
    Unknown(String),
    #[error("cuda:{0} was asked for, but {1}: use auto or cpu, or set {LIBRARY_VARIABLE} to the path of {LIBRARY}")]
    Unavailable(usize, String),
}

/// Names the CUDA half of libtorch: a path, `auto` (found by its name), or `off`.
const LIBRARY_VARIABLE: &str = "ACUITY_LIBTORCH_CUDA";
const LIBRARY: &str = "libtorch_cuda.so";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    Auto,
    Cpu,
    Cuda(usize),
}

impl FromStr for Choice {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            _ => {
                let number = text.strip_prefix("cuda:").and_then(|number| number.parse().ok());
                number.map(Self::Cuda).ok_or_else(|| DeviceError::Unknown(text.to_owned()))
            }
        }
    }
}

/// The device named by `auto`, `cpu` or `cuda:N`. Unless it is `cpu`, loads libtorch's CUDA library first: call it
/// before any other use of libtorch in the process.
///
/// # Errors
/// When the text names no device, or the GPU it names is not there. `auto` falls back to the CPU.
pub fn open_device(text: &str) -> Result<Device, DeviceError> {
    let choice: Choice = text.parse()?;
    if choice == Choice::Cpu {
        return Ok(Device::Cpu);
    }
    let loaded = load_cuda_library(&std::env::var(LIBRARY_VARIABLE).unwrap_or_else(|_| "auto".to_owned()));
    let gpus = if loaded.is_ok() { usize::try_from(tch::Cuda::device_count()).unwrap_or(0) } else { 0 };
    match (choice, loaded) {
        (Choice::Cuda(index), Err(reason)) => Err(DeviceError::Unavailable(index, reason)),
        (Choice::Cuda(index), Ok(())) if index >= gpus => {
            Err(DeviceError::Unavailable(index, format!("this machine has {gpus} CUDA devices")))
        }
        (Choice::Cuda(index), Ok(())) => Ok(Device::Cuda(index)),
        (_, Ok(())) if gpus > 0 => Ok(Device::Cuda(0)),
        (_, loaded) => {
            tracing::info!(reason = loaded.err().as_deref().unwrap_or("no CUDA device"), "using the CPU");
            Ok(Device::Cpu)
        }
    }
}

/// `cpu` or `cuda:N`, as in settings and reports.
#[must_use]
pub fn device_name(device: Device) -> String {
    match device {
        Device::Cuda(index) => format!("cuda:{index}"),
        _ => "cpu".to_owned(),
    }
}

/// The linker drops the library from binaries that name none of its symbols, and its static initialisers are what
/// makes CUDA known: so it is loaded by hand. Never unloaded.
#[allow(unsafe_code, reason = "dlopen is a C function")]
fn load_cuda_library(setting: &str) -> Result<(), String> {
    let path = match setting {
        "off" => return Err(format!("{LIBRARY_VARIABLE} is off")),
        "auto" | "" => LIBRARY,
        path if Path::new(path).is_file() => path,
        path => return Err(format!("{LIBRARY_VARIABLE} names no file: {path}")),
    };
    let name = CString::new(path).map_err(|_| "the path holds a zero byte".to_owned())?;
    // SAFETY: the name is a C string; the library's initialisers are libtorch's own and expect exactly this.
    let handle = unsafe { libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) };
    if handle.is_null() { Err(format!("{path} could not be loaded")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_auto_cpu_or_by_number() {
        assert_eq!("auto".parse(), Ok(Choice::Auto));
        assert_eq!("cpu".parse(), Ok(Choice::Cpu));
        assert_eq!("cuda:3".parse(), Ok(Choice::Cuda(3)));
        for text in ["", "gpu", "cuda", "cuda:", "cuda:-1", "cuda:x", "CPU"] {
            assert_eq!(text.parse::<Choice>(), Err(DeviceError::Unknown(text.to_owned())));
        }
    }

    #[test]
    fn a_cuda_library_that_is_off_or_absent_is_said_to_be() {
        assert!(load_cuda_library("off").unwrap_err().contains("is off"));
        assert!(load_cuda_library("/nowhere/libtorch_cuda.so").unwrap_err().contains("/nowhere"));
        assert_eq!(open_device("cpu"), Ok(Device::Cpu));
    }
}
