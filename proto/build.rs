//! Compiles the messages with protox: no protoc is needed on the machine.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = ["checkpoint", "patch", "report", "stream"].map(|name| format!("proto/acuity/v1/{name}.proto"));
    tonic_prost_build::configure().bytes(".acuity.v1").compile_fds(protox::compile(files, ["proto"])?)?;
    Ok(())
}
