//! Prints what is generated from the types: `crdgen definition` or `crdgen reference`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let text = match std::env::args().nth(1).as_deref() {
        Some("definition") => crds::definition_yaml(),
        Some("reference") => crds::reference(),
        _ => {
            eprintln!("usage: crdgen definition > crds/livestreams.acuity.video.yaml");
            eprintln!("       crdgen reference > docs/livestream.md");
            return ExitCode::FAILURE;
        }
    };
    print!("{text}");
    ExitCode::SUCCESS
}
