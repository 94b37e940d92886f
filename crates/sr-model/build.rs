//! Gives binaries and tests an rpath to libtorch: torch-sys gives them none.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if let Ok(lib) = std::env::var("DEP_TCH_LIBTORCH_LIB") {
        println!("cargo:rustc-link-arg=-Wl,-rpath,$ORIGIN/../libtorch/torch/lib"); // installed: bin/ beside libtorch/
        println!("cargo:rustc-link-arg=-Wl,-rpath,{lib}"); // development tree
    }
}
