//! Writes what the chart repeats of the rest of the repository.

fn main() -> anyhow::Result<()> {
    for file in charts::generated()? {
        std::fs::write(&file.path, &file.text)?;
    }
    Ok(())
}
